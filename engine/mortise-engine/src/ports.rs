//! What the engine needs from outside, as traits owned here: time, entropy, sealed keys, the
//! security module, the application's keys.
//!
//! The store is a port too, see [`crate::store`]. `mortise-sim` gives software ones; the measured
//! binary gives those of the Nitro platform. Nothing in this crate knows which it has.

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
    /// Milliseconds since the Unix epoch. May stand still, is never trusted to go forward only:
    /// the writer takes the maximum.
    ///
    /// # Errors
    /// [`ClockError`]: there is no time that can be trusted. The engine stops: a lock decided by a
    /// guessed time may end a hold too early.
    fn now_ms(&self) -> Result<u64, ClockError>;
}

/// Why there is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// The last time that can be trusted is too old to count on from.
    #[error("the last trusted time is {age_ms} ms old")]
    Stale {
        /// Its age by the machine's monotonic clock.
        age_ms: u64,
    },
}

/// Source of randomness.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);
}

/// What a wrapped key is for: bound into its wrapping, so that wrapped keys cannot be swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyContext {
    /// The engine.
    pub engine_id: EngineId,
    /// The epoch; 0 for the genesis secrets.
    pub epoch: u64,
    /// The purpose.
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

/// Why a key was not given. The text is for people and logs and never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The wrapped key does not open: it was changed, or belongs to another context or vault, or
    /// the answer of the key service is not one that an honest service gives.
    #[error("the wrapped key does not open in this vault and context: {0}")]
    Refused(String),
    /// The key service does not give this key to this code: its policy names other measurements,
    /// or does not know the caller.
    #[error("the key service denies the key to this code: {0}")]
    Denied(String),
    /// The vault cannot be reached or read; trying again may help.
    #[error("the vault cannot be reached: {0}")]
    Unavailable(String),
}

/// What a call of an asynchronous port gives.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The key service: makes data keys and unwraps them, for measured code only.
///
/// To stand in for one: `Box::pin(std::future::ready(result))` is a future.
pub trait Vault: Send + Sync + 'static {
    /// A fresh data key and its wrapped form.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`; `Refused` for an answer that is not believed.
    fn generate<'a>(
        &'a self,
        context: &'a KeyContext,
    ) -> PortFuture<'a, Result<(Secret, Vec<u8>), VaultError>>;

    /// The data key of a wrapped form.
    ///
    /// # Errors
    /// `Refused` when it does not open under this context, `Denied`, `Unavailable`.
    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a KeyContext,
    ) -> PortFuture<'a, Result<Secret, VaultError>>;
}

/// Why a witness gave no answer. Trying again may help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WitnessUnreachable(pub String);

/// The way to witnesses, through the parent. Nothing that comes back is believed but a cosignature,
/// which proves itself: whoever carries it can only keep it back.
pub trait Witnesses: Send + Sync + 'static {
    /// Status and body of the answer to an `add-checkpoint` of this body.
    ///
    /// # Errors
    /// [`WitnessUnreachable`].
    fn add_checkpoint<'a>(
        &'a self,
        witness: &'a WitnessKey,
        body: Vec<u8>,
    ) -> PortFuture<'a, Result<(u16, Vec<u8>), WitnessUnreachable>>;
}

/// Secret bytes of an answer, wiped when dropped.
pub type SecretBytes = zeroize::Zeroizing<Vec<u8>>;

/// The encryption context of a wrapped key: what must be named again to unwrap it.
pub type EncryptionContext = BTreeMap<String, String>;

/// Keys of the application (`kmsEncrypt` and its kin), under a master key of its own: no context
/// that it can name opens a key of the engine.
///
/// Credentials that come with a request serve that request only; without them, those of the parent.
pub trait AppKeys: Send + Sync + 'static {
    /// A fresh 32-byte data key and its wrapped form.
    ///
    /// # Errors
    /// As [`Vault::generate`].
    fn data_key<'a>(
        &'a self,
        context: &'a EncryptionContext,
        credentials: Option<&'a Credentials>,
    ) -> PortFuture<'a, Result<(SecretBytes, Vec<u8>), VaultError>>;

    /// The data key of a wrapped form.
    ///
    /// # Errors
    /// As [`Vault::unwrap`].
    fn open<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a EncryptionContext,
        credentials: Option<&'a Credentials>,
    ) -> PortFuture<'a, Result<SecretBytes, VaultError>>;

    /// Random bytes of the key service, at most 1024.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`; `Refused` for an answer that is not believed.
    fn random<'a>(
        &'a self,
        count: usize,
        credentials: Option<&'a Credentials>,
    ) -> PortFuture<'a, Result<SecretBytes, VaultError>>;
}
