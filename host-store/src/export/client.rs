//! The side of `mortise-host export` of a live export: asks the running host for its log.

use super::live::{Request, SOCKET, SocketPath, Status};
use super::{ExportError, ExportReader, FolderError, Parts};
use crate::store::CheckedFrame;
use mortise_format::store::LogHead;
use std::io::{self, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A host that sends nothing for this time is given up.
const SILENCE_TIME: Duration = Duration::from_secs(60);
/// Size of the buffer in front of the socket.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Why a running host did not export its log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// The folder is locked and no host answers in it.
    #[error(
        "the data folder is in use, but no host serves exports at {}: {error}. If another command \
         of mortise-host uses the folder, wait until it ends. If a host of an earlier version runs \
         on it, restart it with this version, or stop it and export again",
        socket.display()
    )]
    NoHost {
        /// The socket that a host has.
        socket: PathBuf,
        /// The operating system's reason.
        error: io::Error,
    },
    /// The host writes another export.
    #[error("the host is writing another export: wait until it ends, then export again")]
    Busy,
    /// The host does not know the request.
    #[error(
        "the running host does not know this request: export with the mortise-host of the version \
         that is running"
    )]
    UnknownRequest,
    /// The host cannot read its store.
    #[error("the host cannot read its store: its log says why")]
    StoreFailed,
    /// Sealed values were asked for and are not there.
    #[error(
        "KEYS_LOST: the host does not have all sealed values, and no file was written: its log \
         names them. Without --with-sealed-keys the log alone is exported"
    )]
    NoSealedValues,
    /// The base is of another log.
    #[error("the base is not an export of this log, and no file was written")]
    OtherBase,
    /// The stream ended before its valid end.
    #[error(
        "the host broke off the export after {frames} frames, and no file was written: the log of \
         the host says why. Export again"
    )]
    BrokenOff {
        /// Whole frames that arrived.
        frames: u64,
    },
    /// The host sends nothing.
    #[error(
        "the host sent nothing for {} s: check its disk, then export again",
        SILENCE_TIME.as_secs()
    )]
    Silent,
    /// The connection failed.
    #[error("the connection to the host failed: {0}")]
    Connection(io::Error),
}

impl From<io::Error> for LiveError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::BrokenOff { frames: 0 },
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::Connection(error),
        }
    }
}

/// An export that a running host is sending.
#[derive(Debug)]
pub(super) struct LiveExport {
    reader: ExportReader<BufReader<UnixStream>>,
    frames: u64,
}

impl LiveExport {
    /// Asks the host of a data folder for its log after a head.
    pub(super) fn request(
        data_dir: &Path,
        sealed_keys: bool,
        after: LogHead,
    ) -> Result<Self, FolderError> {
        let socket = data_dir.join(SOCKET);
        let stream = SocketPath::open(data_dir).and_then(|at| UnixStream::connect(at.path()));
        let mut stream = stream.map_err(|error| LiveError::NoHost { socket, error })?;
        let frames = ask(&mut stream, Request { sealed_keys, after })?;
        let stream = BufReader::with_capacity(BUFFER_BYTES, stream);
        let reader = ExportReader::continuing(stream, after);
        Ok(Self { reader: reader.map_err(live_error)?, frames })
    }

    /// What goes with the frames.
    pub(super) fn parts(&self) -> &Parts {
        self.reader.parts()
    }

    /// The number of frames that the host announced.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// The next frame, checked; `None` at the valid end of the export.
    pub(super) fn next_frame(&mut self) -> Result<Option<CheckedFrame>, FolderError> {
        self.reader.next_frame().map_err(live_error)
    }
}

/// Sends the request; returns the number of frames that the host announces.
fn ask(stream: &mut UnixStream, request: Request) -> Result<u64, FolderError> {
    let accepted = send(stream, request)?;
    let number = read_number(stream)?;
    match accepted {
        true => Ok(number),
        false => Err(FolderError::Pruned { first: number }),
    }
}

fn read_number(stream: &mut UnixStream) -> Result<u64, LiveError> {
    let mut number = [0; 8];
    stream.read_exact(&mut number)?;
    Ok(u64::from_le_bytes(number))
}

/// Sends the request; true when it was accepted, false when frames that it asks for were pruned.
fn send(stream: &mut UnixStream, request: Request) -> Result<bool, LiveError> {
    stream.set_read_timeout(Some(SILENCE_TIME))?;
    stream.write_all(&request.encode())?;
    let mut status = [0];
    stream.read_exact(&mut status)?;
    match Status::decode(status[0]) {
        Some(Status::Accepted) => Ok(true),
        Some(Status::Pruned) => Ok(false),
        Some(Status::Busy) => Err(LiveError::Busy),
        Some(Status::OtherBase) => Err(LiveError::OtherBase),
        Some(Status::NoSealedValues) => Err(LiveError::NoSealedValues),
        Some(Status::StoreFailed) => Err(LiveError::StoreFailed),
        Some(Status::UnknownRequest) | None => Err(LiveError::UnknownRequest),
    }
}

/// What breaks in the stream is the connection's; what is wrong in its bytes is the export's.
fn live_error(error: ExportError) -> FolderError {
    match error {
        ExportError::Torn { frames } => LiveError::BrokenOff { frames }.into(),
        ExportError::Io(error) => LiveError::from(error).into(),
        other => other.into(),
    }
}
