//! The options of a run.

use std::path::PathBuf;

/// Boots the measured image in QEMU's nitro-enclave machine, end to end.
#[derive(Debug, Clone, clap::Parser)]
pub struct Settings {
    /// The `mortise` command.
    #[arg(long)]
    pub mortise: PathBuf,
    /// The `mortise-dev` command.
    #[arg(long)]
    pub mortise_dev: PathBuf,
    /// The static `mortise-enclave`.
    #[arg(long)]
    pub binary: PathBuf,
    /// The static `mortise-boot-init`; for the machines that cannot serve.
    #[arg(long, required_unless_present = "short")]
    pub init: Option<PathBuf>,
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
    /// Only the cases that others build on, and those with this in their names.
    #[arg(long, value_name = "WORD")]
    pub only: Option<String>,
}

impl Settings {
    /// Whether to run a case. Cases that others build on always run.
    pub fn is_wanted(&self, name: &str) -> bool {
        let is_base = name.starts_with("image_of") || name.starts_with("image_serves");
        is_base || self.only.as_ref().is_none_or(|word| name.contains(word.as_str()))
    }

    /// The folder of the engine that serves during the run.
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
