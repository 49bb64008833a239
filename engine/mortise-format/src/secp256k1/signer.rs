//! The key that signs: RFC 6979, low s.

use super::{SignatureError, address_of};
use crate::eip712::Digest;
use crate::ids::{Address, Signature};
use k256::ecdsa::SigningKey;

/// A secp256k1 signing key; its bytes are wiped on drop and never printed.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    address: Address,
}

impl Signer {
    /// From 32 secret bytes.
    ///
    /// # Errors
    /// `Scalar` when they are zero or not below the group order.
    pub fn from_bytes(secret: &[u8; 32]) -> Result<Self, SignatureError> {
        let key = SigningKey::from_slice(secret).map_err(|_| SignatureError::Scalar)?;
        let address = address_of(key.verifying_key());
        Ok(Self { key, address })
    }

    /// The address.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The compressed public key (SEC 1, 33 bytes).
    pub fn public_key(&self) -> [u8; 33] {
        let point = self.key.verifying_key().to_sec1_point(true);
        let mut out = [0; 33];
        out.copy_from_slice(point.as_bytes());
        out
    }

    /// Signs a digest: RFC 6979, low s, v 27 or 28. The same digest gives the same bytes.
    pub fn sign(&self, digest: &Digest) -> Signature {
        let (signature, recovery) = self.key.sign_prehash_recoverable(&digest.0);
        let mut out = Signature::ZERO;
        out.0[..64].copy_from_slice(&signature.to_bytes());
        out.0[64] = if recovery.is_y_odd() { 28 } else { 27 };
        out
    }
}

impl core::fmt::Debug for Signer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Signer({}, [redacted])", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secp256k1::recover;

    /// The first account of the public test mnemonic that every EVM developer knows.
    fn test_signer() -> Signer {
        let mut secret = [0; 32];
        crate::ids::parse_hex(
            "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
            &mut secret,
        )
        .unwrap();
        Signer::from_bytes(&secret).unwrap()
    }

    #[test]
    fn signatures_recover_to_their_signer_with_both_forms_of_v() {
        let signer = test_signer();
        assert_eq!(
            signer.address(),
            Address::parse("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266").unwrap()
        );
        let digest = Digest([7; 32]);
        let mut signature = signer.sign(&digest);
        assert_eq!(recover(&digest, &signature), Ok(signer.address()));
        signature.0[64] -= 27;
        assert_eq!(recover(&digest, &signature), Ok(signer.address()));
        assert_ne!(recover(&Digest([8; 32]), &signature), Ok(signer.address()));
    }

    #[test]
    fn high_s_foreign_v_and_out_of_range_scalars_are_refused_by_name() {
        let digest = Digest([7; 32]);
        let good = test_signer().sign(&digest);
        let parsed = k256::ecdsa::Signature::from_slice(&good.0[..64]).unwrap();
        let high = k256::ecdsa::Signature::from_scalars(parsed.r(), -parsed.s()).unwrap();
        let mut bad = good;
        bad.0[..64].copy_from_slice(&high.to_bytes());
        bad.0[64] ^= 27 ^ 28;
        assert_eq!(recover(&digest, &bad), Err(SignatureError::HighS));
        for v in [2, 26, 29, 255] {
            let mut bad = good;
            bad.0[64] = v;
            assert_eq!(recover(&digest, &bad), Err(SignatureError::RecoveryId));
        }
        let mut zero = Signature::ZERO;
        zero.0[64] = 27;
        assert_eq!(recover(&digest, &zero), Err(SignatureError::Scalar));
    }
}
