//! `Recipient`: the key that an answer is encrypted to, and what policies see of its document.

use super::cms::envelope;
use super::error::{KmsError, KmsErrorKind, validation};
use super::unsigned::read_unsigned;
use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey};
use mortise_format::limits::ATTESTATION_SKEW_MS_MAX;
use mortise_format::pcr::Pcr;
use mortise_verify::attestation::{
    ArchivedCheck, Claims, Expect, PcrPolicy, RootFingerprint, verify_archived,
};
use std::collections::BTreeMap;
use std::fmt;

/// Bits of the RSA keys that are accepted.
const KEY_BITS: usize = 2048;

/// The contents of an accepted document.
pub(super) struct Statement {
    pub module_id: String,
    pub timestamp_ms: u64,
    pub pcrs: BTreeMap<u8, Pcr>,
    pub public_key: Option<Vec<u8>>,
}

/// A recipient whose document was accepted.
pub(super) struct Recipient {
    pub module_id: String,
    pub pcrs: BTreeMap<u8, Pcr>,
    key: OaepPublicEncryptingKey,
    spki: Vec<u8>,
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.module_id)
    }
}

/// Which documents are accepted.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    pub roots: Vec<RootFingerprint>,
    pub accept_unsigned_documents: bool,
}

impl Recipient {
    /// Verifies a document at the service's time. Any image passes; the policy decides by image.
    ///
    /// # Errors
    /// `ValidationException` for a document that does not verify under a configured root, is more
    /// than five minutes off, or has no RSA key of 2048 bits.
    pub fn verify(document: &[u8], trust: &Trust, now_ms: u64) -> Result<Self, KmsError> {
        let statement = accept(document, trust)?;
        let apart_ms = statement.timestamp_ms.abs_diff(now_ms);
        if apart_ms > ATTESTATION_SKEW_MS_MAX {
            let text = format!("The attestation document is {} seconds off.", apart_ms / 1000);
            return Err(validation(text));
        }
        let spki = statement
            .public_key
            .ok_or_else(|| validation("The attestation document has no public key."))?;
        let key = rsa_key(&spki).ok_or_else(|| {
            validation("The attestation document's key is not an RSA key of 2048 bits.")
        })?;
        Ok(Self { module_id: statement.module_id, pcrs: statement.pcrs, key, spki })
    }

    /// Encrypts an answer's plaintext to the recipient.
    ///
    /// # Errors
    /// `KMSInternalException` when the crypto library fails.
    pub fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, KmsError> {
        envelope(&self.key, &self.spki, plaintext)
            .map_err(|_| KmsError::new(KmsErrorKind::KmsInternal, "the envelope cannot be made"))
    }
}

fn accept(document: &[u8], trust: &Trust) -> Result<Statement, KmsError> {
    let check = ArchivedCheck {
        roots: &trust.roots,
        pcrs: &PcrPolicy::any_image(),
        claims: Claims::unchecked(),
        nonce: Expect::Anything,
    };
    match verify_archived(document, &check) {
        Ok(verified) => {
            let document = verified.document();
            Ok(Statement {
                module_id: document.module_id().to_owned(),
                timestamp_ms: document.timestamp_ms(),
                pcrs: document.pcrs().map(|(index, pcr)| (index, *pcr)).collect(),
                public_key: document.public_key().map(<[u8]>::to_vec),
            })
        }
        Err(error) => {
            let unsigned = trust.accept_unsigned_documents.then(|| read_unsigned(document));
            unsigned.flatten().ok_or_else(|| {
                validation(format!("The attestation document does not verify: {error}"))
            })
        }
    }
}

fn rsa_key(spki: &[u8]) -> Option<OaepPublicEncryptingKey> {
    let key = PublicEncryptingKey::from_der(spki).ok()?;
    if key.key_size_bits() != KEY_BITS {
        return None;
    }
    OaepPublicEncryptingKey::new(key).ok()
}
