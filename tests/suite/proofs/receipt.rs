//! Receipts, and inclusion of frames in the history.

use super::statement::SIGNED_FIELDS;
use super::{Log, START_MS, event};
use mortise_core::event_tree;
use mortise_format::codec::{self, CodecError};
use mortise_format::event::{Event, LogPosition};
use mortise_format::frame::{FrameLeaf, LEAF_BYTES};
use mortise_format::ids::{FrameDigest, Root};
use mortise_format::limits::FRAME_BYTES_MAX;
use mortise_format::merkle::events::EventProofError;
use mortise_format::merkle::history::HistoryProofError;
use mortise_format::merkle::history::TreeHead;
use mortise_verify::receipt::{
    FrameError, Receipt, ReceiptError, SharedField, VerifiedReceipt, verify, verify_frame,
};
use mortise_verify::statement::StatementError;
use proptest::prelude::*;

#[test]
fn every_event_of_a_log_has_a_receipt_that_verifies() {
    let log = Log::of(1, 12);
    for (seq, frame) in log.frames.iter().enumerate() {
        for (index, event) in (0u32..).zip(&frame.events) {
            let verified = verify(&log.engine, &log.receipt(seq, index)).unwrap();
            assert_eq!(verified.event(), event);
            let seq = u64::try_from(seq).unwrap();
            assert_eq!(verified.position(), LogPosition { seq, index });
            assert_eq!(verified.statement().seq(), seq);
        }
    }
}

fn check(log: &Log, change: impl Fn(&mut Receipt)) -> Result<VerifiedReceipt, ReceiptError> {
    let mut receipt = log.receipt(4, 2);
    change(&mut receipt);
    verify(&log.engine, &receipt)
}

#[test]
fn each_changed_field_of_a_receipt_is_refused_by_name() {
    let log = Log::of(1, 5);
    let root = Err(ReceiptError::Event(EventProofError::Root));
    let length =
        |expected, found| Err(ReceiptError::Event(EventProofError::PathLength { expected, found }));
    assert!(check(&log, |_| {}).is_ok());
    assert_eq!(check(&log, |r| r.index = 1), root);
    assert_eq!(check(&log, |r| r.index = 4), length(1, 3));
    let beyond = Err(ReceiptError::Event(EventProofError::Index { index: 5, count: 5 }));
    assert_eq!(check(&log, |r| r.index = 5), beyond);
    assert_eq!(check(&log, |r| r.event[6] ^= 1), root);
    assert_eq!(check(&log, |r| r.event.truncate(r.event.len() - 1)), root);
    assert_eq!(check(&log, |r| r.event.push(0)), root);
    assert_eq!(check(&log, |r| r.event.clear()), root);
    assert_eq!(check(&log, |r| r.salt[31] ^= 1), root);
    assert_eq!(check(&log, |r| r.path[0][0] ^= 1), root);
    assert_eq!(check(&log, |r| r.path.swap(0, 1)), root);
    assert_eq!(check(&log, |r| r.path.truncate(r.path.len() - 1)), length(3, 2));
    assert_eq!(check(&log, |r| r.path.push([0; 32])), length(3, 4));
    assert_eq!(check(&log, |r| r.path.clear()), length(3, 0));
    let large = Err(ReceiptError::EventTooLarge { found: FRAME_BYTES_MAX + 1 });
    assert_eq!(check(&log, |r| r.event.resize(FRAME_BYTES_MAX + 1, 0)), large);
}

#[test]
fn each_changed_field_of_a_receipts_statement_is_refused_by_name() {
    let log = Log::of(1, 5);
    for (field, change) in SIGNED_FIELDS {
        let refused = check(&log, |receipt| change(&mut receipt.signed));
        let signature =
            matches!(refused, Err(ReceiptError::Statement(StatementError::Signature(_))));
        assert!(signature, "{field}: {refused:?}");
    }
}

#[test]
fn receipt_is_refused_under_another_frame_epoch_or_key() {
    let mut log = Log::of(1, 5);
    let of_another = |log: &Log, seq: usize| {
        check(log, |receipt| receipt.signed = log.frames[seq].signed.clone())
    };
    let counted = ReceiptError::Event(EventProofError::Index { index: 2, count: 2 });
    assert_eq!(of_another(&log, 1), Err(counted));
    log.epoch = 2;
    let events: Vec<_> = (0..5).map(event).collect();
    log.push(START_MS + 5000, &events);
    assert_eq!(of_another(&log, 5), Err(ReceiptError::Event(EventProofError::Root)));
    let other = Log::of(2, 5);
    let refused = verify(&log.engine, &other.receipt(4, 2));
    assert!(matches!(refused, Err(ReceiptError::Statement(StatementError::EngineId { .. }))));
}

#[test]
fn proven_bytes_that_are_no_event_are_refused() {
    let log = Log::of(1, 1);
    for bytes in [&b"no event"[..], &[], &[codec::encode(&event(1)), [0].into()].concat()] {
        let salt = [7; 32];
        let mut statement = log.frames[0].signed.statement.clone();
        statement.event_root = Root(event_tree::leaf_hash(&salt, bytes));
        let signed = log.sign(statement);
        let receipt = Receipt { signed, index: 0, event: bytes.to_vec(), salt, path: Vec::new() };
        let refused = verify(&log.engine, &receipt);
        assert!(matches!(refused, Err(ReceiptError::Encoding(_))), "{refused:?}");
    }
}

#[test]
fn frames_are_included_in_their_own_history_and_in_later_ones() {
    let log = Log::of(1, 9);
    for seq in 0..9 {
        let statement = log.verified(seq);
        for size in seq + 1..=9 {
            let head = log.verified(size - 1).head();
            let (leaf, path) = (&log.frames[seq].leaf, log.path(seq, size));
            let frame = verify_frame(&statement, leaf, &path, &head).unwrap();
            assert_eq!(frame.header().seq, statement.seq());
            assert_eq!(frame.inclusion().head(), &head);
        }
    }
}

#[test]
fn each_changed_part_of_an_inclusion_is_refused_by_name() {
    let log = Log::of(1, 7);
    let (statement, head) = (log.verified(4), log.newest().head());
    let (leaf, path) = (&log.frames[4].leaf, log.path(4, 7));
    let with = |leaf: &[u8], path: &[[u8; 32]], head: &TreeHead| {
        verify_frame(&statement, leaf, path, head).map(|_| ())
    };
    assert_eq!(with(leaf, &path, &head), Ok(()));
    for at in 0..LEAF_BYTES {
        let mut flipped = leaf.clone();
        flipped[at] ^= 1;
        let found = u16::from_le_bytes([flipped[0], flipped[1]]);
        let refused = if at < 2 { FrameError::Version { found } } else { FrameError::FrameDigest };
        assert_eq!(with(&flipped, &path, &head), Err(refused), "byte {at}");
    }
    let size = |found| Err(FrameError::LeafSize { found });
    assert_eq!(with(&leaf[..LEAF_BYTES - 1], &path, &head), size(LEAF_BYTES - 1));
    assert_eq!(with(&[leaf.clone(), [0].into()].concat(), &path, &head), size(LEAF_BYTES + 1));
    assert_eq!(with(&log.frames[3].leaf, &path, &head), Err(FrameError::FrameDigest));
    let history = |error| Err(FrameError::History(error));
    let length = |found| history(HistoryProofError::PathLength { expected: path.len(), found });
    assert_eq!(with(leaf, &path[1..], &head), length(path.len() - 1));
    assert_eq!(with(leaf, &[&path[..], &[[0; 32]]].concat(), &head), length(path.len() + 1));
    for at in 0..path.len() {
        let mut flipped = path.clone();
        flipped[at][3] ^= 1;
        assert_eq!(with(leaf, &flipped, &head), history(HistoryProofError::RootMismatch));
    }
    let other = TreeHead { root: Root([1; 32]), ..head };
    assert_eq!(with(leaf, &path, &other), history(HistoryProofError::RootMismatch));
    let older = log.verified(3).head();
    let out = HistoryProofError::IndexOutOfRange { index: 4, size: 4 };
    assert_eq!(with(leaf, &path, &older), history(out));
}

#[test]
fn leaf_that_contradicts_its_statement_is_refused_by_field() {
    let log = Log::of(1, 1);
    let frame = &log.frames[0];
    let leaf: FrameLeaf = codec::decode(&frame.leaf).unwrap();
    let check = |change: fn(&mut FrameLeaf)| {
        let mut leaf = leaf.clone();
        change(&mut leaf);
        let mut statement = frame.signed.statement.clone();
        statement.frame_digest = leaf.digest();
        let verified =
            mortise_verify::statement::verify(&log.engine, &log.sign(statement)).unwrap();
        let head = TreeHead { size: 1, root: Root(leaf.history_leaf()) };
        verify_frame(&verified, &codec::encode(&leaf), &[], &head).map(|_| ())
    };
    let named = |field| Err(FrameError::Contradiction(field));
    assert_eq!(check(|leaf| leaf.header.previous = FrameDigest::ZERO), Ok(()));
    assert_eq!(check(|leaf| leaf.header.engine_id.0[0] ^= 1), named(SharedField::EngineId));
    assert_eq!(check(|leaf| leaf.header.epoch += 1), named(SharedField::Epoch));
    assert_eq!(check(|leaf| leaf.header.seq += 1), named(SharedField::Seq));
    assert_eq!(check(|leaf| leaf.header.time_ms += 1000), named(SharedField::Time));
    assert_eq!(check(|leaf| leaf.header.event_root.0[0] ^= 1), named(SharedField::EventRoot));
    assert_eq!(check(|leaf| leaf.header.event_count += 1), named(SharedField::EventCount));
    assert_eq!(check(|leaf| leaf.header.state_root.0[0] ^= 1), named(SharedField::StateRoot));
    assert_eq!(check(|leaf| leaf.header.policy_hash.0[0] ^= 1), named(SharedField::PolicyHash));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_event_of_any_frame_verifies_at_its_place_only(
        count in 1u8..60, at in any::<prop::sample::Index>(), elsewhere in any::<u32>(),
    ) {
        let mut log = Log::new(1);
        let events: Vec<Event> = (0..count).map(event).collect();
        log.push(START_MS, &events);
        let index = u32::try_from(at.index(events.len())).unwrap();
        let mut receipt = log.receipt(0, index);
        prop_assert!(verify(&log.engine, &receipt).is_ok());
        receipt.index = elsewhere % (u32::from(count) + 2);
        let verified = verify(&log.engine, &receipt);
        prop_assert_eq!(verified.is_ok(), receipt.index == index);
    }
}

#[test]
fn an_event_with_two_encodings_would_be_refused() {
    // The codec has one encoding for each value: a changed byte is another event or invalid.
    let bytes = codec::encode(&event(5));
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        match codec::decode::<Event>(&flipped) {
            Ok(decoded) => assert_eq!(codec::encode(&decoded), flipped, "byte {at}"),
            Err(error) => {
                assert!(matches!(error, CodecError::Malformed | CodecError::Trailing { .. }));
            }
        }
    }
}
