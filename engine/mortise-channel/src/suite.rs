//! The one HPKE suite, and the key derivations that both sides share.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{KeyInit as _, Nonce};
use alloc::vec::Vec;
use hkdf::Hkdf;
use hpke::HpkeError;
use mortise_format::channel::{AEAD_ID, ENC_BYTES, Header, KDF_ID, KEM_ID, NONCE_BYTES};
use mortise_format::domains::{CHANNEL_ANSWER, CHANNEL_REQUEST};
use sha2::Sha256;
use zeroize::Zeroizing;

pub(crate) type Kem = hpke::kem::X25519HkdfSha256;
pub(crate) type Kdf = hpke::kdf::HkdfSha256;
pub(crate) type Aead = hpke::aead::AesGcm256;

const _: () = assert!(<Kem as hpke::Kem>::KEM_ID == KEM_ID);
const _: () = assert!(<Kdf as hpke::kdf::Kdf>::KDF_ID == KDF_ID);
const _: () = assert!(<Aead as hpke::aead::Aead>::AEAD_ID == AEAD_ID);
const _: () = assert!(NONCE_BYTES == KEY_BYTES && KEY_BYTES > AEAD_NONCE_BYTES);

/// Key size of AES-256-GCM.
const KEY_BYTES: usize = 32;
/// Nonce size of AES-256-GCM.
const AEAD_NONCE_BYTES: usize = 12;

/// The `info` of a request: label, zero byte, header.
pub(crate) fn request_info(header: Header) -> Vec<u8> {
    [CHANNEL_REQUEST, &[0], &header.encode()].concat()
}

/// The part of a request that both sides keep for its answer.
pub(crate) struct Exported {
    secret: Zeroizing<[u8; NONCE_BYTES]>,
    enc: [u8; ENC_BYTES],
}

impl Exported {
    /// Exports the secret with `export`, the exporter of the request's context.
    pub fn from(
        enc: [u8; ENC_BYTES],
        export: impl FnOnce(&[u8], &mut [u8]) -> Result<(), HpkeError>,
    ) -> Self {
        let mut secret = Zeroizing::new([0; NONCE_BYTES]);
        let context = [CHANNEL_ANSWER, &[0]].concat();
        export(&context, &mut secret[..]).expect("32 bytes are below the limit of HKDF-SHA256");
        Self { secret, enc }
    }

    /// Derives cipher and AEAD nonce of an answer from its response nonce (RFC 9458 4.4).
    pub fn cipher(&self, nonce: &[u8; NONCE_BYTES]) -> (Aes256Gcm, Nonce<Aes256Gcm>) {
        let salt = [self.enc, *nonce].concat();
        let hkdf = Hkdf::<Sha256>::new(Some(&salt), &self.secret[..]);
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let mut aead_nonce = [0; AEAD_NONCE_BYTES];
        hkdf.expand(b"key", &mut key[..]).expect("32 bytes are below the limit of HKDF-SHA256");
        hkdf.expand(b"nonce", &mut aead_nonce).expect("12 bytes are below that limit");
        (Aes256Gcm::new(&(*key).into()), aead_nonce.into())
    }
}
