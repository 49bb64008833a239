//! Assembles the host: store, store server, gateway. Starts and stops them in order.
//!
//! ```text
//! start: store -> writing thread -> store listener -> HTTP listener -> export socket -> ready
//! stop:  no new work -> answers in flight -> writing thread ends -> index synced -> closed
//! ```

use crate::credentials::{self, CredentialsSource, Provider};
use crate::diagnostics::{self, Diagnostics};
use crate::export::{self, ExportListener, ExportServer};
use crate::gateway::{self, Access, AccessConfig, EngineLinks, Gateway, GatewayLimits, Pages};
use crate::heartbeat::{self, Pulse};
use crate::metrics::Metrics;
use crate::relay::{self, AllowList, Destination, NotAllowed, Relay};
use crate::server::{self, StoreServer};
use crate::store::{DiskStore, LogStore as _, OpenError, StoreOptions, StoreState, Syncer, Writer};
use crate::upkeep;
use crate::witness::{self, WitnessConfig, WitnessProxy};
use mortise_format::store::LogHead;
use mortise_transport::{Address, Listener};
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle as ThreadHandle;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Folder of the enclave's diagnostics, in the data folder.
const DIAGNOSTICS_FOLDER: &str = "diagnostics";
/// Time for a stop in order. What it does not finish is made again at the next start: everything
/// that was acknowledged is on the disk.
const STOP_TIME: Duration = Duration::from_millis(4500);
/// Time for the last refusals of a poisoned store to reach the engine.
const LAST_ANSWERS: Duration = Duration::from_millis(200);

/// Configuration of a host.
#[derive(Debug, Clone)]
pub struct Config {
    /// Data folder of the store. Created when missing.
    pub data_dir: PathBuf,
    /// Address at which the engine reaches the store.
    pub listen_store: Address,
    /// Address at which the engine accepts requests.
    pub engine: Address,
    /// Address of the gateway; port 0 for any free one.
    pub http: SocketAddr,
    /// Who may speak to the gateway.
    pub access: AccessConfig,
    /// An address for the metrics alone. Without it a loopback gateway serves them.
    pub metrics: Option<SocketAddr>,
    /// Bounds of the gateway.
    pub limits: GatewayLimits,
    /// Options of the store.
    pub store: StoreOptions,
    /// Connection to the key service; `None` when the enclave does not reach it through this host.
    pub key_service: Option<KeyServiceConfig>,
    /// Connection to witnesses; `None` when the policy has none.
    pub witnesses: Option<WitnessConfig>,
    /// Address of the enclave's diagnostics; `None` to accept none.
    pub diagnostics: Option<Address>,
    /// Address of the heartbeat of its init; `None` where `nitro-cli` answers it.
    pub heartbeat: Option<Address>,
}

/// The enclave's connection to the key service.
#[derive(Debug, Clone)]
pub struct KeyServiceConfig {
    /// Address at which the enclave reaches the relay.
    pub listen_relay: Address,
    /// Destination of the relay.
    pub to: Destination,
    /// Allowed destinations.
    pub allowed: AllowList,
    /// Address at which the enclave gets credentials.
    pub listen_credentials: Address,
    /// Source of the credentials.
    pub source: CredentialsSource,
}

impl Config {
    /// The default bounds, with the gateway on a loopback port.
    pub fn new(data_dir: PathBuf, listen_store: Address, engine: Address, http_port: u16) -> Self {
        Self {
            data_dir,
            listen_store,
            engine,
            http: SocketAddr::from(([127, 0, 0, 1], http_port)),
            access: AccessConfig::default(),
            metrics: None,
            limits: GatewayLimits::default(),
            store: StoreOptions::default(),
            key_service: None,
            witnesses: None,
            diagnostics: None,
            heartbeat: None,
        }
    }
}

/// Why a host does not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A write or a sync of the store failed while the host ran.
    #[error(
        "STORE_POISONED: a write or a sync failed, so the host ended; everything acknowledged is \
         on the disk, and the next start reads it again"
    )]
    StorePoisoned,
    /// The writing thread could not start.
    #[error("the system cannot start a thread: {0}")]
    Thread(io::Error),
    /// Cannot listen at the address of the metrics.
    #[error("cannot listen at {address} for the metrics: {error}")]
    ListenMetrics { address: SocketAddr, error: io::Error },
    /// Cannot listen at the store's address.
    #[error("cannot listen at {address} for the store: {error}")]
    ListenStore { address: Address, error: io::Error },
    /// The destination of the relay is not allowed.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// Cannot listen at an address for the key service.
    #[error("cannot listen at {address} for the key service: {error}")]
    ListenKeyService { address: Address, error: io::Error },
    /// Cannot listen at the address for witnesses.
    #[error("cannot listen at {address} for the witness proxy: {error}")]
    ListenWitness { address: Address, error: io::Error },
    /// Cannot listen at the address for diagnostics.
    #[error("cannot listen at {address} for diagnostics: {error}")]
    ListenDiagnostics { address: Address, error: io::Error },
    /// Cannot listen at the address for the heartbeat.
    #[error("cannot listen at {address} for the heartbeat: {error}")]
    ListenHeartbeat { address: Address, error: io::Error },
    /// Cannot listen at the gateway's address.
    #[error("cannot listen at {address} for HTTP: {error}")]
    ListenHttp { address: SocketAddr, error: io::Error },
}

#[derive(Debug)]
pub struct Host {
    http: SocketAddr,
    head: LogHead,
    stop: watch::Sender<()>,
    tasks: Vec<JoinHandle<()>>,
    writer: Option<ThreadHandle<()>>,
    store: Arc<DiskStore>,
}

/// Times every sync.
#[derive(Debug)]
struct MeteredSyncer {
    inner: Arc<dyn Syncer>,
    metrics: Arc<Metrics>,
}

impl Syncer for MeteredSyncer {
    fn sync(&self, file: &File) -> io::Result<()> {
        let start = Instant::now();
        let result = self.inner.sync(file);
        self.metrics.synced(start.elapsed(), result.is_ok());
        result
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        self.inner.free_bytes(folder)
    }
}

impl Host {
    /// Opens the store and listens. When it returns, both addresses accept connections.
    ///
    /// # Errors
    /// See [`HostError`].
    pub async fn start(config: Config) -> Result<Self, HostError> {
        if let Some(key_service) = &config.key_service {
            key_service.allowed.check(&key_service.to)?;
        }
        let metrics = Arc::new(Metrics::new());
        let store = Arc::new(open_store(&config, &metrics).await?);
        let head = store.head();
        let (writer, thread) = Writer::start(Arc::<DiskStore>::clone(&store), Arc::clone(&metrics))
            .map_err(HostError::Thread)?;
        let listen_store = Listener::bind(&config.listen_store).await.map_err(|error| {
            HostError::ListenStore { address: config.listen_store.clone(), error }
        })?;
        let address = config.http;
        let http_error = |error| HostError::ListenHttp { address, error };
        let listen_http = TcpListener::bind(address).await.map_err(http_error)?;
        let http = listen_http.local_addr().map_err(http_error)?;
        let (stop, stopped) = watch::channel(());
        let only_cid = enclave_cid(&config);
        let server = StoreServer {
            store: Arc::<DiskStore>::clone(&store),
            writer,
            metrics: Arc::clone(&metrics),
            only_cid,
        };
        let links = EngineLinks::new(&config.engine, &config.limits);
        let access = Access::new(config.access.clone(), http);
        let limits = config.limits.clone();
        let gateway = Gateway::new(links, Arc::clone(&metrics), store.state(), limits, access);
        let pages = if config.metrics.is_some() { Pages::Calls } else { Pages::All };
        let gateway = Arc::new(gateway.with_pages(pages));
        let mut tasks = vec![
            tokio::spawn(server::serve(listen_store, server, stopped.clone())),
            tokio::spawn(gateway::serve(listen_http, gateway, stopped.clone())),
            tokio::spawn(upkeep::show_state(store.state(), Arc::clone(&metrics), stopped.clone())),
            tokio::spawn(upkeep::keep(Arc::clone(&metrics), Arc::clone(&store), stopped.clone())),
            tokio::spawn(upkeep::scrub(Arc::clone(&store), stopped.clone())),
        ];
        if let Some(address) = config.metrics {
            tasks.push(open_metrics(address, &config, &metrics, store.state(), &stopped).await?);
        }
        tasks.extend(open_export(&config.data_dir, &store, &stopped).await);
        if let Some(address) = config.diagnostics {
            let folder = config.data_dir.join(DIAGNOSTICS_FOLDER);
            let metrics = Arc::clone(&metrics);
            let diagnostics = Diagnostics { folder, metrics, only_cid };
            tasks.push(open_diagnostics(address, diagnostics, &stopped).await?);
        }
        if let Some(address) = config.heartbeat {
            let pulse = Pulse { metrics: Arc::clone(&metrics), only_cid };
            tasks.push(open_heartbeat(address, pulse, &stopped).await?);
        }
        if let Some(key_service) = config.key_service {
            tasks.extend(open_key_service(key_service, only_cid, &metrics, &stopped).await?);
        }
        if let Some(witnesses) = config.witnesses {
            tasks.push(open_witnesses(witnesses, only_cid, &stopped).await?);
        }
        Ok(Self { http, head, stop, tasks, writer: Some(thread), store })
    }

    /// Address of the gateway.
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// The head of the store when it was opened.
    pub fn head_at_start(&self) -> LogHead {
        self.head
    }

    /// Returns when the store is poisoned: it stores nothing more, and only a restart helps.
    pub async fn poisoned(&self) {
        let mut state = self.store.state();
        if state.wait_for(|state| *state == StoreState::Poisoned).await.is_err() {
            // The store is gone, and this host with it.
            std::future::pending::<()>().await;
        }
    }

    /// Stops in order: accepts nothing new, lets work in flight finish for some seconds. Everything
    /// written is durable when it returns.
    pub async fn stop(mut self) {
        let _ = self.stop.send(());
        for task in self.tasks.drain(..) {
            // A task that panicked has ended as well.
            let _ = task.await;
        }
        let (writer, store) = (self.writer.take(), self.store);
        let closed = tokio::task::spawn_blocking(move || {
            if let Some(writer) = writer {
                let _ = writer.join();
            }
            drop(store);
        });
        let _ = closed.await;
    }
}

/// Listens for scrapes of the metrics.
async fn open_metrics(
    address: SocketAddr,
    config: &Config,
    metrics: &Arc<Metrics>,
    state: watch::Receiver<StoreState>,
    stopped: &watch::Receiver<()>,
) -> Result<JoinHandle<()>, HostError> {
    let wrong = |error| HostError::ListenMetrics { address, error };
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    let links = EngineLinks::new(&config.engine, &config.limits);
    let access = Access::new(config.access.clone(), address);
    let page = Gateway::new(links, Arc::clone(metrics), state, config.limits.clone(), access);
    let page = Arc::new(page.with_pages(Pages::Metrics));
    Ok(tokio::spawn(gateway::serve(listener, page, stopped.clone())))
}

/// Listens for the relay and for credentials.
async fn open_key_service(
    config: KeyServiceConfig,
    only_cid: Option<u32>,
    metrics: &Arc<Metrics>,
    stopped: &watch::Receiver<()>,
) -> Result<[JoinHandle<()>; 2], HostError> {
    let relaying = listen(&config.listen_relay).await?;
    let providing = listen(&config.listen_credentials).await?;
    let relay = Relay { to: config.to, metrics: Arc::clone(metrics), only_cid };
    let ask_every = credentials::ASK_EVERY;
    let provider =
        Provider { source: config.source, ask_every, metrics: Arc::clone(metrics), only_cid };
    Ok([
        tokio::spawn(relay::serve(relaying, relay, stopped.clone())),
        tokio::spawn(credentials::serve(providing, provider, stopped.clone())),
    ])
}

/// Listens for the witness proxy.
async fn open_witnesses(
    proxy: WitnessConfig,
    only_cid: Option<u32>,
    stopped: &watch::Receiver<()>,
) -> Result<JoinHandle<()>, HostError> {
    let address = proxy.listen;
    let listener = Listener::bind(&address).await;
    let listener = listener.map_err(|error| HostError::ListenWitness { address, error })?;
    let proxy = WitnessProxy { places: Arc::new(proxy.places), only_cid };
    Ok(tokio::spawn(witness::serve(listener, proxy, stopped.clone())))
}

/// Listens for exports in the data folder, whose lock the store holds. A folder that takes no
/// socket stops no host: its log can still be exported when the host is stopped.
async fn open_export(
    data_dir: &Path,
    store: &Arc<DiskStore>,
    stopped: &watch::Receiver<()>,
) -> Option<JoinHandle<()>> {
    match ExportListener::bind(data_dir).await {
        Ok(listener) => {
            let server = ExportServer::new(Arc::<DiskStore>::clone(store));
            Some(tokio::spawn(export::serve(listener, server, stopped.clone())))
        }
        Err(error) => {
            tracing::warn!(%error, "no export socket in the data folder: stop the host to export");
            None
        }
    }
}

/// Listens for the enclave's diagnostics.
async fn open_diagnostics(
    address: Address,
    diagnostics: Diagnostics,
    stopped: &watch::Receiver<()>,
) -> Result<JoinHandle<()>, HostError> {
    let listener = Listener::bind(&address).await;
    let listener = listener.map_err(|error| HostError::ListenDiagnostics { address, error })?;
    Ok(tokio::spawn(diagnostics::serve(listener, diagnostics, stopped.clone())))
}

/// Listens for the heartbeat of the enclave's init.
async fn open_heartbeat(
    address: Address,
    pulse: Pulse,
    stopped: &watch::Receiver<()>,
) -> Result<JoinHandle<()>, HostError> {
    let listener = Listener::bind(&address).await;
    let listener = listener.map_err(|error| HostError::ListenHeartbeat { address, error })?;
    Ok(tokio::spawn(heartbeat::serve(listener, pulse, stopped.clone())))
}

async fn listen(address: &Address) -> Result<Listener, HostError> {
    let wrong = |error| HostError::ListenKeyService { address: address.clone(), error };
    Listener::bind(address).await.map_err(wrong)
}

async fn open_store(config: &Config, metrics: &Arc<Metrics>) -> Result<DiskStore, HostError> {
    let StoreOptions { segment_bytes, syncer: inner } = config.store.clone();
    let syncer = Arc::new(MeteredSyncer { inner, metrics: Arc::clone(metrics) });
    let options = StoreOptions { segment_bytes, syncer };
    let folder = config.data_dir.clone();
    let opened = tokio::task::spawn_blocking(move || DiskStore::open(&folder, options)).await;
    match opened {
        Ok(opened) => Ok(opened?),
        Err(panicked) => Err(OpenError::Io(io::Error::other(panicked)).into()),
    }
}

/// The context id whose requests are relayed is the only one that may use the store.
fn enclave_cid(config: &Config) -> Option<u32> {
    match config.engine {
        Address::Vsock { cid, .. } => Some(cid),
        _ => None,
    }
}

/// Runs a host until `shutdown` is done or its store is poisoned, then stops it in order, within
/// five seconds. Logs a line when it is ready.
///
/// A disk that does not answer may still block threads of the runtime when this returns: shut the
/// runtime down in the background.
///
/// # Errors
/// As [`Host::start`]; `StorePoisoned`.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), HostError> {
    let (store, engine) = (config.listen_store.clone(), config.engine.clone());
    let data_dir = config.data_dir.clone();
    let host = Host::start(config).await?;
    tracing::info!(
        data_dir = %data_dir.display(),
        frames = host.head_at_start().next_seq,
        %store,
        %engine,
        http = %format_args!("http://{}", host.http_address()),
        "mortise-host is ready"
    );
    let ended = tokio::select! {
        () = shutdown => Ok(()),
        () = host.poisoned() => {
            tokio::time::sleep(LAST_ANSWERS).await;
            Err(HostError::StorePoisoned)
        }
    };
    tracing::info!("mortise-host is stopping");
    match tokio::time::timeout(STOP_TIME, host.stop()).await {
        Ok(()) => tracing::info!("mortise-host has stopped"),
        Err(_) => tracing::warn!("mortise-host ends although its disk has not answered"),
    }
    ended
}
