//! Rate limits: token buckets.

use std::time::Instant;

/// Lines per second, and burst.
const LINES: (f64, f64) = (200.0, 1000.0);
/// Stop lines per second, and burst. Each one is written to the disk.
const STOPS: (f64, f64) = (1.0, 8.0);

/// The rate limits of one host, over all connections.
#[derive(Debug)]
pub(super) struct Rates {
    lines: Bucket,
    stops: Bucket,
}

impl Default for Rates {
    fn default() -> Self {
        Self { lines: Bucket::new(LINES), stops: Bucket::new(STOPS) }
    }
}

impl Rates {
    /// Returns true when one more line is within its rate. Stops have their own bucket, so that a
    /// flood of other lines does not hide one.
    pub(super) fn allow(&mut self, is_stop: bool, now: Instant) -> bool {
        let bucket = if is_stop { &mut self.stops } else { &mut self.lines };
        bucket.take(now)
    }
}

#[derive(Debug)]
struct Bucket {
    per_second: f64,
    most: f64,
    left: f64,
    at: Option<Instant>,
}

impl Bucket {
    fn new((per_second, most): (f64, f64)) -> Self {
        Self { per_second, most, left: most, at: None }
    }

    fn take(&mut self, now: Instant) -> bool {
        let since = self.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.at = Some(now);
        self.left = (self.left + since * self.per_second).min(self.most);
        let is_allowed = self.left >= 1.0;
        if is_allowed {
            self.left -= 1.0;
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_flood_leaves_the_rate_and_a_stop_passes_behind_it() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let allowed = (0..10_000).filter(|_| rates.allow(false, start)).count();
        assert_eq!(allowed, 1000);
        assert!(rates.allow(true, start));
        let later = start + Duration::from_secs(1);
        let allowed = (0..10_000).filter(|_| rates.allow(false, later)).count();
        assert_eq!(allowed, 200);
        let stops = (0..100).filter(|_| rates.allow(true, later)).count();
        assert_eq!(stops, 8);
        let long_after = start + Duration::from_secs(1000);
        let allowed = (0..10_000).filter(|_| rates.allow(false, long_after)).count();
        assert_eq!(allowed, 1000);
    }
}
