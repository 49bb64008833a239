//! Many requests under way on one connection: each gets a number, and answers come in any order.
//!
//! ```text
//! call() -> room, number, queue -> [writer task] -> stream -> peer
//! Answer <- pair by number <------ [reader task] <- stream <-
//! ```
//! What it is for: the only client of this crate's numbered messages. The engine's store client,
//! the gateway, the client library and the demos use it.
//!
//! What it does not do: connect, reconnect, retry, time out, or understand a request. The caller
//! puts a timeout around the answer and decides what a lost request means.
//!
//! Invariants:
//! - Requests leave in the order of their calls: one lock covers numbering and queueing.
//! - A request is written once or not at all. [`NotSent`] proves that nothing of it was sent;
//!   [`NoAnswer`] means that its effect is unknown.
//! - The connection ends once. From then on every open request has the same error and every later
//!   call is [`NotSent::Disconnected`].
//!
//! # Overflow policy
//!
//! - At the bound (`in_flight_max` requests are queued or without an answer)
//!   [`PipelinedClient::call`] fails with [`NotSent::Full`], and
//!   [`PipelinedClient::call_when_room`] waits in order of arrival. Each of the two has
//!   its own bound, so that calls that can wait never take the room of those that cannot.
//! - A request over `request_bytes_max` is [`NotSent::Oversized`]; the connection goes on.
//! - An answer whose number no open request has is dropped, or ends the connection: [`Unasked`].
//! - An answer over `answer_bytes_max`, or one that does not decode, ends the connection with
//!   [`NoAnswer::Framing`] or [`NoAnswer::Undecodable`].
//! - When the peer closes, also inside a message, open requests end with [`NoAnswer::Lost`].
//! - When a write fails, later calls are refused and requests that were not wholly written are
//!   lost. Answers to the others are read until the stream ends.
//! - When an [`Answer`] is dropped, its request is still written. With [`Unasked::Ignore`] its room
//!   is free when it is written. With [`Unasked::End`] its room is free when its answer comes: only
//!   an open number tells a late answer from one that was never asked for.
//! - When the runtime shuts down, the connection ends and open requests are [`NoAnswer::Lost`].
//! - When the last handle and the last [`Answer`] are dropped, what is queued is written and this
//!   direction is closed. The stream is dropped when the peer closes too, or after 5 seconds.

use crate::message::{MessageError, MessageReader, MessageWriter};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, oneshot};

/// Queued requests are written together up to this size.
const FLUSH_BYTES: usize = 1024 * 1024;
/// How long a connection that no one uses waits for the peer to close it. A stream that is dropped
/// earlier resets the connection, and requests that the peer has not read yet go with it.
const LINGER: Duration = Duration::from_secs(5);

/// How a connection works.
#[derive(Debug, Clone, Copy)]
pub struct PipelinedOptions {
    /// Opens the connection; sent with the first request.
    pub magic: [u8; 4],
    /// Largest request.
    pub request_bytes_max: usize,
    /// Largest answer.
    pub answer_bytes_max: usize,
    /// Most requests of [`PipelinedClient::call`] that are queued or without an answer, and as many
    /// of [`PipelinedClient::call_when_room`]; at least one of each is allowed.
    pub in_flight_max: usize,
    /// What an answer to no open request does.
    pub unasked: Unasked,
}

/// What an answer to no open request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unasked {
    /// The answer is dropped. For callers that stop waiting: their answers may come late.
    Ignore,
    /// The connection ends. For peers that are not trusted to answer correctly.
    End,
}

/// Why a request was not sent. Nothing of it has reached the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The connection has ended.
    #[error("the connection was closed")]
    Disconnected,
    /// Too many requests are under way.
    #[error("{max} requests are under way on the connection")]
    Full {
        /// The bound.
        max: usize,
    },
    /// The request is too large.
    #[error("a request of {found} bytes is over the bound of {max}")]
    Oversized {
        /// Its size.
        found: usize,
        /// The bound.
        max: usize,
    },
}

/// Why an accepted request has no answer. Its effect is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer<E = Infallible> {
    /// The connection ended first.
    #[error("the connection was closed before the answer")]
    Lost,
    /// The peer announced an answer over the bound.
    #[error("an answer is over its bound")]
    Framing,
    /// The peer answered a request that is not open.
    #[error("an answer belongs to no request")]
    Unasked,
    /// An answer does not decode.
    #[error("an answer does not decode: {0}")]
    Undecodable(E),
}

type Outcome<T, E> = Result<T, NoAnswer<E>>;
type Room = Arc<OwnedSemaphorePermit>;

/// A handle to one connection; clones share it.
#[derive(Debug)]
pub struct PipelinedClient<T = Bytes, E = Infallible> {
    queue: mpsc::Sender<Queued>,
    shared: Arc<Shared<T, E>>,
}

impl<T, E> Clone for PipelinedClient<T, E> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), shared: Arc::clone(&self.shared) }
    }
}

/// A request that waits to be written. Its room is shared with its entry in the table: it is free
/// when both are gone.
#[derive(Debug)]
struct Queued {
    number: u64,
    request: Bytes,
    room: Room,
}

#[derive(Debug)]
struct Shared<T, E> {
    options: PipelinedOptions,
    /// Room of `call`.
    room: Arc<Semaphore>,
    /// Room of `call_when_room`.
    waiting_room: Arc<Semaphore>,
    table: Mutex<Table<T, E>>,
}

/// The open requests.
#[derive(Debug)]
struct Table<T, E> {
    next: u64,
    open: BTreeMap<u64, Open<T, E>>,
    is_closed: bool,
}

#[derive(Debug)]
struct Open<T, E> {
    answer: oneshot::Sender<Outcome<T, E>>,
    _room: Room,
}

impl PipelinedClient {
    /// A connection over `stream` whose answers are bytes; needs a running tokio runtime.
    pub fn new<S>(stream: S, options: PipelinedOptions) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        Self::decoding(stream, options, Ok)
    }
}

impl<T: Send + 'static, E: Clone + Send + 'static> PipelinedClient<T, E> {
    /// A connection over `stream` whose answers are decoded as they arrive; needs a running tokio
    /// runtime.
    pub fn decoding<S>(
        stream: S,
        options: PipelinedOptions,
        decode: fn(Bytes) -> Result<T, E>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let max = options.in_flight_max.clamp(1, Semaphore::MAX_PERMITS / 2);
        let options = PipelinedOptions { in_flight_max: max, ..options };
        let (read, write) = tokio::io::split(stream);
        let (queue, queued) = mpsc::channel(2 * max);
        let table = Table { next: 0, open: BTreeMap::new(), is_closed: false };
        let [room, waiting_room] = [(); 2].map(|()| Arc::new(Semaphore::new(max)));
        let shared = Arc::new(Shared { options, room, waiting_room, table: Mutex::new(table) });
        let reader = MessageReader::new(read, options.answer_bytes_max);
        let writer = MessageWriter::new(write, options.request_bytes_max);
        let reading = tokio::spawn(read_answers(reader, Arc::clone(&shared), decode));
        tokio::spawn(run_writer(writer, queued, Arc::clone(&shared), reading));
        Self { queue, shared }
    }

    /// Queues a request now.
    ///
    /// # Errors
    /// [`NotSent`].
    pub fn call(&self, request: Bytes) -> Result<Answer<T, E>, NotSent> {
        self.try_call(request, &self.shared.room)
    }

    /// Queues a request now if there is room, else as soon as there is. Dropping the future while
    /// it waits sends nothing.
    ///
    /// # Errors
    /// `Disconnected`, `Oversized`.
    pub fn call_when_room(
        &self,
        request: Bytes,
    ) -> impl Future<Output = Result<Answer<T, E>, NotSent>> + Send + 'static {
        let tried = self.try_call(request.clone(), &self.shared.waiting_room);
        let client = self.clone();
        async move {
            if !matches!(tried, Err(NotSent::Full { .. })) {
                return tried;
            }
            let room = Arc::clone(&client.shared.waiting_room).acquire_owned().await;
            client.enqueue(request, room.map_err(|_| NotSent::Disconnected)?)
        }
    }

    /// True when every later call fails.
    pub fn is_closed(&self) -> bool {
        self.shared.lock().is_closed
    }

    fn try_call(&self, request: Bytes, room: &Arc<Semaphore>) -> Result<Answer<T, E>, NotSent> {
        let (found, max) = (request.len(), self.shared.options.request_bytes_max);
        if found > max {
            return Err(NotSent::Oversized { found, max });
        }
        let room = Arc::clone(room).try_acquire_owned();
        let room = room.map_err(|error| match error {
            TryAcquireError::NoPermits => self.full(),
            _ => NotSent::Disconnected,
        })?;
        self.enqueue(request, room)
    }

    fn full(&self) -> NotSent {
        NotSent::Full { max: self.shared.options.in_flight_max }
    }

    fn enqueue(&self, request: Bytes, room: OwnedSemaphorePermit) -> Result<Answer<T, E>, NotSent> {
        let room = Arc::new(room);
        let (answer, answered) = oneshot::channel();
        // Numbering and queueing under one lock: the order on the stream is the order of calls.
        let mut table = self.shared.lock();
        if table.is_closed {
            return Err(NotSent::Disconnected);
        }
        let number = table.next;
        let queued = Queued { number, request, room: Arc::clone(&room) };
        self.queue.try_send(queued).map_err(|error| match error {
            // The queue has a place for each permit, so this is not reached.
            TrySendError::Full(_) => self.full(),
            _ => NotSent::Disconnected,
        })?;
        table.next += 1;
        table.open.insert(number, Open { answer, _room: room });
        Ok(Answer { number, answered, client: self.clone() })
    }
}

/// The answer to one request. It keeps the connection open.
#[derive(Debug)]
#[must_use = "await it to get the answer or the error"]
pub struct Answer<T = Bytes, E = Infallible> {
    number: u64,
    answered: oneshot::Receiver<Outcome<T, E>>,
    client: PipelinedClient<T, E>,
}

impl<T, E> Future for Answer<T, E> {
    type Output = Outcome<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = Pin::new(&mut self.answered).poll(cx);
        answered.map(|answer| answer.unwrap_or(Err(NoAnswer::Lost)))
    }
}

impl<T, E> Drop for Answer<T, E> {
    fn drop(&mut self) {
        let shared = &self.client.shared;
        if shared.options.unasked == Unasked::Ignore {
            shared.lock().open.remove(&self.number);
        }
    }
}

impl<T, E> Shared<T, E> {
    fn lock(&self) -> MutexGuard<'_, Table<T, E>> {
        // No code can panic while it holds this lock and leave the table half changed.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rejects every later request.
    fn close(&self) {
        self.lock().is_closed = true;
        self.room.close();
        self.waiting_room.close();
    }

    /// Ends the open requests among `numbers`.
    fn lose(&self, numbers: &[u64]) {
        let mut table = self.lock();
        for number in numbers {
            // Without a sender the answer is lost.
            table.open.remove(number);
        }
    }
}

/// Held by the reader task: ends the connection when the task is dropped before its end, as a
/// runtime does when it shuts down. Without it open requests would wait for ever.
struct EndOnDrop<T, E>(Arc<Shared<T, E>>);

impl<T, E> Drop for EndOnDrop<T, E> {
    fn drop(&mut self) {
        self.0.close();
        // Without a sender an answer is lost.
        drop(std::mem::take(&mut self.0.lock().open));
    }
}

impl<T, E: Clone> Shared<T, E> {
    /// Ends every open request.
    fn end(&self, reason: NoAnswer<E>) {
        self.close();
        let open = std::mem::take(&mut self.lock().open);
        for request in open.into_values() {
            drop(request.answer.send(Err(reason.clone())));
        }
    }
}

/// Writes until there is no handle left, a write fails or the reader ended.
async fn run_writer<W, T, E>(
    mut writer: MessageWriter<WriteHalf<W>>,
    mut queued: mpsc::Receiver<Queued>,
    shared: Arc<Shared<T, E>>,
    mut reading: tokio::task::JoinHandle<()>,
) where
    W: AsyncRead + AsyncWrite,
{
    let mut batch = Vec::new();
    writer.queue_magic(shared.options.magic);
    let written = tokio::select! {
        // No answer can come any more; both halves are dropped.
        _ = &mut reading => return,
        written = write_requests(&mut writer, &mut queued, &mut batch) => written,
    };
    if written.is_ok() {
        let still_reading = reading.abort_handle();
        if tokio::time::timeout(LINGER, reading).await.is_err() {
            still_reading.abort();
        }
        return;
    }
    shared.close();
    queued.close();
    while let Ok(unwritten) = queued.try_recv() {
        batch.push(unwritten.number);
    }
    shared.lose(&batch);
}

/// Writes until there is no handle left. On an error `batch` has the requests that may be
/// unwritten, besides those that are still queued.
async fn write_requests<W: AsyncWrite + Unpin>(
    writer: &mut MessageWriter<W>,
    queued: &mut mpsc::Receiver<Queued>,
    batch: &mut Vec<u64>,
) -> io::Result<()> {
    while let Some(first) = queued.recv().await {
        batch.clear();
        let mut next = Some(first);
        while let Some(Queued { number, request, room }) = next {
            batch.push(number);
            writer.queue(number, &request).map_err(io::Error::other)?;
            drop(room);
            let more = writer.queued_bytes() < FLUSH_BYTES;
            next = if more { queued.try_recv().ok() } else { None };
        }
        writer.flush().await?;
    }
    writer.shutdown().await
}

/// Pairs answers with requests until the stream ends; then every open request ends.
async fn read_answers<R, T, E>(
    mut reader: MessageReader<ReadHalf<R>>,
    shared: Arc<Shared<T, E>>,
    decode: fn(Bytes) -> Result<T, E>,
) where
    R: AsyncRead + AsyncWrite,
    E: Clone,
{
    let ending = EndOnDrop(shared);
    let shared = &ending.0;
    let reason = loop {
        let message = match reader.read().await {
            Ok(Some(message)) => message,
            // A peer that is killed can leave half a message: that is a lost peer, not a wrong one.
            Ok(None) | Err(MessageError::Io(_) | MessageError::Torn) => break NoAnswer::Lost,
            Err(_) => break NoAnswer::Framing,
        };
        let open = shared.lock().open.remove(&message.correlation);
        match (open, shared.options.unasked) {
            (None, Unasked::Ignore) => {}
            (None, Unasked::End) => break NoAnswer::Unasked,
            (Some(open), _) => match decode(message.payload) {
                // The caller may have given up; then no one needs the answer.
                Ok(answer) => drop(open.answer.send(Ok(answer))),
                Err(error) => {
                    let reason = NoAnswer::Undecodable(error);
                    drop(open.answer.send(Err(reason.clone())));
                    break reason;
                }
            },
        }
    };
    shared.end(reason);
}

#[cfg(test)]
mod tests;
