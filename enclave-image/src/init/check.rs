//! What must hold of a machine before it receives keys.
//!
//! The clock source counts time between two documents of the module, and the kernel's generator is
//! mixed with the module's randomness. Both are second lines of defence, and in an enclave both are
//! the platform's. An emulator has other sources, so for an emulated module they are warnings.

use super::{InitError, Machine};
use mortise_config::Module;
use std::path::Path;
use std::time::Duration;

/// Least memory, as the kernel counts it.
pub const MEMORY_BYTES_MIN: u64 = 128 * 1024 * 1024;
/// Clock sources of the platform: the hypervisor's and the processor's.
pub const CLOCK_SOURCES: [&str; 2] = ["kvm-clock", "tsc"];
/// The kernel's name for the security module as an entropy source.
pub const ENTROPY_SOURCE: &str = "nsm-hwrng";

/// Checks memory, clock source and entropy source.
///
/// # Errors
/// `Memory`; `ClockSource` and `EntropySource` unless the module is emulated.
pub fn check(machine: &dyn Machine, module: Module) -> Result<(), InitError> {
    let (bytes, bytes_min) = (machine.memory_bytes(), MEMORY_BYTES_MIN);
    if bytes < bytes_min {
        return Err(InitError::Memory { bytes, bytes_min });
    }
    // Under an emulator the kernel may keep its early clock source: waiting is useless.
    let retries = if module == Module::Emulated { 0 } else { CLOCK_SOURCE_RETRIES };
    for checked in [clock_source(machine, retries), entropy_source(machine)] {
        match (checked, module) {
            (Err(error), Module::Nitro) => return Err(error),
            (Err(error), Module::Emulated) => {
                tracing::warn!(name = error.name(), %error, "not like a Nitro enclave");
            }
            (Ok(()), _) => {}
        }
    }
    Ok(())
}

/// Waits while the kernel uses a temporary clock source, as it does early in a boot.
fn clock_source(machine: &dyn Machine, retries: u32) -> Result<(), InitError> {
    let mut found = word(machine, CLOCK_SOURCE_FILE);
    for _ in 0..retries {
        if !EARLY_CLOCK_SOURCES.contains(&found.as_str()) {
            break;
        }
        machine.sleep(CLOCK_SOURCE_RETRY);
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

/// The name in a file of the kernel; empty if the file cannot be read.
fn word(machine: &dyn Machine, file: &str) -> String {
    machine.read(Path::new(file)).unwrap_or_default().trim().to_owned()
}

const CLOCK_SOURCE_FILE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
const ENTROPY_SOURCE_FILE: &str = "/sys/class/misc/hw_random/rng_current";
/// Clock sources that a kernel uses until it has measured the processor's counter.
const EARLY_CLOCK_SOURCES: [&str; 3] = ["tsc-early", "refined-jiffies", "jiffies"];
/// Time between two reads of the clock source.
const CLOCK_SOURCE_RETRY: Duration = Duration::from_millis(100);
/// Most reads while the clock source is a temporary one: 5 seconds.
const CLOCK_SOURCE_RETRIES: u32 = 50;
