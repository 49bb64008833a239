//! Root statements: every field is signed, and unsigned data does not reach the result.

use super::{Log, START_MS, signer};
use mortise_format::ids::EngineId;
use mortise_format::secp256k1::SignatureError;
use mortise_verify::statement::{SignedStatement, StatementError, verify};
use mortise_verify::{Engine, SignerError};

/// Changes one thing of a statement.
pub type Change = fn(&mut SignedStatement);

/// One change per field that the signature alone protects.
pub const SIGNED_FIELDS: [(&str, Change); 9] = [
    ("epoch", |s| s.statement.epoch += 1),
    ("time", |s| s.statement.time_ms += 1000),
    ("frameDigest", |s| s.statement.frame_digest.0[9] ^= 1),
    ("eventRoot", |s| s.statement.event_root.0[0] ^= 1),
    ("eventCount", |s| s.statement.event_count += 1),
    ("stateRoot", |s| s.statement.state_root.0[31] ^= 1),
    ("historyRoot", |s| s.statement.history_root.0[5] ^= 0x80),
    ("policyHash", |s| s.statement.policy_hash.0[5] ^= 1),
    ("seq and historySize", |s| {
        s.statement.seq += 1;
        s.statement.history_size += 1;
    }),
];

#[test]
fn every_statement_of_an_engine_verifies() {
    let log = Log::of(1, 12);
    for (seq, frame) in log.frames.iter().enumerate() {
        let verified = verify(&log.engine, &frame.signed).unwrap();
        assert_eq!(verified.fields(), &frame.signed.statement);
        assert_eq!(verified.to_signed(), frame.signed);
        assert_eq!(verified.head().size, u64::try_from(seq).unwrap() + 1);
    }
}

#[test]
fn each_changed_field_of_a_statement_is_refused_by_name() {
    let log = Log::of(1, 5);
    let good = &log.frames[3].signed;
    for (field, change) in SIGNED_FIELDS {
        let mut bad = good.clone();
        change(&mut bad);
        let refused = verify(&log.engine, &bad);
        let signature = matches!(refused, Err(StatementError::Signature(_)));
        assert!(signature, "{field}: {refused:?}");
    }
    let mut bad = good.clone();
    bad.statement.engine_id.0[0] ^= 1;
    assert!(matches!(verify(&log.engine, &bad), Err(StatementError::EngineId { .. })));
    let mut bad = good.clone();
    bad.statement.seq += 1;
    let size = Err(StatementError::HistorySize { seq: 4, history_size: 4 });
    assert_eq!(verify(&log.engine, &bad), size);
    let mut bad = good.clone();
    bad.statement.history_size -= 1;
    let size = Err(StatementError::HistorySize { seq: 3, history_size: 3 });
    assert_eq!(verify(&log.engine, &bad), size);
    let mut bad = good.clone();
    (bad.statement.seq, bad.statement.history_size) = (u64::MAX, 0);
    assert!(matches!(verify(&log.engine, &bad), Err(StatementError::HistorySize { .. })));
}

#[test]
fn every_flipped_byte_of_a_signature_is_refused() {
    let log = Log::of(1, 2);
    for at in 0..65 {
        let mut bad = log.frames[1].signed.clone();
        bad.signature.0[at] ^= 1;
        let refused = verify(&log.engine, &bad);
        assert!(matches!(refused, Err(StatementError::Signature(_))), "byte {at}: {refused:?}");
    }
}

#[test]
fn each_malformed_signature_has_its_error() {
    let log = Log::of(1, 1);
    let check = |change: fn(&mut [u8; 65])| {
        let mut bad = log.frames[0].signed.clone();
        change(&mut bad.signature.0);
        match verify(&log.engine, &bad) {
            Err(StatementError::Signature(SignerError::Malformed(error))) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(check(|s| s[64] = 29), SignatureError::RecoveryId);
    assert_eq!(check(|s| s[32..64].fill(0)), SignatureError::Scalar);
    assert_eq!(check(|s| s[..32].fill(0xff)), SignatureError::Scalar);
    assert_eq!(check(|s| s[32] = 0x80), SignatureError::HighS);
}

#[test]
fn unsigned_data_does_not_reach_the_result() {
    let log = Log::of(1, 1);
    let verified = verify(&log.engine, &log.frames[0].signed).unwrap();
    let mut other = log.frames[0].signed.clone();
    other.statement.time_ms += 999;
    other.signature.0[64] -= 27;
    assert_eq!(verify(&log.engine, &other).unwrap(), verified);
    assert_eq!(verified.fields().time_ms, START_MS);
}

#[test]
fn statement_is_refused_under_another_key_or_engine() {
    let log = Log::of(1, 1);
    let other = signer(2).address();
    let pinned = Engine { address: other, ..log.engine };
    let expected = SignerError::Signer { expected: other, found: log.engine.address };
    let signed = &log.frames[0].signed;
    assert_eq!(verify(&pinned, signed), Err(StatementError::Signature(expected)));
    let pinned = Engine { id: EngineId([9; 32]), ..log.engine };
    assert!(matches!(verify(&pinned, signed), Err(StatementError::EngineId { .. })));
    let refusals: Vec<_> =
        Log::of(2, 3).frames.iter().map(|f| verify(&log.engine, &f.signed)).collect();
    assert!(refusals.iter().all(|r| matches!(r, Err(StatementError::EngineId { .. }))));
}
