//! Proofs from the list of all leaf hashes, in time linear in the list.

use super::frontier::Frontier;
use alloc::vec::Vec;

/// The root over `leaves`, which are leaf hashes.
pub fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.append(*leaf));
    frontier.root()
}

/// The inclusion path of leaf `index` in the tree of all `leaves`, lowest first (RFC 6962 2.1.1);
/// `None` when there is no such leaf.
pub fn inclusion_path(leaves: &[[u8; 32]], index: usize) -> Option<Vec<[u8; 32]>> {
    leaves.get(index)?;
    let (mut range, mut at, mut path) = (leaves, index, Vec::new());
    while range.len() > 1 {
        let (left, right) = range.split_at(split(range.len()));
        if at < left.len() {
            path.push(root(right));
            range = left;
        } else {
            path.push(root(left));
            at -= left.len();
            range = right;
        }
    }
    path.reverse();
    Some(path)
}

/// The path that shows the tree of the first `size` leaves to be a prefix of the tree of all
/// `leaves` (RFC 6962 2.1.2); empty for the whole tree, `None` for no leaf or more than there are.
pub fn consistency_path(leaves: &[[u8; 32]], size: usize) -> Option<Vec<[u8; 32]>> {
    if size == 0 || size > leaves.len() {
        return None;
    }
    let (mut range, mut old, mut path) = (leaves, size, Vec::new());
    // As long as the way keeps left, the old tree is a whole subtree whose root is known.
    let mut old_is_known = true;
    while old < range.len() {
        let (left, right) = range.split_at(split(range.len()));
        if old <= left.len() {
            path.push(root(right));
            range = left;
        } else {
            path.push(root(left));
            old -= left.len();
            old_is_known = false;
            range = right;
        }
    }
    if !old_is_known {
        path.push(root(range));
    }
    path.reverse();
    Some(path)
}

/// The largest power of two below `len`, which is 2 or more.
fn split(len: usize) -> usize {
    len.next_power_of_two() / 2
}
