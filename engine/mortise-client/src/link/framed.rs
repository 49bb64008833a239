//! The request protocol on a unix socket or vsock: many calls under way on one connection.

use super::LinkError;
use bytes::Bytes;
use mortise_format::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use mortise_transport::{Address, MessageReader, MessageWriter, REQUEST_MAGIC, Stream, connect};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};

/// Most calls that wait to be written; more callers wait their turn.
const QUEUE_MAX: usize = 256;

/// A call on its way out.
type Outgoing = (u64, Bytes);

/// Who waits for which answer; `None` when the connection has ended.
type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Bytes>>>>>;

/// One connection at a time, made anew when it is lost.
#[derive(Debug)]
pub(crate) struct FramedLink {
    address: Address,
    connection: AsyncMutex<Option<Connection>>,
}

#[derive(Debug, Clone)]
struct Connection {
    queue: mpsc::Sender<Outgoing>,
    waiting: Waiting,
    next: Arc<std::sync::atomic::AtomicU64>,
}

impl FramedLink {
    pub fn new(address: Address) -> Self {
        Self { address, connection: AsyncMutex::new(None) }
    }

    pub async fn exchange(&self, request: Bytes) -> Result<Bytes, LinkError> {
        let connection = self.connection().await?;
        let correlation = connection.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        if !register(&connection.waiting, correlation, answer) {
            return Err(LinkError::unsent("the connection was closed"));
        }
        let guard = Forget { waiting: &connection.waiting, correlation };
        if connection.queue.send((correlation, request)).await.is_err() {
            return Err(LinkError::unsent("the connection was closed"));
        }
        let answer = answered.await.map_err(|_| LinkError::lost("the connection was closed"));
        drop(guard);
        answer
    }

    async fn connection(&self) -> Result<Connection, LinkError> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.as_ref().filter(|c| !c.queue.is_closed()) {
            return Ok(connection.clone());
        }
        let stream = connect(&self.address).await.map_err(LinkError::unsent)?;
        let connection = Connection::over(stream);
        *kept = Some(connection.clone());
        Ok(connection)
    }
}

/// Forgets a call that nobody waits for any more.
struct Forget<'a> {
    waiting: &'a Waiting,
    correlation: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        take(self.waiting, self.correlation);
    }
}

fn register(waiting: &Waiting, correlation: u64, answer: oneshot::Sender<Bytes>) -> bool {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.as_mut().map(|waiting| waiting.insert(correlation, answer)).is_some()
}

fn take(waiting: &Waiting, correlation: u64) -> Option<oneshot::Sender<Bytes>> {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.as_mut()?.remove(&correlation)
}

impl Connection {
    fn over(stream: Stream) -> Self {
        let (read, write) = split(stream);
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let ended = Arc::clone(&waiting);
        tokio::spawn(async move {
            tokio::select! {
                () = write_all(queued, write) => {}
                () = read_all(read, &ended) => {}
            }
            // every waiting call learns that no answer comes
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = None;
        });
        Self { queue, waiting, next: Arc::default() }
    }
}

/// Writes until the last caller is gone or the stream ends.
async fn write_all(mut queued: mpsc::Receiver<Outgoing>, write: WriteHalf<Stream>) {
    let mut writer = MessageWriter::new(write, REQUEST_BYTES_MAX);
    writer.queue_magic(REQUEST_MAGIC);
    while let Some((correlation, request)) = queued.recv().await {
        if writer.queue(correlation, &request).is_err() {
            return;
        }
        while let Ok((correlation, request)) = queued.try_recv() {
            if writer.queue(correlation, &request).is_err() {
                return;
            }
        }
        if writer.flush().await.is_err() {
            return;
        }
    }
}

/// Hands out answers until the stream ends or is no stream of messages.
async fn read_all(read: ReadHalf<Stream>, waiting: &Waiting) {
    let mut reader = MessageReader::new(read, RESPONSE_BYTES_MAX);
    while let Ok(Some(message)) = reader.read().await {
        if let Some(answer) = take(waiting, message.correlation) {
            // the caller may have given up meanwhile
            answer.send(message.payload).ok();
        }
    }
}
