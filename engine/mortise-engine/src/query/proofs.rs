//! Proofs of entries of the state.

use super::{Context, Query};
use mortise_core::machine::{ProvenLeaf, RootNotKept};
use mortise_core::state::{LeafKey, LeafValue};
use mortise_core::tree::StateProof;

/// Presence or absence of a leaf under the newest root.
#[derive(Debug, Clone)]
pub struct ProveEntry(pub LeafKey);

/// A proof and what it proves.
#[derive(Debug, Clone)]
pub struct ProofAnswer {
    pub key: LeafKey,
    /// Value and salt of the leaf, if it is present.
    pub value: Option<(LeafValue, [u8; 32])>,
    pub proof: StateProof,
}

impl Query for ProveEntry {
    type Answer = ProofAnswer;

    fn read(self, context: Context<'_>) -> ProofAnswer {
        let Self(key) = self;
        let state = context.state();
        let position = key.position(state.engine_id());
        let value = state.leaf_value(&key).zip(state.leaf_salt(&key));
        ProofAnswer { key, value, proof: context.machine.tree().prove(&position) }
    }
}

/// Presence or absence of a leaf after a recent frame.
#[derive(Debug, Clone)]
pub struct ProveEntryAt {
    pub key: LeafKey,
    pub seq: u64,
}

impl Query for ProveEntryAt {
    /// If the state after that frame is not kept, the frames that can be proven.
    type Answer = Result<ProofAnswer, RootNotKept>;

    /// Turns back up to `RECENT_ROOTS_LEAVES_MAX` leaves: as much as eight pages.
    const COST: u32 = 16;

    fn read(self, context: Context<'_>) -> Self::Answer {
        let Self { key, seq } = self;
        let ProvenLeaf { held, proof } = context.machine.prove_at(&key, seq)?;
        Ok(ProofAnswer { key, value: held, proof })
    }
}
