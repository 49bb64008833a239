//! The three Merkle trees: their hashes, and how a proof of each is verified.
//!
//! What it is for: one implementation for the engine that hashes and for the outsider that checks.
//! The core builds trees and makes proofs with these hashes; `mortise-verify` verifies with these
//! functions.
//!
//! What it does not do: build a tree, keep a leaf, decide which root to trust. A success proves
//! what is under a root; only a signature proves whose root it is.
//!
//! Invariants: each path has exactly the length that its position requires; leaves and nodes are
//! hashed under different keys or prefixes; no input makes a check panic or allocate.

pub mod events;
pub mod history;
pub mod state;
mod tree_key;

pub use tree_key::{POSITION_BITS, Side, TreeKey, ValueHash};
