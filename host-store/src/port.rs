//! Shared code of the listeners for the enclave: options of the accept loop and its log lines.

use mortise_transport::{AtBound, ServeEvent, ServeOptions};
use std::time::Duration;

/// At most this many connections at once, only from the enclave. A stop closes them.
pub(crate) fn options(only_cid: Option<u32>, connections_max: usize) -> ServeOptions {
    ServeOptions { only_cid, connections_max, at_bound: AtBound::Wait, drain: Duration::ZERO }
}

/// Logs an event of the accept loop.
pub(crate) fn log_event(port: &'static str, event: &ServeEvent) {
    match event {
        ServeEvent::TurnedAway { cid } => {
            tracing::warn!(port, cid, "rejected a connection of another virtual machine");
        }
        ServeEvent::AcceptFailed(error) => {
            tracing::warn!(port, %error, "cannot accept a connection");
        }
        ServeEvent::OldestClosed => {
            tracing::warn!(port, "closed the oldest connection: there are too many");
        }
        ServeEvent::CutOff { connections } => {
            tracing::warn!(port, connections, "closed open connections while stopping");
        }
        other => tracing::warn!(port, event = ?other, "the port changed"),
    }
}
