//! What a boot says when the engine serves, and what its lock took.

use mortise_format::ids::{Address, EngineId, LockId, to_checksum};
use mortise_format::insecure_mode::InsecureMode;
use serde::Serialize;
use std::path::PathBuf;

/// A machine that serves.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// The gateway.
    pub url: String,
    /// The vsock, for a client without the gateway.
    pub vsock: String,
    /// The engine.
    pub engine_id: EngineId,
    /// Its address.
    pub engine_address: Address,
    /// This boot.
    pub epoch: u64,
    /// What backs its key; nothing here.
    pub mode: String,
    /// The registers, as computed from the file.
    pub pcr0: String,
    pub pcr1: String,
    pub pcr2: String,
    /// From the start of the machine until the engine served.
    pub boot_ms: u64,
    /// What the machine was given.
    pub memory_mib: u32,
    pub cpus: u32,
    /// Most that QEMU held until now, the guest's memory included.
    pub machine_kib_max: Option<u64>,
    /// Process ids.
    pub machine_pid: Option<u32>,
    pub host_pid: Option<u32>,
    /// Files.
    pub console: PathBuf,
    pub kms_trail: PathBuf,
    /// The lock, when one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockFigures>,
}

/// What a lock through the machine took.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LockFigures {
    /// Which.
    pub lock_id: LockId,
    /// The insecure mode of its promise, which binds no one.
    pub mode: InsecureMode,
    /// Nonce, signature, commit, durable answer, checks.
    pub commit_ms: f64,
}

impl Report {
    /// The text for people.
    pub fn text(&self) -> String {
        let seconds = std::time::Duration::from_millis(self.boot_ms).as_secs_f64();
        let held = self.machine_kib_max.map_or_else(
            || String::from("unknown"),
            |kib| format!("{} MiB of this machine's", kib / 1024),
        );
        let mut lines = vec![
            ("endpoint", self.url.clone()),
            ("vsock", self.vsock.clone()),
            ("engine id", self.engine_id.to_string()),
            ("engine key", to_checksum(&self.engine_address)),
            ("epoch", self.epoch.to_string()),
            ("mode", format!("{} - never trust: its documents are unsigned", self.mode)),
            ("pcr0", self.pcr0.clone()),
            ("console", self.console.display().to_string()),
            ("boot", format!("{seconds:.1} s from the start of the machine until it served")),
            ("memory", format!("{} MiB given, at most {held} used", self.memory_mib)),
        ];
        if let Some(lock) = &self.lock {
            lines.push(("lock", format!("{} ({}: binds no one)", lock.lock_id, lock.mode)));
            lines.push(("commit", format!("{:.1} ms", lock.commit_ms)));
        }
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        lines.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
    }
}
