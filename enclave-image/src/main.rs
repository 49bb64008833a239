//! The enclave's process: module, configuration, engine, in this order; see [`mortise_enclave`].

use mortise_enclave::config::{CONFIG_FILE, EnclaveConfig};
use mortise_enclave::log::{self, Watch};
use mortise_enclave::platform;
use mortise_enclave::stop::{CONFIG, Stop};
use mortise_engine::ports::Nsm;
use mortise_engine::server::{self, VERSION};
use mortise_nitro::device::NsmDevice;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let config = read_config();
    log::start(config.as_ref().map_or(LevelFilter::INFO, EnclaveConfig::log));
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            let (name, exit) = (stop.name(), stop.exit());
            tracing::error!(name, exit, why = %stop, "the enclave stops");
            ExitCode::from(exit)
        }
    }
}

fn read_config() -> Result<EnclaveConfig, Stop> {
    Ok(EnclaveConfig::parse(&platform::read(Path::new(CONFIG_FILE), CONFIG)?)?)
}

/// Without a module nothing else is worth saying.
fn run(config: Result<EnclaveConfig, Stop>) -> Result<(), Stop> {
    let nsm: Arc<dyn Nsm> = Arc::new(NsmDevice::open().map_err(Stop::NoNsm)?);
    let config = config?;
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
    let engine = platform::engine(config)?;
    let ports = platform::ports(config, nsm)?;
    Ok(server::run(engine, ports, Arc::new(Watch::default()), told_to_stop()).await?)
}

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
