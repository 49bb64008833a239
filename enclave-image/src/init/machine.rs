//! The system calls of the init, and the kernel that answers them.

use super::mounts::Mount;
use rustix::mount::MountFlags;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The system calls of the init. Tests replace the kernel. Each error is the kernel's.
pub trait Machine {
    fn mount(&self, mount: &Mount) -> io::Result<()>;

    /// The files of a folder, in any order.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;

    /// Loads a kernel module.
    ///
    /// # Errors
    /// `AlreadyExists` when the module is loaded or built in.
    fn load(&self, module: &Path) -> io::Result<()>;

    /// Reads a short file of the kernel.
    fn read(&self, file: &Path) -> io::Result<String>;

    /// Writes a setting of the kernel.
    ///
    /// # Errors
    /// `NotFound` when the kernel has no such setting.
    fn set(&self, file: &Path, value: &str) -> io::Result<()>;

    /// This machine's context id on vsock.
    fn local_cid(&self) -> io::Result<u32>;

    /// Memory that the kernel manages.
    fn memory_bytes(&self) -> u64;

    /// Raises the limit of open files of this process.
    fn raise_files(&self, count: u64) -> io::Result<()>;

    /// Forbids a dump of this process's memory, which holds keys.
    fn forbid_core_dumps(&self) -> io::Result<()>;

    fn sleep(&self, time: Duration);
}

/// The kernel that this process runs on.
#[derive(Debug, Clone, Copy)]
pub struct Kernel;

impl Machine for Kernel {
    fn mount(&self, mount: &Mount) -> io::Result<()> {
        let Mount { kind, target, can_hold_devices } = *mount;
        let devices = if can_hold_devices { MountFlags::empty() } else { MountFlags::NODEV };
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC | devices;
        Ok(rustix::mount::mount(kind, target, kind, flags, None)?)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    }

    fn load(&self, module: &Path) -> io::Result<()> {
        let is_plain = module.extension().is_some_and(|extension| extension == "ko");
        let flags = if is_plain { 0 } else { MODULE_INIT_COMPRESSED_FILE };
        Ok(rustix::system::finit_module(File::open(module)?, c"", flags)?)
    }

    fn read(&self, file: &Path) -> io::Result<String> {
        std::fs::read_to_string(file)
    }

    fn set(&self, file: &Path, value: &str) -> io::Result<()> {
        std::fs::OpenOptions::new().write(true).open(file)?.write_all(value.as_bytes())
    }

    fn local_cid(&self) -> io::Result<u32> {
        vsock::get_local_cid()
    }

    fn memory_bytes(&self) -> u64 {
        let info = rustix::system::sysinfo();
        info.totalram.saturating_mul(info.mem_unit.into())
    }

    fn raise_files(&self, count: u64) -> io::Result<()> {
        let (current, maximum) = (Some(count), Some(count));
        Ok(setrlimit(Resource::Nofile, Rlimit { current, maximum })?)
    }

    fn forbid_core_dumps(&self) -> io::Result<()> {
        Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Tells the kernel to decompress the module (Linux 5.17).
const MODULE_INIT_COMPRESSED_FILE: i32 = 4;
