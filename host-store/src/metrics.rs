//! The metrics of the host, as Prometheus text.
//!
//! Each host has its own recorder instead of the global one, so that two hosts in one process (a
//! test, the development system) do not share numbers.

use crate::store::StoreState;
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use mortise_format::store::StoreRefusal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

mod enclave;
mod engine;

use enclave::StopNames;
use engine::EngineGauges;

const METADATA: Metadata<'static> =
    Metadata::new("mortise_host", Level::INFO, Some(module_path!()));
const SECONDS: &[f64] =
    &[0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
const FRAMES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// What the host knows of its disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DiskFacts {
    /// Bytes free in the file system of the data folder.
    pub(crate) free_bytes: Option<u64>,
    /// Days until the disk is full if the log grows as in the last week.
    pub(crate) free_days: Option<u64>,
    /// The first stored frame that is known to be damaged, and the number of such frames.
    pub(crate) broken_frames: Option<(u64, usize)>,
    /// The first stored frame: those before it were pruned.
    pub(crate) first_frame: u64,
}

/// The result of a gateway request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The engine answered.
    Relayed,
    /// The engine answered a notification, without a body.
    Empty,
    /// The body was above the bound.
    TooLarge,
    /// The body did not arrive in time, or the connection broke.
    Incomplete,
    /// Too many requests or bytes were in flight.
    Overloaded,
    /// The engine could not be reached, broke the connection, or did not answer in time.
    Unreachable,
    /// The method was neither POST nor OPTIONS.
    Method,
    /// The host name or the page is not allowed.
    Refused,
}

const OUTCOMES: [(Outcome, &str); 8] = [
    (Outcome::Relayed, "relayed"),
    (Outcome::Empty, "empty"),
    (Outcome::TooLarge, "too_large"),
    (Outcome::Incomplete, "incomplete"),
    (Outcome::Overloaded, "overloaded"),
    (Outcome::Unreachable, "unreachable"),
    (Outcome::Method, "method"),
    (Outcome::Refused, "refused"),
];

/// Label values that alerts use. They are exported from the start, at zero: for a scraper, a series
/// that first appears with 1 has not increased.
const FROM_THE_START: [(&str, &str, &[&str]); 3] = [
    (RELAYED, "outcome", &["whole", "broken_off", "unreachable", "turned_away"]),
    (CREDENTIALS, "outcome", &["ok", "failed"]),
    (
        REFUSALS,
        "refusal",
        &[
            "seq_taken",
            "gap",
            "previous_mismatch",
            "foreign_engine",
            "bad_frame",
            "sync_failed",
            "full",
            "other",
        ],
    ),
];
/// Free days that the metric shows at most.
const DAYS_MAX: u64 = 36_500;
const CREDENTIALS: &str = "mortise_host_credentials_fetches_total";
const REFUSALS: &str = "mortise_host_append_refusals_total";
const RELAYED: &str = "mortise_host_relay_connections_total";

/// The result of a connection of the relay to the key service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relayed {
    /// Both sides ended normally.
    Whole,
    /// One side broke the connection or was idle too long.
    BrokenOff,
    /// The key service could not be reached.
    Unreachable,
    /// Another context id than the enclave's connected.
    TurnedAway,
}

/// The host's counters, gauges and histograms.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    frames: Counter,
    frame_bytes: Counter,
    group_frames: Histogram,
    commit_seconds: Histogram,
    sync_seconds: Histogram,
    sync_failures: Counter,
    next_seq: Gauge,
    free_bytes: Gauge,
    free_days: Gauge,
    disk: Mutex<DiskFacts>,
    broken_frames: Gauge,
    first_broken_seq: Gauge,
    first_frame: Gauge,
    can_append: Gauge,
    store_connections: Gauge,
    gateway_connections: Gauge,
    gateway_shed: Counter,
    gateway_in_flight: Gauge,
    gateway_seconds: Histogram,
    gateway_requests: [Counter; OUTCOMES.len()],
    diagnostics_connections: Gauge,
    stop_names: Mutex<StopNames>,
    engine: EngineGauges,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// New metrics, all at zero.
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
            .and_then(|b| b.set_buckets_for_metric(Matcher::Suffix("_frames".into()), FRAMES))
            .expect("the bucket lists are constant and not empty")
            .build_recorder();
        let r = &recorder;
        for (name, label, values) in FROM_THE_START {
            values.iter().for_each(|value| labelled(r, name, label, value).increment(0));
        }
        counter(r, enclave::STOP_LINES).increment(0);
        // An alert on changes of this one sees a host that ended and was started again.
        gauge(r, "mortise_host_start_seconds").set(seconds_since_1970());
        Self {
            handle: recorder.handle(),
            frames: counter(r, "mortise_host_frames_appended_total"),
            frame_bytes: counter(r, "mortise_host_frame_bytes_appended_total"),
            group_frames: histogram(r, "mortise_host_commit_group_frames"),
            commit_seconds: histogram(r, "mortise_host_commit_seconds"),
            sync_seconds: histogram(r, "mortise_host_sync_seconds"),
            sync_failures: counter(r, "mortise_host_sync_failures_total"),
            next_seq: gauge(r, "mortise_host_next_seq"),
            free_bytes: gauge(r, "mortise_host_disk_free_bytes"),
            free_days: gauge(r, "mortise_host_disk_free_days"),
            disk: Mutex::default(),
            broken_frames: gauge(r, "mortise_host_broken_frames"),
            first_broken_seq: gauge(r, "mortise_host_first_broken_seq"),
            first_frame: gauge(r, "mortise_host_first_frame"),
            can_append: gauge(r, "mortise_host_store_can_append"),
            store_connections: gauge(r, "mortise_host_store_connections"),
            gateway_connections: gauge(r, "mortise_host_gateway_connections"),
            gateway_shed: counter(r, "mortise_host_gateway_connections_shed_total"),
            gateway_in_flight: gauge(r, "mortise_host_gateway_in_flight"),
            gateway_seconds: histogram(r, "mortise_host_gateway_request_seconds"),
            gateway_requests: OUTCOMES.map(|(_, outcome)| {
                labelled(r, "mortise_host_gateway_requests_total", "outcome", outcome)
            }),
            diagnostics_connections: gauge(r, "mortise_host_diagnostics_connections"),
            stop_names: Mutex::default(),
            engine: EngineGauges::new(r),
            recorder,
        }
    }

    /// The text of a scrape.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Moves recorded values into the histograms. Called regularly, so that memory stays bounded
    /// without scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    pub(crate) fn committed(&self, frames: usize, bytes: u64, took: Duration) {
        self.frames.increment(frames as u64);
        self.frame_bytes.increment(bytes);
        self.group_frames.record(frames as f64);
        self.commit_seconds.record(took);
    }

    pub(crate) fn append_refused(&self, refusal: StoreRefusal) {
        let name = match refusal {
            StoreRefusal::SeqTaken { .. } => "seq_taken",
            StoreRefusal::Gap { .. } => "gap",
            StoreRefusal::PreviousMismatch { .. } => "previous_mismatch",
            StoreRefusal::ForeignEngine => "foreign_engine",
            StoreRefusal::BadFrame => "bad_frame",
            StoreRefusal::SyncFailed => "sync_failed",
            StoreRefusal::Full => "full",
            _ => "other",
        };
        labelled(&self.recorder, REFUSALS, "refusal", name).increment(1);
    }

    pub(crate) fn synced(&self, took: Duration, ok: bool) {
        self.sync_seconds.record(took);
        if !ok {
            self.sync_failures.increment(1);
        }
    }

    pub(crate) fn next_seq(&self, seq: u64) {
        self.next_seq.set(seq as f64);
    }

    /// Shows what is known of the disk. An unknown number of days counts as a hundred years.
    pub(crate) fn disk(&self, facts: DiskFacts) {
        let (first, count) =
            facts.broken_frames.map_or((-1.0, 0), |(first, count)| (first as f64, count));
        self.broken_frames.set(count as f64);
        self.first_broken_seq.set(first);
        self.first_frame.set(facts.first_frame as f64);
        if let Some(free) = facts.free_bytes {
            self.free_bytes.set(free as f64);
        }
        self.free_days.set(facts.free_days.unwrap_or(DAYS_MAX).min(DAYS_MAX) as f64);
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner) = facts;
    }

    /// What was known of the disk at the last look.
    pub(crate) fn disk_facts(&self) -> DiskFacts {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn store_state(&self, now: StoreState) {
        self.can_append.set(if now == StoreState::Appending { 1.0 } else { 0.0 });
    }

    pub(crate) fn store_connections(&self, change: f64) {
        self.store_connections.increment(change);
    }

    pub(crate) fn gateway_connections(&self, count: usize) {
        self.gateway_connections.set(count as f64);
    }

    pub(crate) fn gateway_shed(&self) {
        self.gateway_shed.increment(1);
    }

    pub(crate) fn gateway_in_flight(&self, change: f64) {
        self.gateway_in_flight.increment(change);
    }

    pub(crate) fn gateway_request(&self, outcome: Outcome, took: Duration) {
        for ((known, _), counter) in OUTCOMES.iter().zip(&self.gateway_requests) {
            if *known == outcome {
                counter.increment(1);
            }
        }
        self.gateway_seconds.record(took);
    }
}

impl Metrics {
    pub(crate) fn relayed(&self, outcome: Relayed) {
        let outcome = match outcome {
            Relayed::Whole => "whole",
            Relayed::BrokenOff => "broken_off",
            Relayed::Unreachable => "unreachable",
            Relayed::TurnedAway => "turned_away",
        };
        labelled(&self.recorder, RELAYED, "outcome", outcome).increment(1);
    }

    pub(crate) fn credentials_fetched(&self, ok: bool) {
        let outcome = if ok { "ok" } else { "failed" };
        labelled(&self.recorder, CREDENTIALS, "outcome", outcome).increment(1);
    }
}

fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn counter(recorder: &PrometheusRecorder, name: &'static str) -> Counter {
    let counter = recorder.register_counter(&Key::from_static_name(name), &METADATA);
    // An untouched counter would be missing; zero is useful information.
    counter.increment(0);
    counter
}

fn labelled(
    recorder: &PrometheusRecorder,
    name: &'static str,
    label: &'static str,
    value: &'static str,
) -> Counter {
    let key = Key::from_parts(name, vec![Label::from_static_parts(label, value)]);
    recorder.register_counter(&key, &METADATA)
}

fn gauge(recorder: &PrometheusRecorder, name: &'static str) -> Gauge {
    recorder.register_gauge(&Key::from_static_name(name), &METADATA)
}

fn histogram(recorder: &PrometheusRecorder, name: &'static str) -> Histogram {
    recorder.register_histogram(&Key::from_static_name(name), &METADATA)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_scrape_shows_what_was_counted_and_no_other_hosts_numbers() {
        let (ours, other) = (Metrics::new(), Metrics::new());
        ours.committed(3, 300, Duration::from_micros(150));
        ours.synced(Duration::from_micros(150), true);
        ours.next_seq(3);
        ours.append_refused(StoreRefusal::BadFrame);
        ours.gateway_request(Outcome::Overloaded, Duration::from_millis(1));
        let text = ours.render();
        for line in [
            "mortise_host_frames_appended_total 3",
            "mortise_host_frame_bytes_appended_total 300",
            "mortise_host_commit_group_frames_bucket{le=\"4\"} 1",
            "mortise_host_sync_seconds_bucket{le=\"0.0002\"} 1",
            "mortise_host_sync_seconds_bucket{le=\"0.0001\"} 0",
            "mortise_host_next_seq 3",
            "mortise_host_append_refusals_total{refusal=\"bad_frame\"} 1",
            "mortise_host_gateway_requests_total{outcome=\"overloaded\"} 1",
            "mortise_host_gateway_requests_total{outcome=\"relayed\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert!(other.render().contains("mortise_host_frames_appended_total 0"));
    }

    #[test]
    fn outcome_counters_are_exported_at_zero_first() {
        let metrics = Metrics::new();
        let series = |metrics: &Metrics| {
            let text = metrics.render();
            let names = text.lines().filter_map(|line| line.rsplit_once(' '));
            names.map(|(name, _)| name.to_owned()).collect::<BTreeSet<_>>()
        };
        let before = series(&metrics);
        let all = [Relayed::Whole, Relayed::BrokenOff, Relayed::Unreachable, Relayed::TurnedAway];
        all.into_iter().for_each(|outcome| metrics.relayed(outcome));
        [true, false].into_iter().for_each(|ok| metrics.credentials_fetched(ok));
        metrics.append_refused(StoreRefusal::ForeignEngine);
        metrics.append_refused(StoreRefusal::BadFrame);
        metrics.append_refused(StoreRefusal::SyncFailed);
        metrics.append_refused(StoreRefusal::Full);
        assert_eq!(series(&metrics), before);
    }
}
