//! The history: an RFC 6962 Merkle tree (SHA-256) whose leaves are the frames
//! (`specs/history.md`).
//!
//! What it is for: one root per frame that standard transparency-log tools and witnesses
//! understand. The engine keeps a [`Frontier`], one hash per set bit of the size, for the newest
//! frame, and an [`archive::Archive`] for all proofs about older ones. A holder of all leaf hashes
//! makes the same proofs from the list ([`inclusion_path`], [`consistency_path`]).
//!
//! What it does not do: verify proofs (`mortise_format::merkle::history` does), keep leaves, parse
//! checkpoints, decide which root to trust.
//!
//! ```text
//! root(no leaf)     = SHA-256 of nothing
//! root(one leaf)    = leaf hash = SHA-256(0x00 | leaf)
//! root(n leaves)    = SHA-256(0x01 | root(first k) | root(others)),  k the largest power of 2 < n
//! ```
//! Invariants: a path is accepted only with exactly the number of hashes that index and size
//! require; a decoded frontier is one that appending can reach.

pub mod archive;
mod frontier;
mod generate;

#[cfg(test)]
mod archive_tests;
#[cfg(test)]
mod tests;

pub use frontier::Frontier;
pub use generate::{consistency_path, inclusion_path, root};
pub use mortise_format::merkle::history::{
    HistoryProofError, leaf_hash, node_hash, verify_consistency, verify_inclusion,
};
