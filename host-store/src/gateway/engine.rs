//! Pipelined connections to the engine's request port.
//!
//! A request is sent once. If its connection breaks or the engine does not answer in time, the
//! outcome is unknown and the caller gets an error that says so. This module never retries.

use super::GatewayLimits;
use bytes::Bytes;
use mortise_format::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use mortise_transport::{
    Address, PipelinedClient, PipelinedOptions, REQUEST_MAGIC, Unasked, connect,
};
use std::sync::atomic::{AtomicUsize, Ordering};
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
        !matches!(self, Self::Unreachable)
    }
}

/// Several connections, used in turn. Each is opened when it is first needed.
#[derive(Debug)]
pub(crate) struct EngineLinks {
    links: Vec<Link>,
    next: AtomicUsize,
}

impl EngineLinks {
    /// `limits.engine_links` connections to `address`.
    pub(crate) fn new(address: &Address, limits: &GatewayLimits) -> Self {
        // A connection of the gateway has one request in flight, so this bound is reached only when
        // callers give up repeatedly on an engine that reads nothing.
        let in_flight_max = limits.connections_max.max(limits.in_flight_max);
        let options = PipelinedOptions {
            magic: REQUEST_MAGIC,
            request_bytes_max: REQUEST_BYTES_MAX,
            answer_bytes_max: RESPONSE_BYTES_MAX,
            in_flight_max,
            // The late answer to a caller that gave up is dropped.
            unasked: Unasked::Ignore,
        };
        let link = || Link { address: address.clone(), options, state: Mutex::default() };
        let links = (0..limits.engine_links.max(1)).map(|_| link()).collect();
        Self { links, next: AtomicUsize::new(0) }
    }

    /// Returns the engine's answer to `payload`. It may be empty for a notification.
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
