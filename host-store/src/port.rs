//! What the listeners for the enclave share: the options of the accept loop and its log lines.

use mortise_transport::{AtBound, ServeEvent, ServeOptions};
use std::time::Duration;

/// So many connections at once, from the enclave alone; a stop cuts them off.
pub(crate) fn options(only_cid: Option<u32>, connections_max: usize) -> ServeOptions {
    ServeOptions { only_cid, connections_max, at_bound: AtBound::Wait, drain: Duration::ZERO }
}

/// Logs what happened at a port.
pub(crate) fn log_event(port: &'static str, event: &ServeEvent) {
    match event {
        ServeEvent::TurnedAway { cid } => {
            tracing::warn!(port, cid, "a virtual machine that is not the enclave was turned away");
        }
        ServeEvent::AcceptFailed(error) => {
            tracing::warn!(port, %error, "a connection could not be accepted");
        }
        ServeEvent::OldestClosed => {
            tracing::warn!(port, "the oldest connection was closed: there are too many");
        }
        ServeEvent::CutOff { connections } => {
            tracing::warn!(port, connections, "connections were cut off while stopping");
        }
        other => tracing::warn!(port, event = ?other, "the port changed"),
    }
}
