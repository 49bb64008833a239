//! Verification of inclusion and consistency: pure functions, exact lengths.
//!
//! A path has two parts. Up to the height at which the leaf and the last leaf of the tree part,
//! each level has a sibling on either side ("inner"); above it, only subtrees to the left of the
//! right edge have one ("border").

use super::frontier::node_hash;

/// Why a path proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryProofError {
    /// There is no leaf with this index.
    #[error("leaf {index} of a tree of {size}")]
    IndexOutOfRange {
        /// The index.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// The later tree is smaller than the earlier one.
    #[error("the earlier tree has {earlier} leaves, the later one {later}")]
    Shrunk {
        /// Leaves of the earlier tree.
        earlier: u64,
        /// Leaves of the later tree.
        later: u64,
    },
    /// The earlier tree is empty: every tree extends it, there is nothing to prove.
    #[error("the earlier tree is empty")]
    FromEmpty,
    /// Two trees of one size have different roots: they are forks.
    #[error("two trees of one size have different roots")]
    SameSizeOtherRoot,
    /// The path is longer or shorter than index and sizes ask for.
    #[error("the path has {found} hashes, not {expected}")]
    PathLength {
        /// Hashes that are asked for.
        expected: usize,
        /// Hashes given.
        found: usize,
    },
    /// The path does not lead to the root of the earlier tree.
    #[error("the path does not lead to the earlier root")]
    EarlierRootMismatch,
    /// The path does not lead to the root.
    #[error("the path does not lead to the root")]
    RootMismatch,
}

/// Checks that leaf `index` of the tree of `size` leaves with `root` has the hash `leaf`.
///
/// Success proves exactly that. It does not prove whose root it is; and `leaf` must have been
/// computed by the caller from the leaf's bytes, or it may be an inner node.
///
/// # Errors
/// `IndexOutOfRange`, `PathLength`, `RootMismatch`, in this order.
pub fn verify_inclusion(
    root: &[u8; 32],
    size: u64,
    index: u64,
    leaf: &[u8; 32],
    path: &[[u8; 32]],
) -> Result<(), HistoryProofError> {
    if index >= size {
        return Err(HistoryProofError::IndexOutOfRange { index, size });
    }
    let (inner, border) = parts(index, size);
    check_length(inner + border, path)?;
    let (inner, border) = path.split_at(inner);
    match right_border(either_side(*leaf, inner, index), border) == *root {
        true => Ok(()),
        false => Err(HistoryProofError::RootMismatch),
    }
}

/// Checks that the tree of `earlier` leaves with `earlier_root` is a prefix of the tree of `later`
/// leaves with `later_root`.
///
/// Success proves that the first `earlier` leaves of both are the same, in the same order. It does
/// not prove whose roots they are.
///
/// # Errors
/// `Shrunk`, `FromEmpty`, `PathLength`, `SameSizeOtherRoot`, `EarlierRootMismatch`,
/// `RootMismatch`, in this order.
pub fn verify_consistency(
    earlier_root: &[u8; 32],
    earlier: u64,
    later_root: &[u8; 32],
    later: u64,
    path: &[[u8; 32]],
) -> Result<(), HistoryProofError> {
    if later < earlier {
        return Err(HistoryProofError::Shrunk { earlier, later });
    }
    let newest = earlier.checked_sub(1).ok_or(HistoryProofError::FromEmpty)?;
    if earlier == later {
        check_length(0, path)?;
        return match earlier_root == later_root {
            true => Ok(()),
            false => Err(HistoryProofError::SameSizeOtherRoot),
        };
    }
    // The path starts at the largest perfect subtree that ends in the earlier tree's newest leaf.
    let height = earlier.trailing_zeros();
    let (inner, border) = parts(newest, later);
    let inner = inner - len(height);
    let (seed, path) = if earlier.is_power_of_two() {
        check_length(inner + border, path)?;
        (*earlier_root, path)
    } else {
        check_length(1 + inner + border, path)?;
        (path[0], &path[1..])
    };
    let index = newest >> height;
    let (inner, border) = path.split_at(inner);
    if right_border(left_side(seed, inner, index), border) != *earlier_root {
        return Err(HistoryProofError::EarlierRootMismatch);
    }
    if right_border(either_side(seed, inner, index), border) != *later_root {
        return Err(HistoryProofError::RootMismatch);
    }
    Ok(())
}

/// How many inner and border hashes the path of leaf `index` in a tree of `size` has.
fn parts(index: u64, size: u64) -> (usize, usize) {
    let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let border = index.checked_shr(inner).unwrap_or(0).count_ones();
    (len(inner), len(border))
}

fn len(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn check_length(expected: usize, path: &[[u8; 32]]) -> Result<(), HistoryProofError> {
    match path.len() {
        found if found == expected => Ok(()),
        found => Err(HistoryProofError::PathLength { expected, found }),
    }
}

/// Climbs past siblings on the side that each bit of `index` names.
fn either_side(seed: [u8; 32], inner: &[[u8; 32]], index: u64) -> [u8; 32] {
    (0u32..).zip(inner).fold(seed, |hash, (height, sibling)| match index >> height & 1 {
        0 => node_hash(&hash, sibling),
        _ => node_hash(sibling, &hash),
    })
}

/// Climbs past those siblings only that stand to the left: the others came later.
fn left_side(seed: [u8; 32], inner: &[[u8; 32]], index: u64) -> [u8; 32] {
    let left = (0u32..).zip(inner).filter(|(height, _)| index >> height & 1 == 1);
    left.fold(seed, |hash, (_, sibling)| node_hash(sibling, &hash))
}

fn right_border(seed: [u8; 32], border: &[[u8; 32]]) -> [u8; 32] {
    border.iter().fold(seed, |hash, sibling| node_hash(sibling, &hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{consistency_path, inclusion_path, leaf_hash, root};
    use alloc::vec::Vec;

    const SIZES: u64 = 40;

    fn leaves(count: u64) -> Vec<[u8; 32]> {
        (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    fn index(n: u64) -> usize {
        usize::try_from(n).unwrap()
    }

    #[test]
    fn every_leaf_of_every_size_is_included_at_its_index_only() {
        for size in 1..SIZES {
            let leaves = leaves(size);
            let root = root(&leaves);
            for (i, leaf) in (0u64..).zip(&leaves) {
                let path = inclusion_path(&leaves, index(i)).unwrap();
                assert_eq!(verify_inclusion(&root, size, i, leaf, &path), Ok(()));
                for j in (0..size).filter(|j| *j != i) {
                    assert!(verify_inclusion(&root, size, j, leaf, &path).is_err());
                }
            }
            assert_eq!(inclusion_path(&leaves, index(size)), None);
        }
    }

    #[test]
    fn every_size_is_consistent_with_every_later_one() {
        for later in 1..SIZES {
            let leaves = leaves(later);
            let later_root = root(&leaves);
            for earlier in 1..=later {
                let earlier_root = root(&leaves[..index(earlier)]);
                let path = consistency_path(&leaves, index(earlier)).unwrap();
                let check = |a, b, path: &[_]| verify_consistency(a, earlier, b, later, path);
                assert_eq!(check(&earlier_root, &later_root, &path), Ok(()));
                let other = leaf_hash(b"other");
                assert!(check(&other, &later_root, &path).is_err());
                assert!(check(&earlier_root, &other, &path).is_err());
                for at in 0..path.len() {
                    let mut flipped = path.clone();
                    flipped[at][5] ^= 1;
                    assert!(check(&earlier_root, &later_root, &flipped).is_err());
                }
            }
            assert_eq!(consistency_path(&leaves, 0), None);
            assert_eq!(consistency_path(&leaves, index(later) + 1), None);
        }
    }

    #[test]
    fn each_wrong_inclusion_has_its_name() {
        let leaves = leaves(7);
        let (root, path) = (root(&leaves), inclusion_path(&leaves, 6).unwrap());
        let check = |size, index, leaf, path: &[_]| {
            verify_inclusion(&root, size, index, &leaves[leaf], path).unwrap_err()
        };
        assert_eq!(check(7, 7, 6, &path), HistoryProofError::IndexOutOfRange { index: 7, size: 7 });
        assert_eq!(check(0, 0, 6, &path), HistoryProofError::IndexOutOfRange { index: 0, size: 0 });
        let longer = [path.clone(), Vec::from([root])].concat();
        assert_eq!(
            check(7, 6, 6, &longer),
            HistoryProofError::PathLength { expected: 2, found: 3 }
        );
        assert_eq!(
            check(7, 6, 6, &path[1..]),
            HistoryProofError::PathLength { expected: 2, found: 1 }
        );
        assert_eq!(check(7, 6, 5, &path), HistoryProofError::RootMismatch);
        assert!(verify_inclusion(&root, u64::MAX, u64::MAX - 1, &leaves[6], &path).is_err());
    }

    #[test]
    fn each_wrong_consistency_has_its_name() {
        let leaves = leaves(7);
        let roots: Vec<_> = (0..=7).map(|size| root(&leaves[..size])).collect();
        let path = consistency_path(&leaves, 3).unwrap();
        let check = |a: usize, size_a, b: usize, size_b, path: &[_]| {
            verify_consistency(&roots[a], size_a, &roots[b], size_b, path).unwrap_err()
        };
        assert_eq!(check(7, 7, 3, 3, &path), HistoryProofError::Shrunk { earlier: 7, later: 3 });
        assert_eq!(check(0, 0, 7, 7, &[]), HistoryProofError::FromEmpty);
        assert_eq!(check(3, 7, 7, 7, &[]), HistoryProofError::SameSizeOtherRoot);
        assert_eq!(
            check(7, 7, 7, 7, &path),
            HistoryProofError::PathLength { expected: 0, found: 4 }
        );
        assert_eq!(
            check(3, 3, 7, 7, &path[..3]),
            HistoryProofError::PathLength { expected: 4, found: 3 }
        );
        assert_eq!(check(2, 3, 7, 7, &path), HistoryProofError::EarlierRootMismatch);
        assert_eq!(check(3, 3, 6, 7, &path), HistoryProofError::RootMismatch);
        assert_eq!(check(3, 3, 7, 7, &[]), HistoryProofError::PathLength { expected: 4, found: 0 });
    }

    /// The worked example of the specification: its page must show these very bytes.
    #[test]
    fn worked_example_is_the_one_of_the_specification() {
        use crate::history::Frontier;
        let page = include_str!("../../../../specs/history.md");
        let text: alloc::string::String = page.split_whitespace().collect();
        let shown = |name: &str, bytes: &[u8]| {
            let hex = mortise_format::ids::to_hex(bytes);
            assert!(text.contains(&hex[2..]), "the page lacks {name}: {hex}");
        };
        let leaves = ["frame 0", "frame 1", "frame 2"].map(|leaf| leaf_hash(leaf.as_bytes()));
        let mut frontier = Frontier::new();
        shown("the empty root", &frontier.root());
        for leaf in leaves {
            frontier.append(leaf);
            shown("a leaf", &leaf);
            shown("a root", &frontier.root());
        }
        assert_eq!(inclusion_path(&leaves, 2).unwrap(), [node_hash(&leaves[0], &leaves[1])]);
        assert_eq!(consistency_path(&leaves, 2).unwrap(), [leaves[2]]);
        shown("the frontier", &mortise_format::codec::encode(&frontier));
    }
}
