//! One text under one data key: AES-256-GCM for secrecy, HMAC-SHA256 over all parts.
//!
//! ```text
//! data key --HKDF-SHA256, salt "mortise app message v1"--> "encrypt": AES key   "sign": HMAC key
//! encrypted = version 1 | 12 bytes nonce | ciphertext | 16 bytes tag
//! signature = HMAC(HMAC key,
//!                  len | version and nonce | len | ciphertext and tag | len | wrapped key)
//! ```
//! Lengths are u64, little-endian. Both keys serve one message. The HMAC therefore also commits to
//! the data key: no second key opens the same bytes.
//!
//! What a success of [`open`] proves: the sealer had the data key, and none of the three parts was
//! changed. What it does not prove: who the sealer is.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Key};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use mortise_format::domains::APP_MESSAGE;
use mortise_format::secret::Secret;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Version of the layout.
const VERSION: u8 = 1;
/// Size of a nonce.
pub const NONCE_BYTES: usize = 12;
const HEAD_BYTES: usize = 1 + NONCE_BYTES;
/// Bytes that encryption adds to a text.
pub const OVERHEAD_BYTES: usize = HEAD_BYTES + 16;
/// Size of a signature.
pub const SIGNATURE_BYTES: usize = 32;

/// A sealed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Version, nonce, ciphertext, tag.
    pub encrypted: Vec<u8>,
    /// HMAC over [`Sealed::encrypted`] and the wrapped key.
    pub signature: [u8; SIGNATURE_BYTES],
}

/// A sealed text does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Shorter than the encryption of an empty text.
    #[error("the encrypted text is too short")]
    TooShort,
    /// A part was changed, or belongs to another message.
    #[error("the signature does not match the encrypted text and the wrapped key")]
    Signature,
    /// A holder of the data key signed a layout that this code does not know.
    #[error("the encrypted text has an unknown version")]
    Version,
    /// A holder of the data key signed a ciphertext of another key.
    #[error("the ciphertext does not open")]
    Cipher,
}

/// Seals `text` under a fresh data key. `wrapped` is that key in wrapped form.
pub fn seal(data_key: &Secret, wrapped: &[u8], nonce: [u8; NONCE_BYTES], text: &[u8]) -> Sealed {
    let keys = Keys::derive(data_key);
    let payload = Payload { msg: text, aad: APP_MESSAGE };
    // AES-GCM encrypts up to 2^36 bytes; the bound of a text is far below.
    let ciphertext = keys.cipher().encrypt(&nonce.into(), payload).expect("a text is bounded");
    let mut encrypted = Vec::with_capacity(HEAD_BYTES + ciphertext.len());
    encrypted.push(VERSION);
    encrypted.extend_from_slice(&nonce);
    encrypted.extend_from_slice(&ciphertext);
    let signature = keys.mac(&encrypted, wrapped).finalize().into_bytes().into();
    Sealed { encrypted, signature }
}

/// Opens a sealed text. Checks the signature in constant time before it decrypts.
///
/// # Errors
/// The variants of [`OpenError`], in their order: each step has its own.
pub fn open(
    data_key: &Secret,
    wrapped: &[u8],
    encrypted: &[u8],
    signature: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    if encrypted.len() < OVERHEAD_BYTES {
        return Err(OpenError::TooShort);
    }
    let keys = Keys::derive(data_key);
    keys.mac(encrypted, wrapped).verify_slice(signature).map_err(|_| OpenError::Signature)?;
    let (head, ciphertext) = encrypted.split_at(HEAD_BYTES);
    if head[0] != VERSION {
        return Err(OpenError::Version);
    }
    let nonce: [u8; NONCE_BYTES] = head[1..].try_into().expect("the head is cut to its length");
    let payload = Payload { msg: ciphertext, aad: APP_MESSAGE };
    let opened = keys.cipher().decrypt(&nonce.into(), payload);
    opened.map(Zeroizing::new).map_err(|_| OpenError::Cipher)
}

/// The two keys of a message.
struct Keys {
    encrypt: Zeroizing<[u8; 32]>,
    sign: Zeroizing<[u8; 32]>,
}

impl Keys {
    fn derive(data_key: &Secret) -> Self {
        let hkdf = data_key.expose(|key| Hkdf::<Sha256>::new(Some(APP_MESSAGE), key));
        let of = |label: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            // 32 bytes is one SHA-256 block: below the limit of HKDF, RFC 5869 2.3.
            hkdf.expand(label, &mut *key).expect("one block is below the limit of HKDF");
            key
        };
        Self { encrypt: of(b"encrypt"), sign: of(b"sign") }
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&Key::<Aes256Gcm>::from(*self.encrypt))
    }

    fn mac(&self, encrypted: &[u8], wrapped: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::new_from_slice(&*self.sign).expect("HMAC takes keys of any length, RFC 2104");
        let (head, ciphertext) = encrypted.split_at(HEAD_BYTES);
        for part in [head, ciphertext, wrapped] {
            let length = u64::try_from(part.len()).expect("lengths of memory fit 64 bits");
            mac.update(&length.to_le_bytes());
            mac.update(part);
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRAPPED: &[u8] = b"wrapped by the service";

    fn key(byte: u8) -> Secret {
        Secret::new([byte; 32])
    }

    #[test]
    fn text_of_any_length_round_trips() {
        for text in [&b""[..], b"a", "\u{4f60}\u{597d} \u{c548}\u{b155}".as_bytes(), &[7; 70_000]] {
            let sealed = seal(&key(1), WRAPPED, [9; NONCE_BYTES], text);
            assert_eq!(sealed.encrypted.len(), text.len() + OVERHEAD_BYTES);
            let opened = open(&key(1), WRAPPED, &sealed.encrypted, &sealed.signature).unwrap();
            assert_eq!(&*opened, text);
        }
    }

    /// Goal: no byte of the three parts can change, and a changed one never reaches the cipher.
    #[test]
    fn every_changed_byte_of_the_three_parts_is_refused_as_a_wrong_signature() {
        let sealed = seal(&key(1), WRAPPED, [9; NONCE_BYTES], b"short");
        let refused = |wrapped: &[u8], encrypted: &[u8], signature: &[u8]| {
            assert_eq!(open(&key(1), wrapped, encrypted, signature), Err(OpenError::Signature));
        };
        let changed = |bytes: &[u8], at: usize, bit: u8| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1 << bit;
            bytes
        };
        for bit in 0..8 {
            for at in 0..sealed.encrypted.len() {
                refused(WRAPPED, &changed(&sealed.encrypted, at, bit), &sealed.signature);
            }
            for at in 0..SIGNATURE_BYTES {
                refused(WRAPPED, &sealed.encrypted, &changed(&sealed.signature, at, bit));
            }
            for at in 0..WRAPPED.len() {
                refused(&changed(WRAPPED, at, bit), &sealed.encrypted, &sealed.signature);
            }
        }
        refused(WRAPPED, &sealed.encrypted, &[]);
        refused(WRAPPED, &sealed.encrypted, &sealed.signature[..31]);
        let longer = [&sealed.encrypted[..], &[0]].concat();
        refused(WRAPPED, &longer, &sealed.signature);
        let other = open(&key(2), WRAPPED, &sealed.encrypted, &sealed.signature);
        assert_eq!(other, Err(OpenError::Signature));
    }

    /// Goal: bytes cannot move from one part to the next under the same signature.
    #[test]
    fn lengths_separate_the_parts() {
        let sealed = seal(&key(1), WRAPPED, [9; NONCE_BYTES], b"short");
        let (encrypted, moved) = sealed.encrypted.split_at(sealed.encrypted.len() - 3);
        let wrapped = [moved, WRAPPED].concat();
        let opened = open(&key(1), &wrapped, encrypted, &sealed.signature);
        assert_eq!(opened, Err(OpenError::Signature));
    }

    #[test]
    fn validly_signed_garbage_fails_at_its_own_step() {
        let signed = |encrypted: &[u8]| {
            let mac = Keys::derive(&key(1)).mac(encrypted, WRAPPED).finalize().into_bytes();
            open(&key(1), WRAPPED, encrypted, &mac)
        };
        let mut encrypted = seal(&key(1), WRAPPED, [9; NONCE_BYTES], b"short").encrypted;
        let last = encrypted.len() - 1;
        encrypted[last] ^= 1;
        assert_eq!(signed(&encrypted), Err(OpenError::Cipher));
        encrypted[0] = 2;
        assert_eq!(signed(&encrypted), Err(OpenError::Version));
        let short = open(&key(1), WRAPPED, &encrypted[..OVERHEAD_BYTES - 1], &[0; 32]);
        assert_eq!(short, Err(OpenError::TooShort));
    }
}
