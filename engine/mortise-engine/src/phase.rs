//! Where the engine stands in its life, readable from every thread.

use mortise_format::limits::{IN_FLIGHT_MAX, IN_FLIGHT_PER_CONNECTION_MAX};
use std::sync::RwLock;

/// A phase. Only [`Phase::Ready`] serves; [`Phase::Restarting`] and [`Phase::Fault`] are left by a
/// restart alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Unsealing keys.
    Starting,
    /// Following the log: frames done, and in all.
    Replaying(u64, u64),
    /// Waiting for witnesses to cosign the log as it was found, and the boot frame: the verifier
    /// key of the log, which each of them has to know.
    Witnessing(String),
    /// Serving.
    Ready,
    /// Answering what is under way, taking nothing new.
    Stopping,
    /// Stopped by a fault while serving: the process ends in a moment, the next one replays. What
    /// is asked meanwhile is worth asking again.
    Restarting {
        /// Its stable name: `CLOCK`, otherwise `FAULT`.
        name: &'static str,
        /// For the operator.
        why: String,
    },
    /// The boot ended in a fault that a restart does not mend, or witnesses fenced this engine off.
    Fault {
        /// Its stable name, for whoever asks.
        name: &'static str,
        /// For the operator.
        why: String,
    },
}

impl Phase {
    /// The name on the wire.
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

/// The phase, shared.
#[derive(Debug)]
pub struct PhaseCell(RwLock<Phase>);

impl Default for PhaseCell {
    fn default() -> Self {
        Self(RwLock::new(Phase::Starting))
    }
}

impl PhaseCell {
    /// The phase now.
    pub fn now(&self) -> Phase {
        self.0.read().expect("no holder of the phase panics").clone()
    }

    /// Enters a phase. A fault is never left.
    pub fn enter(&self, phase: Phase) {
        let mut now = self.0.write().expect("no holder of the phase panics");
        if !matches!(*now, Phase::Restarting { .. } | Phase::Fault { .. }) {
            *now = phase;
        }
    }
}

/// How many commands may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Over all connections: above, OVERLOADED.
    pub in_flight: usize,
    /// On one connection: above, its socket is not read.
    pub per_connection: usize,
}

impl Bounds {
    /// The largest share of a connection that one message may take.
    pub fn per_connection_share(&self) -> u32 {
        u32::try_from(self.per_connection).unwrap_or(u32::MAX).max(1)
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self { in_flight: IN_FLIGHT_MAX, per_connection: IN_FLIGHT_PER_CONNECTION_MAX }
    }
}
