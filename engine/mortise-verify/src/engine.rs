//! The pinned engine, whose signatures are checked.

use mortise_format::eip712::Digest;
use mortise_format::ids::{Address, EngineId, Signature};
use mortise_format::secp256k1::{SignatureError, recover};

/// The identity that a verifier pins.
///
/// Nothing here discovers it. It comes from a verified attestation (whose bound keys include the
/// signing key), from a contract, or from another source that the verifier trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    /// The engine id; it never changes.
    pub id: EngineId,
    /// The address of its signing key.
    pub address: Address,
}

/// Why a signature is not that of the pinned engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// No signer can be recovered from the signature.
    #[error("the signature is malformed: {0}")]
    Malformed(SignatureError),
    /// Another key signed, or the signed fields were changed.
    #[error("{found} signed, not the engine's {expected}")]
    Signer {
        /// The engine's.
        expected: Address,
        /// The address that the signature recovers to.
        found: Address,
    },
}

impl Engine {
    /// Checks that the engine's key signed a digest.
    ///
    /// # Errors
    /// `Malformed`, `Signer`, in this order.
    pub fn signed(&self, digest: &Digest, signature: &Signature) -> Result<(), SignerError> {
        let found = recover(digest, signature).map_err(SignerError::Malformed)?;
        match found == self.address {
            true => Ok(()),
            false => Err(SignerError::Signer { expected: self.address, found }),
        }
    }
}
