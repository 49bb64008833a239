//! The system's clock and entropy.

use mortise_engine::ports::{Clock, ClockError, Entropy};
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's wall clock. Untrusted: the engine uses the maximum of the values that it has seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> Result<u64, ClockError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The system's entropy.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    /// When the system has no entropy: no secret can be made then.
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the system has entropy");
    }
}
