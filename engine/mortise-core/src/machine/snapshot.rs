//! Snapshots of a machine: sealed under a key that is never released.

use super::{Chain, EpochRecord, Head, Machine, RecentRoots, change};
use crate::body::FrameStatement;
use crate::history::Frontier;
use crate::history::archive::Archive;
use crate::keys::LogKeys;
use crate::state::{State, StateSnapshot};
use crate::tree::StateTree;
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use alloc::vec::Vec;
use bincode::{Decode, Encode};
use mortise_format::codec;
use mortise_format::domains;
use mortise_format::ids::{Bytes32, EngineId, Root};
use mortise_format::rules::RulesUnknown;

/// Layout version of [`MachineSnapshot`]. The cipher authenticates it, so a snapshot of another
/// layout does not open and the log is replayed instead.
const SNAPSHOT_VERSION: u8 = 6;

/// The state of a machine after a frame.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MachineSnapshot {
    engine_id: EngineId,
    head: Head,
    state_root: Root,
    history: Frontier,
    archive: Archive,
    epochs: Vec<EpochRecord>,
    uncarried: Vec<FrameStatement>,
    state: StateSnapshot,
}

/// Why a snapshot is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It does not open under the engine's snapshot key.
    #[error("the snapshot does not open")]
    Cipher,
    /// It opens but does not decode.
    #[error("the snapshot does not decode")]
    Malformed,
    /// It belongs to another engine or another frame.
    #[error("the snapshot belongs to another engine or frame")]
    Foreign,
    /// It is of rules that this code does not know.
    #[error(transparent)]
    RulesUnknown(#[from] RulesUnknown),
    /// Its frontier and its archive belong to different histories.
    #[error("the snapshot's history contradicts itself")]
    History,
    /// The state in it does not hash to the root in it, or is inconsistent.
    #[error("the snapshot's state does not match its root")]
    StateRoot,
}

impl Machine {
    /// A sealed snapshot of the machine after its last closed frame, and its digest.
    ///
    /// # Errors
    /// `Malformed` when sealing fails, which takes more than 64 GiB.
    pub fn seal_snapshot(&self, keys: &LogKeys) -> Result<(Vec<u8>, Bytes32), SnapshotError> {
        let snapshot = MachineSnapshot {
            engine_id: *self.state.engine_id(),
            head: self.chain.head,
            state_root: self.tree.root(),
            history: self.chain.history.clone(),
            archive: self.archive.clone(),
            epochs: self.chain.epochs.clone(),
            uncarried: self.chain.uncarried.iter().cloned().collect(),
            state: self.state.snapshot(),
        };
        let plain = codec::encode(&snapshot);
        let sealed = keys.snapshot().expose(|key| {
            let aad = aad(self.state.engine_id(), self.chain.head.next_seq);
            Aes256GcmSiv::new(key.into())
                .encrypt(&nonce(self.chain.head.next_seq), Payload { msg: &plain, aad: &aad })
                .map_err(|_| SnapshotError::Malformed)
        })?;
        let digest = Bytes32(domains::blake3_in(domains::SNAPSHOT_DIGEST, &[&sealed]));
        Ok((sealed, digest))
    }

    /// The machine of a snapshot that was taken with `next_seq` as the next frame.
    ///
    /// A success proves that this engine made the snapshot of that point. It does not prove that
    /// the log still holds that point: the next frame's `previous` does.
    ///
    /// # Errors
    /// The first fact that is wrong.
    pub fn open_snapshot(
        engine_id: &EngineId,
        next_seq: u64,
        sealed: &[u8],
        keys: &LogKeys,
        map_seed: u64,
    ) -> Result<Self, SnapshotError> {
        let plain = keys.snapshot().expose(|key| {
            let aad = aad(engine_id, next_seq);
            Aes256GcmSiv::new(key.into())
                .decrypt(&nonce(next_seq), Payload { msg: sealed, aad: &aad })
                .map_err(|_| SnapshotError::Cipher)
        })?;
        let snapshot: MachineSnapshot =
            codec::decode_unbounded(&plain).map_err(|_| SnapshotError::Malformed)?;
        if snapshot.engine_id != *engine_id || snapshot.head.next_seq != next_seq {
            return Err(SnapshotError::Foreign);
        }
        snapshot.head.rules.check()?;
        let (history, archive) = (snapshot.history, snapshot.archive);
        if archive.size() != history.size() || archive.newest_root() != history.root() {
            return Err(SnapshotError::History);
        }
        let salt_key = keys.state_salt().clone();
        let state = State::from_snapshot(*engine_id, salt_key, map_seed, snapshot.state);
        let mut state = state.ok_or(SnapshotError::StateRoot)?;
        if state.rules() != snapshot.head.rules {
            return Err(SnapshotError::Malformed);
        }
        state.take_leaves();
        let mut leaves: Vec<_> = state.all_leaves().into_iter().map(change).collect();
        leaves.sort_unstable_by_key(|(position, _)| *position);
        let leaves = leaves.into_iter().filter_map(|(position, value)| Some((position, value?)));
        let tree = StateTree::from_sorted(leaves).map_err(|_| SnapshotError::StateRoot)?;
        if tree.root() != snapshot.state_root {
            return Err(SnapshotError::StateRoot);
        }
        let (head, epochs, uncarried) = (snapshot.head, snapshot.epochs, snapshot.uncarried);
        let chain = Chain::at(*engine_id, head, history, epochs, uncarried);
        let recent = RecentRoots::default();
        Ok(Self { state, tree, chain, archive, recent })
    }
}

fn aad(engine_id: &EngineId, next_seq: u64) -> Vec<u8> {
    let mut aad = engine_id.0.to_vec();
    aad.extend_from_slice(&next_seq.to_le_bytes());
    aad.push(SNAPSHOT_VERSION);
    aad
}

/// One snapshot per position in the log and key. SIV mode makes a repetition of the same position
/// harmless.
fn nonce(next_seq: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&next_seq.to_le_bytes());
    nonce.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::rules::RuleSet;
    use mortise_format::secret::Secret;

    const ENGINE: EngineId = EngineId([1; 32]);

    /// The snapshot of an empty machine whose head names these rules.
    fn opened(rules: RuleSet, of_state: RuleSet) -> Result<Machine, SnapshotError> {
        let keys = LogKeys::new(Secret::new([2; 32]), &ENGINE);
        let policy = crate::state::testing::policy();
        let mut machine = Machine::new(ENGINE, policy, &keys, 3);
        machine.state.apply_rules(of_state).unwrap();
        machine.update_tree();
        machine.chain.head.rules = rules;
        let (sealed, _) = machine.seal_snapshot(&keys)?;
        Machine::open_snapshot(&ENGINE, 0, &sealed, &keys, 3)
    }

    #[test]
    fn snapshot_of_unknown_rules_is_not_used() {
        let (oldest, newest) = (RuleSet::OLDEST, RuleSet::NEWEST);
        let machine = opened(newest, newest).unwrap();
        assert_eq!((machine.head().rules, machine.state.rules()), (newest, newest));
        for found in [RuleSet(oldest.0 - 1), RuleSet(newest.0 + 1)] {
            let refused = opened(found, newest).unwrap_err();
            assert_eq!(refused, SnapshotError::RulesUnknown(RulesUnknown { found, newest }));
        }
    }
}
