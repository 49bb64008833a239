//! A folder with its processes, and the steps of the demonstration.

use crate::demo::line::Line;
use crate::demo::processes::{Processes, Started, Victim};
use crate::demo::requests::LoadRequests;
use mortise_cli::failure::Failure;
use mortise_client::{Client, Endpoint, SignedStatementView, Signer};
use mortise_verify::fork::{self, ForkEvidence, ForkLeaves, ForkRule};
use mortise_verify::{Engine, json, statement};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Frames between two snapshots; large enough that a run takes none.
const SNAPSHOT_FRAMES: u64 = 4096;
/// Timeout of a request while the host is frozen.
const SILENCE: Duration = Duration::from_secs(1);
/// Timeout for an engine to become ready or to fault.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between two health checks.
const LOOK: Duration = Duration::from_millis(50);
/// Maximum number of locks until two statements contradict each other.
const LOCKS_MAX: usize = 32;

/// A folder and its processes.
pub(super) struct Stage {
    processes: Processes,
    owner: Signer,
    nonce: u64,
    ids: u64,
}

impl Stage {
    /// Prepares an engine with durability `stored`.
    pub async fn stored(root: &Path) -> Result<Self, Failure> {
        Ok(Self::of(Processes::on(root, SNAPSHOT_FRAMES)?))
    }

    /// Prepares an engine with witnesses.
    pub async fn witnessed(root: &Path) -> Result<Self, Failure> {
        Ok(Self::of(Processes::witnessed(root, SNAPSHOT_FRAMES).await?))
    }

    fn of(processes: Processes) -> Self {
        Self { processes, owner: Signer::random(), nonce: 0, ids: 0 }
    }

    /// Prepares a second engine on a copy of this folder, while the first runs.
    pub fn beside(&self, root: &Path) -> Result<Self, Failure> {
        copy_all(self.processes.root(), root)?;
        Ok(Self::of(self.processes.beside(root)?))
    }

    /// Starts host and engine and waits until the engine is ready.
    pub async fn start(&mut self) -> Result<(), Failure> {
        self.processes.start_host().await?;
        self.processes.start_engine()?;
        match self.processes.ready().await? {
            Started::Ready => Ok(()),
            Started::Restart => Err(Failure::check("the engine exited during its start")),
        }
    }

    /// Starts both and waits for the named fault.
    pub async fn start_refused(&mut self, expected: &str) -> Result<String, Failure> {
        self.processes.start_host().await?;
        self.processes.start_engine()?;
        self.fault(expected).await
    }

    /// Waits for the named fault.
    pub async fn fault(&self, expected: &str) -> Result<String, Failure> {
        let begun = Instant::now();
        while begun.elapsed() < TIMEOUT {
            if let Ok(health) = self.client().health().await {
                match (health.phase.as_str(), health.fault) {
                    ("fault", Some(name)) if name == expected => return Ok(name),
                    ("fault", name) => {
                        let wrong = format!("the fault is {name:?}, not {expected}");
                        return Err(Failure::check(wrong));
                    }
                    ("ready", _) if expected != "FENCED" => {
                        return Err(Failure::check("the engine serves, but must refuse"));
                    }
                    _ => {}
                }
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Failure::check("the engine neither becomes ready nor reports a fault"))
    }

    /// Stops host and engine in order.
    pub async fn quit(&mut self) {
        self.processes.stop().await;
    }

    /// Stops everything.
    pub async fn stop(&mut self) {
        self.processes.stop_all().await;
    }

    fn client(&self) -> Client {
        Client::new(Endpoint::Stream(self.processes.address()))
    }

    pub async fn engine(&self) -> Result<Engine, Failure> {
        Ok(self.client().identity().await?.engine())
    }

    async fn request(&mut self) -> Result<bytes::Bytes, Failure> {
        let identity = self.client().identity().await?;
        self.ids += 1;
        let mut requests = LoadRequests::new(identity, self.ids << 20);
        let commit = requests.commit(&self.owner, self.nonce, 1000);
        self.nonce += 1;
        Ok(commit.bytes)
    }

    async fn ask(&self, request: &[u8]) -> Result<Value, Failure> {
        let answer = Line::new(self.processes.address()).ask(request).await;
        serde_json::from_slice(&answer.map_err(Failure::system)?).map_err(Failure::system)
    }

    /// Commits a lock that must be granted.
    pub async fn commit(&mut self) -> Result<(), Failure> {
        let request = self.request().await?;
        let answer = self.ask(&request).await?;
        match answer["error"].is_null() {
            true => Ok(()),
            false => Err(Failure::check(format!("a lock was rejected: {}", answer["error"]))),
        }
    }

    /// Requests a lock that must not be granted. Returns the name of the error.
    pub async fn commit_refused(&mut self) -> Result<String, Failure> {
        let request = self.request().await?;
        let answer = self.ask(&request).await?;
        let name = answer["error"]["data"]["name"].as_str();
        name.map(str::to_owned)
            .ok_or_else(|| Failure::check(format!("both engines grant locks: {answer}")))
    }

    /// Requests a lock while the host is frozen, then kills both.
    pub async fn commit_on_frozen_host(&mut self) -> Result<String, Failure> {
        let request = self.request().await?;
        let host = self.processes.host_id().ok_or_else(|| Failure::check("no host runs"))?;
        let frozen = std::process::Command::new("kill").args(["-STOP", &host.to_string()]).status();
        if !frozen.map_err(Failure::system)?.success() {
            return Err(Failure::check("the host cannot be frozen"));
        }
        let answer = tokio::time::timeout(SILENCE, self.ask(&request)).await;
        self.processes.kill(Victim::Engine).await?;
        self.processes.kill(Victim::Host).await?;
        match answer {
            Err(_) => Ok(String::from("no answer")),
            Ok(answer) => {
                Err(Failure::check(format!("the engine answered without an ack: {answer:?}")))
            }
        }
    }

    /// The newest statement.
    pub async fn newest(&self) -> Result<SignedStatementView, Failure> {
        Ok(self.client().check_root().await?)
    }

    /// The rule that two statements break together, if they contradict each other.
    pub async fn contradiction(
        &self,
        kept: &SignedStatementView,
        now: &SignedStatementView,
    ) -> Result<Option<ForkRule>, Failure> {
        let engine = self.engine().await?;
        let verified = |signed: &SignedStatementView| {
            statement::verify(&engine, &input(signed)?).map_err(Failure::check)
        };
        Ok(fork::between(&verified(kept)?, &verified(now)?))
    }

    /// Commits locks until a statement contradicts the kept one. Returns a text and the evidence.
    pub async fn evidence(
        &mut self,
        kept: &SignedStatementView,
    ) -> Result<(String, Value), Failure> {
        for _ in 0..LOCKS_MAX {
            let now = self.newest().await?;
            if self.contradiction(kept, &now).await?.is_some() {
                return self.proven(kept, &now).await;
            }
            self.commit().await?;
        }
        Err(Failure::check("no statement of the rewound engine contradicts the kept one"))
    }

    async fn proven(
        &self,
        kept: &SignedStatementView,
        now: &SignedStatementView,
    ) -> Result<(String, Value), Failure> {
        let (first, second) = (input(kept)?, input(now)?);
        let evidence = ForkEvidence { first, second, leaves: ForkLeaves::None };
        let engine = self.engine().await?;
        let verified = fork::verify(&engine, &evidence).map_err(Failure::check)?;
        let view = serde_json::to_value(json::fork_view(&evidence)).map_err(Failure::system)?;
        Ok((
            format!("a newer answer that a client kept proves the rollback: {:?}", verified.rule()),
            view,
        ))
    }

    /// Copies the store to a folder next to it.
    pub fn copy(&self, name: &str) -> Result<PathBuf, Failure> {
        let root = self.processes.root();
        let to = root.with_extension(name);
        copy_all(&root.join("store"), &to)?;
        Ok(to)
    }

    /// Replaces the store with a copy.
    pub fn put_back(&self, copy: &Path) -> Result<(), Failure> {
        let store = self.processes.root().join("store");
        fs::remove_dir_all(&store).map_err(Failure::system)?;
        copy_all(copy, &store)
    }
}

fn input(signed: &SignedStatementView) -> Result<statement::SignedStatement, Failure> {
    json::statement(&signed.statement, signed.signature).map_err(Failure::check)
}

/// Copies a folder with its subfolders, except `witnesses`.
pub(in crate::demo) fn copy_all(from: &Path, to: &Path) -> Result<(), Failure> {
    let mut open = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = open.pop() {
        fs::create_dir_all(&to).map_err(Failure::system)?;
        for entry in fs::read_dir(&from).map_err(Failure::system)? {
            let entry = entry.map_err(Failure::system)?;
            let (kind, target) = (entry.file_type().map_err(Failure::system)?, entry.file_name());
            if kind.is_dir() && target != "witnesses" {
                open.push((entry.path(), to.join(target)));
            } else if kind.is_file() {
                fs::copy(entry.path(), to.join(target)).map_err(Failure::system)?;
            }
        }
    }
    Ok(())
}
