//! Host and engine on threads of this process.

use mortise_engine::app::AppConfig;
use mortise_engine::attest::Attestation;
use mortise_engine::keyring::Identity;
use mortise_engine::ports::{AppKeys, Clock, ClockError, Vault, Witnesses};
use mortise_engine::server::{self, Config, EngineError, Observer, Ports};
use mortise_host::store::OpenError;
use mortise_host::{Host, HostError};
use mortise_sim::{FileVault, SystemClock, SystemEntropy};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A host with a runtime of its own.
#[derive(Debug)]
pub struct HostThread {
    http: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl HostThread {
    /// Starts a host and waits until it listens.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(config: mortise_host::Config) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async move {
                let host = started(config).await.expect("the host starts");
                tell.send(host.http_address()).expect("the test waits for it");
                let _ = stopped.await;
                host.stop().await;
            });
        });
        let http = told.recv().expect("the host starts");
        Self { http, stop, thread }
    }

    /// Where the gateway listens.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Stops it and waits for its end.
    pub fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// Starts a host. When another test starts a process, the child inherits every file lock of this
/// process between fork and exec. So a folder that was just released can be locked for a moment.
async fn started(config: mortise_host::Config) -> Result<Host, HostError> {
    let until = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match Host::start(config.clone()).await {
            Err(HostError::Store(OpenError::InUse { .. })) if Instant::now() < until => {
                tokio::time::sleep(LOCK_LOOK_EVERY).await;
            }
            started => return started,
        }
    }
}

const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(10);

/// The keys of an engine, and their attestation.
#[derive(Clone)]
pub struct Platform {
    /// The vault.
    pub vault: Arc<dyn Vault>,
    /// The attestation of the keys.
    pub attestation: Attestation,
    /// The witnesses, if the policy has some.
    pub witnesses: Option<Arc<dyn Witnesses>>,
    /// Keys of the application, if it has one.
    pub app: Option<Arc<dyn AppKeys>>,
    /// Options of the application.
    pub app_config: AppConfig,
    /// Engine time.
    pub clock: Arc<dyn Clock>,
}

impl Platform {
    /// A platform without the application.
    pub fn new(vault: Arc<dyn Vault>, attestation: Attestation) -> Self {
        let (clock, app_config) = (Arc::new(SystemClock), AppConfig::default());
        Self { vault, attestation, witnesses: None, app: None, app_config, clock }
    }

    /// The software vault of this file, unattested.
    ///
    /// # Panics
    /// When the file is not a vault.
    pub fn of_file(vault: &Path) -> Self {
        let vault = Arc::new(FileVault::open(vault).expect("the vault opens"));
        Self::new(vault, Attestation::Unattested)
    }
}

/// The time of the system, moved ahead by a test.
#[derive(Debug, Clone, Default)]
pub struct MovedClock(Arc<AtomicU64>);

impl MovedClock {
    /// Moves it ahead, from now on.
    pub fn move_ahead(&self, by: Duration) {
        let by_ms = u64::try_from(by.as_millis()).expect("a test moves it by little");
        self.0.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for MovedClock {
    fn now_ms(&self) -> Result<u64, ClockError> {
        Ok(SystemClock.now_ms()? + self.0.load(Ordering::Relaxed))
    }
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Platform({})", self.attestation.mode())
    }
}

/// Progress of an engine's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Frames that are replayed, and frames of the log.
    pub replayed: (u64, u64),
    /// The epoch, once it serves.
    pub epoch: Option<u64>,
}

#[derive(Debug, Default)]
struct Watcher(Mutex<Progress>);

impl Watcher {
    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.0.lock().expect("no holder of the progress panics"));
    }
}

impl Observer for Watcher {
    fn replaying(&self, done: u64, total: u64) {
        self.change(|progress| progress.replayed = (done, total));
    }

    fn ready(&self, _: &Identity, epoch: u64) {
        self.change(|progress| progress.epoch = Some(epoch));
    }
}

/// An engine in an actix system of its own.
#[derive(Debug)]
pub struct EngineThread {
    watcher: Arc<Watcher>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), EngineError>>,
}

impl EngineThread {
    /// Starts an engine on this platform without waiting for it.
    pub fn start(config: Config, platform: &Platform) -> Self {
        let (stop, stopped) = oneshot::channel();
        let watcher = Arc::new(Watcher::default());
        let observer = Arc::clone(&watcher);
        let ports = Ports {
            clock: Arc::clone(&platform.clock),
            entropy: Arc::new(SystemEntropy),
            vault: Arc::clone(&platform.vault),
            attestation: platform.attestation.clone(),
            witnesses: platform.witnesses.clone(),
            app: platform.app.clone(),
        };
        let thread = std::thread::spawn(move || {
            let runner = actix::System::new();
            let shutdown = async move { drop(stopped.await) };
            let ended = runner.block_on(server::run(config, ports, observer, shutdown));
            // Ends the ledger's thread, as the end of a process does.
            actix::System::current().stop();
            runner.run().expect("a system that was stopped ends");
            ended
        });
        Self { watcher, stop, thread }
    }

    /// The progress of its start.
    pub fn progress(&self) -> Progress {
        *self.watcher.0.lock().expect("no holder of the progress panics")
    }

    /// Stops it and waits for its end.
    ///
    /// # Errors
    /// The error that it ended with.
    pub fn stop(self) -> Result<(), EngineError> {
        let _ = self.stop.send(());
        self.thread.join().expect("an engine does not panic")
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// The error that it ended with.
    pub fn join(self) -> Result<(), EngineError> {
        let ended = self.thread.join().expect("an engine does not panic");
        drop(self.stop);
        ended
    }
}
