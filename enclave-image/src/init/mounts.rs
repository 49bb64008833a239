//! The file systems of an enclave: the kernel's own three and no writable one.

use super::{InitError, Machine};

/// A file system to mount, always with `nosuid` and `noexec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mount {
    /// Its type, which is also passed as the device.
    pub kind: &'static str,
    pub target: &'static str,
    /// Mounted without `nodev`.
    pub can_hold_devices: bool,
}

/// The mounts, in order. `/tmp` and `/run` are missing because the binary writes no file.
pub const MOUNTS: [Mount; 3] = [
    Mount { kind: "devtmpfs", target: "/dev", can_hold_devices: true },
    Mount { kind: "proc", target: "/proc", can_hold_devices: false },
    Mount { kind: "sysfs", target: "/sys", can_hold_devices: false },
];

/// Mounts all file systems. One that the kernel has mounted already is not an error.
pub(super) fn mount_all(machine: &dyn Machine) -> Result<(), InitError> {
    for mount in &MOUNTS {
        match machine.mount(mount) {
            Err(error) if error.kind() != std::io::ErrorKind::ResourceBusy => {
                return Err(InitError::Mount { target: mount.target, error });
            }
            _ => {}
        }
    }
    Ok(())
}
