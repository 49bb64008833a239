//! Serves the store protocol: decodes requests, passes them to the store, answers.
//!
//! ```text
//! reader -> permit -> [append, head]  -> writing thread -> answer
//!                  -> [everything else] -> blocking pool -> answer -> sender
//! ```
//! A connection has a bounded number of requests in flight: the next one is read only with a free
//! permit, and a permit is freed when its answer is written to the socket.

use crate::metrics::Metrics;
use crate::port;
use crate::store::{CheckedFrame, LogStore, SnapshotPart, Writer};
use mortise_format::codec;
use mortise_format::frame::FrameError;
use mortise_format::limits::{STORE_LEAVES_MAX, STORE_MESSAGE_BYTES_MAX};
use mortise_format::store::{StoreRefusal, StoreRequest, StoreResponse};
use mortise_transport::{
    Listener, MessageError, MessageReader, MessageWriter, STORE_MAGIC, ServeOptions, Stream,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::WriteHalf;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

/// Most requests in flight of one connection.
const IN_FLIGHT: usize = 32;
/// Most connections at once. An engine has one.
const CONNECTIONS_MAX: usize = 16;
/// Most bytes of frames in one answer: the bound of a message less room for lengths.
const READ_BYTES_MAX: usize = STORE_MESSAGE_BYTES_MAX - 1024 * 1024;
/// Timeout of the hello of a connection.
const MAGIC_TIME: Duration = Duration::from_secs(10);
/// Time that requests in flight have to finish when the host stops.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Configuration of the server.
#[derive(Clone)]
pub(crate) struct StoreServer {
    pub(crate) store: Arc<dyn LogStore>,
    pub(crate) writer: Writer,
    pub(crate) metrics: Arc<Metrics>,
    /// The only context id that may connect.
    pub(crate) only_cid: Option<u32>,
}

/// Serves connections until `stop` changes, then lets requests in flight finish.
pub(crate) async fn serve(listener: Listener, server: StoreServer, stop: watch::Receiver<()>) {
    let options =
        ServeOptions { drain: DRAIN_TIME, ..port::options(server.only_cid, CONNECTIONS_MAX) };
    let stopped = stop.clone();
    let handler = move |stream| serve_connection(stream, server.clone(), stopped.clone());
    let report = |event| port::log_event("store", &event);
    mortise_transport::serve(listener, options, stop, handler, report).await;
}

async fn serve_connection(stream: Stream, server: StoreServer, stop: watch::Receiver<()>) {
    server.metrics.store_connections(1.0);
    match converse(stream, &server, stop).await {
        Ok(()) => tracing::info!("a connection to the store was closed"),
        Err(error) => tracing::warn!(%error, "a connection to the store broke"),
    }
    server.metrics.store_connections(-1.0);
}

async fn converse(
    stream: Stream,
    server: &StoreServer,
    mut stop: watch::Receiver<()>,
) -> Result<(), MessageError> {
    let (read, write) = tokio::io::split(stream);
    let mut reader = MessageReader::new(read, STORE_MESSAGE_BYTES_MAX);
    let magic = tokio::time::timeout(MAGIC_TIME, reader.expect_magic(STORE_MAGIC));
    magic.await.map_err(|_| MessageError::Torn)??;
    let (answers, answered) = mpsc::channel(IN_FLIGHT);
    let sender = tokio::spawn(send_answers(write, answered));
    let permits = Arc::new(Semaphore::new(IN_FLIGHT));
    let ended = loop {
        let permit = Arc::clone(&permits).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let message = tokio::select! {
            message = reader.read() => message,
            _ = stop.changed() => break Ok(()),
        };
        match message {
            Ok(Some(message)) => {
                let answers = answers.clone();
                let answer = Answer { correlation: message.correlation, answers, permit };
                server.handle(&message.payload, answer).await;
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    drop(answers);
    // Ends when the last answer was made and sent.
    let sent = sender.await.unwrap_or(Ok(()));
    ended.and(sent.map_err(MessageError::from))
}

type Answered = (u64, Vec<u8>, OwnedSemaphorePermit);

/// The obligation to answer one request. Holds the request's permit.
struct Answer {
    correlation: u64,
    answers: mpsc::Sender<Answered>,
    permit: OwnedSemaphorePermit,
}

impl Answer {
    fn give(self, response: &StoreResponse) {
        // The queue has one slot for each permit, and a permit is held until its answer is on the
        // socket, so it is never full. If the connection is gone, no one waits for the answer.
        let _ = self.answers.try_send((self.correlation, codec::encode(response), self.permit));
    }

    fn give_result(self, result: Result<StoreResponse, StoreRefusal>) {
        self.give(&result.unwrap_or_else(StoreResponse::Refused));
    }
}

async fn send_answers(
    write: WriteHalf<Stream>,
    mut answered: mpsc::Receiver<Answered>,
) -> std::io::Result<()> {
    let mut writer = MessageWriter::new(write, STORE_MESSAGE_BYTES_MAX);
    while let Some(first) = answered.recv().await {
        let mut permits = Vec::new();
        let mut next = Some(first);
        while let Some((correlation, payload, permit)) = next {
            writer.queue(correlation, &payload).map_err(std::io::Error::other)?;
            permits.push(permit);
            next = answered.try_recv().ok();
        }
        writer.flush().await?;
    }
    writer.shutdown().await
}

impl StoreServer {
    async fn handle(&self, payload: &[u8], answer: Answer) {
        let request = match codec::decode(payload) {
            Ok(request) => request,
            Err(_) => return answer.give(&StoreResponse::Refused(StoreRefusal::Malformed)),
        };
        // The writer ends only after every connection; a lost answer closes this one.
        match request {
            StoreRequest::Append { frame } => self.append(frame, answer).await,
            StoreRequest::Head => {
                let reply = |head: Result<_, _>| answer.give_result(head.map(StoreResponse::Head));
                let _ = self.writer.head(reply).await;
            }
            other => {
                let store = Arc::clone(&self.store);
                tokio::task::spawn_blocking(move || answer.give_result(answer_to(&*store, other)));
            }
        }
    }

    async fn append(&self, frame: Vec<u8>, answer: Answer) {
        let frame = match CheckedFrame::parse(frame) {
            Ok(frame) => frame,
            Err(error) => {
                let refusal = match error {
                    FrameError::Oversized => StoreRefusal::TooLarge,
                    _ => StoreRefusal::BadFrame,
                };
                self.metrics.append_refused(refusal);
                return answer.give(&StoreResponse::Refused(refusal));
            }
        };
        let reply = |acked: Result<crate::store::Acked, _>| {
            let acked = acked.map(|a| StoreResponse::Acked { seq: a.seq, digest: a.digest });
            answer.give_result(acked);
        };
        let _ = self.writer.append(frame, reply).await;
    }
}

/// Answers the requests that do not go through the writing thread.
fn answer_to(store: &dyn LogStore, request: StoreRequest) -> Result<StoreResponse, StoreRefusal> {
    match request {
        StoreRequest::Read { from_seq, bytes_max } => {
            let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX).min(READ_BYTES_MAX);
            store.read(from_seq, bytes_max).map(|frames| StoreResponse::Frames { frames })
        }
        StoreRequest::Leaves { from_seq, count } => {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            if count > STORE_LEAVES_MAX {
                return Err(StoreRefusal::TooLarge);
            }
            store.leaves(from_seq, count).map(|leaves| StoreResponse::Leaves { leaves })
        }
        StoreRequest::SnapshotPut { seq, part, manifest, bytes } => {
            let part = SnapshotPart { seq, part, manifest, bytes };
            store.snapshot_put(part).map(|complete| StoreResponse::SnapshotTaken { complete })
        }
        StoreRequest::Snapshots => store.snapshots().map(StoreResponse::Snapshots),
        StoreRequest::SnapshotRead { seq, part } => {
            store.snapshot_read(seq, part).map(|bytes| StoreResponse::SnapshotPart { bytes })
        }
        StoreRequest::BlobPut { name, bytes } => {
            store.blob_put(&name, &bytes).map(|()| StoreResponse::BlobKept)
        }
        StoreRequest::BlobGet { name } => {
            store.blob_get(&name).map(|bytes| StoreResponse::Blob { bytes })
        }
        StoreRequest::Head | StoreRequest::Append { .. } => Err(StoreRefusal::Malformed),
    }
}
