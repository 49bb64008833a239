//! What the enclave says: JSON lines on stderr, which the parent sees.
//!
//! Nothing secret may stand in a line, because the parent reads them. A panic is a line too, with
//! its place and not its message, and then the end: an actor that died in silence would leave an
//! engine that answers and does not decide.

use mortise_engine::keyring::Identity;
use mortise_engine::server::Observer;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::level_filters::LevelFilter;

/// Starts the log, once, and makes every panic a line and an abort.
pub fn start(level: LevelFilter) {
    let log = tracing_subscriber::fmt().json().with_max_level(level);
    log.with_writer(std::io::stderr).init();
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(name = "PANIC", at, "the enclave stops");
        std::process::abort();
    }));
}

/// Logs how the start goes on: the replay now and then, readiness once.
#[derive(Debug, Default)]
pub struct Watch {
    told: Mutex<Option<Instant>>,
}

/// Least time between two lines about one replay.
const TELL_EVERY: Duration = Duration::from_secs(1);

impl Watch {
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
