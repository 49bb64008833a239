//! The report of a boot when the engine is ready, with the figures of its lock.

use mortise_format::ids::{Address, EngineId, LockId, to_checksum};
use mortise_format::insecure_mode::InsecureMode;
use serde::Serialize;
use std::path::PathBuf;

/// A machine with a ready engine.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// URL of the gateway.
    pub url: String,
    /// Address of the vsock, for a client without the gateway.
    pub vsock: String,
    pub engine_id: EngineId,
    /// Address of its signing key.
    pub engine_address: Address,
    /// Epoch of this boot.
    pub epoch: u64,
    /// Insecure mode of the engine.
    pub mode: String,
    /// The registers, computed from the image file.
    pub pcr0: String,
    pub pcr1: String,
    pub pcr2: String,
    /// Time from the start of the machine until the engine was ready.
    pub boot_ms: u64,
    /// Memory and processors of the machine.
    pub memory_mib: u32,
    pub cpus: u32,
    /// Peak memory of QEMU, including the memory of the guest.
    pub machine_kib_max: Option<u64>,
    pub machine_pid: Option<u32>,
    pub host_pid: Option<u32>,
    pub console: PathBuf,
    pub kms_trail: PathBuf,
    /// The lock of --demo-lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockFigures>,
}

/// The figures of a lock.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LockFigures {
    pub lock_id: LockId,
    /// The insecure mode of its promise, which binds no one.
    pub mode: InsecureMode,
    /// Time for nonce, signature, commit, durable answer and checks.
    pub commit_ms: f64,
}

impl Report {
    /// The text for people.
    pub fn text(&self) -> String {
        let seconds = std::time::Duration::from_millis(self.boot_ms).as_secs_f64();
        let held = self
            .machine_kib_max
            .map_or_else(|| String::from("unknown"), |kib| format!("{} MiB", kib / 1024));
        let mut lines = vec![
            ("endpoint", self.url.clone()),
            ("vsock", self.vsock.clone()),
            ("engine id", self.engine_id.to_string()),
            ("engine key", to_checksum(&self.engine_address)),
            ("epoch", self.epoch.to_string()),
            ("mode", format!("{} - never trust: its documents are unsigned", self.mode)),
            ("pcr0", self.pcr0.clone()),
            ("console", self.console.display().to_string()),
            (
                "boot",
                format!("{seconds:.1} s from the start of the machine until the engine was ready"),
            ),
            ("memory", format!("{} MiB in the machine, {held} peak on this host", self.memory_mib)),
        ];
        if let Some(lock) = &self.lock {
            lines.push(("lock", format!("{} ({}: binds no one)", lock.lock_id, lock.mode)));
            lines.push(("commit", format!("{:.1} ms", lock.commit_ms)));
        }
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        lines.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
    }
}
