//! The last stop of the enclave, and its last lines of output.
//!
//! The enclave has no disk and no console. It sends its lines over vsock port 5002 to
//! `mortise-host`, which keeps the last stop and the lines before it in its data folder
//! (`specs/diagnostics.md`). They pass through the parent: they help an operator and prove nothing.

use super::advice::{Advice, advice};
use super::machine::{Machine, Trouble};
use serde::Deserialize;

/// Where `mortise-host` keeps the last stop, in its data folder.
pub(super) const LAST_STOP: &str = "diagnostics/last-stop.json";
/// Where it keeps the last lines.
const LINES: &str = "diagnostics/lines.jsonl";
/// Lines that are shown.
const LINES_SHOWN: usize = 10;

/// A recorded stop.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LastStop {
    /// Stable name.
    pub name: String,
    /// Exit status; none for a panic.
    pub exit: Option<u8>,
    /// Message of the enclave.
    pub why: String,
    /// Time or source location, as the enclave reports it.
    pub at: Option<String>,
    /// Time of arrival on the host's clock, milliseconds since the Unix epoch.
    pub received_ms: u64,
}

impl LastStop {
    /// The exit status as a text.
    pub fn exit_text(&self) -> String {
        self.exit.map_or("none".to_owned(), |exit| exit.to_string())
    }

    /// Its meaning and the next steps.
    pub fn advice(&self) -> Advice {
        advice(&self.name, self.exit)
    }
}

/// Reads the stop that the host keeps.
pub(super) fn read_last_stop(machine: &dyn Machine, data: &str) -> Result<LastStop, Trouble> {
    let text = machine.read(&format!("{data}/{LAST_STOP}"))?;
    serde_json::from_str(&text)
        .map_err(|error| Trouble::Other(format!("this is not a recorded stop: {error}")))
}

/// The newest lines of the enclave, oldest first; empty if the host has none.
pub(super) fn read_last_lines(machine: &dyn Machine, data: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Kept {
        line: String,
    }
    let text = machine.read(&format!("{data}/{LINES}")).unwrap_or_default();
    let kept = text.lines().filter_map(|line| serde_json::from_str::<Kept>(line).ok());
    let lines: Vec<_> = kept.map(|kept| kept.line).collect();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_recorded_stop_is_read() {
        let read = |text: &str| serde_json::from_str::<LastStop>(text).ok();
        let stop = read(r#"{"name":"KEY_DENIED","exit":17,"why":"no","at":"T","receivedMs":5}"#);
        assert_eq!(stop.unwrap().exit, Some(17));
        let panic = r#"{"name":"PANIC","exit":null,"why":"","at":null,"receivedMs":5}"#;
        let panic = read(panic).unwrap();
        assert_eq!((panic.exit_text().as_str(), panic.at.as_deref()), ("none", None));
        assert!(panic.advice().meaning.contains("a bug in the engine"));
        for wrong in ["", "[]", "{}", r#"{"name":"X","exit":17}"#, "text"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
