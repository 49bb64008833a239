//! Claims, releases, cancellations and extensions: by which party, when, and for which amount.

use super::{assert_refused, assert_remembered, assert_status, engine_with, engine_with_lock};
use mortise_format::U256;
use mortise_format::command::CancelForm;
use mortise_format::eip712::Claim;
use mortise_format::ids::{Address, LockId};
use mortise_format::lock::{LockTerms, Status};
use mortise_format::reject::{Field, Party as From, Reject};
use mortise_testkit::keys::Party;
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{
    CLAIM_WINDOW_S, LOCK_S_MAX, START_S, claim, leg, nonce_used, plain_terms, request,
    request_until, terms, token,
};

const BOTH: [(Party, CancelForm); 2] =
    [(Party::Owner, CancelForm::Text), (Party::Beneficiary, CancelForm::Text)];

/// An id that no lock has.
const NO_LOCK: LockId = LockId([0x0f; 32]);

fn one(amount: u64) -> Vec<U256> {
    vec![U256::from(amount)]
}

#[test]
fn claims_take_parts_of_the_lock_and_never_more_than_remains() {
    let (mut engine, lock_id) = engine_with_lock();
    let signer = engine.signer;
    let take = |index, amount, id| {
        signer.claim(Party::Arbiter, &claim(lock_id, index, amount, request(id)))
    };
    assert_eq!(engine.ask(&take(0, 40, 2)), Answer::Claimed(Status::Partial));
    let late = Reject::Validation(Field::ClaimIndex);
    assert_refused(&mut engine, &take(0, 40, 3), late);
    assert_refused(&mut engine, &take(2, 40, 4), Reject::ClaimAhead { next: 1 });
    let reject = Reject::ClaimExceeds { leg: 0, remaining: U256::from(60u64) };
    assert_remembered(&mut engine, &take(1, 61, 5), reject);
    assert_eq!(engine.ask(&take(1, 60, 6)), Answer::Claimed(Status::Fulfilled));
    let reject = Reject::AlreadyTerminal(Status::Fulfilled);
    assert_remembered(&mut engine, &take(2, 1, 7), reject);
}

#[test]
fn claim_names_one_amount_for_each_leg() {
    let mut two = terms(Party::Owner, 0, 100);
    two.legs.push(leg(token(), 50));
    let (mut engine, lock_id) = engine_with(&two);
    let signer = engine.signer;
    let take = |amounts, id| {
        let claim = Claim { amounts, ..claim(lock_id, 0, 1, request(id)) };
        signer.claim(Party::Arbiter, &claim)
    };
    assert_refused(&mut engine, &take(one(100), 2), Reject::Validation(Field::Amounts));
    let amounts = |a: u64, b: u64| vec![U256::from(a), U256::from(b)];
    let reject = Reject::ClaimExceeds { leg: 1, remaining: U256::from(50u64) };
    assert_remembered(&mut engine, &take(amounts(100, 51), 3), reject);
    assert_eq!(engine.ask(&take(amounts(100, 0), 4)), Answer::Claimed(Status::Partial));
}

#[test]
fn claim_pays_the_beneficiary_or_without_one_any_claimant() {
    let (mut engine, lock_id) = engine_with_lock();
    let stranger = Party::Stranger.address();
    let other = Claim { claimant: stranger, ..claim(lock_id, 0, 10, request(2)) };
    let asked = engine.signer.claim(Party::Arbiter, &other);
    assert_refused(&mut engine, &asked, Reject::Validation(Field::Claimant));
    let open_taker = LockTerms { beneficiary: Address::ZERO, ..terms(Party::Owner, 0, 100) };
    let (mut engine, lock_id) = engine_with(&open_taker);
    let other = Claim { claimant: stranger, ..claim(lock_id, 0, 10, request(2)) };
    let answer = engine.ask(&engine.signer.claim(Party::Arbiter, &other));
    assert_eq!(answer, Answer::Claimed(Status::Partial));
}

#[test]
fn lock_without_arbiter_cannot_be_claimed() {
    let (mut engine, lock_id) = engine_with(&plain_terms(Party::Owner, 0, 100));
    for by in Party::ALL {
        let asked = engine.signer.claim(by, &claim(lock_id, 0, 10, request(2)));
        assert_refused(&mut engine, &asked, Reject::Unauthorized);
    }
}

#[test]
fn claim_is_accepted_before_claim_by_and_refused_at_it() {
    let (mut engine, lock_id) = engine_with_lock();
    let signer = engine.signer;
    let take = |index, id| signer.claim(Party::Arbiter, &claim(lock_id, index, 10, request(id)));
    engine.at_s(600 + CLAIM_WINDOW_S - 1);
    assert_eq!(engine.ask(&take(0, 2)), Answer::Claimed(Status::Partial));
    // claimBy has passed, and no expiry event is logged yet.
    engine.now_ms += 1000;
    assert_eq!(
        engine.model.answer(engine.now_ms, &take(1, 3)),
        Answer::Remembered(Reject::LockExpired)
    );
    engine.at_s(600 + CLAIM_WINDOW_S);
    assert_remembered(&mut engine, &take(1, 4), Reject::AlreadyTerminal(Status::Expired));
}

#[test]
fn expired_lock_cannot_be_released_cancelled_or_extended() {
    let (mut engine, lock_id) = engine_with_lock();
    engine.at_s(600 + CLAIM_WINDOW_S);
    assert_status(&engine, &lock_id, Status::Expired);
    let reject = Reject::AlreadyTerminal(Status::Expired);
    let signer = engine.signer;
    assert_remembered(
        &mut engine,
        &signer.release(Party::Beneficiary, lock_id, request(2)),
        reject,
    );
    assert_refused(&mut engine, &signer.cancel(lock_id, &BOTH), reject);
    let extend = signer.extend(Party::Owner, lock_id, START_S + 1200, request(3));
    assert_remembered(&mut engine, &extend, reject);
}

#[test]
fn release_by_the_beneficiary_frees_what_remains() {
    let (mut engine, lock_id) = engine_with_lock();
    let signer = engine.signer;
    engine.ask(&signer.claim(Party::Arbiter, &claim(lock_id, 0, 30, request(2))));
    let release = signer.release(Party::Beneficiary, lock_id, request(3));
    assert_eq!(engine.ask(&release), Answer::Released(one(70)));
    let again = signer.release(Party::Beneficiary, lock_id, request(4));
    let reject = Reject::AlreadyTerminal(Status::Released);
    assert_remembered(&mut engine, &again, reject);
    let balance = engine.state.balance(&Party::Owner.address(), &super::scenario::coin());
    assert_eq!((balance.held, balance.claimed), (U256::ZERO, U256::from(30u64)));
}

#[test]
fn only_the_beneficiary_or_for_open_taker_the_arbiter_releases() {
    let (engine, lock_id) = engine_with_lock();
    for by in Party::ALL.into_iter().filter(|by| *by != Party::Beneficiary) {
        let asked = engine.signer.release(by, lock_id, request(2));
        assert_refused(&mut engine.clone(), &asked, Reject::InvalidSignature);
    }
    let open_taker = LockTerms { beneficiary: Address::ZERO, ..terms(Party::Owner, 0, 100) };
    let (mut engine, lock_id) = engine_with(&open_taker);
    let release = engine.signer.release(Party::Arbiter, lock_id, request(2));
    assert_eq!(engine.ask(&release), Answer::Released(one(100)));
    let (mut engine, lock_id) = engine_with(&plain_terms(Party::Owner, 0, 100));
    let asked = engine.signer.release(Party::Owner, lock_id, request(2));
    assert_refused(&mut engine, &asked, Reject::Unauthorized);
}

#[test]
fn owner_alone_or_beneficiary_alone_cancels_no_lock() {
    let (mut engine, lock_id) = engine_with_lock();
    let signer = engine.signer;
    let consent = CancelForm::Consent(request(2));
    for (by, from) in [(Party::Owner, From::Beneficiary), (Party::Beneficiary, From::Owner)] {
        for form in [CancelForm::Text, CancelForm::ServerHash, consent] {
            let asked = signer.cancel(lock_id, &[(by, form)]);
            assert_refused(&mut engine, &asked, Reject::ConsentRequired(from));
        }
    }
    for by in [Party::Stranger, Party::Arbiter] {
        let asked = signer.cancel(lock_id, &[(by, CancelForm::Text)]);
        assert_refused(&mut engine, &asked, Reject::InvalidSignature);
        let asked =
            signer.cancel(lock_id, &[(Party::Owner, CancelForm::Text), (by, CancelForm::Text)]);
        assert_refused(&mut engine, &asked, Reject::ConsentRequired(From::Beneficiary));
    }
}

#[test]
fn owner_and_beneficiary_together_cancel_in_any_form_and_order() {
    let forms = [
        CancelForm::Text,
        CancelForm::ServerHash,
        CancelForm::TextOrServerHash,
        CancelForm::Consent(request(2)),
    ];
    for first in forms {
        for second in forms {
            for swap in [false, true] {
                let (mut engine, lock_id) = engine_with_lock();
                let mut by = [(Party::Owner, first), (Party::Beneficiary, second)];
                if swap {
                    by.reverse();
                }
                let answer = engine.ask(&engine.signer.cancel(lock_id, &by));
                assert_eq!(answer, Answer::Cancelled(one(100)));
                assert_status(&engine, &lock_id, Status::Cancelled);
            }
        }
    }
}

#[test]
fn open_taker_lock_without_arbiter_cannot_be_cancelled() {
    let (mut engine, lock_id) = engine_with(&plain_terms(Party::Owner, 0, 100));
    let asked = engine.signer.cancel(lock_id, &[(Party::Owner, CancelForm::Text)]);
    assert_refused(&mut engine, &asked, Reject::ConsentRequired(From::NoOne));
    let both = [(Party::Owner, CancelForm::Text), (Party::Stranger, CancelForm::Text)];
    let asked = engine.signer.cancel(lock_id, &both);
    assert_refused(&mut engine, &asked, Reject::ConsentRequired(From::NoOne));
}

#[test]
fn open_taker_lock_is_cancelled_by_its_owner_and_its_arbiter() {
    let open_taker = LockTerms { beneficiary: Address::ZERO, ..terms(Party::Owner, 0, 100) };
    let (mut engine, lock_id) = engine_with(&open_taker);
    let both = [(Party::Owner, CancelForm::Text), (Party::Arbiter, CancelForm::ServerHash)];
    assert_eq!(engine.ask(&engine.signer.cancel(lock_id, &both)), Answer::Cancelled(one(100)));
}

#[test]
fn consent_to_cancel_is_valid_while_its_request_is() {
    let (mut engine, lock_id) = engine_with_lock();
    let over = CancelForm::Consent(request_until(2, START_S - 1));
    for by in [[(Party::Owner, over), BOTH[1]], [BOTH[0], (Party::Beneficiary, over)]] {
        let asked = engine.signer.cancel(lock_id, &by);
        assert_refused(&mut engine, &asked, Reject::LockExpired);
    }
}

#[test]
fn cancelled_draft_burns_its_nonce_and_holds_nothing() {
    let mut engine = super::engine();
    let signer = engine.signer;
    let draft = plain_terms(Party::Owner, 4, 100);
    let by_stranger = signer.cancel_draft(Party::Stranger, &draft, CancelForm::Text);
    assert_refused(&mut engine, &by_stranger, Reject::InvalidSignature);
    let cancel = signer.cancel_draft(Party::Owner, &draft, CancelForm::Text);
    assert_eq!(engine.ask(&cancel), Answer::DraftCancelled);
    assert_refused(&mut engine, &cancel, nonce_used(0));
    assert_refused(&mut engine, &signer.approve(Party::Owner, &draft), nonce_used(0));
    assert_eq!(engine.state.lock_count(), 0);
}

#[test]
fn draft_that_became_a_lock_is_not_cancelled_as_a_draft() {
    let draft = plain_terms(Party::Owner, 0, 100);
    let (mut engine, lock_id) = engine_with(&draft);
    let cancel = engine.signer.cancel_draft(Party::Owner, &draft, CancelForm::Text);
    let reject = Reject::ConsentRequired(From::Beneficiary);
    assert_refused(&mut engine, &cancel, reject);
    engine.at_s(600 + CLAIM_WINDOW_S);
    assert_status(&engine, &lock_id, Status::Expired);
    let reject = Reject::AlreadyTerminal(Status::Expired);
    assert_refused(&mut engine, &cancel, reject);
}

#[test]
fn extension_by_the_owner_moves_all_times_and_keeps_the_id() {
    let (mut engine, lock_id) = engine_with_lock();
    let signer = engine.signer;
    let longer = START_S + 1200;
    let answer = engine.ask(&signer.extend(Party::Owner, lock_id, longer, request(2)));
    let claim_by = longer + CLAIM_WINDOW_S;
    assert_eq!(answer, Answer::Extended(claim_by, claim_by + super::scenario::BUFFER_S));
    let lock = engine.state.lock(&lock_id).expect("it is there");
    assert_eq!((lock.expires, lock.terms.expires), (longer, START_S + 600));
    // The old end no longer ends the lock.
    engine.at_s(600 + CLAIM_WINDOW_S);
    assert_status(&engine, &lock_id, Status::Active);
    for by in [Party::Beneficiary, Party::Arbiter, Party::Stranger] {
        let asked = signer.extend(by, lock_id, longer + 1, request(3));
        assert_refused(&mut engine, &asked, Reject::InvalidSignature);
    }
}

#[test]
fn extension_neither_shortens_nor_passes_the_longest_lock() {
    let (mut engine, lock_id) = engine_with_lock();
    let (min, max) = (START_S + 601, START_S + LOCK_S_MAX);
    for (n, expires) in [(2, START_S + 600), (3, START_S), (4, max + 1), (5, u64::MAX)] {
        let asked = engine.signer.extend(Party::Owner, lock_id, expires, request(n));
        let reject = match expires > max {
            true => Reject::ExpiryWindow { min, max },
            false => Reject::ExpiryTooEarly { min, max },
        };
        // Each in a minute of its own, for the quota of refusals.
        let mut engine = engine.clone();
        assert_remembered(&mut engine, &asked, reject);
    }
    engine.at_s(600);
    let asked = engine.signer.extend(Party::Owner, lock_id, START_S + 700, request(6));
    assert_remembered(&mut engine, &asked, Reject::LockExpired);
}

fn about(engine: &Lockstep, lock_id: LockId) -> Vec<mortise_testkit::keys::Asked> {
    let signer = engine.signer;
    vec![
        signer.claim(Party::Arbiter, &claim(lock_id, 0, 1, request(20))),
        signer.release(Party::Beneficiary, lock_id, request(21)),
        signer.cancel(lock_id, &BOTH),
        signer.extend(Party::Owner, lock_id, START_S + 900, request(22)),
    ]
}

#[test]
fn command_about_an_unknown_lock_is_refused_and_not_remembered() {
    let (engine, _) = engine_with_lock();
    for asked in about(&engine, NO_LOCK) {
        assert_refused(&mut engine.clone(), &asked, Reject::LockNotFound);
    }
}

/// Goal: INV-11 for every terminal status and every command.
#[test]
fn no_command_changes_a_lock_in_a_terminal_status() {
    type End<'a> = &'a dyn Fn(&mut Lockstep, LockId);
    let ends: [(End<'_>, Status); 4] = [
        (
            &|engine, lock_id| {
                engine.ask(&engine.signer.release(Party::Beneficiary, lock_id, request(2)));
            },
            Status::Released,
        ),
        (
            &|engine, lock_id| {
                engine.ask(&engine.signer.cancel(lock_id, &BOTH));
            },
            Status::Cancelled,
        ),
        (
            &|engine, _| {
                engine.at_s(600 + CLAIM_WINDOW_S);
            },
            Status::Expired,
        ),
        (
            &|engine, lock_id| {
                let all = claim(lock_id, 0, 100, request(2));
                engine.ask(&engine.signer.claim(Party::Arbiter, &all));
                engine.at_s(600 + CLAIM_WINDOW_S + super::scenario::BUFFER_S);
            },
            Status::Settled,
        ),
    ];
    for (end, status) in ends {
        let (mut engine, lock_id) = engine_with_lock();
        end(&mut engine, lock_id);
        assert_status(&engine, &lock_id, status);
        for asked in about(&engine, lock_id) {
            let answer = engine.ask(&asked);
            let reject = Reject::AlreadyTerminal(status);
            let refused = [Answer::Refused(reject), Answer::Remembered(reject)];
            assert!(refused.contains(&answer), "{answer:?} to {asked:?}");
            assert_status(&engine, &lock_id, status);
        }
    }
}
