//! Small secrets, sealed under a data key that is used once.

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use alloc::vec::Vec;
use mortise_format::secret::Secret;

/// Seals `plain` under a key made for it alone, bound to `context`.
pub fn seal_value(key: &Secret, context: &[u8], plain: &[u8]) -> Vec<u8> {
    let payload = Payload { msg: plain, aad: context };
    let sealed =
        key.expose(|key| Aes256GcmSiv::new(key.into()).encrypt(&Nonce::default(), payload));
    // AES-GCM-SIV refuses nothing below 2^36 bytes (RFC 8452 section 6).
    sealed.expect("small values are below the cipher's limit")
}

/// Opens what [`seal_value`] sealed; `None` under another key or context, or when changed.
pub fn open_value(key: &Secret, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let payload = Payload { msg: sealed, aad: context };
    key.expose(|key| Aes256GcmSiv::new(key.into()).decrypt(&Nonce::default(), payload)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_under_its_key_and_context_only() {
        let key = Secret::new([1; 32]);
        let sealed = seal_value(&key, b"context", b"value");
        assert_eq!(open_value(&key, b"context", &sealed).as_deref(), Some(&b"value"[..]));
        assert_eq!(open_value(&key, b"other", &sealed), None);
        assert_eq!(open_value(&Secret::new([2; 32]), b"context", &sealed), None);
        for i in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[i] ^= 1;
            assert_eq!(open_value(&key, b"context", &flipped), None);
        }
    }
}
