//! The key to which the service encrypts one answer, and the attestation document that binds it.
//!
//! Each attempt has a new RSA key and a new document. No key is used twice, so none could open an
//! answer to an earlier request or to another enclave.
//!
//! Generating a key takes some hundred milliseconds of a core. [`Recipients`] makes some ahead, one
//! at a time and on a blocking thread, and asks the module for one document at a time: however many
//! calls there are, they take one core at most, and the trusted clock and the engine wait behind
//! one document at most.

use super::envelope::{self, EnvelopeError};
use super::error::{Bound, KmsError};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use mortise_engine::ports::{AttestRequest, Nsm, SecretBytes};
use mortise_engine::priority::spawn_behind;
use mortise_format::limits::{ATTESTATION_BYTES_MAX, KMS_KEYS_AHEAD};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

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
    /// Requests a document that binds `key`. Blocks.
    ///
    /// # Errors
    /// `Attestation`, `RequestOutOfBounds` for a document of an impossible size.
    fn bind(key: RecipientKey, nsm: &dyn Nsm) -> Result<Self, KmsError> {
        let public_key = Some(key.public_der().to_vec());
        let request = AttestRequest { public_key, ..AttestRequest::default() };
        let document = nsm.attest(&request)?;
        if document.len() > ATTESTATION_BYTES_MAX {
            return Err(KmsError::RequestOutOfBounds(Bound::Document));
        }
        Ok(Self { key, document })
    }
}

/// Makes recipients, one at a time.
pub(super) struct Recipients {
    nsm: Arc<dyn Nsm>,
    /// Keys that were made ahead. Each is taken out for one attempt.
    ahead: Arc<Mutex<Vec<RecipientKey>>>,
    /// Held while the module is asked.
    module: Semaphore,
    /// Held while a key is generated.
    generating: Arc<Semaphore>,
}

impl Recipients {
    pub(super) fn new(nsm: Arc<dyn Nsm>) -> Self {
        let generating = Arc::new(Semaphore::new(1));
        Self { nsm, ahead: Arc::default(), module: Semaphore::new(1), generating }
    }

    /// A recipient for one attempt.
    ///
    /// # Errors
    /// `KeyGeneration`; as [`Recipient::bind`].
    pub(super) async fn fresh(&self) -> Result<Recipient, KmsError> {
        let key = self.key().await?;
        let permit = self.module.acquire().await;
        let _permit = permit.map_err(|_| KmsError::Attestation(ENDED))?;
        let nsm = Arc::clone(&self.nsm);
        let made = spawn_behind(move || Recipient::bind(key, nsm.as_ref())).await;
        made.map_err(|_| KmsError::Attestation(ENDED))?
    }

    /// Takes a key, and has the next ones made.
    async fn key(&self) -> Result<RecipientKey, KmsError> {
        let ready = lock(&self.ahead).pop();
        let key = match ready {
            Some(key) => key,
            None => {
                let permit = Arc::clone(&self.generating).acquire_owned().await;
                let permit = permit.map_err(|_| KmsError::KeyGeneration)?;
                // One may have been made meanwhile.
                let ready = lock(&self.ahead).pop();
                match ready {
                    Some(key) => key,
                    None => {
                        let made = spawn_behind(move || {
                            let key = RecipientKey::generate();
                            drop(permit);
                            key
                        });
                        made.await.map_err(|_| KmsError::KeyGeneration)??
                    }
                }
            }
        };
        self.make_ahead();
        Ok(key)
    }

    /// Fills the store of keys, unless a key is being made: who makes it comes here after it.
    fn make_ahead(&self) {
        let Ok(permit) = Arc::clone(&self.generating).try_acquire_owned() else { return };
        let ahead = Arc::clone(&self.ahead);
        spawn_behind(move || {
            while lock(&ahead).len() < KMS_KEYS_AHEAD {
                let Ok(key) = RecipientKey::generate() else { break };
                lock(&ahead).push(key);
            }
            drop(permit);
        });
    }
}

fn lock(ahead: &Mutex<Vec<RecipientKey>>) -> std::sync::MutexGuard<'_, Vec<RecipientKey>> {
    ahead.lock().unwrap_or_else(PoisonError::into_inner)
}

const ENDED: &str = "the thread of the module ended";

#[cfg(test)]
mod tests {
    use super::super::tests::rig::EchoModule;
    use super::*;

    /// Goal: keys are ready before the next call, as many as the bound, and none is used twice.
    #[tokio::test]
    async fn keys_are_made_ahead_up_to_the_bound_and_used_once() {
        let recipients = Recipients::new(Arc::new(EchoModule::default()));
        let mut seen = Vec::new();
        for _ in 0..2 {
            seen.push(recipients.fresh().await.unwrap().key.public_der().to_vec());
            // Ends when the thread is done, which holds the permit.
            drop(recipients.generating.acquire().await.unwrap());
            assert_eq!(lock(&recipients.ahead).len(), KMS_KEYS_AHEAD);
        }
        seen.extend(lock(&recipients.ahead).iter().map(|key| key.public_der().to_vec()));
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((count, seen.len()), (2 + KMS_KEYS_AHEAD, 2 + KMS_KEYS_AHEAD));
    }
}
