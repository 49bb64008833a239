//! Starts, kills and restarts host and engine processes.

use super::requests;
use crate::dev::{
    Authority, Child, EXIT_RESTART, Folder, LocalWitnesses, Notice, WitnessRoutes, enter_witnesses,
};
use mortise_cli::failure::Failure;
use mortise_format::genesis::Genesis;
use mortise_format::policy::{Edition, Service};
use mortise_transport::Address;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// The process to kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    Host,
    Engine,
}

/// How the start of an engine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Started {
    /// The engine is ready.
    Ready,
    /// The engine exited because its store disappeared; start it again.
    Restart,
}

/// Host and engine on one folder.
#[derive(Debug)]
pub(super) struct Processes {
    folder: Folder,
    snapshot_frames: u64,
    witnesses: Option<LocalWitnesses>,
    routes: Option<WitnessRoutes>,
    /// Of an attested system.
    authority: Option<Authority>,
    kms: Option<Child>,
    host: Option<Child>,
    engine: Option<Child>,
    gateway: String,
}

/// Timeout for a process to start, to send a notice, or to detect the loss of its peer.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Processes {
    /// Prepares a folder; writes a genesis with wide limits if it has none. Starts nothing.
    pub fn on(root: &Path, snapshot_frames: u64) -> Result<Self, Failure> {
        Self::with(root, snapshot_frames, &requests::genesis())
    }

    /// Prepares a folder; writes this genesis if it has none. Starts nothing.
    pub fn with(root: &Path, snapshot_frames: u64, genesis: &Genesis) -> Result<Self, Failure> {
        let folder = Folder::open(root).map_err(Failure::system)?;
        folder.ensure_given_genesis(genesis).map_err(Failure::system)?;
        Ok(Self::of(folder, snapshot_frames, None))
    }

    fn of(folder: Folder, snapshot_frames: u64, routes: Option<WitnessRoutes>) -> Self {
        Self {
            folder,
            snapshot_frames,
            witnesses: None,
            routes,
            authority: None,
            kms: None,
            host: None,
            engine: None,
            gateway: String::new(),
        }
    }

    /// Prepares a folder for an attested engine with an application, and its authority.
    pub fn attested(root: &Path, snapshot_frames: u64) -> Result<Self, Failure> {
        let processes = Self::on(root, snapshot_frames)?;
        let authority = Authority::prepare(&processes.folder).map_err(Failure::system)?;
        Ok(Self { authority: Some(authority), ..processes })
    }

    /// Prepares a folder with witnesses and starts the witnesses.
    pub async fn witnessed(root: &Path, snapshot_frames: u64) -> Result<Self, Failure> {
        Self::leased(root, snapshot_frames, Service::DEFAULT).await
    }

    /// The same, with the lease of this service.
    pub async fn leased(
        root: &Path,
        snapshot_frames: u64,
        service: Service,
    ) -> Result<Self, Failure> {
        let folder = Folder::open(root).map_err(Failure::system)?;
        let mut genesis = requests::genesis();
        genesis.policy.edition = Edition::Second(service);
        enter_witnesses(folder.root(), &mut genesis.policy).map_err(Failure::system)?;
        folder.ensure_given_genesis(&genesis).map_err(Failure::system)?;
        let witnesses = LocalWitnesses::start(&folder, &genesis).await.map_err(Failure::check)?;
        let routes = Some(witnesses.routes());
        Ok(Self { witnesses: Some(witnesses), ..Self::of(folder, snapshot_frames, routes) })
    }

    /// Host and engine on a copy of the folder, with the same witnesses. Starts nothing.
    pub fn beside(&self, root: &Path) -> Result<Self, Failure> {
        let folder = Folder::open(root).map_err(Failure::system)?;
        Ok(Self::of(folder, self.snapshot_frames, self.routes.clone()))
    }

    /// The way to the witnesses.
    pub fn routes(&self) -> Option<&WitnessRoutes> {
        self.routes.as_ref()
    }

    /// Reaches the witnesses at other addresses from the next start of the host on.
    pub fn reroute(&mut self, addresses: &[String]) {
        self.routes = self.routes.as_ref().map(|routes| routes.at(addresses));
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.folder.root()
    }

    /// Address of the request port.
    pub fn address(&self) -> Address {
        Address::Unix(self.folder.engine_socket())
    }

    /// Address of the gateway, once the host has started.
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Starts the host and waits until it listens.
    pub async fn start_host(&mut self) -> Result<(), Failure> {
        let mut args = self.folder.host_args(0, LOG);
        if let Some(authority) = &self.authority {
            let kms = Child::start(&authority.kms_args(&self.folder, LOG));
            let kms = self.kms.insert(kms.map_err(Failure::system)?);
            let Ok(Some(Notice::KmsReady(ready))) = timeout(TIMEOUT, kms.notice()).await else {
                return Err(Failure::check("the key service does not start"));
            };
            authority.write_platform(&self.folder, &ready).map_err(Failure::system)?;
            args.extend(self.folder.host_kms_args(&ready));
        }
        args.extend(self.routes.iter().flat_map(|routes| routes.host_args(&self.folder)));
        let host = self.host.insert(Child::start_host(&args).map_err(Failure::system)?);
        match timeout(TIMEOUT, host.notice()).await {
            Ok(Some(Notice::HostReady { http, .. })) => {
                self.gateway = http;
                Ok(())
            }
            Ok(Some(Notice::Failed { reason })) => Err(Failure::check(reason)),
            _ => Err(Failure::check("the host does not start")),
        }
    }

    /// Starts the engine and does not wait for it.
    pub fn start_engine(&mut self) -> Result<(), Failure> {
        let mut args = match &self.authority {
            Some(_) => self.folder.attested_engine_args(self.snapshot_frames, LOG),
            None => self.folder.unattested_engine_args(self.snapshot_frames, LOG),
        };
        args.extend(self.routes.iter().flat_map(|routes| routes.engine_args(&self.folder)));
        self.engine = Some(Child::start(&args).map_err(Failure::system)?);
        Ok(())
    }

    /// Waits until the engine is ready. Cancel-safe.
    pub async fn ready(&mut self) -> Result<Started, Failure> {
        let engine = self.engine.as_mut().ok_or_else(|| Failure::check("no engine was started"))?;
        loop {
            match timeout(TIMEOUT, engine.notice()).await {
                Err(_) => return Err(Failure::check("the engine does not start")),
                Ok(Some(Notice::EngineReady { .. })) => return Ok(Started::Ready),
                Ok(Some(Notice::Failed { reason })) => {
                    return self.engine_ended(&format!("the engine failed: {reason}")).await;
                }
                Ok(Some(Notice::Witnessing { log_key })) => {
                    let known = self.routes.as_ref().map(|routes| routes.know(&log_key));
                    known.transpose().map_err(Failure::system)?;
                }
                Ok(Some(_)) => {}
                Ok(None) => return self.engine_ended("the engine exited").await,
            }
        }
    }

    /// Waits until an engine without a store exits by itself.
    pub async fn engine_gives_up(&mut self) -> Result<(), Failure> {
        self.engine_ended("an engine without its store exited").await.map(drop)
    }

    /// Waits for the engine to exit. An exit that a restart cannot fix fails the run.
    async fn engine_ended(&mut self, why: &str) -> Result<Started, Failure> {
        let Some(mut engine) = self.engine.take() else { return Ok(Started::Restart) };
        let status = timeout(TIMEOUT, engine.ended()).await;
        let status =
            status.map_err(|_| Failure::check("the engine neither becomes ready nor exits"))?;
        match status.map_err(Failure::system)?.code() {
            Some(code) if code == i32::from(EXIT_RESTART) => Ok(Started::Restart),
            code => Err(Failure::check(format!("{why}, exit status {code:?}"))),
        }
    }

    /// Kills a process with SIGKILL.
    pub async fn kill(&mut self, victim: Victim) -> Result<(), Failure> {
        let process = match victim {
            Victim::Host => self.host.take(),
            Victim::Engine => self.engine.take(),
        };
        match process {
            Some(mut process) => process.kill().await.map_err(Failure::system),
            None => Ok(()),
        }
    }

    /// Stops the host with SIGSTOP for this long: a disk that stalls, for its engine and callers.
    pub async fn stall_host(&mut self, length: Duration) -> Result<(), Failure> {
        if let Some(host) = &self.host {
            host.pause().map_err(Failure::system)?;
            tokio::time::sleep(length).await;
            host.go_on().map_err(Failure::system)?;
        }
        Ok(())
    }

    /// Stops both in order, the engine first.
    pub async fn stop(&mut self) {
        let processes = [self.engine.take(), self.host.take(), self.kms.take()];
        for mut process in processes.into_iter().flatten() {
            process.stop().await;
        }
    }

    /// Stops the witnesses too.
    pub async fn stop_all(&mut self) {
        self.stop().await;
        if let Some(mut witnesses) = self.witnesses.take() {
            witnesses.stop().await;
        }
    }

    /// The process id of the engine, while it runs.
    pub fn engine_id(&self) -> Option<u32> {
        self.engine.as_ref().and_then(Child::id)
    }

    /// True while both processes run.
    pub fn are_alive(&mut self) -> bool {
        let mut processes = [self.engine.as_mut(), self.host.as_mut()].into_iter().flatten();
        processes.all(Child::is_alive)
    }

    /// The process id of the host, while it runs.
    pub fn host_id(&self) -> Option<u32> {
        self.host.as_ref().and_then(Child::id)
    }
}

/// Log level of the processes.
const LOG: &str = "off";
