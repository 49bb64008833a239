//! The key to which the service encrypts one answer, and the attestation document that binds it.
//!
//! Each attempt has a new RSA key and a new document. No key is kept that could open an answer to
//! an earlier request or to another enclave.
//!
//! Generating the key and calling the module block for some hundred milliseconds. The client runs
//! both on blocking threads.

use super::envelope::{self, EnvelopeError};
use super::error::{Bound, KmsError};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use mortise_engine::ports::{AttestRequest, Nsm, SecretBytes};
use mortise_format::limits::ATTESTATION_BYTES_MAX;

/// An RSA key of 2048 bits to which the service encrypts an answer.
///
/// It does not authenticate the sender of an answer, see [`RecipientKey::open`].
pub struct RecipientKey {
    opening: OaepPrivateDecryptingKey,
    public_der: Vec<u8>,
}

impl RecipientKey {
    /// Generates a new key. Blocks.
    ///
    /// # Errors
    /// `KeyGeneration`.
    pub fn generate() -> Result<Self, KmsError> {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048);
        Self::new(key.map_err(|_| KmsError::KeyGeneration)?)
    }

    /// A key from PKCS #8 in DER. For messages to a known key, such as published vectors.
    ///
    /// # Errors
    /// `KeyGeneration` when it is not an RSA key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KmsError> {
        let key = PrivateDecryptingKey::from_pkcs8(der);
        Self::new(key.map_err(|_| KmsError::KeyGeneration)?)
    }

    fn new(key: PrivateDecryptingKey) -> Result<Self, KmsError> {
        let failed = |_| KmsError::KeyGeneration;
        let der: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(failed)?;
        let public_der = der.as_ref().to_vec();
        let opening = OaepPrivateDecryptingKey::new(key).map_err(failed)?;
        Ok(Self { opening, public_der })
    }

    /// The public key, SubjectPublicKeyInfo in DER.
    pub fn public_der(&self) -> &[u8] {
        &self.public_der
    }

    /// Opens a `CiphertextForRecipient`.
    ///
    /// A success proves that the sender knew the public key. Only TLS proves that the sender is the
    /// service.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn open(&self, envelope: &[u8]) -> Result<SecretBytes, EnvelopeError> {
        envelope::open(&self.opening, envelope)
    }

    /// Opens a key that is encrypted with RSAES-OAEP, SHA-256, MGF1 of SHA-256 and no label. This
    /// is the step of [`RecipientKey::open`] for which published vectors exist.
    ///
    /// # Errors
    /// `Undecryptable`.
    pub fn open_key(&self, encrypted_key: &[u8]) -> Result<SecretBytes, EnvelopeError> {
        let opened = envelope::open_key(&self.opening, encrypted_key);
        opened.ok_or(EnvelopeError::Undecryptable)
    }
}

impl std::fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecipientKey([redacted])")
    }
}

/// A key for one answer and its document.
#[derive(Debug)]
pub(super) struct Recipient {
    pub(super) key: RecipientKey,
    pub(super) document: Vec<u8>,
}

impl Recipient {
    /// Generates the key and requests a document that binds it. Blocks.
    ///
    /// # Errors
    /// `KeyGeneration`, `Attestation`, `RequestOutOfBounds` for a document of an impossible size.
    pub(super) fn fresh(nsm: &dyn Nsm) -> Result<Self, KmsError> {
        let key = RecipientKey::generate()?;
        let public_key = Some(key.public_der().to_vec());
        let request = AttestRequest { public_key, ..AttestRequest::default() };
        let document = nsm.attest(&request)?;
        if document.len() > ATTESTATION_BYTES_MAX {
            return Err(KmsError::RequestOutOfBounds(Bound::Document));
        }
        Ok(Self { key, document })
    }
}
