//! The whole system, for tests that drive its sockets: host and engine on a folder of their own.
//!
//! What it is for: [`System`] runs both in this process, each on a thread with a runtime of its
//! own, which tests stop and start again, optionally with a [`proxy::Proxy`] in between that
//! changes the answers of the store; [`processes::Processes`] runs them as real processes that
//! tests can kill; [`wire`] speaks the request port and HTTP byte by byte.
//!
//! What it does not do: fake any part. Store, sockets, keys and engine are the real ones; the vault
//! and the clock are those of `mortise-dev dev`.

pub mod parties;
pub mod processes;
pub mod proxy;
pub mod readers;
pub mod threads;
pub mod wire;

use crate::keys::Party;
use mortise_engine::phase::Bounds;
use mortise_engine::server::EngineError;
use mortise_format::genesis::Genesis;
use mortise_format::ids::{Address, Bytes32};
use mortise_format::policy::{ChainCustody, ChainPolicy};
use mortise_host::GatewayLimits;
use mortise_rpc::genesis::dev;
use mortise_transport::Address as SocketAddress;
use proxy::Proxy;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use threads::{EngineThread, HostThread, Platform, Progress};
use wire::JsonLine;

/// Longest wait for anything in these tests.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two polls.
const POLL: Duration = Duration::from_millis(5);
/// A chain in custody `escrow`, besides those of the development genesis.
pub const ESCROW_CHAIN: u64 = 59_144;

/// The development genesis with observers, an operator and a chain in custody `escrow`.
pub fn genesis() -> Genesis {
    let mut genesis = dev(Bytes32([0x33; 32]));
    let policy = &mut genesis.policy;
    let custody = ChainCustody::Escrow { contract: Address([0xe1; 20]), notice_s: 86_400 };
    policy.chains.push(ChainPolicy { chain_id: ESCROW_CHAIN, custody, claim_window_s: 300 });
    policy.chains.sort_by_key(|chain| chain.chain_id);
    policy.observers = Party::OBSERVERS.map(Party::address).to_vec();
    policy.observers.sort_unstable();
    policy.observers_min = 2;
    policy.operators = vec![Party::Operator.address()];
    policy.operators_min = 1;
    genesis
}

/// Polls until `poll` returns a value.
///
/// # Panics
/// When it returns none within the timeout; `what` is in the message.
pub fn eventually<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(begun.elapsed() < TIMEOUT, "timed out waiting for {what}");
        std::thread::sleep(POLL);
    }
}

/// Options of a system.
#[derive(Debug, Clone)]
pub struct Options {
    /// The genesis.
    pub genesis: Genesis,
    /// Bounds of the engine.
    pub bounds: Bounds,
    /// Bounds of the gateway.
    pub limits: GatewayLimits,
    /// Frames between two snapshots.
    pub snapshot_frames: u64,
    /// Bytes of a segment of the host's store.
    pub segment_bytes: u64,
    /// Put a proxy between engine and store.
    pub has_proxy: bool,
    /// Keys and attestation; without one the vault file of the folder, unattested.
    pub platform: Option<Platform>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            genesis: genesis(),
            bounds: Bounds::default(),
            limits: GatewayLimits::default(),
            snapshot_frames: 4096,
            segment_bytes: mortise_host::store::SEGMENT_BYTES,
            has_proxy: false,
            platform: None,
        }
    }
}

/// Host and engine in this process.
#[derive(Debug)]
pub struct System {
    options: Options,
    proxy: Option<Proxy>,
    engine: Option<EngineThread>,
    host: Option<HostThread>,
    // Dropped last: it has the sockets.
    folder: tempfile::TempDir,
}

impl System {
    /// A running system with default options.
    ///
    /// # Panics
    /// When it does not start; so do all functions here when the system is not as expected.
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    /// A running system behind a proxy that is honest until a test changes it.
    pub fn behind_proxy() -> Self {
        Self::with(Options { has_proxy: true, ..Options::default() })
    }

    /// A running system.
    pub fn with(options: Options) -> Self {
        let mut system = Self::stopped(options);
        system.start_host();
        system.start_engine();
        system
    }

    /// A system of which nothing runs but the proxy, if it has one.
    pub fn stopped(options: Options) -> Self {
        let folder = tempfile::tempdir().expect("the system gives a folder");
        let mut system = Self { options, proxy: None, engine: None, host: None, folder };
        if system.options.has_proxy {
            let proxy = Proxy::start(system.proxy_address(), system.store_address());
            system.proxy = Some(proxy);
        }
        system
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the store.
    pub fn store_folder(&self) -> PathBuf {
        self.folder().join("store")
    }

    /// The file of the vault.
    pub fn vault(&self) -> PathBuf {
        self.folder().join("vault.key")
    }

    /// Where the engine takes requests.
    pub fn engine_socket(&self) -> PathBuf {
        self.folder().join("engine.sock")
    }

    /// Where the host serves the store.
    pub fn store_address(&self) -> SocketAddress {
        SocketAddress::Unix(self.folder().join("store.sock"))
    }

    fn proxy_address(&self) -> SocketAddress {
        SocketAddress::Unix(self.folder().join("proxy.sock"))
    }

    /// The proxy.
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("the options asked for a proxy")
    }

    /// The options, to change before the next start.
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Where the gateway listens.
    pub fn http(&self) -> SocketAddr {
        self.host.as_ref().expect("the host runs").http()
    }

    /// What the engine told of its start.
    pub fn progress(&self) -> Progress {
        self.engine.as_ref().expect("the engine was started").progress()
    }

    /// Starts the host.
    pub fn start_host(&mut self) {
        let engine = SocketAddress::Unix(self.engine_socket());
        let store = self.store_address();
        let mut config = mortise_host::Config::new(self.store_folder(), store, engine, 0);
        config.limits = self.options.limits.clone();
        config.store.segment_bytes = self.options.segment_bytes;
        self.host = Some(HostThread::start(config));
    }

    /// Starts the engine and waits for nothing.
    pub fn launch_engine(&mut self) {
        let store = match self.options.has_proxy {
            true => self.proxy_address(),
            false => self.store_address(),
        };
        let platform = self.options.platform.clone();
        let platform = platform.unwrap_or_else(|| Platform::of_file(&self.vault()));
        let config = mortise_engine::server::Config {
            listen: SocketAddress::Unix(self.engine_socket()),
            store,
            genesis: Some(self.options.genesis.clone()),
            bounds: self.options.bounds,
            snapshot_frames: self.options.snapshot_frames,
            rules: None,
            crypto_threads: 2,
            app: platform.app_config,
        };
        self.engine = Some(EngineThread::start(config, &platform));
    }

    /// Starts the engine and waits until it serves.
    pub fn start_engine(&mut self) {
        self.launch_engine();
        self.wait_phase("ready");
    }

    /// Waits until health names this phase.
    pub fn wait_phase(&self, phase: &str) {
        eventually(phase, || {
            let mut line = JsonLine::try_connect(&self.engine_socket()).ok()?;
            let health = line.try_call("health", Value::Null).ok()?;
            (health["result"]["phase"] == phase).then_some(())
        });
    }

    /// Stops the engine in order.
    pub fn stop_engine(&mut self) -> Result<(), EngineError> {
        self.engine.take().expect("the engine runs").stop()
    }

    /// Waits until the engine has ended by itself, and says why.
    pub fn engine_ended(&mut self) -> EngineError {
        let ended = self.engine.take().expect("the engine was started").join();
        ended.expect_err("an engine that is not stopped ends with an error")
    }

    /// Stops the host in order.
    pub fn stop_host(&mut self) {
        self.host.take().expect("the host runs").stop();
    }

    /// A JSON connection to the engine.
    pub fn line(&self) -> JsonLine {
        JsonLine::try_connect(&self.engine_socket()).expect("the engine listens")
    }

    /// One call on a connection of its own.
    pub fn call(&self, method: &str, params: Value) -> Value {
        self.line().call(method, params)
    }

    /// The newest statement with its signature: what must not change when nothing happened.
    pub fn statement(&self) -> Value {
        let answer = self.call("getStateRoot", serde_json::json!({ "signed": true }));
        answer.get("result").cloned().unwrap_or_else(|| panic!("no statement: {answer}"))
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            // A test that needs the result stops the engine itself.
            let _ = engine.stop();
        }
        if let Some(host) = self.host.take() {
            host.stop();
        }
    }
}
