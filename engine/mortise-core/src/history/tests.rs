//! Proofs of this module against the verification that outsiders run.

use super::*;
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
    assert_eq!(check(7, 6, 6, &longer), HistoryProofError::PathLength { expected: 2, found: 3 });
    assert_eq!(check(7, 6, 6, &path[1..]), HistoryProofError::PathLength { expected: 2, found: 1 });
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
    assert_eq!(check(7, 7, 7, 7, &path), HistoryProofError::PathLength { expected: 0, found: 4 });
    assert_eq!(
        check(3, 3, 7, 7, &path[..3]),
        HistoryProofError::PathLength { expected: 4, found: 3 }
    );
    assert_eq!(check(2, 3, 7, 7, &path), HistoryProofError::EarlierRootMismatch);
    assert_eq!(check(3, 3, 6, 7, &path), HistoryProofError::RootMismatch);
    assert_eq!(check(3, 3, 7, 7, &[]), HistoryProofError::PathLength { expected: 4, found: 0 });
}

/// The worked example of the specification: its page must show exactly these bytes.
#[test]
fn worked_example_is_the_one_of_the_specification() {
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
