//! What the machine says on its serial port: lines of the kernel, and the engine's JSON lines.
//!
//! The console is the one thing that an enclave leaves behind when it ends; its last line with a
//! name says why (`specs/configuration.md`, "What the process says"). It is read as text that may
//! say anything: nothing here decides what is believed.

use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Why an enclave ended, by its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct StopLine {
    /// The stable name.
    pub name: String,
    /// The exit status that a process would have.
    pub exit: Option<u64>,
    /// For people.
    pub why: String,
}

/// The console of a boot.
#[derive(Debug, Clone)]
pub(super) struct Console {
    path: PathBuf,
}

/// Most bytes from the end that are looked at.
const TAIL_BYTES: usize = 64 * 1024;
/// Most characters of a line that are shown.
const SHOWN_MAX: usize = 160;

impl Console {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last stop line, if there is one.
    pub fn stop(&self) -> Option<StopLine> {
        self.tail().lines().rev().find_map(stop_line)
    }

    /// The last line with something on it, cut to fit one line of a terminal.
    pub fn last(&self) -> Option<String> {
        let tail = self.tail();
        let last = tail.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some(last.chars().take(SHOWN_MAX).collect())
    }

    /// The last lines, for a failure that nobody named.
    pub fn last_lines(&self, count: usize) -> String {
        let tail = self.tail();
        let lines: Vec<&str> = tail.lines().filter(|line| !line.trim().is_empty()).collect();
        let from = lines.len().saturating_sub(count);
        lines[from..].iter().map(|line| format!("  | {line}\n")).collect()
    }

    /// The end of the file as printable text.
    fn tail(&self) -> String {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        let from = bytes.len().saturating_sub(TAIL_BYTES);
        let text = String::from_utf8_lossy(&bytes[from..]).replace('\r', "\n");
        text.chars().filter(|c| *c == '\n' || !c.is_control()).collect()
    }
}

/// Reads a stop line (`specs/diagnostics.md`); the kernel may have put something before it.
fn stop_line(line: &str) -> Option<StopLine> {
    let from = line.find('{')?;
    let value: Value = serde_json::from_str(line[from..].trim_end()).ok()?;
    let fields = value.get("fields").unwrap_or(&value);
    let text = |field: &str| fields.get(field).and_then(Value::as_str);
    let (name, exit) = (text("name")?, fields.get("exit").and_then(Value::as_u64));
    if exit.is_none() && text("message") != Some(STOPS) {
        return None;
    }
    let why = text("why").or_else(|| text("at")).unwrap_or_default();
    Some(StopLine { name: name.to_owned(), exit, why: why.to_owned() })
}

/// What a stop line without a status says.
const STOPS: &str = "the enclave stops";

#[cfg(test)]
mod tests {
    use super::*;

    fn console(text: &[u8]) -> (tempfile::TempDir, Console) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        std::fs::write(&path, text).unwrap();
        (folder, Console::new(&path))
    }

    #[test]
    fn last_line_with_a_name_is_the_stop() {
        let text = "[    1.2] Run /init as init process\r\n\
            {\"level\":\"INFO\",\"fields\":{\"message\":\"starting\"}}\r\n\
            {\"level\":\"ERROR\",\"fields\":{\"message\":\"the enclave stops\",\"name\":\"NO_NSM\",\
            \"exit\":10,\"why\":\"not a Nitro enclave\"}}\r\n\
            [    2.0] reboot: Power down\r\n";
        let (_folder, console) = console(text.as_bytes());
        let stop = console.stop().unwrap();
        assert_eq!((stop.name.as_str(), stop.exit), ("NO_NSM", Some(10)));
        assert_eq!(stop.why, "not a Nitro enclave");
        assert_eq!(console.last().unwrap(), "[    2.0] reboot: Power down");
    }

    #[test]
    fn console_of_garbage_names_no_stop_and_shows_no_control_character() {
        let warning = b"{\"fields\":{\"name\":\"CLOCK_SOURCE\",\"message\":\"a warning\"}}";
        for text in [&b""[..], b"{", warning, b"\x1b[2J{\"name\":", b"{\"name\":7}", &[0xff; 64]] {
            let (_folder, console) = console(text);
            assert_eq!(console.stop(), None);
            assert!(!console.last_lines(9).contains('\x1b'));
        }
        let (_folder, console) = console(b"Kernel panic - not syncing\n\n");
        assert_eq!(console.last().unwrap(), "Kernel panic - not syncing");
        let panic = "{\"name\":\"PANIC\",\"at\":\"a.rs:7\",\"message\":\"the enclave stops\"}";
        assert_eq!(stop_line(panic).unwrap().why, "a.rs:7");
    }
}
