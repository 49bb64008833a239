//! Granting.

use super::engine;
use mortise_format::U256;
use mortise_format::command::CancelForm;
use mortise_format::limits::NONCE_JUMP_MAX;
use mortise_format::reject::{Field, Limit, Reject};
use mortise_testkit::keys::Party;
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{self, request, terms};

/// Goal: INV-06. What is refused to a known owner must not be granted to one who was never seen:
/// `apply` takes such an event for corruption, and one stranger could stop the engine.
#[test]
fn first_nonce_of_an_owner_far_above_the_floor_is_refused() {
    let mut engine = engine();
    for nonce in [NONCE_JUMP_MAX + 1, u64::MAX] {
        let far = terms(Party::Owner, nonce, 10);
        let answer = engine.ask(&engine.desk.commit(Party::Owner, &far, request(nonce)));
        assert_eq!(answer, Answer::Refused(Reject::NonceUsed));
        let answer = engine.ask(&engine.desk.cancel_draft(Party::Owner, &far, CancelForm::Text));
        assert_eq!(answer, Answer::Refused(Reject::NonceUsed));
    }
    let near = terms(Party::Owner, NONCE_JUMP_MAX, 10);
    let answer = engine.ask(&engine.desk.commit(Party::Owner, &near, request(1)));
    assert!(matches!(answer, Answer::Granted(_)));
}

/// Goal: INV-07. An id that was never answered must not be taken for one that was.
#[test]
fn batch_with_one_new_request_id_is_not_the_batch_that_was_answered() {
    let mut engine = engine();
    let first = (Party::Owner, terms(Party::Owner, 0, 10), request(1));
    let second = |id| (Party::Owner, terms(Party::Owner, 1, 10), request(id));
    let batch = engine.desk.commit_all(&[first.clone(), second(2)]);
    assert!(matches!(engine.ask(&batch), Answer::Granted(_)));
    assert!(matches!(engine.ask(&batch), Answer::Repeated(_)));
    let other = engine.desk.commit_all(&[first, second(3)]);
    let answer = engine.ask(&other);
    assert_eq!(answer, Answer::Refused(Reject::RequestIdReused(Field::Batch)));
}

/// Goal: INV-13. Each lock of a batch counts against the rate, the first batch of an owner too.
#[test]
fn batch_cannot_pass_the_rate_limit() {
    let mut policy = scenario::policy();
    (policy.concurrent_max, policy.commands_per_minute_max) = (64, 4);
    let mut engine = Lockstep::new(&policy);
    let part = |n| (Party::Owner, terms(Party::Owner, n, 10), request(n));
    let parts: Vec<_> = (0..5).map(part).collect();
    let limit = Reject::Limit(Limit::Rate, U256::from(4u64));
    let answer = engine.ask(&engine.desk.commit_all(&parts));
    assert_eq!(answer, Answer::Refused(limit));
    let answer = engine.ask(&engine.desk.commit_all(&parts[..3]));
    assert!(matches!(answer, Answer::Granted(_)));
    let answer = engine.ask(&engine.desk.commit_all(&parts[3..]));
    assert_eq!(answer, Answer::Refused(limit));
    engine.at_s(60);
    let answer = engine.ask(&engine.desk.commit_all(&parts[3..]));
    assert!(matches!(answer, Answer::Granted(_)));
}

/// Goal: INV-06. A nonce that falls out of the window while the batch is granted is used; granted,
/// `apply` would take the batch for corruption.
#[test]
fn batch_cannot_use_a_nonce_that_its_own_first_lock_pushes_out_of_the_window() {
    let mut engine = engine();
    let part = |nonce| (Party::Owner, terms(Party::Owner, nonce, 10), request(nonce));
    let answer = engine.ask(&engine.desk.commit_all(&[part(300), part(0)]));
    assert_eq!(answer, Answer::Refused(Reject::NonceUsed));
    let answer = engine.ask(&engine.desk.commit_all(&[part(0), part(300), part(45)]));
    assert!(matches!(answer, Answer::Granted(_)));
}
