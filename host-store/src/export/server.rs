//! The host's side of a live export.
//!
//! ```text
//! store --8 MiB--> [thread: check, ExportWriter] --1 MiB, one waits--> socket
//! ```
//! The thread reads the store and waits for the socket; appends wait for neither. A reader that
//! takes no bytes for a while is cut off, which ends the thread.

use super::frames::{self, StoreFrames};
use super::live::{MAGIC, REQUEST_BYTES, Request, SocketPath, Status};
use super::parts::missing_values;
use super::{ExportError, FolderError, parts_of};
use crate::port;
use crate::store::LogStore;
use mortise_transport::{Address, Listener, ServeOptions, Stream};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

/// Connections at once. One of them exports; the others are refused at their request.
const CONNECTIONS_MAX: usize = 4;
/// A request arrives within this time.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// A reader takes a chunk within this time.
const CHUNK_TIME: Duration = Duration::from_secs(30);
/// Bytes of a chunk, unless one frame is larger.
const CHUNK_BYTES: usize = 1024 * 1024;
/// An export ends within this time when the host stops: it reads at most one group more.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// A bound socket; dropping it removes the file.
#[derive(Debug)]
pub(crate) struct ExportListener {
    // Before the folder: its path leads through the open folder.
    listener: Listener,
    folder: SocketPath,
}

impl ExportListener {
    /// Listens in the data folder. The caller holds the lock of the folder, so that a socket that
    /// is there was left by a crash and is replaced.
    ///
    /// # Errors
    /// The operating system's error, for example when the file system has no sockets.
    pub(crate) async fn bind(data_dir: &Path) -> io::Result<Self> {
        let folder = SocketPath::open(data_dir)?;
        let listener = Listener::bind(&Address::Unix(folder.path())).await?;
        Ok(Self { listener, folder })
    }
}

/// Exports a store that is in use, once at a time.
#[derive(Clone)]
pub(crate) struct ExportServer {
    store: Arc<dyn LogStore>,
    one_at_a_time: Arc<Semaphore>,
    chunk_time: Duration,
}

impl ExportServer {
    pub(crate) fn new(store: Arc<dyn LogStore>) -> Self {
        Self { store, one_at_a_time: Arc::new(Semaphore::new(1)), chunk_time: CHUNK_TIME }
    }

    /// With another timeout for readers.
    #[cfg(test)]
    pub(super) fn with_chunk_time(self, chunk_time: Duration) -> Self {
        Self { chunk_time, ..self }
    }
}

/// Why an export did not reach its reader.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error("no request arrived: {0}")]
    Request(io::Error),
    #[error("the request is not one of this version")]
    UnknownRequest,
    #[error("another export is in progress")]
    Busy,
    #[error("the store could not be read: {0}")]
    Store(FolderError),
    #[error("the reader is gone: {0}")]
    Reader(io::Error),
    #[error("the reader took no bytes for {} s", .0.as_secs())]
    ReaderStalled(Duration),
    #[error("the host is stopping")]
    Stopping,
}

/// Serves exports until `stop` changes. No thread of an export is running when this returns, unless
/// the disk blocks it for longer than `DRAIN_TIME`.
pub(crate) async fn serve(at: ExportListener, server: ExportServer, stop: watch::Receiver<()>) {
    let ExportListener { listener, folder: _folder } = at;
    let options = ServeOptions { drain: DRAIN_TIME, ..port::options(None, CONNECTIONS_MAX) };
    let stopped = stop.clone();
    let handler = move |stream| serve_connection(stream, server.clone(), stopped.clone());
    let report = |event| port::log_event("export", &event);
    mortise_transport::serve(listener, options, stop, handler, report).await;
}

async fn serve_connection(mut stream: Stream, server: ExportServer, stop: watch::Receiver<()>) {
    match export(&mut stream, &server, stop).await {
        Ok(frames) => tracing::info!(frames, "the log was exported"),
        Err(reason) => tracing::warn!(%reason, "an export was refused or broke off"),
    }
}

/// Answers one request; returns the number of frames that the reader has.
async fn export(
    stream: &mut Stream,
    server: &ExportServer,
    mut stop: watch::Receiver<()>,
) -> Result<u64, Interrupted> {
    let request = tokio::select! {
        request = read_request(stream) => request.map_err(Interrupted::Request)?,
        _ = stop.changed() => return Err(Interrupted::Stopping),
    };
    let Some(request) = request else {
        refuse(stream, Status::UnknownRequest).await;
        return Err(Interrupted::UnknownRequest);
    };
    let Ok(permit) = Arc::clone(&server.one_at_a_time).try_acquire_owned() else {
        refuse(stream, Status::Busy).await;
        return Err(Interrupted::Busy);
    };
    let end = server.store.head().next_seq;
    tracing::info!(frames = end, sealed_keys = request.sealed_keys, "exporting the log");
    let (chunks, mut written) = mpsc::channel(1);
    let store = Arc::clone(&server.store);
    let out = ChunkWriter { chunks };
    let thread = tokio::task::spawn_blocking(move || write_log(&*store, request, end, out, permit));
    let sent = tokio::select! {
        sent = send(stream, &mut written, server.chunk_time) => sent,
        _ = stop.changed() => Err(Interrupted::Stopping),
    };
    // The thread fails at its next chunk, if it has one.
    drop(written);
    let read = thread.await;
    let read =
        read.unwrap_or_else(|panicked| Err(ExportError::Io(io::Error::other(panicked)).into()));
    sent?;
    let frames = read.map_err(Interrupted::Store)?;
    stream.shutdown().await.map_err(Interrupted::Reader)?;
    Ok(frames)
}

async fn read_request(stream: &mut Stream) -> io::Result<Option<Request>> {
    let mut bytes = [0; REQUEST_BYTES];
    // A request of the version before this one ends after the flags.
    let (begin, rest) = bytes.split_at_mut(MAGIC.len() + 1);
    tokio::time::timeout(REQUEST_TIME, stream.read_exact(begin)).await??;
    if !begin.starts_with(&MAGIC) {
        return Ok(None);
    }
    tokio::time::timeout(REQUEST_TIME, stream.read_exact(rest)).await??;
    Ok(Request::decode(bytes))
}

/// A refusal is one byte, which fits the buffer of a socket.
async fn refuse(stream: &mut Stream, status: Status) {
    // A reader that is gone needs no answer.
    let _ = stream.write_all(&[status as u8]).await;
}

/// Passes chunks on until there are no more.
async fn send(
    stream: &mut Stream,
    written: &mut mpsc::Receiver<Vec<u8>>,
    chunk_time: Duration,
) -> Result<(), Interrupted> {
    while let Some(chunk) = written.recv().await {
        let sent = tokio::time::timeout(chunk_time, stream.write_all(&chunk)).await;
        sent.map_err(|_| Interrupted::ReaderStalled(chunk_time))?.map_err(Interrupted::Reader)?;
    }
    Ok(())
}

/// Writes the answer: status, number of frames, export. Runs on a thread that may block; holds the
/// permit until it ends, so that there is never a second group in memory.
fn write_log(
    store: &dyn LogStore,
    request: Request,
    end: u64,
    mut out: ChunkWriter,
    _permit: OwnedSemaphorePermit,
) -> Result<u64, FolderError> {
    let parts = match parts_of(store, request.sealed_keys) {
        Ok(parts) => parts,
        Err(refusal) => {
            out.write_all(&[Status::StoreFailed as u8]).map_err(ExportError::Io)?;
            return Err(FolderError::Store(refusal));
        }
    };
    match frames::check_base(store, request.after, end) {
        Ok(()) => {}
        Err(FolderError::Pruned { first }) => {
            out.write_all(&[Status::Pruned as u8]).map_err(ExportError::Io)?;
            out.write_all(&first.to_le_bytes()).map_err(ExportError::Io)?;
            return Err(FolderError::Pruned { first });
        }
        Err(error) => {
            out.write_all(&[Status::OtherBase as u8]).map_err(ExportError::Io)?;
            return Err(error);
        }
    }
    let missing = if request.sealed_keys { missing_values(&parts) } else { Vec::new() };
    if !missing.is_empty() {
        out.write_all(&[Status::NoSealedValues as u8]).map_err(ExportError::Io)?;
        return Err(FolderError::NoSealedValues(missing));
    }
    let mut out = BufWriter::with_capacity(CHUNK_BYTES, out);
    out.write_all(&[Status::Accepted as u8]).map_err(ExportError::Io)?;
    out.write_all(&end.to_le_bytes()).map_err(ExportError::Io)?;
    let after = request.after;
    let mut frames = StoreFrames::new(store, after.next_seq, end);
    let (count, _) = frames::write(out, &parts, after, || frames.next_frame(), |_| {})?;
    Ok(count)
}

/// Hands what is written to the connection, and waits while it has a chunk in hand.
struct ChunkWriter {
    chunks: mpsc::Sender<Vec<u8>>,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.chunks.blocking_send(bytes.to_vec());
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
