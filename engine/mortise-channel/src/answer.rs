//! Answers: sealed under a key that only the two ends of one request have.

use crate::error::{OpenError, SealError};
use crate::pad::padded;
use crate::suite::Exported;
use aes_gcm::aead::Aead as _;
use alloc::vec::Vec;
use core::fmt;
use mortise_format::channel::{EncapsulatedAnswer, NONCE_BYTES};
use mortise_format::limits::{CHANNEL_ANSWER_OVERHEAD_BYTES, RESPONSE_BYTES_MAX};

/// Most bytes of a text in an answer.
const TEXT_BYTES_MAX: usize = RESPONSE_BYTES_MAX - CHANNEL_ANSWER_OVERHEAD_BYTES;

/// Seals the answer to one request.
pub struct AnswerSealer(pub(crate) Exported);

impl AnswerSealer {
    /// Seals a text. `nonce` is random, drawn for this call alone: a request that is repeated has
    /// the same secret, and only the nonce keeps the keys of its answers apart.
    ///
    /// # Errors
    /// `TextTooLong`.
    pub fn seal(&self, nonce: &[u8; NONCE_BYTES], text: &[u8]) -> Result<Vec<u8>, SealError> {
        let text = padded(text, TEXT_BYTES_MAX)?;
        let (cipher, aead_nonce) = self.0.cipher(nonce);
        let ciphertext = cipher.encrypt(&aead_nonce, text.as_slice());
        let ciphertext = ciphertext.expect("a bounded text is below the limit of AES-GCM");
        Ok(EncapsulatedAnswer { nonce, ciphertext: &ciphertext }.encode())
    }
}

/// Opens the answer to one request.
pub struct AnswerOpener(pub(crate) Exported);

impl AnswerOpener {
    /// Opens an answer: the text without the spaces behind it; empty when none was owed.
    ///
    /// **What a success proves**: the holder of the key that the request was encrypted to opened
    /// the request and made this answer to it, or to a repetition of it. Of several answers to
    /// repetitions the carrier chooses one.
    ///
    /// # Errors
    /// In this order: `Message`, `NotAuthentic`.
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
