//! The phase of the engine, readable from every thread.

use mortise_format::limits::{IN_FLIGHT_MAX, IN_FLIGHT_PER_CONNECTION_MAX};
use std::sync::RwLock;

/// A phase. Only [`Phase::Ready`] serves. Only a restart ends [`Phase::Restarting`] and
/// [`Phase::Fault`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Connects to the store and unseals the keys.
    Starting,
    /// Replays the log: frames done, frames in total.
    Replaying(u64, u64),
    /// Waits until witnesses cosign the replayed log and the boot frame. Contains the verifier key
    /// of the log, which each witness must know.
    Witnessing(String),
    Ready,
    /// Answers the requests in flight and accepts no new ones.
    Stopping,
    /// A fault stopped the serving engine. The process ends soon and the next one replays; callers
    /// should retry.
    Restarting {
        /// `CLOCK` or `FAULT`.
        name: &'static str,
        /// The detail, for the operator.
        why: String,
    },
    /// The boot failed in a way that a restart does not mend, or witnesses fenced this engine.
    Fault {
        /// The stable name, for callers.
        name: &'static str,
        /// The detail, for the operator.
        why: String,
    },
}

impl Phase {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Replaying(..) => "replaying",
            Self::Witnessing(_) => "witnessing",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
            Self::Restarting { .. } => "restarting",
            Self::Fault { .. } => "fault",
        }
    }
}

/// The shared phase.
#[derive(Debug)]
pub struct PhaseCell(RwLock<Phase>);

impl Default for PhaseCell {
    fn default() -> Self {
        Self(RwLock::new(Phase::Starting))
    }
}

impl PhaseCell {
    pub fn now(&self) -> Phase {
        self.0.read().expect("no holder of the phase panics").clone()
    }

    /// Enters a phase, unless the engine is restarting or in a fault.
    pub fn enter(&self, phase: Phase) {
        let mut now = self.0.write().expect("no holder of the phase panics");
        if !matches!(*now, Phase::Restarting { .. } | Phase::Fault { .. }) {
            *now = phase;
        }
    }
}

/// Bounds on requests in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Over all connections; the next request gets OVERLOADED.
    pub in_flight: usize,
    /// On one connection; at the bound the session stops reading its socket.
    pub per_connection: usize,
}

impl Bounds {
    /// The largest part of [`Bounds::per_connection`] that one message takes.
    pub fn per_connection_share(&self) -> u32 {
        u32::try_from(self.per_connection).unwrap_or(u32::MAX).max(1)
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self { in_flight: IN_FLIGHT_MAX, per_connection: IN_FLIGHT_PER_CONNECTION_MAX }
    }
}
