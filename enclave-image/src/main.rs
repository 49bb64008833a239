//! The enclave's process. It starts the machine, the module, the configuration and the engine, in
//! this order; see [`mortise_enclave`].

use mortise_config::{CONFIG_FILE, EnclaveConfig, diagnostics_unconfigured};
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
    log::flush(&diagnostics);
    if init::is_init() {
        init::end::end(exit);
    }
    ExitCode::from(exit)
}

fn read_config() -> Result<EnclaveConfig, Stop> {
    Ok(EnclaveConfig::parse(&platform::read(Path::new(CONFIG_FILE), CONFIG)?)?)
}

/// Reports a broken machine first, then a missing module: either one makes every later error
/// meaningless, an invalid configuration included.
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
        tracing::warn!("DEVELOPMENT IMAGE: tls_roots replaces the public roots of the key service");
    }
    if config.releases_plaintext() {
        tracing::warn!("release_plaintext is on: the application returns data keys in plaintext");
    }
    actix::System::new().block_on(serve(&config, nsm))
}

async fn serve(config: &EnclaveConfig, nsm: Arc<dyn Nsm>) -> Result<(), Stop> {
    if init::is_init() {
        actix::spawn(send_heartbeat(config.heartbeat()));
    }
    let engine = platform::engine(config)?;
    let ports = platform::ports(config, nsm)?;
    warn_of(ports.attestation.mode());
    let watch = Arc::new(Watch::default());
    match server::run(engine, ports.clone(), watch.clone(), ended(&watch)).await {
        // The engine sent nothing yet, so a second start repeats no effect.
        Err(EngineError::Store { address, .. }) => {
            parent::wait(&address, parent::PARENT_WAIT_MAX).await?;
            let engine = platform::engine(config)?;
            Ok(server::run(engine, ports, watch.clone(), ended(&watch)).await?)
        }
        ended => Ok(ended?),
    }
}

/// Logs a warning for each mode whose engine no one may rely on.
fn warn_of(mode: &'static str) {
    match mode {
        "emulated" => tracing::warn!(
            mode,
            "EMULATED MODULE: its documents are unsigned and every verifier refuses them; the \
             engine's commitments carry the insecure mode and bind no one"
        ),
        "debug" => tracing::warn!(
            mode,
            "DEBUG MODE: the registers are zero, the operator can read the console, and every \
             verifier refuses the documents; the engine's commitments carry the insecure mode and \
             bind no one"
        ),
        _ => {}
    }
}

/// `nitro-cli` waits for this byte. Elsewhere nothing may listen, and the start does not wait for
/// the answer.
async fn send_heartbeat(parent: Address) {
    match beat(&parent, HEARTBEAT_TIME_MAX).await {
        Ok(()) => tracing::info!(%parent, "heartbeat"),
        Err(error) => tracing::warn!(%parent, %error, "no heartbeat"),
    }
}

/// Completes on a signal. As the first process of an enclave, which receives no signals, it also
/// completes [`FAULT_TIME_MAX`] after the engine reports a fault.
async fn ended(watch: &Watch) {
    let over = async {
        watch.faulted().await;
        tokio::time::sleep(FAULT_TIME_MAX).await;
    };
    if init::is_init() {
        tokio::select! {
            () = stop_signal() => {}
            () = over => {}
        }
    } else {
        stop_signal().await;
    }
}

/// How long a machine with a faulted engine still answers health requests before it ends.
const FAULT_TIME_MAX: Duration = Duration::from_secs(300);

/// Completes at SIGINT or SIGTERM; never when they cannot be caught.
async fn stop_signal() {
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
