//! Limits of what the state holds, for each custody class, before memory grows.

use super::{assert_granted, assert_refused, limit};
use mortise_core::state::Corruption;
use mortise_format::asset::Asset;
use mortise_format::command::CancelForm;
use mortise_format::ids::Address;
use mortise_format::lock::{Custody, LockTerms};
use mortise_format::policy::{ClassLimits, Edition, Policy, Service, StateLimits};
use mortise_format::reject::Limit;
use mortise_testkit::keys::{Asked, Party};
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{
    RETENTION_S, START_S, claim, escrowed, fact, leg, plain_terms, policy, request, request_until,
    terms,
};

const WIDE: ClassLimits = ClassLimits { principals_max: 99, accounts_max: 99, locks_max: 99 };
const OBSERVERS: [Party; 2] = [Party::ObserverA, Party::ObserverB];

fn limited(open: ClassLimits, escrow: ClassLimits, newcomers: u32) -> Policy {
    let state = StateLimits { open, escrow, new_principals_per_minute_max: newcomers };
    let edition = Edition::Second(Service { state, ..Service::DEFAULT });
    Policy { edition, concurrent_max: 64, ..policy() }
}

fn commit(engine: &Lockstep, by: Party, terms: &LockTerms, id: u64) -> Asked {
    let expires = engine.now_ms / 1000 + 600;
    let terms = LockTerms { expires, ..terms.clone() };
    engine.signer.commit(by, &terms, request_until(id, expires))
}

/// A lock without a taker: its owner is the only party.
fn alone(by: Party, n: u64) -> LockTerms {
    plain_terms(by, n, 1)
}

fn in_escrow(by: Party, n: u64) -> LockTerms {
    LockTerms { legs: vec![leg(escrowed(), 1)], ..plain_terms(by, n, 1) }
}

/// Goal: keys are free in custody `open`, so its limit is met at will. No one else is refused for
/// it: no owner with a record, no taker of a lock that was granted, nothing in custody `escrow`.
#[test]
fn full_open_class_refuses_new_owners_and_takers_of_its_own_only() {
    let full = ClassLimits { principals_max: 2, ..WIDE };
    let mut engine = Lockstep::new(&limited(full, WIDE, 99));
    let first = terms(Party::Owner, 0, 100);
    let asked = commit(&engine, Party::Owner, &first, 1);
    assert_granted(&mut engine, &asked);
    let asked = commit(&engine, Party::OtherOwner, &alone(Party::OtherOwner, 0), 1);
    assert_granted(&mut engine, &asked);

    let asked = commit(&engine, Party::Stranger, &alone(Party::Stranger, 0), 1);
    assert_refused(&mut engine, &asked, limit(Limit::Principals, 2));
    let draft = alone(Party::Stranger, 0);
    let cancel = engine.signer.cancel_draft(Party::Stranger, &draft, CancelForm::Text);
    assert_refused(&mut engine, &cancel, limit(Limit::Principals, 2));
    let asked = commit(&engine, Party::Owner, &terms(Party::Owner, 1, 1), 2);
    assert_refused(&mut engine, &asked, limit(Limit::Principals, 2));

    let asked = commit(&engine, Party::Owner, &alone(Party::Owner, 1), 3);
    assert_granted(&mut engine, &asked);
    let lock_id = engine.signer.lock_id(&first);
    let asked = engine.signer.claim(Party::Arbiter, &claim(lock_id, 0, 1, request(1)));
    assert!(matches!(engine.ask(&asked), Answer::Claimed(_)), "a taker has its rights");
    assert_eq!(engine.state.held_of(Custody::Open).principals, 3);
    let asked = engine.signer.fact(&OBSERVERS, &fact(Party::Stranger, 1000, 1, START_S));
    assert_eq!(engine.ask(&asked), Answer::FactRecorded);
    let asked = commit(&engine, Party::Stranger, &in_escrow(Party::Stranger, 0), 2);
    assert_granted(&mut engine, &asked);
}

#[test]
fn new_owners_of_a_minute_are_limited_and_known_ones_are_not() {
    let mut engine = Lockstep::new(&limited(WIDE, WIDE, 2));
    let signer = engine.signer;
    for by in [Party::Owner, Party::OtherOwner] {
        let asked = commit(&engine, by, &alone(by, 0), 1);
        assert_granted(&mut engine, &asked);
    }
    let new = alone(Party::Stranger, 0);
    let asked = commit(&engine, Party::Stranger, &new, 1);
    assert_refused(&mut engine, &asked, limit(Limit::NewPrincipals, 2));
    let cancel = signer.cancel_draft(Party::Stranger, &new, CancelForm::Text);
    assert_refused(&mut engine, &cancel, limit(Limit::NewPrincipals, 2));
    let asked = commit(&engine, Party::Owner, &alone(Party::Owner, 1), 2);
    assert_granted(&mut engine, &asked);
    for by in [Party::Operator, Party::Beneficiary] {
        let asked = signer.fact(&OBSERVERS, &fact(by, 1000, 1, START_S));
        assert_eq!(engine.ask(&asked), Answer::FactRecorded);
    }
    let asked = commit(&engine, Party::Operator, &in_escrow(Party::Operator, 0), 1);
    assert_granted(&mut engine, &asked);
    let draft = in_escrow(Party::Beneficiary, 0);
    let cancel = signer.cancel_draft(Party::Beneficiary, &draft, CancelForm::Text);
    assert_eq!(engine.ask(&cancel), Answer::DraftCancelled, "it has a fact");
    engine.at_s(60);
    let cancel = signer.cancel_draft(Party::Stranger, &new, CancelForm::Text);
    assert_eq!(engine.ask(&cancel), Answer::DraftCancelled);
    assert_eq!(engine.state.newcomers_in((START_S + 60) / 60), 1);
}

#[test]
fn accounts_and_locks_of_a_class_are_limited_until_they_leave() {
    let open = ClassLimits { accounts_max: 2, locks_max: 3, ..WIDE };
    let escrow = ClassLimits { accounts_max: 1, ..WIDE };
    let mut engine = Lockstep::new(&limited(open, escrow, 99));
    let token = |n: u8| Asset::erc20(1, Address([n; 20]));
    let of = |n, asset| LockTerms { legs: vec![leg(asset, 1)], ..alone(Party::Owner, n) };
    for (n, asset) in [(0, token(1)), (1, token(2)), (2, token(2))] {
        let asked = commit(&engine, Party::Owner, &of(n, asset), n);
        assert_granted(&mut engine, &asked);
    }
    let asked = commit(&engine, Party::Owner, &of(3, token(2)), 3);
    assert_refused(&mut engine, &asked, limit(Limit::Locks, 3));
    let asked = engine.signer.fact(&OBSERVERS, &fact(Party::Owner, 1000, 1, START_S));
    assert_eq!(engine.ask(&asked), Answer::FactRecorded);
    let asked = engine.signer.fact(&OBSERVERS, &fact(Party::OtherOwner, 1000, 1, START_S));
    assert_refused(&mut engine, &asked, limit(Limit::Accounts, 1));
    let asked = commit(&engine, Party::Owner, &in_escrow(Party::Owner, 3), 4);
    assert_granted(&mut engine, &asked);

    engine.at_s(700);
    let asked = commit(&engine, Party::Owner, &of(4, token(2)), 5);
    assert_refused(&mut engine, &asked, limit(Limit::Locks, 3));
    engine.at_s(700 + RETENTION_S);
    let both = LockTerms { legs: vec![leg(token(3), 1), leg(token(4), 1)], ..of(4, token(3)) };
    let asked = commit(&engine, Party::Owner, &both, 6);
    assert_refused(&mut engine, &asked, limit(Limit::Accounts, 2));
    engine.at_s(701 + RETENTION_S);
    assert_granted(&mut engine, &asked);
    let asked = commit(&engine, Party::Owner, &of(5, token(1)), 7);
    assert_refused(&mut engine, &asked, limit(Limit::Accounts, 2));
    let asked = commit(&engine, Party::Owner, &of(5, token(4)), 8);
    assert_granted(&mut engine, &asked);
}

/// Goal: each lock of a batch counts, and what `decide` lets through fits what `apply` allows.
#[test]
fn locks_of_one_batch_count_against_the_room_that_is_left() {
    let one = ClassLimits { principals_max: 2, accounts_max: 2, locks_max: 4 };
    let parties = [Party::Owner, Party::OtherOwner, Party::Stranger];
    let part = |by: Party, n| (by, alone(by, n), request(n));
    for (batch, refused) in [
        (vec![part(parties[0], 0), part(parties[0], 1), part(parties[1], 0)], None),
        (parties.map(|by| part(by, 0)).to_vec(), Some(limit(Limit::Principals, 2))),
        ((0..5).map(|n| part(parties[0], n)).collect(), Some(limit(Limit::Locks, 4))),
    ] {
        let mut engine = Lockstep::new(&limited(one, WIDE, 99));
        let asked = engine.signer.commit_all(&batch);
        match refused {
            None => assert_granted(&mut engine, &asked),
            Some(reject) => assert_refused(&mut engine, &asked, reject),
        }
    }
    let mut engine = Lockstep::new(&limited(WIDE, WIDE, 1));
    let asked = engine.signer.commit_all(&[part(parties[0], 0), part(parties[1], 0)]);
    assert_refused(&mut engine, &asked, limit(Limit::NewPrincipals, 1));
    let asked = engine.signer.commit_all(&[part(parties[0], 0), part(parties[0], 1)]);
    assert_granted(&mut engine, &asked);
}

#[test]
fn event_beyond_the_room_of_the_state_is_corruption() {
    for (tight, newcomers) in [
        (ClassLimits { principals_max: 1, ..WIDE }, 99),
        (ClassLimits { accounts_max: 1, ..WIDE }, 99),
        (ClassLimits { locks_max: 1, ..WIDE }, 99),
        (WIDE, 1),
    ] {
        let mut wide = Lockstep::new(&limited(WIDE, WIDE, 99));
        let mut engine = Lockstep::new(&limited(tight, WIDE, newcomers));
        let asked = commit(&engine, Party::Owner, &alone(Party::Owner, 0), 1);
        assert_granted(&mut engine, &asked);
        let asked = commit(&wide, Party::OtherOwner, &alone(Party::OtherOwner, 0), 1);
        assert_granted(&mut wide, &asked);
        assert_eq!(engine.force(wide.last().1), Err(Corruption::Policy), "{tight:?}");
    }
}
