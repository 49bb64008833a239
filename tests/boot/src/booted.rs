//! Runs, awaits and kills `mortise-dev image boot` as a process.

use crate::settings::Settings;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A boot that is not started yet.
pub struct Boot {
    command: Command,
    /// Seconds within which the engine must serve.
    timeout: &'static str,
    out: PathBuf,
    dir: PathBuf,
}

/// A running boot; stopped when dropped.
pub struct Booted {
    child: Child,
    dir: PathBuf,
    /// The report that it wrote when it was ready.
    pub report: Value,
}

/// A boot that ended by itself.
pub struct Ended {
    /// The exit status of the command.
    pub code: Option<i32>,
    /// Its JSON output.
    pub json: Value,
    /// Time from start to end.
    pub took: Duration,
}

/// Text of the log line of a stop.
const STOPS: &str = "the enclave stops";
/// Longest wait for a process. The command's own timeouts are shorter.
const WAIT_MAX: Duration = Duration::from_secs(660);

impl Boot {
    /// A boot of this image on this folder.
    pub fn of(settings: &Settings, dir: &Path, image: &Path) -> Self {
        let mut command = Command::new(&settings.mortise_dev);
        let out = dir.join("ready.json");
        command
            .args(["--json", "image", "boot", "--http", "0", "--cache"])
            .arg(&settings.cache)
            .arg("--dir")
            .arg(dir)
            .arg("--image")
            .arg(image)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self { command, timeout: "150", out, dir: dir.to_owned() }
    }

    /// Adds flags.
    pub fn with(mut self, flags: &[&str]) -> Self {
        self.command.args(flags);
        self
    }

    /// Sets the timeout until the engine serves.
    pub fn within(mut self, seconds: &'static str) -> Self {
        self.timeout = seconds;
        self
    }

    /// Starts it and waits until the engine serves.
    pub fn serving(mut self) -> Result<Booted, String> {
        // may exist from an earlier boot
        let _ = std::fs::remove_file(&self.out);
        self.command.args(["--timeout", self.timeout, "--config-out"]).arg(&self.out);
        self.command.stdout(Stdio::null()).stderr(Stdio::inherit());
        let mut child = self.command.spawn().map_err(text)?;
        let end = Instant::now() + WAIT_MAX;
        loop {
            let written = std::fs::read(&self.out).unwrap_or_default();
            if let Ok(report) = serde_json::from_slice(&written) {
                return Ok(Booted { child, report, dir: self.dir });
            }
            if let Some(status) = child.try_wait().map_err(text)? {
                return Err(format!("mortise-dev image boot ended: {status}"));
            }
            if Instant::now() > end {
                stop(&mut child);
                return Err("mortise-dev image boot neither serves nor ends".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts it and waits for its end. A boot that serves is an error.
    pub fn ends(mut self) -> Result<Ended, String> {
        let begun = Instant::now();
        self.command.args(["--timeout", self.timeout]);
        let child = self.command.spawn().map_err(text)?;
        let Output { status, stdout, stderr } = finished(child)?;
        let (took, code) = (begun.elapsed(), status.code());
        let json = serde_json::from_slice(&stdout).map_err(|error| {
            let stderr_text = String::from_utf8_lossy(&stderr);
            format!("{error} in its answer, {status}: {stderr_text}")
        })?;
        Ok(Ended { code, json, took })
    }
}

impl Ended {
    /// Requires that it failed with this error name of the enclave or the engine.
    pub fn by_name(&self, name: &str) -> Result<String, String> {
        let evidence = &self.json["error"]["evidence"];
        let found = evidence["stop"]["name"].as_str().or(evidence["fault"].as_str());
        match (self.code, found) {
            (Some(1), Some(found)) if found == name => {
                Ok(format!("{name} after {:.1} s", self.took.as_secs_f64()))
            }
            _ => Err(format!("{name} expected, exit status {:?}: {:#}", self.code, self.json)),
        }
    }

    /// A text of the evidence.
    pub fn evidence(&self, name: &str) -> &str {
        self.json["error"]["evidence"][name].as_str().unwrap_or_default()
    }

    /// The text of the failure.
    pub fn message(&self) -> &str {
        self.json["error"]["message"].as_str().unwrap_or_default()
    }
}

impl Booted {
    /// A text of the report.
    pub fn text(&self, name: &str) -> Result<&str, String> {
        self.report[name].as_str().ok_or_else(|| format!("no {name} in {:#}", self.report))
    }

    /// Kills the machine (SIGKILL) and waits until the command reports it and stops the rest.
    pub fn kill_machine(mut self) -> Result<(), String> {
        let pid = self.report["machinePid"].as_u64().ok_or("no machinePid")?;
        signal(pid, "KILL")?;
        let end = Instant::now() + WAIT_MAX;
        loop {
            match self.child.try_wait().map_err(text)? {
                Some(status) if status.code() == Some(1) => return Ok(()),
                Some(status) => return Err(format!("after the kill of its machine: {status}")),
                None if Instant::now() > end => {
                    return Err("the command does not notice that its machine died".into());
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Waits until the machine ends with this error name, at most `time_max`.
    pub fn ends_by(mut self, name: &str, time_max: Duration) -> Result<String, String> {
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().map_err(text)? {
                Some(status) => break status,
                None if begun.elapsed() > time_max => {
                    return Err(format!("{name} expected, still running after {time_max:?}"));
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let console = std::fs::read(self.dir.join("console.log")).map_err(text)?;
        let console = String::from_utf8_lossy(&console);
        let stop = console.lines().rev().find(|line| line.contains(STOPS)).unwrap_or_default();
        match (status.code(), stop.contains(&format!("\"name\":\"{name}\""))) {
            (Some(1), true) => Ok(format!("{name} after {:.1} s", begun.elapsed().as_secs_f64())),
            _ => Err(format!("{name} expected, {status}: {stop}")),
        }
    }

    /// Stops it as Ctrl-C does.
    pub fn stop(mut self) -> Result<(), String> {
        match stop(&mut self.child) {
            Some(0) => Ok(()),
            code => Err(format!("after Ctrl-C: exit status {code:?}")),
        }
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Asks a process to stop and waits; kills one that does not.
fn stop(child: &mut Child) -> Option<i32> {
    if let Ok(Some(status)) = child.try_wait() {
        return status.code();
    }
    let _ = signal(u64::from(child.id()), "INT");
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        if let Ok(Some(status)) = child.try_wait() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    child.wait().ok()?.code()
}

/// Sends a signal.
pub fn signal(pid: u64, name: &str) -> Result<(), String> {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    match sent.map_err(text)?.success() {
        true => Ok(()),
        false => Err(format!("process {pid} is gone")),
    }
}

/// Waits for the end of a process whose output is small.
fn finished(mut child: Child) -> Result<Output, String> {
    let end = Instant::now() + WAIT_MAX;
    while child.try_wait().map_err(text)?.is_none() {
        if Instant::now() > end {
            stop(&mut child);
            return Err("mortise-dev image boot does not end".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().map_err(text)
}

/// Runs the command to its end: exit status, stdout, stderr.
pub fn mortise(settings: &Settings, args: &[&str]) -> Result<(Option<i32>, Value, String), String> {
    run(&settings.mortise, settings, args)
}

/// Runs a program to its end: exit status, stdout, stderr.
pub fn run(
    program: &Path,
    settings: &Settings,
    args: &[&str],
) -> Result<(Option<i32>, Value, String), String> {
    let mut command = Command::new(program);
    command.arg("--json").args(args).env("MORTISE_CACHE", &settings.cache);
    let output = command.output().map_err(text)?;
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Ok((output.status.code(), json, String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// An error as text.
pub fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
