//! Inclusion and consistency under the heads of statements.

use super::Log;
use mortise_core::history::{consistency_path, leaf_hash};
use mortise_format::ids::Root;
use mortise_verify::history::{HistoryProofError, TreeHead, verify_consistency, verify_inclusion};
use proptest::prelude::*;

#[test]
fn every_statement_continues_every_earlier_one() {
    let log = Log::of(1, 20);
    for later in 1..=20 {
        for earlier in 1..=later {
            let path = consistency_path(&log.leaves[..later], earlier).unwrap();
            let (a, b) = (log.verified(earlier - 1).head(), log.verified(later - 1).head());
            let verified = verify_consistency(&a, &b, &path).unwrap();
            assert_eq!((verified.earlier(), verified.later()), (&a, &b));
        }
    }
}

#[test]
fn rewritten_log_is_refused_as_no_continuation() {
    let (log, other) = (Log::of(1, 9), Log::of(2, 9));
    let path = consistency_path(&other.leaves, 6).unwrap();
    let (a, b) = (log.verified(5).head(), other.newest().head());
    let error = HistoryProofError::EarlierRootMismatch;
    assert_eq!(verify_consistency(&a, &b, &path), Err(error));
    let path = consistency_path(&log.leaves, 6).unwrap();
    let refused = verify_consistency(&a, &b, &path);
    assert_eq!(refused, Err(HistoryProofError::RootMismatch));
    let shrunk = HistoryProofError::Shrunk { earlier: 9, later: 6 };
    assert_eq!(verify_consistency(&log.newest().head(), &a, &[]), Err(shrunk));
    let (a, b) = (log.verified(5).head(), other.verified(5).head());
    assert_eq!(verify_consistency(&a, &b, &[]), Err(HistoryProofError::SameSizeOtherRoot));
    let empty = TreeHead { size: 0, root: Root([0; 32]) };
    assert_eq!(verify_consistency(&empty, &b, &[]), Err(HistoryProofError::FromEmpty));
}

#[test]
fn inner_node_is_not_accepted_as_a_leaf() {
    let log = Log::of(1, 2);
    let node = [&[1], &log.leaves[0][..], &log.leaves[1]].concat();
    let head = TreeHead { size: 1, root: log.newest().head().root };
    let refused = verify_inclusion(&head, 0, &node[1..], &[]);
    assert_eq!(refused, Err(HistoryProofError::RootMismatch));
    assert_ne!(leaf_hash(&node[1..]), head.root.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_change_of_a_consistency_proof_is_refused(
        earlier in 1usize..40, more in 1usize..40,
        at in any::<prop::sample::Index>(), bit in 0usize..256,
    ) {
        let later = earlier + more;
        let log = Log::of(1, u8::try_from(later).unwrap());
        let path = consistency_path(&log.leaves, earlier).unwrap();
        let (a, b) = (log.verified(earlier - 1).head(), log.newest().head());
        prop_assert!(verify_consistency(&a, &b, &path).is_ok());
        let mut flipped = path.clone();
        let at = at.index(path.len());
        flipped[at][bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_consistency(&a, &b, &flipped).is_err());
        let mut cut = path.clone();
        cut.remove(at);
        let named = HistoryProofError::PathLength { expected: path.len(), found: path.len() - 1 };
        prop_assert_eq!(verify_consistency(&a, &b, &cut), Err(named));
    }
}
