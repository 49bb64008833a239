//! Goal: every command is granted or refused as the specs say, with the reject of the first check
//! that fails.
//!
//! Method: the core and the model of the test kit decide every command and must agree. The tests
//! here state the expected answer.

mod admission;
mod approvals;
mod changes;
mod drafts;
mod facts;
mod forgetting;
mod grants;
mod memory;
mod reach;
mod refusals;
mod room;
mod second_rules;
mod time;

use mortise_format::U256;
use mortise_format::ids::LockId;
use mortise_format::lock::{LockTerms, Status};
use mortise_format::reject::{Limit, Reject};
use mortise_testkit::keys::{Asked, Party};
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{self, request, terms};

/// An engine with the policy of the tests.
fn engine() -> Lockstep {
    Lockstep::new(&scenario::policy())
}

/// An engine with one lock of 100 by the owner, for ten minutes, and its id. Request 1 made it.
fn engine_with_lock() -> (Lockstep, LockId) {
    engine_with(&terms(Party::Owner, 0, 100))
}

/// An engine with one lock of these terms.
fn engine_with(terms: &LockTerms) -> (Lockstep, LockId) {
    let mut engine = engine();
    let by = Party::of(&terms.owner).expect("locks of the tests belong to parties");
    let answer = engine.ask(&engine.signer.commit(by, terms, request(1)));
    assert!(matches!(answer, Answer::Granted(_)), "{answer:?}");
    let lock_id = engine.signer.lock_id(terms);
    (engine, lock_id)
}

fn limit(which: Limit, max: u64) -> Reject {
    Reject::Limit(which, U256::from(max))
}

/// Sends a command and expects a reject that is not logged.
#[track_caller]
fn assert_refused(engine: &mut Lockstep, asked: &Asked, reject: Reject) {
    let before = engine.log.len();
    assert_eq!(engine.ask(asked), Answer::Refused(reject));
    assert_eq!(engine.log.len(), before, "nothing is logged");
}

/// Sends a command and expects a reject that is logged and returned again.
#[track_caller]
fn assert_remembered(engine: &mut Lockstep, asked: &Asked, reject: Reject) {
    assert_eq!(engine.ask(asked), Answer::Remembered(reject));
    let at = engine.last().0;
    let again = match reject.is_final() {
        true => Answer::Repeated(at),
        false => Answer::RefusedBefore(reject, at),
    };
    assert_eq!(engine.ask(asked), again);
}

#[track_caller]
fn assert_granted(engine: &mut Lockstep, asked: &Asked) {
    let answer = engine.ask(asked);
    assert!(matches!(answer, Answer::Granted(_)), "{answer:?}");
}

#[track_caller]
fn assert_status(engine: &Lockstep, lock_id: &LockId, status: Status) {
    assert_eq!(engine.state.lock(lock_id).map(|lock| lock.status), Some(status));
}
