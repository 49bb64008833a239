//! The history of frames: an RFC 6962 tree with SHA-256 (`specs/history.md`).
//!
//! What it is for: the two hashes, and verification of inclusion and consistency: pure functions,
//! exact lengths. What it does not do: make proofs, keep leaves, decide which root to trust.
//!
//! A path has two parts. Up to the height at which the leaf and the last leaf of the tree diverge,
//! each level has a sibling on either side ("inner"). Above it, only subtrees to the left of the
//! right edge have one ("border").

use crate::domains::sha256;
use crate::ids::Root;

/// Size and root of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Leaves: frames of the log.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Root,
}

/// The hash of a leaf: SHA-256 of 0x00 and its bytes.
pub fn leaf_hash(leaf: &[u8]) -> [u8; 32] {
    sha256(&[&[0], leaf])
}

/// The hash of a node: SHA-256 of 0x01 and both children.
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    sha256(&[&[1], left, right])
}

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
    /// The earlier tree is empty. Every tree extends it, so there is nothing to prove.
    #[error("the earlier tree is empty")]
    FromEmpty,
    /// Two trees of one size have different roots: they are forks.
    #[error("two trees of one size have different roots")]
    SameSizeOtherRoot,
    /// The path is longer or shorter than index and sizes require.
    #[error("the path has {found} hashes, not {expected}")]
    PathLength {
        /// Hashes required.
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

/// Climbs past the siblings to the left only: the others were appended later.
fn left_side(seed: [u8; 32], inner: &[[u8; 32]], index: u64) -> [u8; 32] {
    let left = (0u32..).zip(inner).filter(|(height, _)| index >> height & 1 == 1);
    left.fold(seed, |hash, (_, sibling)| node_hash(sibling, &hash))
}

fn right_border(seed: [u8; 32], border: &[[u8; 32]]) -> [u8; 32] {
    border.iter().fold(seed, |hash, sibling| node_hash(sibling, &hash))
}
