//! secp256k1 signatures as wallets make them: 65 bytes, r | s | v.
//!
//! What it is for: naming the signer of a digest, and signing one. What it does not do: keep keys.
//!
//! Accepted: low s only; v 27, 28, 0 or 1. A high s or another v is refused, so that one message
//! and key have one accepted signature per nonce (and, for v, two spellings of it).

use crate::domains::keccak256;
use crate::eip712::Digest;
use crate::ids::{Address, Signature};
use k256::ecdsa::{RecoveryId, VerifyingKey};

mod signer;

pub use signer::Signer;

/// Why a signature names no signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// v is none of 0, 1, 27, 28.
    #[error("v must be 27, 28, 0 or 1")]
    RecoveryId,
    /// r or s is zero or not below the group order.
    #[error("r and s must lie between zero and the group order")]
    Scalar,
    /// s is in the upper half.
    #[error("s must be in the lower half")]
    HighS,
    /// No public key fits.
    #[error("no public key fits the signature")]
    NoKey,
}

/// The address whose key made `signature` over `digest`.
///
/// Success proves that whoever holds the key of this address signed this digest. It does not prove
/// whose address it is: compare it with the one expected.
///
/// # Errors
/// One [`SignatureError`] per rule, in the order of its variants.
pub fn recover(digest: &Digest, signature: &Signature) -> Result<Address, SignatureError> {
    let (rs, v) = signature.0.split_at(64);
    let recovery = match v[0] {
        0 | 27 => RecoveryId::new(false, false),
        1 | 28 => RecoveryId::new(true, false),
        _ => return Err(SignatureError::RecoveryId),
    };
    let parsed = k256::ecdsa::Signature::from_slice(rs).map_err(|_| SignatureError::Scalar)?;
    if parsed.normalize_s() != parsed {
        return Err(SignatureError::HighS);
    }
    let key = VerifyingKey::recover_from_prehash(&digest.0, &parsed, recovery)
        .map_err(|_| SignatureError::NoKey)?;
    Ok(address_of(&key))
}

fn address_of(key: &VerifyingKey) -> Address {
    let mut point = [0; 64];
    point.copy_from_slice(&key.to_sec1_point(false).as_bytes()[1..]);
    address_of_point(&point)
}

/// The address of a public key: x | y of its point, 32 bytes each. Whether it is a point is not
/// looked at.
pub fn address_of_point(point: &[u8; 64]) -> Address {
    let hash = keccak256(&[point]);
    let mut address = Address::ZERO;
    address.0.copy_from_slice(&hash[12..]);
    address
}

/// The address of a compressed public key (SEC 1); `None` when the bytes are no point.
pub fn address_of_compressed(key: &[u8; 33]) -> Option<Address> {
    VerifyingKey::from_sec1_bytes(key).ok().map(|key| address_of(&key))
}
