//! Pauses between attempts: exponential, with full jitter.
//!
//! Each pause is random between zero and an upper bound that doubles, so that many enclaves that
//! failed together do not retry together. The random numbers come from the entropy port.

use mortise_engine::ports::Entropy;
use std::time::Duration;

/// The upper bounds of the pauses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) max: Duration,
}

impl Backoff {
    /// The pause after a failure, with `failures` failures before it.
    pub(super) fn pause(self, failures: u32, entropy: &dyn Entropy) -> Duration {
        let mut draw = [0; 4];
        entropy.fill(&mut draw);
        let share = u64::from(u32::from_le_bytes(draw));
        let end = u64::try_from(self.end(failures).as_micros()).unwrap_or(u64::MAX);
        // Scales in 128 bits, so the result is at most `end`.
        let pause = (u128::from(end) * u128::from(share)) >> 32;
        Duration::from_micros(u64::try_from(pause).unwrap_or(end))
    }

    fn end(self, failures: u32) -> Duration {
        let doubled = 1u32.checked_shl(failures).and_then(|by| self.first.checked_mul(by));
        doubled.map_or(self.max, |end| end.min(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }

    #[test]
    fn the_upper_end_doubles_up_to_its_bound_and_pauses_lie_below_it() {
        let backoff =
            Backoff { first: Duration::from_millis(100), max: Duration::from_millis(1500) };
        let ends = [100, 200, 400, 800, 1500, 1500];
        for (failures, end) in (0..).zip(ends) {
            let end = Duration::from_millis(end);
            assert_eq!(backoff.end(failures), end);
            assert_eq!(backoff.pause(failures, &Fixed(0)), Duration::ZERO);
            let half = backoff.pause(failures, &Fixed(0x80));
            assert!(half > end / 2 && half < end * 51 / 100, "{half:?}");
            assert!(backoff.pause(failures, &Fixed(0xff)) < end);
        }
        for failures in [31, 32, u32::MAX] {
            assert_eq!(backoff.end(failures), backoff.max);
        }
    }
}
