//! Effects of time on locks, also when the clock stands still or goes back (INV-10).

use super::{assert_status, engine, engine_with, engine_with_lock};
use mortise_core::state::Corruption;
use mortise_format::U256;
use mortise_format::event::Event;
use mortise_format::lock::{LockTerms, Status};
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{
    BUFFER_S, CLAIM_WINDOW_S, RETENTION_S, START_MS, START_S, claim, coin, plain_terms, request,
    terms,
};

const CLAIM_BY_S: u64 = 600 + CLAIM_WINDOW_S;

fn held(engine: &mortise_testkit::lockstep::Lockstep) -> (U256, U256) {
    let balance = engine.state.balance(&Party::Owner.address(), &coin());
    (balance.held, balance.claimed)
}

#[test]
fn unclaimed_lock_expires_at_claim_by_and_its_hold_ends() {
    let (mut engine, lock_id) = engine_with_lock();
    assert!(engine.at_s(CLAIM_BY_S - 1).is_empty());
    assert_eq!(held(&engine), (U256::from(100u64), U256::ZERO));
    assert!(engine.at_s(CLAIM_BY_S).expired.contains(&lock_id));
    assert_status(&engine, &lock_id, Status::Expired);
    assert_eq!(held(&engine), (U256::ZERO, U256::ZERO));
}

#[test]
fn claimed_part_outlives_the_lock_until_settle_by() {
    let (mut engine, lock_id) = engine_with_lock();
    let part = claim(lock_id, 0, 30, request(2));
    engine.ask(&engine.signer.claim(Party::Arbiter, &part));
    engine.at_s(CLAIM_BY_S);
    assert_status(&engine, &lock_id, Status::Expired);
    assert_eq!(held(&engine), (U256::ZERO, U256::from(30u64)));
    assert!(engine.at_s(CLAIM_BY_S + BUFFER_S - 1).is_empty());
    assert!(engine.at_s(CLAIM_BY_S + BUFFER_S).settled.contains(&lock_id));
    assert_eq!(held(&engine), (U256::ZERO, U256::ZERO));
    assert_status(&engine, &lock_id, Status::Expired);
}

#[test]
fn whole_claim_settles_at_settle_by() {
    let (mut engine, lock_id) = engine_with_lock();
    let all = claim(lock_id, 0, 100, request(2));
    engine.ask(&engine.signer.claim(Party::Arbiter, &all));
    assert!(engine.at_s(CLAIM_BY_S).is_empty());
    assert_status(&engine, &lock_id, Status::Fulfilled);
    engine.at_s(CLAIM_BY_S + BUFFER_S);
    assert_status(&engine, &lock_id, Status::Settled);
}

#[test]
fn terminal_lock_leaves_the_state_after_its_retention() {
    let (mut engine, lock_id) = engine_with_lock();
    engine.ask(&engine.signer.release(Party::Beneficiary, lock_id, request(2)));
    assert!(engine.at_s(RETENTION_S - 1).is_empty());
    assert!(engine.at_s(RETENTION_S).pruned.contains(&lock_id));
    assert!(engine.state.lock(&lock_id).is_none());
}

#[test]
fn one_frame_changes_a_due_lock_once() {
    let (mut engine, lock_id) = engine_with_lock();
    let due = engine.at_s(CLAIM_BY_S + RETENTION_S);
    assert!(due.expired.contains(&lock_id) && due.pruned.is_empty());
    assert!(engine.at_s(CLAIM_BY_S + RETENTION_S).is_empty());
    assert!(engine.at_s(CLAIM_BY_S + 2 * RETENTION_S).pruned.contains(&lock_id));
}

#[test]
fn clock_that_stands_still_or_goes_back_changes_no_lock() {
    let (mut engine, lock_id) = engine_with_lock();
    engine.at_s(300);
    for back in [300, 299, 0] {
        assert!(engine.at_s(back).is_empty());
        assert_eq!(engine.now_ms, START_MS + 300_000);
    }
    engine.at_s(CLAIM_BY_S);
    assert!(engine.at_s(0).is_empty());
    assert_status(&engine, &lock_id, Status::Expired);
    let back = Event::TimeAdvanced { time_ms: START_MS };
    assert_eq!(engine.force(&back), Err(Corruption::TimeBack));
}

#[test]
fn expiry_that_is_too_far_for_64_bits_is_outside_the_window() {
    let mut engine = engine();
    for expires in [u64::MAX, u64::MAX - CLAIM_WINDOW_S] {
        let far = LockTerms { expires, ..terms(Party::Owner, 0, 1) };
        let admitted = mortise_core::admit(
            engine.state.rules(),
            engine.signer.engine_id(),
            engine.signer.commit(Party::Owner, &far, request(1)).command,
        );
        let decision = mortise_core::decide(
            &engine.state,
            engine.now_ms,
            &admitted.expect("the shape is good"),
        );
        assert!(matches!(decision, mortise_core::Decision::Refuse { .. }), "{decision:?}");
    }
    let (engine_with_plain, _) = engine_with(&plain_terms(Party::Owner, 0, 1));
    assert_eq!(engine_with_plain.now_ms, START_S * 1000);
    engine.at_s(0);
}
