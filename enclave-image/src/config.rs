//! The measured configuration: text in, checked values out.
//!
//! What it is for: one strict reading of `/etc/mortise/enclave.toml`. Unknown names, repeated
//! names, an alias in place of a key, a port that is used twice: each is an error with a name,
//! found when the image is tried and not when a key is needed.
//!
//! What it does not do: read files or the environment; have defaults for what an operator must
//! decide - region and keys.
//!
//! ```
//! use mortise_enclave::config::EnclaveConfig;
//! let config = EnclaveConfig::parse(
//!     r#"
//!     region = "eu-west-1"
//!     engine_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/a"
//!     app_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/b"
//!     "#,
//! )
//! .unwrap();
//! assert_eq!(config.kms().host(), "kms.eu-west-1.amazonaws.com");
//! assert!(!config.releases_plaintext());
//! ```

use mortise_nitro::kms::{self, ArnError, KeyArn, KmsConfig, RootsError, TrustRoots};
use mortise_transport::{Address, VSOCK_CID_ANY, ports};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tracing::level_filters::LevelFilter;

/// Where the image has its configuration.
pub const CONFIG_FILE: &str = "/etc/mortise/enclave.toml";
/// Where the image has its genesis, unless the configuration names another place.
pub const GENESIS_FILE: &str = "/etc/mortise/genesis.json";
/// Most bytes of a configuration: it names a few values and perhaps a root.
pub const CONFIG_BYTES_MAX: usize = 64 * 1024;

/// Why a configuration is refused. Nothing in it is secret, so texts may quote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// More than [`CONFIG_BYTES_MAX`].
    #[error("it has {found} bytes, at most {bytes_max} are read")]
    TooLarge {
        /// [`CONFIG_BYTES_MAX`].
        bytes_max: usize,
        /// Its bytes.
        found: usize,
    },
    /// Not TOML, a name that is missing, unknown, repeated, or of the wrong type.
    #[error("{0}")]
    Toml(String),
    /// The engine's key is no key ARN.
    #[error("engine_key_arn: {0}")]
    EngineKey(ArnError),
    /// The application's key is no key ARN.
    #[error("app_key_arn: {0}")]
    AppKey(ArnError),
    /// The keys lie in another region than the one that is named.
    #[error("region is {region}, the keys are in {of_keys}")]
    RegionMismatch {
        /// As configured.
        region: String,
        /// By the ARNs.
        of_keys: String,
    },
    /// Keys and host do not fit together.
    #[error("key service: {0}")]
    KeyService(#[from] kms::ConfigError),
    /// The roots are no certificates.
    #[error("tls_roots: {0}")]
    Roots(#[from] RootsError),
    /// No peer has this context id.
    #[error("parent_cid is {found}: the parent is 3 on Nitro, 2 under vhost-device-vsock")]
    ParentCid {
        /// As configured.
        found: u32,
    },
    /// A port is 0 or the wildcard, or two are one.
    #[error("ports: {port} is not a port, or is named twice")]
    Port {
        /// As configured.
        port: u32,
    },
    /// The place of the genesis depends on a working folder.
    #[error("genesis: {0} is no absolute path")]
    GenesisPath(PathBuf),
}

/// The file, name by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    region: String,
    engine_key_arn: String,
    app_key_arn: String,
    kms_host: Option<String>,
    tls_roots: Option<String>,
    #[serde(default)]
    release_plaintext: bool,
    #[serde(default)]
    module: Module,
    #[serde(default)]
    log: LogLevel,
    genesis: Option<PathBuf>,
    #[serde(default = "parent_cid")]
    parent_cid: u32,
    #[serde(default)]
    ports: Ports,
}

/// Which security module the image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Module {
    /// The one of a Nitro enclave.
    #[default]
    Nitro,
    /// An emulator's, which signs nothing: for trying an image without AWS.
    Emulated,
}

/// Levels by name: directives for single modules would be a second language in a measured file.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

/// Ports of vsock; those of the platform unless named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Ports {
    /// Requests; the parent dials.
    listen: u32,
    /// Log store; the enclave dials.
    store: u32,
    /// Lines of the log; the enclave dials.
    diagnostics: u32,
    /// Credentials; the enclave dials.
    credentials: u32,
    /// Way to witnesses; the enclave dials.
    witness: u32,
    /// Relay to the key service; the enclave dials.
    kms: u32,
    /// Heartbeat of the start; the enclave dials.
    heartbeat: u32,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            listen: ports::REQUESTS,
            store: ports::STORE,
            diagnostics: ports::DIAGNOSTICS,
            credentials: ports::CREDENTIALS,
            witness: ports::WITNESS,
            kms: ports::RELAY,
            heartbeat: ports::HEARTBEAT,
        }
    }
}

/// Where lines of the log go while there is no configuration: the places of the platform.
pub fn diagnostics_unconfigured() -> Address {
    Address::Vsock { cid: parent_cid(), port: Ports::default().diagnostics }
}

/// The parent, seen from a Nitro enclave.
fn parent_cid() -> u32 {
    3
}

/// A configuration that was checked.
#[derive(Debug, Clone)]
pub struct EnclaveConfig {
    kms: KmsConfig,
    has_own_roots: bool,
    releases_plaintext: bool,
    module: Module,
    log: LogLevel,
    genesis: PathBuf,
    parent_cid: u32,
    ports: Ports,
}

impl EnclaveConfig {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// In this order: `TooLarge`, `Toml`, `EngineKey`, `AppKey`, `KeyService` for two regions or
    /// one key twice, `RegionMismatch`, `KeyService` for a host, `Roots`, `ParentCid`, `Port`,
    /// `GenesisPath`.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let (bytes_max, found) = (CONFIG_BYTES_MAX, text.len());
        if found > bytes_max {
            return Err(ConfigError::TooLarge { bytes_max, found });
        }
        let file: File =
            toml::from_str(text).map_err(|error| ConfigError::Toml(error.to_string()))?;
        let kms = key_service(&file)?;
        check_parent(file.parent_cid)?;
        check_ports(&file.ports)?;
        let genesis = file.genesis.unwrap_or_else(|| GENESIS_FILE.into());
        if !genesis.is_absolute() {
            return Err(ConfigError::GenesisPath(genesis));
        }
        Ok(Self {
            kms,
            has_own_roots: file.tls_roots.is_some(),
            releases_plaintext: file.release_plaintext,
            module: file.module,
            log: file.log,
            genesis,
            parent_cid: file.parent_cid,
            ports: file.ports,
        })
    }

    /// Keys, host and roots of the key service.
    pub fn kms(&self) -> &KmsConfig {
        &self.kms
    }

    /// True for an image that believes other roots than those of Amazon: a development image.
    pub fn has_own_roots(&self) -> bool {
        self.has_own_roots
    }

    /// Whether the application gives data keys in clear; see `specs/application.md`.
    pub fn releases_plaintext(&self) -> bool {
        self.releases_plaintext
    }

    /// Which security module the image is for.
    pub fn module(&self) -> Module {
        self.module
    }

    /// What is logged.
    pub fn log(&self) -> LevelFilter {
        match self.log {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
        }
    }

    /// Where the genesis is.
    pub fn genesis(&self) -> &Path {
        &self.genesis
    }

    /// Where requests come in.
    pub fn listen(&self) -> Address {
        Address::Vsock { cid: VSOCK_CID_ANY, port: self.ports.listen }
    }

    /// Where the store is.
    pub fn store(&self) -> Address {
        self.at_parent(self.ports.store)
    }

    /// Where lines of the log go.
    pub fn diagnostics(&self) -> Address {
        self.at_parent(self.ports.diagnostics)
    }

    /// Where the heartbeat goes.
    pub fn heartbeat(&self) -> Address {
        self.at_parent(self.ports.heartbeat)
    }

    /// Where credentials come from.
    pub fn credentials(&self) -> Address {
        self.at_parent(self.ports.credentials)
    }

    /// Where requests to witnesses are handed over.
    pub fn witness(&self) -> Address {
        self.at_parent(self.ports.witness)
    }

    /// Where the relay to the key service is.
    pub fn relay(&self) -> Address {
        self.at_parent(self.ports.kms)
    }

    fn at_parent(&self, port: u32) -> Address {
        Address::Vsock { cid: self.parent_cid, port }
    }
}

fn key_service(file: &File) -> Result<KmsConfig, ConfigError> {
    let engine_key: KeyArn = file.engine_key_arn.parse().map_err(ConfigError::EngineKey)?;
    let app_key: KeyArn = file.app_key_arn.parse().map_err(ConfigError::AppKey)?;
    let mut kms = KmsConfig::new(engine_key, app_key)?;
    if kms.region() != file.region {
        let (region, of_keys) = (file.region.clone(), kms.region().to_owned());
        return Err(ConfigError::RegionMismatch { region, of_keys });
    }
    if let Some(host) = &file.kms_host {
        kms = kms.with_host(host)?;
    }
    if let Some(roots) = &file.tls_roots {
        kms = kms.with_roots(TrustRoots::only_pem(roots.as_bytes())?);
    }
    Ok(kms)
}

/// 0 is the hypervisor, 1 is this machine itself.
fn check_parent(found: u32) -> Result<(), ConfigError> {
    match found {
        0 | 1 | VSOCK_CID_ANY => Err(ConfigError::ParentCid { found }),
        _ => Ok(()),
    }
}

fn check_ports(ports: &Ports) -> Result<(), ConfigError> {
    let Ports { listen, store, diagnostics, credentials, witness, kms, heartbeat } = *ports;
    let mut seen = BTreeSet::from([0, u32::MAX]);
    for port in [listen, store, diagnostics, credentials, witness, kms, heartbeat] {
        if !seen.insert(port) {
            return Err(ConfigError::Port { port });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
