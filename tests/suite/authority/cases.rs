//! For each row of the table, an engine in the right state and the command.

use mortise_format::command::CancelForm;
use mortise_format::ids::{Address, Bytes32, Measurement};
use mortise_format::images::{ImageApproval, Version};
use mortise_format::lock::LockTerms;
use mortise_format::reading::ReadingGrant;
use mortise_format::rules::RuleSet;
use mortise_testkit::keys::{Asked, Party, TestSigner};
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{self, START_S, claim, fact, plain_terms, request, terms};

/// Makes the command of a row, signed by these parties.
pub type Ask = Box<dyn Fn(&TestSigner, &[Party]) -> Asked>;

/// A row's engine and command.
pub struct RowCase {
    pub engine: Lockstep,
    pub ask: Ask,
}

fn with_beneficiary() -> LockTerms {
    terms(Party::Owner, 0, 100)
}

fn open_taker() -> LockTerms {
    LockTerms { beneficiary: Address::ZERO, ..with_beneficiary() }
}

fn without_arbiter() -> LockTerms {
    plain_terms(Party::Owner, 0, 100)
}

/// An engine with this lock.
fn engine(lock: Option<&LockTerms>) -> Lockstep {
    let mut engine = Lockstep::new(&scenario::policy());
    if let Some(lock) = lock {
        let answer = engine.ask(&engine.signer.commit(Party::Owner, lock, request(1)));
        assert!(matches!(answer, Answer::Granted(_)));
    }
    engine
}

fn about(
    lock: LockTerms,
    ask: impl Fn(&TestSigner, &LockTerms, &[Party]) -> Asked + 'static,
) -> RowCase {
    RowCase { engine: engine(Some(&lock)), ask: Box::new(move |signer, by| ask(signer, &lock, by)) }
}

fn on_nothing(ask: impl Fn(&TestSigner, &[Party]) -> Asked + 'static) -> RowCase {
    RowCase { engine: engine(None), ask: Box::new(ask) }
}

/// The case of a row.
///
/// # Panics
/// If the row has no case here.
pub fn case(method: &str, about_what: &str) -> RowCase {
    match (method, about_what) {
        ("commitLock", "a lock") => {
            on_nothing(|signer, by| signer.commit(by[0], &with_beneficiary(), request(2)))
        }
        ("commitBatch", "two locks of two owners") => on_nothing(|signer, by| {
            let theirs = terms(Party::OtherOwner, 0, 50);
            signer
                .commit_all(&[(by[0], with_beneficiary(), request(2)), (by[1], theirs, request(3))])
        }),
        ("signLock", "a draft") => {
            on_nothing(|signer, by| signer.approve(by[0], &without_arbiter()))
        }
        ("claimLock", "a lock with an arbiter") => about(with_beneficiary(), ask_claim),
        ("claimLock", "a lock without arbiter") => about(without_arbiter(), ask_claim),
        ("releaseLock", "a lock with a beneficiary") => about(with_beneficiary(), ask_release),
        ("releaseLock", "an open-taker lock with an arbiter") => about(open_taker(), ask_release),
        ("releaseLock", "an open-taker lock without arbiter") => {
            about(without_arbiter(), ask_release)
        }
        ("cancelLock", "a draft") => {
            let form = CancelForm::Consent(request(2));
            on_nothing(move |signer, by| signer.cancel_draft(by[0], &without_arbiter(), form))
        }
        ("cancelLock", "a draft, by text") => on_nothing(|signer, by| {
            signer.cancel_draft(by[0], &without_arbiter(), CancelForm::TextOrServerHash)
        }),
        ("cancelLock", "a lock with a beneficiary") => about(with_beneficiary(), ask_cancel),
        ("cancelLock", "a lock with a beneficiary, by text") => {
            about(with_beneficiary(), |signer, lock, by| {
                cancel_as(signer, lock, by, CancelForm::Text)
            })
        }
        ("cancelLock", "an open-taker lock with an arbiter") => about(open_taker(), ask_cancel),
        ("cancelLock", "an open-taker lock without arbiter") => {
            about(without_arbiter(), ask_cancel)
        }
        ("extendLock", "a lock") => about(with_beneficiary(), |signer, lock, by| {
            signer.extend(by[0], signer.lock_id(lock), START_S + 900, request(2))
        }),
        ("submitChainFact", "a balance in escrow") => {
            on_nothing(|signer, by| signer.fact(by, &fact(Party::Owner, 500, 1, START_S)))
        }
        ("grantReading", "a reading right") => on_nothing(|signer, by| {
            let (reader, request) = (Bytes32([0x7e; 32]), request(2));
            let grant = ReadingGrant { reader, from_epoch: 1, to_epoch: 0, request };
            signer.grant_reading(by, &grant)
        }),
        ("approveImages", "the images that may boot") => on_nothing(|signer, by| {
            let images = vec![Measurement([0x7e; 48])];
            let minimum_version = Version::default();
            let valid_until = request(2).valid_until;
            let rules = RuleSet::NEWEST;
            let approval = ImageApproval { serial: 1, images, minimum_version, rules, valid_until };
            signer.approve_images(by, &approval)
        }),
        other => panic!("no case is written for {other:?}"),
    }
}

fn ask_claim(signer: &TestSigner, lock: &LockTerms, by: &[Party]) -> Asked {
    signer.claim(by[0], &claim(signer.lock_id(lock), 0, 10, request(2)))
}

fn ask_release(signer: &TestSigner, lock: &LockTerms, by: &[Party]) -> Asked {
    signer.release(by[0], signer.lock_id(lock), request(2))
}

fn ask_cancel(signer: &TestSigner, lock: &LockTerms, by: &[Party]) -> Asked {
    cancel_as(signer, lock, by, CancelForm::Consent(request(2)))
}

fn cancel_as(signer: &TestSigner, lock: &LockTerms, by: &[Party], form: CancelForm) -> Asked {
    let by: Vec<_> = by.iter().map(|by| (*by, form)).collect();
    signer.cancel(signer.lock_id(lock), &by)
}
