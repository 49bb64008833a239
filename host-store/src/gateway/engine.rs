//! Pipelined connections to the engine's request port.
//!
//! A request is sent once. If its connection breaks or the engine does not answer in time, the
//! outcome is unknown and the caller gets an error that says so. This module never retries.

use super::{GatewayLimits, PEER_WINDOW};
use bytes::Bytes;
use mortise_format::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, SHARE_KEYS_MAX};
use mortise_transport::{
    Address, HINT_BYTES, PipelinedClient, PipelinedOptions, RELAY_MAGIC, ShareKey, Turns, Unasked,
    connect,
};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Timeout of a connect to the engine.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// After a failed connect, calls fail for this long before the next attempt.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Why the engine did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EngineError {
    /// Nothing was sent: the engine cannot be reached, or its queue is full.
    #[error("engine unreachable")]
    Unreachable,
    /// Nothing was sent: the peer has too many requests before this one.
    #[error("too many requests of this peer are in flight")]
    Busy,
    /// The connection broke after the request was sent.
    #[error("engine connection lost")]
    Lost,
    /// The timeout passed.
    #[error("engine silent")]
    Silent,
}

impl EngineError {
    /// Returns true when the request may have taken effect.
    pub(crate) fn outcome_unknown(self) -> bool {
        !matches!(self, Self::Unreachable | Self::Busy)
    }
}

/// Several connections. A peer always has the same one, so it has one share of the engine. Each is
/// opened when it is first needed.
#[derive(Debug)]
pub(crate) struct EngineLinks {
    links: Vec<Link>,
}

impl EngineLinks {
    /// `limits.engine_links` connections to `address`.
    pub(crate) fn new(address: &Address, limits: &GatewayLimits) -> Self {
        // A connection of the gateway has one request in flight, so this bound is reached only when
        // callers give up repeatedly on an engine that reads nothing.
        let in_flight_max = limits.connections_max.max(limits.in_flight_max);
        let options = PipelinedOptions {
            magic: RELAY_MAGIC,
            request_bytes_max: HINT_BYTES + REQUEST_BYTES_MAX,
            answer_bytes_max: RESPONSE_BYTES_MAX,
            in_flight_max,
            // The late answer to a caller that gave up is dropped.
            unasked: Unasked::Ignore,
        };
        let count = limits.engine_links.max(1);
        let at_once = limits.in_flight_max.div_ceil(count);
        let link = || Link {
            address: address.clone(),
            options,
            turns: Turns::new(at_once, PEER_WINDOW, SHARE_KEYS_MAX),
            state: Mutex::default(),
        };
        Self { links: (0..count).map(|_| link()).collect() }
    }

    /// The share of a peer.
    pub(super) fn key(hint: u64) -> ShareKey {
        ShareKey { connection: 0, hint }
    }

    /// Returns the engine's answer to a message, which begins with the hint of its peer. It may be
    /// empty for a notification. The message waits for a turn of its peer first.
    pub(super) async fn ask(
        &self,
        hint: u64,
        message: Bytes,
        time: Duration,
    ) -> Result<Bytes, EngineError> {
        let count = u64::try_from(self.links.len()).unwrap_or(u64::MAX);
        let link = &self.links[usize::try_from(hint % count).unwrap_or(0)];
        let cost = u32::try_from(message.len() / BYTES_PER_UNIT).unwrap_or(u32::MAX);
        let turn = link.turns.turn(Self::key(hint), cost.saturating_add(1));
        let asking = async {
            let _turn = tokio::time::timeout(time, turn).await.map_err(|_| EngineError::Busy)?;
            let connection = link.connection().await?;
            let answer = connection.call(message).map_err(|_| EngineError::Unreachable)?;
            match tokio::time::timeout(time, answer).await {
                Ok(answer) => answer.map_err(|_| EngineError::Lost),
                Err(_) => Err(EngineError::Silent),
            }
        };
        asking.await
    }
}

/// Bytes of a message that count as one more request.
const BYTES_PER_UNIT: usize = 4096;

#[derive(Debug)]
struct Link {
    address: Address,
    options: PipelinedOptions,
    turns: Turns,
    state: Mutex<LinkState>,
}

#[derive(Debug, Default)]
struct LinkState {
    connection: Option<PipelinedClient>,
    failed: Option<Instant>,
}

impl Link {
    /// The open connection, or a new one. Concurrent callers share the connect.
    async fn connection(&self) -> Result<PipelinedClient, EngineError> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection
            && !connection.is_closed()
        {
            return Ok(connection.clone());
        }
        state.connection = None;
        if state.failed.is_some_and(|failed| failed.elapsed() < CONNECT_PAUSE) {
            return Err(EngineError::Unreachable);
        }
        match tokio::time::timeout(CONNECT_TIME, connect(&self.address)).await {
            Ok(Ok(stream)) => {
                let connection = PipelinedClient::new(stream, self.options);
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
