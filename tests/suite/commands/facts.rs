//! Facts of observers, and the escrow locks that depend on them (INV-01 to 03).

use super::{assert_granted, assert_refused, assert_remembered, engine, engine_with_lock};
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::fact::{BalanceFact, Withdrawal};
use mortise_format::lock::LockTerms;
use mortise_format::reject::{Field, Limit, Reject};
use mortise_testkit::keys::{Asked, Party};
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{
    self, ACCOUNT_MAX, FACT_AGE_S_MAX, MARGIN_S, SHORT_NOTICE_CHAIN, SHORT_NOTICE_S, START_S,
    escrowed, fact, request, terms,
};

const TWO: [Party; 2] = [Party::ObserverA, Party::ObserverB];

fn in_escrow(nonce: u64, amount: u64) -> LockTerms {
    let mut terms = terms(Party::Owner, nonce, amount);
    terms.legs[0].asset = escrowed();
    terms
}

fn commit(engine: &Lockstep, terms: &LockTerms, id: u64) -> Asked {
    engine.signer.commit(Party::Owner, terms, request(id))
}

/// An engine with a fact about the owner's balance from the start.
fn engine_with_balance(balance: u64) -> Lockstep {
    let (mut engine, _) = engine_with_lock();
    let asked = engine.signer.fact(&TWO, &fact(Party::Owner, balance, 1, START_S));
    assert_eq!(engine.ask(&asked), Answer::FactRecorded);
    engine
}

#[test]
fn fact_needs_enough_signatures_of_observers() {
    let mut engine = engine();
    let signer = engine.signer;
    let seen = fact(Party::Owner, 500, 1, START_S);
    let one = signer.fact(&[Party::ObserverA], &seen);
    assert_refused(&mut engine, &one, Reject::Validation(Field::Signatures));
    for other in [Party::Owner, Party::Operator, Party::Stranger, Party::Engine] {
        let asked = signer.fact(&[Party::ObserverA, Party::ObserverB, other], &seen);
        assert_refused(&mut engine, &asked, Reject::Unauthorized);
    }
    assert_eq!(engine.ask(&signer.fact(&TWO, &seen)), Answer::FactRecorded);
    let at = engine.last().0;
    // The same fact about the same head is the same request, whichever caller sends it.
    let again = signer.fact(&[Party::ObserverB, Party::ObserverC], &seen);
    assert_eq!(engine.ask(&again), Answer::Repeated(at));
}

#[test]
fn fact_from_the_future_too_old_or_older_than_the_last_is_refused() {
    let mut engine = engine_with_balance(500);
    let signer = engine.signer;
    engine.at_s(60);
    let ask = |number, time| signer.fact(&TWO, &fact(Party::Owner, 600, number, time));
    let future = ask(2, START_S + 61);
    assert_refused(&mut engine, &future, Reject::Validation(Field::HeadTime));
    let max = FACT_AGE_S_MAX;
    let old = ask(2, START_S + 60 - max - 1);
    assert_refused(&mut engine, &old, Reject::StaleFacts { age: max + 1, max });
    for (number, time) in [(1, START_S + 60), (0, START_S + 60), (2, START_S - 1)] {
        let age = START_S + 60 - time;
        assert_refused(&mut engine, &ask(number, time), Reject::StaleFacts { age, max });
    }
    assert_eq!(engine.ask(&ask(2, START_S)), Answer::FactRecorded);
}

#[test]
fn fact_about_a_chain_without_escrow_is_refused() {
    let mut engine = engine();
    for chain_id in [scenario::OPEN_CHAIN, scenario::UNSERVED_CHAIN] {
        let asset = Asset::native(chain_id);
        let about = BalanceFact { asset, ..fact(Party::Owner, 500, 1, START_S) };
        let asked = engine.signer.fact(&TWO, &about);
        assert_refused(&mut engine, &asked, Reject::UnsupportedChain(chain_id));
    }
}

#[test]
fn escrow_lock_without_a_fact_or_with_a_stale_one_is_refused() {
    let (mut engine, _) = engine_with_lock();
    let max = FACT_AGE_S_MAX;
    let asked = commit(&engine, &in_escrow(1, 10), 2);
    assert_remembered(&mut engine, &asked, Reject::StaleFacts { age: u64::MAX, max });
    let mut engine = engine_with_balance(500);
    engine.at_s(max);
    let asked = commit(&engine, &in_escrow(1, 10), 2);
    assert_granted(&mut engine, &asked);
    engine.at_s(max + 1);
    let asked = commit(&engine, &in_escrow(2, 10), 3);
    assert_remembered(&mut engine, &asked, Reject::StaleFacts { age: max + 1, max });
}

/// Goal: INV-01. Held, claimed and withdrawing stay within the final balance.
#[test]
fn escrow_locks_stay_within_the_final_balance_less_what_is_withdrawing() {
    let (mut engine, _) = engine_with_lock();
    let signer = engine.signer;
    let withdrawing = U256::from(100u64);
    let seen = BalanceFact { withdrawing, ..fact(Party::Owner, 500, 1, START_S) };
    engine.ask(&signer.fact(&TWO, &seen));
    let asked = commit(&engine, &in_escrow(1, 300), 2);
    assert_granted(&mut engine, &asked);
    let [total, held, available, requested] = [500u64, 400, 100, 101].map(U256::from);
    let reject = Reject::InsufficientAvailable { total, held, available, requested };
    let asked = commit(&engine, &in_escrow(2, 101), 3);
    assert_remembered(&mut engine, &asked, reject);
    let asked = commit(&engine, &in_escrow(2, 100), 4);
    assert_granted(&mut engine, &asked);
    let owner = Party::Owner.address();
    assert_eq!(engine.state.check_solvency(&owner, &escrowed()), Ok(()));
}

/// Goal: INV-04 where the balance is below every limit, so that no other check would notice.
#[test]
fn escrow_locks_of_one_batch_share_one_balance() {
    let mut engine = engine_with_balance(500);
    let part = |n, amount| (Party::Owner, in_escrow(n, amount), request(n + 1));
    let asked = engine.signer.commit_all(&[part(1, 300), part(2, 201)]);
    let [total, held, available, requested] = [500u64, 300, 200, 201].map(U256::from);
    let reject = Reject::InsufficientAvailable { total, held, available, requested };
    assert_refused(&mut engine, &asked, reject);
    let asked = engine.signer.commit_all(&[part(1, 300), part(2, 200)]);
    assert_granted(&mut engine, &asked);
}

#[test]
fn escrow_claims_keep_their_hold_until_a_fact_shows_the_settlement() {
    let mut engine = engine_with_balance(500);
    let terms = in_escrow(1, 500);
    let asked = commit(&engine, &terms, 2);
    assert_granted(&mut engine, &asked);
    let lock_id = engine.signer.lock_id(&terms);
    let all = scenario::claim(lock_id, 0, 500, request(3));
    engine.ask(&engine.signer.claim(Party::Arbiter, &all));
    engine.at_s(3500);
    let seen = fact(Party::Owner, 500, 2, START_S + 3500);
    engine.ask(&engine.signer.fact(&TWO, &seen));
    let late = LockTerms { expires: START_S + 4000, ..in_escrow(2, 1) };
    let asked = engine.signer.commit(Party::Owner, &late, request(4));
    assert!(matches!(engine.ask(&asked), Answer::Remembered(Reject::InsufficientAvailable { .. })));
}

#[test]
fn balance_above_the_limit_of_an_account_is_held_up_to_the_limit() {
    let mut engine = engine_with_balance(8000);
    for n in 1..4 {
        let asked = commit(&engine, &in_escrow(n, 1000), n + 1);
        assert_granted(&mut engine, &asked);
    }
    let asked = commit(&engine, &in_escrow(9, 1), 9);
    let limit = Reject::Limit(Limit::Account, U256::from(ACCOUNT_MAX));
    assert_remembered(&mut engine, &asked, limit);
}

#[test]
fn withdrawing_owner_gets_no_new_lock() {
    for withdrawal in [Withdrawal::Requested, Withdrawal::Executable] {
        let (mut engine, _) = engine_with_lock();
        let seen = BalanceFact { withdrawal, ..fact(Party::Owner, 500, 1, START_S) };
        engine.ask(&engine.signer.fact(&TWO, &seen));
        let asked = commit(&engine, &in_escrow(1, 10), 2);
        assert_remembered(&mut engine, &asked, Reject::ForcedWithdrawal);
    }
}

/// Goal: INV-03. The owner cannot complete a withdrawal before the lock is settled.
#[test]
fn lock_that_settles_after_a_withdrawal_could_complete_is_refused() {
    let (mut engine, _) = engine_with_lock();
    let asset = Asset::native(SHORT_NOTICE_CHAIN);
    let seen = BalanceFact { asset, ..fact(Party::Owner, 500, 1, START_S) };
    engine.ask(&engine.signer.fact(&TWO, &seen));
    let latest = START_S + SHORT_NOTICE_S - MARGIN_S;
    let window = scenario::CLAIM_WINDOW_S + scenario::BUFFER_S;
    let terms = |nonce, expires| {
        let mut terms = LockTerms { expires, ..in_escrow(nonce, 10) };
        terms.legs[0].asset = asset;
        terms
    };
    let asked = commit(&engine, &terms(1, latest - window + 1), 2);
    assert_remembered(&mut engine, &asked, Reject::ResetPeriodTooShort { latest });
    let last = terms(1, latest - window);
    let asked = commit(&engine, &last, 3);
    assert_granted(&mut engine, &asked);
    // The same rule applies to an extension.
    let lock_id = engine.signer.lock_id(&last);
    let longer = engine.signer.extend(Party::Owner, lock_id, last.expires + 1, request(4));
    assert_remembered(&mut engine, &longer, Reject::ResetPeriodTooShort { latest });
}

#[test]
fn lower_balance_keeps_holds_and_allows_no_new_one() {
    let mut engine = engine_with_balance(500);
    let asked = commit(&engine, &in_escrow(1, 400), 2);
    assert_granted(&mut engine, &asked);
    engine.ask(&engine.signer.fact(&TWO, &fact(Party::Owner, 100, 2, START_S)));
    let owner = Party::Owner.address();
    let balance = engine.state.balance(&owner, &escrowed());
    assert_eq!((balance.held, balance.available), (U256::from(400u64), U256::ZERO));
    assert!(engine.state.check_solvency(&owner, &escrowed()).is_err());
    let asked = commit(&engine, &in_escrow(2, 1), 3);
    assert!(matches!(engine.ask(&asked), Answer::Remembered(Reject::InsufficientAvailable { .. })));
}
