//! Host and engine as real processes of the `mortise` command, to be killed.

use super::{TIMEOUT, eventually};
use serde_json::Value;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// One process that prints notices on stdout, and stops when its stdin is closed.
#[derive(Debug)]
struct Process {
    child: Child,
    notices: Receiver<Value>,
}

impl Process {
    fn start(program: &Path, args: &[OsString]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("stdout is piped");
        let (sender, notices) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(notice) = serde_json::from_str(&line) else { continue };
                if sender.send(notice).is_err() {
                    return;
                }
            }
        });
        Self { child, notices }
    }

    /// Waits for this event and returns its notice.
    fn wait_for(&self, event: &str) -> Value {
        loop {
            let notice = self.notices.recv_timeout(TIMEOUT);
            let notice = notice.unwrap_or_else(|_| panic!("the process never printed {event}"));
            assert_ne!(notice["event"], "failed", "{notice}");
            if notice["event"] == event {
                return notice;
            }
        }
    }

    fn kill(mut self) {
        self.child.kill().expect("a process of ours can be killed");
        self.child.wait().expect("a process of ours ends");
    }

    fn wait(&mut self) -> ExitStatus {
        eventually("the end of a process", || {
            self.child.try_wait().expect("a process of ours can be waited for")
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both processes on a folder of their own.
#[derive(Debug)]
pub struct Processes {
    program: PathBuf,
    engine: Option<Process>,
    host: Option<Process>,
    http: String,
    // Dropped last: it has the sockets.
    folder: tempfile::TempDir,
}

impl Processes {
    /// Running processes of this `mortise` program, with the genesis of [`super::genesis`].
    ///
    /// # Panics
    /// When they do not start; so do all functions here when the processes are not as expected.
    pub fn start(program: impl Into<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("the system gives a folder");
        let genesis = mortise_rpc::genesis::print(&super::genesis());
        std::fs::write(folder.path().join("genesis.json"), genesis).expect("the folder takes it");
        let (program, http) = (program.into(), String::new());
        let mut processes = Self { program, engine: None, host: None, http, folder };
        processes.start_host();
        processes.start_engine();
        processes
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn unix(&self, name: &str) -> OsString {
        let mut address = OsString::from("unix:");
        address.push(self.path(name));
        address
    }

    /// The socket of the engine's request port.
    pub fn engine_socket(&self) -> PathBuf {
        self.path("engine.sock")
    }

    /// The gateway's URL.
    pub fn http(&self) -> &str {
        &self.http
    }

    /// Starts the host and waits until it listens.
    pub fn start_host(&mut self) {
        let args = [
            "dev-host".into(),
            "--data-dir".into(),
            self.path("store").into(),
            "--listen-store".into(),
            self.unix("store.sock"),
            "--engine".into(),
            self.unix("engine.sock"),
            "--http".into(),
            "0".into(),
            "--log".into(),
            "off".into(),
        ];
        let host = Process::start(&self.program, &args);
        let ready = host.wait_for("hostReady");
        self.http = ready["http"].as_str().expect("the host names its gateway").to_owned();
        self.host = Some(host);
    }

    /// Starts the engine and waits until it serves.
    pub fn start_engine(&mut self) {
        let args = [
            "dev-engine".into(),
            "--listen".into(),
            self.unix("engine.sock"),
            "--store".into(),
            self.unix("store.sock"),
            "--vault".into(),
            self.path("vault.key").into(),
            "--genesis".into(),
            self.path("genesis.json").into(),
            "--log".into(),
            "off".into(),
        ];
        let engine = Process::start(&self.program, &args);
        engine.wait_for("engineReady");
        self.engine = Some(engine);
    }

    /// Kills the engine with SIGKILL.
    pub fn kill_engine(&mut self) {
        self.engine.take().expect("the engine runs").kill();
    }

    /// Kills the host with SIGKILL.
    pub fn kill_host(&mut self) {
        self.host.take().expect("the host runs").kill();
    }

    /// Waits until the engine has ended by itself.
    pub fn engine_ended(&mut self) -> ExitStatus {
        self.engine.take().expect("the engine was started").wait()
    }
}
