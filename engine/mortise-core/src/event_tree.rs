//! The Merkle tree over one frame's events, on rs_merkle.
//!
//! ```text
//! leaf = keyed BLAKE3(leaf key, salt (32 bytes) | event bytes)
//! node = keyed BLAKE3(node key, left | right);  an odd node is promoted unchanged
//! ```
//! Built once per frame from all leaves (`from_leaves`; appending is linear in that crate). The
//! salts keep a reader of one disclosed event from guessing its neighbours.
//!
//! Invariants: leaves and nodes are separated by key; the verifier hashes the leaf itself, takes
//! the count from a signed statement and checks the exact length of the path, because the crate's
//! own verification accepts a path with hashes left over.

use alloc::vec::Vec;
use mortise_format::ids::Root;
use rs_merkle::{Hasher, MerkleTree};

use mortise_format::merkle::events::LEAF_KEY;
pub use mortise_format::merkle::events::{EventProofError, leaf_hash, node_hash, verify};

/// Hashes the nodes of the event tree.
#[derive(Debug, Clone, Copy)]
struct EventHasher;

impl Hasher for EventHasher {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&LEAF_KEY, data).as_bytes()
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        match right {
            Some(right) => node_hash(left, right),
            None => *left,
        }
    }
}

/// The root over all leaves; zero for none.
pub fn root(leaves: &[[u8; 32]]) -> Root {
    MerkleTree::<EventHasher>::from_leaves(leaves).root().map_or(Root::ZERO, Root)
}

/// The path of leaf `index` to the root, lowest first.
///
/// # Errors
/// `Index`: the crate itself would give an empty path.
pub fn prove(leaves: &[[u8; 32]], index: usize) -> Result<Vec<[u8; 32]>, EventProofError> {
    if index >= leaves.len() {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        return Err(EventProofError::Index { index: number(index), count: number(leaves.len()) });
    }
    let tree = MerkleTree::<EventHasher>::from_leaves(leaves);
    Ok(tree.proof(&[index]).proof_hashes().to_vec())
}

/// Every level of a frame's tree, for answers that need many paths of one frame.
#[derive(Debug, Clone)]
pub struct EventTree {
    levels: Vec<Vec<[u8; 32]>>,
}

impl EventTree {
    /// All levels over `leaves`.
    pub fn new(leaves: Vec<[u8; 32]>) -> Self {
        let mut levels = alloc::vec![leaves];
        while let Some(last) = levels.last().filter(|level| level.len() > 1) {
            let pair = |pair: &[[u8; 32]]| match pair {
                [left, right] => node_hash(left, right),
                promoted => promoted[0],
            };
            levels.push(last.chunks(2).map(pair).collect());
        }
        Self { levels }
    }

    /// The path of leaf `index`, as [`prove`] gives it; `None` when there is no such leaf.
    pub fn path(&self, index: usize) -> Option<Vec<[u8; 32]>> {
        self.levels.first()?.get(index)?;
        let siblings = self.levels.iter().enumerate();
        let path = siblings.filter_map(|(height, level)| level.get((index >> height) ^ 1));
        Some(path.copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::domains;
    use mortise_format::merkle::events::NODE_KEY;

    #[test]
    fn every_path_verifies_and_no_changed_one_does() {
        for count in 1u8..40 {
            let leaves: Vec<_> = (0..count).map(|i| leaf_hash(&[i; 32], &[i, 1, 2])).collect();
            let root = root(&leaves);
            for i in 0..count {
                let path = prove(&leaves, usize::from(i)).unwrap();
                let tree = EventTree::new(leaves.clone());
                assert_eq!(tree.path(usize::from(i)), Some(path.clone()));
                let check = |path: &[[u8; 32]], index: u8, salt: u8| {
                    let event = [i, 1, 2];
                    verify(&root, count.into(), index.into(), &[salt; 32], &event, path)
                };
                assert_eq!(check(&path, i, i), Ok(()));
                assert_eq!(check(&path, i, i + 1), Err(EventProofError::Root));
                let mut longer = path.clone();
                longer.push([0; 32]);
                assert!(matches!(check(&longer, i, i), Err(EventProofError::PathLength { .. })));
                for at in 0..path.len() {
                    let mut flipped = path.clone();
                    flipped[at][7] ^= 1;
                    assert_eq!(check(&flipped, i, i), Err(EventProofError::Root));
                    assert!(matches!(
                        check(&path[..at], i, i),
                        Err(EventProofError::PathLength { .. })
                    ));
                }
            }
            assert!(prove(&leaves, usize::from(count)).is_err());
        }
    }

    /// The definition, level by level, an odd node promoted.
    fn naive_root(mut level: Vec<[u8; 32]>) -> Root {
        while level.len() > 1 {
            let next = level.chunks(2).map(|pair| match pair {
                [left, right] => {
                    *blake3::keyed_hash(&NODE_KEY, &[*left, *right].concat()).as_bytes()
                }
                other => other[0],
            });
            level = next.collect();
        }
        level.first().map_or(Root::ZERO, |root| Root(*root))
    }

    fn leaves(count: u8) -> Vec<[u8; 32]> {
        (0..count).map(|i| leaf_hash(&[i; 32], &[i, 1, 2])).collect()
    }

    #[test]
    fn roots_follow_the_definition_and_no_events_have_a_zero_root() {
        for count in 0u8..70 {
            assert_eq!(root(&leaves(count)), naive_root(leaves(count)), "{count} events");
        }
        assert_eq!(root(&[]), Root::ZERO);
    }

    #[test]
    fn leaf_is_the_keyed_hash_of_salt_and_event() {
        let key = domains::blake3_key(domains::EVENT_LEAF);
        let expected = blake3::keyed_hash(&key, &[&[9; 32][..], b"event"].concat());
        assert_eq!(leaf_hash(&[9; 32], b"event"), *expected.as_bytes());
    }

    #[test]
    fn an_event_verifies_at_its_own_index_and_count_only() {
        for count in 2u8..20 {
            let (leaves, n) = (leaves(count), u32::from(count));
            let root = root(&leaves);
            for i in 0..count {
                let path = prove(&leaves, usize::from(i)).unwrap();
                let check = |n: u32, at: u32| verify(&root, n, at, &[i; 32], &[i, 1, 2], &path);
                for other in (0..n).filter(|at| *at != u32::from(i)) {
                    assert!(check(n, other).is_err(), "event {i} of {n} at {other}");
                }
                assert_eq!(check(n, n), Err(EventProofError::Index { index: n, count: n }));
                assert_eq!(check(0, 0), Err(EventProofError::Index { index: 0, count: 0 }));
                assert_eq!(
                    verify(&root, n, i.into(), &[i; 32], &[i, 1, 3], &path),
                    Err(EventProofError::Root)
                );
                assert_eq!(
                    verify(&Root::ZERO, n, i.into(), &[i; 32], &[i, 1, 2], &path),
                    Err(EventProofError::Root)
                );
            }
        }
    }

    #[test]
    fn an_index_out_of_range_has_no_path() {
        let error = |index| Err(EventProofError::Index { index, count: 5 });
        assert_eq!(prove(&leaves(5), 5), error(5));
        assert_eq!(prove(&[], 0), Err(EventProofError::Index { index: 0, count: 0 }));
        assert_eq!(EventTree::new(leaves(5)).path(5), None);
        assert_eq!(EventTree::new(Vec::new()).path(0), None);
    }

    #[test]
    fn a_node_cannot_be_passed_off_as_an_event() {
        let leaves = leaves(4);
        let root = root(&leaves);
        // The two hashes below the root, passed off as salt and bytes of an event.
        let path = prove(&leaves, 0).unwrap();
        let forged = verify(&root, 2, 0, &leaves[0], &leaves[1], &path[1..]);
        assert_eq!(forged, Err(EventProofError::Root));
    }
}
