//! What the engine needs from outside, as traits owned here: time, entropy, sealed keys.
//!
//! The store is a port too, see [`crate::store`]. `mortise-sim` gives software ones; the measured
//! binary gives those of the Nitro platform. Nothing in this crate knows which it has.

use mortise_core::keys::Secret;
use mortise_format::ids::EngineId;

/// Trusted wall clock (TRUST 3).
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch. May stand still, is never trusted to go forward only:
    /// the writer takes the maximum.
    fn now_ms(&self) -> u64;
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

/// Why a key was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The wrapped key does not open: it was changed, or belongs to another context or vault.
    #[error("the wrapped key does not open in this vault and context")]
    Refused,
    /// The vault cannot be reached or read.
    #[error("the vault cannot be reached")]
    Unavailable,
}

/// The key service: makes data keys and unwraps them, for measured code only.
pub trait Vault: Send + Sync + 'static {
    /// A fresh data key and its wrapped form.
    ///
    /// # Errors
    /// `Unavailable`.
    fn generate(&self, context: &KeyContext) -> Result<(Secret, Vec<u8>), VaultError>;

    /// The data key of a wrapped form.
    ///
    /// # Errors
    /// `Refused` when it does not open under this context, `Unavailable`.
    fn unwrap(&self, wrapped: &[u8], context: &KeyContext) -> Result<Secret, VaultError>;
}
