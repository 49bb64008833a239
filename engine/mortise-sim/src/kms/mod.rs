//! A local key service that speaks the protocol of AWS KMS (`specs/local-kms.md`).
//!
//! What it is for: `mortise-dev dev` and the tests run the real client code - TLS, signatures,
//! attestation documents, sealed answers, key policies - against a service that rejects what AWS
//! rejects.
//!
//! What it does not do: protect keys from a reader of its folder; implement grants, rotation,
//! asymmetric keys, deletion or several accounts.
//!
//! ```text
//! TLS -> HTTP -> signature -> operation -> Recipient -> policies -> key
//! server         sigv4        operations   recipient    policy      keys      trail: one line each
//! ```
//!
//! Invariants: no plaintext leaves when a Recipient was named; a call whose trail line cannot be
//! written gets no answer; every error has the name that AWS gives it.

mod cms;
mod der;
mod error;
mod files;
mod iam;
mod keys;
mod operations;
mod recipient;
mod request;
mod server;
mod sigv4;
mod time;
mod tls;
mod trail;
mod unsigned;

pub use error::{KmsError, KmsErrorKind};
pub use iam::{ADMIN, ENCLAVE, ENCLAVE_ROLE, Principal};
pub use mortise_verify::attestation::RootFingerprint;
pub use server::REQUEST_BYTES_MAX;

use iam::{Account, Iam};
use keys::{Keys, MasterKey};
use mortise_key_policy::{DocumentError, PolicyDocument};
use mortise_rpc::credentials::Credentials;
use mortise_transport::aws::Partition;
use recipient::Trust;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{SystemTime, UNIX_EPOCH};
use tls::Authority;
use trail::Trail;

/// Why a service was not opened, or a key not created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalKmsError {
    /// A file of the folder cannot be read or written.
    #[error("the key service's folder: {0}")]
    Io(#[from] std::io::Error),
    /// A file of the folder is corrupt.
    #[error("{file} is broken: {reason}")]
    Broken {
        /// The kind of file.
        file: StoreFile,
        /// What is wrong. Contains nothing of the file.
        reason: String,
    },
    /// The region, the account or a name is malformed.
    #[error("{0}")]
    Config(&'static str),
    /// A key's policy is malformed, or has a part that this service does not evaluate.
    #[error("the key policy: {0}")]
    Policy(#[from] DocumentError),
    /// The TLS library rejects its configuration.
    #[error("the TLS configuration: {0}")]
    Tls(#[from] rustls::Error),
    /// The crypto library failed without a reason.
    #[error("the crypto library failed")]
    Crypto,
}

/// A file of the service's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreFile {
    /// `iam.json`.
    Principals,
    /// One of `keys/`.
    Key,
    /// `tls-root.key` or `tls-root.pem`.
    TlsRoot,
}

impl fmt::Display for StoreFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Principals => "iam.json",
            Self::Key => "a file of keys/",
            Self::TlsRoot => "the TLS root",
        })
    }
}

/// The service's time: returns milliseconds since 1970 at each call.
pub type KmsClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The time of the system.
pub fn system_time() -> KmsClock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// The configuration of a service.
#[derive(Clone)]
pub struct LocalKmsConfig {
    /// `eu-central-1`; part of ARNs, host name and signatures.
    pub region: String,
    /// Twelve digits.
    pub account: String,
    /// Roots of the attestation documents to accept.
    pub nitro_roots: Vec<RootFingerprint>,
    /// Accept unsigned documents, as emulators make them. Off by default.
    pub accept_unsigned_documents: bool,
    pub clock: KmsClock,
}

impl LocalKmsConfig {
    /// A service that accepts documents under these roots only.
    pub fn new(
        region: &str,
        account: &str,
        nitro_roots: Vec<RootFingerprint>,
        clock: KmsClock,
    ) -> Self {
        let (region, account) = (region.to_owned(), account.to_owned());
        Self { region, account, nitro_roots, accept_unsigned_documents: false, clock }
    }

    /// The partition of the region.
    fn check(&self) -> Result<Partition, LocalKmsError> {
        let partition = Partition::of_region(&self.region)
            .ok_or(LocalKmsError::Config("a region is lower-case letters, digits and dashes"))?;
        if self.account.len() != 12 || !self.account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(LocalKmsError::Config("an account is twelve digits"));
        }
        Ok(partition)
    }
}

/// The service. Clones share its state.
#[derive(Clone)]
pub struct LocalKms {
    inner: Arc<Inner>,
}

struct Inner {
    partition: Partition,
    region: String,
    account: String,
    trust: Trust,
    clock: KmsClock,
    iam: Iam,
    keys: Keys,
    trail: Trail,
    authority: Authority,
    /// How many further calls get a ThrottlingException.
    throttled: AtomicU32,
}

impl fmt::Debug for LocalKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalKms({}, {})", self.inner.region, self.inner.account)
    }
}

impl LocalKms {
    /// Opens the service in a folder, or creates it: principals, TLS root, no keys.
    ///
    /// # Errors
    /// `Config`; `Io`; `Broken` for a corrupt file; `Crypto`.
    pub fn open(folder: &Path, config: LocalKmsConfig) -> Result<Self, LocalKmsError> {
        let partition = config.check()?;
        std::fs::create_dir_all(folder)?;
        let now_s = (config.clock)() / 1000;
        let inner = Inner {
            iam: Iam::open(folder, Account { partition, id: &config.account })?,
            keys: Keys::open(folder)?,
            trail: Trail::open(folder, &config.region, &config.account)?,
            authority: Authority::open(folder, now_s)?,
            trust: Trust {
                roots: config.nitro_roots,
                accept_unsigned_documents: config.accept_unsigned_documents,
            },
            partition,
            region: config.region,
            account: config.account,
            clock: config.clock,
            throttled: AtomicU32::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes sure that a key with this alias (`mortise-engine`, without `alias/`) exists and has
    /// this policy. Returns its ARN.
    ///
    /// # Errors
    /// `Policy`; `Config` for a malformed alias; `Io`.
    pub fn ensure_key(&self, alias: &str, policy: &str) -> Result<String, LocalKmsError> {
        PolicyDocument::parse(policy)?.check_supported()?;
        let alias = format!("alias/{alias}");
        if !request::is_alias(&alias) {
            return Err(LocalKmsError::Config("an alias is letters, digits, /, _ and -"));
        }
        let key = match self.inner.keys.by_alias(&alias) {
            Some(mut key) => {
                if key.policy == policy {
                    return Ok(self.key_arn(&key.id));
                }
                key.policy = policy.to_owned();
                key
            }
            None => {
                let now_s = self.now_ms() / 1000;
                let id = files::new_uuid();
                let mut key = MasterKey::new(id, alias.clone(), policy.to_owned(), now_s);
                key.aliases.push(alias);
                key
            }
        };
        let arn = self.key_arn(&key.id);
        self.inner.keys.put(key)?;
        Ok(arn)
    }

    /// The credentials of a principal: [`ADMIN`], [`ENCLAVE`], or another of `iam.json`.
    pub fn credentials(&self, name: &str) -> Option<Credentials> {
        self.inner.iam.credentials(name)
    }

    /// Writes a principal's credentials to a file of the folder that only its owner may read, in
    /// the form in which the parent passes them on. Returns the path.
    ///
    /// # Errors
    /// `Config` for a name that no principal has; `Io`.
    pub fn export_credentials(&self, name: &str) -> Result<PathBuf, LocalKmsError> {
        let credentials = self.credentials(name);
        let credentials = credentials.ok_or(LocalKmsError::Config("no principal has that name"))?;
        let path = self.inner.authority.path().with_file_name(format!("credentials-{name}.json"));
        let text = serde_json::to_vec(&credentials).map_err(std::io::Error::from)?;
        files::write_private(&path, &text)?;
        Ok(path)
    }

    /// Replaces a principal's credentials with a session that ends at this time.
    ///
    /// # Errors
    /// `Io`.
    pub fn renew_session(
        &self,
        name: &str,
        ends_ms: u64,
    ) -> Result<Option<Credentials>, LocalKmsError> {
        self.inner.iam.renew(name, ends_ms)
    }

    /// Answers the next `calls` signed calls with ThrottlingException. For tests.
    pub fn throttle_next(&self, calls: u32) {
        self.inner.throttled.store(calls, std::sync::atomic::Ordering::SeqCst);
    }

    /// The host name that clients expect, such as `kms.<region>.amazonaws.com`.
    pub fn host_name(&self) -> String {
        self.inner.partition.kms_host(&self.inner.region)
    }

    /// The ARN of the role of [`ENCLAVE`], for key policies.
    pub fn enclave_role_arn(&self) -> String {
        let Inner { partition, account, .. } = &*self.inner;
        format!("arn:{}:iam::{account}:role/{ENCLAVE_ROLE}", partition.name())
    }

    /// File of the TLS root in PEM, which clients pin.
    pub fn tls_root_path(&self) -> PathBuf {
        self.inner.authority.path().to_owned()
    }

    /// The TLS root in PEM.
    pub fn tls_root_pem(&self) -> String {
        self.inner.authority.pem()
    }

    fn key_arn(&self, id: &str) -> String {
        let Inner { partition, region, account, .. } = &*self.inner;
        format!("arn:{}:kms:{region}:{account}:key/{id}", partition.name())
    }

    fn now_ms(&self) -> u64 {
        (self.inner.clock)()
    }
}

#[cfg(test)]
mod tests;
