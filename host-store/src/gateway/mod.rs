//! The HTTP gateway: passes bodies on without reading them.
//!
//! What it is for: wallets and scripts that speak HTTP, on a parent whose engine speaks vsock.
//!
//! What it does not do: parse, log or change a request, or check more of it than who may speak
//! ([`access`]). It reads a request only to answer in the engine's place, to find the ids that the
//! answer must have.
//!
//! Fair shares: every request carries the hint of its peer ([`peer`]). A peer has one connection to
//! the engine and at most [`PEER_WINDOW`] requests on it that are not answered; the next ones wait
//! here, in fair order with those of other peers.
//!
//! Bounds: connections (at the bound, the longest idle one is closed), time for a head and for a
//! body, bytes of bodies and of answers in memory, progress of a reader, requests in flight, size
//! of a body.

mod accept;
mod access;
mod answer;
mod body;
mod engine;
mod peer;
mod proxied;
mod routes;

#[cfg(test)]
mod tests;

pub(crate) use accept::serve;
pub(crate) use access::Access;
pub use access::AccessConfig;
pub(crate) use engine::EngineLinks;
pub use peer::{Network, NetworkError};
pub(crate) use routes::{Gateway, Pages};

use mortise_format::limits::{
    GATEWAY_ANSWER_BYTES_HELD_MAX, GATEWAY_PEER_WINDOW, REQUEST_BYTES_HELD_MAX, WRITE_MS_MAX,
};
use std::time::Duration;

/// Most requests of one peer that the engine has and has not answered.
const PEER_WINDOW: usize = GATEWAY_PEER_WINDOW;

/// The bounds of the gateway.
#[derive(Debug, Clone)]
pub struct GatewayLimits {
    /// Most connections at once.
    pub connections_max: usize,
    /// Most requests that are not answered yet: those that the engine has, and those that wait.
    pub in_flight_max: usize,
    /// KiB of bodies that are being read or wait for an answer.
    pub body_kib_max: usize,
    /// KiB of answers that are not yet written.
    pub answer_kib_max: usize,
    /// Time in which a reader takes `WRITE_BYTES_MIN` bytes, or the rest of its answer.
    pub write_time: Duration,
    /// Timeout of a request's head, and of an idle connection.
    pub head_time: Duration,
    /// Timeout of a request's body.
    pub body_time: Duration,
    /// Timeout of the engine's answer.
    pub answer_time: Duration,
    /// Connections to the engine.
    pub engine_links: usize,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            in_flight_max: 1024,
            body_kib_max: REQUEST_BYTES_HELD_MAX / 1024,
            answer_kib_max: GATEWAY_ANSWER_BYTES_HELD_MAX / 1024,
            write_time: Duration::from_millis(WRITE_MS_MAX),
            head_time: Duration::from_secs(30),
            body_time: Duration::from_secs(15),
            answer_time: Duration::from_secs(30),
            engine_links: 4,
        }
    }
}
