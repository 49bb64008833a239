//! The two hashes of the tree, many at a time; one at a time they are those of `mortise_format`.
//!
//! Both hash exactly one 64-byte block in BLAKE3 keyed mode; the constant keys separate leaves
//! from nodes (INV-TREE-2). Many at a time uses `blake3::platform`, which the crate exports but
//! does not document: the version is pinned, and a test holds it equal to `blake3::keyed_hash`.

use blake3::IncrementCounter;
use blake3::platform::Platform;

pub(super) use mortise_format::merkle::state::{EMPTY_HASH, Hash, leaf_hash, node_hash};
use mortise_format::merkle::state::{LEAF_KEY, NODE_KEY};

/// Blocks per call of the hash.
pub(super) const LANES: usize = 16;

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

/// Hashes up to [`LANES`] blocks per call with the widest instructions of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lanes {
    platform: Platform,
    leaf_key: [u32; 8],
    node_key: [u32; 8],
}

impl Lanes {
    /// Detects the instructions of the machine, once.
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
    use proptest::prelude::*;

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
