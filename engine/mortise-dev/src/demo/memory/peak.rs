//! The largest resident memory of a process, as the kernel keeps it.

use mortise_cli::failure::Failure;
use std::fs;

/// A process whose peak is watched.
#[derive(Debug)]
pub(super) struct Peak {
    process: u32,
    at_rest: usize,
}

impl Peak {
    /// The process as it is now, at rest.
    pub fn of(process: u32) -> Result<Self, Failure> {
        let ended = || Failure::check("a process ended before it was measured");
        let at_rest = field(process, "VmRSS:").ok_or_else(ended)?;
        Ok(Self { process, at_rest })
    }

    pub fn process(&self) -> u32 {
        self.process
    }

    /// Resident memory before the first row, bytes.
    pub fn at_rest(&self) -> usize {
        self.at_rest
    }

    /// Forgets the peak so far (proc_pid_clear_refs(5)). Without the right to it, the peak is that
    /// of all rows.
    pub fn reset(&self) {
        let _ = fs::write(format!("/proc/{}/clear_refs", self.process), "5");
    }

    /// The peak since, bytes; 0 if the process ended.
    pub fn bytes(&self) -> usize {
        field(self.process, "VmHWM:").unwrap_or(0)
    }
}

/// A field of proc_pid_status(5), in bytes.
fn field(process: u32, name: &str) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok().map(|kib| kib * 1024)
}
