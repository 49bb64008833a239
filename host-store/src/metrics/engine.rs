//! What the engine says of itself at a scrape.
//!
//! What it is for: an alert on a lease that comes to its end, or on a clock that is wrong, with
//! the numbers that only the engine knows. What it does not do: prove anything. The host passes on
//! what it was told, and clients check answers themselves.

use super::{Metrics, gauge};
use ::metrics::Gauge;
use metrics_exporter_prometheus::PrometheusRecorder;
use serde_json::Value;

/// The gauges. Without a number they show -1.
pub(super) struct EngineGauges {
    healthy: Gauge,
    lease_age: Gauge,
    lease_max_age: Gauge,
    ahead: Gauge,
}

impl EngineGauges {
    pub(super) fn new(recorder: &PrometheusRecorder) -> Self {
        Self {
            healthy: gauge(recorder, "mortise_host_engine_healthy"),
            lease_age: gauge(recorder, "mortise_host_engine_lease_age_seconds"),
            lease_max_age: gauge(recorder, "mortise_host_engine_lease_max_age_seconds"),
            ahead: gauge(recorder, "mortise_host_engine_cosignatures_ahead"),
        }
    }
}

impl Metrics {
    /// Shows an answer of `health`; null if the engine did not answer.
    pub(crate) fn engine_health(&self, answer: &Value) {
        let (health, gauges) = (&answer["result"], &self.engine);
        let lease = &health["lease"];
        let number = |name: &str| lease[name].as_f64().unwrap_or(-1.0);
        gauges.healthy.set(if health["status"] == "healthy" { 1.0 } else { 0.0 });
        gauges.lease_age.set(number("age"));
        gauges.lease_max_age.set(number("maxAge"));
        gauges.ahead.set(number("ahead"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scrape_shows_the_health_of_the_engine() {
        let metrics = Metrics::new();
        let lease = json!({"age": 7, "maxAge": 60, "ahead": 3});
        metrics.engine_health(&json!({"result": {"status": "healthy", "lease": lease}}));
        let shows = |line: &str| metrics.render().lines().any(|l| l == line);
        assert!(shows("mortise_host_engine_healthy 1"));
        assert!(shows("mortise_host_engine_lease_age_seconds 7"));
        assert!(shows("mortise_host_engine_lease_max_age_seconds 60"));
        assert!(shows("mortise_host_engine_cosignatures_ahead 3"));
        for answer in [Value::Null, json!({"result": {"status": "stale"}}), json!({"error": {}})] {
            metrics.engine_health(&answer);
            assert!(shows("mortise_host_engine_healthy 0"), "{answer}");
            assert!(shows("mortise_host_engine_cosignatures_ahead -1"), "{answer}");
        }
    }
}
