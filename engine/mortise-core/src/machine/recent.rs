//! The roots of the last frames, and what leaves held under them.
//!
//! What it is for: presence and absence under the state root of a recent frame, after the state has
//! moved on. For each frame it keeps what the changed leaves held before, and no more.
//!
//! What it does not do: copy the tree, survive a snapshot (the frames that a restart replays fill
//! it again), answer for frames outside its window.
//!
//! ```text
//! state after frame s  = state now, with what frames s+1, s+2, ... changed turned back
//! held under root s    = what the first of them that changed the leaf kept, else the state now
//! ```
//! Invariants: at most `RECENT_ROOTS_MAX` frames, `RECENT_ROOTS_LEAVES_MAX` changed leaves and
//! about `RECENT_ROOTS_BYTES_MAX` bytes, so that a proof turns back a bounded number of leaves; a
//! proof is given only when it leads to the root that the frame had.

use super::Machine;
use crate::state::Before;
use crate::tree::{StateProof, TreeKey};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use mortise_format::entry::{LeafKey, LeafValue};
use mortise_format::ids::Root;
use mortise_format::limits::{RECENT_ROOTS_BYTES_MAX, RECENT_ROOTS_LEAVES_MAX, RECENT_ROOTS_MAX};

/// What one frame changed.
#[derive(Debug, Clone)]
struct Undo {
    seq: u64,
    /// The root before the frame.
    root: Root,
    before: Vec<Before>,
    bytes: usize,
}

/// What the last frames changed, oldest first.
#[derive(Debug, Clone, Default)]
pub struct RecentRoots {
    frames: VecDeque<Undo>,
    bytes: usize,
    /// Changed leaves of these frames.
    leaves: usize,
}

impl RecentRoots {
    /// Records what frame `seq` changed.
    pub(super) fn push(&mut self, seq: u64, root: Root, before: Vec<Before>) {
        let bytes = size_of::<Undo>() + before.iter().map(Before::bytes).sum::<usize>();
        self.bytes += bytes;
        self.leaves += before.len();
        self.frames.push_back(Undo { seq, root, before, bytes });
        while self.is_over() {
            let Some(oldest) = self.frames.pop_front() else { return };
            self.bytes -= oldest.bytes;
            self.leaves -= oldest.before.len();
        }
    }

    fn is_over(&self) -> bool {
        self.frames.len() > RECENT_ROOTS_MAX
            || self.leaves > RECENT_ROOTS_LEAVES_MAX
            || self.bytes > RECENT_ROOTS_BYTES_MAX
    }

    /// The root after frame `seq`, and what later frames changed, oldest first.
    fn since(&self, seq: u64) -> Option<(Root, impl Iterator<Item = &Before>)> {
        let first = self.frames.front()?.seq;
        let at = usize::try_from(seq.checked_add(1)?.checked_sub(first)?).ok()?;
        let root = self.frames.get(at)?.root;
        Some((root, self.frames.range(at..).flat_map(|undo| &undo.before)))
    }
}

/// An entry of the state after some frame, with its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenLeaf {
    /// Value and salt, if the entry was present.
    pub held: Option<(LeafValue, [u8; 32])>,
    /// Leads to the state root of the frame.
    pub proof: StateProof,
}

/// The state of that frame is no longer kept, or the frame does not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state of frames {oldest} to {newest} is kept")]
pub struct RootNotKept {
    /// The oldest frame whose state can be proven.
    pub oldest: u64,
    /// The newest frame whose state can be proven.
    pub newest: u64,
}

impl Machine {
    /// The oldest and the newest frame under whose state root entries can be proven. The last frame
    /// must be closed.
    pub fn proven_window(&self) -> RootNotKept {
        let newest = self.head().next_seq.saturating_sub(1);
        let oldest = self.recent.frames.front().map(|undo| undo.seq.saturating_sub(1));
        RootNotKept { oldest: oldest.unwrap_or(newest), newest }
    }

    /// What the state held under `key` after frame `seq`, with its proof. The last frame must be
    /// closed.
    ///
    /// # Errors
    /// [`RootNotKept`] with the frames that can be asked for.
    pub fn prove_at(&self, key: &LeafKey, seq: u64) -> Result<ProvenLeaf, RootNotKept> {
        let window = self.proven_window();
        let position = key.position(self.state().engine_id());
        if seq == window.newest {
            let held = self.state().opened_now(key);
            return Ok(ProvenLeaf { held, proof: self.tree().prove(&position) });
        }
        let proven = self.prove_before(key, &position, seq);
        proven.filter(|_| (window.oldest..window.newest).contains(&seq)).ok_or(window)
    }

    fn prove_before(&self, key: &LeafKey, position: &TreeKey, seq: u64) -> Option<ProvenLeaf> {
        let (root, changed) = self.recent.since(seq)?;
        let sheet: Vec<_> = self.state().turned_back(changed).into_iter().collect();
        let (found, proof) = self.tree().prove_over(&sheet, position);
        let (_, mut changed) = self.recent.since(seq)?;
        let held = match changed.find(|before| before.key == *key) {
            Some(before) => self.state().opened(before),
            None => self.state().opened_now(key),
        };
        (found == root).then_some(ProvenLeaf { held, proof })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::entry::NonceWindow;

    fn changes(count: usize) -> Vec<Before> {
        (0..count).map(|_| Before { key: LeafKey::Images, held: None }).collect()
    }

    fn kept(recent: &RecentRoots) -> Vec<u64> {
        recent.frames.iter().map(|undo| undo.seq).collect()
    }

    #[test]
    fn leaves_that_a_proof_turns_back_are_bounded() {
        let mut recent = RecentRoots::default();
        let half = RECENT_ROOTS_LEAVES_MAX / 2;
        for (seq, count, left) in [
            (1, half, &[1][..]),
            (2, half, &[1, 2]),
            (3, 1, &[2, 3]),
            (4, half - 1, &[2, 3, 4]),
            (5, RECENT_ROOTS_LEAVES_MAX + 1, &[]),
            (6, RECENT_ROOTS_LEAVES_MAX, &[6]),
        ] {
            recent.push(seq, Root::ZERO, changes(count));
            assert_eq!(kept(&recent), left, "after frame {seq}");
            let leaves = recent.frames.iter().map(|undo| undo.before.len()).sum::<usize>();
            assert_eq!((recent.leaves, recent.leaves <= RECENT_ROOTS_LEAVES_MAX), (leaves, true));
        }
    }

    #[test]
    fn frames_and_bytes_that_are_kept_are_bounded() {
        let mut recent = RecentRoots::default();
        let newest = u64::try_from(RECENT_ROOTS_MAX).unwrap();
        (1..=newest).for_each(|seq| recent.push(seq, Root::ZERO, Vec::new()));
        assert_eq!(kept(&recent), (1..=newest).collect::<Vec<_>>());
        recent.push(newest + 1, Root::ZERO, Vec::new());
        assert_eq!(kept(&recent), (2..=newest + 1).collect::<Vec<_>>());
        // One leaf with as many windows as fit, and with one window more.
        let of = |windows: usize| {
            let windows = alloc::vec![NonceWindow::default(); windows];
            let value = LeafValue::PrincipalByHour { windows, open_count: 0 };
            alloc::vec![Before { key: LeafKey::Images, held: Some((value, 1)) }]
        };
        let fixed = size_of::<Undo>() + of(0)[0].bytes();
        let most = (RECENT_ROOTS_BYTES_MAX - fixed) / size_of::<NonceWindow>();
        for (windows, left) in [(most, &[1][..]), (most + 1, &[])] {
            let mut recent = RecentRoots::default();
            recent.push(1, Root::ZERO, of(windows));
            assert_eq!(kept(&recent), left, "{windows} windows");
        }
    }
}
