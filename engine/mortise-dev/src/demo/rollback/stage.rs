//! A folder with its processes, and what is done to both.

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

/// Frames between two snapshots: none is taken in a run.
const SNAPSHOT_FRAMES: u64 = 4096;
/// How long a frozen host is waited for.
const SILENCE: Duration = Duration::from_secs(1);
/// How long an engine may take to find out what it is.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Rest between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Most locks that it may take until two statements contradict each other.
const LOCKS_MAX: usize = 32;

/// A folder and its processes.
pub(super) struct Stage {
    processes: Processes,
    owner: Signer,
    nonce: u64,
    ids: u64,
}

impl Stage {
    /// An engine in durability `stored`.
    pub async fn stored(root: &Path) -> Result<Self, Failure> {
        Ok(Self::of(Processes::on(root, SNAPSHOT_FRAMES)?))
    }

    /// An engine under witnesses.
    pub async fn witnessed(root: &Path) -> Result<Self, Failure> {
        Ok(Self::of(Processes::witnessed(root, SNAPSHOT_FRAMES).await?))
    }

    fn of(processes: Processes) -> Self {
        Self { processes, owner: Signer::random(), nonce: 0, ids: 0 }
    }

    /// A second engine on a copy of this folder as it is, while the first runs.
    pub fn beside(&self, root: &Path) -> Result<Self, Failure> {
        copy_all(self.processes.root(), root)?;
        Ok(Self::of(self.processes.beside(root)?))
    }

    /// Starts host and engine and waits until the engine serves.
    pub async fn start(&mut self) -> Result<(), Failure> {
        self.processes.start_host().await?;
        self.processes.start_engine()?;
        match self.processes.ready().await? {
            Started::Ready => Ok(()),
            Started::Again => Err(Failure::check("the engine ended while it started")),
        }
    }

    /// Starts both and waits until the engine says that it will not serve.
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
                        return Err(Failure::check("it serves, and must not"));
                    }
                    _ => {}
                }
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Failure::check("the engine neither serves nor says why not"))
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

    /// Commits a lock that is granted.
    pub async fn commit(&mut self) -> Result<(), Failure> {
        let request = self.request().await?;
        let answer = self.ask(&request).await?;
        match answer["error"].is_null() {
            true => Ok(()),
            false => Err(Failure::check(format!("a lock was refused: {}", answer["error"]))),
        }
    }

    /// Asks for a lock that must not be granted: the name of the refusal.
    pub async fn commit_refused(&mut self) -> Result<String, Failure> {
        let request = self.request().await?;
        let answer = self.ask(&request).await?;
        let name = answer["error"]["data"]["name"].as_str();
        name.map(str::to_owned)
            .ok_or_else(|| Failure::check(format!("a second engine acks too: {answer}")))
    }

    /// Asks for a lock of an engine whose host does not answer any more, then kills both.
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
            Ok(answer) => Err(Failure::check(format!("it answered without an ack: {answer:?}"))),
        }
    }

    /// The newest statement.
    pub async fn newest(&self) -> Result<SignedStatementView, Failure> {
        Ok(self.client().check_root().await?)
    }

    /// What two statements contradict each other in, if they do.
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

    /// Goes on until a new statement contradicts the kept one: what it shows, and the file.
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
        Err(Failure::check("the rewound engine contradicts nothing that was kept"))
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
        Ok((format!("a client's newer answer proves it: {:?}", verified.rule()), view))
    }

    /// A copy of the store, beside the folder.
    pub fn copy(&self, name: &str) -> Result<PathBuf, Failure> {
        let root = self.processes.root();
        let to = root.with_extension(name);
        copy_all(&root.join("store"), &to)?;
        Ok(to)
    }

    /// Replaces the store by a copy.
    pub fn put_back(&self, copy: &Path) -> Result<(), Failure> {
        let store = self.processes.root().join("store");
        fs::remove_dir_all(&store).map_err(Failure::system)?;
        copy_all(copy, &store)
    }
}

fn input(signed: &SignedStatementView) -> Result<statement::SignedStatement, Failure> {
    json::statement(&signed.statement, signed.signature).map_err(Failure::check)
}

/// Copies regular files, folders within folders: a store is two levels deep.
fn copy_all(from: &Path, to: &Path) -> Result<(), Failure> {
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
