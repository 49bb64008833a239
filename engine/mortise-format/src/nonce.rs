//! Nonces of owners: an hour and a number within it.
//!
//! ```text
//! nonce = hour (32 bits, engine time in hours since the Unix epoch) | n (32 bits)
//! ```
//! What it is for: a nonce says until when it can be used, so that the engine needs no memory of an
//! owner whose last nonces are too old (INV-06). A nonce is a safe JSON number until the year 2209.
//!
//! What it does not do: know which nonces are used. `mortise-core` does.

use crate::limits::NONCE_HOURS_MAX;
use core::ops::RangeInclusive;

/// Seconds of the hour that a nonce carries.
pub const HOUR_S: u64 = 3600;

/// The hour of a time in seconds.
pub fn hour_at(now_s: u64) -> u32 {
    u32::try_from(now_s / HOUR_S).unwrap_or(u32::MAX)
}

/// The nonce with number `n` of an hour.
pub fn nonce_of(hour: u32, n: u32) -> u64 {
    u64::from(hour) << 32 | u64::from(n)
}

/// Hour and number of a nonce.
pub fn parts_of(nonce: u64) -> (u32, u32) {
    let low = nonce & u64::from(u32::MAX);
    (u32::try_from(nonce >> 32).unwrap_or(u32::MAX), u32::try_from(low).unwrap_or(u32::MAX))
}

/// The hours whose nonces can be used at a time in seconds.
pub fn hours_at(now_s: u64) -> RangeInclusive<u32> {
    let hour = hour_at(now_s);
    hour.saturating_sub(NONCE_HOURS_MAX)..=hour
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_has_an_hour_and_a_number() {
        let nonce = nonce_of(500_000, 7);
        assert_eq!((nonce, parts_of(nonce)), (500_000 * (1 << 32) + 7, (500_000, 7)));
        assert_eq!(parts_of(u64::MAX), (u32::MAX, u32::MAX));
        assert_eq!(parts_of(12), (0, 12));
    }

    #[test]
    fn nonces_are_safe_json_numbers_until_2209() {
        let (year_2209, safe) = (7_542_000_000, 1 << 53);
        assert!(nonce_of(hour_at(year_2209), u32::MAX) < safe);
    }

    #[test]
    fn the_current_hour_and_the_25_before_it_can_be_used() {
        assert_eq!(hours_at(500_000 * HOUR_S), 499_975..=500_000);
        assert_eq!(hours_at(500_001 * HOUR_S - 1), 499_975..=500_000);
        assert_eq!(hours_at(HOUR_S), 0..=1);
    }
}
