//! The checkpoint key, and the checkpoints of the history that it signs.
//!
//! What it is for: an Ed25519 key that genesis makes and seals beside the signing key. Witnesses of
//! transparency logs do not support secp256k1 (C2SP signed-note). The engine id covers the key.
//!
//! What it does not do: choose the head. Callers get checkpoints of released frames only.

use crate::keyring::Identity;
use ed25519_dalek::{Signer as _, SigningKey};
use mortise_format::checkpoint::checkpoint_text;
use mortise_format::merkle::history::TreeHead;
use mortise_format::note::{KeyUse, NoteError, NoteKey};
use std::fmt;

/// An Ed25519 signing key (RFC 8032): wiped on drop, never printed.
#[derive(Clone)]
pub struct CheckpointSigner(SigningKey);

impl CheckpointSigner {
    /// Derives the key from a seed: any 32 bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// The checkpoint of a head, signed by the engine's key only. The same head gives the same bytes.
///
/// # Errors
/// `KeyName`, which a checked genesis excludes.
pub fn note(identity: &Identity, head: &TreeHead) -> Result<String, NoteError> {
    let (origin, signer) = (identity.origin(), &identity.checkpoint);
    let key = NoteKey::new(KeyUse::Log, &origin, signer.public_key())?;
    let text = checkpoint_text(&origin, head);
    let line = key.signature_line(&signer.sign(text.as_bytes()));
    Ok(format!("{text}\n{line}"))
}

impl fmt::Debug for CheckpointSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::hex;

    fn bytes<const N: usize>(digits: &str) -> [u8; N] {
        let mut out = [0; N];
        hex::decode_into(digits, &mut out).unwrap();
        out
    }

    /// RFC 8032 7.1, test 3.
    #[test]
    fn key_and_signature_match_the_standard() {
        let seed = bytes("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
        let signer = CheckpointSigner::from_seed(&seed);
        let public = bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
        assert_eq!(signer.public_key(), public);
        let signature = bytes(concat!(
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ));
        assert_eq!(signer.sign(&[0xaf, 0x82]), signature);
        assert_eq!(format!("{signer:?}"), "[redacted]");
    }
}
