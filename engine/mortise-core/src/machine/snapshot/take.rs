//! Taking a snapshot while the machine works.

use super::seal::MANIFEST_PLAIN_BYTES_MAX;
use super::stream::PartWriter;
use super::{MachineHead, Manifest, SnapshotError};
use crate::machine::{Head, Machine};
use alloc::vec::Vec;
use mortise_format::codec;
use mortise_format::ids::{Bytes32, Root};
use mortise_format::store::SNAPSHOT_PARTS_MAX;

/// Kind of the first record.
pub(super) const KIND_HEAD: u8 = 1;
/// Kind of a record with the roots of some full tiles of the archive.
pub(super) const KIND_TILES: u8 = 2;
/// Kind of a record of the state's first container; the others follow.
pub(super) const KIND_STATE: u8 = 16;

/// Full tiles of the archive in one record: 128 KiB.
const TILES_PER_RECORD: usize = 4096;

/// A snapshot that is being taken.
#[derive(Debug)]
pub struct Taking {
    head: Head,
    state_root: Root,
    parts: PartWriter,
    /// Full tiles of the archive when it began, and how many of them are encoded. The archive only
    /// grows, so that they need no barrier.
    tiles: usize,
    tiles_encoded: usize,
    /// Bytes of records that are in no taken part yet.
    bytes_held: usize,
    parts_taken: usize,
    is_whole: bool,
}

/// What a slice did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotStep {
    /// Values encoded.
    pub values: usize,
    /// Bytes encoded.
    pub bytes: usize,
}

impl Machine {
    /// Begins a snapshot of the machine after its last closed frame. No frame may be open. Drops a
    /// snapshot that was being taken.
    pub fn begin_snapshot(&mut self) {
        self.abandon_snapshot();
        let head = MachineHead {
            history: self.chain.history.clone(),
            tiles: u64::try_from(self.archive.full_tiles().len()).unwrap_or(u64::MAX),
            open_tile: self.archive.open_tile().to_vec(),
            epochs: self.chain.epochs.clone(),
            uncarried: self.chain.uncarried.iter().cloned().collect(),
        };
        let head = (head, self.state.begin_image());
        let mut taking = Taking {
            head: self.chain.head,
            state_root: self.tree.root(),
            parts: PartWriter::default(),
            tiles: self.archive.full_tiles().len(),
            tiles_encoded: 0,
            bytes_held: 0,
            parts_taken: 0,
            is_whole: false,
        };
        taking.push(KIND_HEAD, &codec::encode(&head));
        self.taking = Some(taking);
    }

    /// The snapshot that is being taken.
    pub fn snapshot(&self) -> Option<&Taking> {
        self.taking.as_ref()
    }

    /// Moves what writes encoded since the last call into parts. Call it after every turn.
    pub fn gather_snapshot(&mut self) {
        let Some(taking) = &mut self.taking else { return };
        while let Some((container, record)) = self.state.take_record() {
            taking.push(KIND_STATE + container, &record);
        }
    }

    /// Encodes until at least `values_max` values or `bytes_max` bytes are encoded, or all. One
    /// chunk may be more than what was left of the bounds.
    pub fn encode_snapshot(&mut self, values_max: usize, bytes_max: usize) -> SnapshotStep {
        let mut step = SnapshotStep::default();
        self.gather_snapshot();
        while step.values < values_max && step.bytes < bytes_max {
            let Some(taking) = self.taking.as_mut().filter(|taking| !taking.is_whole) else {
                break;
            };
            let before = taking.bytes_held;
            if let Some(values) = self.state.encode_next() {
                step.values += values;
            } else if let Some(tiles) = taking.next_tiles(self.archive.full_tiles()) {
                taking.push(KIND_TILES, &codec::encode(&tiles));
                step.values += tiles.len();
            } else {
                taking.end();
            }
            self.gather_snapshot();
            let now = self.taking.as_ref().map_or(before, |taking| taking.bytes_held);
            step.bytes += now - before;
        }
        step
    }

    /// Takes the next part of the stream to seal and store, in order.
    pub fn take_snapshot_part(&mut self) -> Option<Vec<u8>> {
        self.taking.as_mut()?.take_part()
    }

    /// The manifest, once every part was taken and sealed: `parts` are their digests.
    ///
    /// # Errors
    /// `Incomplete` when there is more to encode or to take; `TooLarge`.
    pub fn finish_snapshot(&mut self, parts: Vec<Bytes32>) -> Result<Vec<u8>, SnapshotError> {
        let mut taking = self.taking.take().ok_or(SnapshotError::Incomplete)?;
        if !taking.is_whole || taking.parts.full() > 0 || taking.parts_taken != parts.len() {
            return Err(SnapshotError::Incomplete);
        }
        let (head, state_root, rest) = (taking.head, taking.state_root, taking.parts.take_rest());
        let plain = codec::encode(&Manifest { head, state_root, parts, rest });
        match plain.len() <= MANIFEST_PLAIN_BYTES_MAX {
            true => Ok(plain),
            false => Err(SnapshotError::TooLarge),
        }
    }

    /// Drops the snapshot that is being taken, if there is one.
    pub fn abandon_snapshot(&mut self) {
        self.taking = None;
        self.state.abandon_image();
    }
}

impl Taking {
    /// The frame after the last one in the snapshot.
    pub fn next_seq(&self) -> u64 {
        self.head.next_seq
    }

    /// True when everything is encoded.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Bytes that are encoded and not taken.
    pub fn bytes_held(&self) -> usize {
        self.bytes_held
    }

    /// Parts that are full and not taken.
    pub fn parts_waiting(&self) -> usize {
        self.parts.full()
    }

    fn push(&mut self, kind: u8, payload: &[u8]) {
        self.bytes_held += payload.len();
        self.parts.push(kind, payload);
    }

    fn next_tiles(&mut self, tiles: &[[u8; 32]]) -> Option<Vec<[u8; 32]>> {
        let to = self.tiles.min(self.tiles_encoded + TILES_PER_RECORD);
        let next = tiles.get(self.tiles_encoded..to).filter(|next| !next.is_empty())?;
        self.tiles_encoded = to;
        Some(next.to_vec())
    }

    fn end(&mut self) {
        self.is_whole = true;
        let taken = self.parts_taken;
        self.parts.end(|waiting| {
            let digests = (taken + waiting) * size_of::<Bytes32>();
            MANIFEST_PLAIN_BYTES_MAX.saturating_sub(digests + MANIFEST_FIXED_BYTES)
        });
    }

    fn take_part(&mut self) -> Option<Vec<u8>> {
        let part = self.parts.take_full()?;
        self.bytes_held = self.bytes_held.saturating_sub(part.len());
        self.parts_taken += 1;
        Some(part)
    }
}

/// More than a manifest takes besides the digests and the rest of the stream.
const MANIFEST_FIXED_BYTES: usize = 1024;

// The digests of the most parts fit a manifest.
const DIGESTS_MAX: usize = 16 * 1024;
const _: () = assert!(SNAPSHOT_PARTS_MAX <= 16 * 1024);
const _: () =
    assert!(DIGESTS_MAX * size_of::<Bytes32>() + MANIFEST_FIXED_BYTES < MANIFEST_PLAIN_BYTES_MAX);
