//! Memory of the two processes, sampled while a row runs.

use crate::demo::processes::Processes;
use mortise_cli::failure::Failure;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Time between two samples.
const EVERY: Duration = Duration::from_millis(50);

pub(super) struct Memory {
    engine: Grown,
    host: Grown,
    sampler: JoinHandle<()>,
}

/// Resident memory of a process: at the begin, and the most since, in KiB.
#[derive(Clone)]
struct Grown {
    process: u32,
    first: u64,
    most: Arc<AtomicU64>,
}

impl Memory {
    pub fn watch(processes: &Processes) -> Result<Self, Failure> {
        let ended = || Failure::check("a process ended before the row began");
        let engine = Grown::of(processes.engine_id().ok_or_else(ended)?);
        let host = Grown::of(processes.host_id().ok_or_else(ended)?);
        let sampled = [engine.clone(), host.clone()];
        let sampler = tokio::spawn(async move {
            loop {
                sampled.iter().for_each(Grown::sample);
                tokio::time::sleep(EVERY).await;
            }
        });
        Ok(Self { engine, host, sampler })
    }

    /// Growth of engine and host since the begin, in MiB.
    pub fn grown_mib(&self) -> (u64, u64) {
        (self.engine.mib(), self.host.mib())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.sampler.abort();
    }
}

impl Grown {
    fn of(process: u32) -> Self {
        let first = resident_kib(process).unwrap_or(0);
        Self { process, first, most: Arc::new(AtomicU64::new(first)) }
    }

    fn sample(&self) {
        if let Some(now) = resident_kib(self.process) {
            self.most.fetch_max(now, Ordering::Relaxed);
        }
    }

    fn mib(&self) -> u64 {
        self.most.load(Ordering::Relaxed).saturating_sub(self.first) / 1024
    }
}

/// `VmRSS` of a process (proc_pid_status(5)); `None` if it ended.
fn resident_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
