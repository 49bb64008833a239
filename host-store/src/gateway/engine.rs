//! Pipelined connections to the engine's request port.
//!
//! A request goes out once. If its connection breaks, or the engine stays silent, its outcome is
//! unknown and the caller is told so: a request is never sent a second time here.

use super::GatewayLimits;
use bytes::Bytes;
use mortise_format::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use mortise_transport::{
    Address, PipelinedClient, PipelinedOptions, REQUEST_MAGIC, Unasked, connect,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The engine's socket takes a connection within this time.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// After a failed connect, callers are told so for this long before it is tried again.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Why there is no answer of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EngineError {
    /// Nothing was sent: the engine cannot be reached, or takes nothing more.
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
    /// `limits.engine_links` connections to `address`.
    pub(crate) fn new(address: &Address, limits: &GatewayLimits) -> Self {
        // A connection of the gateway has one request under way, so this bound is met only when
        // callers give up, again and again, on an engine that reads nothing.
        let in_flight_max = limits.connections_max.max(limits.in_flight_max);
        let options = PipelinedOptions {
            magic: REQUEST_MAGIC,
            request_bytes_max: REQUEST_BYTES_MAX,
            answer_bytes_max: RESPONSE_BYTES_MAX,
            in_flight_max,
            // A caller that gives up leaves a late answer behind.
            unasked: Unasked::Ignore,
        };
        let link = || Link { address: address.clone(), options, state: Mutex::default() };
        let links = (0..limits.engine_links.max(1)).map(|_| link()).collect();
        Self { links, next: AtomicUsize::new(0) }
    }

    /// The engine's answer to `payload`, which may be empty for a notification.
    pub(crate) async fn ask(&self, payload: Bytes, time: Duration) -> Result<Bytes, EngineError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.links.len();
        let connection = self.links[turn].connection().await?;
        let answer = connection.call(payload).map_err(|_| EngineError::Unreachable)?;
        match tokio::time::timeout(time, answer).await {
            Ok(answer) => answer.map_err(|_| EngineError::Lost),
            Err(_) => Err(EngineError::Silent),
        }
    }
}

#[derive(Debug)]
struct Link {
    address: Address,
    options: PipelinedOptions,
    state: Mutex<LinkState>,
}

#[derive(Debug, Default)]
struct LinkState {
    connection: Option<PipelinedClient>,
    failed: Option<Instant>,
}

impl Link {
    /// The open connection, or a new one. Callers that come while it is being opened share it.
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
