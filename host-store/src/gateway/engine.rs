//! Pipelined connections to the engine's request port.
//!
//! A request goes out once. If its connection breaks, or the engine stays silent, its outcome is
//! unknown and the caller is told so: a request is never sent a second time here.

use bytes::Bytes;
use mortise_format::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use mortise_transport::{Address, MessageReader, MessageWriter, REQUEST_MAGIC, Stream, connect};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};

/// The engine's socket takes a connection within this time.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// After a failed connect, callers are told so for this long before it is tried again.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// How many queued bytes are collected before they are sent.
const FLUSH_BYTES: usize = 256 * 1024;

/// Why there is no answer of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EngineError {
    /// Nothing was sent: the engine cannot be reached.
    #[error("engine unreachable")]
    Unreachable,
    /// The connection broke after the request was sent.
    #[error("engine connection lost")]
    Lost,
    /// The engine has not answered in time.
    #[error("engine silent")]
    Silent,
}

impl EngineError {
    /// Whether the request can have taken effect.
    pub(crate) fn outcome_unknown(self) -> bool {
        !matches!(self, Self::Unreachable)
    }
}

/// Some connections, used in turn, each opened when it is first needed.
#[derive(Debug)]
pub(crate) struct EngineLinks {
    links: Vec<Link>,
    next: AtomicUsize,
}

impl EngineLinks {
    pub(crate) fn new(address: &Address, count: usize) -> Self {
        let link = || Link { address: address.clone(), state: tokio::sync::Mutex::default() };
        let links = (0..count.max(1)).map(|_| link()).collect();
        Self { links, next: AtomicUsize::new(0) }
    }

    /// The engine's answer to `payload`, which may be empty for a notification.
    pub(crate) async fn ask(&self, payload: Bytes, time: Duration) -> Result<Bytes, EngineError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.links.len();
        let connection = self.links[turn].connection().await?;
        let waiting = connection.send(payload)?;
        match tokio::time::timeout(time, waiting.answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(EngineError::Lost),
            Err(_) => {
                lock(&connection.open).waiting.remove(&waiting.correlation);
                Err(EngineError::Silent)
            }
        }
    }
}

#[derive(Debug)]
struct Link {
    address: Address,
    state: tokio::sync::Mutex<LinkState>,
}

#[derive(Debug, Default)]
struct LinkState {
    connection: Option<Connection>,
    failed: Option<Instant>,
}

impl Link {
    /// The open connection, or a new one. Callers that come while it is being opened share it.
    async fn connection(&self) -> Result<Connection, EngineError> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection
            && !lock(&connection.open).dead
        {
            return Ok(connection.clone());
        }
        state.connection = None;
        if state.failed.is_some_and(|failed| failed.elapsed() < CONNECT_PAUSE) {
            return Err(EngineError::Unreachable);
        }
        match tokio::time::timeout(CONNECT_TIME, connect(&self.address)).await {
            Ok(Ok(stream)) => {
                let connection = Connection::over(stream);
                state.connection = Some(connection.clone());
                state.failed = None;
                Ok(connection)
            }
            _ => {
                state.failed = Some(Instant::now());
                Err(EngineError::Unreachable)
            }
        }
    }
}

/// A handle to one connection.
#[derive(Debug, Clone)]
struct Connection {
    queue: mpsc::UnboundedSender<(u64, Bytes)>,
    open: Arc<Mutex<Open>>,
}

/// The requests without an answer.
#[derive(Debug, Default)]
struct Open {
    next: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Bytes>>,
    dead: bool,
}

/// A request that was queued.
struct Waiting {
    correlation: u64,
    answer: oneshot::Receiver<Bytes>,
}

impl Connection {
    fn over(stream: Stream) -> Self {
        let (read, write) = tokio::io::split(stream);
        let (queue, queued) = mpsc::unbounded_channel();
        let open = Arc::new(Mutex::new(Open::default()));
        tokio::spawn(write_all(MessageWriter::new(write, REQUEST_BYTES_MAX), queued));
        let reader = MessageReader::new(read, RESPONSE_BYTES_MAX);
        tokio::spawn(read_all(reader, Arc::clone(&open)));
        Self { queue, open }
    }

    /// Queues a request. The queue is bounded by the gateway's bound on requests under way.
    fn send(&self, payload: Bytes) -> Result<Waiting, EngineError> {
        let mut open = lock(&self.open);
        if open.dead {
            return Err(EngineError::Unreachable);
        }
        let (tell, answer) = oneshot::channel();
        let correlation = open.next;
        open.next += 1;
        open.waiting.insert(correlation, tell);
        if self.queue.send((correlation, payload)).is_err() {
            open.dead = true;
            open.waiting.remove(&correlation);
            return Err(EngineError::Unreachable);
        }
        Ok(Waiting { correlation, answer })
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    // No code can panic while it holds this lock and leave the table half changed.
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write_all(
    mut writer: MessageWriter<WriteHalf<Stream>>,
    mut queued: mpsc::UnboundedReceiver<(u64, Bytes)>,
) {
    writer.queue_magic(REQUEST_MAGIC);
    while let Some(first) = queued.recv().await {
        let mut next = Some(first);
        while let Some((correlation, payload)) = next {
            if writer.queue(correlation, &payload).is_err() {
                return;
            }
            let more = writer.queued_bytes() < FLUSH_BYTES;
            next = if more { queued.try_recv().ok() } else { None };
        }
        if writer.flush().await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

/// Pairs answers with requests until the stream ends; then every request without one is lost.
async fn read_all(mut reader: MessageReader<ReadHalf<Stream>>, open: Arc<Mutex<Open>>) {
    while let Ok(Some(message)) = reader.read().await {
        // An answer that comes after its time finds nobody.
        let tell = lock(&open).waiting.remove(&message.correlation);
        if let Some(tell) = tell {
            let _ = tell.send(message.payload);
        }
    }
    let mut open = lock(&open);
    open.dead = true;
    open.waiting.clear();
}
