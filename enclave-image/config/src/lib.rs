//! The measured configuration: text in, checked values out.
//!
//! What it is for: one strict reading of `/etc/mortise/enclave.toml`. An unknown name, a repeated
//! name, an alias in place of a key or a port used twice is an error with a name. It appears when
//! you build or start the image, not when the engine needs a key.
//!
//! What it does not do: read files or the environment; provide defaults for what an operator must
//! decide (region and keys).
//!
//! ```
//! use mortise_config::EnclaveConfig;
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

mod arn;
mod key_service;
mod roots;

pub use arn::{ArnError, KeyArn};
pub use key_service::{KeyServiceError, KmsConfig, Timeouts};
pub use roots::{RootsError, TrustRoots};

use mortise_transport::{Address, VSOCK_CID_ANY, ports};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tracing::level_filters::LevelFilter;

/// Path of the configuration in the image.
pub const CONFIG_FILE: &str = "/etc/mortise/enclave.toml";
/// Path of the genesis in the image, unless the configuration names another one.
pub const GENESIS_FILE: &str = "/etc/mortise/genesis.json";
/// Maximum size of a configuration: a few values, and the certificates of `tls_roots`.
pub const CONFIG_BYTES_MAX: usize = 64 * 1024;

/// Why a configuration is refused. Nothing in a configuration is secret, so texts may quote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// More than [`CONFIG_BYTES_MAX`].
    #[error("it has {found} bytes; the limit is {bytes_max}")]
    TooLarge {
        /// [`CONFIG_BYTES_MAX`].
        bytes_max: usize,
        found: usize,
    },
    /// Not TOML, or a name is missing, unknown, repeated or of the wrong type.
    #[error("{0}")]
    Toml(String),
    /// The engine's key is not a key ARN.
    #[error("engine_key_arn: {0}")]
    EngineKey(ArnError),
    /// The application's key is not a key ARN.
    #[error("app_key_arn: {0}")]
    AppKey(ArnError),
    /// The keys are in another region than `region`.
    #[error("region is {region}, but the keys are in {of_keys}")]
    RegionMismatch {
        /// As configured.
        region: String,
        /// The region in the ARNs.
        of_keys: String,
    },
    /// The keys, or the keys and the host, contradict each other.
    #[error("key service: {0}")]
    KeyService(#[from] KeyServiceError),
    /// The roots are not certificates.
    #[error("tls_roots: {0}")]
    Roots(#[from] RootsError),
    /// No peer has this context id.
    #[error("parent_cid is {found}: the parent is 3 on Nitro, 2 under vhost-device-vsock")]
    ParentCid { found: u32 },
    /// A port is 0 or the wildcard, or occurs twice.
    #[error("ports: {port} is not a port, or occurs twice")]
    Port { port: u32 },
    /// The path of the genesis is relative.
    #[error("genesis: {0} is not an absolute path")]
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
    /// The module of a Nitro enclave.
    #[default]
    Nitro,
    /// The module of an emulator, which signs nothing: for testing an image without AWS.
    Emulated,
}

/// Levels by name only: per-module directives would be a second language in a measured file.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

/// Vsock ports; the platform's defaults unless set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Ports {
    /// Requests. The parent dials this one; the enclave dials all others.
    listen: u32,
    /// Log store.
    store: u32,
    /// Lines of the log.
    diagnostics: u32,
    /// Credentials of the key service.
    credentials: u32,
    /// Requests to witnesses.
    witness: u32,
    /// Relay to the key service.
    kms: u32,
    /// Heartbeat of the start.
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

/// Where lines of the log go before a configuration is read: the platform's default.
pub fn diagnostics_unconfigured() -> Address {
    Address::Vsock { cid: parent_cid(), port: Ports::default().diagnostics }
}

/// The CID of the parent, seen from a Nitro enclave.
fn parent_cid() -> u32 {
    3
}

/// A checked configuration.
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
    /// Parses and checks a configuration.
    ///
    /// # Errors
    /// In this order: `TooLarge`, `Toml`, `EngineKey`, `AppKey`, `KeyService` for keys of two
    /// regions or one key twice, `RegionMismatch`, `KeyService` for a host, `Roots`, `ParentCid`,
    /// `Port`, `GenesisPath`.
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

    /// True for a development image: it trusts `tls_roots` instead of the public roots.
    pub fn has_own_roots(&self) -> bool {
        self.has_own_roots
    }

    /// Whether the application returns data keys in plaintext; see `specs/application.md`.
    pub fn releases_plaintext(&self) -> bool {
        self.releases_plaintext
    }

    /// Which security module the image is for.
    pub fn module(&self) -> Module {
        self.module
    }

    /// Log level.
    pub fn log(&self) -> LevelFilter {
        match self.log {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
        }
    }

    /// Path of the genesis.
    pub fn genesis(&self) -> &Path {
        &self.genesis
    }

    pub fn listen(&self) -> Address {
        Address::Vsock { cid: VSOCK_CID_ANY, port: self.ports.listen }
    }

    pub fn store(&self) -> Address {
        self.at_parent(self.ports.store)
    }

    pub fn diagnostics(&self) -> Address {
        self.at_parent(self.ports.diagnostics)
    }

    pub fn heartbeat(&self) -> Address {
        self.at_parent(self.ports.heartbeat)
    }

    pub fn credentials(&self) -> Address {
        self.at_parent(self.ports.credentials)
    }

    /// Address of the witness proxy on the parent.
    pub fn witness(&self) -> Address {
        self.at_parent(self.ports.witness)
    }

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

/// CID 0 is the hypervisor and 1 is this machine.
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
