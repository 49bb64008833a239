//! Pipelined messages: texts in clear, and channel messages.

use super::budget::RETRY_AFTER_MS;
use super::port::PeerKey;
use super::{Guarded, SLOW_READER, linger};
use crate::handle::EngineHandle;
use crate::room::MadeAnswer;
use crate::rpc;
use bytes::BytesMut;
use mortise_format::channel::is_channel;
use mortise_format::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use mortise_rpc::ErrorObject;
use mortise_rpc::envelope::{Id, failure};
use mortise_transport::{
    Busy, HINT_BYTES, HeldBytes, Message, MessageError, MessageReader, MessageWriter, PoolPermit,
    RELAY_MAGIC, REQUEST_MAGIC, Received, ReservedBytes, Slot, split_hint,
};
use std::io;
use std::sync::Arc;
use tokio::io::WriteHalf;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

/// An answer that is not written yet, with all that its request holds until then.
struct Outgoing {
    number: u64,
    answer: MadeAnswer,
    /// `None` for a request that was refused before it took places.
    places: Option<InFlight>,
}

/// A message's places among those of its connection and of all connections. Its connection is not
/// idle.
type InFlight = (OwnedSemaphorePermit, PoolPermit, Busy<PeerKey>);

impl Outgoing {
    /// An answer to a message that was not taken.
    fn refusal(number: u64, bytes: Vec<u8>) -> Self {
        let answer = MadeAnswer { bytes, reserved: Vec::new() };
        Self { number, answer, places: None }
    }
}

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
    (handle, dialler): (EngineHandle, Dialler),
    slot: &Slot<PeerKey>,
) -> io::Result<()> {
    let (read_half, write_half) = tokio::io::split(stream);
    let mut reader = MessageReader::with_buffer(read_half, dialler.payload_max(), buffer);
    reader.expect_magic(dialler.magic()).await.map_err(io::Error::other)?;
    let share = handle.bounds().per_connection;
    let permits = Arc::new(Semaphore::new(share));
    let (answers, outgoing) = mpsc::channel(QUEUED_MAX);
    let writer = actix::spawn(write(write_half, outgoing));
    let ended = read(&mut reader, (&handle, dialler, slot), &permits, &answers).await;
    if let Err(MessageError::Oversized { .. }) = &ended {
        // The number of an oversized message is unknown: answer number 0, then close.
        let _ = answers.send(Outgoing::refusal(0, rpc::too_large())).await;
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
    (handle, dialler, slot): (&EngineHandle, Dialler, &Slot<PeerKey>),
    permits: &Arc<Semaphore>,
    answers: &mpsc::Sender<Outgoing>,
) -> Result<(), MessageError> {
    let mut in_a_row = 0;
    while reader.begun().await? {
        let busy = slot.busy();
        let Some(received) = next(reader, handle).await? else { break };
        let (message, held) = match received {
            Received::Message(message, held) => (message, held),
            Received::Refused { correlation } => {
                refuse(answers, correlation).await;
                continue;
            }
        };
        // Back-pressure: the socket is not read while this waits.
        let share = dialler.share(&message, handle);
        let permit = Arc::clone(permits).acquire_many_owned(share).await;
        let permit = permit.expect("the semaphore of a connection is never closed");
        in_a_row += 1 + message.payload.len() / 1024;
        let (message, handle) = dialler.unwrapped(message, handle);
        let Some(place) = handle.budgets().messages.take(handle.caller()) else {
            refuse(answers, message.correlation).await;
            continue;
        };
        let (places, answers) = (Some((permit, place, busy)), answers.clone());
        actix::spawn(async move {
            let number = message.correlation;
            let answer = answer(&handle, message, held).await;
            // If the writer has ended, the peer is gone and needs no answer.
            let _ = answers.send(Outgoing { number, answer, places }).await;
        });
        if in_a_row >= IN_A_ROW_MAX {
            // The requests of other connections are parsed in between.
            in_a_row = 0;
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// Refuses a message by its number. Its text was not kept, and with it the id. The socket is not
/// read while the peer does not take its answers.
async fn refuse(answers: &mpsc::Sender<Outgoing>, number: u64) {
    let error = ErrorObject::overloaded(RETRY_AFTER_MS);
    let _ = answers.send(Outgoing::refusal(number, failure(&Id::Null, &error))).await;
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

async fn answer(handle: &EngineHandle, message: Message, held: HeldBytes) -> MadeAnswer {
    let payload = message.payload;
    // A relay waits for each numbered message, so a notification gets an empty answer.
    let answer = match is_channel(&payload) {
        true => rpc::answer_sealed(handle, payload).await,
        false => rpc::answer(handle, &payload).await.unwrap_or_default(),
    };
    drop(held);
    answer
}

async fn write(half: WriteHalf<Guarded>, mut outgoing: mpsc::Receiver<Outgoing>) -> io::Result<()> {
    let mut writer = MessageWriter::new(half, RESPONSE_BYTES_MAX);
    while let Some(first) = outgoing.recv().await {
        // Given back when all of them are written.
        let mut held = vec![queue(&mut writer, first)?];
        while writer.queued_bytes() <= FLUSH_BYTES
            && let Ok(next) = outgoing.try_recv()
        {
            held.push(queue(&mut writer, next)?);
        }
        writer.flush().await?;
        drop(held);
    }
    writer.shutdown().await
}

/// Copies an answer into the writer's buffer. Returns what is held until it is written.
fn queue(writer: &mut MessageWriter<WriteHalf<Guarded>>, outgoing: Outgoing) -> io::Result<Held> {
    let Outgoing { number, answer: MadeAnswer { bytes, reserved }, places } = outgoing;
    let queued = match writer.queue(number, &bytes) {
        Err(MessageError::Oversized { .. }) => writer.queue(number, &rpc::answer_too_large()),
        queued => queued,
    };
    queued.map_err(io::Error::other)?;
    if let Some((_, _, busy)) = &places {
        busy.served();
    }
    Ok((reserved, places))
}

/// What an answer in the writer's buffer holds.
type Held = (Vec<ReservedBytes>, Option<InFlight>);

/// Requests that one connection begins before another has its turn; each KiB counts as one.
const IN_A_ROW_MAX: usize = 16;
/// Answers between the tasks that make them and the writer. The other tasks wait with theirs.
const QUEUED_MAX: usize = 64;
/// Answers are batched into one write up to this size.
const FLUSH_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::Bounds;
    use mortise_format::limits::IN_FLIGHT_PER_CONNECTION_MAX;

    /// Goal: at the bound the session stops reading. Method: many messages at once on a connection
    /// whose answers no one writes; each answer that is taken lets one more message in.
    #[test]
    fn connection_at_its_bound_of_requests_is_not_read() {
        let request = br#"{"jsonrpc":"2.0","id":1,"method":"getEnclaveId"}"#;
        let length = u32::try_from(request.len()).unwrap().to_le_bytes();
        let most = IN_FLIGHT_PER_CONNECTION_MAX;
        let messages: Vec<u8> = (0..2 * most as u64)
            .flat_map(|n| [&length[..], &n.to_le_bytes(), request].concat())
            .collect();
        actix::System::new().block_on(async {
            let handle = EngineHandle::new(Arc::default(), Bounds::default(), "attested");
            let handle = handle.for_connection();
            let permits = Arc::new(Semaphore::new(handle.bounds().per_connection));
            let (answers, mut outgoing) = mpsc::channel(QUEUED_MAX);
            let in_flight = || handle.budgets().messages.held_by(handle.caller());
            let mut reader = MessageReader::new(&messages[..], REQUEST_BYTES_MAX);
            let slot = mortise_transport::ConnectionSlots::new(1).take(None).0.unwrap();
            let from = (&handle, Dialler::Caller, &slot);
            let reading = read(&mut reader, from, &permits, &answers);
            tokio::pin!(reading);
            for taken in 0..3 {
                // It is idle long before: each message takes a turn or two.
                let turns = async {
                    for _ in 0..8 * most {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! {
                    biased;
                    _ = &mut reading => panic!("all messages are read"),
                    () = turns => {}
                }
                assert_eq!(in_flight(), most, "after {taken} answers");
                drop(outgoing.recv().await);
                assert_eq!(in_flight(), most - 1);
            }
        });
    }
}
