//! Loading a snapshot, part by part.

use super::seal::SnapshotKeys;
use super::stream::StreamReader;
use super::take::{KIND_HEAD, KIND_STATE, KIND_TILES};
use super::{MachineHead, Manifest, SnapshotError};
use crate::history::archive::Archive;
use crate::keys::LogKeys;
use crate::machine::{Chain, Machine, RecentRoots, change};
use crate::state::{Loading, State, StateHead};
use crate::tree::StateTree;
use alloc::vec::Vec;
use mortise_format::codec;
use mortise_format::ids::{Bytes32, EngineId};
use mortise_format::secret::Secret;

/// A snapshot that is being loaded: its parts are given in order, then it becomes a machine.
///
/// A success proves that this engine made the snapshot of that point. It does not prove that the
/// log still holds that point: the next frame's `previous` does.
#[derive(Debug)]
pub struct SnapshotLoad {
    keys: SnapshotKeys,
    engine_id: EngineId,
    salt_key: Secret,
    map_seed: u64,
    manifest: Manifest,
    next_part: u32,
    stream: StreamReader,
    found: Option<Found>,
}

/// What the stream held so far.
#[derive(Debug)]
struct Found {
    head: MachineHead,
    archive: Archive,
    state: Loading,
}

impl SnapshotLoad {
    /// Opens the manifest of the snapshot that was taken with `next_seq` as the next frame.
    /// `listed` is the number of its parts, the manifest included, by the store.
    ///
    /// # Errors
    /// The first fact that is wrong.
    pub fn begin(
        engine_id: &EngineId,
        next_seq: u64,
        listed: u32,
        manifest: Vec<u8>,
        keys: &LogKeys,
        map_seed: u64,
    ) -> Result<Self, SnapshotError> {
        let (engine_id, salt_key) = (*engine_id, keys.state_salt().clone());
        let keys = SnapshotKeys::new(engine_id, next_seq, keys);
        let plain = keys.open_manifest(manifest)?;
        let manifest: Manifest =
            codec::decode_unbounded(&plain).map_err(|_| SnapshotError::Malformed)?;
        if manifest.head.next_seq != next_seq {
            return Err(SnapshotError::Foreign);
        }
        manifest.head.rules.check()?;
        let named = u64::try_from(manifest.parts.len()).unwrap_or(u64::MAX).saturating_add(1);
        if named != u64::from(listed) {
            return Err(SnapshotError::PartCount { named, listed: listed.into() });
        }
        let (stream, found) = (StreamReader::default(), None);
        Ok(Self { keys, engine_id, salt_key, map_seed, manifest, next_part: 0, stream, found })
    }

    /// Number of parts to give, the manifest not included.
    pub fn parts(&self) -> u32 {
        u32::try_from(self.manifest.parts.len()).unwrap_or(u32::MAX)
    }

    /// Takes the next part.
    ///
    /// # Errors
    /// The first fact that is wrong; the load is then over.
    pub fn part(&mut self, sealed: Vec<u8>) -> Result<(), SnapshotError> {
        let part = self.next_part;
        let named: Option<&Bytes32> =
            usize::try_from(part).ok().and_then(|at| self.manifest.parts.get(at));
        let named = named.ok_or(SnapshotError::WrongPart { part })?;
        let plain = self.keys.open_part(part, named, sealed)?;
        self.next_part += 1;
        self.read(plain)
    }

    fn read(&mut self, plain: Vec<u8>) -> Result<(), SnapshotError> {
        let mut stream = core::mem::take(&mut self.stream);
        stream.read(plain, |kind, payload| self.record(kind, payload))?;
        self.stream = stream;
        Ok(())
    }

    fn record(&mut self, kind: u8, payload: &[u8]) -> Result<(), SnapshotError> {
        let found = match (&mut self.found, kind) {
            (None, KIND_HEAD) => return self.head(payload),
            (None, _) | (Some(_), KIND_HEAD) => return Err(SnapshotError::Malformed),
            (Some(found), _) => found,
        };
        if kind == KIND_TILES {
            let tiles: Vec<[u8; 32]> =
                codec::decode_unbounded(payload).map_err(|_| SnapshotError::Malformed)?;
            tiles.into_iter().for_each(|root| found.archive.append_full_tile(root));
            return Ok(());
        }
        let container = kind.checked_sub(KIND_STATE).ok_or(SnapshotError::Malformed)?;
        match found.state.fill(container, payload) {
            true => Ok(()),
            false => Err(SnapshotError::Malformed),
        }
    }

    fn head(&mut self, payload: &[u8]) -> Result<(), SnapshotError> {
        let (head, state): (MachineHead, StateHead) =
            codec::decode_unbounded(payload).map_err(|_| SnapshotError::Malformed)?;
        let salt_key = self.salt_key.clone();
        let state = Loading::begin(self.engine_id, salt_key, self.map_seed, state);
        let state = state.ok_or(SnapshotError::Malformed)?;
        self.found = Some(Found { head, archive: Archive::new(), state });
        Ok(())
    }

    /// The machine, once every part was given.
    ///
    /// # Errors
    /// The first fact that is wrong.
    pub fn finish(mut self) -> Result<Machine, SnapshotError> {
        if self.next_part != self.parts() {
            return Err(SnapshotError::Incomplete);
        }
        let rest = core::mem::take(&mut self.manifest.rest);
        self.read(rest)?;
        let (engine_id, manifest) = (self.engine_id, self.manifest);
        let found = self.found.filter(|_| self.stream.has_ended());
        let Found { head, mut archive, state } = found.ok_or(SnapshotError::Incomplete)?;
        if u64::try_from(archive.full_tiles().len()) != Ok(head.tiles) {
            return Err(SnapshotError::Incomplete);
        }
        head.open_tile.into_iter().for_each(|leaf| archive.append(leaf));
        let history = head.history;
        if archive.size() != history.size() || archive.newest_root() != history.root() {
            return Err(SnapshotError::History);
        }
        let state = state.finish().ok_or(SnapshotError::Incomplete)?;
        if state.rules() != manifest.head.rules {
            return Err(SnapshotError::Malformed);
        }
        let tree = tree_of(&state);
        if tree.root() != manifest.state_root {
            return Err(SnapshotError::StateRoot);
        }
        let chain = Chain::at(engine_id, manifest.head, history, head.epochs, head.uncarried);
        let recent = RecentRoots::default();
        Ok(Machine { state, tree, chain, archive, recent, taking: None })
    }
}

/// The tree of every leaf of a state.
fn tree_of(state: &State) -> StateTree {
    let mut tree = StateTree::new();
    state.leaves_in_order(|leaves| {
        let changes: Vec<_> = leaves.iter().copied().map(change).collect();
        tree.update(&changes);
    });
    tree
}
