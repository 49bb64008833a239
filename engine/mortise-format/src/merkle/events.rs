//! The tree over one frame's events: its two hashes, and verification of a path.
//!
//! ```text
//! leaf = keyed BLAKE3(leaf key, salt (32 bytes) | event bytes)
//! node = keyed BLAKE3(node key, left | right);  an odd node is promoted unchanged
//! ```
//! What it does not do: build trees, make paths, choose salts.
//!
//! Invariants: leaves and nodes are separated by key; the verifier hashes the leaf itself, takes
//! the count from a signed statement and checks the exact length of the path.

use crate::ids::Root;

/// Key of leaves: that of the domain `EVENT_LEAF`.
pub const LEAF_KEY: [u8; 32] = [
    0x77, 0x74, 0xf9, 0x2a, 0xb3, 0x34, 0xfc, 0x7c, 0x5e, 0x5f, 0x0d, 0xf6, 0xa6, 0x62, 0x2e, 0x51,
    0xd9, 0xb3, 0x68, 0x6d, 0x30, 0x43, 0x1b, 0x50, 0x11, 0x7b, 0x2a, 0xef, 0xce, 0xe8, 0x63, 0x02,
];
/// Key of nodes: that of the domain `EVENT_NODE`.
pub const NODE_KEY: [u8; 32] = [
    0x88, 0xc8, 0x68, 0x5d, 0x2b, 0xf7, 0xdc, 0xe7, 0xcb, 0xc7, 0xe3, 0x4c, 0xb2, 0xb6, 0xfa, 0x42,
    0x11, 0xc1, 0x30, 0x73, 0xe6, 0xe3, 0x2b, 0x81, 0x10, 0x07, 0xcb, 0xbb, 0x0a, 0x37, 0x26, 0x7f,
];

/// Why a path proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventProofError {
    /// The index is not below the count.
    #[error("event {index} of {count}")]
    Index {
        /// The event.
        index: u32,
        /// Events in the frame.
        count: u32,
    },
    /// The path is longer or shorter than the position of the event requires.
    #[error("the path has {found} hashes, not {expected}")]
    PathLength {
        /// Hashes that the position requires.
        expected: usize,
        /// Hashes given.
        found: usize,
    },
    /// The path does not lead to the root.
    #[error("the path does not lead to the event root")]
    Root,
}

/// The leaf of an event.
pub fn leaf_hash(salt: &[u8; 32], event: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(&LEAF_KEY);
    hasher.update(salt);
    hasher.update(event);
    *hasher.finalize().as_bytes()
}

/// The hash of a node.
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..32].copy_from_slice(left);
    block[32..].copy_from_slice(right);
    *blake3::keyed_hash(&NODE_KEY, &block).as_bytes()
}

/// Checks that `event` with `salt` is event `index` of `count` under `root`.
///
/// A success proves that, if `root` and `count` are those of a signed statement. It does not
/// prove who signed.
///
/// # Errors
/// `Index`, `PathLength`, `Root`, in this order.
pub fn verify(
    root: &Root,
    count: u32,
    index: u32,
    salt: &[u8; 32],
    event: &[u8],
    path: &[[u8; 32]],
) -> Result<(), EventProofError> {
    if index >= count {
        return Err(EventProofError::Index { index, count });
    }
    let (mut at, mut last) = (index, count - 1);
    let mut hash = leaf_hash(salt, event);
    let mut used = 0usize;
    let expected = path_length(index, count);
    if path.len() != expected {
        return Err(EventProofError::PathLength { expected, found: path.len() });
    }
    while last > 0 {
        // A node without right sibling is promoted: no hash of the path belongs to this level.
        if at % 2 == 1 {
            hash = node_hash(&path[used], &hash);
            used += 1;
        } else if at < last {
            hash = node_hash(&hash, &path[used]);
            used += 1;
        }
        (at, last) = (at / 2, last / 2);
    }
    match Root(hash) == *root {
        true => Ok(()),
        false => Err(EventProofError::Root),
    }
}

/// Hashes in the path of leaf `index` of `count`.
fn path_length(index: u32, count: u32) -> usize {
    let (mut at, mut last, mut length) = (index, count.saturating_sub(1), 0);
    while last > 0 {
        if at % 2 == 1 || at < last {
            length += 1;
        }
        (at, last) = (at / 2, last / 2);
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains;

    #[test]
    fn the_constant_keys_are_those_of_the_domains() {
        assert_eq!(LEAF_KEY, domains::blake3_key(domains::EVENT_LEAF));
        assert_eq!(NODE_KEY, domains::blake3_key(domains::EVENT_NODE));
    }
}
