//! What is released to a reader: content roots and the state-salt key, or content keys of frames.
//!
//! What it is for: the plain bytes inside the HPKE messages of `specs/reading.md`, written by the
//! engine and read by the holder of the reader's key.
//!
//! ```text
//! keys of epochs   state-salt key (32) | epoch u64 | content root (32) | epoch | ...
//! keys of frames   seq u64 | content key (32) | seq | ...
//! ```
//! Integers are little-endian; epochs and seqs ascend.
//!
//! What it does not do: encrypt, decide who may read what. These bytes have no field for a MAC key,
//! snapshot key, signing key, data key or log secret.

use crate::content_key::ContentRoot;
use crate::secret::Secret;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// Why bytes are not released keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// They do not consist of whole entries.
    #[error("the released keys do not consist of whole entries")]
    Length,
    /// Epochs or seqs do not ascend.
    #[error("the released keys are not in ascending order")]
    Order,
}

/// Content roots of epochs, and the key of the salts of the state tree.
#[derive(Debug, Clone)]
pub struct ReleasedEpochs {
    state_salt: Secret,
    epochs: Vec<(u64, ContentRoot)>,
}

impl ReleasedEpochs {
    /// The state-salt key of a log, and no epoch yet.
    pub fn new(state_salt: &Secret) -> Self {
        Self { state_salt: state_salt.clone(), epochs: Vec::new() }
    }

    /// Adds an epoch; they are added in ascending order.
    pub fn push(&mut self, epoch: u64, root: &ContentRoot) {
        self.epochs.push((epoch, root.clone()));
    }

    /// The key of the salts.
    pub fn state_salt(&self) -> &Secret {
        &self.state_salt
    }

    /// Epochs and their content roots, ascending.
    pub fn epochs(&self) -> &[(u64, ContentRoot)] {
        &self.epochs
    }

    /// The bytes.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Of the final size at once: a vector that grows leaves copies behind.
        let mut out = Zeroizing::new(Vec::with_capacity(32 + ENTRY_BYTES * self.epochs.len()));
        self.state_salt.expose(|bytes| out.extend_from_slice(bytes));
        for (epoch, root) in &self.epochs {
            push(&mut out, *epoch, root.secret());
        }
        out
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// `Length`, `Order`.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReleaseError> {
        let (state_salt, rest) = bytes.split_first_chunk().ok_or(ReleaseError::Length)?;
        let epochs = entries(rest)?.into_iter();
        let epochs = epochs.map(|(epoch, root)| (epoch, ContentRoot::new(root))).collect();
        Ok(Self { state_salt: Secret::new(*state_salt), epochs })
    }
}

/// Content keys of frames.
#[derive(Debug, Clone, Default)]
pub struct ReleasedFrames(Vec<(u64, Secret)>);

impl ReleasedFrames {
    /// Adds a frame of the epoch with this root; frames are added in ascending order.
    pub fn push(&mut self, seq: u64, root: &ContentRoot) {
        self.0.push((seq, root.content(seq)));
    }

    /// Seqs and the content keys of their frames, ascending.
    pub fn frames(&self) -> &[(u64, Secret)] {
        &self.0
    }

    /// The content key of a frame.
    pub fn content_key(&self, seq: u64) -> Option<&Secret> {
        self.0.iter().find(|(at, _)| *at == seq).map(|(_, key)| key)
    }

    /// The bytes.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(ENTRY_BYTES * self.0.len()));
        for (seq, key) in &self.0 {
            push(&mut out, *seq, key);
        }
        out
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// `Length`, `Order`.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReleaseError> {
        entries(bytes).map(Self)
    }
}

fn push(out: &mut Vec<u8>, number: u64, secret: &Secret) {
    out.extend_from_slice(&number.to_le_bytes());
    secret.expose(|bytes| out.extend_from_slice(bytes));
}

fn entries(bytes: &[u8]) -> Result<Vec<(u64, Secret)>, ReleaseError> {
    let mut entries: Vec<(u64, Secret)> = Vec::with_capacity(bytes.len() / ENTRY_BYTES);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (number, after) = rest.split_first_chunk().ok_or(ReleaseError::Length)?;
        let (secret, after) = after.split_first_chunk().ok_or(ReleaseError::Length)?;
        let number = u64::from_le_bytes(*number);
        if entries.last().is_some_and(|(last, _)| *last >= number) {
            return Err(ReleaseError::Order);
        }
        entries.push((number, Secret::new(*secret)));
        rest = after;
    }
    Ok(entries)
}

/// A number and a key.
const ENTRY_BYTES: usize = 8 + 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(secret: &Secret) -> [u8; 32] {
        secret.expose(|bytes| *bytes)
    }

    #[test]
    fn bytes_read_back_and_others_are_refused_by_name() {
        let salt = Secret::new([1; 32]);
        let root = |byte| ContentRoot::new(Secret::new([byte; 32]));
        let mut released = ReleasedEpochs::new(&salt);
        released.push(1, &root(2));
        released.push(2, &root(3));
        let encoded = released.encode();
        let read = ReleasedEpochs::decode(&encoded).unwrap();
        assert_eq!(*read.encode(), *encoded);
        assert_eq!(bytes(read.state_salt()), bytes(&salt));
        assert_eq!(read.epochs()[1].0, 2);
        for cut in (0..encoded.len()).filter(|cut| (*cut < 32) || (cut - 32) % 40 != 0) {
            let error = ReleasedEpochs::decode(&encoded[..cut]).unwrap_err();
            assert_eq!(error, ReleaseError::Length, "{cut}");
        }
        let swapped = [&encoded[..32], &encoded[72..], &encoded[32..72]].concat();
        assert_eq!(ReleasedEpochs::decode(&swapped).unwrap_err(), ReleaseError::Order);
        let twice = [&encoded[..72], &encoded[32..72]].concat();
        assert_eq!(ReleasedEpochs::decode(&twice).unwrap_err(), ReleaseError::Order);
        let frames = ReleasedFrames::decode(&encoded[32..]).unwrap();
        assert!(frames.content_key(2).is_some() && frames.content_key(3).is_none());
    }
}
