//! The platform of the engine process: a file that names module and key service, or a vault file.
//!
//! It composes the measured binary with two parts replaced: the software module replaces the
//! device, and the local key service replaces AWS KMS. Clock, entropy, key service client and
//! sealing are the same code.

use mortise_config::{KmsConfig, TrustRoots};
use mortise_engine::attest::Attestation;
use mortise_engine::ports::{Clock, Entropy, Nsm};
use mortise_engine::server::Ports;
use mortise_nitro::clock::{ClockRules, NsmClock};
use mortise_nitro::entropy::NsmEntropy;
use mortise_nitro::kms::{CredentialStore, KmsAppKeys, KmsClient, KmsPlatform, KmsVault};
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use mortise_sim::{FileVault, SystemClock, SystemEntropy};
use mortise_transport::Address;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The attested platform of a data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Platform {
    /// Folder of the software module's authority.
    pub nsm: PathBuf,
    /// The label from which the measurements are derived: another label means another image.
    pub image: String,
    /// The parent's relay to the key service.
    pub relay: String,
    /// The parent's credentials.
    pub credentials: String,
    /// Name in the key service's certificate.
    pub kms_host: String,
    /// Root of that certificate, PEM.
    pub kms_root: PathBuf,
    /// ARN of the engine's master key.
    pub engine_key: String,
    /// ARN of the application's master key.
    pub app_key: String,
}

/// The image of the development system.
pub(crate) const DEV_IMAGE: &str = "mortise dev";

impl Platform {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }

    /// Ports of an engine on this platform. Needs a running runtime, which fetches credentials.
    pub fn ports(&self) -> Result<Ports, Box<dyn Error>> {
        let measurements = Measurements::dev(&self.image);
        let nsm: Arc<dyn Nsm> = Arc::new(SoftwareNsm::boot(&self.nsm, &measurements)?);
        let clock: Arc<dyn Clock> =
            Arc::new(NsmClock::start(Arc::clone(&nsm), ClockRules::default())?);
        let entropy: Arc<dyn Entropy> = Arc::new(NsmEntropy::new(Arc::clone(&nsm))?);
        let parent: Address = self.credentials.parse()?;
        let platform = KmsPlatform {
            dialer: Arc::new(self.relay.parse::<Address>()?),
            credentials: CredentialStore::from_parent(Arc::new(parent), Arc::clone(&entropy)),
            nsm: Arc::clone(&nsm),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
        };
        let client = Arc::new(KmsClient::new(self.kms()?, platform)?);
        Ok(Ports {
            clock,
            entropy,
            vault: Arc::new(KmsVault::new(Arc::clone(&client))),
            attestation: Attestation::Development(nsm),
            witnesses: None,
            app: Some(Arc::new(KmsAppKeys::new(client))),
        })
    }

    fn kms(&self) -> Result<KmsConfig, Box<dyn Error>> {
        let roots = TrustRoots::only_pem(&std::fs::read(&self.kms_root)?)?;
        let config = KmsConfig::new(self.engine_key.parse()?, self.app_key.parse()?)?;
        Ok(config.with_host(&self.kms_host)?.with_roots(roots))
    }
}

/// Ports over a vault file: no module, no key service, mode `unattested`.
pub(crate) fn unattested(vault: &Path) -> Result<Ports, Box<dyn Error>> {
    Ok(Ports {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        vault: Arc::new(FileVault::open(vault)?),
        attestation: Attestation::Unattested,
        witnesses: None,
        app: None,
    })
}
