//! Rate limits on what is costly: attestation documents, and calls of the key service.
//!
//! Clock and key service need the security module too, so a flood of callers must not keep it busy.
//! A limit is a bucket of tokens that come back one by one. Once half of them are taken, one caller
//! has at most an eighth ([`Shares`]), so that a flood does not take the tokens of others. A caller
//! without a token learns when the next one comes back.

use mortise_format::limits::{
    APP_CALLS_BURST_MAX, APP_CALLS_PER_SECOND_MAX, ATTESTATIONS_BURST_MAX,
    ATTESTATIONS_PER_SECOND_MAX,
};
use mortise_transport::{ShareKey, Shares};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A bucket of tokens that callers share.
#[derive(Debug)]
pub struct Throttle {
    shares: Shares,
    /// Who took the tokens that are not back, oldest first.
    taken: VecDeque<ShareKey>,
    /// When the oldest of them comes back.
    next_back: Instant,
    /// Interval between two tokens.
    every: Duration,
}

impl Throttle {
    /// The limit on attestation documents.
    pub fn new(now: Instant) -> Self {
        Self::of(now, ATTESTATIONS_BURST_MAX, ATTESTATIONS_PER_SECOND_MAX)
    }

    /// The limit on calls of the application.
    pub fn of_app(now: Instant) -> Self {
        Self::of(now, APP_CALLS_BURST_MAX, APP_CALLS_PER_SECOND_MAX)
    }

    fn of(now: Instant, burst: u32, per_second: u64) -> Self {
        let shares = Shares::new(usize::try_from(burst).unwrap_or(usize::MAX));
        let every = Duration::from_millis(1000 / per_second);
        Self { shares, taken: VecDeque::new(), next_back: now, every }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// The time until a token comes back.
    pub fn take(&mut self, caller: ShareKey, now: Instant) -> Result<(), Duration> {
        self.return_tokens(now);
        if !self.shares.take(caller) {
            return Err(self.next_back.saturating_duration_since(now));
        }
        if self.taken.is_empty() {
            self.next_back = now + self.every;
        }
        self.taken.push_back(caller);
        Ok(())
    }

    fn return_tokens(&mut self, now: Instant) {
        while now >= self.next_back
            && let Some(caller) = self.taken.pop_front()
        {
            self.shares.give_back(caller);
            self.next_back += self.every;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(1000 / ATTESTATIONS_PER_SECOND_MAX);

    fn caller(connection: u64) -> ShareKey {
        ShareKey { connection, hint: 0 }
    }

    fn flood(throttle: &mut Throttle, connection: u64, now: Instant) -> usize {
        std::iter::from_fn(|| throttle.take(caller(connection), now).ok()).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_limits() {
        let start = Instant::now();
        let app = (Throttle::of_app(start), APP_CALLS_BURST_MAX, APP_CALLS_PER_SECOND_MAX);
        let documents = (Throttle::new(start), ATTESTATIONS_BURST_MAX, ATTESTATIONS_PER_SECOND_MAX);
        for (mut throttle, burst, per_second) in [documents, app] {
            let (burst, every) = (burst as usize, Duration::from_millis(1000 / per_second));
            let taken: usize = (0..100).map(|n| flood(&mut throttle, n, start)).sum();
            assert_eq!(taken, burst);
            assert_eq!(throttle.take(caller(200), start), Err(every));
            assert_eq!(throttle.take(caller(200), start + every / 2), Err(every - every / 2));
            assert_eq!(throttle.take(caller(200), start + every), Ok(()));
            assert_eq!(throttle.take(caller(201), start + every), Err(every));
            let later = start + every * 1000;
            let taken: usize = (0..100).map(|n| flood(&mut throttle, n, later)).sum();
            assert_eq!(taken, burst);
        }
    }

    /// FAULTS B8: 33 of 40 honest callers were refused beside one flood.
    #[test]
    fn a_flood_of_one_caller_leaves_tokens_to_the_others() {
        let start = Instant::now();
        let mut throttle = Throttle::new(start);
        let mut refused = 0;
        for n in 1..=40 {
            let now = start + n * 2 * EVERY;
            flood(&mut throttle, 0, now);
            refused += usize::from(throttle.take(caller(u64::from(n)), now).is_err());
        }
        assert_eq!(refused, 0, "callers at half of the rate are served");
    }
}
