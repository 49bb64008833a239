//! What the enclave says: JSON lines on stderr - in an enclave the console, which exists in debug
//! mode alone - and to the parent ([`crate::diagnostics`]).
//!
//! Nothing secret may stand in a line, because the parent reads them. A panic is a line too, with
//! its place and not its message, and then the end: an actor that died in silence would leave an
//! engine that answers and does not decide.

use crate::diagnostics::Diagnostics;
use crate::init;
use mortise_engine::keyring::Identity;
use mortise_engine::server::{EngineError, Observer};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;

/// Starts the log, once, and makes every panic a line and an end: of the process, or of the machine
/// whose first process this is - an abort there would be left to the kernel.
pub fn start(level: LevelFilter, diagnostics: Diagnostics) {
    let log = tracing_subscriber::fmt().json().with_max_level(level);
    log.with_writer(std::io::stderr.and(diagnostics.clone())).init();
    std::panic::set_hook(Box::new(move |panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(name = "PANIC", at, "the enclave stops");
        if init::is_init() {
            leave(&diagnostics);
            init::end::end(EXIT_PANIC);
        }
        std::process::abort();
    }));
}

/// Gives the last lines their time to get out of the machine.
pub fn leave(diagnostics: &Diagnostics) {
    diagnostics.flush(LAST_LINES_MAX);
    std::thread::sleep(LAST_BYTES);
}

/// As a process that aborts has it.
const EXIT_PANIC: u8 = 134;
/// Most time for the last lines to be written.
const LAST_LINES_MAX: Duration = Duration::from_secs(1);
/// Time for what was written to leave the machine.
const LAST_BYTES: Duration = Duration::from_millis(100);

/// Logs how the start goes on: the replay now and then, readiness or its opposite once.
#[derive(Debug, Default)]
pub struct Watch {
    told: Mutex<Option<Instant>>,
    faulted: Notify,
}

/// Least time between two lines about one replay.
const TELL_EVERY: Duration = Duration::from_secs(1);

impl Watch {
    /// Returns when the engine does not serve, for good.
    pub async fn faulted(&self) {
        self.faulted.notified().await;
    }

    /// True when it is time for a line; the end of a replay always is.
    fn is_due(&self, is_end: bool, now: Instant) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = is_end || told.is_none_or(|at| now.duration_since(at) >= TELL_EVERY);
        if is_due {
            *told = Some(now);
        }
        is_due
    }
}

impl Observer for Watch {
    fn replaying(&self, done: u64, total: u64) {
        if self.is_due(done >= total, Instant::now()) {
            tracing::info!(done, total, "replaying");
        }
    }

    fn faulted(&self, error: &EngineError) {
        tracing::error!(name = error.name(), why = %error, "not serving");
        self.faulted.notify_one();
    }

    fn ready(&self, identity: &Identity, epoch: u64) {
        let (engine_id, address) = (identity.engine_id, identity.signer.address());
        tracing::info!(%engine_id, %address, epoch, "ready");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_replay_is_told_once_a_second_and_at_its_end() {
        let (watch, start) = (Watch::default(), Instant::now());
        assert!(watch.is_due(false, start));
        assert!(!watch.is_due(false, start + TELL_EVERY / 2));
        assert!(watch.is_due(false, start + TELL_EVERY));
        assert!(watch.is_due(true, start + TELL_EVERY));
    }
}
