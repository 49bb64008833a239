//! The log: JSON lines on stderr and to the parent ([`crate::diagnostics`]). In an enclave stderr
//! is the console, which exists in debug mode only.
//!
//! A line must not hold a secret, because the parent reads it. A panic logs a line with its
//! location but not its message, and then ends the process: if an actor died silently, the engine
//! would still answer but no longer decide.

use crate::diagnostics::Diagnostics;
use crate::init;
use mortise_engine::keyring::Identity;
use mortise_engine::server::{EngineError, Observer};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;

/// Starts the log and installs the panic hook; call it once. A panic logs a line and then ends the
/// process. As the first process of a machine it ends the machine, because an abort there would
/// leave the end to the kernel.
pub fn start(level: LevelFilter, diagnostics: Diagnostics) {
    let log = tracing_subscriber::fmt().json().with_max_level(level);
    log.with_writer(std::io::stderr.and(diagnostics.clone())).init();
    std::panic::set_hook(Box::new(move |panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(name = "PANIC", at, "the enclave stops");
        if init::is_init() {
            flush(&diagnostics);
            init::end::end(EXIT_PANIC);
        }
        std::process::abort();
    }));
}

/// Waits, for a bounded time, until the last lines have left the machine.
pub fn flush(diagnostics: &Diagnostics) {
    diagnostics.flush(LAST_LINES_MAX);
    std::thread::sleep(LAST_BYTES);
}

/// The exit status of a process that aborts.
const EXIT_PANIC: u8 = 134;
/// Longest wait until the last lines are written.
const LAST_LINES_MAX: Duration = Duration::from_secs(1);
/// Time for written bytes to leave the machine.
const LAST_BYTES: Duration = Duration::from_millis(100);

/// Logs the progress of the start: the replay at most once a second, `ready` or the fault once.
#[derive(Debug, Default)]
pub struct Watch {
    logged: Mutex<Option<Instant>>,
    faulted: Notify,
}

/// Shortest time between two lines about one replay.
const LOG_EVERY: Duration = Duration::from_secs(1);

impl Watch {
    /// Completes when the engine has faulted, which is final.
    pub async fn faulted(&self) {
        self.faulted.notified().await;
    }

    /// True when a line is due; at the end of a replay one always is.
    fn is_due(&self, is_end: bool, now: Instant) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = is_end || logged.is_none_or(|at| now.duration_since(at) >= LOG_EVERY);
        if is_due {
            *logged = Some(now);
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
    fn long_replay_is_logged_once_a_second_and_at_its_end() {
        let (watch, start) = (Watch::default(), Instant::now());
        assert!(watch.is_due(false, start));
        assert!(!watch.is_due(false, start + LOG_EVERY / 2));
        assert!(watch.is_due(false, start + LOG_EVERY));
        assert!(watch.is_due(true, start + LOG_EVERY));
    }
}
