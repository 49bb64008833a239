//! One connection of the request port.
//!
//! ```text
//! first byte { or [  JSON values, each answered as soon as it is complete, until half-close
//!   subscribe          an answer, then notifications to the end
//!   an object without jsonrpc  a plain application request: one answer, then close
//! MRT1               length-prefixed messages, pipelined, answered in any order
//! MRT2               the same from a relay: each request begins with the hint of its peer
//! GET, POST, ...     one named error that points at the gateway, then close
//! ```
//! Invariants:
//! - A buffer never grows past the request bound, and all of them together not past theirs.
//! - An answer that is not read ends its connection, and all of them have one bound.
//! - A value that is not complete before its timeout ends the connection.
//! - A session does not read its socket while its share of requests is in flight.
//! - At the bound of connections the longest idle one ends for the newcomer: one without a request,
//!   an answer or a half-read message.
//! - Each request counts against the share of its connection, and of its peer behind a relay.

mod binary;
mod budget;
mod json_stream;
mod port;
mod subscription;
mod text;

pub use budget::Budgets;
pub use port::accept;

use crate::handle::EngineHandle;
use binary::Dialler;
use bytes::BytesMut;
use mortise_format::limits::{WRITE_BYTES_MIN, WRITE_MS_MAX};
use mortise_transport::{RELAY_MAGIC, REQUEST_MAGIC, Slot, SlowGuard, Stream};
use port::PeerKey;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// Serves a connection to its end, or until it has to end for another.
async fn serve(stream: Stream, handle: EngineHandle, slot: Slot<PeerKey>) {
    tokio::select! {
        () = serve_to_end(stream, handle, &slot) => {}
        () = slot.displaced() => tracing::debug!("an idle connection ended for a newcomer"),
    }
}

/// An error concerns this peer only, so it is just logged.
async fn serve_to_end(stream: Stream, handle: EngineHandle, slot: &Slot<PeerKey>) {
    let mut stream = guarded(stream);
    let mut buffer = BytesMut::with_capacity(FIRST_BYTES);
    let served = match timeout(SLOW_READER, first_bytes(&mut stream, &mut buffer)).await {
        Ok(Ok(true)) if buffer.starts_with(&REQUEST_MAGIC) => {
            binary::serve(stream, buffer, (handle, Dialler::Caller), slot).await
        }
        Ok(Ok(true)) if buffer.starts_with(&RELAY_MAGIC) => {
            binary::serve(stream, buffer, (handle, Dialler::Relay), slot).await
        }
        Ok(Ok(true)) => text::serve(stream, buffer, handle, slot).await,
        Ok(Ok(false)) => Ok(()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

/// Reads until the protocol is clear; false if the peer sent nothing.
async fn first_bytes(stream: &mut Guarded, buffer: &mut BytesMut) -> io::Result<bool> {
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(!buffer.is_empty());
        }
        let shared = buffer.len().min(REQUEST_MAGIC.len());
        let begins = |magic: [u8; 4]| buffer[..shared] == magic[..shared];
        let may_be_binary = begins(REQUEST_MAGIC) || begins(RELAY_MAGIC);
        if !may_be_binary || buffer.len() >= REQUEST_MAGIC.len() {
            return Ok(true);
        }
    }
}

/// Briefly reads and drops input of the peer. A close with unread bytes resets the connection, and
/// the peer could lose the answer that was just written.
async fn linger(stream: &mut (impl AsyncRead + Unpin)) {
    // An array would be a part of every connection's memory.
    let mut dropped = vec![0; 16 * 1024];
    let drain = async { while matches!(stream.read(&mut dropped).await, Ok(1..)) {} };
    let _ = timeout(LINGER, drain).await;
}

/// A connection whose reader must make progress.
type Guarded = SlowGuard<Stream>;

fn guarded(stream: Stream) -> Guarded {
    SlowGuard::new(stream, WRITE_TIME, WRITE_BYTES_MIN)
}

const WRITE_TIME: Duration = Duration::from_millis(WRITE_MS_MAX);
/// Buffer size of the first read.
const FIRST_BYTES: usize = 1024;
/// Timeout for the rest of a value or message that a peer has begun to send.
const SLOW_READER: Duration = Duration::from_secs(30);
/// Time in which a refused peer may go on sending before the connection closes.
const LINGER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::{Bounds, PhaseCell};
    use mortise_format::limits::{ANSWER_BYTES_HELD_MAX, REQUEST_BYTES_HELD_MAX};
    use mortise_transport::ReservedBytes;
    use serde_json::{Value, json};
    use std::sync::Arc;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixStream;

    fn slot() -> Slot<PeerKey> {
        mortise_transport::ConnectionSlots::new(1).take(None).0.unwrap()
    }

    /// Sends `request` to a session while others hold all of the budget, half-closes, and reads to
    /// the end.
    fn beyond_the_budget(request: Vec<u8>) -> Vec<u8> {
        actix::System::new().block_on(async {
            let phase = Arc::new(PhaseCell::default());
            let handle = EngineHandle::new(phase, Bounds::default(), "attested");
            let others = handle.budgets().requests.hold(REQUEST_BYTES_HELD_MAX);
            assert!(others.is_some());
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            actix::spawn(serve(Stream::from(ours), handle, slot()));
            theirs.write_all(&request).await.unwrap();
            theirs.shutdown().await.unwrap();
            let mut answer = Vec::new();
            let _ = theirs.read_to_end(&mut answer).await;
            drop(others);
            answer
        })
    }

    fn assert_overloaded(answer: &[u8]) {
        let answer: Value = serde_json::from_slice(answer).unwrap();
        assert_eq!(answer["error"]["data"]["name"], "OVERLOADED", "{answer}");
    }

    /// The names of the errors that calls get, in a stream of JSON values, from an engine that does
    /// not serve yet, while `others` hold what they hold.
    fn errors_of(
        calls: &[Value],
        others: impl FnOnce(&EngineHandle) -> Vec<ReservedBytes>,
    ) -> String {
        actix::System::new().block_on(async {
            let phase = Arc::new(PhaseCell::default());
            let handle = EngineHandle::new(phase, Bounds::default(), "attested").for_connection();
            let held = others(&handle);
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            actix::spawn(serve(Stream::from(ours), handle.clone(), slot()));
            theirs.write_all(&serde_json::to_vec(calls).unwrap()).await.unwrap();
            theirs.shutdown().await.unwrap();
            let mut answer = Vec::new();
            theirs.read_to_end(&mut answer).await.unwrap();
            drop(held);
            let free = handle.budgets().answers.free_bytes();
            assert_eq!(free, ANSWER_BYTES_HELD_MAX, "what is written is given back");
            let answers: Vec<Value> = serde_json::from_slice(&answer).unwrap();
            assert!(answers.iter().all(|answer| answer["error"]["data"]["outcome"].is_null()));
            let name =
                |answer: &Value| answer["error"]["data"]["name"].as_str().unwrap().to_owned();
            answers.iter().map(name).collect::<Vec<_>>().join(" ")
        })
    }

    /// Goal: a call without room for its answer is refused before anything is done, and small
    /// answers are made even then. Method: an engine that does not serve yet says NOT_READY to what
    /// it begins.
    #[test]
    fn call_without_room_for_its_answer_is_refused_before_it_is_begun() {
        let call = |id: u32, method: &str, params: Value| -> Value {
            json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        };
        let lock_id = format!("0x{}", "11".repeat(32));
        let signature = format!("0x{}", "22".repeat(65));
        let calls = [
            call(1, "getEnclaveId", json!({})),
            call(2, "signLock", json!({"lockId": lock_id, "signature": signature})),
            call(3, "getLock", json!({"lockId": lock_id})),
            call(4, "getActiveLocks", json!({"owner": format!("0x{}", "33".repeat(20))})),
        ];
        assert_eq!(errors_of(&calls, |_| Vec::new()), "NOT_READY NOT_READY NOT_READY NOT_READY");
        let all = |handle: &EngineHandle| {
            let of = |n| handle.for_peer(n).caller();
            let taken = (1..).map_while(|n| handle.budgets().answers.reserve(of(n), 512 * 1024));
            let taken: Vec<_> = taken.collect();
            assert!(handle.budgets().answers.free_bytes() < 2 * 512 * 1024);
            taken
        };
        let some_room = errors_of(&calls, all);
        assert_eq!(some_room, "NOT_READY NOT_READY NOT_READY OVERLOADED", "little is left to all");
        let none = |handle: &EngineHandle| {
            let of = |n| handle.for_peer(n).caller();
            let (mut taken, pool) = (all(handle), &handle.budgets().answers);
            taken.extend((1000..).map_while(|n| {
                (pool.free_bytes() > 0).then(|| pool.reserve(of(n), 1024)).flatten()
            }));
            taken
        };
        assert_eq!(errors_of(&calls, none), "NOT_READY OVERLOADED OVERLOADED OVERLOADED");
    }

    #[test]
    fn half_read_value_beyond_the_budget_is_refused_by_name() {
        let begun = [br#"{"jsonrpc":"2.0","method":""#.to_vec(), vec![b'a'; 50_000]].concat();
        assert_overloaded(&beyond_the_budget(begun));
    }

    /// Goal: a numbered message is refused by its number, and its connection goes on.
    #[test]
    fn message_beyond_the_budget_is_refused_by_number_and_the_next_is_answered() {
        let message = |number: u64, payload: &[u8]| {
            let length = u32::try_from(payload.len()).unwrap();
            [&length.to_le_bytes()[..], &number.to_le_bytes(), payload].concat()
        };
        let small = br#"{"jsonrpc":"2.0","id":2,"method":"nothing"}"#;
        let request = [&REQUEST_MAGIC[..], &message(7, &[b' '; 50_000]), &message(8, small)];
        let mut rest = &beyond_the_budget(request.concat())[..];
        for (number, name) in [(7, "OVERLOADED"), (8, "")] {
            let length = u32::from_le_bytes(rest[..4].try_into().unwrap());
            assert_eq!(rest[4..12], u64::to_le_bytes(number));
            if !name.is_empty() {
                let length = usize::try_from(length).unwrap();
                assert_overloaded(&rest[12..12 + length]);
                rest = &rest[12 + length..];
            }
        }
    }
}
