//! Measures the TSC frequency of this machine.
//!
//! QEMU passes the TSC of the host to the guest. A kernel that boots with ACPI under TCG cannot
//! calibrate it and stalls. The command line gives the frequency as `tsc_early_khz`; the kernel
//! refines it later.

use quanta::Clock;
use std::time::{Duration, Instant};

/// Duration of the measurement: an error of 1 us at each end is one part in 50,000.
const MEASURED: Duration = Duration::from_millis(100);

/// Measures the frequency, kHz.
pub(super) fn khz() -> u32 {
    let clock = Clock::new();
    let (begun, first) = (Instant::now(), clock.raw());
    std::thread::sleep(MEASURED);
    let (took, last) = (begun.elapsed(), clock.raw());
    let ticks = u128::from(last.saturating_sub(first));
    let khz = ticks.saturating_mul(1_000_000) / took.as_nanos().max(1);
    u32::try_from(khz).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_measurements_of_one_counter_agree() {
        let (one, two) = (khz(), khz());
        assert!(one > 100_000, "{one} kHz");
        assert!(one.abs_diff(two) < one / 100, "{one} {two}");
    }
}
