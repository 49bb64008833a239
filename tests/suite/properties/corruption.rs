//! `apply` treats events that `decide` would have refused as corruption. It is the second check of
//! an invariant, live and at replay.

use mortise_core::state::Corruption;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::command::CancelForm;
use mortise_format::event::{Authority, Content, Event, GrantedLock, RequestKey};
use mortise_format::ids::{Bytes32, LockId, Signature};
use mortise_format::lock::{Custody, LockTerms, Status};
use mortise_testkit::keys::Party;
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{
    self, ACCOUNT_MAX, CLAIM_WINDOW_S, CONCURRENT_MAX, SINGLE_MAX, START_MS, START_S, claim,
    escrowed, fact, request, terms,
};

const OTHER: LockId = LockId([0x77; 32]);

/// An engine with a balance in escrow and a lock of 100, and the lock's id.
fn engine() -> (Lockstep, LockId) {
    let mut engine = Lockstep::new(&scenario::policy());
    let signer = engine.signer;
    let seen = fact(Party::Owner, 500, 5, START_S);
    engine.ask(&signer.fact(&[Party::ObserverA, Party::ObserverB], &seen));
    let terms = terms(Party::Owner, 0, 100);
    let answer = engine.ask(&signer.commit(Party::Owner, &terms, request(1)));
    assert!(matches!(answer, Answer::Granted(_)));
    (engine, signer.lock_id(&terms))
}

fn request_key(id: u64) -> RequestKey {
    let request = request(id);
    let content = Content { digest: Bytes32([1; 32]), tags: [0; 8] };
    let (id, valid_until) = (request.id, request.valid_until);
    RequestKey { principal: Party::Owner.address(), id, valid_until, content }
}

fn grant(terms: LockTerms) -> GrantedLock {
    GrantedLock {
        lock_id: OTHER,
        claim_by: terms.expires + CLAIM_WINDOW_S,
        settle_by: terms.expires + CLAIM_WINDOW_S + scenario::BUFFER_S,
        authority: Authority::Intent(request(9)),
        signature: Signature::ZERO,
        custody: Custody::Open,
        terms: terms.into(),
    }
}

fn granted(locks: Vec<GrantedLock>) -> Event {
    let request_keys = (0..).zip(&locks).map(|(n, _)| request_key(50 + n)).collect();
    Event::LocksGranted { locks, batch: Bytes32::ZERO, request_keys }
}

fn claimed(lock_id: LockId, amounts: &[u64], status: Status) -> Event {
    let mut claim = claim(lock_id, 0, 1, request(9));
    claim.amounts = amounts.iter().copied().map(U256::from).collect();
    Event::LockClaimed { claim, signature: Signature::ZERO, request_key: request_key(60), status }
}

fn released(lock_id: LockId, id: u64) -> Event {
    Event::LockReleased {
        lock_id,
        signature: Signature::ZERO,
        request_key: request_key(id),
        freed: Vec::new(),
    }
}

#[track_caller]
fn assert_corrupt(engine: &Lockstep, event: &Event, corruption: Corruption) {
    assert_eq!(engine.force(event), Err(corruption), "{event:?}");
}

#[test]
fn forged_grant_that_fits_is_applied() {
    let (engine, _) = engine();
    assert_eq!(engine.force(&granted(vec![grant(terms(Party::Owner, 1, 10))])), Ok(()));
}

#[test]
fn grant_of_a_known_lock_or_a_used_nonce_is_corruption() {
    let (engine, lock_id) = engine();
    let known = GrantedLock { lock_id, ..grant(terms(Party::Owner, 1, 10)) };
    assert_corrupt(&engine, &granted(vec![known]), Corruption::KnownLock);
    let used = grant(terms(Party::Owner, 0, 10));
    assert_corrupt(&engine, &granted(vec![used]), Corruption::NonceUsed);
    let far = grant(terms(Party::OtherOwner, u64::MAX, 10));
    assert_corrupt(&engine, &granted(vec![far]), Corruption::NonceUsed);
    let consent = engine.signer.consent(Party::Owner, &OTHER, CancelForm::Text);
    let draft = Box::new(terms(Party::Owner, 0, 10));
    let cancelled =
        Event::DraftCancelled { lock_id: OTHER, terms: draft, consent, request_key: None };
    assert_corrupt(&engine, &cancelled, Corruption::NonceUsed);
}

#[test]
fn grant_above_the_final_balance_is_corruption() {
    let (engine, _) = engine();
    let in_escrow = |owner, amount| {
        let mut terms = terms(owner, 1, amount);
        terms.legs[0].asset = escrowed();
        granted(vec![GrantedLock { custody: Custody::Escrow, ..grant(terms) }])
    };
    assert_eq!(engine.force(&in_escrow(Party::Owner, 500)), Ok(()));
    assert_corrupt(&engine, &in_escrow(Party::Owner, 501), Corruption::Insolvent);
    assert_corrupt(&engine, &in_escrow(Party::OtherOwner, 1), Corruption::Insolvent);
}

#[test]
fn grant_above_a_limit_or_of_another_custody_is_corruption() {
    let (engine, _) = engine();
    let one = |terms| granted(vec![grant(terms)]);
    let single = one(terms(Party::Owner, 1, SINGLE_MAX + 1));
    assert_corrupt(&engine, &single, Corruption::Policy);
    let mut escrow = terms(Party::Owner, 1, 10);
    escrow.legs[0].asset = escrowed();
    assert_corrupt(&engine, &one(escrow), Corruption::Policy);
    let mut unserved = terms(Party::Owner, 1, 10);
    unserved.legs[0].asset = Asset::native(scenario::UNSERVED_CHAIN);
    assert_corrupt(&engine, &one(unserved), Corruption::Policy);
    let wrong = GrantedLock { custody: Custody::Escrow, ..grant(terms(Party::Owner, 1, 10)) };
    assert_corrupt(&engine, &granted(vec![wrong]), Corruption::Policy);
    let many = |owner, count: u64, amount| {
        let lock = |n: u64| {
            let mut id = OTHER;
            id.0[..8].copy_from_slice(&n.to_be_bytes());
            GrantedLock { lock_id: id, ..grant(terms(owner, n + 1, amount)) }
        };
        (0..count).map(lock).collect::<Vec<_>>()
    };
    let concurrent = granted(many(Party::Owner, u64::from(CONCURRENT_MAX), 1));
    assert_corrupt(&engine, &concurrent, Corruption::Policy);
    let account = granted(many(Party::Owner, ACCOUNT_MAX / SINGLE_MAX, SINGLE_MAX));
    assert_corrupt(&engine, &account, Corruption::Policy);
    let mut both = many(Party::OtherOwner, 3, SINGLE_MAX);
    let mut mine = many(Party::Owner, 2, SINGLE_MAX - 50);
    mine.iter_mut().for_each(|lock| lock.lock_id.0[31] ^= 1);
    both.extend(mine);
    assert_corrupt(&engine, &granted(both), Corruption::Policy);
}

#[test]
fn claim_above_what_remains_or_with_a_wrong_status_is_corruption() {
    let (engine, lock_id) = engine();
    assert_eq!(engine.force(&claimed(lock_id, &[100], Status::Fulfilled)), Ok(()));
    let corrupt = |event, corruption| assert_corrupt(&engine, &event, corruption);
    corrupt(claimed(lock_id, &[101], Status::Fulfilled), Corruption::Amount);
    corrupt(claimed(lock_id, &[100], Status::Partial), Corruption::Status);
    corrupt(claimed(lock_id, &[1], Status::Fulfilled), Corruption::Status);
    corrupt(claimed(lock_id, &[1, 1], Status::Partial), Corruption::Status);
    corrupt(claimed(OTHER, &[1], Status::Partial), Corruption::UnknownLock);
}

#[test]
fn event_that_contradicts_the_status_of_its_lock_is_corruption() {
    let (mut engine, lock_id) = engine();
    let settled = Event::LocksSettled { lock_ids: vec![lock_id] };
    let pruned = Event::LocksPruned { lock_ids: vec![lock_id] };
    let expired = Event::LocksExpired { lock_ids: vec![lock_id] };
    assert_corrupt(&engine, &settled, Corruption::Status);
    assert_corrupt(&engine, &pruned, Corruption::Status);
    assert_eq!(engine.force(&expired), Ok(()));
    let extended = |expires| Event::LockExtended {
        lock_id,
        terms: Box::new(LockTerms { expires, ..terms(Party::Owner, 0, 100) }),
        claim_by: expires + 60,
        settle_by: expires + 360,
        custody: Custody::Open,
        signature: Signature::ZERO,
        request_key: request_key(61),
        status: Status::Active,
    };
    assert_corrupt(&engine, &extended(START_S + 600), Corruption::Status);
    assert_eq!(engine.force(&extended(START_S + 601)), Ok(()));
    engine.ask(&engine.signer.release(Party::Beneficiary, lock_id, request(2)));
    for event in [
        claimed(lock_id, &[1], Status::Partial),
        released(lock_id, 62),
        extended(START_S + 900),
        expired,
        settled,
    ] {
        assert_corrupt(&engine, &event, Corruption::Status);
    }
    assert_corrupt(&engine, &released(OTHER, 62), Corruption::UnknownLock);
}

#[test]
fn request_answered_twice_is_corruption() {
    let (mut engine, lock_id) = engine();
    engine.now_ms = START_MS;
    assert_corrupt(&engine, &released(lock_id, 1), Corruption::RequestKnown);
    assert_eq!(engine.force(&released(lock_id, 2)), Ok(()));
    let twice = Event::LocksGranted {
        locks: vec![grant(terms(Party::Owner, 1, 10))],
        batch: Bytes32::ZERO,
        request_keys: [request_key(70), request_key(70)].into(),
    };
    assert_corrupt(&engine, &twice, Corruption::RequestKnown);
}

#[test]
fn time_that_goes_back_or_a_fact_that_is_not_newer_is_corruption() {
    let (engine, _) = engine();
    let back = Event::TimeAdvanced { time_ms: START_MS - 1 };
    assert_corrupt(&engine, &back, Corruption::TimeBack);
    for number in [4, 5] {
        let fact = fact(Party::Owner, 600, number, START_S);
        let old = Event::FactRecorded { fact, signatures: Vec::new() };
        assert_corrupt(&engine, &old, Corruption::FactOrder);
    }
}
