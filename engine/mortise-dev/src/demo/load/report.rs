//! The figures of a load run.

use super::limits::Crypto;
use serde::Serialize;
use std::time::Duration;

/// Median and tail latency, milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Timings {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Timings {
    /// Computes the percentiles.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |hundredths: usize| {
            let index = (times.len() * hundredths / 100).min(times.len().saturating_sub(1));
            times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        Self { p50_ms: at(50), p99_ms: at(99) }
    }
}

/// The measured figures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub locks: u32,
    pub connections: u32,
    pub pipeline: u32,
    pub locks_per_s: f64,
    pub sync: Timings,
    pub crypto: Crypto,
    pub single: Timings,
    pub loaded: Timings,
}

impl Report {
    /// The figures as text, with the names of the benches.
    pub fn text(&self) -> String {
        let (sync, single, loaded) = (self.sync, self.single, self.loaded);
        let limit = self.crypto.locks_per_s();
        format!(
            "end_to_end::fdatasync/bytes=4096                p50 {:.3} ms  p99 {:.3} ms\n\
             end_to_end::ecdsa/cores={}                       recover {:.1} us  sign {:.1} us  \
             limit {limit:.0} locks/s\n\
             end_to_end::commit/connections=1 pipeline=1     p50 {:.3} ms  p99 {:.3} ms  \
             ({:.3} ms above one fdatasync)\n\
             end_to_end::commit/connections={} pipeline={}   {:.0} locks/s  \
             p50 {:.1} ms  p99 {:.1} ms  ({:.0} % of the ECDSA limit, {} locks)\n",
            sync.p50_ms,
            sync.p99_ms,
            self.crypto.cores,
            self.crypto.recover_us,
            self.crypto.sign_us,
            single.p50_ms,
            single.p99_ms,
            single.p50_ms - sync.p50_ms,
            self.connections,
            self.pipeline,
            self.locks_per_s,
            loaded.p50_ms,
            loaded.p99_ms,
            100.0 * self.locks_per_s / limit,
            self.locks,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle_and_tail_are_those_of_the_sorted_times() {
        let times = (0..200).rev().map(Duration::from_millis).collect();
        let timings = Timings::of(times);
        assert_eq!((timings.p50_ms, timings.p99_ms), (100.0, 198.0));
        let none = Timings::of(Vec::new());
        assert_eq!((none.p50_ms, none.p99_ms), (0.0, 0.0));
    }
}
