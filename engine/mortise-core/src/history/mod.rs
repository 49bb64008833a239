//! The history: an RFC 6962 Merkle tree (SHA-256) whose leaves are the frames.
//!
//! What it is for: one root per frame that standard transparency-log tools understand; the
//! engine keeps the frontier only, 32 bytes per bit of the size.
//!
//! What it does not do: keep leaves. Proofs about old frames take the log.

mod frontier;

pub use frontier::Frontier;
