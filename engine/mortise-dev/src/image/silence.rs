//! The report about a machine that neither becomes ready nor stops.
//!
//! A kernel can halt without output, and then nothing in the machine can report it. This report
//! says how long the console has been silent, how far the boot got, and what to check.

use super::console::Console;
use mortise_cli::failure::Failure;
use serde_json::json;
use std::time::{Duration, SystemTime};

/// How far the boot got, by the console.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reached {
    /// The console is empty.
    Nothing,
    /// The kernel panicked and halted.
    Panic(String),
    /// The kernel printed lines, the engine did not.
    Kernel,
    /// The engine printed lines.
    Engine,
}

/// Lines of the console that are shown.
const LINES_SHOWN: usize = 12;

/// The failure of a boot that took longer than `timeouts`.
pub(super) fn too_slow(console: &Console, timeouts: Duration) -> Failure {
    let reached = Reached::of(console);
    let silent = console.silent_for(SystemTime::now());
    let silence = match silent {
        Some(silent) => format!("has printed nothing for {} s", silent.as_secs()),
        None => String::from("has printed nothing"),
    };
    let last = console.last().unwrap_or_default();
    let shown = match console.last_lines(LINES_SHOWN) {
        lines if lines.is_empty() => String::from("\n"),
        lines => format!("; the last lines of its console:\n{lines}"),
    };
    let text = format!(
        "the engine is not ready after {} s (--timeout); the machine {silence}{shown}  console: \
         {}\n  next: {}",
        timeouts.as_secs(),
        console.path().display(),
        reached.next()
    );
    let evidence = json!({
        "silentS": silent.map(|silent| silent.as_secs()), "last": last,
        "kernelPanic": reached.panic(), "console": console.path(),
    });
    Failure::not_ready(text).with_evidence(evidence)
}

impl Reached {
    fn of(console: &Console) -> Self {
        match (console.kernel_panic(), console.last()) {
            (Some(why), _) => Self::Panic(why),
            (None, None) => Self::Nothing,
            (None, Some(_)) if console.has_engine_lines() => Self::Engine,
            (None, Some(_)) => Self::Kernel,
        }
    }

    fn panic(&self) -> Option<&str> {
        match self {
            Self::Panic(why) => Some(why),
            _ => None,
        }
    }

    /// The next step.
    fn next(&self) -> &'static str {
        match self {
            Self::Nothing => {
                "check that the kernel is for x86-64 and has a serial console, and that the \
                 command \
                 line names it (console=ttyS0): mortise image describe IMAGE; build the image \
                 with --debian-kernel to compare"
            }
            Self::Panic(_) => {
                "the kernel panicked and halted: add panic=SECONDS to the command line and build \
                 the \
                 image again"
            }
            Self::Kernel => {
                "the kernel stopped before the engine started: compare with an image built with \
                 --debian-kernel; raise --memory; set --tsc-khz to the TSC frequency of the host; \
                 raise --timeout on a slow machine"
            }
            Self::Engine => {
                "the engine is starting: look up its last line with `mortise explain NAME`; raise \
                 --timeout for a long log or a slow machine"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str) -> (String, serde_json::Value) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        std::fs::write(&path, text).unwrap();
        let failure = too_slow(&Console::new(&path), Duration::from_secs(30));
        assert_eq!(failure.exit_code(), 4);
        (failure.text(), failure.json()["error"]["evidence"].clone())
    }

    #[test]
    fn silent_machine_is_reported_with_its_last_line_and_what_to_check() {
        let (text, evidence) = report("[    0.1] Linux version 6.12\n[    1.0] Freeing memory\n");
        assert!(text.contains(" s; the last lines of its console:"), "{text}");
        assert!(text.contains("before the engine started"), "{text}");
        assert_eq!(evidence["last"], "[    1.0] Freeing memory");
        assert!(evidence["silentS"].is_u64(), "{evidence}");
    }

    #[test]
    fn how_far_it_got_decides_what_is_suggested() {
        let (text, evidence) = report("");
        assert!(text.contains("has printed nothing\n") && text.contains("console=ttyS0"), "{text}");
        assert_eq!(evidence["silentS"], serde_json::Value::Null);
        let (text, evidence) = report("[ 4.1] Kernel panic - not syncing: no init\n");
        assert!(text.contains("panic=SECONDS"), "{text}");
        assert_eq!(evidence["kernelPanic"], "no init");
        let (text, _) = report("[ 2.1] Run /init\n{\"level\":\"INFO\",\"fields\":{}}\n");
        assert!(text.contains("--timeout for a long log"), "{text}");
    }
}
