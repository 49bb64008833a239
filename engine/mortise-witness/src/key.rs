//! The key of a witness.

use ed25519_dalek::{Signer as _, SigningKey};
use mortise_format::checkpoint::{cosignature_bytes, cosigned_message};
use mortise_format::note::{KeyUse, NoteError, NoteKey};
use std::fmt;

/// An Ed25519 key and the name of the witness. Wiped on drop, never printed.
#[derive(Clone)]
pub struct WitnessSigner {
    key: SigningKey,
    public: NoteKey,
}

impl WitnessSigner {
    /// Derives the key from a seed.
    ///
    /// # Errors
    /// `KeyName` for a name that a signed note does not allow.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let key = SigningKey::from_bytes(seed);
        let public = NoteKey::new(KeyUse::Witness, name, key.verifying_key().to_bytes())?;
        Ok(Self { key, public })
    }

    /// The verifier key. Genesis files contain it as text.
    pub fn verifier(&self) -> &NoteKey {
        &self.public
    }

    /// Cosigns the text of a checkpoint at `time`, in seconds since the Unix epoch. Returns the
    /// signature line.
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
