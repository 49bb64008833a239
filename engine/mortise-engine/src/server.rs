//! The whole engine: listen, boot, serve, stop.
//!
//! ```text
//! listen (answers health, refuses the rest NOT_READY)
//!   -> connect store -> identity -> replay -> (witnesses: the log is the newest that they know)
//!   -> data key -> attestation -> boot frame durable (and cosigned) -> ready
//!   -> SIGINT/SIGTERM: answer accepted requests, last snapshot -> end
//! ```
//! Runs in an actix system. The ledger has a thread of its own.

use crate::actors::{
    AttestGenesis, Attestor, Bind, Crypto, Ledger, LedgerParts, OwnImage, Sealer, Stop,
};
use crate::admission::Admission;
use crate::app::{App, AppConfig};
use crate::attest::{AttestError, Attestation, BootDocument};
use crate::boot::{self, BootError, NewEpoch, Replayed};
use crate::channel::ChannelKey;
use crate::handle::{EngineHandle, Proof, Serving};
use crate::keyring::{Identity, IdentityError, KeyRing};
use crate::lease::Lease;
use crate::mode;
use crate::phase::{Bounds, Phase, PhaseCell};
use crate::pipeline::{Fault, Pipeline, Settings, Start};
use crate::ports::{AppKeys, Clock, ClockError, Entropy, Vault, VaultError, Witnesses};
use crate::priority::give_way;
use crate::reader::{ReadStore, Reader, ReaderParts, Readers, ReleasedView};
use crate::reading::ReadingKeys;
use crate::session;
use crate::store::{LogStore, RemoteLog, StoreError};
use crate::witness::WitnessQuorum;
use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Arbiter, ArbiterHandle, Handler, Message, SyncArbiter};
use mortise_core::machine::EpochRecord;
use mortise_format::genesis::Genesis;
use mortise_format::ids::EngineId;
use mortise_format::images::Version;
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::limits::CONNECTIONS_MAX;
use mortise_format::rules::RuleSet;
use mortise_format::store::StoreRefusal;
use mortise_transport::{Address, Listener};
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::oneshot;

/// The configuration of an engine.
pub struct Config {
    /// Address of the request port.
    pub listen: Address,
    /// Address of the store.
    pub store: Address,
    /// Creates an engine in an empty store. A store with an engine must match it.
    pub genesis: Option<Genesis>,
    /// Bounds on requests in flight.
    pub bounds: Bounds,
    pub snapshot_frames: u64,
    /// The rules from this boot on, for a log without an approval of images: at least those of its
    /// last epoch, which is the default. The measured image sets none.
    pub rules: Option<RuleSet>,
    /// Workers that recover and make signatures, at least one.
    pub crypto_threads: usize,
    /// Settings of the application, measured with the code.
    pub app: AppConfig,
}

/// The ports of an engine.
#[derive(Clone)]
pub struct Ports {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub vault: Arc<dyn Vault>,
    /// Proves which code holds the keys.
    pub attestation: Attestation,
    /// Access to witnesses. A policy with witnesses does not start without it.
    pub witnesses: Option<Arc<dyn Witnesses>>,
    /// Keys of the application. Without them its methods answer APP_UNAVAILABLE.
    pub app: Option<Arc<dyn AppKeys>>,
}

/// The engine ended without a request to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The engine cannot listen on the request port.
    #[error("cannot listen on {address}: {error}")]
    Listen { address: Address, error: std::io::Error },
    /// The store cannot be reached.
    #[error("cannot reach the store at {address}: {error}")]
    Store { address: Address, error: StoreError },
    #[error("the boot failed: {0}")]
    Boot(#[from] BootError),
    /// There is no trusted time to boot at.
    #[error("there is no trusted time: {0}")]
    Clock(#[from] ClockError),
    /// The first frame could not be made.
    #[error("the boot frame could not be made: {0}")]
    Start(Fault),
    /// Witnesses refused the history of this engine. It does not serve; a restart does not help.
    #[error("{name}: {why}")]
    Witness {
        /// `WITNESS_AHEAD` or `WITNESS_FORK`; `FENCED` if the engine has served before.
        name: &'static str,
        /// The detail, for the operator.
        why: String,
    },
    /// A fault while serving: restart and replay.
    #[error("stopped by a fault: {why}")]
    Fault {
        /// `CLOCK` if the trusted time was lost, otherwise `FAULT`.
        name: &'static str,
        /// The detail, for the operator.
        why: String,
    },
}

impl EngineError {
    /// True if a restart may help. It may help if the store or the key service cannot be reached,
    /// if the clock is not trusted, or if the outcome of an append is unknown. It does not help if
    /// the log does not replay, the store answers garbage or the key service denies the key.
    pub fn is_worth_a_restart(&self) -> bool {
        let unavailable = |error: &IdentityError| {
            matches!(
                error,
                IdentityError::Vault(VaultError::Unavailable(_) | VaultError::ClocksApart(_))
            )
        };
        match self {
            Self::Boot(BootError::Store(
                StoreError::Garbage(_) | StoreError::Refused(StoreRefusal::FramePruned { .. }),
            )) => false,
            Self::Boot(BootError::Identity(error)) => unavailable(error),
            Self::Boot(BootError::Clock(_)) => true,
            Self::Store { .. } | Self::Fault { .. } | Self::Boot(BootError::Store(_)) => true,
            Self::Clock(_) => true,
            Self::Listen { .. } | Self::Boot(_) | Self::Start(_) => false,
            Self::Witness { .. } => false,
        }
    }

    /// A stable name, see [`BootError::name`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "LISTEN",
            Self::Store { .. } => "STORE",
            Self::Boot(error) => error.name(),
            Self::Clock(error) => error.name(),
            Self::Start(_) => "BOOT_FRAME",
            Self::Fault { name, .. } | Self::Witness { name, .. } => name,
        }
    }
}

/// Receives the progress of an engine, for progress bars and start-up lines.
pub trait Observer: Send + Sync + 'static {
    /// The engine replays the log: frames done, frames in total.
    fn replaying(&self, done: u64, total: u64);
    /// The engine waits for witnesses. Each must know this verifier key of the log.
    fn witnessing(&self, log_key: &str) {
        tracing::info!(log_key, "waiting for witnesses");
    }
    /// The engine does not serve again. It answers health requests until it is stopped.
    fn faulted(&self, error: &EngineError) {
        tracing::error!(name = error.name(), why = %error, "not serving");
    }
    /// The engine serves.
    fn ready(&self, identity: &Identity, epoch: u64);
}

/// Runs an engine until `shutdown` resolves or a fault stops it.
///
/// # Errors
/// [`EngineError`].
pub async fn run(
    config: Config,
    ports: Ports,
    observer: Arc<dyn Observer>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), EngineError> {
    let phase = Arc::new(PhaseCell::default());
    let handle = EngineHandle::new(Arc::clone(&phase), config.bounds, ports.attestation.mode());
    let handle = handle.with_app(application(&config, &ports));
    let listener = Listener::bind(&config.listen).await;
    let listener =
        listener.map_err(|error| EngineError::Listen { address: config.listen.clone(), error })?;
    let accepting = actix::spawn(session::accept(listener, handle.clone(), CONNECTIONS_MAX));
    tokio::pin!(shutdown);
    let started = tokio::select! {
        started = start(&config, &ports, &phase, &handle, &observer) => started,
        // A boot may wait for witnesses without end. Nothing was answered, so stop at once.
        () = &mut shutdown => {
            accepting.abort();
            return Ok(());
        }
    };
    let ended = match started {
        Ok(started) => serve(started, &phase, observer.as_ref(), shutdown).await,
        Err(error) if error.is_worth_a_restart() => Err(error),
        Err(error) => {
            // The log is not the one that this engine wrote, or it cannot be opened. Report the
            // fault to callers. Serve nothing and delete nothing until an operator intervenes.
            observer.faulted(&error);
            phase.enter(Phase::Fault { name: error.name(), why: error.to_string() });
            shutdown.await;
            Err(error)
        }
    };
    accepting.abort();
    ended
}

/// Engine time never goes back: if the clock is behind the log, it stands still until the clock
/// catches up.
fn warn_log_ahead(ahead_ms: u64) {
    if ahead_ms >= WARN_AHEAD_MS {
        tracing::warn!(
            ahead_ms,
            "the log is ahead of the clock: engine time stands still until the clock catches up"
        );
    }
}

fn application(config: &Config, ports: &Ports) -> Option<App> {
    let keys = Arc::clone(ports.app.as_ref()?);
    Some(App::new(keys, Arc::clone(&ports.clock), Arc::clone(&ports.entropy), config.app))
}

async fn log_store(
    arbiter: &ArbiterHandle,
    config: &Config,
) -> Result<Arc<dyn LogStore>, EngineError> {
    match connect_store(arbiter, config.store.clone()).await {
        Ok(remote) => Ok(Arc::new(remote)),
        Err(error) => Err(EngineError::Store { address: config.store.clone(), error }),
    }
}

async fn start(
    config: &Config,
    ports: &Ports,
    phase: &Arc<PhaseCell>,
    handle: &EngineHandle,
    observer: &Arc<dyn Observer>,
) -> Result<Started, EngineError> {
    let arbiter = Arbiter::new().handle();
    let store = log_store(&arbiter, config).await?;
    let (vault, entropy) = (ports.vault.as_ref(), ports.entropy.as_ref());
    let attestor = attestor(ports);
    let identity = Arc::new(identity(store.as_ref(), config, ports, attestor.as_ref()).await?);
    let ring = Arc::new(KeyRing::new(Arc::clone(&ports.vault), &identity));
    let progress = |done, total| {
        phase.enter(Phase::Replaying(done, total));
        observer.replaying(done, total);
    };
    let replayed = boot::replay(store.as_ref(), &identity, &ring, entropy, &progress).await?;
    let image = match &attestor {
        Some(attestor) => Some(ask(attestor, OwnImage).await.map_err(BootError::Attest)?),
        None => None,
    };
    replayed.check_image(version(), image.as_ref())?;
    replayed.check_clock(ports.clock.as_ref(), vault).await?;
    let rules = replayed.next_rules(config.rules)?;
    mode::check(store.as_ref(), &replayed, identity.insecure_mode).await?;
    let quorum = quorum(ports, &identity)?;
    if let Some(quorum) = &quorum {
        name_log(quorum, phase, observer.as_ref());
        boot::check_newest(&store, &replayed, quorum).await?;
    }
    let from = (replayed, rules);
    let (started, proof) = new_epoch(ports, attestor, from, &identity, &ring).await?;
    let settings = Settings { snapshot_frames: config.snapshot_frames, ..Settings::default() };
    let boot_ms = ports.clock.now_ms()?;
    warn_log_ahead(started.machine.head().time_ms.saturating_sub(boot_ms));
    let mut outputs = Vec::new();
    let view = Arc::new(ReleasedView::new(started.machine.archive().clone()));
    let pipeline = Pipeline::start(started, boot_ms, VERSION, settings, &mut outputs)
        .map_err(EngineError::Start)?;
    let epoch = pipeline.machine().head().epoch;
    let crypto = crypto_pool(config.crypto_threads, &identity, rules, give_way);
    let (view_of, epochs) = (Arc::clone(&view), pipeline.machine().epochs().to_vec());
    let reader = reader(config, ports, (view_of, epochs), (&identity, ring, quorum.clone()));
    let lease = quorum.clone().map(|quorum| Arc::new(Lease::new(quorum, Arc::clone(&view))));
    let readers = Arc::new(Readers::start(Arc::new(reader), READER_THREADS));
    let parts = LedgerParts {
        pipeline,
        outputs,
        store,
        clock: Arc::clone(&ports.clock),
        signers: crypto_pool(config.crypto_threads, &identity, rules, || ()),
        phase: Arc::clone(phase),
        quorum,
        view,
        lease: lease.clone(),
        sealer: Sealer::start(),
        readers: Arc::clone(&readers),
    };
    let ledger = Ledger::start_in_arbiter(&arbiter, |_| Ledger::new(parts));
    let admission = Admission::new(crypto, config.crypto_threads, ledger.clone());
    handle.open(Serving {
        ledger: ledger.clone(),
        admission: Arc::new(admission),
        identity: Arc::clone(&identity),
        clock: Arc::clone(&ports.clock),
        boot_ms,
        proof,
        readers,
        lease,
    });
    Ok(Started { ledger, identity, epoch })
}

/// Tells which log the witnesses must know.
fn name_log(quorum: &WitnessQuorum, phase: &PhaseCell, observer: &dyn Observer) {
    let log_key = quorum.log().to_string();
    observer.witnessing(&log_key);
    phase.enter(Phase::Witnessing(log_key));
}

/// The read plane, on a store connection of its own.
fn reader(
    config: &Config,
    ports: &Ports,
    (view, epochs): (Arc<ReleasedView>, Vec<EpochRecord>),
    (identity, ring, quorum): (&Arc<Identity>, Arc<KeyRing>, Option<Arc<WitnessQuorum>>),
) -> Reader {
    let (identity, entropy) = (Arc::clone(identity), Arc::clone(&ports.entropy));
    let reading = ReadingKeys::new(Arc::clone(&ring), Arc::clone(&identity), entropy);
    let store = ReadStore::dialled(config.store.clone());
    Reader::new(ReaderParts { store, identity, ring, view, epochs, quorum, reading })
}

/// An engine whose boot frame is in flight.
struct Started {
    ledger: Addr<Ledger>,
    identity: Arc<Identity>,
    epoch: u64,
}

/// The witnesses of the policy in force.
fn quorum(ports: &Ports, identity: &Identity) -> Result<Option<Arc<WitnessQuorum>>, BootError> {
    let policy = &identity.genesis.policy;
    if policy.witnesses.is_empty() {
        return Ok(None);
    }
    let port = ports.witnesses.as_ref().ok_or(BootError::NoWitnesses)?;
    let quorum = WitnessQuorum::new(identity, policy, (Arc::clone(port), Arc::clone(&ports.clock)));
    let quorum = quorum.ok().flatten();
    Ok(Some(Arc::new(quorum.ok_or(BootError::NoWitnesses)?)))
}

/// Opens an epoch after a replay: data key, channel key, attestation.
async fn new_epoch(
    ports: &Ports,
    attestor: Option<Addr<Attestor>>,
    (replayed, rules): (Replayed, RuleSet),
    identity: &Identity,
    ring: &KeyRing,
) -> Result<(Start, Proof), BootError> {
    let entropy = ports.entropy.as_ref();
    let channel = ChannelKey::generate(entropy);
    let epoch = NewEpoch::prepare(&replayed, identity, ring, &channel).await?;
    let binding = epoch.binding;
    let boot = match &attestor {
        None => BootDocument::default(),
        Some(attestor) => ask(attestor, Bind(binding)).await?,
    };
    mode::check_own(&boot.document, identity.insecure_mode).map_err(BootError::Attest)?;
    let started = epoch.start(replayed, rules, boot.document.clone(), identity, entropy);
    let (boot, channel) = (Arc::new(boot), Arc::new(channel));
    let boot_answer = OnceLock::new();
    Ok((started, Proof { binding, boot, boot_answer, channel, attestor }))
}

/// Starts the actor that calls the security module, if there is one.
fn attestor(ports: &Ports) -> Option<Addr<Attestor>> {
    match &ports.attestation {
        Attestation::Unattested => None,
        Attestation::Module(nsm) | Attestation::Development(nsm) | Attestation::Refused(nsm, _) => {
            Some(Attestor::start(Arc::clone(nsm)))
        }
    }
}

/// The stored identity, or a new one on an empty store, in the mode of this boot.
async fn identity(
    store: &dyn LogStore,
    config: &Config,
    ports: &Ports,
    attestor: Option<&Addr<Attestor>>,
) -> Result<Identity, BootError> {
    let (vault, entropy) = (ports.vault.as_ref(), ports.entropy.as_ref());
    let insecure_mode = ports.attestation.insecure_mode();
    let attest = async |id| genesis_document(attestor, id, insecure_mode).await;
    let genesis = config.genesis.as_ref();
    let identity = boot::identity(store, vault, entropy, genesis, attest).await?;
    Ok(identity.with_insecure_mode(insecure_mode))
}

/// The document of keys that were just drawn; empty without a security module.
async fn genesis_document(
    attestor: Option<&Addr<Attestor>>,
    engine_id: EngineId,
    insecure_mode: Option<InsecureMode>,
) -> Result<Vec<u8>, AttestError> {
    let Some(attestor) = attestor else { return Ok(Vec::new()) };
    let document = ask(attestor, AttestGenesis(engine_id)).await?;
    mode::check_own(&document, insecure_mode)?;
    Ok(document)
}

/// Calls the security module.
async fn ask<M, T>(attestor: &Addr<Attestor>, message: M) -> Result<T, AttestError>
where
    M: Message<Result = Result<T, AttestError>> + Send + 'static,
    T: Send + 'static,
    Attestor: Handler<M>,
    <Attestor as Actor>::Context: ToEnvelope<Attestor, M>,
{
    attestor.send(message).await.unwrap_or(Err(AttestError::Stopped))
}

/// The version of the code, in the form that the log compares.
fn version() -> Version {
    Version::parse(VERSION).expect("a test checks that the package version is three numbers")
}

/// Connects to the store on the ledger's thread, so that an ack reaches the ledger without a thread
/// switch. Every answer waits for an ack.
async fn connect_store(arbiter: &ArbiterHandle, address: Address) -> Result<RemoteLog, StoreError> {
    let (sender, connected) = oneshot::channel();
    arbiter.spawn(async move {
        // The boot may have been stopped meanwhile.
        let _ = sender.send(RemoteLog::connect(&address).await);
    });
    connected.await.unwrap_or(Err(StoreError::Unknown))
}

/// A pool whose threads begin with `begin`.
fn crypto_pool(
    threads: usize,
    identity: &Arc<Identity>,
    rules: RuleSet,
    begin: fn(),
) -> Addr<Crypto> {
    let identity = Arc::clone(identity);
    SyncArbiter::start(threads.max(1), move || {
        begin();
        Crypto::new(Arc::clone(&identity), rules)
    })
}

/// Waits until the boot frame is released. Before that the engine makes no promise.
async fn wait_ready(phase: &PhaseCell) -> Result<(), EngineError> {
    loop {
        match phase.now() {
            Phase::Ready => return Ok(()),
            Phase::Restarting { name, why } => return Err(EngineError::Fault { name, why }),
            Phase::Fault { name, why } => return Err(EngineError::Witness { name, why }),
            _ => tokio::time::sleep(POLL).await,
        }
    }
}

/// Serves until `shutdown` resolves or a fault stops the engine. Once the engine is ready, a stop
/// first answers every accepted request.
async fn serve(
    started: Started,
    phase: &PhaseCell,
    observer: &dyn Observer,
    shutdown: impl Future<Output = ()>,
) -> Result<(), EngineError> {
    let Started { ledger, identity, epoch } = started;
    let faulted = async {
        if let Err(error) = wait_ready(phase).await {
            return error;
        }
        observer.ready(&identity, epoch);
        loop {
            match phase.now() {
                Phase::Restarting { name, why } => return EngineError::Fault { name, why },
                Phase::Fault { name, why } => return EngineError::Witness { name, why },
                _ => tokio::time::sleep(POLL).await,
            }
        }
    };
    tokio::pin!(shutdown);
    tokio::select! {
        error = faulted => {
            // Give the last answers, all NOT_DURABLE or NOT_READY, time to reach their callers.
            tokio::time::sleep(LAST_ANSWERS).await;
            if !error.is_worth_a_restart() {
                observer.faulted(&error);
                shutdown.await;
            }
            Err(error)
        }
        () = &mut shutdown => match phase.now() {
            Phase::Ready => {
                phase.enter(Phase::Stopping);
                // Without store or witnesses the accepted requests are never answered.
                let _ = tokio::time::timeout(STOP_TIME_MAX, ledger.send(Stop)).await;
                tokio::time::sleep(LAST_ANSWERS).await;
                Ok(())
            }
            // A fault that this loop has not seen yet must not look like a clean stop.
            Phase::Fault { name, why } => Err(EngineError::Witness { name, why }),
            _ => Ok(()),
        }
    }
}

/// Threads of the read plane.
const READER_THREADS: usize = 2;
/// Lead of the log over the clock that is worth a warning.
const WARN_AHEAD_MS: u64 = 2000;
/// Version of the code.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Timeout of a graceful stop for the answers to accepted requests.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);
/// Interval at which the phase is polled.
const POLL: Duration = Duration::from_millis(10);
/// Time for the last answers to reach the sockets.
const LAST_ANSWERS: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Garbage;

    #[test]
    fn store_that_lies_is_not_worth_a_restart_but_a_lost_one_is() {
        let ended = |error: StoreError| EngineError::Boot(BootError::Store(error));
        let silent = ended(StoreError::Silent { answer_ms_max: 1 });
        assert_eq!((silent.name(), silent.is_worth_a_restart()), ("STORE", true));
        let garbage = ended(StoreError::Garbage(Garbage::Framing));
        assert_eq!((garbage.name(), garbage.is_worth_a_restart()), ("STORE_GARBAGE", false));
    }

    #[test]
    fn version_of_the_package_parses() {
        assert_eq!(version().to_string(), VERSION);
    }
}
