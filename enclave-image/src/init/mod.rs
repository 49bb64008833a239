//! The measured binary as the first and only process of its machine.
//!
//! What it is for: an enclave image that holds only this binary, its two files and kernel modules.
//! There is no shell, no other program and no separate init, so an attacker in the process finds
//! nothing to run.
//!
//! ```text
//! mounts -> modules -> vsock? -> (module opened, configuration) -> memory? clock? entropy?
//!        -> heartbeat (not awaited) -> wait for the store (bounded) -> engine -> end
//! ```
//! What it does not do: start or reap other processes, set up a network, write a file, read the
//! kernel's command line, its arguments or its environment.
//!
//! Invariants: every wait has a bound; every failure has a name and an exit status, goes to the
//! console and to the parent, and then ends the machine ([`end`]); so does a panic.

mod check;
pub mod end;
mod error;
pub mod heartbeat;
mod machine;
mod modules;
mod mounts;
pub mod parent;

pub use check::{CLOCK_SOURCES, ENTROPY_SOURCE, MEMORY_BYTES_MIN, check};
pub use error::InitError;
pub use machine::{Kernel, Machine};
pub use modules::MODULES;
pub use mounts::{MOUNTS, Mount};

use mortise_format::limits::CONNECTIONS_MAX;
use mortise_transport::VSOCK_CID_ANY;
use std::path::Path;

/// True for the first process of a machine.
pub fn is_init() -> bool {
    std::process::id() == 1
}

/// Makes the machine usable: mounts file systems, loads kernel modules, checks vsock.
///
/// # Errors
/// `Mount`, `Modules`, `Module`, `Vsock`, in this order.
pub fn bring_up(machine: &dyn Machine) -> Result<(), InitError> {
    mounts::mount_all(machine)?;
    modules::load_all(machine)?;
    check_vsock(machine)?;
    tune(machine);
    Ok(())
}

/// Raises limits that improve service. A failure is logged and ends nothing.
fn tune(machine: &dyn Machine) {
    // The memory of this process holds keys.
    if let Err(error) = machine.forbid_core_dumps() {
        tracing::warn!(%error, "core dumps are not forbidden");
    }
    // The kernel's default is 1024 files, fewer than the connections that the engine serves.
    if let Err(error) = machine.raise_files(FILES) {
        tracing::warn!(%error, "low limit of open files: the engine serves fewer connections");
    }
    // With 4 KiB pages the TLB does not cover a state of a million locks; with 2 MiB pages access
    // is a third faster.
    if let Err(error) = machine.set(Path::new(HUGE_PAGES), "always") {
        tracing::info!(%error, "the kernel provides no huge pages");
    }
}

/// A context id of its own shows that this machine has a vsock transport.
fn check_vsock(machine: &dyn Machine) -> Result<(), InitError> {
    match machine.local_cid() {
        Ok(cid) if (3..VSOCK_CID_ANY).contains(&cid) => Ok(()),
        Ok(cid) => Err(InitError::Vsock(format!("this machine has no context id (found {cid})"))),
        Err(error) => Err(InitError::Vsock(error.to_string())),
    }
}

const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
/// Open files: one per connection, and 512 for the store, the key service and the module.
const FILES: u64 = CONNECTIONS_MAX as u64 + 512;

#[cfg(test)]
mod tests;
