//! Failures of the first process and of the kernel.

use crate::bad::END_S;
use crate::booted::{Boot, Ended, text};
use crate::image;
use crate::settings::Settings;
use mortise_image::cpio::Archive;
use std::path::PathBuf;

/// A failure of `mortise-boot-init`, its error name, and a text of its reason.
const ENDS: [(&str, &str, &str); 5] = [
    ("panic", "PANIC", "mortise-boot-init.rs"),
    ("thread", "PANIC", "mortise-boot-init.rs"),
    ("return", "KERNEL_PANIC", "kill init"),
    ("abort", "KERNEL_PANIC", "kill init"),
    ("memory", "KERNEL_PANIC", "memory"),
];

/// A panic in any thread logs its place and ends the machine. Other failures of the first process
/// are kernel panics, and `panic=` ends the machine.
pub fn ends_badly(settings: &Settings) -> Result<String, String> {
    let mut found = Vec::new();
    for (how, name, why) in ENDS {
        let ended = alone(settings, how, None, "150")?;
        if ended.took.as_secs() >= END_S {
            return Err(format!("{how}: the machine ran for {} s", ended.took.as_secs()));
        }
        let output = ended.by_name(name).map_err(|error| format!("{how}: {error}"))?;
        let stop = &ended.json["error"]["evidence"]["stop"];
        if !stop["why"].as_str().unwrap_or_default().contains(why) {
            return Err(format!("{how}: {why:?} is not in {stop}"));
        }
        let message = ended.message();
        if message.contains("stays in the enclave") {
            return Err(format!("{how}: the text of a panic left the machine: {message}"));
        }
        if name == "KERNEL_PANIC" && !message.contains("Kernel panic") {
            return Err(format!("{how}: the console is not quoted: {message}"));
        }
        found.push(format!("{how}: {output}"));
    }
    Ok(found.join(", "))
}

/// Timeout for a machine that does not end, seconds.
const HANGS_S: &str = "45";

/// Without `panic=` the kernel halts. The timeout of the command ends it and reports the reason.
pub fn panic_without_end(settings: &Settings) -> Result<String, String> {
    let ended = alone(settings, "return", Some("console=ttyS0 reboot=k"), HANGS_S)?;
    let message = ended.message();
    let is_reported = message.contains("Kernel panic") && message.contains("no panic=SECONDS");
    match ended.code {
        Some(4) if is_reported => Ok(format!("ended after {:.1} s", ended.took.as_secs_f64())),
        code => Err(format!("exit status {code:?}: {message}")),
    }
}

/// The command reports a machine that is silent, with its last console lines. Kernel and first
/// process both write to the console, so either can be last.
pub fn silent_machine(settings: &Settings) -> Result<String, String> {
    let ended = alone(settings, "silence", None, HANGS_S)?;
    let (message, evidence) = (ended.message(), &ended.json["error"]["evidence"]);
    let console = std::fs::read_to_string(settings.dir().join("console.log")).map_err(text)?;
    let last = console.lines().map(str::trim).rfind(|line| !line.is_empty());
    let shown = evidence["last"].as_str().filter(|shown| !shown.is_empty());
    let is_last = matches!((last, shown), (Some(last), Some(shown)) if last.starts_with(shown));
    let words = ["has printed nothing for", "\"how\":\"silence\""];
    let is_reported = is_last && words.iter().all(|words| message.contains(words));
    match (ended.code, evidence["silentS"].as_u64()) {
        (Some(4), Some(silent_s)) if is_reported && silent_s > 0 => Ok(format!("{silent_s} s")),
        (code, _) => Err(format!("exit status {code:?}: {message}")),
    }
}

fn alone(
    settings: &Settings,
    how: &str,
    cmdline: Option<&str>,
    seconds: &'static str,
) -> Result<Ended, String> {
    let image = image_of(settings, how, cmdline)?;
    Boot::of(settings, &settings.dir(), &image).with(&["--no-host"]).within(seconds).ends()
}

/// The image of the run with another first process.
fn image_of(settings: &Settings, how: &str, cmdline: Option<&str>) -> Result<PathBuf, String> {
    let init = settings.init.as_ref().ok_or("--init is not given")?;
    let mut parts = image::parts(settings)?;
    let mut files = Archive::new();
    files.file("init", 0o755, std::fs::read(init).map_err(text)?).map_err(text)?;
    files.file("how", 0o644, how.as_bytes().to_vec()).map_err(text)?;
    parts.ramdisks[1] = files.to_bytes();
    if let Some(cmdline) = cmdline {
        parts.cmdline = cmdline.to_owned();
    }
    image::write(settings, &format!("first-{how}-{}.eif", cmdline.is_some()), parts)
}
