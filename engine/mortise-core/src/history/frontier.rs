//! The right edge of the tree: enough to append and to prove the newest leaf.

use alloc::vec::Vec;
use bincode::{Decode, Encode};
use mortise_format::domains::sha256;

/// The perfect subtrees of a tree, largest first (RFC 6962 2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Frontier {
    size: u64,
    peaks: Vec<[u8; 32]>,
    newest_path: Vec<[u8; 32]>,
}

/// The hash of an inner node.
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    sha256(&[&[1], left, right])
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash (SHA-256 of 0x00 and the leaf).
    pub fn append(&mut self, leaf: [u8; 32]) {
        let mut hash = leaf;
        let mut path = Vec::new();
        // Each trailing one bit of the size is a subtree that this leaf completes.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                path.push(left);
                hash = node_hash(&left, &hash);
            }
        }
        path.extend(self.peaks.iter().rev());
        self.peaks.push(hash);
        self.size += 1;
        self.newest_path = path;
    }

    /// The root; of the empty tree, SHA-256 of nothing.
    pub fn root(&self) -> [u8; 32] {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return sha256(&[]) };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// Inclusion path of the newest leaf, lowest first (RFC 6962 2.1.1).
    pub fn newest_path(&self) -> Vec<[u8; 32]> {
        self.newest_path.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962 2.1, word for word.
    fn naive_root(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => sha256(&[]),
            [one] => *one,
            many => {
                let half = many.len().next_power_of_two() / 2;
                node_hash(&naive_root(&many[..half]), &naive_root(&many[half..]))
            }
        }
    }

    #[test]
    fn roots_and_newest_paths_follow_the_definition() {
        let mut frontier = Frontier::new();
        let mut leaves = Vec::new();
        assert_eq!(frontier.root(), naive_root(&[]));
        for i in 0u8..100 {
            let leaf = sha256(&[&[0, i]]);
            frontier.append(leaf);
            leaves.push(leaf);
            assert_eq!(frontier.root(), naive_root(&leaves));
            // The newest leaf is always a right child or promoted.
            let up = frontier.newest_path();
            let root = up.iter().fold(leaf, |hash, left| node_hash(left, &hash));
            assert_eq!(root, frontier.root());
        }
    }
}
