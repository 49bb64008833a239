//! Fork evidence: which pairs of statements are evidence, and that honest logs never yield one.

use super::statement::SIGNED_FIELDS;
use super::{Log, START_MS, event};
use mortise_format::frame::LEAF_BYTES;
use mortise_format::merkle::history::HistoryProofError;
use mortise_verify::fork::{
    ForkError, ForkEvidence, ForkLeaves, ForkRule, LeafProof, between, verify,
};
use mortise_verify::receipt::FrameError;
use mortise_verify::statement::{SignedStatement, StatementError};
use proptest::prelude::*;

fn pair(first: &SignedStatement, second: &SignedStatement) -> ForkEvidence {
    let (first, second) = (first.clone(), second.clone());
    ForkEvidence { first, second, leaves: ForkLeaves::None }
}

fn rule(log: &Log, evidence: &ForkEvidence) -> Result<ForkRule, ForkError> {
    file_gives_the_evidence_back(evidence);
    verify(&log.engine, evidence).map(|fork| fork.rule())
}

/// Evidence survives a round trip through its file, except for the milliseconds, which are
/// unsigned.
fn file_gives_the_evidence_back(evidence: &ForkEvidence) {
    let view = mortise_verify::json::fork_view(evidence);
    let Ok(mut back) = mortise_verify::json::fork(&view) else {
        panic!("no time is out of range here")
    };
    assert_eq!(mortise_verify::json::fork_view(&back), view);
    back.first.statement.time_ms = evidence.first.statement.time_ms;
    back.second.statement.time_ms = evidence.second.statement.time_ms;
    assert_eq!(&back, evidence);
}

#[test]
fn two_roots_of_one_size_are_a_fork_across_epochs() {
    let (a, b) = (Log::branch(3, 4, 2), Log::branch(3, 4, 3));
    for seq in 3..7 {
        let evidence = pair(&a.frames[seq].signed, &b.frames[seq].signed);
        let size = u64::try_from(seq).unwrap() + 1;
        assert_eq!(rule(&a, &evidence), Ok(ForkRule::SameSizeOtherRoot { size }));
    }
}

#[test]
fn two_descriptions_of_one_frame_are_a_fork() {
    let log = Log::of(1, 4);
    for (field, change) in SIGNED_FIELDS {
        if field == "historyRoot" || field == "seq and historySize" {
            continue;
        }
        let mut other = log.frames[3].signed.clone();
        change(&mut other);
        let other = log.sign(other.statement);
        let found = rule(&log, &pair(&log.frames[3].signed, &other));
        assert_eq!(found, Ok(ForkRule::SameFrameOtherContent { seq: 3 }), "{field}");
    }
}

#[test]
fn log_that_shrank_while_time_advanced_is_a_fork_in_both_orders() {
    let kept = Log::branch(3, 6, 2);
    let mut rewound = Log::of(1, 3);
    rewound.push(START_MS + 60_000, &[event(9)]);
    let (newer, older) = (&rewound.frames[3].signed, &kept.frames[8].signed);
    let shrank = ForkRule::LaterTimeSmallerSize { seconds: 52, frames: 5 };
    assert_eq!(rule(&kept, &pair(newer, older)), Ok(shrank));
    assert_eq!(rule(&kept, &pair(older, newer)), Ok(shrank));
}

#[test]
fn two_leaves_at_one_index_are_a_fork() {
    let (a, b) = (Log::branch(3, 4, 2), Log::branch(3, 6, 3));
    let mut evidence = pair(&a.frames[6].signed, &b.frames[8].signed);
    assert_eq!(rule(&a, &evidence), Err(ForkError::NoContradiction));
    for (at, index) in (3..7).zip(3u64..) {
        let (first, second) = (a.leaf_proof(at, 7), b.leaf_proof(at, 9));
        evidence.leaves = ForkLeaves::Both { index, first, second };
        assert_eq!(rule(&a, &evidence), Ok(ForkRule::OtherLeaf { index }));
    }
    for (at, index) in (0..3).zip(0u64..) {
        let (first, second) = (a.leaf_proof(at, 7), b.leaf_proof(at, 9));
        evidence.leaves = ForkLeaves::Both { index, first, second };
        assert_eq!(rule(&a, &evidence), Err(ForkError::SameLeaf { index }));
    }
}

#[test]
fn statement_and_another_frame_at_its_seq_are_a_fork() {
    let (kept, shown) = (Log::branch(3, 2, 2), Log::branch(3, 6, 3));
    let mut evidence = pair(&kept.frames[4].signed, &shown.frames[8].signed);
    evidence.leaves = ForkLeaves::AtFirst(shown.leaf_proof(4, 9));
    assert_eq!(rule(&kept, &evidence), Ok(ForkRule::OtherFrame { seq: 4 }));
    evidence.first = kept.frames[1].signed.clone();
    evidence.leaves = ForkLeaves::AtFirst(shown.leaf_proof(1, 9));
    assert_eq!(rule(&kept, &evidence), Err(ForkError::SameLeaf { index: 1 }));
}

#[test]
fn each_changed_part_of_leaf_evidence_is_refused_by_name() {
    let (a, b) = (Log::branch(3, 4, 2), Log::branch(3, 6, 3));
    let check = |index: u64, change: fn(&mut LeafProof, &mut LeafProof)| {
        let (mut first, mut second) = (a.leaf_proof(5, 7), b.leaf_proof(5, 9));
        change(&mut first, &mut second);
        let mut evidence = pair(&a.frames[6].signed, &b.frames[8].signed);
        evidence.leaves = ForkLeaves::Both { index, first, second };
        rule(&a, &evidence).unwrap_err()
    };
    let root = HistoryProofError::RootMismatch;
    assert_eq!(check(5, |a, _| a.leaf[200] ^= 1), ForkError::FirstPath(root));
    assert_eq!(check(5, |_, b| b.leaf[200] ^= 1), ForkError::SecondPath(root));
    let size = FrameError::LeafSize { found: LEAF_BYTES - 1 };
    assert_eq!(check(5, |a, _| a.leaf.truncate(a.leaf.len() - 1)), ForkError::FirstLeaf(size));
    assert_eq!(check(5, |_, b| b.leaf.truncate(b.leaf.len() - 1)), ForkError::SecondLeaf(size));
    assert_eq!(check(5, |a, _| a.path[0][0] ^= 1), ForkError::FirstPath(root));
    assert_eq!(check(5, |_, b| b.path[0][0] ^= 1), ForkError::SecondPath(root));
    let short = |error| matches!(error, HistoryProofError::PathLength { .. });
    assert!(matches!(check(5, |a, _| a.path.truncate(2)), ForkError::FirstPath(e) if short(e)));
    let long = check(5, |_, b| b.path.push([0; 32]));
    assert!(matches!(long, ForkError::SecondPath(e) if short(e)));
    assert_eq!(check(4, |_, _| ()), ForkError::FirstPath(root));
    assert_eq!(
        check(5, core::mem::swap),
        ForkError::FirstPath(HistoryProofError::PathLength { expected: 3, found: 4 },)
    );
    let out = HistoryProofError::IndexOutOfRange { index: 7, size: 7 };
    assert_eq!(check(7, |_, _| ()), ForkError::FirstPath(out));
}

#[test]
fn statements_that_the_engine_did_not_sign_are_no_evidence() {
    let (a, b) = (Log::branch(3, 4, 2), Log::branch(3, 4, 3));
    let good = pair(&a.frames[5].signed, &b.frames[5].signed);
    assert!(rule(&a, &good).is_ok());
    for (field, change) in SIGNED_FIELDS {
        let (mut first, mut second) = (good.clone(), good.clone());
        change(&mut first.first);
        let refused = rule(&a, &first);
        let signature = matches!(refused, Err(ForkError::First(StatementError::Signature(_))));
        assert!(signature, "{field}: {refused:?}");
        change(&mut second.second);
        let refused = rule(&a, &second);
        let signature = matches!(refused, Err(ForkError::Second(StatementError::Signature(_))));
        assert!(signature, "{field}: {refused:?}");
    }
    let foreign = pair(&a.frames[5].signed, &Log::of(9, 6).frames[5].signed);
    let refused = rule(&a, &foreign);
    assert!(matches!(refused, Err(ForkError::Second(StatementError::EngineId { .. }))));
    assert_eq!(between(&a.verified(5), &Log::of(9, 6).verified(5)), None);
}

#[test]
fn two_encodings_of_one_statement_are_no_evidence() {
    let log = Log::of(1, 4);
    let mut other = log.frames[2].signed.clone();
    other.statement.time_ms += 500;
    other.signature.0[64] -= 27;
    let refused = rule(&log, &pair(&log.frames[2].signed, &other));
    assert_eq!(refused, Err(ForkError::SameStatement));
}

/// A frame that was not acked was not released, so its loss is no fork.
#[test]
fn host_that_withholds_acks_gains_no_evidence() {
    let (mut log, mut released, mut withheld) = (Log::new(1), Vec::new(), Vec::new());
    for round in 0..6u8 {
        let before = log.frames.len();
        for frame in 0..4u8 {
            let time_ms = START_MS + u64::from(round) * 10_000 + u64::from(frame) * 1000;
            log.push(time_ms, &[event(round), event(frame)]);
        }
        let acked = before + 2;
        released.extend((before..acked).map(|seq| log.verified(seq)));
        withheld.push(log.newest());
        // The host drops the frames that it did not ack and starts the engine again.
        log.frames.truncate(acked);
        log.leaves.truncate(acked);
        log.epoch += 1;
    }
    for a in &released {
        assert!(released.iter().all(|b| between(a, b).is_none()));
    }
    // A signature that left before its ack would have been evidence against an honest engine.
    for early in &withheld[..5] {
        assert!(released.iter().any(|b| between(early, b).is_some()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// An honest log: time stands still or advances, epochs begin, no frame is removed.
    #[test]
    fn an_honest_log_gives_no_evidence(
        steps in prop::collection::vec((0u64..1500, any::<bool>()), 2..14),
    ) {
        let (mut log, mut time_ms) = (Log::new(1), START_MS);
        for (millis, boot) in &steps {
            time_ms += millis;
            log.epoch += u64::from(*boot);
            log.push(time_ms, &[event(1)]);
        }
        let count = log.frames.len();
        for a in 0..count {
            for b in 0..count {
                prop_assert_eq!(between(&log.verified(a), &log.verified(b)), None);
                let mut evidence = pair(&log.frames[a].signed, &log.frames[b].signed);
                prop_assert!(verify(&log.engine, &evidence).is_err());
                let at = a.min(b);
                let index = u64::try_from(at).unwrap();
                let (first, second) = (log.leaf_proof(at, a + 1), log.leaf_proof(at, b + 1));
                evidence.leaves = ForkLeaves::Both { index, first, second };
                prop_assert!(verify(&log.engine, &evidence).is_err());
                if a < b {
                    evidence.leaves = ForkLeaves::AtFirst(log.leaf_proof(a, b + 1));
                    let refused = verify(&log.engine, &evidence);
                    let index = log.verified(a).seq();
                    prop_assert_eq!(refused, Err(ForkError::SameLeaf { index }));
                }
            }
        }
    }
}
