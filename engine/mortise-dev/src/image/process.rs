//! A program of the machine: runs in its own process group, and ends with this process.

use mortise_cli::failure::Failure;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::process::{Child, Command};

/// A running program.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program with its output in a file. A Ctrl-C reaches only this process, which stops
    /// the programs in order. If this process is killed, the kernel kills them
    /// (`setpriv --pdeathsig`, where the system has it).
    pub fn start(program: &Path, args: &[OsString], log: &Path) -> Result<Self, Failure> {
        let named = |error: std::io::Error| {
            Failure::system(format!("cannot start {}: {error}", program.display()))
        };
        let out = File::create(log).map_err(named)?;
        let mut command = match setpriv() {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let child = command
            .args(args)
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(named)?)
            .stderr(out)
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        Ok(Self { child: child.map_err(named)?, log: log.to_owned() })
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end. Cancel-safe.
    pub async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Kills it and waits for its end.
    pub async fn kill(&mut self) {
        // an error means that it has exited
        let _ = self.child.kill().await;
    }

    /// What it printed.
    pub fn printed(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    /// Peak memory, KiB.
    pub fn memory_kib_max(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    }
}

fn setpriv() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("setpriv")).find(|file| file.is_file())
}
