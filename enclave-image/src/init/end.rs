//! The end of the machine.
//!
//! A restart is asked for, as the init of Amazon's images does it, and not a power-off: a machine
//! without the means to switch itself off - a Nitro enclave, a small virtual machine - would halt
//! and stay. An enclave is not started again by a restart; it is gone, and the parent decides. The
//! same holds for QEMU with `-no-reboot`.

use rustix::system::{RebootCommand, reboot};

/// Ends the machine. Nothing is synced: there is no disk.
pub fn end(exit: u8) -> ! {
    // Only a process that is not the first, or may not, is refused; for the first one its own end
    // is a panic of the kernel, which restarts by the command line (`panic=`).
    let _ = reboot(RebootCommand::Restart);
    std::process::exit(exit.into())
}
