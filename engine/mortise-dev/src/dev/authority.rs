//! The authority of a data folder: its attestation root, its key service, its key policies.
//!
//! ```text
//! folder/nsm/               the authority that signs attestation documents
//! folder/nitro-root.pem     its root: pass it to verifiers of this system
//! folder/kms/               the key service: keys, principals, TLS root, trail of calls
//! folder/{engine,app}-policy.json   who may unwrap: only the development image
//! folder/platform.json      addresses of module and key service for the engine
//! ```

use super::folder::{Folder, FolderError};
use super::notice::KmsReady;
use super::platform::{DEV_IMAGE, Platform};
use mortise_format::hex;
use mortise_key_policy::compose::{Plan, Service, compose};
use mortise_sim::kms::ENCLAVE_ROLE;
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use serde::Serialize;
use std::ffi::OsString;
use std::path::PathBuf;

/// Account of the local key service.
pub(crate) const ACCOUNT: &str = "000000000000";
/// Region of the local key service.
pub(crate) const REGION: &str = "eu-central-1";
/// Alias of the engine's key.
pub(crate) const ENGINE_KEY: &str = "engine";
/// Alias of the application's key.
pub(crate) const APP_KEY: &str = "app";

/// The trust anchors of this system.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Authority {
    /// Certificate of the root.
    pub nitro_root: PathBuf,
    /// SHA-256 of that certificate.
    pub nitro_root_sha256: String,
    /// Register of the image.
    pub pcr0: String,
    /// Register of the kernel.
    pub pcr1: String,
    /// Register of the application.
    pub pcr2: String,
    /// Log of calls of the key service, one JSON object per line.
    pub kms_trail: PathBuf,
}

impl Authority {
    /// Creates the missing files of the folder.
    pub fn prepare(folder: &Folder) -> Result<Self, FolderError> {
        let measurements = Measurements::dev(DEV_IMAGE);
        let wrong = FolderError::Module;
        let nsm = SoftwareNsm::boot(&folder.nsm(), &measurements).map_err(wrong)?;
        nsm.export_root(folder.root()).map_err(wrong)?;
        for (service, alias) in [(Service::Engine, ENGINE_KEY), (Service::App, APP_KEY)] {
            folder.write(&policy_file(alias), &policy(service, &measurements))?;
        }
        let Measurements { pcr0, pcr1, pcr2, .. } = measurements;
        let root = nsm.root();
        Ok(Self {
            nitro_root: folder.root().join("nitro-root.pem"),
            nitro_root_sha256: hex::encode(&root.0),
            pcr0: pcr0.to_string(),
            pcr1: pcr1.to_string(),
            pcr2: pcr2.to_string(),
            kms_trail: folder.kms().join("trail.jsonl"),
        })
    }

    /// The command line of the key service process.
    pub fn kms_args(&self, folder: &Folder, log: &str) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["dev-kms".into(), "--data-dir".into()];
        args.push(folder.kms().into());
        for (flag, value) in [
            ("--region", REGION),
            ("--account", ACCOUNT),
            ("--nitro-root", &self.nitro_root_sha256),
            ("--log", log),
        ] {
            args.extend([flag.into(), value.into()]);
        }
        for alias in [ENGINE_KEY, APP_KEY] {
            let mut value = OsString::from(format!("{alias}="));
            value.push(folder.root().join(policy_file(alias)));
            args.extend(["--key-policy".into(), value]);
        }
        args
    }

    /// Writes the addresses of module and key service for the engine.
    pub fn write_platform(&self, folder: &Folder, kms: &KmsReady) -> Result<(), FolderError> {
        let key = |alias: &str| kms.keys.get(alias).cloned().unwrap_or_default();
        let platform = Platform {
            nsm: folder.nsm(),
            image: DEV_IMAGE.to_owned(),
            relay: folder.relay_address(),
            credentials: folder.credentials_address(),
            kms_host: kms.host_name.clone(),
            kms_root: kms.tls_root.clone(),
            engine_key: key(ENGINE_KEY),
            app_key: key(APP_KEY),
        };
        let text = serde_json::to_string_pretty(&platform).expect("names are text");
        folder.write(super::folder::PLATFORM, &format!("{text}\n"))
    }
}

fn policy_file(alias: &str) -> String {
    format!("{alias}-policy.json")
}

fn policy(service: Service, measurements: &Measurements) -> String {
    let Measurements { pcr0, pcr1, pcr2, .. } = measurements;
    image_policy(service, [pcr0, pcr1, pcr2].map(|pcr| pcr.to_string()))
}

/// The policy of a key of the local service that one image may use, by its first three registers.
pub(crate) fn image_policy(service: Service, [pcr0, pcr1, pcr2]: [String; 3]) -> String {
    let plan = Plan {
        service,
        role: format!("arn:aws:iam::{ACCOUNT}:role/{ENCLAVE_ROLE}"),
        admins: vec![format!("arn:aws:iam::{ACCOUNT}:root")],
        images: vec![pcr0],
        registers: [(1, pcr1), (2, pcr2)].map(|(index, pcr)| (index, vec![pcr])).to_vec(),
        engine_id: None,
    };
    format!("{:#}\n", compose(&plan))
}
