//! The file systems of an enclave: the kernel's own three, and nothing that can be written to.

use super::{InitError, Machine};

/// A file system to mount: never with set-user-id, never with programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mount {
    /// Its type, which also stands for the device.
    pub kind: &'static str,
    /// A folder of the image.
    pub target: &'static str,
    /// Device files in it work.
    pub can_hold_devices: bool,
}

/// In this order. There is no `/tmp` and no `/run`: nothing here writes a file.
pub const MOUNTS: [Mount; 3] = [
    Mount { kind: "devtmpfs", target: "/dev", can_hold_devices: true },
    Mount { kind: "proc", target: "/proc", can_hold_devices: false },
    Mount { kind: "sysfs", target: "/sys", can_hold_devices: false },
];

/// Mounts them; what the kernel has mounted already stays.
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
