//! Putting the host together: store, store server, gateway; starting and stopping in order.
//!
//! ```text
//! start: store -> writing thread -> store listener -> HTTP listener -> export socket -> ready
//! stop:  no new work -> answers under way -> writing thread ends -> index synced -> closed
//! ```

use crate::credentials::{self, CredentialsSource, Provider};
use crate::diagnostics::{self, Diagnostics};
use crate::export::{self, ExportListener, ExportServer};
use crate::gateway::{self, EngineLinks, Gateway, GatewayLimits};
use crate::heartbeat::{self, Pulse};
use crate::metrics::Metrics;
use crate::relay::{self, AllowList, Destination, NotAllowed, Relay};
use crate::server::{self, StoreServer};
use crate::store::{DiskStore, LogStore as _, OpenError, StoreOptions, Syncer, Writer};
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

/// The folder of what the enclave says, in the data folder.
const DIAGNOSTICS_FOLDER: &str = "diagnostics";
/// How often histograms take in what was recorded.
const UPKEEP: Duration = Duration::from_secs(5);

/// How a host runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of the store; made if it does not exist.
    pub data_dir: PathBuf,
    /// Where the engine reaches the store.
    pub listen_store: Address,
    /// Where the engine takes requests.
    pub engine: Address,
    /// Where the gateway listens; port 0 for any free one.
    pub http: SocketAddr,
    /// The gateway's bounds.
    pub limits: GatewayLimits,
    /// How the store is opened.
    pub store: StoreOptions,
    /// The way to the key service; none when the enclave reaches it otherwise.
    pub key_service: Option<KeyServiceConfig>,
    /// The way to witnesses; none when the policy has none.
    pub witnesses: Option<WitnessConfig>,
    /// Where the enclave's diagnostics arrive; none to take none.
    pub diagnostics: Option<Address>,
    /// Where the heartbeat of its init is answered; none where `nitro-cli` does.
    pub heartbeat: Option<Address>,
}

/// The enclave's way to the key service.
#[derive(Debug, Clone)]
pub struct KeyServiceConfig {
    /// Where the enclave reaches the relay.
    pub listen_relay: Address,
    /// Where the relay's bytes go.
    pub to: Destination,
    /// Where they may go.
    pub allowed: AllowList,
    /// Where the enclave gets credentials.
    pub listen_credentials: Address,
    /// Where those come from.
    pub source: CredentialsSource,
}

impl Config {
    /// The default bounds, the gateway on a port of loopback.
    pub fn new(data_dir: PathBuf, listen_store: Address, engine: Address, http_port: u16) -> Self {
        Self {
            data_dir,
            listen_store,
            engine,
            http: SocketAddr::from(([127, 0, 0, 1], http_port)),
            limits: GatewayLimits::default(),
            store: StoreOptions::default(),
            key_service: None,
            witnesses: None,
            diagnostics: None,
            heartbeat: None,
        }
    }
}

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The writing thread could not be started.
    #[error("the system gives no thread: {0}")]
    Thread(io::Error),
    /// The store's address cannot be listened at.
    #[error("cannot listen at {address} for the store: {error}")]
    ListenStore {
        /// The address.
        address: Address,
        /// The system's reason.
        error: io::Error,
    },
    /// The relay is not to connect there.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// An address for the key service cannot be listened at.
    #[error("cannot listen at {address} for the key service: {error}")]
    ListenKeyService {
        /// The address.
        address: Address,
        /// The system's reason.
        error: io::Error,
    },
    /// The address for witnesses cannot be listened at.
    #[error("cannot listen at {address} for the witnesses' way: {error}")]
    ListenWitness {
        /// The address.
        address: Address,
        /// The system's reason.
        error: io::Error,
    },
    /// The address for diagnostics cannot be listened at.
    #[error("cannot listen at {address} for diagnostics: {error}")]
    ListenDiagnostics {
        /// The address.
        address: Address,
        /// The system's reason.
        error: io::Error,
    },
    /// The address for the heartbeat cannot be listened at.
    #[error("cannot listen at {address} for the heartbeat: {error}")]
    ListenHeartbeat {
        /// The address.
        address: Address,
        /// The system's reason.
        error: io::Error,
    },
    /// The gateway's address cannot be listened at.
    #[error("cannot listen at {address} for HTTP: {error}")]
    ListenHttp {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        error: io::Error,
    },
}

/// A running host.
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
}

impl Host {
    /// Opens the store and listens; when it returns, both addresses take connections.
    ///
    /// # Errors
    /// See [`HostError`].
    pub async fn start(config: Config) -> Result<Self, HostError> {
        if let Some(way) = &config.key_service {
            way.allowed.check(&way.to)?;
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
        let gateway = Arc::new(Gateway::new(links, Arc::clone(&metrics), config.limits));
        let mut tasks = vec![
            tokio::spawn(server::serve(listen_store, server, stopped.clone())),
            tokio::spawn(gateway::serve(listen_http, gateway, stopped.clone())),
            tokio::spawn(upkeep(Arc::clone(&metrics), stopped.clone())),
        ];
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
        if let Some(way) = config.key_service {
            tasks.extend(open_way(way, only_cid, &metrics, &stopped).await?);
        }
        if let Some(way) = config.witnesses {
            tasks.push(open_witnesses(way, only_cid, &stopped).await?);
        }
        Ok(Self { http, head, stop, tasks, writer: Some(thread), store })
    }

    /// Where the gateway listens.
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// The head that the store had when it was opened.
    pub fn head_at_start(&self) -> LogHead {
        self.head
    }

    /// Stops in order: nothing new is taken, what is under way is finished for some seconds, and
    /// everything written is durable when it returns.
    pub async fn stop(mut self) {
        let _ = self.stop.send(());
        for task in self.tasks.drain(..) {
            // A task that panicked has stopped as well.
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

/// Listens for the relay and for credentials.
async fn open_way(
    way: KeyServiceConfig,
    only_cid: Option<u32>,
    metrics: &Arc<Metrics>,
    stopped: &watch::Receiver<()>,
) -> Result<[JoinHandle<()>; 2], HostError> {
    let relaying = listen(&way.listen_relay).await?;
    let providing = listen(&way.listen_credentials).await?;
    let relay = Relay { to: way.to, metrics: Arc::clone(metrics), only_cid };
    let ask_every = credentials::ASK_EVERY;
    let provider =
        Provider { source: way.source, ask_every, metrics: Arc::clone(metrics), only_cid };
    Ok([
        tokio::spawn(relay::serve(relaying, relay, stopped.clone())),
        tokio::spawn(credentials::serve(providing, provider, stopped.clone())),
    ])
}

/// Listens for calls to witnesses.
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

/// Listens for what the enclave says.
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

/// The virtual machine whose requests are relayed is the only one that may use the store.
fn enclave_cid(config: &Config) -> Option<u32> {
    match config.engine {
        Address::Vsock { cid, .. } => Some(cid),
        _ => None,
    }
}

async fn upkeep(metrics: Arc<Metrics>, mut stop: watch::Receiver<()>) {
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            _ = tick.tick() => metrics.upkeep(),
            _ = stop.changed() => return,
        }
    }
}

/// Runs a host until `shutdown` is done, then stops it in order. Says on the log when it is ready.
///
/// # Errors
/// As [`Host::start`].
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
    shutdown.await;
    tracing::info!("mortise-host is stopping");
    host.stop().await;
    tracing::info!("mortise-host has stopped");
    Ok(())
}
