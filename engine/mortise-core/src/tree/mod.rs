//! The state tree: an authenticated map from positions to value hashes
//! (`specs/state-tree.md`).
//!
//! What it is for: one 32-byte root that commits to the whole state, short proofs that a position
//! holds a value or holds nothing, and batch updates that hash each dirty node once.
//!
//! What it does not do: verify proofs (`mortise_format::merkle::state` does), choose positions or
//! salt values (the state does), keep old roots (`machine::RecentRoots` keeps what it takes to
//! prove under them), store anything, sign anything.
//!
//! ```text
//! root(set, depth) = 32 zero bytes                            no leaf below
//!                  = leaf hash(position | value)              exactly one leaf below
//!                  = node hash(left half | right half)        two leaves or more
//! ```
//! Invariants:
//! - INV-TREE-1: the root is a function of the set of (position, value) alone. Insertion order,
//!   removed leaves and batch boundaries leave no trace.
//! - INV-TREE-2: leaves and nodes are hashed under different keys and from exactly 64 bytes, so
//!   that neither can be passed off as the other.
//! - INV-TREE-3: after [`StateTree::update`] every stored hash belongs to what is stored below it.
//!
//! Because of INV-TREE-1 the inverse of a batch is a batch (each touched position with the value
//! it had before), which is all that a bounded undo log needs to keep.

mod arena;
mod batch;
mod hash;
mod overlay;
mod rehash;
mod state_tree;
mod structure;

#[cfg(test)]
mod tests;

pub use mortise_format::merkle::state::{
    PROOF_SIBLINGS_MAX, ProofEnd, StateProof, StateProofError, leaf_hash, node_hash,
};
pub use mortise_format::merkle::{TreeKey, ValueHash};
pub use overlay::Changes;
pub use state_tree::{Leaves, StateTree, StateTreeError};
