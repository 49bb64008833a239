//! The serial console of the machine: lines of the kernel, and JSON lines of the engine.
//!
//! The console is all that remains of an enclave when it stops. Its last line with a name gives the
//! reason (`specs/configuration.md`, "What the process says"). The text is untrusted; nothing here
//! decides what is trusted.

use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The stop line of an enclave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct StopLine {
    /// The stable name.
    pub name: String,
    /// The exit status that a process would have.
    pub exit: Option<u64>,
    /// The reason, for people.
    pub why: String,
}

/// The console of a boot.
#[derive(Debug, Clone)]
pub(super) struct Console {
    path: PathBuf,
}

/// Maximum bytes to read from the end.
const TAIL_BYTES: usize = 64 * 1024;
/// Maximum characters of a line to show.
const SHOWN_MAX: usize = 160;

impl Console {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last stop line, if there is one.
    pub fn stop(&self) -> Option<StopLine> {
        self.tail().lines().rev().find_map(stop_line)
    }

    /// The message of a kernel panic, if there was one.
    pub fn kernel_panic(&self) -> Option<String> {
        let tail = self.tail();
        let found = tail.lines().rev().find_map(|line| line.split_once(KERNEL_PANIC))?.1;
        let why = found.trim_start_matches([' ', '-', ':']).trim_end_matches([' ', '-', ']']);
        let why = why.strip_prefix("not syncing: ").unwrap_or(why);
        Some(why.chars().take(SHOWN_MAX).collect())
    }

    /// Time since the last output, by the modification time of the file; `None` without output.
    pub fn silent_for(&self, now: SystemTime) -> Option<Duration> {
        let file = std::fs::metadata(&self.path).ok().filter(|file| file.len() > 0)?;
        Some(now.duration_since(file.modified().ok()?).unwrap_or_default())
    }

    /// Whether the last lines have output of the engine: then the kernel has started it.
    pub fn has_engine_lines(&self) -> bool {
        let is_line = |line: &str| {
            let text = &line[line.find('{')?..];
            serde_json::from_str::<Value>(text.trim_end()).ok()?.get("level").map(|_| ())
        };
        self.tail().lines().any(|line| is_line(line).is_some())
    }

    /// The last line that is not empty, cut to fit a terminal.
    pub fn last(&self) -> Option<String> {
        let tail = self.tail();
        let last = tail.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some(last.chars().take(SHOWN_MAX).collect())
    }

    /// The last lines, for a failure without a stop line.
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

/// Text of a kernel panic, at its start and at its end.
const KERNEL_PANIC: &str = "Kernel panic";
/// Message of a stop line without an exit status.
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
    fn panic_of_the_kernel_is_quoted() {
        let text = "[    4.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0b\r\n\
            [    4.2] Call Trace:\r\n[    4.3]  <TASK>\r\n\
            [    4.4] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---\r\n";
        let (_folder, ended) = console(text.as_bytes());
        assert_eq!(ended.kernel_panic().unwrap(), "Attempted to kill init!");
        assert_eq!((ended.stop(), ended.has_engine_lines()), (None, false));
        let (_folder, fine) = console(b"{\"level\":\"INFO\",\"fields\":{}}\n");
        assert_eq!((fine.kernel_panic(), fine.has_engine_lines()), (None, true));
    }

    #[test]
    fn silence_counts_from_the_last_line_and_before_the_first_there_is_none() {
        let (_folder, silent) = console(b"");
        assert_eq!(silent.silent_for(SystemTime::now()), None);
        let (_folder, console) = console(b"a line\n");
        let later = SystemTime::now() + Duration::from_secs(60);
        assert!(console.silent_for(later).unwrap() >= Duration::from_secs(60));
        assert_eq!(console.silent_for(SystemTime::UNIX_EPOCH), Some(Duration::ZERO));
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
