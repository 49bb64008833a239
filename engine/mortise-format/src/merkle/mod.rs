//! The three Merkle trees: their hashes, and how a proof of each is verified.
//!
//! What it is for: one implementation of what an engine hashes and an outsider checks. The core
//! builds trees and makes proofs with these hashes; `mortise-verify` checks with these functions.
//!
//! What it does not do: build a tree, keep a leaf, believe a root. A success says what stands under
//! a root; whose root it is takes a signature.
//!
//! Invariants: each path has exactly the length that its place asks for; leaves and nodes are
//! hashed apart; no input makes a check panic or allocate.

pub mod events;
pub mod history;
pub mod state;
mod tree_key;

pub use tree_key::{POSITION_BITS, Side, TreeKey, ValueHash};
