//! The key of the channel to the attested engine.
//!
//! What it is for: an X25519 key that every boot makes from the entropy port and never seals. The
//! attestation document of the boot binds its public half. Only this boot can read messages to the
//! key: not the parent, not a later boot.
//!
//! What it does not do: encrypt (`mortise_channel`), identify callers, remember requests.

use crate::ports::Entropy;
use mortise_channel::{AnswerSealer, ChannelSecret, OpenError};
use mortise_format::channel::NONCE_BYTES;
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

/// The private half. Never leaves this type, wiped on drop, never printed.
#[derive(Debug)]
pub struct ChannelKey {
    secret: ChannelSecret,
    /// Prefix of all answer nonces of this boot.
    nonce_prefix: [u8; NONCE_BYTES - 8],
    answers: AtomicU64,
}

/// An opened request.
#[derive(Debug)]
pub struct OpenedRequest {
    /// The text of the caller, padded with spaces.
    pub text: Zeroizing<Vec<u8>>,
    /// Seals the answer.
    pub sealer: AnswerSealer,
    /// The nonce of the answer, for one use.
    pub nonce: [u8; NONCE_BYTES],
}

impl ChannelKey {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut random = Zeroizing::new([0; 32]);
        entropy.fill(&mut random[..]);
        let mut nonce_prefix = [0; NONCE_BYTES - 8];
        entropy.fill(&mut nonce_prefix);
        let secret = ChannelSecret::derive(&random);
        Self { secret, nonce_prefix, answers: AtomicU64::new(0) }
    }

    /// The public half, which the attestation binds.
    pub fn public(&self) -> [u8; 32] {
        self.secret.public()
    }

    /// Opens a request to this key, whose id is `key_id`.
    ///
    /// # Errors
    /// [`OpenError`]: nothing about the request can be trusted.
    pub fn open(&self, key_id: u64, message: &[u8]) -> Result<OpenedRequest, OpenError> {
        let (text, sealer) = self.secret.open(key_id, message)?;
        Ok(OpenedRequest { text, sealer, nonce: self.next_nonce() })
    }

    /// A nonce that no other answer under this key has. A repeated request has the same secret, so
    /// nonces must be unique; a counter guarantees it.
    fn next_nonce(&self) -> [u8; NONCE_BYTES] {
        let count = self.answers.fetch_add(1, Ordering::Relaxed);
        let mut nonce = [0; NONCE_BYTES];
        let (prefix, counter) = nonce.split_at_mut(self.nonce_prefix.len());
        prefix.copy_from_slice(&self.nonce_prefix);
        counter.copy_from_slice(&count.to_be_bytes());
        nonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_channel::seal_request;

    /// Entropy that counts up.
    struct Counting(AtomicU64);

    impl Entropy for Counting {
        fn fill(&self, out: &mut [u8]) {
            for byte in out {
                *byte = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes()[0];
            }
        }
    }

    fn key() -> ChannelKey {
        ChannelKey::generate(&Counting(AtomicU64::new(0)))
    }

    #[test]
    fn repeated_request_opens_again_with_a_new_nonce() {
        let key = key();
        let (message, opener) = seal_request(&key.public(), 3, &[7; 32], b"{}").unwrap();
        let (first, second) = (key.open(3, &message).unwrap(), key.open(3, &message).unwrap());
        assert_eq!(first.text.trim_ascii_end(), b"{}");
        assert_eq!(first.nonce[..24], second.nonce[..24]);
        assert_eq!((first.nonce[24..].to_vec(), second.nonce[31]), (vec![0; 8], 1));
        let answer = second.sealer.seal(&second.nonce, b"[]").unwrap();
        assert_eq!(opener.open(&answer).unwrap(), b"[]");
        assert!(key.open(4, &message).is_err());
    }

    #[test]
    fn key_depends_on_all_its_randomness_and_is_never_printed() {
        let other = ChannelKey::generate(&Counting(AtomicU64::new(1)));
        assert_ne!(key().public(), other.public());
        let secret: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        assert_eq!(key().public(), ChannelSecret::derive(&secret).public());
        let text = format!("{:?}", key());
        assert!(text.contains("secret: [redacted]"), "{text}");
    }
}
