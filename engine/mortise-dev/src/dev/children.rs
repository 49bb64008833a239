//! Child processes: starts this binary again, reads its notices, stops it in order.

use super::notice::Notice;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};

/// A child process.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    /// Open while the child must run; waiting on the process would close it.
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Settings of glibc's allocator, as in the unit of the host: large buffers go back to the system
/// when they are freed, and threads share two arenas. Without them what is freed stays resident.
const HOST_ALLOCATOR: [(&str, &str); 2] =
    [("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_ARENA_MAX", "2")];

/// Timeout for a child to stop in order.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

impl Child {
    /// Starts this binary with a hidden subcommand, in a process group of its own, so that a
    /// Ctrl-C reaches the parent alone, which stops the children in order.
    pub fn start(args: &[OsString]) -> std::io::Result<Self> {
        Self::start_with(args, &[])
    }

    /// The same for a host, with the settings of its unit.
    pub fn start_host(args: &[OsString]) -> std::io::Result<Self> {
        Self::start_with(args, &HOST_ALLOCATOR)
    }

    fn start_with(args: &[OsString], envs: &[(&str, &str)]) -> std::io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(args)
            .envs(envs.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
        let stdin = process.stdin.take();
        Ok(Self { process, stdin, lines: BufReader::new(stdout).lines() })
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// True while it runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Its next notice; `None` after it closed its output.
    pub async fn notice(&mut self) -> Option<Notice> {
        while let Ok(Some(line)) = self.lines.next_line().await {
            if let Ok(notice) = serde_json::from_str(&line) {
                return Some(notice);
            }
        }
        None
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Stops its threads (SIGSTOP) until [`Child::go_on`].
    pub fn pause(&self) -> std::io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after [`Child::pause`] (SIGCONT).
    pub fn go_on(&self) -> std::io::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> std::io::Result<()> {
        let id = self.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(kill_process(id.ok_or(std::io::ErrorKind::NotFound)?, signal)?)
    }

    /// Kills it (SIGKILL) and waits for its end. It finishes nothing.
    pub async fn kill(&mut self) -> std::io::Result<()> {
        self.process.kill().await
    }

    /// Asks it to stop by closing its stdin, and waits; a child that does not stop is killed.
    pub async fn stop(&mut self) {
        drop(self.stdin.take());
        if tokio::time::timeout(STOP_TIMEOUT, self.process.wait()).await.is_err() {
            let _ = self.process.kill().await;
        }
    }
}
