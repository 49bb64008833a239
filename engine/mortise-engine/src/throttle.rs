//! A bound on what the security module is asked for callers.
//!
//! Clock and key service need the module too: a flood of callers must not keep it busy. Tokens come
//! at a steady rate up to a burst; without one the caller is told when.

use mortise_format::limits::{ATTESTATIONS_BURST_MAX, ATTESTATIONS_PER_SECOND_MAX};
use std::time::{Duration, Instant};

/// A bucket of tokens, as the time at which it will be full.
#[derive(Debug)]
pub struct Throttle {
    full_at: Instant,
}

impl Throttle {
    /// A full bucket.
    pub fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// The time until there is one.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + EVERY;
        let over = full_at.saturating_duration_since(now).saturating_sub(EVERY * BURST);
        if over > Duration::ZERO {
            return Err(over);
        }
        self.full_at = full_at;
        Ok(())
    }
}

const BURST: u32 = ATTESTATIONS_BURST_MAX;
/// Time in which one token comes.
const EVERY: Duration = Duration::from_millis(1000 / ATTESTATIONS_PER_SECOND_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_as_many_as_the_rate_gives() {
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
