//! Rate limits on what is costly: attestation documents, and calls of the key service.
//!
//! Clock and key service need the security module too, so a flood of callers must not keep it busy.
//! A limit is a token bucket. A caller without a token learns when the next one is available.

use mortise_format::limits::{
    APP_CALLS_BURST_MAX, APP_CALLS_PER_SECOND_MAX, ATTESTATIONS_BURST_MAX,
    ATTESTATIONS_PER_SECOND_MAX,
};
use std::time::{Duration, Instant};

/// A token bucket, stored as the time at which it is full.
#[derive(Debug)]
pub struct Throttle {
    full_at: Instant,
    /// Interval between two tokens.
    every: Duration,
    burst: u32,
}

impl Throttle {
    /// The limit on attestation documents.
    pub fn new(now: Instant) -> Self {
        Self { full_at: now, every: EVERY, burst: BURST }
    }

    /// The limit on calls of the application.
    pub fn of_app(now: Instant) -> Self {
        let every = Duration::from_millis(1000 / APP_CALLS_PER_SECOND_MAX);
        Self { full_at: now, every, burst: APP_CALLS_BURST_MAX }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// The time until the next token.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + self.every;
        let over = full_at.saturating_duration_since(now).saturating_sub(self.every * self.burst);
        if over > Duration::ZERO {
            return Err(over);
        }
        self.full_at = full_at;
        Ok(())
    }
}

const BURST: u32 = ATTESTATIONS_BURST_MAX;
/// Interval between two tokens.
const EVERY: Duration = Duration::from_millis(1000 / ATTESTATIONS_PER_SECOND_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_limits() {
        let start = Instant::now();
        let mut throttle = Throttle::new(start);
        for _ in 0..BURST {
            assert_eq!(throttle.take(start), Ok(()));
        }
        assert_eq!(throttle.take(start), Err(EVERY));
        assert_eq!(throttle.take(start + EVERY / 2), Err(EVERY - EVERY / 2));
        assert_eq!(throttle.take(start + EVERY), Ok(()));
        assert_eq!(throttle.take(start + EVERY), Err(EVERY));
        let later = start + EVERY * 1000;
        let taken = (0..2 * BURST).filter(|_| throttle.take(later).is_ok()).count();
        assert_eq!(u32::try_from(taken), Ok(BURST));
    }
}
