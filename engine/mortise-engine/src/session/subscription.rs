//! Subscriptions: every released frame, from one seq on, as a notification on one connection.
//!
//! ```text
//! reader   {"jsonrpc":"2.0","method":"subscribe","params":{"from":7},"id":1}
//! engine   {"jsonrpc":"2.0","result":{"from":7,"released":9},"id":1}
//!          {"jsonrpc":"2.0","method":"frames","params":{"frames":[...],"next":9,"released":9}}
//!          {"jsonrpc":"2.0","method":"subscriptionEnded","params":{"reason":"...","next":9}}
//! ```
//! What it is for: auditors and indexers that follow the log. Frames are read from the store after
//! the reader has received the ones before. The engine buffers nothing for a reader, and the writer
//! does not know it.
//!
//! Invariants:
//! - Frames arrive in order, each once, none before its release.
//! - One notification at a time is in memory, in the room of an answer.
//! - Every end that the engine chooses has a named reason and the seq to continue from.

use super::linger;
use crate::handle::EngineHandle;
use crate::phase::Phase;
use crate::reader::Readers;
use crate::rpc;
use mortise_format::errors::Code;
use mortise_format::limits::SUBSCRIBER_MS_MAX;
use mortise_rpc::ErrorObject;
use mortise_rpc::envelope::{Item, Message, Request, failure, success};
use mortise_rpc::params::Subscribe;
use mortise_rpc::results::{EndReason, SubscribeResult, SubscriptionEnded};
use serde::Serialize;
use serde_json::json;
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Recognises a request to subscribe: a single call with an id.
pub(super) fn subscribe_request(message: Message) -> Result<Request, Message> {
    match message {
        Message::Single(Item::Request(request))
            if request.method == "subscribe" && request.id.is_some() =>
        {
            Ok(request)
        }
        other => Err(other),
    }
}

/// Answers a request to subscribe and serves the subscription to its end. Returns the error answer
/// of a refused request; the connection then continues. `is_alone` is false if more input follows
/// the request: a subscription would never answer it.
pub(super) async fn serve(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    handle: &EngineHandle,
    request: &Request,
    is_alone: bool,
) -> io::Result<Option<Vec<u8>>> {
    let id = request.id.as_ref().expect("a request to subscribe has an id");
    let refused = |error: &ErrorObject| Ok(Some(failure(id, error)));
    if !is_alone {
        return refused(&rpc::subscribe_elsewhere());
    }
    let params = match Subscribe::parse(&request.params) {
        Ok(params) => params,
        Err(error) => return refused(&ErrorObject::from(error)),
    };
    let readers = match rpc::readers(handle) {
        Ok(readers) => readers,
        Err(error) => return refused(&error),
    };
    let Some(_permit) = readers.waiter(handle.caller()) else {
        return refused(&ErrorObject::new(Code::Overloaded).with("retryAfterMs", 1000));
    };
    let released = readers.reader().view().size();
    let from = params.from.unwrap_or(released);
    let answer = SubscribeResult { from, released };
    let answer = [success(id, &json!(answer)), b"\n".to_vec()].concat();
    let mut subscription = Subscription { stream, next: from, policy: SLOW_READER };
    if let Sent::Late = subscription.send(&answer).await? {
        subscription.end(EndReason::SlowReader).await?;
        return Ok(None);
    }
    let reason = subscription.run(handle, readers).await?;
    subscription.end(reason).await?;
    Ok(None)
}

/// Timeouts for a reader to receive one notification.
#[derive(Debug, Clone, Copy)]
struct SlowReaderPolicy {
    /// After this time the subscription ends with SLOW_READER.
    warn: Duration,
    /// After this time the connection closes without a reason.
    cut_off: Duration,
}

const SLOW_READER: SlowReaderPolicy = SlowReaderPolicy {
    warn: Duration::from_millis(SUBSCRIBER_MS_MAX),
    cut_off: Duration::from_millis(3 * SUBSCRIBER_MS_MAX),
};

/// Whether the reader received a notification in time.
#[derive(Debug, PartialEq, Eq)]
enum Sent {
    InTime,
    Late,
}

/// What became of the next notification.
enum Notified {
    Sent(Sent),
    /// Other answers of this caller, or of all, are not read yet.
    NoRoom,
    NotServing,
}

/// The line of a notification, whose parameters are JSON text.
fn notification(method: &str, params: &[u8]) -> Vec<u8> {
    let parts: [&[u8]; 5] =
        [br#"{"jsonrpc":"2.0","method":""#, method.as_bytes(), br#"","params":"#, params, b"}\n"];
    parts.concat()
}

struct Subscription<'a, S> {
    stream: &'a mut S,
    next: u64,
    policy: SlowReaderPolicy,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Subscription<'_, S> {
    async fn run(&mut self, handle: &EngineHandle, readers: &Readers) -> io::Result<EndReason> {
        let view = readers.reader().view();
        let mut released = view.watch();
        let mut reads_input = true;
        loop {
            if handle.phase() != Phase::Ready {
                return Ok(EndReason::NotServing);
            }
            if self.next < view.size() {
                match self.notify_frames(handle).await? {
                    Notified::Sent(Sent::InTime) => {}
                    Notified::Sent(Sent::Late) => return Ok(EndReason::SlowReader),
                    Notified::NoRoom => tokio::time::sleep(ROOM_POLL).await,
                    Notified::NotServing => return Ok(EndReason::NotServing),
                }
                continue;
            }
            let mut input = [0; 1];
            tokio::select! {
                changed = released.changed() => if changed.is_err() {
                    return Ok(EndReason::NotServing);
                },
                // A reader that closed its sending half may still read.
                read = self.stream.read(&mut input), if reads_input => match read? {
                    0 => reads_input = false,
                    _ if input[0].is_ascii_whitespace() => {}
                    _ => return Ok(EndReason::NewInput),
                },
                () = tokio::time::sleep(PHASE_POLL) => {}
            }
        }
    }

    /// Sends the next frames. They are held in the room of an answer until they are written.
    async fn notify_frames(&mut self, handle: &EngineHandle) -> io::Result<Notified> {
        let room = handle.room(rpc::FRAMES_BYTES_MAX);
        let (params, next) = match rpc::notified_frames(&handle.within(&room), self.next).await {
            Ok(made) => made,
            Err(error) if error.entry() == Some(Code::Overloaded) => {
                return Ok(Notified::NoRoom);
            }
            Err(_) => return Ok(Notified::NotServing),
        };
        let made = room.made(notification("frames", &params));
        drop(params);
        let sent = self.send(&made.bytes).await?;
        self.next = next;
        Ok(Notified::Sent(sent))
    }

    async fn end(&mut self, reason: EndReason) -> io::Result<()> {
        let ended = SubscriptionEnded { reason, next: self.next };
        self.notify("subscriptionEnded", &ended).await?;
        self.stream.shutdown().await?;
        linger(self.stream).await;
        Ok(())
    }

    async fn notify(&mut self, method: &str, params: &impl Serialize) -> io::Result<Sent> {
        let params = serde_json::to_vec(params).map_err(io::Error::other)?;
        self.send(&notification(method, &params)).await
    }

    async fn send(&mut self, line: &[u8]) -> io::Result<Sent> {
        let begun = Instant::now();
        let written = async {
            self.stream.write_all(line).await?;
            self.stream.flush().await
        };
        let written = timeout(self.policy.cut_off, written).await;
        written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let is_late = begun.elapsed() > self.policy.warn;
        Ok(if is_late { Sent::Late } else { Sent::InTime })
    }
}

/// Interval at which the phase is checked while nothing is released.
const PHASE_POLL: Duration = Duration::from_secs(1);
/// Pause before frames are read again that found no room.
const ROOM_POLL: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_rpc::envelope;

    #[test]
    fn only_a_single_request_with_an_id_subscribes() {
        let is_request = |text: &str| subscribe_request(envelope::parse(text.as_bytes())).is_ok();
        assert!(is_request(r#"{"jsonrpc":"2.0","method":"subscribe","id":1}"#));
        assert!(!is_request(r#"{"jsonrpc":"2.0","method":"subscribe"}"#));
        assert!(!is_request(r#"[{"jsonrpc":"2.0","method":"subscribe","id":1}]"#));
        assert!(!is_request(r#"{"jsonrpc":"2.0","method":"health","id":1}"#));
    }

    /// Goal: a reader that receives a notification late gets a named reason and the seq to continue
    /// from; a reader that receives nothing is cut off. Method: a pipe that holds a few bytes.
    #[tokio::test]
    async fn slow_reader_gets_a_named_end_and_silent_reader_is_cut_off() {
        let (warn, cut_off) = (Duration::from_millis(1), Duration::from_millis(200));
        let policy = SlowReaderPolicy { warn, cut_off };
        let (mut ours, mut theirs) = tokio::io::duplex(16);
        let mut subscription = Subscription { stream: &mut ours, next: 7, policy };
        let reading = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut text = String::new();
            theirs.read_to_string(&mut text).await.unwrap();
            text
        };
        let sending = async {
            assert_eq!(
                subscription.notify("frames", &json!({"next": 7})).await.unwrap(),
                Sent::Late
            );
            subscription.end(EndReason::SlowReader).await.unwrap();
        };
        let (text, ()) = tokio::join!(reading, sending);
        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["method"], "subscriptionEnded");
        assert_eq!(last["params"], json!({"reason": "SLOW_READER", "next": 7}));

        let (mut ours, _theirs) = tokio::io::duplex(16);
        let mut subscription = Subscription { stream: &mut ours, next: 7, policy };
        let error = subscription.notify("frames", &json!({"next": 7})).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
