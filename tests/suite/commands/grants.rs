//! Grants: times, chains, nonces, limits and available balance, for one lock or a batch.

use super::{assert_granted, assert_refused, assert_remembered, engine, engine_with_lock, limit};
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::command::CancelForm;
use mortise_format::limits::NONCE_WINDOW;
use mortise_format::lock::LockTerms;
use mortise_format::nonce::nonce_of;
use mortise_format::reject::{Field, Limit, NonceFault, Reject};
use mortise_testkit::keys::Party;
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{
    self, ACCOUNT_MAX, ASSET_MAX, BUFFER_S, CLAIM_WINDOW_S, CONCURRENT_MAX, LOCK_S_MAX, LOCK_S_MIN,
    SINGLE_MAX, START_HOUR, START_S, UNSERVED_CHAIN, escrowed, leg, nonce_refused, nonce_used,
    plain_terms, request, request_until, terms, token,
};

#[test]
fn lock_is_held_until_claim_by_and_its_claims_until_settle_by() {
    let (engine, lock_id) = engine_with_lock();
    let lock = engine.state.lock(&lock_id).expect("it was granted");
    assert_eq!(lock.claim_by, lock.expires + CLAIM_WINDOW_S);
    assert_eq!(lock.settle_by, lock.claim_by + BUFFER_S);
}

#[test]
fn expiry_outside_the_window_is_refused_with_the_window() {
    let (mut engine, _) = engine_with_lock();
    let (min, max) = (START_S + LOCK_S_MIN, START_S + LOCK_S_MAX);
    for (n, expires, reject) in [
        (2, min - 1, Reject::ExpiryTooEarly { min, max }),
        (3, max + 1, Reject::ExpiryWindow { min, max }),
    ] {
        let terms = LockTerms { expires, ..terms(Party::Owner, n, 10) };
        let asked = engine.signer.commit(Party::Owner, &terms, request(n));
        assert_remembered(&mut engine, &asked, reject);
    }
    for (n, expires) in [(2, min), (3, max)] {
        let terms = LockTerms { expires, ..terms(Party::Owner, n, 10) };
        let asked = engine.signer.commit(Party::Owner, &terms, request(n + 10));
        assert_granted(&mut engine, &asked);
    }
}

#[test]
fn expiry_that_has_passed_is_refused_as_expired() {
    let (mut engine, _) = engine_with_lock();
    let terms = LockTerms { expires: START_S, ..terms(Party::Owner, 1, 10) };
    let asked = engine.signer.commit(Party::Owner, &terms, request(2));
    assert_remembered(&mut engine, &asked, Reject::LockExpired);
}

#[test]
fn request_that_expired_or_is_valid_for_more_than_a_day_is_refused() {
    let mut engine = engine();
    let good = terms(Party::Owner, 0, 10);
    let signer = engine.signer;
    let over = signer.commit(Party::Owner, &good, request_until(1, START_S - 1));
    assert_refused(&mut engine, &over, Reject::LockExpired);
    let day = START_S + 24 * 3600;
    let long = signer.commit(Party::Owner, &good, request_until(2, day + 1));
    assert_refused(&mut engine, &long, Reject::Validation(Field::ValidUntil));
    assert_granted(&mut engine, &signer.commit(Party::Owner, &good, request_until(3, day)));
}

#[test]
fn chain_that_is_not_served_is_refused_as_source_and_as_target() {
    let (mut engine, _) = engine_with_lock();
    let mut source = terms(Party::Owner, 1, 10);
    source.legs[0].asset = Asset::native(UNSERVED_CHAIN);
    let mut target = terms(Party::Owner, 1, 10);
    target.condition.target_chain_id = UNSERVED_CHAIN;
    target.condition.target_asset = Asset::native(UNSERVED_CHAIN);
    for (n, terms) in [(2, source), (3, target)] {
        let asked = engine.signer.commit(Party::Owner, &terms, request(n));
        assert_remembered(&mut engine, &asked, Reject::UnsupportedChain(UNSERVED_CHAIN));
    }
}

#[test]
fn custody_classes_are_not_mixed_in_one_lock() {
    let (mut engine, _) = engine_with_lock();
    let mut mixed = terms(Party::Owner, 1, 10);
    mixed.legs.push(leg(escrowed(), 10));
    let asked = engine.signer.commit(Party::Owner, &mixed, request(2));
    assert_refused(&mut engine, &asked, Reject::Validation(Field::Assets));
}

#[test]
fn nonce_is_never_accepted_twice() {
    let (mut engine, lock_id) = engine_with_lock();
    let again = engine.signer.commit(Party::Owner, &terms(Party::Owner, 0, 10), request(2));
    assert_remembered(&mut engine, &again, nonce_used(1));
    // Long after the lock has left the state.
    engine.at_s(600 + CLAIM_WINDOW_S);
    engine.at_s(600 + CLAIM_WINDOW_S + scenario::RETENTION_S);
    assert!(engine.state.lock(&lock_id).is_none());
    let terms = LockTerms { expires: START_S + 2000, ..terms(Party::Owner, 0, 10) };
    let again = engine.signer.commit(Party::Owner, &terms, request(3));
    assert_remembered(&mut engine, &again, nonce_used(1));
}

#[test]
fn nonces_of_one_window_are_used_in_any_order_and_older_ones_never() {
    let mut engine = engine();
    let signer = engine.signer;
    let commit =
        |nonce| signer.commit(Party::Owner, &terms(Party::Owner, nonce, 1), request(nonce));
    for nonce in [NONCE_WINDOW, 3, 1, NONCE_WINDOW + 2] {
        assert_granted(&mut engine, &commit(nonce));
    }
    assert_remembered(&mut engine, &commit(2), nonce_used(4));
    assert_granted(&mut engine, &commit(4));
}

#[test]
fn amount_above_the_single_limit_of_its_asset_is_refused() {
    let (mut engine, _) = engine_with_lock();
    let asked =
        engine.signer.commit(Party::Owner, &terms(Party::Owner, 1, SINGLE_MAX + 1), request(2));
    assert_remembered(&mut engine, &asked, limit(Limit::Single, SINGLE_MAX));
    // The same amount of another asset, which has its own limits.
    let mut other = terms(Party::Owner, 1, SINGLE_MAX + 1);
    other.legs[0].asset = token();
    let asked = engine.signer.commit(Party::Owner, &other, request(3));
    assert_granted(&mut engine, &asked);
}

/// Goal: INV-01, 02, 04.
#[test]
fn what_is_held_cannot_be_held_again() {
    let mut engine = engine();
    let signer = engine.signer;
    let commit =
        |n, amount| signer.commit(Party::Owner, &terms(Party::Owner, n, amount), request(n));
    for n in 0..3 {
        assert_granted(&mut engine, &commit(n, SINGLE_MAX - 1));
    }
    let [total, held, available, requested] = [ACCOUNT_MAX, ACCOUNT_MAX - 3, 3, 4].map(U256::from);
    let reject = Reject::InsufficientAvailable { total, held, available, requested };
    assert_remembered(&mut engine, &commit(3, 4), reject);
    assert_granted(&mut engine, &commit(4, 3));
}

#[test]
fn holds_of_all_owners_together_stay_within_the_limit_of_the_asset() {
    let mut engine = engine();
    let signer = engine.signer;
    for n in 0..3 {
        let terms = terms(Party::Owner, n, SINGLE_MAX);
        assert_granted(&mut engine, &signer.commit(Party::Owner, &terms, request(n)));
    }
    let commit = |n, amount| {
        signer.commit(Party::OtherOwner, &terms(Party::OtherOwner, n, amount), request(n))
    };
    assert_granted(&mut engine, &commit(0, SINGLE_MAX - 1));
    assert_remembered(&mut engine, &commit(1, 2), limit(Limit::Asset, ASSET_MAX));
    assert_granted(&mut engine, &commit(2, 1));
}

#[test]
fn open_locks_of_an_owner_are_bounded() {
    let mut engine = engine();
    let signer = engine.signer;
    let commit = |n| signer.commit(Party::Owner, &terms(Party::Owner, n, 1), request(n));
    for n in 0..u64::from(CONCURRENT_MAX) {
        assert_granted(&mut engine, &commit(n));
    }
    let reject = limit(Limit::Concurrent, u64::from(CONCURRENT_MAX));
    assert_remembered(&mut engine, &commit(90), reject);
    let first = signer.lock_id(&terms(Party::Owner, 0, 1));
    engine.ask(&signer.release(Party::Beneficiary, first, request(1)));
    assert_granted(&mut engine, &commit(91));
}

#[test]
fn batch_is_granted_whole_in_one_event_or_not_at_all() {
    let mut engine = engine();
    let signer = engine.signer;
    let good = (Party::Owner, terms(Party::Owner, 0, 10), request(1));
    let wrong = (Party::OtherOwner, terms(Party::OtherOwner, 0, SINGLE_MAX + 1), request(2));
    let asked = signer.commit_all(&[good.clone(), wrong]);
    assert_refused(&mut engine, &asked, limit(Limit::Single, SINGLE_MAX));
    let right = (Party::OtherOwner, terms(Party::OtherOwner, 0, SINGLE_MAX), request(2));
    let before = engine.log.len();
    assert_granted(&mut engine, &signer.commit_all(&[good, right]));
    assert_eq!((engine.log.len(), engine.state.lock_count()), (before + 1, 2));
}

#[test]
fn locks_of_one_batch_count_against_each_other() {
    let mut policy = scenario::policy();
    policy.concurrent_max = 3;
    let signer = Lockstep::new(&policy).signer;
    let part = |n, amount| (Party::Owner, terms(Party::Owner, n, amount), request(n));
    let mine = |amounts: &[u64]| {
        let parts: Vec<_> = (0..).zip(amounts).map(|(n, amount)| part(n, *amount)).collect();
        signer.commit_all(&parts)
    };
    let refuse = |asked, reject| {
        assert_refused(&mut Lockstep::new(&policy), &asked, reject);
    };
    refuse(mine(&[1, 1, 1, 1]), limit(Limit::Concurrent, 3));
    let mut same_nonce = part(0, 2);
    same_nonce.2 = request(1);
    refuse(signer.commit_all(&[part(0, 1), same_nonce]), nonce_used(1));
    let mut same_id = part(1, 1);
    same_id.2 = request(0);
    refuse(signer.commit_all(&[part(0, 1), same_id]), Reject::RequestIdReused(Field::Batch));
    policy.concurrent_max = 9;
    let [total, held, available, requested] = [3000u64, 3000, 0, 1].map(U256::from);
    let reject = Reject::InsufficientAvailable { total, held, available, requested };
    let asked = mine(&[1000, 1000, 1000, 1]);
    assert_refused(&mut Lockstep::new(&policy), &asked, reject);
    let theirs = (Party::OtherOwner, terms(Party::OtherOwner, 0, 1000), request(0));
    let more = (Party::OtherOwner, terms(Party::OtherOwner, 1, 1), request(1));
    let parts = [part(0, 1000), part(1, 1000), part(2, 1000), theirs, more];
    let asked = signer.commit_all(&parts);
    assert_refused(&mut Lockstep::new(&policy), &asked, limit(Limit::Asset, ASSET_MAX));
}

/// Goal: a signature over one batch is not valid for another.
#[test]
fn intent_of_a_batch_is_valid_in_that_batch_only() {
    use mortise_format::command::Command;
    use mortise_testkit::keys::{Asked, SignedBy};
    let mut engine = engine();
    let part = |n| (Party::Owner, terms(Party::Owner, n, 1), request(n));
    let batch = engine.signer.commit_all(&[part(0), part(1)]);
    let Command::Commit { intents } = batch.command else { return };
    for intents in [vec![intents[0].clone()], vec![intents[1].clone(), intents[0].clone()]] {
        let signers = vec![SignedBy::NoOne; intents.len()];
        let asked = Asked { command: Command::Commit { intents }, signers };
        assert_refused(&mut engine, &asked, Reject::InvalidSignature);
    }
}

#[test]
fn approved_lock_may_be_shorter_than_the_shortest_because_its_draft_took_time() {
    let mut engine = engine();
    let signer = engine.signer;
    let terms = LockTerms { expires: START_S + 1, ..plain_terms(Party::Owner, 0, 10) };
    assert_granted(&mut engine, &signer.approve(Party::Owner, &terms));
    let over = LockTerms { expires: START_S, ..plain_terms(Party::Owner, 1, 10) };
    assert_refused(&mut engine, &signer.approve(Party::Owner, &over), Reject::LockExpired);
}

/// Goal: INV-06. The nonce rule for known owners also holds for an unknown owner. `apply` treats
/// such an event as corruption, so any caller could stop the engine.
#[test]
fn first_nonce_of_an_owner_is_of_the_last_25_hours() {
    let hour = |back: u32| nonce_of(START_HOUR - back, 0);
    let mut engine = engine();
    for (nonce, fault) in [
        (nonce_of(START_HOUR + 1, 0), NonceFault::FromFuture),
        (u64::MAX, NonceFault::FromFuture),
        (hour(26), NonceFault::TooOld),
        (hour(26) + u64::from(u32::MAX), NonceFault::TooOld),
        (1, NonceFault::TooOld),
    ] {
        let far = LockTerms { nonce, ..terms(Party::Owner, 0, 10) };
        let refused = Answer::Refused(nonce_refused(START_S, fault, 0));
        let answer = engine.ask(&engine.signer.commit(Party::Owner, &far, request(nonce)));
        assert_eq!(answer, refused);
        let answer = engine.ask(&engine.signer.cancel_draft(Party::Owner, &far, CancelForm::Text));
        assert_eq!(answer, refused);
    }
    for (id, nonce) in [(1, hour(25)), (2, hour(0) + u64::from(u32::MAX))] {
        let near = terms(Party::Owner, nonce, 10);
        let near = engine.signer.commit(Party::Owner, &near, request(id));
        assert_granted(&mut engine, &near);
    }
}

/// Goal: INV-06. A signature of a future hour is refused and not burned: it is good in its hour.
#[test]
fn nonce_of_a_future_hour_waits_for_its_hour() {
    let mut engine = engine();
    let early = terms(Party::Owner, nonce_of(START_HOUR + 1, 3), 10);
    let early = LockTerms { expires: START_S + 3600, ..early };
    let commit = |id, until| engine.signer.commit(Party::Owner, &early, request_until(id, until));
    let (now, later) = (commit(1, START_S + 60), commit(2, START_S + 3600));
    let refused = Answer::Refused(nonce_refused(START_S, NonceFault::FromFuture, 0));
    assert_eq!(engine.ask(&now), refused);
    engine.at_s(3500);
    let refused = Answer::Refused(nonce_refused(START_S, NonceFault::FromFuture, 0));
    assert_eq!(engine.ask(&later), refused);
    engine.at_s(3600);
    let later = LockTerms { expires: START_S + 4000, ..early.clone() };
    let later = engine.signer.commit(Party::Owner, &later, request_until(3, START_S + 4000));
    assert_granted(&mut engine, &later);
}

/// Goal: a signature of the hour before is not lost because one of this hour came first.
#[test]
fn signature_of_the_hour_before_is_good_after_one_of_this_hour() {
    let mut engine = engine();
    engine.at_s(3600);
    let commit = |engine: &mut Lockstep, id, nonce| {
        let expires = START_S + 5000;
        let terms = LockTerms { expires, ..terms(Party::Owner, nonce, 10) };
        let asked = engine.signer.commit(Party::Owner, &terms, request_until(id, expires));
        engine.ask(&asked)
    };
    let (this, before) = (nonce_of(START_HOUR + 1, 0), nonce_of(START_HOUR, 0));
    let older = nonce_of(START_HOUR - 1, 0);
    assert!(matches!(commit(&mut engine, 1, this), Answer::Granted(_)));
    assert!(matches!(commit(&mut engine, 2, before), Answer::Granted(_)));
    let refused = nonce_refused(START_S + 3600, NonceFault::Used, this + 1);
    assert_eq!(commit(&mut engine, 3, older), Answer::Remembered(refused));
}

/// Goal: INV-07. A new request id is not treated as an answered one.
#[test]
fn batch_with_one_new_request_id_is_another_request() {
    let mut engine = engine();
    let first = (Party::Owner, terms(Party::Owner, 0, 10), request(1));
    let second = |id| (Party::Owner, terms(Party::Owner, 1, 10), request(id));
    let batch = engine.signer.commit_all(&[first.clone(), second(2)]);
    assert!(matches!(engine.ask(&batch), Answer::Granted(_)));
    assert!(matches!(engine.ask(&batch), Answer::Repeated(_)));
    let other = engine.signer.commit_all(&[first, second(3)]);
    let answer = engine.ask(&other);
    assert_eq!(answer, Answer::Refused(Reject::RequestIdReused(Field::Batch)));
}

/// Goal: INV-13. Each lock of a batch counts against the rate, also in the first batch of an owner.
#[test]
fn batch_cannot_pass_the_rate_limit() {
    let mut policy = scenario::policy();
    (policy.concurrent_max, policy.commands_per_minute_max) = (64, 4);
    let mut engine = Lockstep::new(&policy);
    let part = |n| (Party::Owner, terms(Party::Owner, n, 10), request(n));
    let parts: Vec<_> = (0..5).map(part).collect();
    let limit = Reject::Limit(Limit::Rate, U256::from(4u64));
    let answer = engine.ask(&engine.signer.commit_all(&parts));
    assert_eq!(answer, Answer::Refused(limit));
    let answer = engine.ask(&engine.signer.commit_all(&parts[..3]));
    assert!(matches!(answer, Answer::Granted(_)));
    let answer = engine.ask(&engine.signer.commit_all(&parts[3..]));
    assert_eq!(answer, Answer::Refused(limit));
    engine.at_s(60);
    let answer = engine.ask(&engine.signer.commit_all(&parts[3..]));
    assert!(matches!(answer, Answer::Granted(_)));
}

/// Goal: INV-06. A nonce that leaves the window while the batch is granted counts as used. If the
/// batch were granted, `apply` would treat it as corruption.
#[test]
fn batch_cannot_use_a_nonce_that_its_own_first_lock_pushes_out_of_the_window() {
    let mut engine = engine();
    let part = |nonce| (Party::Owner, terms(Party::Owner, nonce, 10), request(nonce));
    let answer = engine.ask(&engine.signer.commit_all(&[part(300), part(0)]));
    assert_eq!(answer, Answer::Refused(nonce_used(45)));
    let answer = engine.ask(&engine.signer.commit_all(&[part(0), part(300), part(45)]));
    assert!(matches!(answer, Answer::Granted(_)));
}
