//! The HTTP gateway: bodies in, bodies out, nothing read in between.
//!
//! What it is for: wallets and scripts that speak HTTP, on a parent whose engine speaks vsock.
//!
//! What it does not do: parse, check, log or change what passes. It looks into a request only when
//! it has to answer in the engine's place, to find the ids that the answer must carry.
//!
//! Bounds: connections (at the bound, the one that has been silent longest makes room), time for a
//! head and for a body, bytes of bodies being read, requests under way, size of a body.

mod accept;
mod answer;
mod body;
mod engine;
mod routes;

#[cfg(test)]
mod tests;

pub(crate) use accept::serve;
pub(crate) use engine::EngineLinks;
pub(crate) use routes::Gateway;

use std::time::Duration;

/// The bounds of the gateway.
#[derive(Debug, Clone)]
pub struct GatewayLimits {
    /// Connections at once.
    pub connections_max: usize,
    /// Requests that the engine has not answered yet.
    pub in_flight_max: usize,
    /// KiB of bodies that are being read or wait for their answer.
    pub body_kib_max: usize,
    /// A request's head arrives within this time; an idle connection is closed after it.
    pub head_time: Duration,
    /// A request's body arrives within this time.
    pub body_time: Duration,
    /// The engine answers within this time.
    pub answer_time: Duration,
    /// Connections to the engine.
    pub engine_links: usize,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            in_flight_max: 1024,
            body_kib_max: 64 * 1024,
            head_time: Duration::from_secs(30),
            body_time: Duration::from_secs(15),
            answer_time: Duration::from_secs(30),
            engine_links: 4,
        }
    }
}
