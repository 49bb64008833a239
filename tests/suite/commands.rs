//! What is granted and what is refused: every command, every refusal of the ladders.
//!
//! Each question is put to the core and to the model of the test kit, which must agree; the tests
//! here say which answer it is.

mod admission;
mod approvals;
mod changes;
mod drafts;
mod facts;
mod grants;
mod memory;
mod reach;
mod time;

use mortise_format::ids::LockId;
use mortise_format::lock::{LockTerms, Status};
use mortise_format::reject::Reject;
use mortise_testkit::keys::{Asked, Party};
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{self, request, terms};

/// An engine under the rules of the tests.
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

/// Asks, and expects a refusal that leaves no trace.
#[track_caller]
fn assert_refused(engine: &mut Lockstep, asked: &Asked, reject: Reject) {
    let before = engine.log.len();
    assert_eq!(engine.ask(asked), Answer::Refused(reject));
    assert_eq!(engine.log.len(), before, "nothing is logged");
}

/// Asks, and expects a refusal that is logged and repeated.
#[track_caller]
fn assert_remembered(engine: &mut Lockstep, asked: &Asked, reject: Reject) {
    assert_eq!(engine.ask(asked), Answer::Remembered(reject));
    let at = engine.last().0;
    assert_eq!(engine.ask(asked), Answer::Repeated(at));
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
