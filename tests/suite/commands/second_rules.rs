//! Rule set 2: what it refuses, at each boundary, and that rule set 1 stays as it was.

use super::{assert_granted, assert_refused};
use mortise_core::state::Corruption;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::command::{CancelForm, Command};
use mortise_format::event::Event;
use mortise_format::ids::{Address, LockId, Signature};
use mortise_format::limits::{HEAD_STEP_SLACK_S, HEADS_PER_SECOND_MAX};
use mortise_format::lock::LockTerms;
use mortise_format::reject::{Field, Reject};
use mortise_format::rules::RuleSet;
use mortise_testkit::keys::{Asked, Party};
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{self, START_S, claim, escrowed, fact, policy, request};

const FIRST: RuleSet = RuleSet(1);
const SECOND: RuleSet = RuleSet(2);
const TWO: [Party; 2] = [Party::ObserverA, Party::ObserverB];

/// Terms with a nonce of these rules, which have no hour in it.
fn terms(owner: Party, nonce: u64, amount: u64) -> LockTerms {
    LockTerms { nonce, ..scenario::terms(owner, nonce, amount) }
}

fn plain_terms(owner: Party, nonce: u64, amount: u64) -> LockTerms {
    LockTerms { nonce, ..scenario::plain_terms(owner, nonce, amount) }
}

fn under(rules: RuleSet) -> Lockstep {
    Lockstep::under(&policy(), rules)
}

fn commit(engine: &Lockstep, terms: &LockTerms, id: u64) -> Asked {
    engine.signer.commit(Party::Owner, terms, request(id))
}

/// Terms that rules 2 refuse by this field and rules 1 grant.
#[track_caller]
fn refused_from_second(field: Field, change: impl Fn(&mut LockTerms)) {
    let mut changed = terms(Party::Owner, 0, 10);
    change(&mut changed);
    let mut engine = under(SECOND);
    let asked = commit(&engine, &changed, 1);
    assert_refused(&mut engine, &asked, Reject::Validation(field));
    let failed = mortise_core::decide::failed_checks(&engine.state, engine.now_ms, &changed);
    assert_eq!(failed, [Reject::Validation(field)], "a simulation says the same");
    let mut engine = under(FIRST);
    let asked = commit(&engine, &changed, 1);
    assert_granted(&mut engine, &asked);
}

#[test]
fn lock_that_its_owner_alone_can_end_is_refused_by_field() {
    let owner = Party::Owner.address();
    refused_from_second(Field::Beneficiary, |terms| terms.beneficiary = owner);
    refused_from_second(Field::Arbiter, |terms| terms.arbiter = owner);
    refused_from_second(Field::Beneficiary, |terms| {
        (terms.beneficiary, terms.arbiter) = (owner, owner);
    });
    refused_from_second(Field::Arbiter, |terms| {
        (terms.beneficiary, terms.arbiter) = (Address::ZERO, owner);
    });
    // One party may be both takers, and none may be: neither is the owner.
    let mut engine = under(SECOND);
    let both = LockTerms { arbiter: Party::Beneficiary.address(), ..terms(Party::Owner, 0, 10) };
    let asked = commit(&engine, &both, 1);
    assert_granted(&mut engine, &asked);
    let asked = commit(&engine, &plain_terms(Party::Owner, 1, 10), 2);
    assert_granted(&mut engine, &asked);
}

#[test]
fn condition_that_no_fill_satisfies_is_refused_by_field() {
    refused_from_second(Field::TargetAsset, |terms| {
        terms.condition.target_asset = Asset::native(scenario::OPEN_CHAIN);
    });
    refused_from_second(Field::TargetAmount, |terms| terms.condition.target_amount = U256::ZERO);
    refused_from_second(Field::Recipient, |terms| terms.condition.recipient = Address::ZERO);
    let mut engine = under(SECOND);
    let mut least = terms(Party::Owner, 0, 10);
    least.condition.target_amount = U256::ONE;
    let asked = commit(&engine, &least, 1);
    assert_granted(&mut engine, &asked);
}

/// An escrow lock of 1000 under a fact of 1000; then a fact of this balance with this withdrawal.
fn escrow_lock(rules: RuleSet, claimed: u64, balance: u64, withdrawing: u64) -> (Lockstep, LockId) {
    let mut engine = under(rules);
    let signer = engine.signer;
    let first = signer.fact(&TWO, &fact(Party::Owner, 1000, 1, START_S));
    assert_eq!(engine.ask(&first), Answer::FactRecorded);
    let mut terms = terms(Party::Owner, 0, 1000);
    terms.legs[0].asset = escrowed();
    let asked = commit(&engine, &terms, 1);
    assert_granted(&mut engine, &asked);
    let lock_id = signer.lock_id(&terms);
    if claimed > 0 {
        let asked = signer.claim(Party::Arbiter, &claim(lock_id, 0, claimed, request(2)));
        engine.ask(&asked);
    }
    let mut second = fact(Party::Owner, balance, 2, START_S);
    second.withdrawing = U256::from(withdrawing);
    let second = signer.fact(&TWO, &second);
    assert_eq!(engine.ask(&second), Answer::FactRecorded);
    (engine, lock_id)
}

#[test]
fn extension_needs_the_balance_that_a_grant_would_need() {
    for (claimed, balance, withdrawing, available) in [
        (0, 100, 0, Some(100)),
        (0, 999, 0, Some(999)),
        (0, 1000, 0, None),
        (0, 1001, 0, None),
        (0, 1001, 2, Some(999)),
        (0, 1001, 1, None),
        (400, 999, 0, Some(599)),
        (400, 1000, 0, None),
        (400, 1001, 0, None),
    ] {
        let shown = (claimed, balance, withdrawing);
        let asked = |engine: &Lockstep, lock_id| {
            engine.signer.extend(Party::Owner, lock_id, START_S + 900, request(9))
        };
        let (mut engine, lock_id) = escrow_lock(SECOND, claimed, balance, withdrawing);
        let extend = asked(&engine, lock_id);
        match available {
            Some(available) => {
                let reject = Reject::InsufficientAvailable {
                    total: U256::from(balance),
                    held: U256::from(balance - available),
                    available: U256::from(available),
                    requested: U256::from(1000 - claimed),
                };
                // Rules 2 repeat each refusal.
                assert_eq!(engine.ask(&extend), Answer::Remembered(reject));
                let at = engine.last().0;
                assert_eq!(engine.ask(&extend), Answer::Repeated(at));
            }
            None => {
                let answer = engine.ask(&extend);
                assert!(matches!(answer, Answer::Extended(..)), "{shown:?}: {answer:?}");
            }
        }
        let (mut engine, lock_id) = escrow_lock(FIRST, claimed, balance, withdrawing);
        let extend = asked(&engine, lock_id);
        let answer = engine.ask(&extend);
        assert!(matches!(answer, Answer::Extended(..)), "{shown:?}: {answer:?}");
        // The event that rules 1 log does not fit a state under rules 2.
        let event = engine.last().1.clone();
        let (second, _) = escrow_lock(SECOND, claimed, balance, withdrawing);
        let expected = available.map_or(Ok(()), |_| Err(Corruption::Insolvent));
        assert_eq!(second.force(&event), expected, "{shown:?}");
    }
}

/// Facts with these numbers at these times after the start; the last one must be refused.
#[track_caller]
fn heads(rules: RuleSet, seen: &[(u64, u64)], refused: Option<(u64, u64)>) {
    let mut engine = under(rules);
    engine.at_s(100);
    for (number, second) in seen {
        let asked = fact(Party::Owner, 10, *number, START_S + second);
        let asked = engine.signer.fact(&TWO, &asked);
        assert_eq!(engine.ask(&asked), Answer::FactRecorded, "{number} at {second}");
    }
    if let Some((number, second)) = refused {
        let asked = fact(Party::Owner, 10, number, START_S + second);
        let asked = engine.signer.fact(&TWO, &asked);
        assert_refused(&mut engine, &asked, Reject::Validation(Field::HeadNumber));
    }
}

#[test]
fn head_number_is_bounded_by_time_and_by_the_step_from_the_last() {
    let most = START_S * HEADS_PER_SECOND_MAX;
    heads(SECOND, &[(most - 1, 0)], None);
    heads(SECOND, &[(most, 0)], Some((most + HEADS_PER_SECOND_MAX + 1, 1)));
    heads(SECOND, &[], Some((most + 1, 0)));
    heads(SECOND, &[], Some((1 << 63, 0)));
    let step = |seconds| HEADS_PER_SECOND_MAX * (seconds + HEAD_STEP_SLACK_S);
    for seconds in [0, 1, 100] {
        heads(SECOND, &[(7, 0), (7 + step(seconds) - 1, seconds)], None);
        heads(SECOND, &[(7, 0), (7 + step(seconds), seconds)], None);
        heads(SECOND, &[(7, 0)], Some((7 + step(seconds) + 1, seconds)));
    }
    // A refused number leaves every true head after it in place; under rules 1 it did not.
    heads(SECOND, &[(7, 0), (8, 1), (9, 2)], Some((1 << 63, 3)));
    heads(FIRST, &[(7, 0), (1 << 63, 1)], None);
}

/// Two locks of the owner, the first cancelled with these forms by owner and beneficiary.
fn cancelled(rules: RuleSet, forms: [CancelForm; 2]) -> (Lockstep, Asked, [LockId; 2]) {
    let mut engine = under(rules);
    let lock_ids = [0, 1].map(|nonce| {
        let terms = terms(Party::Owner, nonce, 10);
        let asked = commit(&engine, &terms, 100 + nonce);
        assert_granted(&mut engine, &asked);
        engine.signer.lock_id(&terms)
    });
    let [by_owner, by_taker] = forms;
    let by = [(Party::Owner, by_owner), (Party::Beneficiary, by_taker)];
    let asked = engine.signer.cancel(lock_ids[0], &by);
    assert!(matches!(engine.ask(&asked), Answer::Cancelled(_)));
    (engine, asked, lock_ids)
}

#[test]
fn request_of_each_consent_is_remembered_for_its_signer() {
    let (owner, taker) = (request(1), request(2));
    let both = [CancelForm::Consent(owner), CancelForm::Consent(taker)];
    for forms in [both, [CancelForm::Text, both[1]]] {
        let (mut engine, asked, [_, other]) = cancelled(SECOND, forms);
        let at = engine.last().0;
        assert_eq!(engine.ask(&asked), Answer::Repeated(at));
        let release = engine.signer.release(Party::Beneficiary, other, taker);
        assert_refused(&mut engine, &release, Reject::RequestIdReused(Field::Method));
        let cancel = engine.signer.cancel(other, &[(Party::Beneficiary, forms[1])]);
        assert_refused(&mut engine, &cancel, Reject::RequestIdReused(Field::LockId));
        let fresh = engine.signer.release(Party::Beneficiary, other, request(3));
        assert!(matches!(engine.ask(&fresh), Answer::Released(_)));
    }
    // Rules 1 remembered the owner's alone.
    let (mut engine, _, [_, other]) = cancelled(FIRST, both);
    let release = engine.signer.release(Party::Beneficiary, other, taker);
    assert!(matches!(engine.ask(&release), Answer::Released(_)));
}

/// Goal: remembering the taker's request cannot grow without bound.
#[test]
fn request_of_a_taker_counts_in_its_quota() {
    let mut limited = policy();
    limited.requests_max = 1;
    let mut engine = Lockstep::under(&limited, SECOND);
    let first = terms(Party::OtherOwner, 0, 10);
    let asked = engine.signer.commit(Party::OtherOwner, &first, request(1));
    assert_granted(&mut engine, &asked);
    let lock_id = engine.signer.lock_id(&first);
    let by_taker = |id| (Party::Beneficiary, CancelForm::Consent(request(id)));
    let asked =
        engine.signer.cancel(lock_id, &[(Party::OtherOwner, CancelForm::Text), by_taker(3)]);
    assert!(matches!(engine.ask(&asked), Answer::Cancelled(_)), "one fits");
    let second = terms(Party::Owner, 0, 10);
    let asked = engine.signer.commit(Party::Owner, &second, request(1));
    assert_granted(&mut engine, &asked);
    let lock_id = engine.signer.lock_id(&second);
    let asked = engine.signer.cancel(lock_id, &[(Party::Owner, CancelForm::Text), by_taker(4)]);
    let limit = Reject::Limit(mortise_format::reject::Limit::Requests, U256::ONE);
    assert_refused(&mut engine, &asked, limit);
}

/// The signature that a carrier rewrote: v of 0 or 1.
fn rewritten(mut asked: Asked) -> Asked {
    asked.command.signatures_mut().into_iter().for_each(|signature| signature.0[64] -= 27);
    asked
}

fn logged_signature(engine: &Lockstep) -> Signature {
    match engine.last().1 {
        Event::LocksGranted { locks, .. } => locks[0].signature,
        other => panic!("{other:?}"),
    }
}

#[test]
fn signature_has_one_form_before_it_is_logged_or_hashed() {
    for (rules, is_one_form) in [(SECOND, true), (FIRST, false)] {
        let mut engine = under(rules);
        let sent = rewritten(commit(&engine, &terms(Party::Owner, 0, 10), 1));
        assert_granted(&mut engine, &sent);
        let v = logged_signature(&engine).0[64];
        assert_eq!((27..=28).contains(&v), is_one_form, "rules {rules}: {v}");
    }
}

/// Goal: an approval is the same request in either form of its signature.
#[test]
fn approval_whose_v_a_carrier_rewrote_is_a_repetition() {
    let draft = plain_terms(Party::Owner, 0, 10);
    for first_is_rewritten in [false, true] {
        let mut engine = under(SECOND);
        let plain = engine.signer.approve(Party::Owner, &draft);
        let other = rewritten(plain.clone());
        let (first, second) = if first_is_rewritten { (other, plain) } else { (plain, other) };
        assert_granted(&mut engine, &first);
        let at = engine.last().0;
        assert_eq!(engine.ask(&second), Answer::Repeated(at));
    }
    let mut engine = under(FIRST);
    let plain = engine.signer.approve(Party::Owner, &draft);
    assert_granted(&mut engine, &plain);
    assert_ne!(engine.ask(&rewritten(plain)), Answer::Repeated(engine.last().0));
}

/// Goal: every kind of command has its signatures in one form.
#[test]
fn every_signature_of_a_command_is_reached() {
    let engine = under(SECOND);
    let (signer, lock_id) = (engine.signer, LockId([7; 32]));
    let by = [(Party::Owner, CancelForm::Text), (Party::Beneficiary, CancelForm::Text)];
    let many = vec![(Party::Owner, terms(Party::Owner, 0, 1), request(1)); 3];
    for (asked, count) in [
        (signer.commit_all(&many), 3),
        (signer.approve(Party::Owner, &plain_terms(Party::Owner, 0, 1)), 1),
        (signer.claim(Party::Arbiter, &claim(lock_id, 0, 1, request(1))), 1),
        (signer.release(Party::Beneficiary, lock_id, request(1)), 1),
        (signer.extend(Party::Owner, lock_id, 9, request(1)), 1),
        (signer.cancel(lock_id, &by), 2),
        (signer.cancel_draft(Party::Owner, &terms(Party::Owner, 0, 1), CancelForm::Text), 1),
        (signer.fact(&TWO, &fact(Party::Owner, 1, 1, 1)), 2),
    ] {
        let mut command: Command = asked.command.clone();
        assert_eq!(command.signatures_mut().len(), count, "{asked:?}");
        assert_eq!(asked.signers.len(), count);
    }
}
