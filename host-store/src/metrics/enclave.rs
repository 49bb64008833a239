//! Metrics of what the enclave reports about itself: lines, stops, heartbeats.
//!
//! Names and statuses of stops come from the enclave, so the number of series is bounded.

use super::{METADATA, Metrics, counter, labelled};
use crate::heartbeat::Heartbeat;
use metrics::{Key, Label, Recorder as _};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

/// Pairs of name and status with their own series; all others are `OTHER`.
const PAIRS_MAX: usize = 32;
const LINES: &str = "mortise_host_diagnostics_lines_total";
const LAST_STOP: &str = "mortise_host_enclave_last_stop_seconds";
const STOPS: &str = "mortise_host_enclave_stops_total";
/// The total over all stops. This series exists before the first stop.
pub(super) const STOP_LINES: &str = "mortise_host_enclave_stop_lines_total";

/// The stops that have a series, and the labels of the last one.
#[derive(Debug, Default)]
pub(super) struct StopNames {
    known: BTreeSet<(String, Option<u8>)>,
    last: Option<Vec<Label>>,
}

/// An open connection for diagnostics. Dropping it decrements the gauge.
#[derive(Debug)]
pub(crate) struct OpenDiagnostics(Arc<Metrics>);

impl Drop for OpenDiagnostics {
    fn drop(&mut self) {
        self.0.diagnostics_connections.increment(-1.0);
    }
}

impl Metrics {
    pub(crate) fn diagnostics_opened(self: &Arc<Self>) -> OpenDiagnostics {
        self.diagnostics_connections.increment(1.0);
        OpenDiagnostics(Arc::clone(self))
    }

    pub(crate) fn diagnostics_taken(&self, is_cut: bool) {
        labelled(&self.recorder, LINES, "outcome", "taken").increment(1);
        if is_cut {
            labelled(&self.recorder, LINES, "outcome", "cut").increment(1);
        }
    }

    pub(crate) fn diagnostics_dropped(&self) {
        labelled(&self.recorder, LINES, "outcome", "dropped").increment(1);
    }

    /// Counts a stop line.
    pub(crate) fn enclave_stopped(&self, name: &str, exit: Option<u8>, at_ms: u64) {
        let labels = self.enclave_last_stop(name, exit, at_ms);
        let key = Key::from_parts(STOPS, labels);
        self.recorder.register_counter(&key, &METADATA).increment(1);
        counter(&self.recorder, STOP_LINES).increment(1);
    }

    /// Marks a stop as the last one. Returns its labels.
    pub(crate) fn enclave_last_stop(&self, name: &str, exit: Option<u8>, at_ms: u64) -> Vec<Label> {
        let mut names = self.stop_names.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (name.to_owned(), exit);
        let is_shown = names.known.contains(&pair) || names.known.len() < PAIRS_MAX;
        let labels = if is_shown {
            names.known.insert(pair);
            let exit = exit.map_or_else(|| "none".to_owned(), |exit| exit.to_string());
            vec![Label::new("name", name.to_owned()), Label::new("exit", exit)]
        } else {
            vec![Label::new("name", "OTHER"), Label::new("exit", "none")]
        };
        if let Some(last) = names.last.replace(labels.clone()) {
            self.recorder.register_gauge(&Key::from_parts(LAST_STOP, last), &METADATA).set(0.0);
        }
        let gauge =
            self.recorder.register_gauge(&Key::from_parts(LAST_STOP, labels.clone()), &METADATA);
        gauge.set(at_ms as f64 / 1000.0);
        labels
    }

    pub(crate) fn heartbeat(&self, outcome: Heartbeat) {
        let outcome = match outcome {
            Heartbeat::Answered => "answered",
            Heartbeat::Garbage => "garbage",
            Heartbeat::Silent => "silent",
        };
        labelled(&self.recorder, "mortise_host_heartbeats_total", "outcome", outcome).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stop_is_the_only_one_that_is_not_zero_and_pairs_have_a_bound() {
        let metrics = Metrics::new();
        metrics.enclave_last_stop("STORE", Some(75), 5000);
        metrics.enclave_stopped("PANIC", None, 7500);
        let text = metrics.render();
        for line in [
            "mortise_host_enclave_last_stop_seconds{name=\"STORE\",exit=\"75\"} 0",
            "mortise_host_enclave_last_stop_seconds{name=\"PANIC\",exit=\"none\"} 7.5",
            "mortise_host_enclave_stops_total{name=\"PANIC\",exit=\"none\"} 1",
            "mortise_host_enclave_stop_lines_total 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("mortise_host_enclave_stops_total{name=\"STORE\""));
        for n in 0..1000 {
            metrics.enclave_stopped(&format!("N{n}"), Some(1), 1);
        }
        let series = metrics.render().lines().filter(|l| l.starts_with(STOPS)).count();
        assert_eq!(series, PAIRS_MAX);
        assert!(metrics.render().contains("{name=\"OTHER\",exit=\"none\"} 970"));
    }
}
