//! The two hashes of the tree, one at a time and many at a time.
//!
//! Both hash exactly one 64-byte block in BLAKE3 keyed mode; the constant keys separate leaves
//! from nodes (INV-TREE-2). Many at a time uses `blake3::platform`, which the crate exports but
//! does not document: the version is pinned, and a test holds it equal to `blake3::keyed_hash`.

use super::types::{Position, ValueHash};
use blake3::IncrementCounter;
use blake3::platform::Platform;

/// A hash inside the tree; all zero for an empty subtree.
pub(super) type Hash = [u8; 32];

/// The hash of a subtree without leaves.
pub(super) const EMPTY_HASH: Hash = [0; 32];

/// How many blocks are handed to the hash at once.
pub(super) const LANES: usize = 16;

/// `domains::blake3_key(domains::STATE_LEAF)`.
const LEAF_KEY: [u8; 32] = [
    0xf7, 0xb8, 0x9c, 0x75, 0x5a, 0xfb, 0x66, 0x1b, 0x97, 0x57, 0x61, 0x18, 0x03, 0x2e, 0x4f, 0x97,
    0x77, 0x08, 0x62, 0x5f, 0x06, 0x20, 0x4d, 0xc7, 0x62, 0xec, 0x18, 0x65, 0xc8, 0xef, 0x52, 0x2c,
];
/// `domains::blake3_key(domains::STATE_NODE)`.
const NODE_KEY: [u8; 32] = [
    0xea, 0x59, 0x76, 0x02, 0xa5, 0xc9, 0xe5, 0x29, 0x78, 0xe0, 0xfe, 0x81, 0xbc, 0x7f, 0x7d, 0x91,
    0x2f, 0x0d, 0x3f, 0xe0, 0xa5, 0xe2, 0x03, 0xab, 0x81, 0x06, 0x94, 0x3c, 0x71, 0x1b, 0x92, 0xd2,
];

const CHUNK_START: u8 = 1 << 0;
const CHUNK_END: u8 = 1 << 1;
const ROOT: u8 = 1 << 3;
const KEYED_HASH: u8 = 1 << 4;

/// 64 bytes on a cache line of their own: `position | value`, or `left | right`.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Block(pub(super) [u8; 64]);

impl Block {
    /// The two halves, one after the other.
    pub(super) fn new(first: &[u8; 32], second: &[u8; 32]) -> Self {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(first);
        bytes[32..].copy_from_slice(second);
        Self(bytes)
    }

    /// The first or the second half.
    pub(super) fn half(&self, index: usize) -> [u8; 32] {
        let mut half = [0; 32];
        half.copy_from_slice(&self.0[index * 32..][..32]);
        half
    }

    /// Replaces the first or the second half.
    pub(super) fn set_half(&mut self, index: usize, half: &[u8; 32]) {
        self.0[index * 32..][..32].copy_from_slice(half);
    }
}

/// The hash of a leaf: BLAKE3 keyed with the leaf key over `position | value`.
pub fn leaf_hash(position: &Position, value: &ValueHash) -> [u8; 32] {
    one(&LEAF_KEY, &Block::new(&position.0, &value.0))
}

/// The hash of a node: BLAKE3 keyed with the node key over `left | right`.
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    one(&NODE_KEY, &Block::new(left, right))
}

fn one(key: &[u8; 32], block: &Block) -> Hash {
    *blake3::keyed_hash(key, &block.0).as_bytes()
}

/// Hashes up to [`LANES`] blocks per call with the widest instructions of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lanes {
    platform: Platform,
    leaf_key: [u32; 8],
    node_key: [u32; 8],
}

impl Lanes {
    /// Looks once what the machine can do.
    pub(super) fn new() -> Self {
        let (leaf_key, node_key) = (key_words(&LEAF_KEY), key_words(&NODE_KEY));
        Self { platform: Platform::detect(), leaf_key, node_key }
    }

    /// `out[i]` becomes the leaf hash of `blocks[i]`.
    pub(super) fn leaves(&self, blocks: &[&[u8; 64]], out: &mut [Hash]) {
        self.many(&self.leaf_key, blocks, out);
    }

    /// `out[i]` becomes the node hash of `blocks[i]`.
    pub(super) fn nodes(&self, blocks: &[&[u8; 64]], out: &mut [Hash]) {
        self.many(&self.node_key, blocks, out);
    }

    fn many(&self, key: &[u32; 8], blocks: &[&[u8; 64]], out: &mut [Hash]) {
        assert!(blocks.len() <= out.len(), "every block has a place for its hash");
        let (flags, start, end) = (KEYED_HASH, CHUNK_START, CHUNK_END | ROOT);
        let out = out.as_flattened_mut();
        self.platform.hash_many(blocks, key, 0, IncrementCounter::No, flags, start, end, out);
    }
}

fn key_words(key: &[u8; 32]) -> [u32; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(key.chunks_exact(4)) {
        *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use mortise_format::domains::{self, blake3_key};
    use proptest::prelude::*;

    #[test]
    fn pinned_keys_are_those_of_the_domain_table() {
        assert_eq!(LEAF_KEY, blake3_key(domains::STATE_LEAF));
        assert_eq!(NODE_KEY, blake3_key(domains::STATE_NODE));
        assert_ne!(LEAF_KEY, NODE_KEY);
    }

    #[test]
    fn leaf_and_node_hash_of_the_same_bytes_differ() {
        let bytes = [7; 32];
        assert_ne!(leaf_hash(&Position(bytes), &ValueHash(bytes)), node_hash(&bytes, &bytes));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn many_at_a_time_equals_blake3_keyed_hash(
            inputs in prop::collection::vec(prop::array::uniform32(any::<u16>()), 0..=2 * LANES)
        ) {
            let blocks: Vec<[u8; 64]> = inputs
                .iter()
                .map(|words| {
                    let mut block = [0; 64];
                    for (pair, word) in block.chunks_exact_mut(2).zip(words) {
                        pair.copy_from_slice(&word.to_le_bytes());
                    }
                    block
                })
                .collect();
            let refs: Vec<&[u8; 64]> = blocks.iter().collect();
            let mut out = alloc::vec![EMPTY_HASH; blocks.len()];
            let lanes = Lanes::new();
            lanes.leaves(&refs, &mut out);
            for (block, hash) in blocks.iter().zip(&out) {
                let expected = blake3::keyed_hash(&LEAF_KEY, block);
                prop_assert_eq!(expected.as_bytes(), hash);
            }
            lanes.nodes(&refs, &mut out);
            for (block, hash) in blocks.iter().zip(&out) {
                let expected = blake3::keyed_hash(&NODE_KEY, block);
                prop_assert_eq!(expected.as_bytes(), hash);
            }
        }
    }
}
