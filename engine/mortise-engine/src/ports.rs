//! The ports of the engine, as traits that it owns: time, entropy, sealed keys, the security
//! module, witnesses, the keys of the application.
//!
//! The store is a port too, see [`crate::store`]. `mortise-sim` implements the ports in software;
//! the measured binary implements them on the Nitro platform. This crate does not know which one it
//! has.

mod nsm;

pub use nsm::{AttestRequest, ModuleDescription, Nsm, NsmError, PcrState};

use mortise_format::ids::EngineId;
use mortise_format::secret::Secret;
use mortise_format::witness::WitnessKey;
use mortise_rpc::credentials::Credentials;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

/// Trusted wall clock (TRUST 3).
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch. May stand still or go back: the writer takes the maximum.
    ///
    /// # Errors
    /// [`ClockError`]: there is no trusted time. The engine stops, because a decision on a guessed
    /// time may end a hold too early.
    fn now_ms(&self) -> Result<u64, ClockError>;

    /// Reads the source of the time several times over, for a boot on a log that is far behind. A
    /// clock that counts from no readings has nothing to confirm.
    ///
    /// # Errors
    /// `Unconfirmed`: the readings do not agree.
    fn confirm(&self) -> PortFuture<'_, Result<(), ClockError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// There is no trusted time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// The last trusted time is too old to extrapolate from.
    #[error("the last trusted time is {age_ms} ms old")]
    Stale {
        /// Age by the monotonic clock of the machine, milliseconds.
        age_ms: u64,
    },
    /// The security module says, several times over, that the time is far ahead. A running engine
    /// does not follow: a time that is early ends promises for good. The next boot asks a second
    /// source.
    #[error("the module's time is {ahead_ms} ms ahead of the time counted from the last")]
    Leap {
        /// How far it is ahead, milliseconds.
        ahead_ms: u64,
    },
    /// The log is far behind the module's time, and its readings do not agree on one.
    #[error("the readings of the module's time do not agree")]
    Unconfirmed,
}

impl ClockError {
    /// The name of the fault.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stale { .. } | Self::Unconfirmed => "CLOCK",
            Self::Leap { .. } => "CLOCK_LEAP",
        }
    }
}

pub trait Entropy: Send + Sync + 'static {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);
}

/// The context of a wrapped key. Its wrapping binds it, so that wrapped keys cannot be swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyContext {
    pub engine_id: EngineId,
    /// The epoch; 0 for the genesis secrets.
    pub epoch: u64,
    pub purpose: KeyPurpose,
}

/// The purposes of wrapped keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPurpose {
    /// Signing key and log secret, made at genesis.
    Genesis,
    /// Data key of an epoch.
    Epoch,
}

impl KeyPurpose {
    /// The name in contexts and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Epoch => "epoch",
        }
    }
}

/// The vault gave no key. The text is for people and logs and never contains a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The wrapped key does not open: it was changed, or belongs to another context or vault. Also
    /// an answer that an honest key service does not give.
    #[error("the wrapped key does not open in this vault and context: {0}")]
    Refused(String),
    /// The key service does not give this key to this code: the key policy names other measurements
    /// or does not allow the caller.
    #[error("the key service denies the key to this code: {0}")]
    Denied(String),
    /// The key service rejects our requests because its clock and the trusted clock are apart.
    #[error("{0}")]
    ClocksApart(String),
    /// The vault cannot be reached or read. A retry may help.
    #[error("the vault cannot be reached: {0}")]
    Unavailable(String),
}

/// The future of an asynchronous port.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The key service: generates and unwraps data keys, for measured code only.
///
/// A fake can return `Box::pin(std::future::ready(result))`.
pub trait Vault: Send + Sync + 'static {
    /// Generates a data key. Returns the key and its wrapped form.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`; `Refused` for an answer that fails a check.
    fn generate<'a>(
        &'a self,
        context: &'a KeyContext,
    ) -> PortFuture<'a, Result<(Secret, Vec<u8>), VaultError>>;

    /// Unwraps a data key.
    ///
    /// # Errors
    /// `Refused` if it does not open under this context; `Denied`, `Unavailable`.
    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a KeyContext,
    ) -> PortFuture<'a, Result<Secret, VaultError>>;

    /// The clock of the service, from its last answer: a second source of the time. `None` if the
    /// service says none, or was not asked yet.
    fn service_time(&self) -> Option<ServiceTime> {
        None
    }
}

/// The time in an answer of the key service, over TLS that ends in the enclave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceTime {
    /// The service's clock, seconds since the Unix epoch.
    pub theirs_s: u64,
    /// The trusted clock when the answer came, seconds since the Unix epoch.
    pub ours_s: u64,
}

/// A witness gave no answer. A retry may help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WitnessUnreachable(pub String);

/// Access to witnesses, through the parent. The engine trusts only cosignatures in an answer, and
/// verifies each: a carrier can withhold one, but not forge one.
pub trait Witnesses: Send + Sync + 'static {
    /// Sends an `add-checkpoint` request. Returns HTTP status and body of the answer.
    ///
    /// # Errors
    /// [`WitnessUnreachable`]: there was no answer.
    fn add_checkpoint<'a>(
        &'a self,
        witness: &'a WitnessKey,
        body: Vec<u8>,
    ) -> PortFuture<'a, Result<(u16, Vec<u8>), WitnessUnreachable>>;
}

/// Secret bytes, wiped on drop.
pub type SecretBytes = zeroize::Zeroizing<Vec<u8>>;

/// The encryption context of a wrapped key. Unwrapping needs the same context.
pub type EncryptionContext = BTreeMap<String, String>;

/// Keys of the application (`kmsEncrypt` and the other `kms` methods), under a separate master key:
/// no context of the application opens a key of the engine.
///
/// Credentials of a request serve that request only. Without them the parent's are used.
pub trait AppKeys: Send + Sync + 'static {
    /// Generates a data key of 32 bytes. Returns the key and its wrapped form.
    ///
    /// # Errors
    /// As [`Vault::generate`].
    fn data_key<'a>(
        &'a self,
        context: &'a EncryptionContext,
        credentials: Option<&'a Credentials>,
    ) -> PortFuture<'a, Result<(SecretBytes, Vec<u8>), VaultError>>;

    /// Unwraps a data key.
    ///
    /// # Errors
    /// As [`Vault::unwrap`].
    fn open<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a EncryptionContext,
        credentials: Option<&'a Credentials>,
    ) -> PortFuture<'a, Result<SecretBytes, VaultError>>;

    /// Returns random bytes of the key service, at most 1024.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`; `Refused` for an answer that fails a check.
    fn random<'a>(
        &'a self,
        count: usize,
        credentials: Option<&'a Credentials>,
    ) -> PortFuture<'a, Result<SecretBytes, VaultError>>;
}
