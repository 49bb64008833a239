//! One pipelined connection to a store: numbers requests, pairs answers with them.
//!
//! ```text
//! call() -> number, remember, queue -> [writer task] -> socket -> host
//! caller <- pair by number <--------- [reader task] <- socket <-
//! ```
//! The connection dies once: by the stream's end, its failure, or an answer that no honest store
//! gives. From then on every open request ends with the same error and every later one is
//! `Unreachable`. A store that takes requests and says nothing ends each by its own time.

use super::error::{Garbage, StoreError};
use bytes::Bytes;
use mortise_format::codec;
use mortise_format::limits::{STORE_ANSWER_MS_MAX, STORE_MESSAGE_BYTES_MAX};
use mortise_format::store::{StoreRequest, StoreResponse};
use mortise_transport::{
    Address, MessageError, MessageReader, MessageWriter, STORE_MAGIC, Stream, connect,
};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How many queued bytes are collected before they are sent.
const FLUSH_BYTES: usize = 1024 * 1024;

type Answer = Result<StoreResponse, StoreError>;

/// A handle; the connection closes when the last one is dropped and nothing is awaited.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    queue: mpsc::UnboundedSender<(u64, Bytes)>,
    open: Arc<Mutex<Open>>,
    answer_ms_max: u64,
}

/// The requests without an answer yet.
#[derive(Debug, Default)]
struct Open {
    next: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Answer>>,
    dead: bool,
}

impl Connection {
    pub(super) async fn open(address: &Address) -> Result<Self, StoreError> {
        let stream = connect(address).await.map_err(|e| StoreError::Unreachable(e.kind()))?;
        Ok(Self::over(stream))
    }

    fn over(stream: Stream) -> Self {
        let (read, write) = tokio::io::split(stream);
        let (queue, queued) = mpsc::unbounded_channel();
        let open = Arc::new(Mutex::new(Open::default()));
        tokio::spawn(write_all(MessageWriter::new(write, STORE_MESSAGE_BYTES_MAX), queued));
        tokio::spawn(read_all(
            MessageReader::new(read, STORE_MESSAGE_BYTES_MAX),
            Arc::downgrade(&open),
        ));
        Self { queue, open, answer_ms_max: STORE_ANSWER_MS_MAX }
    }

    /// The same with another bound of an answer's time.
    #[cfg(test)]
    pub(super) fn with_answer_ms_max(self, answer_ms_max: u64) -> Self {
        Self { answer_ms_max, ..self }
    }

    /// Queues the request now; the future gives its answer, or that none came in time. It is also
    /// what keeps the connection.
    pub(super) fn call(
        &self,
        request: &StoreRequest,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let sent = self.send(request);
        let connection = self.clone();
        async move {
            let answer_ms_max = connection.answer_ms_max;
            let answer = timeout(Duration::from_millis(answer_ms_max), sent?).await;
            drop(connection);
            let answer = answer.map_err(|_| StoreError::Silent { answer_ms_max })?;
            answer.unwrap_or(Err(StoreError::Unknown))
        }
    }

    /// False when the connection has died.
    pub(super) fn is_alive(&self) -> bool {
        !lock(&self.open).dead
    }

    fn send(&self, request: &StoreRequest) -> Result<oneshot::Receiver<Answer>, StoreError> {
        let payload = codec::encode(request);
        if payload.len() > STORE_MESSAGE_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes: payload.len() });
        }
        // Numbering and queueing under one lock: the order on the wire is the order of calls.
        let mut open = lock(&self.open);
        if open.dead {
            return Err(StoreError::Unreachable(ErrorKind::NotConnected));
        }
        let (tell, told) = oneshot::channel();
        let correlation = open.next;
        open.next += 1;
        open.waiting.insert(correlation, tell);
        if self.queue.send((correlation, payload.into())).is_err() {
            open.waiting.remove(&correlation);
            return Err(StoreError::Unreachable(ErrorKind::NotConnected));
        }
        Ok(told)
    }
}

fn lock(open: &Mutex<Open>) -> std::sync::MutexGuard<'_, Open> {
    // No code can panic while it holds this lock and leave the table half changed.
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write_all(
    mut writer: MessageWriter<WriteHalf<Stream>>,
    mut queued: mpsc::UnboundedReceiver<(u64, Bytes)>,
) {
    writer.queue_magic(STORE_MAGIC);
    while let Some((correlation, payload)) = queued.recv().await {
        let mut next = Some((correlation, payload));
        while let Some((correlation, payload)) = next {
            if writer.queue(correlation, &payload).is_err() {
                return;
            }
            let more = writer.queued_bytes() < FLUSH_BYTES;
            next = if more { queued.try_recv().ok() } else { None };
        }
        // A failure is seen by the reader, which ends every open request.
        if writer.flush().await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

async fn read_all(mut reader: MessageReader<ReadHalf<Stream>>, open: std::sync::Weak<Mutex<Open>>) {
    let error = loop {
        let message = match reader.read().await {
            Ok(Some(message)) => message,
            // A store that is killed leaves half a message behind: it is gone, it did not lie.
            Ok(None) | Err(MessageError::Io(_) | MessageError::Torn) => break StoreError::Unknown,
            Err(_) => break Garbage::Framing.into(),
        };
        let Some(open) = open.upgrade() else { return };
        let Some(tell) = lock(&open).waiting.remove(&message.correlation) else {
            break Garbage::Unasked.into();
        };
        match codec::decode(&message.payload) {
            // Whoever asked may have gone; the answer is then of no use to anybody.
            Ok(answer) => drop(tell.send(Ok(answer))),
            Err(error) => {
                let error = Garbage::Undecodable(error).into();
                drop(tell.send(Err(error)));
                break error;
            }
        }
    };
    let Some(open) = open.upgrade() else { return };
    let waiting = {
        let mut open = lock(&open);
        open.dead = true;
        std::mem::take(&mut open.waiting)
    };
    for tell in waiting.into_values() {
        drop(tell.send(Err(error)));
    }
}
