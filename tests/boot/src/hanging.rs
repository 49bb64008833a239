//! A host that hangs while the engine serves.

use crate::booted::{Boot, signal, text};
use crate::damage::copy_of;
use crate::locks;
use crate::serving::{run, vsock};
use crate::settings::Settings;
use std::time::Duration;

/// `STORE_ANSWER_MS_MAX`, with slack for the engine to end.
const END: Duration = Duration::from_secs(60 + 45);

/// The engine commits no lock that the store did not sync, and ends with a named error. Then an
/// engine serves on the same folder.
pub fn host_that_hangs(settings: &Settings) -> Result<String, String> {
    let dir = copy_of(settings, "hanging")?;
    let booted = Boot::of(settings, &dir, &settings.image()).serving()?;
    let host = booted.report["hostPid"].as_u64().ok_or("no hostPid")?;
    let at = vsock(&booted)?;
    signal(host, "STOP")?;
    let asked = run(async {
        let asked = tokio::time::timeout(END, locks::commit(&at, 1)).await;
        asked.map_err(|_| String::from("no answer"))?
    });
    if asked.is_ok() {
        return Err("a lock was committed that the store does not have".into());
    }
    let ended = booted.ends_by("FAULT", END);
    // a host that has already ended needs no signal
    let _ = signal(host, "CONT");
    let ended = ended?;
    let again = Boot::of(settings, &dir, &settings.image()).serving().map_err(text)?;
    again.stop()?;
    Ok(ended)
}
