//! The report of doctor: one finding for each check, as text and as JSON.

use serde_json::{Value, json};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    /// It works and needs attention.
    Warn,
    /// It does not work, or must not continue like this.
    Fail,
    /// The check could not run, or does not apply.
    Skip,
}

impl Status {
    const ALL: [Self; 4] = [Self::Fail, Self::Warn, Self::Ok, Self::Skip];

    fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
            Self::Skip => "SKIP",
        }
    }
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// Stable name, `AREA.WHAT`.
    pub id: &'static str,
    pub status: Status,
    /// What was seen.
    pub saw: String,
    /// Why it matters; empty when all is well.
    pub why: String,
    /// Commands or steps, in order.
    pub repair: Vec<String>,
}

impl Finding {
    /// A check that passed.
    pub fn ok(id: &'static str, saw: impl Into<String>) -> Self {
        Self::new(id, Status::Ok, saw.into())
    }

    /// A check that did not run, and the reason.
    pub fn skip(id: &'static str, reason: impl Into<String>) -> Self {
        Self::new(id, Status::Skip, reason.into())
    }

    /// Works and needs attention.
    pub fn warn(id: &'static str, saw: impl Into<String>, why: &str, repair: &[&str]) -> Self {
        Self::new(id, Status::Warn, saw.into()).because(why, repair)
    }

    /// A check that failed.
    pub fn fail(id: &'static str, saw: impl Into<String>, why: &str, repair: &[&str]) -> Self {
        Self::new(id, Status::Fail, saw.into()).because(why, repair)
    }

    fn new(id: &'static str, status: Status, saw: String) -> Self {
        Self { id, status, saw, why: String::new(), repair: Vec::new() }
    }

    fn because(mut self, why: &str, repair: &[&str]) -> Self {
        self.why = why.to_owned();
        self.repair = repair.iter().map(|step| (*step).to_owned()).collect();
        self
    }

    /// Adds a repair step.
    #[must_use]
    pub fn then(mut self, step: impl Into<String>) -> Self {
        self.repair.push(step.into());
        self
    }

    fn text(&self, width: usize) -> String {
        let Self { id, saw, why, repair, .. } = self;
        let saw = printable(&saw.replace('\n', " "));
        let mut text = format!("{:4}  {id:width$}  {saw}\n", self.status.name());
        if !why.is_empty() {
            text.push_str(&format!("      why     {why}\n"));
        }
        for (at, step) in repair.iter().enumerate() {
            let head = if at == 0 { "repair" } else { "" };
            text.push_str(&format!("      {head:6}  {step}\n"));
        }
        text
    }

    fn json(&self) -> Value {
        let mut value = json!({"id": self.id, "status": self.status.name(), "saw": self.saw});
        if !self.why.is_empty() {
            value["why"] = json!(self.why);
            value["repair"] = json!(self.repair);
        }
        value
    }
}

/// Replaces control characters: quoted files and program output must not control the terminal.
pub(super) fn printable(text: &str) -> String {
    let is_plain = |c: char| c == '\n' || c == ' ' || c.is_ascii_graphic();
    text.chars().map(|c| if is_plain(c) { c } else { '?' }).collect()
}

/// All findings, in start order.
#[derive(Debug)]
pub(super) struct Report {
    /// Whether the enclave runs in debug mode.
    pub is_debug: bool,
    pub findings: Vec<Finding>,
}

/// The first lines of a report on an enclave in debug mode.
pub(super) const DEBUG_NOTICE: &str = "\
*** DEBUG MODE: the parent can read this enclave. Its measurements are zero, the key service and
*** every verifier refuse it, and its promises bind no one.
";

impl Report {
    /// Number of checks with this status.
    pub fn count(&self, status: Status) -> usize {
        self.findings.iter().filter(|finding| finding.status == status).count()
    }

    /// For people: the counts, then every check.
    pub fn text(&self) -> String {
        let counts = Status::ALL.map(|status| format!("{} {}", self.count(status), status.name()));
        let mut text = format!("mortise doctor: {}\n", counts.join(", "));
        if self.is_debug {
            text.push_str(DEBUG_NOTICE);
        }
        let width = self.findings.iter().map(|finding| finding.id.len()).max().unwrap_or_default();
        text.extend(self.findings.iter().map(|finding| finding.text(width)));
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let counts = Status::ALL.map(|status| (status.name().to_lowercase(), self.count(status)));
        let counts: serde_json::Map<_, _> =
            counts.into_iter().map(|(name, count)| (name, json!(count))).collect();
        let checks: Vec<_> = self.findings.iter().map(Finding::json).collect();
        json!({
            "healthy": self.count(Status::Fail) == 0,
            "debugMode": self.is_debug,
            "counts": counts,
            "checks": checks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_shows_observation_reason_and_repair() {
        let findings = vec![
            Finding::ok("a.b", "good"),
            Finding::fail("c.long", "bad", "it matters", &["do this"]).then("then that"),
        ];
        let report = Report { is_debug: false, findings };
        let expected = "mortise doctor: 1 FAIL, 0 WARN, 1 OK, 0 SKIP\n\
             OK    a.b     good\n\
             FAIL  c.long  bad\n      why     it matters\n      repair  do this\n              \
             then that\n";
        assert_eq!(report.text(), expected);
        let json = report.json();
        assert_eq!(json["healthy"], false);
        assert_eq!(json["counts"], json!({"fail": 1, "warn": 0, "ok": 1, "skip": 0}));
        assert_eq!(json["checks"][0], json!({"id": "a.b", "status": "OK", "saw": "good"}));
        assert_eq!(json["checks"][1]["repair"], json!(["do this", "then that"]));
    }

    #[test]
    fn debug_mode_is_reported_first() {
        let report = Report { is_debug: true, findings: Vec::new() };
        assert!(report.text().lines().nth(1).unwrap().contains("DEBUG MODE"));
        assert_eq!(report.json()["debugMode"], true);
    }
}
