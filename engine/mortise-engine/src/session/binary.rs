//! Pipelined messages: texts in clear, and channel messages.

use super::budget::RETRY_AFTER_MS;
use super::{Guarded, SLOW_READER, linger};
use crate::handle::EngineHandle;
use crate::rpc;
use bytes::BytesMut;
use mortise_format::channel::is_channel;
use mortise_format::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use mortise_rpc::ErrorObject;
use mortise_rpc::envelope::{Id, failure};
use mortise_transport::{
    HINT_BYTES, HeldBytes, Message, MessageError, MessageReader, MessageWriter, RELAY_MAGIC,
    REQUEST_MAGIC, Received, split_hint,
};
use std::io;
use std::sync::Arc;
use tokio::io::WriteHalf;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

/// Number of a request, and its answer with its part of the budget.
type Outgoing = (u64, Vec<u8>, HeldBytes);

/// Who dialled the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialler {
    /// A caller, for itself.
    Caller,
    /// A relay, for many peers. Each request begins with the hint of its peer.
    Relay,
}

impl Dialler {
    fn magic(self) -> [u8; 4] {
        match self {
            Self::Caller => REQUEST_MAGIC,
            Self::Relay => RELAY_MAGIC,
        }
    }

    fn payload_max(self) -> usize {
        match self {
            Self::Caller => REQUEST_BYTES_MAX,
            Self::Relay => HINT_BYTES + REQUEST_BYTES_MAX,
        }
    }

    /// The part of the connection's permits that a message takes. A caller's large message takes
    /// more of its own. On a relay's connection that would hold up other peers; there the budget of
    /// all requests is the bound.
    fn share(self, message: &Message, handle: &EngineHandle) -> u32 {
        match self {
            Self::Caller => {
                let kib = u32::try_from(message.payload.len() / 1024).unwrap_or(u32::MAX);
                kib.clamp(1, handle.bounds().per_connection_share())
            }
            Self::Relay => 1,
        }
    }

    /// The request without its hint, and the handle of its peer.
    fn unwrapped(self, message: Message, handle: &EngineHandle) -> (Message, EngineHandle) {
        match self {
            Self::Caller => (message, handle.clone()),
            Self::Relay => {
                let (hint, payload) = split_hint(message.payload);
                (Message { payload, ..message }, handle.for_peer(hint))
            }
        }
    }
}

pub(super) async fn serve(
    stream: Guarded,
    buffer: BytesMut,
    handle: EngineHandle,
    dialler: Dialler,
) -> io::Result<()> {
    let (read_half, write_half) = tokio::io::split(stream);
    let mut reader = MessageReader::with_buffer(read_half, dialler.payload_max(), buffer);
    reader.expect_magic(dialler.magic()).await.map_err(io::Error::other)?;
    let share = handle.bounds().per_connection;
    let permits = Arc::new(Semaphore::new(share));
    let (answers, outgoing) = mpsc::channel(share);
    let writer = actix::spawn(write(write_half, outgoing));
    let ended = read(&mut reader, (&handle, dialler), &permits, &answers).await;
    if let Err(MessageError::Oversized { .. }) = &ended {
        // The number of an oversized message is unknown: answer number 0, then close.
        let _ = answers.send((0, rpc::too_large(), HeldBytes::default())).await;
    }
    drop(answers);
    let written = writer.await.map_err(io::Error::other)?;
    if ended.is_err() {
        linger(&mut reader.into_inner()).await;
    }
    ended.map_err(io::Error::other)?;
    written
}

async fn read<R: tokio::io::AsyncRead + Unpin>(
    reader: &mut MessageReader<R>,
    (handle, dialler): (&EngineHandle, Dialler),
    permits: &Arc<Semaphore>,
    answers: &mpsc::Sender<Outgoing>,
) -> Result<(), MessageError> {
    let mut in_a_row = 0;
    while let Some(received) = next(reader, handle).await? {
        let (message, held) = match received {
            Received::Message(message, held) => (message, held),
            Received::Refused { correlation } => {
                // The text was not kept, and with it the id.
                let error = ErrorObject::overloaded(RETRY_AFTER_MS);
                let refused = failure(&Id::Null, &error);
                let _ = answers.send((correlation, refused, HeldBytes::default())).await;
                continue;
            }
        };
        // Back-pressure: the socket is not read while this waits.
        let share = dialler.share(&message, handle);
        let permit = Arc::clone(permits).acquire_many_owned(share).await;
        let permit = permit.expect("the semaphore of a connection is never closed");
        in_a_row += 1 + message.payload.len() / 1024;
        let (message, handle) = dialler.unwrapped(message, handle);
        let answers = answers.clone();
        actix::spawn(async move {
            answer(&handle, message, held, &answers).await;
            drop(permit);
        });
        if in_a_row >= IN_A_ROW_MAX {
            // The requests of other connections are parsed in between.
            in_a_row = 0;
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// Reads the next message. A peer may be silent between messages. A message that is still
/// incomplete after two timeouts ends the connection.
async fn next<R: tokio::io::AsyncRead + Unpin>(
    reader: &mut MessageReader<R>,
    handle: &EngineHandle,
) -> Result<Option<Received>, MessageError> {
    let budget = &handle.budgets().requests;
    let mut was_partial = false;
    loop {
        match timeout(SLOW_READER, reader.read_within(budget)).await {
            Ok(message) => return message,
            Err(_) if was_partial && reader.is_partial() => {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            Err(_) => was_partial = reader.is_partial(),
        }
    }
}

async fn answer(
    handle: &EngineHandle,
    message: Message,
    held: HeldBytes,
    answers: &mpsc::Sender<Outgoing>,
) {
    let Message { correlation: number, payload } = message;
    // A relay waits for each numbered message, so a notification gets an empty answer.
    let bytes = match is_channel(&payload) {
        true => rpc::answer_sealed(handle, payload).await,
        false => rpc::answer(handle, &payload).await.unwrap_or_default(),
    };
    let (bytes, held_answer) = handle.budgets().answer(bytes);
    drop(held);
    // If the writer has ended, the peer is gone and needs no answer.
    let _ = answers.send((number, bytes, held_answer)).await;
}

async fn write(half: WriteHalf<Guarded>, mut outgoing: mpsc::Receiver<Outgoing>) -> io::Result<()> {
    let mut writer = MessageWriter::new(half, RESPONSE_BYTES_MAX);
    while let Some((number, bytes, held)) = outgoing.recv().await {
        // Given back when all of them are written.
        let mut all_held = vec![held];
        queue(&mut writer, number, &bytes)?;
        drop(bytes);
        while let Ok((number, bytes, held)) = outgoing.try_recv() {
            queue(&mut writer, number, &bytes)?;
            all_held.push(held);
            if writer.queued_bytes() > FLUSH_BYTES {
                break;
            }
        }
        writer.flush().await?;
    }
    writer.shutdown().await
}

fn queue(
    writer: &mut MessageWriter<WriteHalf<Guarded>>,
    number: u64,
    bytes: &[u8],
) -> io::Result<()> {
    match writer.queue(number, bytes) {
        Err(MessageError::Oversized { .. }) => {
            writer.queue(number, &rpc::answer_too_large()).map_err(io::Error::other)
        }
        queued => queued.map_err(io::Error::other),
    }
}

/// Requests that one connection begins before another has its turn; each KiB counts as one.
const IN_A_ROW_MAX: usize = 16;
/// Answers are batched into one write up to this size.
const FLUSH_BYTES: usize = 256 * 1024;
