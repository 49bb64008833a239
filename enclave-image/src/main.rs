//! The enclave's process: machine, module, configuration, engine, in this order; see
//! [`mortise_enclave`].

use mortise_enclave::config::{CONFIG_FILE, EnclaveConfig, diagnostics_unconfigured};
use mortise_enclave::diagnostics::Diagnostics;
use mortise_enclave::init::heartbeat::{HEARTBEAT_TIME_MAX, beat};
use mortise_enclave::init::{self, Kernel, parent};
use mortise_enclave::log::{self, Watch};
use mortise_enclave::platform;
use mortise_enclave::stop::{CONFIG, Stop};
use mortise_engine::ports::Nsm;
use mortise_engine::server::{self, EngineError, VERSION};
use mortise_nitro::device::NsmDevice;
use mortise_transport::Address;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let config = read_config();
    let parent = config.as_ref().map(EnclaveConfig::diagnostics);
    let diagnostics = Diagnostics::start(parent.unwrap_or_else(|_| diagnostics_unconfigured()));
    let level = config.as_ref().map_or(LevelFilter::INFO, EnclaveConfig::log);
    log::start(level, diagnostics.clone());
    let exit = match run(config) {
        Ok(()) => 0,
        Err(stop) => {
            let (name, exit) = (stop.name(), stop.exit());
            tracing::error!(name, exit, why = %stop, "the enclave stops");
            exit
        }
    };
    log::leave(&diagnostics);
    if init::is_init() {
        init::end::end(exit);
    }
    ExitCode::from(exit)
}

fn read_config() -> Result<EnclaveConfig, Stop> {
    Ok(EnclaveConfig::parse(&platform::read(Path::new(CONFIG_FILE), CONFIG)?)?)
}

/// Without a machine, and then without a module, nothing else is worth saying.
fn run(config: Result<EnclaveConfig, Stop>) -> Result<(), Stop> {
    if init::is_init() {
        init::bring_up(&Kernel)?;
    }
    let nsm: Arc<dyn Nsm> = Arc::new(NsmDevice::open().map_err(Stop::NoNsm)?);
    let config = config?;
    if init::is_init() {
        init::check(&Kernel, config.module())?;
    }
    tracing::info!(version = VERSION, listen = %config.listen(), "starting");
    if config.has_own_roots() {
        tracing::warn!("DEVELOPMENT IMAGE: the key service is believed under roots of its own");
    }
    if config.releases_plaintext() {
        tracing::warn!("release_plaintext is on: the application gives data keys in clear");
    }
    actix::System::new().block_on(serve(&config, nsm))
}

async fn serve(config: &EnclaveConfig, nsm: Arc<dyn Nsm>) -> Result<(), Stop> {
    if init::is_init() {
        actix::spawn(say_alive(config.heartbeat()));
    }
    let engine = platform::engine(config)?;
    let ports = platform::ports(config, nsm)?;
    warn_of(ports.attestation.mode());
    let watch = Arc::new(Watch::default());
    match server::run(engine, ports.clone(), watch.clone(), ended(&watch)).await {
        // Nothing was asked of anybody yet.
        Err(EngineError::Store { address, .. }) => {
            parent::wait(&address, parent::PARENT_WAIT_MAX).await?;
            let engine = platform::engine(config)?;
            Ok(server::run(engine, ports, watch.clone(), ended(&watch)).await?)
        }
        ended => Ok(ended?),
    }
}

/// Nobody who relies on an engine should have to find these by himself.
fn warn_of(mode: &'static str) {
    match mode {
        "emulated" => tracing::warn!(
            mode,
            "EMULATED MODULE: nobody signs its documents, every verifier refuses them, and what \
             the engine promises about locks is marked and binds nobody"
        ),
        "debug" => tracing::warn!(
            mode,
            "DEBUG MODE: the registers are zero, the operator reads the console, and every \
             verifier refuses the documents; what the engine promises about locks is marked and \
             binds nobody"
        ),
        _ => {}
    }
}

/// `nitro-cli` waits for this; elsewhere there may be nobody, and nothing waits for an answer.
async fn say_alive(parent: Address) {
    match beat(&parent, HEARTBEAT_TIME_MAX).await {
        Ok(()) => tracing::info!(%parent, "heartbeat"),
        Err(error) => tracing::warn!(%parent, %error, "no heartbeat"),
    }
}

/// Ends when it is told to, or - nobody can tell the first process of an enclave anything - when
/// the engine has said for a while that it does not serve.
async fn ended(watch: &Watch) {
    let over = async {
        watch.faulted().await;
        tokio::time::sleep(FAULT_TIME_MAX).await;
    };
    if init::is_init() {
        tokio::select! {
            () = told_to_stop() => {}
            () = over => {}
        }
    } else {
        told_to_stop().await;
    }
}

/// How long a machine whose engine does not serve, and never will, answers who asks for its health.
const FAULT_TIME_MAX: Duration = Duration::from_secs(300);

/// Ends at SIGINT or SIGTERM, if they can be caught at all.
async fn told_to_stop() {
    let caught = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = caught(SignalKind::interrupt()) => {}
        () = caught(SignalKind::terminate()) => {}
    }
}
