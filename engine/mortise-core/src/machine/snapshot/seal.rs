//! Sealing and opening the parts of a snapshot.

use super::{SNAPSHOT_VERSION, SnapshotError};
use crate::keys::LogKeys;
use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use alloc::vec::Vec;
use mortise_format::domains;
use mortise_format::ids::{Bytes32, EngineId};
use mortise_format::limits::SNAPSHOT_PART_BYTES;
use mortise_format::secret::Secret;

/// Bytes of the tag of a sealed part.
const TAG_BYTES: usize = 16;
/// Bytes of the stream in a part.
pub(super) const PART_PLAIN_BYTES: usize = SNAPSHOT_PART_BYTES - TAG_BYTES;
/// Most bytes of a manifest before it is sealed.
pub(super) const MANIFEST_PLAIN_BYTES_MAX: usize = PART_PLAIN_BYTES - MANIFEST_MAGIC.len();

/// What a sealed manifest begins with, in clear: so that another layout is told by name.
const MANIFEST_MAGIC: [u8; 5] = [b'M', b'R', b'S', b'N', SNAPSHOT_VERSION];
/// The number of the manifest in nonce and AAD, which no part has.
const MANIFEST_NUMBER: u32 = u32::MAX;

/// A part as the store gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPart {
    /// The sealed bytes.
    pub bytes: Vec<u8>,
    /// Their digest: of a part, what the manifest names; of the manifest, what the log names.
    pub digest: Bytes32,
}

/// Seals and opens the parts of one snapshot. It can be given to another thread.
#[derive(Debug, Clone)]
pub struct SnapshotKeys {
    engine_id: EngineId,
    next_seq: u64,
    key: Secret,
}

impl SnapshotKeys {
    /// The keys of the snapshot with `next_seq` as the next frame.
    pub fn new(engine_id: EngineId, next_seq: u64, keys: &LogKeys) -> Self {
        Self { engine_id, next_seq, key: keys.snapshot().clone() }
    }

    /// Seals a part of the stream.
    ///
    /// # Errors
    /// `TooLarge`, never for a part that [`super::Taking`] made.
    pub fn seal_part(&self, part: u32, plain: Vec<u8>) -> Result<SealedPart, SnapshotError> {
        let bytes = self.seal(part, plain)?;
        let digest = Bytes32(domains::blake3_in(domains::SNAPSHOT_PART, &[&bytes]));
        Ok(SealedPart { bytes, digest })
    }

    /// Seals a manifest.
    ///
    /// # Errors
    /// `TooLarge`, never for a manifest that [`super::Taking`] made.
    pub fn seal_manifest(&self, plain: Vec<u8>) -> Result<SealedPart, SnapshotError> {
        let sealed = self.seal(MANIFEST_NUMBER, plain)?;
        let bytes = [&MANIFEST_MAGIC[..], &sealed].concat();
        let digest = Bytes32(domains::blake3_in(domains::SNAPSHOT_DIGEST, &[&bytes]));
        Ok(SealedPart { bytes, digest })
    }

    pub(super) fn open_part(
        &self,
        part: u32,
        named: &Bytes32,
        mut bytes: Vec<u8>,
    ) -> Result<Vec<u8>, SnapshotError> {
        if domains::blake3_in(domains::SNAPSHOT_PART, &[&bytes]) != named.0 {
            return Err(SnapshotError::WrongPart { part });
        }
        self.open(part, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn open_manifest(&self, mut bytes: Vec<u8>) -> Result<Vec<u8>, SnapshotError> {
        if !bytes.starts_with(&MANIFEST_MAGIC) {
            return Err(SnapshotError::Layout);
        }
        bytes.drain(..MANIFEST_MAGIC.len());
        self.open(MANIFEST_NUMBER, &mut bytes)?;
        Ok(bytes)
    }

    fn seal(&self, number: u32, mut bytes: Vec<u8>) -> Result<Vec<u8>, SnapshotError> {
        let sealed = self.key.expose(|key| {
            let nonce = self.nonce(number);
            Aes256GcmSiv::new(key.into()).encrypt_in_place(&nonce, &self.aad(number), &mut bytes)
        });
        sealed.map(|()| bytes).map_err(|_| SnapshotError::TooLarge)
    }

    fn open(&self, number: u32, bytes: &mut Vec<u8>) -> Result<(), SnapshotError> {
        let opened = self.key.expose(|key| {
            let nonce = self.nonce(number);
            Aes256GcmSiv::new(key.into()).decrypt_in_place(&nonce, &self.aad(number), bytes)
        });
        opened.map_err(|_| SnapshotError::Cipher)
    }

    /// One part per position, number and key. SIV mode makes a repetition harmless: a snapshot that
    /// was given up may be taken again after the same frame.
    fn nonce(&self, number: u32) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.next_seq.to_le_bytes());
        nonce[8..].copy_from_slice(&number.to_le_bytes());
        nonce.into()
    }

    fn aad(&self, number: u32) -> Vec<u8> {
        let mut aad = self.engine_id.0.to_vec();
        aad.extend_from_slice(&self.next_seq.to_le_bytes());
        aad.extend_from_slice(&number.to_le_bytes());
        aad.push(SNAPSHOT_VERSION);
        aad
    }
}
