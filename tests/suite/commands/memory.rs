//! Idempotency: one request has one answer (INV-07).

use super::{assert_granted, assert_refused, assert_remembered, engine, engine_with_lock};
use mortise_format::U256;
use mortise_format::command::CancelForm;
use mortise_format::eip712::Claim;
use mortise_format::ids::{Address, Bytes32, LockId};
use mortise_format::lock::{LockTerms, Status};
use mortise_format::reject::{Field, Limit, Reject};
use mortise_testkit::keys::Party;
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{
    self, COMMANDS_PER_MINUTE_MAX, REQUESTS_MAX, START_S, claim, plain_terms, request,
    request_until, terms, token,
};

#[test]
fn same_request_gets_the_same_answer_and_is_executed_once() {
    let (mut engine, lock_id) = engine_with_lock();
    let signer = engine.signer;
    let commands = [
        signer.commit(Party::Owner, &terms(Party::Owner, 1, 5), request(2)),
        signer.claim(Party::Arbiter, &claim(lock_id, 0, 10, request(3))),
        signer.extend(Party::Owner, lock_id, START_S + 900, request(4)),
        signer.release(Party::Beneficiary, lock_id, request(5)),
    ];
    for asked in &commands {
        assert!(engine.ask(asked).is_logged());
        let at = engine.last().0;
        for _ in 0..3 {
            assert_eq!(engine.ask(asked), Answer::Repeated(at));
        }
    }
    // As long as the request is valid.
    engine.at_s(3600);
    for asked in &commands {
        assert!(matches!(engine.ask(asked), Answer::Repeated(_)));
    }
}

#[test]
fn repeated_cancellation_with_a_request_id_gets_the_same_answer() {
    let (mut engine, lock_id) = engine_with_lock();
    let by = [
        (Party::Owner, CancelForm::Consent(request(2))),
        (Party::Beneficiary, CancelForm::Consent(request(2))),
    ];
    let asked = engine.signer.cancel(lock_id, &by);
    assert!(engine.ask(&asked).is_logged());
    let at = engine.last().0;
    assert_eq!(engine.ask(&asked), Answer::Repeated(at));
    let draft = plain_terms(Party::Owner, 1, 5);
    let form = CancelForm::Consent(request(3));
    let asked = engine.signer.cancel_draft(Party::Owner, &draft, form);
    assert!(engine.ask(&asked).is_logged());
    let at = engine.last().0;
    assert_eq!(engine.ask(&asked), Answer::Repeated(at));
}

#[test]
fn repeated_approval_with_the_same_signature_gets_the_same_answer() {
    let mut engine = engine();
    let asked = engine.signer.approve(Party::Owner, &plain_terms(Party::Owner, 0, 10));
    assert_granted(&mut engine, &asked);
    let at = engine.last().0;
    assert_eq!(engine.ask(&asked), Answer::Repeated(at));
}

#[test]
fn other_content_under_a_used_id_is_refused_naming_the_first_differing_field() {
    let (mut engine, _) = engine_with_lock();
    let signer = engine.signer;
    let base = terms(Party::Owner, 0, 100);
    let mut condition = base.clone();
    condition.condition.target_amount = U256::ONE;
    let mut assets = base.clone();
    assets.legs[0].asset = token();
    for (other, field) in [
        (LockTerms { beneficiary: Address::ZERO, ..base.clone() }, Field::Beneficiary),
        (LockTerms { arbiter: Address::ZERO, ..base.clone() }, Field::Arbiter),
        (LockTerms { nonce: scenario::nonce(1), ..base.clone() }, Field::Nonce),
        (LockTerms { expires: START_S + 601, ..base.clone() }, Field::Expires),
        (condition, Field::Condition),
        (assets, Field::Assets),
        (
            LockTerms { nonce: scenario::nonce(1), expires: START_S + 601, ..base.clone() },
            Field::Nonce,
        ),
    ] {
        let asked = signer.commit(Party::Owner, &other, request(1));
        assert_refused(&mut engine, &asked, Reject::RequestIdReused(field));
    }
    let lock_id = signer.lock_id(&base);
    let extend = signer.extend(Party::Owner, lock_id, START_S + 900, request(1));
    assert_refused(&mut engine, &extend, Reject::RequestIdReused(Field::Method));
    let batch = signer.commit_all(&[
        (Party::Owner, base.clone(), request(1)),
        (Party::Owner, terms(Party::Owner, 1, 1), request(2)),
    ]);
    assert_refused(&mut engine, &batch, Reject::RequestIdReused(Field::Batch));
}

#[test]
fn other_claim_under_a_used_id_is_refused_naming_the_field() {
    let (mut engine, lock_id) = engine_with_lock();
    let signer = engine.signer;
    let first = claim(lock_id, 0, 10, request(2));
    assert!(engine.ask(&signer.claim(Party::Arbiter, &first)).is_logged());
    let stranger = Party::Stranger.address();
    for (other, field) in [
        (Claim { claim_index: 1, ..first.clone() }, Field::ClaimIndex),
        (Claim { claimant: stranger, ..first.clone() }, Field::Claimant),
        (Claim { amounts: vec![U256::ONE], ..first.clone() }, Field::Amounts),
        (Claim { evidence: Bytes32::ZERO, ..first.clone() }, Field::Evidence),
    ] {
        let asked = signer.claim(Party::Arbiter, &other);
        assert_refused(&mut engine, &asked, Reject::RequestIdReused(field));
    }
}

#[test]
fn request_id_belongs_to_its_principal() {
    let (mut engine, _) = engine_with_lock();
    let theirs = terms(Party::OtherOwner, 0, 5);
    let asked = engine.signer.commit(Party::OtherOwner, &theirs, request(1));
    assert_granted(&mut engine, &asked);
}

#[test]
fn request_id_is_free_after_expiry_and_the_old_request_is_refused() {
    let mut engine = engine();
    let signer = engine.signer;
    let first = terms(Party::Owner, 0, 5);
    let asked = signer.commit(Party::Owner, &first, request_until(1, START_S + 30));
    assert_granted(&mut engine, &asked);
    engine.at_s(30);
    assert!(matches!(engine.ask(&asked), Answer::Repeated(_)));
    engine.at_s(31);
    assert_refused(&mut engine, &asked, Reject::LockExpired);
    let other = signer.commit(Party::Owner, &terms(Party::Owner, 1, 5), request(1));
    assert_granted(&mut engine, &other);
}

/// Goal: a final reject is returned again whatever the state is later.
#[test]
fn final_reject_is_returned_again_after_the_state_changed() {
    let (mut engine, lock_id) = engine_with_lock();
    let signer = engine.signer;
    let asked = signer.claim(Party::Arbiter, &claim(lock_id, 0, 101, request(2)));
    let reject = Reject::ClaimExceeds { leg: 0, remaining: U256::from(100u64) };
    assert_remembered(&mut engine, &asked, reject);
    let at = engine.last().0;
    engine.ask(&signer.release(Party::Beneficiary, lock_id, request(1)));
    assert_eq!(engine.ask(&asked), Answer::Repeated(at));
    let new = signer.claim(Party::Arbiter, &claim(lock_id, 0, 101, request(3)));
    assert_remembered(&mut engine, &new, Reject::AlreadyTerminal(Status::Released));
}

#[test]
fn rejects_of_unknown_callers_are_not_logged() {
    let mut engine = engine();
    let too_much = terms(Party::Owner, 0, scenario::SINGLE_MAX + 1);
    let asked = engine.signer.commit(Party::Owner, &too_much, request(1));
    let limit = Reject::Limit(Limit::Single, U256::from(scenario::SINGLE_MAX));
    assert_refused(&mut engine, &asked, limit);
}

#[test]
fn rejects_of_a_party_of_a_lock_are_logged() {
    let (mut engine, lock_id) = engine_with_lock();
    assert!(engine.state.principal(&Party::Arbiter.address()).is_none());
    let too_much = claim(lock_id, 0, 101, request(1));
    let asked = engine.signer.claim(Party::Arbiter, &too_much);
    let reject = Reject::ClaimExceeds { leg: 0, remaining: U256::from(100u64) };
    assert_remembered(&mut engine, &asked, reject);
}

/// So many extensions of the owner's lock, each by one second, with consecutive request ids.
fn extend_many(engine: &mut Lockstep, lock_id: LockId, from: u64, count: u32) {
    for n in from..from + u64::from(count) {
        let asked =
            engine.signer.extend(Party::Owner, lock_id, START_S + 600 + n, request(1000 + n));
        assert!(engine.ask(&asked).is_logged());
    }
}

#[test]
fn commands_over_the_rate_are_refused_until_the_next_minute() {
    let (mut engine, lock_id) = engine_with_lock();
    // The lock used one command.
    extend_many(&mut engine, lock_id, 1, COMMANDS_PER_MINUTE_MAX - 1);
    let limit = Reject::Limit(Limit::Rate, U256::from(u64::from(COMMANDS_PER_MINUTE_MAX)));
    let good = engine.signer.commit(Party::Owner, &terms(Party::Owner, 1, 1), request(2));
    assert_refused(&mut engine, &good, limit);
    engine.at_s(59);
    assert_refused(&mut engine, &good, limit);
    engine.at_s(60);
    assert_granted(&mut engine, &good);
}

#[test]
fn remembered_requests_of_a_principal_are_bounded() {
    let (mut engine, lock_id) = engine_with_lock();
    extend_many(&mut engine, lock_id, 1, COMMANDS_PER_MINUTE_MAX - 1);
    engine.at_s(60);
    extend_many(&mut engine, lock_id, 100, REQUESTS_MAX - COMMANDS_PER_MINUTE_MAX);
    let limit = Reject::Limit(Limit::Requests, U256::from(u64::from(REQUESTS_MAX)));
    let good = engine.signer.commit(Party::Owner, &terms(Party::Owner, 1, 1), request(2));
    assert_refused(&mut engine, &good, limit);
    // An approval has no request id and is not remembered.
    let plain = engine.signer.approve(Party::Owner, &plain_terms(Party::Owner, 2, 1));
    assert_granted(&mut engine, &plain);
    // Expired requests are forgotten.
    engine.at_s(3601);
    let late = LockTerms { expires: START_S + 4000, ..terms(Party::Owner, 1, 1) };
    let good = engine.signer.commit(Party::Owner, &late, request_until(2, START_S + 4000));
    assert_granted(&mut engine, &good);
}
