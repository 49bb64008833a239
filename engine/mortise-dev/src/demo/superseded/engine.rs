//! One engine of the demonstration, and a caller who checks its answers.

use crate::demo::line::Line;
use crate::demo::processes::{Processes, Started};
use crate::demo::requests::LoadRequests;
use crate::dev::QUORUM;
use mortise_cli::failure::Failure;
use mortise_client::{Client, Endpoint, Freshness, FreshnessError, Identity, Signer};
use mortise_format::note::{KeyUse, NoteError, NoteKey};
use mortise_format::policy::Service;
use mortise_rpc::envelope;
use mortise_rpc::results::FreshnessView;
use mortise_verify::checkpoint::Witnesses;
use mortise_verify::lease::{AgeLimit, VerifiedLease};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Frames between two snapshots; large enough that a run takes none.
const SNAPSHOT_FRAMES: u64 = 4096;
/// Timeout for an engine to meet its witnesses again.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between two health checks.
const LOOK: Duration = Duration::from_millis(100);

/// A folder with host and engine.
pub(super) struct Engine {
    processes: Processes,
    witnesses: Vec<String>,
    owner: Signer,
    nonce: u64,
    ids: u64,
}

/// What an engine said to a question about now.
#[derive(Debug)]
pub(super) enum Told {
    Answer(Box<FreshnessView>),
    /// LEASE_EXPIRED.
    Silent,
}

impl Engine {
    /// Prepares an engine with witnesses, which are started.
    pub async fn leased(root: &Path, service: Service) -> Result<Self, Failure> {
        Ok(Self::of(Processes::leased(root, SNAPSHOT_FRAMES, service).await?))
    }

    fn of(processes: Processes) -> Self {
        let witnesses = processes.routes().map(|routes| routes.addresses()).unwrap_or_default();
        Self { processes, witnesses, owner: Signer::random(), nonce: 0, ids: 0 }
    }

    /// The addresses of the witnesses themselves.
    pub fn witnesses(&self) -> Vec<String> {
        self.witnesses.clone()
    }

    /// Reaches the witnesses at other addresses from its start on.
    pub fn reach(&mut self, addresses: &[String]) {
        self.processes.reroute(addresses);
    }

    /// A second engine on a copy of the folder, with the witnesses' own addresses.
    pub fn beside(&self, root: &Path) -> Result<Self, Failure> {
        super::super::rollback::copy_all(self.processes.root(), root)?;
        let mut beside = Self::of(self.processes.beside(root)?);
        beside.processes.reroute(&self.witnesses);
        beside.ids = 1 << 20;
        Ok(beside)
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

    /// Stops everything.
    pub async fn stop(&mut self) {
        self.processes.stop_all().await;
    }

    fn client(&self) -> Client {
        Client::new(Endpoint::Stream(self.processes.address()))
    }

    /// Commits a lock that must be granted.
    pub async fn commit(&mut self) -> Result<(), Failure> {
        let identity = self.client().identity().await?;
        self.ids += 1;
        let mut requests = LoadRequests::new(identity, self.ids << 20);
        let commit = requests.commit(&self.owner, self.nonce, 1000);
        self.nonce += 1;
        let answer = self.send(&commit.bytes).await?;
        match answer["error"].is_null() {
            true => Ok(()),
            false => Err(Failure::check(format!("a lock was rejected: {}", answer["error"]))),
        }
    }

    async fn send(&self, request: &[u8]) -> Result<Value, Failure> {
        let answer = Line::new(self.processes.address()).ask(request).await;
        serde_json::from_slice(&answer.map_err(Failure::system)?).map_err(Failure::system)
    }

    /// Asks for the newest root, an answer about now.
    pub async fn ask(&self) -> Result<Told, Failure> {
        let request = envelope::request(1, "getStateRoot", &json!({"signed": true}));
        let answer = self.send(&request).await?;
        if answer["error"]["data"]["name"] == "LEASE_EXPIRED" {
            return Ok(Told::Silent);
        }
        let shown = serde_json::from_value(answer[envelope::FRESHNESS].clone());
        let shown = shown.map_err(|_| Failure::check(format!("no freshness: {answer}")))?;
        Ok(Told::Answer(Box::new(shown)))
    }

    /// Status and age, as the engine knows them.
    pub async fn health(&self) -> Result<String, Failure> {
        let health = self.client().health().await?;
        let age = health.lease.and_then(|lease| lease.age).unwrap_or_default();
        Ok(format!("{}, {age} s old", health.status))
    }

    /// Waits until a renewal fences the engine.
    pub async fn fenced(&self) -> Result<String, Failure> {
        let begun = Instant::now();
        while begun.elapsed() < TIMEOUT {
            if let Ok(health) = self.client().health().await
                && let Some(fault) = health.fault
            {
                return Ok(format!("phase {}, {fault}", health.phase));
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Failure::check("the superseded engine is not fenced"))
    }

    /// A caller who pins this engine, its log and its witnesses.
    pub async fn caller(&self, service: Service) -> Result<Caller, Failure> {
        let client = self.client();
        let (identity, info) = (client.identity().await?, client.engine_info().await?);
        let log = NoteKey::new(KeyUse::Log, &info.origin, info.checkpoint_key.0);
        let routes = self.processes.routes().ok_or_else(|| Failure::check("no witnesses"))?;
        let key = |text: &str| NoteKey::parse(KeyUse::Witness, text);
        let keys: Result<Vec<NoteKey>, NoteError> = routes.verifier_keys().map(key).collect();
        let quorum = usize::try_from(QUORUM).map_err(Failure::system)?;
        let witnesses = Witnesses::new(keys.map_err(Failure::check)?, quorum);
        let freshness = Freshness {
            origin: info.origin.clone(),
            log: log.map_err(Failure::check)?,
            witnesses: witnesses.map_err(Failure::check)?,
            limit: AgeLimit { max_age: service.lease_s.into(), skew: service.skew_s.into() },
        };
        Ok(Caller { identity, freshness })
    }
}

/// A caller who checks what arrives.
#[derive(Debug)]
pub(super) struct Caller {
    identity: Identity,
    freshness: Freshness,
}

impl Caller {
    /// Checks an answer that arrives now.
    pub fn check(&self, answer: &FreshnessView) -> Result<VerifiedLease, FreshnessError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.freshness.check(&self.identity, answer, now)
    }
}
