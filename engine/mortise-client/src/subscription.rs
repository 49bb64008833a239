//! Following the log: a subscription on a connection of its own.
//!
//! Over HTTP and through the channel, call [`Client::events`](crate::Client::events) with a wait
//! instead. It returns the same frames with the same cursor.

use crate::error::ClientError;
use mortise_format::limits::RESPONSE_BYTES_MAX;
use mortise_rpc::params::Subscribe;
use mortise_rpc::results::{EventsResult, SubscribeResult, SubscriptionEnded};
use mortise_rpc::{Method, envelope};
use mortise_transport::{Address, Stream, connect};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

/// A notification of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// Frames that were released: unchecked, in order, each once.
    Frames(EventsResult),
    /// The end, and the frame from which to continue.
    Ended(SubscriptionEnded),
}

/// A subscription, on a connection of its own to the engine's request port.
#[derive(Debug)]
pub struct Subscription {
    stream: BufReader<Stream>,
    /// The engine's answer to the subscription.
    pub begun: SubscribeResult,
    next: u64,
}

impl Subscription {
    /// Subscribes from a frame on; without one, from the next frame to be released.
    ///
    /// # Errors
    /// `Unreachable`, `Refused`, `Protocol`.
    pub async fn open(address: &Address, from: Option<u64>) -> Result<Self, ClientError> {
        let lost = |reason: &dyn ToString| ClientError::Unreachable {
            endpoint: address.to_string(),
            reason: reason.to_string(),
        };
        let mut stream = connect(address).await.map_err(|error| lost(&error))?;
        let (method, params) = (Method::Subscribe.name(), Subscribe { from });
        let request = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1});
        stream.write_all(request.to_string().as_bytes()).await.map_err(|error| lost(&error))?;
        let mut stream = BufReader::new(stream);
        let line = read_line(&mut stream).await?;
        let response = envelope::parse_response(&line).map_err(|e| wrong(&e))?;
        let begun = response.outcome.map_err(ClientError::from)?;
        let begun: SubscribeResult = serde_json::from_value(begun).map_err(|e| wrong(&e))?;
        Ok(Self { stream, begun, next: begun.from })
    }

    /// The next notification; the same end again after the end.
    ///
    /// # Errors
    /// `Unreachable` when the connection is lost: subscribe again from [`Subscription::next_seq`].
    /// `Protocol` for frames that do not follow.
    pub async fn next(&mut self) -> Result<Notification, ClientError> {
        let line = read_line(&mut self.stream).await?;
        let value: Value = serde_json::from_slice(&line).map_err(|e| wrong(&e))?;
        match value["method"].as_str() {
            Some("frames") => {
                let frames = EventsResult::deserialize(&value["params"]).map_err(|e| wrong(&e))?;
                let follow = (self.next..).zip(&frames.frames).all(|(seq, f)| f.seq == seq);
                let count = u64::try_from(frames.frames.len()).unwrap_or(u64::MAX);
                if !follow || Some(frames.next) != self.next.checked_add(count) {
                    return Err(wrong(&"frames that do not follow"));
                }
                self.next = frames.next;
                Ok(Notification::Frames(frames))
            }
            Some("subscriptionEnded") => {
                let ended = SubscriptionEnded::deserialize(&value["params"]);
                Ok(Notification::Ended(ended.map_err(|e| wrong(&e))?))
            }
            _ => Err(wrong(&"no notification of a subscription")),
        }
    }

    /// The first frame that was not received yet: the cursor to continue from.
    pub fn next_seq(&self) -> u64 {
        self.next
    }
}

async fn read_line(stream: &mut BufReader<Stream>) -> Result<Vec<u8>, ClientError> {
    let mut line = Vec::new();
    let bound = u64::try_from(RESPONSE_BYTES_MAX).unwrap_or(u64::MAX);
    let read = stream.take(bound).read_until(b'\n', &mut line).await;
    let lost = |reason: String| ClientError::Unreachable { endpoint: "the engine".into(), reason };
    read.map_err(|error| lost(error.to_string()))?;
    match line.pop() {
        Some(b'\n') => Ok(line),
        Some(_) if line.len() + 1 >= RESPONSE_BYTES_MAX => Err(wrong(&"a line over the bound")),
        _ => Err(lost("the subscription's connection was closed".into())),
    }
}

fn wrong(reason: &dyn ToString) -> ClientError {
    ClientError::Protocol { method: Method::Subscribe.name(), reason: reason.to_string() }
}
