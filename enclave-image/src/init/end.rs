//! Ends the machine.
//!
//! It requests a restart, as the init of Amazon's images does, and not a power-off: a machine that
//! cannot switch itself off (a Nitro enclave, a small virtual machine) would halt and stay. A
//! restart ends an enclave for good, and the parent decides whether to start another one. The same
//! holds for QEMU with `-no-reboot`.

use rustix::system::{RebootCommand, reboot};

/// Ends the machine without a sync: there is no disk.
pub fn end(exit: u8) -> ! {
    // The kernel refuses the restart only to a process that lacks the right. When the first process
    // exits, the kernel panics and restarts, as its command line says (`panic=`).
    let _ = reboot(RebootCommand::Restart);
    std::process::exit(exit.into())
}
