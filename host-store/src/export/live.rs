//! The export of a live store: the protocol on the socket of a data folder.
//!
//! What it is for: a running host holds the lock of its data folder, so no other process can read
//! the store. The host listens on a unix socket in the folder, and `mortise-host export` gets the
//! log through it (`specs/store-protocol.md`, section 11).
//!
//! ```text
//! mortise-host export                             mortise-host run
//! connect DIR/export.sock
//! magic | flags | base    ------------------->    one export at a time; takes the head
//!                         <-------------------    status | frames | the bytes of the export file,
//!                                                 without the frames that the client's base has
//! check, write, sync, rename                      end of stream
//! ```
//! What it does not do: authenticate. The mode of the socket (0600) is the access check: the user
//! of the host and root can export. What they get is sealed, as it is on the disk.
//!
//! Invariants:
//! - An export holds the frames up to the head at the time of the request, and no frame that is not
//!   durable.
//! - The host holds one group of frames for one export. It never waits for a reader on the path of
//!   an append.
//! - The bytes are those of an export file. A stream that breaks off has no valid end, so the
//!   client refuses it.

use mortise_format::ids::FrameDigest;
use mortise_format::store::LogHead;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// The name of the socket in the data folder.
pub(super) const SOCKET: &str = "export.sock";
/// Bytes of a request.
pub(super) const REQUEST_BYTES: usize = MAGIC.len() + 1 + 8 + 32;

/// Begins a request of this version.
pub(super) const MAGIC: [u8; 4] = *b"MRX2";
/// The request asks for the sealed keys too.
const WITH_SEALED_KEYS: u8 = 1;

/// Asks for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) sealed_keys: bool,
    /// The head of what the client has; of the empty log for all of it.
    pub(super) after: LogHead,
}

impl Request {
    pub(super) fn encode(self) -> [u8; REQUEST_BYTES] {
        let mut bytes = [0; REQUEST_BYTES];
        let (magic, rest) = bytes.split_at_mut(MAGIC.len());
        let (flags, rest) = rest.split_at_mut(1);
        let (next_seq, digest) = rest.split_at_mut(8);
        magic.copy_from_slice(&MAGIC);
        flags.fill(if self.sealed_keys { WITH_SEALED_KEYS } else { 0 });
        next_seq.copy_from_slice(&self.after.next_seq.to_le_bytes());
        digest.copy_from_slice(&self.after.digest.0);
        bytes
    }

    /// `None` for bytes that are not a request of this version.
    pub(super) fn decode(bytes: [u8; REQUEST_BYTES]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (flags, rest) = rest.split_first()?;
        let (next_seq, digest) = rest.split_first_chunk::<8>()?;
        let digest = FrameDigest(*digest.first_chunk::<32>()?);
        let after = LogHead { next_seq: u64::from_le_bytes(*next_seq), digest };
        (*magic == MAGIC && flags & !WITH_SEALED_KEYS == 0)
            .then_some(Self { sealed_keys: *flags == WITH_SEALED_KEYS, after })
    }
}

/// The first byte of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    /// The number of frames (u64, little-endian) and the export follow.
    Accepted = 0,
    /// Another export is in progress.
    Busy = 1,
    /// The request is not one of this version.
    UnknownRequest = 2,
    /// The store could not be read.
    StoreFailed = 3,
    /// Sealed values were asked for and are not there.
    NoSealedValues = 4,
    /// The client's base is not a beginning of this log.
    OtherBase = 5,
    /// Frames after the client's base were pruned; the first stored one (u64) follows.
    Pruned = 6,
}

impl Status {
    pub(super) fn decode(byte: u8) -> Option<Self> {
        let all = [
            Self::Accepted,
            Self::Busy,
            Self::UnknownRequest,
            Self::StoreFailed,
            Self::NoSealedValues,
            Self::OtherBase,
            Self::Pruned,
        ];
        all.into_iter().find(|status| *status as u8 == byte)
    }
}

/// The socket of a data folder, reached through the open folder: the address of a unix socket has
/// at most 108 bytes, and the path of a data folder may be longer.
#[derive(Debug)]
pub(super) struct SocketPath {
    folder: File,
}

impl SocketPath {
    pub(super) fn open(data_dir: &Path) -> io::Result<Self> {
        Ok(Self { folder: File::open(data_dir)? })
    }

    /// The path to bind or connect. It is valid while `self` is alive.
    pub(super) fn path(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.folder.as_raw_fd().to_string()).join(SOCKET)
    }
}
