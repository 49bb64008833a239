//! The measured binary as the first and only process of its machine.
//!
//! What it is for: an enclave image with nothing in it but this binary, its two files and kernel
//! modules. There is no shell, no other program, no init to start this one; whoever gets into the
//! process finds nothing to run.
//!
//! ```text
//! mounts -> modules -> vsock? -> (module opened, configuration) -> memory? clock? entropy?
//!        -> heartbeat, not waited for -> the store answers, bounded -> engine -> end
//! ```
//! What it does not do: start or reap other processes, set up a network, write a file, read the
//! kernel's command line, its arguments or its environment.
//!
//! Invariants: every wait has a bound; every failure has a name and an exit status, said on the
//! console and to the parent, and then the machine ends ([`end`]); a panic ends it too.

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

/// Makes the machine usable: file systems, kernel modules, the way to the parent.
///
/// # Errors
/// `Mount`, `Modules`, `Module`, `Vsock`, in this order.
pub fn bring_up(machine: &dyn Machine) -> Result<(), InitError> {
    mounts::mount_all(machine)?;
    modules::load_all(machine)?;
    check_vsock(machine)?;
    ease(machine);
    Ok(())
}

/// What makes it serve better, and is no reason not to serve.
fn ease(machine: &dyn Machine) {
    // The kernel gives its first process 1024: less than the connections that are served.
    if let Err(error) = machine.raise_files(FILES) {
        tracing::warn!(%error, "fewer connections can be served than the limit allows");
    }
    // A state of a million locks is walked a third faster in pages of 2 MiB.
    if let Err(error) = machine.set(Path::new(HUGE_PAGES), "always") {
        tracing::info!(%error, "the kernel gives no huge pages");
    }
}

/// This machine has an address of its own: a transport is there.
fn check_vsock(machine: &dyn Machine) -> Result<(), InitError> {
    match machine.local_cid() {
        Ok(cid) if (3..VSOCK_CID_ANY).contains(&cid) => Ok(()),
        Ok(cid) => Err(InitError::Vsock(format!("this machine has no context id (found {cid})"))),
        Err(error) => Err(InitError::Vsock(error.to_string())),
    }
}

const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
/// Connections, and what store, key service and module need beside them.
const FILES: u64 = CONNECTIONS_MAX as u64 + 512;

#[cfg(test)]
mod tests;
