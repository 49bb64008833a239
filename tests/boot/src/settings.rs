//! What a run is told.

use std::path::PathBuf;

/// Boots the measured image in QEMU's nitro-enclave machine, end to end.
#[derive(Debug, Clone, clap::Parser)]
pub struct Settings {
    /// The `mortise` command.
    #[arg(long)]
    pub mortise: PathBuf,
    /// The static `mortise-enclave`.
    #[arg(long)]
    pub binary: PathBuf,
    /// Folder of the kernel: vmlinuz, modules/.
    #[arg(long)]
    pub kernel: PathBuf,
    /// Folder of QEMU, as qemu.sh leaves it.
    #[arg(long)]
    pub cache: PathBuf,
    /// Folder of this run: images, key service, log, consoles. New, and kept.
    #[arg(long)]
    pub work: PathBuf,
    /// Locks that are committed before the kill.
    #[arg(long, default_value_t = 1000)]
    pub locks: u32,
    /// Leave out the machines that cannot serve.
    #[arg(long)]
    pub short: bool,
}

impl Settings {
    /// The folder of the engine that lives through the run.
    pub fn dir(&self) -> PathBuf {
        self.work.join("b")
    }

    /// The image of that engine.
    pub fn image(&self) -> PathBuf {
        self.dir().join("mortise.eif")
    }

    /// Another image, or folder, of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }
}
