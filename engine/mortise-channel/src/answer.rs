//! Answers, sealed under a key that only the two ends of one request can derive.

use crate::error::{OpenError, SealError};
use crate::pad::padded;
use crate::suite::Exported;
use aes_gcm::aead::Aead as _;
use alloc::vec::Vec;
use core::fmt;
use mortise_format::channel::{EncapsulatedAnswer, NONCE_BYTES};
use mortise_format::limits::{CHANNEL_ANSWER_OVERHEAD_BYTES, RESPONSE_BYTES_MAX};

/// Largest text of an answer, bytes.
const TEXT_BYTES_MAX: usize = RESPONSE_BYTES_MAX - CHANNEL_ANSWER_OVERHEAD_BYTES;

/// Seals the answer to one request. The engine gets it when it opens the request.
pub struct AnswerSealer(pub(crate) Exported);

impl AnswerSealer {
    /// Seals a text. `nonce` must be unique for each call. A repeated request has the same secret,
    /// so only the nonce gives each of its answers a key of its own.
    ///
    /// # Errors
    /// `TextTooLong` when the message would exceed `RESPONSE_BYTES_MAX`.
    pub fn seal(&self, nonce: &[u8; NONCE_BYTES], text: &[u8]) -> Result<Vec<u8>, SealError> {
        let text = padded(text, TEXT_BYTES_MAX)?;
        let (cipher, aead_nonce) = self.0.cipher(nonce);
        let ciphertext = cipher.encrypt(&aead_nonce, text.as_slice());
        let ciphertext = ciphertext.expect("a bounded text is below the limit of AES-GCM");
        Ok(EncapsulatedAnswer { nonce, ciphertext: &ciphertext }.encode())
    }
}

/// Opens the answer to one request. The client keeps it when it seals the request.
pub struct AnswerOpener(pub(crate) Exported);

impl AnswerOpener {
    /// Opens an answer and strips its padding. A notification gets an empty text.
    ///
    /// **What a success proves**: the holder of the private key opened this request, or a repeat of
    /// it, and made this answer. **What it does not prove**: that the answer is the newest one. If
    /// the request was repeated, the carrier chooses which of its answers arrives.
    ///
    /// # Errors
    /// In this order: `Message` for bytes that are not an answer; `NotAuthentic` for an answer that
    /// was changed or belongs to another request.
    pub fn open(&self, message: &[u8]) -> Result<Vec<u8>, OpenError> {
        let EncapsulatedAnswer { nonce, ciphertext } = EncapsulatedAnswer::decode(message)?;
        let (cipher, aead_nonce) = self.0.cipher(nonce);
        let text = cipher.decrypt(&aead_nonce, ciphertext);
        let mut text = text.map_err(|_| OpenError::NotAuthentic)?;
        text.truncate(text.trim_ascii_end().len());
        Ok(text)
    }
}

impl fmt::Debug for AnswerSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for AnswerOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
