//! Grants of reading rights: k of n operators sign, each right once, without an end.

use super::right;
use mortise_core::state::State;
use mortise_format::U256;
use mortise_format::event::Event;
use mortise_format::ids::{Bytes32, EngineId};
use mortise_format::limits::READING_GRANTS_MAX;
use mortise_format::reading::ReadingGrant;
use mortise_format::reject::{Field, Limit, Reject};
use mortise_format::secret::Secret;
use mortise_testkit::keys::{Asked, Party, SignedBy, TestSigner, high_s};
use mortise_testkit::lockstep::{ENGINE_ID, Lockstep};
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{OPERATORS, START_S, not_enough_operators, policy, with_operators};

const READER: Bytes32 = Bytes32([0x7e; 32]);

fn engine() -> Lockstep {
    Lockstep::new(&with_operators(policy()))
}

fn one(id: u8) -> ReadingGrant {
    right(READER, (1, 0), id, START_S + 600)
}

#[test]
fn grant_needs_signatures_of_enough_operators() {
    let [a, b, c] = OPERATORS;
    for (by, reject) in not_enough_operators() {
        let mut engine = engine();
        let asked = engine.signer.grant_reading(&by, &one(1));
        assert_eq!(engine.ask(&asked), Answer::Refused(reject), "{by:?}");
        assert!(engine.state.readings().is_empty());
    }
    for by in [&[a, b][..], &[c, a], &[a, b, c]] {
        let mut engine = engine();
        let asked = engine.signer.grant_reading(by, &one(1));
        assert_eq!(engine.ask(&asked), Answer::ReadingGranted, "{by:?}");
        let (at, Event::ReadingGranted { grant, signatures }) = engine.last() else {
            panic!("{:?}", engine.last())
        };
        assert_eq!((*grant, signatures.len()), (one(1), by.len()));
        assert_eq!(engine.state.readings()[0].at, at);
    }
}

#[test]
fn policy_without_operators_allows_no_grant() {
    let mut policy = policy();
    (policy.operators, policy.operators_min) = (Vec::new(), 0);
    let mut engine = Lockstep::new(&policy);
    let asked = engine.signer.grant_reading(&[Party::Operator], &one(1));
    assert_eq!(engine.ask(&asked), Answer::Refused(Reject::Unauthorized));
}

#[test]
fn signature_for_another_engine_or_right_or_with_high_s_does_not_count() {
    let by = &OPERATORS[..2];
    let mut engine = engine();
    let Asked { command, .. } = TestSigner::new(EngineId([9; 32])).grant_reading(by, &one(1));
    let signers = vec![SignedBy::NoOne; 2];
    let foreign = engine.ask(&Asked { command, signers });
    assert_eq!(foreign, Answer::Refused(Reject::Unauthorized));
    let changes: [fn(&mut ReadingGrant); 5] = [
        |g| g.reader.0[0] ^= 1,
        |g| g.from_epoch += 1,
        |g| g.to_epoch += 9,
        |g| g.request.id.0[0] ^= 1,
        |g| g.request.valid_until += 1,
    ];
    for change in changes {
        let mut asked = engine.signer.grant_reading(by, &one(1));
        let mortise_format::command::Command::GrantReading { grant, .. } = &mut asked.command
        else {
            panic!("the signer grants")
        };
        change(grant);
        asked.signers = vec![SignedBy::NoOne; 2];
        assert_eq!(engine.ask(&asked), Answer::Refused(Reject::Unauthorized), "{asked:?}");
    }
    let mut asked = engine.signer.grant_reading(by, &one(1));
    let signature = asked.command.signatures_mut().remove(1);
    *signature = high_s(signature);
    asked.signers[1] = SignedBy::Malformed;
    assert_eq!(engine.ask(&asked), Answer::Refused(Reject::InvalidSignature));
}

#[test]
fn malformed_or_expired_grant_is_refused_by_name() {
    let day_s = 24 * 3600;
    let refused = [
        (right(Bytes32::ZERO, (1, 0), 1, START_S), Reject::Validation(Field::Reader)),
        (right(READER, (0, 0), 1, START_S), Reject::Validation(Field::FromEpoch)),
        (right(READER, (3, 2), 1, START_S), Reject::Validation(Field::ToEpoch)),
        (right(READER, (1, 0), 1, START_S - 1), Reject::LockExpired),
        (right(READER, (1, 0), 1, START_S + day_s + 1), Reject::Validation(Field::ValidUntil)),
    ];
    for (grant, reject) in refused {
        let mut engine = engine();
        let asked = engine.signer.grant_reading(&OPERATORS[..2], &grant);
        assert_eq!(engine.ask(&asked), Answer::Refused(reject), "{grant:?}");
    }
    for grant in [right(READER, (3, 3), 1, START_S), right(READER, (9, 0), 1, START_S + day_s)] {
        let mut engine = engine();
        let asked = engine.signer.grant_reading(&OPERATORS[..2], &grant);
        assert_eq!(engine.ask(&asked), Answer::ReadingGranted, "{grant:?}");
    }
}

#[test]
fn repeated_grant_gets_the_same_answer_for_any_caller_and_its_id_stays_used() {
    let mut engine = engine();
    let signer = engine.signer;
    let [a, b, c] = OPERATORS;
    engine.ask(&signer.grant_reading(&[a, b], &one(1)));
    let at = engine.last().0;
    let long_after = |engine: &mut Lockstep| engine.at_s(40 * 24 * 3600);
    for by in [&[a, b][..], &[c, a], &[c], &[Party::Owner]] {
        assert_eq!(engine.ask(&signer.grant_reading(by, &one(1))), Answer::Repeated(at), "{by:?}");
    }
    let others = [
        (ReadingGrant { reader: Bytes32([1; 32]), ..one(1) }, Field::Reader),
        (ReadingGrant { from_epoch: 2, ..one(1) }, Field::FromEpoch),
        (ReadingGrant { to_epoch: 2, ..one(1) }, Field::ToEpoch),
        (right(READER, (1, 0), 1, START_S + 601), Field::ValidUntil),
    ];
    for late in [false, true] {
        if late {
            long_after(&mut engine);
        }
        for (other, field) in &others {
            let answer = engine.ask(&signer.grant_reading(&[a, b], other));
            assert_eq!(answer, Answer::Refused(Reject::RequestIdReused(*field)));
        }
        assert_eq!(engine.ask(&signer.grant_reading(&[a, b], &one(1))), Answer::Repeated(at));
    }
    assert_eq!(engine.state.readings().len(), 1);
}

#[test]
fn rights_are_bounded_and_an_event_over_the_bound_is_corruption() {
    let mut engine = engine().without_comparing();
    for number in 0..READING_GRANTS_MAX {
        let mut grant = one(1);
        grant.request.id.0[..8].copy_from_slice(&number.to_le_bytes());
        let asked = engine.signer.grant_reading(&OPERATORS[..2], &grant);
        assert_eq!(engine.ask(&asked), Answer::ReadingGranted);
    }
    let max = U256::from(u64::try_from(READING_GRANTS_MAX).unwrap());
    let asked = engine.signer.grant_reading(&OPERATORS[..2], &one(0xff));
    let limit = Reject::Limit(Limit::ReadingGrants, max);
    assert_eq!(engine.ask(&asked), Answer::Refused(limit));
    engine.agree();
    let event = |grant| Event::ReadingGranted { grant, signatures: Vec::new() };
    let force = |grant| engine.force(&event(grant));
    assert_eq!(force(one(0xff)), Err(mortise_core::state::Corruption::Policy));
    let known = engine.state.readings()[0].grant;
    assert_eq!(force(known), Err(mortise_core::state::Corruption::RequestKnown));
}

#[test]
fn snapshot_keeps_the_rights_and_no_root_depends_on_them() {
    let mut engine = engine();
    engine.state.take_leaves();
    for id in [1, 2] {
        engine.ask(&engine.signer.grant_reading(&OPERATORS[..2], &one(id)));
    }
    assert!(engine.state.take_leaves().is_empty(), "rights are not in the state tree");
    let image = engine.state.image();
    let state = State::of_image(ENGINE_ID, Secret::new([0x5a; 32]), 7, &image);
    let state = state.expect("the image is consistent");
    assert_eq!(state.readings(), engine.state.readings());
    assert_eq!(state.snapshot(), engine.state.snapshot());
    assert_eq!(state.readings_of(READER).count(), 2);
    assert_eq!(state.readings_of(Bytes32([1; 32])).count(), 0);
}
