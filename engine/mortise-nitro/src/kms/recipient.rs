//! The key to which the service encrypts one answer, and the document that vouches for it.
//!
//! A fresh RSA key and a fresh document for each attempt: an answer of an earlier request, or one
//! for another enclave, opens under no key that we still have.
//!
//! Making the key and asking the module block for some hundred milliseconds: the client does both
//! off the actors' threads.

use super::envelope::{self, EnvelopeError};
use super::error::{Bound, KmsError};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use mortise_engine::ports::{AttestRequest, Nsm, SecretBytes};
use mortise_format::limits::ATTESTATION_BYTES_MAX;

/// An RSA key of 2048 bits whose holder the service encrypts an answer to.
///
/// What it does not say: anything about who made an answer, see [`RecipientKey::open`].
pub struct RecipientKey {
    opening: OaepPrivateDecryptingKey,
    public_der: Vec<u8>,
}

impl RecipientKey {
    /// A fresh key. Blocks.
    ///
    /// # Errors
    /// `KeyGeneration`.
    pub fn generate() -> Result<Self, KmsError> {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048);
        Self::new(key.map_err(|_| KmsError::KeyGeneration)?)
    }

    /// A key that is given as PKCS #8 in DER: for messages to a key that is known, as those of
    /// published vectors.
    ///
    /// # Errors
    /// `KeyGeneration` when it is no RSA key.
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
    /// A success proves that its maker knew the public key; that it was the service is proven by
    /// TLS alone.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn open(&self, envelope: &[u8]) -> Result<SecretBytes, EnvelopeError> {
        envelope::open(&self.opening, envelope)
    }

    /// Opens a bare key under RSAES-OAEP with SHA-256, MGF1 of SHA-256 and no label: the step of
    /// [`RecipientKey::open`] that published vectors exist for.
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
    /// Makes the key and has the module vouch for it. Blocks.
    ///
    /// # Errors
    /// `KeyGeneration`, `Attestation`, `RequestOutOfBounds` for a document that is none.
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
