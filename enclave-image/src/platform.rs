//! The ports of the engine in an enclave: device, clock, entropy, key service, application keys.
//!
//! What it is for: the one place that assembles the Nitro platform. It takes the module as a port,
//! so that tests of other crates run the same code over a software module.
//!
//! What it does not do: start anything that listens; see [`mortise_config`] for the
//! engine's half.

use crate::stop::{GENESIS, Stop};
use mortise_config::{EnclaveConfig, Module};
use mortise_engine::app::AppConfig;
use mortise_engine::attest::{Attestation, InsecureMode};
use mortise_engine::phase::Bounds;
use mortise_engine::ports::{AppKeys, Clock, Entropy, Nsm};
use mortise_engine::server::{Config, Ports};
use mortise_engine::witness::RemoteWitnesses;
use mortise_format::limits::SNAPSHOT_FRAMES;
use mortise_nitro::clock::{ClockRules, NsmClock};
use mortise_nitro::entropy::NsmEntropy;
use mortise_nitro::kms::{CredentialStore, KmsAppKeys, KmsClient, KmsPlatform, KmsVault};
use mortise_rpc::genesis;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

/// Returns the ports over this module. Needs a running runtime, over which credentials arrive.
///
/// # Errors
/// `Clock`, `Entropy`, `KeyService`.
pub fn ports(config: &EnclaveConfig, nsm: Arc<dyn Nsm>) -> Result<Ports, Stop> {
    let clock = clock(config.module(), Arc::clone(&nsm))?;
    let entropy: Arc<dyn Entropy> = Arc::new(NsmEntropy::new(Arc::clone(&nsm))?);
    let parent = Arc::new(config.credentials());
    let platform = KmsPlatform {
        dialer: Arc::new(config.relay()),
        credentials: CredentialStore::from_parent(parent, Arc::clone(&entropy)),
        nsm: Arc::clone(&nsm),
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
    };
    let client = Arc::new(KmsClient::new(config.kms().clone(), platform)?);
    let app: Arc<dyn AppKeys> = Arc::new(KmsAppKeys::new(Arc::clone(&client)));
    Ok(Ports {
        clock,
        entropy,
        vault: Arc::new(KmsVault::new(client)),
        attestation: attestation(config.module(), nsm),
        witnesses: Some(Arc::new(RemoteWitnesses(config.witness()))),
        app: Some(app),
    })
}

fn clock(module: Module, nsm: Arc<dyn Nsm>) -> Result<Arc<dyn Clock>, Stop> {
    let rules = ClockRules::default();
    Ok(Arc::new(match module {
        Module::Nitro => NsmClock::start(nsm, rules)?,
        Module::Emulated => NsmClock::start_emulated(nsm, rules)?,
    }))
}

/// What protects the engine's keys. Every answer about the engine states it.
fn attestation(module: Module, nsm: Arc<dyn Nsm>) -> Attestation {
    match module {
        Module::Emulated => Attestation::Refused(nsm, InsecureMode::Emulated),
        Module::Nitro if is_debug(nsm.as_ref()) => Attestation::Refused(nsm, InsecureMode::Debug),
        Module::Nitro => Attestation::Module(nsm),
    }
}

/// In debug mode the registers of the image are zero. If the module does not answer, this is false:
/// the boot reads the registers again and fails then.
fn is_debug(nsm: &dyn Nsm) -> bool {
    let is_zero = |index| {
        let state = nsm.describe_pcr(index);
        state.is_ok_and(|state| state.value.iter().all(|byte| *byte == 0))
    };
    (0..=2).all(is_zero)
}

/// Returns the engine's configuration, with the genesis of the image.
///
/// # Errors
/// `File`, `Genesis`.
pub fn engine(config: &EnclaveConfig) -> Result<Config, Stop> {
    let text = read(config.genesis(), GENESIS)?;
    Ok(Config {
        listen: config.listen(),
        store: config.store(),
        genesis: Some(genesis::parse(&text)?),
        bounds: Bounds::default(),
        snapshot_frames: SNAPSHOT_FRAMES,
        // The operators choose the rules, in the approval in the log.
        rules: None,
        crypto_threads: std::thread::available_parallelism().map_or(1, NonZero::get),
        app: AppConfig { release_plaintext: config.releases_plaintext() },
    })
}

/// Reads a file of the image; `name` names the stop if it cannot be read.
///
/// # Errors
/// `File`.
pub fn read(path: &Path, name: &'static str) -> Result<String, Stop> {
    let named = |error| Stop::File { path: path.to_owned(), name, error };
    std::fs::read_to_string(path).map_err(named)
}
