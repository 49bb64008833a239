//! Refusals that are final, and those that are decided again (SERVING 2, rule set 3).

use super::{assert_granted, assert_refused, assert_remembered, engine_with, engine_with_lock};
use mortise_core::state::Corruption;
use mortise_format::U256;
use mortise_format::command::CancelForm;
use mortise_format::eip712;
use mortise_format::event::Event;
use mortise_format::fact::{BalanceFact, Withdrawal};
use mortise_format::ids::{Signature, parse_hex};
use mortise_format::lock::{LockTerms, Status};
use mortise_format::policy::Policy;
use mortise_format::reject::{Field, Limit, Reject};
use mortise_format::rules::RuleSet;
use mortise_testkit::keys::{Asked, Party};
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{
    self, COMMANDS_PER_MINUTE_MAX, CONCURRENT_MAX, FACT_AGE_S_MAX, LOCK_S_MAX, LOCK_S_MIN,
    REQUESTS_MAX, START_S, claim, escrowed, fact, leg, nonce_used, plain_terms, policy, request,
    request_until, terms,
};

const TWO: [Party; 2] = [Party::ObserverA, Party::ObserverB];

fn in_escrow(nonce: u64, amount: u64) -> LockTerms {
    LockTerms { legs: vec![leg(escrowed(), amount)], ..terms(Party::Owner, nonce, amount) }
}

fn commit(engine: &Lockstep, terms: &LockTerms, id: u64) -> Asked {
    engine.signer.commit(Party::Owner, terms, request(id))
}

fn tell(engine: &mut Lockstep, balance: u64, number: u64, second: u64) {
    engine.at_s(second);
    let told = fact(Party::Owner, balance, number, START_S + second);
    assert_eq!(engine.ask(&engine.signer.fact(&TWO, &told)), Answer::FactRecorded);
}

fn no_fact() -> Reject {
    Reject::StaleFacts { age: u64::MAX, max: FACT_AGE_S_MAX }
}

/// Goal: FAULTS C5. An intent that is shown too early is not burned.
#[test]
fn intent_that_was_shown_too_early_is_granted_when_its_cause_is_gone() {
    let (mut engine, _) = engine_with_lock();
    let asked = commit(&engine, &in_escrow(1, 300), 2);
    assert_remembered(&mut engine, &asked, no_fact());
    tell(&mut engine, 299, 1, 0);
    let short = engine.ask(&asked);
    assert!(matches!(short, Answer::Remembered(Reject::InsufficientAvailable { .. })), "{short:?}");
    tell(&mut engine, 300, 2, 1);
    assert_granted(&mut engine, &asked);
    let granted = engine.last().0;
    let owner = Party::Owner.address();
    let found = engine.state.requests().find(&owner, &request(2).id).expect("it is remembered");
    assert_eq!((found.at, found.refusals.is_none()), (granted, true), "the grant took its place");
    tell(&mut engine, 0, 3, 2);
    assert_eq!(engine.ask(&asked), Answer::Repeated(granted));
}

#[test]
fn under_earlier_rules_the_first_refusal_stays() {
    let mut engine = Lockstep::under(&policy(), RuleSet(2));
    let old = |terms: LockTerms, nonce| LockTerms { nonce, ..terms };
    let asked = commit(&engine, &old(terms(Party::Owner, 0, 1), 0), 1);
    assert_granted(&mut engine, &asked);
    let asked = commit(&engine, &old(in_escrow(1, 300), 1), 2);
    assert_eq!(engine.ask(&asked), Answer::Remembered(no_fact()));
    let refused = engine.last().0;
    tell(&mut engine, 300, 1, 0);
    assert_eq!(engine.ask(&asked), Answer::Repeated(refused));
}

/// Goal: of all that a wallet signs with one nonce, one is granted at most.
#[test]
fn replacement_with_the_same_nonce_leaves_one_grant() {
    let (mut engine, _) = engine_with_lock();
    let first = commit(&engine, &in_escrow(1, 300), 2);
    assert_remembered(&mut engine, &first, no_fact());
    let second = commit(&engine, &in_escrow(1, 200), 3);
    tell(&mut engine, 1000, 1, 0);
    assert_granted(&mut engine, &second);
    assert_remembered(&mut engine, &first, nonce_used(2));
}

#[test]
fn refused_id_stays_bound_to_its_content() {
    let (mut engine, _) = engine_with_lock();
    let asked = commit(&engine, &in_escrow(1, 300), 2);
    assert_remembered(&mut engine, &asked, no_fact());
    tell(&mut engine, 1000, 1, 0);
    let other = commit(&engine, &in_escrow(1, 200), 2);
    assert_refused(&mut engine, &other, Reject::RequestIdReused(Field::Assets));
    // The same content with a later end is the same request, and is decided.
    let later = engine.signer.commit(
        Party::Owner,
        &in_escrow(1, 300),
        request_until(2, request(2).valid_until + 1),
    );
    assert_granted(&mut engine, &later);
    let granted = engine.last().0;
    assert_eq!(engine.ask(&asked), Answer::Repeated(granted));
}

/// A policy in which refusals meet no quota.
fn roomy() -> Policy {
    Policy { commands_per_minute_max: 1000, requests_max: 1000, ..policy() }
}

#[test]
fn reason_is_logged_once_and_four_reasons_at_most() {
    let mut engine = Lockstep::new(&roomy());
    let asked = commit(&engine, &terms(Party::Owner, 0, 1), 1);
    assert_granted(&mut engine, &asked);
    let long = LockTerms { expires: START_S + LOCK_S_MAX + 5, ..in_escrow(1, 300) };
    let asked = engine.signer.commit(Party::Owner, &long, request_until(2, START_S + 9000));
    let window = |now: u64| Reject::ExpiryWindow {
        min: START_S + now + LOCK_S_MIN,
        max: START_S + now + LOCK_S_MAX,
    };
    assert_remembered(&mut engine, &asked, window(0));
    let first = engine.last().0;
    engine.at_s(5);
    assert_remembered(&mut engine, &asked, no_fact());
    tell(&mut engine, 299, 1, 5);
    assert!(engine.ask(&asked).is_logged(), "insufficient");
    let withdrawing = BalanceFact {
        withdrawal: Withdrawal::Requested,
        ..fact(Party::Owner, 300, 2, START_S + 6)
    };
    engine.at_s(6);
    engine.ask(&engine.signer.fact(&TWO, &withdrawing));
    assert_remembered(&mut engine, &asked, Reject::ForcedWithdrawal);
    // The concurrent limit is a fifth reason: answered, not logged.
    tell(&mut engine, 1000, 3, 7 - 1);
    for n in 10..10 + u64::from(CONCURRENT_MAX) - 1 {
        let other = commit(&engine, &terms(Party::Owner, n, 1), n);
        assert_granted(&mut engine, &other);
    }
    let max = U256::from(u64::from(CONCURRENT_MAX));
    assert_refused(&mut engine, &asked, Reject::Limit(Limit::Concurrent, max));
    // Nor are those that were logged.
    let lock_id = engine.signer.lock_id(&terms(Party::Owner, 10, 1));
    engine.ask(&engine.signer.release(Party::Beneficiary, lock_id, request(50)));
    engine.ask(&engine.signer.fact(&TWO, &BalanceFact { head_number: 4, ..withdrawing }));
    let before = engine.log.len();
    let again = engine.ask(&asked);
    assert!(matches!(again, Answer::RefusedBefore(Reject::ForcedWithdrawal, _)), "{again:?}");
    assert_eq!(engine.log.len(), before);
    // A final reason ends it, also as the fifth.
    let burn = CancelForm::Consent(request(60));
    engine.ask(&engine.signer.cancel_draft(Party::Owner, &long, burn));
    assert_remembered(&mut engine, &asked, nonce_used(2));
    let owner = Party::Owner.address();
    let found = engine.state.requests().find(&owner, &request(2).id).expect("it is remembered");
    assert!(found.at > first && found.refusals.is_none());
}

#[test]
fn log_that_refuses_twice_or_replaces_other_content_does_not_apply() {
    let (mut engine, _) = engine_with_lock();
    let asked = commit(&engine, &in_escrow(1, 300), 2);
    assert_remembered(&mut engine, &asked, no_fact());
    let refused = engine.last().1.clone();
    assert_eq!(engine.force(&refused), Err(Corruption::RequestKnown), "a second refusal");
    tell(&mut engine, 300, 1, 0);
    let mut next = engine.clone();
    assert_granted(&mut next, &asked);
    let granted = next.last().1.clone();
    assert_eq!(engine.force(&granted), Ok(()));
    let Event::LocksGranted { locks, batch, request_keys } = granted else { panic!("granted") };
    let mut keys = request_keys.to_vec();
    keys[0].content.digest.0[0] ^= 1;
    let other = Event::LocksGranted { locks, batch, request_keys: keys.into() };
    assert_eq!(engine.force(&other), Err(Corruption::RequestKnown), "other content");
    assert_eq!(next.force(&refused), Err(Corruption::RequestKnown), "a refusal after the grant");
}

/// Goal: a stranger who shows an owner's refused intents uses up neither rate nor memory of the
/// owner's commands.
#[test]
fn refusals_have_a_tenth_of_the_quota_beside_the_owners_own() {
    let (mut engine, _) = engine_with_lock();
    let bad = |n: u64| terms(Party::Owner, n, scenario::SINGLE_MAX + 1);
    let shown: Vec<Asked> = (10..50).map(|n| commit(&engine, &bad(n), n)).collect();
    let logged = |engine: &mut Lockstep| {
        let answers: Vec<Answer> = shown.iter().map(|asked| engine.ask(asked)).collect();
        answers.iter().filter(|answer| answer.is_logged()).count()
    };
    let (rate, kept) = (COMMANDS_PER_MINUTE_MAX / 10, REQUESTS_MAX / 10);
    assert_eq!(logged(&mut engine), usize::try_from(rate).expect("small"));
    engine.at_s(60);
    assert_eq!(logged(&mut engine), usize::try_from(kept - rate).expect("small"));
    engine.at_s(120);
    assert_eq!(logged(&mut engine), 0, "its memory is full");
    for n in 1..u64::from(CONCURRENT_MAX) {
        let good = commit(&engine, &terms(Party::Owner, n, 1), 100 + n);
        assert_granted(&mut engine, &good);
    }
}

/// Goal: FAULTS C9. What ends a promise is never refused for what begins others.
#[test]
fn endings_have_a_quota_that_no_grant_uses() {
    let (mut engine, lock_id) = engine_with(&LockTerms {
        arbiter: Party::OtherOwner.address(),
        ..terms(Party::Owner, 0, 100)
    });
    let signer = engine.signer;
    let own = terms(Party::OtherOwner, 0, 1);
    let asked = signer.commit(Party::OtherOwner, &own, request(1));
    assert_granted(&mut engine, &asked);
    let own_id = signer.lock_id(&own);
    for n in 1..u64::from(COMMANDS_PER_MINUTE_MAX) {
        let more = signer.extend(Party::OtherOwner, own_id, START_S + 600 + n, request(n + 1));
        assert!(engine.ask(&more).is_logged());
    }
    let full = signer.extend(Party::OtherOwner, own_id, START_S + 900, request(99));
    let max = U256::from(u64::from(COMMANDS_PER_MINUTE_MAX));
    assert_refused(&mut engine, &full, Reject::Limit(Limit::Rate, max));
    // The arbiter's claim, the owner's part of a cancel and a cancelled draft go on.
    let claimed = claim(lock_id, 0, 10, request(200));
    assert_eq!(
        engine.ask(&signer.claim(Party::OtherOwner, &claimed)),
        Answer::Claimed(Status::Partial)
    );
    let by = CancelForm::Consent(request(201));
    let both = [(Party::OtherOwner, by), (Party::Beneficiary, by)];
    assert!(engine.ask(&signer.cancel(own_id, &both)).is_logged());
    let burnt = signer.cancel_draft(
        Party::OtherOwner,
        &plain_terms(Party::OtherOwner, 5, 1),
        CancelForm::Consent(request(202)),
    );
    assert!(engine.ask(&burnt).is_logged());
}

/// Goal: FAULTS C6. The approval is the identity, not its bytes.
#[test]
fn approval_with_another_signature_of_its_owner_is_the_same_request() {
    let (mut engine, _) = engine_with_lock();
    let asked = engine.signer.approve(Party::Owner, &plain_terms(Party::Owner, 1, 10));
    assert_granted(&mut engine, &asked);
    let (at, event) = engine.last();
    let Event::LocksGranted { locks, .. } = event else { panic!("granted") };
    let (first, lock_id) = (locks[0].signature, locks[0].lock_id);
    let mut raw = asked.clone();
    let signature = raw.command.signatures_mut().remove(0);
    signature.0[64] -= 27;
    assert_eq!(engine.ask(&raw), Answer::Repeated(at), "v 0 or 1");
    let mut other = asked.clone();
    let again = another_signature(&engine, &plain_terms(Party::Owner, 1, 10));
    assert_ne!(again, first);
    *other.command.signatures_mut().remove(0) = again;
    assert_eq!(engine.ask(&other), Answer::Repeated(at), "another random number");
    assert_eq!(engine.state.lock(&lock_id).map(|lock| lock.signature), Some(first));
}

#[test]
fn expiry_below_the_window_is_final_and_above_it_is_not() {
    let (mut engine, _) = engine_with_lock();
    let at = |nonce, expires: u64| LockTerms { expires, ..terms(Party::Owner, nonce, 10) };
    let (min, max) = (START_S + LOCK_S_MIN, START_S + LOCK_S_MAX);
    let early = commit(&engine, &at(1, min - 1), 2);
    assert_remembered(&mut engine, &early, Reject::ExpiryTooEarly { min, max });
    let late = engine.signer.commit(Party::Owner, &at(1, max + 1), request_until(3, max));
    assert_remembered(&mut engine, &late, Reject::ExpiryWindow { min, max });
    engine.at_s(1);
    assert_granted(&mut engine, &late);
}

#[test]
fn claim_ahead_of_the_next_one_waits_for_it() {
    let (mut engine, lock_id) = engine_with_lock();
    let signer = engine.signer;
    let second = signer.claim(Party::Arbiter, &claim(lock_id, 1, 10, request(3)));
    assert_refused(&mut engine, &second, Reject::ClaimAhead { next: 0 });
    assert!(!Reject::ClaimAhead { next: 0 }.is_final());
    let first = signer.claim(Party::Arbiter, &claim(lock_id, 0, 10, request(2)));
    assert_eq!(engine.ask(&first), Answer::Claimed(Status::Partial));
    assert_eq!(engine.ask(&second), Answer::Claimed(Status::Partial));
    let old = signer.claim(Party::Arbiter, &claim(lock_id, 0, 10, request(4)));
    assert_refused(&mut engine, &old, Reject::Validation(Field::ClaimIndex));
}

/// A valid signature of the owner over the approval of these terms, with another random number.
fn another_signature(engine: &Lockstep, terms: &LockTerms) -> Signature {
    let lock_id = engine.signer.lock_id(terms);
    let digest = eip712::lock_approval(&lock_id, terms).expect("it has one leg");
    let mut secret = [0; 32];
    parse_hex(Party::Owner.secret_text(), &mut secret).expect("a published key");
    crate::proofs::succession::another_signature(secret, &digest)
}
