//! What must hold of a machine before keys come to it.
//!
//! The clock source counts between two documents of the module, and the kernel's generator is mixed
//! with the module's randomness: both are second lines of defence, and both are the platform's in
//! an enclave. An emulator has others, so that for its profile they are warnings.

use super::{InitError, Machine};
use crate::config::Module;
use std::path::Path;
use std::time::Duration;

/// The least memory, as the kernel counts it.
pub const MEMORY_BYTES_MIN: u64 = 128 * 1024 * 1024;
/// Clock sources of the platform: the hypervisor's, and the processor's own.
pub const CLOCK_SOURCES: [&str; 2] = ["kvm-clock", "tsc"];
/// The kernel's name of the security module as a source of randomness.
pub const ENTROPY_SOURCE: &str = "nsm-hwrng";

/// Checks memory, clock source and entropy source.
///
/// # Errors
/// `Memory`; `ClockSource`, `EntropySource` unless the module is an emulated one.
pub fn check(machine: &dyn Machine, module: Module) -> Result<(), InitError> {
    let (bytes, bytes_min) = (machine.memory_bytes(), MEMORY_BYTES_MIN);
    if bytes < bytes_min {
        return Err(InitError::Memory { bytes, bytes_min });
    }
    // An emulator's kernel may stay with what it counts by early.
    let looks = if module == Module::Emulated { 0 } else { CLOCK_SOURCE_LOOKS };
    for checked in [clock_source(machine, looks), entropy_source(machine)] {
        match (checked, module) {
            (Err(error), Module::Nitro) => return Err(error),
            (Err(error), Module::Emulated) => {
                tracing::warn!(name = error.name(), %error, "not as in an enclave");
            }
            (Ok(()), _) => {}
        }
    }
    Ok(())
}

/// Early in a boot the kernel counts by a source that it is about to leave.
fn clock_source(machine: &dyn Machine, looks: u32) -> Result<(), InitError> {
    let mut found = word(machine, CLOCK_SOURCE_FILE);
    for _ in 0..looks {
        if !EARLY_CLOCK_SOURCES.contains(&found.as_str()) {
            break;
        }
        machine.sleep(CLOCK_SOURCE_LOOK);
        found = word(machine, CLOCK_SOURCE_FILE);
    }
    if CLOCK_SOURCES.contains(&found.as_str()) {
        return Ok(());
    }
    Err(InitError::ClockSource { found })
}

fn entropy_source(machine: &dyn Machine) -> Result<(), InitError> {
    let found = word(machine, ENTROPY_SOURCE_FILE);
    if found == ENTROPY_SOURCE { Ok(()) } else { Err(InitError::EntropySource { found }) }
}

/// A name in a file of the kernel's; empty when there is none.
fn word(machine: &dyn Machine, file: &str) -> String {
    machine.read(Path::new(file)).unwrap_or_default().trim().to_owned()
}

const CLOCK_SOURCE_FILE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
const ENTROPY_SOURCE_FILE: &str = "/sys/class/misc/hw_random/rng_current";
/// What a kernel counts by until it has measured the processor's counter.
const EARLY_CLOCK_SOURCES: [&str; 3] = ["tsc-early", "refined-jiffies", "jiffies"];
/// From one look at the clock source to the next.
const CLOCK_SOURCE_LOOK: Duration = Duration::from_millis(100);
/// How often it is looked at while it is an early one: 5 seconds.
const CLOCK_SOURCE_LOOKS: u32 = 50;
