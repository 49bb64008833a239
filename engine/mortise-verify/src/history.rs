//! Inclusion and consistency in the history, an RFC 6962 tree over SHA-256 (`specs/history.md`).
//!
//! What it is for: one leaf in one tree, and one tree as a prefix of another. What it does not do:
//! authenticate a tree head. A head comes from a [`crate::statement::VerifiedStatement`], from a
//! [`crate::checkpoint::VerifiedCheckpoint`], or from elsewhere, and is as trustworthy as that.

use mortise_format::merkle::history as tree;

pub use mortise_format::merkle::history::{HistoryProofError, TreeHead};

/// A leaf that is in a history.
///
/// What it proves: the tree with this head has exactly these bytes as leaf `index`. What it does
/// not prove: whose head it is, or what the bytes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedInclusion {
    head: TreeHead,
    index: u64,
    leaf_hash: [u8; 32],
}

impl VerifiedInclusion {
    /// The head of the tree.
    pub fn head(&self) -> &TreeHead {
        &self.head
    }

    /// Index of the leaf.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// SHA-256 of 0x00 and the leaf.
    pub fn leaf_hash(&self) -> &[u8; 32] {
        &self.leaf_hash
    }
}

/// Two histories, the earlier a prefix of the later.
///
/// What it proves: the later tree starts with the leaves of the earlier one, in the same order:
/// nothing was removed and nothing inserted. What it does not prove: whose heads they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedConsistency {
    earlier: TreeHead,
    later: TreeHead,
}

impl VerifiedConsistency {
    /// The prefix.
    pub fn earlier(&self) -> &TreeHead {
        &self.earlier
    }

    /// The tree that extends it.
    pub fn later(&self) -> &TreeHead {
        &self.later
    }
}

/// Checks that `leaf` is leaf `index` under `head`; the leaf is hashed here.
///
/// ```
/// use mortise_format::ids::Root;
/// use mortise_format::merkle::history::leaf_hash;
/// use mortise_verify::history::{TreeHead, verify_inclusion};
/// let head = TreeHead { size: 1, root: Root(leaf_hash(b"the only frame")) };
/// assert!(verify_inclusion(&head, 0, b"the only frame", &[]).is_ok());
/// assert!(verify_inclusion(&head, 0, b"another frame", &[]).is_err());
/// ```
///
/// # Errors
/// `IndexOutOfRange`, `PathLength`, `RootMismatch`, in this order.
pub fn verify_inclusion(
    head: &TreeHead,
    index: u64,
    leaf: &[u8],
    path: &[[u8; 32]],
) -> Result<VerifiedInclusion, HistoryProofError> {
    let leaf_hash = tree::leaf_hash(leaf);
    tree::verify_inclusion(&head.root.0, head.size, index, &leaf_hash, path)?;
    Ok(VerifiedInclusion { head: *head, index, leaf_hash })
}

/// Checks that the history of `earlier` is a prefix of that of `later`.
///
/// # Errors
/// `Shrunk`, `FromEmpty`, `PathLength`, `SameSizeOtherRoot`, `EarlierRootMismatch`,
/// `RootMismatch`, in this order. A proof that fails is not evidence of a fork: anyone can write a
/// bad proof. Two signed heads of one size with different roots are evidence ([`crate::fork`]).
pub fn verify_consistency(
    earlier: &TreeHead,
    later: &TreeHead,
    path: &[[u8; 32]],
) -> Result<VerifiedConsistency, HistoryProofError> {
    tree::verify_consistency(&earlier.root.0, earlier.size, &later.root.0, later.size, path)?;
    Ok(VerifiedConsistency { earlier: *earlier, later: *later })
}
