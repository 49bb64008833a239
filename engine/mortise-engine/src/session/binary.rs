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
    HeldBytes, Message, MessageError, MessageReader, MessageWriter, REQUEST_MAGIC, Received,
};
use std::io;
use std::sync::Arc;
use tokio::io::WriteHalf;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

/// Number of a request, and its answer with its part of the budget.
type Outgoing = (u64, Vec<u8>, HeldBytes);

pub(super) async fn serve(
    stream: Guarded,
    buffer: BytesMut,
    handle: Arc<EngineHandle>,
) -> io::Result<()> {
    let (read_half, write_half) = tokio::io::split(stream);
    let mut reader = MessageReader::with_buffer(read_half, REQUEST_BYTES_MAX, buffer);
    reader.expect_magic(REQUEST_MAGIC).await.map_err(io::Error::other)?;
    let share = handle.bounds().per_connection;
    let permits = Arc::new(Semaphore::new(share));
    let (answers, outgoing) = mpsc::channel(share);
    let writer = actix::spawn(write(write_half, outgoing));
    let ended = read(&mut reader, &handle, &permits, &answers).await;
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
    handle: &Arc<EngineHandle>,
    permits: &Arc<Semaphore>,
    answers: &mpsc::Sender<Outgoing>,
) -> Result<(), MessageError> {
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
        // Back-pressure: the socket is not read while this waits. A large message takes more
        // permits, so that the bytes in flight are bounded too.
        let kib = u32::try_from(message.payload.len() / 1024).unwrap_or(u32::MAX);
        let share = kib.clamp(1, handle.bounds().per_connection_share());
        let permit = Arc::clone(permits).acquire_many_owned(share).await;
        let permit = permit.expect("the semaphore of a connection is never closed");
        let (handle, answers) = (Arc::clone(handle), answers.clone());
        actix::spawn(async move {
            answer(&handle, message, held, &answers).await;
            drop(permit);
        });
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

/// Answers are batched into one write up to this size.
const FLUSH_BYTES: usize = 256 * 1024;
