//! Keys that open frames, and the salts of their events.
//!
//! ```text
//! content root of an epoch --> content key of frame s --> salt of event i
//! ```
//! What it is for: the keys that readers and auditors get, and what they derive from them. What it
//! does not do: open a frame, or make one. Making one takes the MAC key, which never leaves the
//! engine.

use crate::secret::Secret;

/// Opens every frame of one epoch and cannot make one. Auditors get this key.
#[derive(Debug, Clone)]
pub struct ContentRoot(Secret);

impl ContentRoot {
    /// Makes a content root from its secret.
    pub fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The secret, for release to a reader.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// Content key of a frame.
    pub fn content(&self, seq: u64) -> Secret {
        let mut block = [0; 40];
        block[..32].copy_from_slice(b"mortise frame content key v1....");
        block[32..].copy_from_slice(&seq.to_le_bytes());
        Secret::new(self.0.expose(|key| *blake3::keyed_hash(key, &block).as_bytes()))
    }
}

/// The salt of event `index` under a frame's content key: known to holders of that key, and
/// given out for one event to disclose it alone.
pub fn event_salt(content_key: &Secret, index: u32) -> [u8; 32] {
    let mut block = [0; 36];
    block[..32].copy_from_slice(b"mortise event salt v1...........");
    block[32..].copy_from_slice(&index.to_le_bytes());
    content_key.expose(|key| *blake3::keyed_hash(key, &block).as_bytes())
}
