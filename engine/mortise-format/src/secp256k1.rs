//! secp256k1 signatures as wallets make them: 65 bytes, r | s | v.
//!
//! What it is for: recovering the signer of a digest, and signing one. What it does not do: store
//! keys.
//!
//! Accepted: low s only; v 27, 28, 0 or 1. A signature is not unique: the holder of a key can make
//! any number of signatures over one digest, and anyone can rewrite v 27 as 0 and 28 as 1. What a
//! third party cannot do is flip s. So the bytes of a signature never serve as an identity.

use crate::domains::keccak256;
use crate::eip712::Digest;
use crate::ids::{Address, Signature};
use k256::ecdsa::{RecoveryId, VerifyingKey};

mod signer;

pub use signer::Signer;

/// Why no signer can be recovered from a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// v is none of 0, 1, 27, 28.
    #[error("v must be 27, 28, 0 or 1")]
    RecoveryId,
    /// r or s is zero or not below the group order.
    #[error("r and s must be above zero and below the group order")]
    Scalar,
    /// s is in the upper half.
    #[error("s must be in the lower half")]
    HighS,
    /// No public key can be recovered.
    #[error("no public key can be recovered from the signature")]
    NoKey,
}

/// The one form of a valid signature: v is 27 or 28. Other bytes stay as they are, and do not
/// recover.
///
/// Anyone who carries a signature can rewrite v, so nothing hashes it in another form.
#[must_use]
pub fn canonical(mut signature: Signature) -> Signature {
    if signature.0[64] < 2 {
        signature.0[64] += 27;
    }
    signature
}

/// The address whose key made `signature` over `digest`.
///
/// Success proves that a holder of the key of this address signed this digest. It does not prove
/// whose address it is: compare it with the expected one.
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

/// The address of a public key: x | y of its point, 32 bytes each. Does not check that the point is
/// on the curve.
pub fn address_of_point(point: &[u8; 64]) -> Address {
    let hash = keccak256(&[point]);
    let mut address = Address::ZERO;
    address.0.copy_from_slice(&hash[12..]);
    address
}

/// The address of a compressed public key (SEC 1); `None` when the bytes are not a point.
pub fn address_of_compressed(key: &[u8; 33]) -> Option<Address> {
    VerifyingKey::from_sec1_bytes(key).ok().map(|key| address_of(&key))
}
