//! The key that cosigns.

use ed25519_dalek::{Signer as _, SigningKey};
use mortise_format::checkpoint::{cosignature_bytes, cosigned_message};
use mortise_format::note::{KeyUse, NoteError, NoteKey};
use std::fmt;

/// An Ed25519 key with the witness's name. Wiped on drop, never printed.
#[derive(Clone)]
pub struct WitnessSigner {
    key: SigningKey,
    public: NoteKey,
}

impl WitnessSigner {
    /// From a name and a seed.
    ///
    /// # Errors
    /// `KeyName`.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let key = SigningKey::from_bytes(seed);
        let public = NoteKey::new(KeyUse::Witness, name, key.verifying_key().to_bytes())?;
        Ok(Self { key, public })
    }

    /// The verifier key, whose text goes into genesis files.
    pub fn verifier(&self) -> &NoteKey {
        &self.public
    }

    /// The line of a cosignature over a checkpoint's text at a time, seconds since the Unix epoch.
    pub fn cosign(&self, time: u64, text: &str) -> String {
        let signature = self.key.sign(cosigned_message(time, text).as_bytes()).to_bytes();
        self.public.signature_line(&cosignature_bytes(time, &signature))
    }
}

impl fmt::Debug for WitnessSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessSigner({})", self.public.name())
    }
}
