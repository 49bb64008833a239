//! What the enclave said last, and what follows from it.
//!
//! The enclave has no disk and no console: its lines come over vsock port 5002 to `mortise-host`,
//! which keeps the last stop and the lines before it in its data folder (`specs/diagnostics.md`).
//! They are the enclave's word by way of the parent: they help an operator and prove nothing.

use super::advice::{Advice, advice};
use super::machine::{Machine, Trouble};
use serde::Deserialize;

/// Where `mortise-host` keeps the last stop, in its data folder.
pub(super) const LAST_STOP: &str = "diagnostics/last-stop.json";
/// Where it keeps the last lines.
const LINES: &str = "diagnostics/lines.jsonl";
/// Lines that are shown.
const LINES_SHOWN: usize = 10;

/// The line of a stop.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LastStop {
    /// Stable name.
    pub name: String,
    /// The exit status; none in a panic.
    pub exit: Option<u8>,
    /// In the enclave's words.
    pub why: String,
    /// When, or where, by the enclave.
    pub at: Option<String>,
    /// When it came, by the host's clock.
    pub received_ms: u64,
}

impl LastStop {
    /// The exit status as a text.
    pub fn exit_text(&self) -> String {
        self.exit.map_or("none".to_owned(), |exit| exit.to_string())
    }

    /// What it means.
    pub fn advice(&self) -> Advice {
        advice(&self.name, self.exit)
    }
}

/// Reads the stop that the host keeps.
pub(super) fn read_last_stop(machine: &dyn Machine, data: &str) -> Result<LastStop, Trouble> {
    let text = machine.read(&format!("{data}/{LAST_STOP}"))?;
    serde_json::from_str(&text)
        .map_err(|error| Trouble::Other(format!("it is not the record of a stop: {error}")))
}

/// The newest lines of the enclave, oldest first, as far as the host has some.
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
    fn record_of_the_host_is_read_and_nothing_else_is() {
        let read = |text: &str| serde_json::from_str::<LastStop>(text).ok();
        let stop = read(r#"{"name":"KEY_DENIED","exit":17,"why":"no","at":"T","receivedMs":5}"#);
        assert_eq!(stop.unwrap().exit, Some(17));
        let panic = r#"{"name":"PANIC","exit":null,"why":"","at":null,"receivedMs":5}"#;
        let panic = read(panic).unwrap();
        assert_eq!((panic.exit_text().as_str(), panic.at.as_deref()), ("none", None));
        assert!(panic.advice().meaning.contains("fault of the program"));
        for wrong in ["", "[]", "{}", r#"{"name":"X","exit":17}"#, "text"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
