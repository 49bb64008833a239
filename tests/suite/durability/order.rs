//! Replies and signatures leave in order, after their frame is durable.

use super::{Story, is_not_durable};
use mortise_core::body::ClearBody;
use mortise_engine::api::{NotDone, Reply, Stopped};
use mortise_engine::pipeline::{Fault, Input};
use mortise_engine::ports::ClockError;
use mortise_engine::query::{EngineStatus, FindBalance, FindLock, LockOrDraft};
use mortise_engine::store::Ack;
use mortise_format::limits::FRAMES_IN_FLIGHT_MAX;
use mortise_testkit::driver::Response;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{coin, request, terms};

/// The schedules of these tests; the driver asserts INV-09 on every output of each.
const SEEDS: std::ops::Range<u64> = 1..40;

#[test]
fn no_answer_leaves_before_its_frame_is_acked_in_any_order_of_events() {
    for seed in SEEDS {
        let mut story = Story::new(seed);
        let signer = story.driver.signer();
        let mut tokens = Vec::new();
        for n in 1..6 {
            let asked = signer.commit(Party::Owner, &terms(Party::Owner, n, 1), request(n + 10));
            tokens.extend(story.driver.ask(&[&asked]));
            let (owner, asset) = (Party::Owner.address(), coin());
            tokens.push(story.driver.query(FindBalance { owner, asset }).token);
            for _ in 0..story.driver.rng.below(4) {
                story.driver.step();
            }
        }
        story.driver.settle();
        assert!(tokens.iter().all(|token| story.driver.is_answered(*token)));
    }
}

#[test]
fn answer_waits_for_both_the_ack_and_the_signature() {
    let mut story = Story::new(50);
    let token = story.ask_second();
    assert!(story.driver.step_sign());
    assert!(!story.driver.replies.contains_key(&token), "signed and not acked");
    let mut story = Story::new(51);
    let token = story.ask_second();
    let frame = story.driver.take_ship().expect("it is on its way");
    story.driver.disk.write(&frame);
    story.driver.disk.sync();
    let (seq, digest) = (frame.header().seq, frame.digest());
    story.driver.handle(Input::Acked(Ack { seq, digest }));
    assert!(!story.driver.replies.contains_key(&token), "acked and not signed");
    assert!(story.driver.step_sign());
    assert!(matches!(story.driver.replies.get(&token), Some(Ok(Reply::Logged(..)))));
}

#[test]
fn read_after_a_write_waits_for_the_write() {
    let mut story = Story::new(52);
    story.ask_second();
    let lock_id = story.driver.signer().lock_id(&terms(Party::Owner, 1, 200));
    let mut read = story.driver.query(FindLock(lock_id));
    let refused = story.driver.signer().release(Party::Owner, lock_id, request(9));
    let refused = story.driver.ask(&[&refused])[0];
    assert!(read.take().is_none(), "it reads state that a crash can undo");
    assert!(
        !story.driver.replies.contains_key(&refused),
        "it depends on state that a crash can undo"
    );
    story.driver.settle();
    let found = read.take().expect("it is answered").expect("the engine serves").answer;
    assert!(matches!(found, Some(LockOrDraft::Lock(_))));
    assert!(matches!(story.driver.replies.get(&refused), Some(Err(NotDone::Refused(_)))));
}

#[test]
fn at_a_fault_every_waiting_caller_learns_that_the_outcome_is_unknown() {
    let mut story = Story::new(53);
    let write = story.ask_second();
    let mut read = story.driver.query(EngineStatus);
    story.driver.handle(Input::StoreFailed);
    assert!(is_not_durable(story.driver.replies.get(&write)));
    assert!(matches!(read.take(), Some(Err(Stopped::NotDurable))));
    assert_eq!(story.driver.pipeline().fault(), Some(Fault::ShipUnknown));
}

#[test]
fn without_trusted_time_every_request_is_refused() {
    let mut story = Story::new(57);
    let write = story.ask_second();
    let error = ClockError::Stale { age_ms: 60_001 };
    story.driver.handle(Input::ClockFailed(error));
    assert!(is_not_durable(story.driver.replies.get(&write)));
    assert_eq!(story.driver.pipeline().fault(), Some(Fault::Clock(error)));
    let mut late = story.driver.query(EngineStatus);
    assert!(matches!(late.take(), Some(Err(Stopped::Fault))));
}

#[test]
fn repeated_or_unexpected_ack_is_a_fault() {
    let mut story = Story::new(54);
    story.driver.ack_again();
    assert!(matches!(story.driver.pipeline().fault(), Some(Fault::AckOrder { .. })));
    let mut story = Story::new(55);
    story.ask_second();
    story.driver.ack_again();
    assert!(matches!(story.driver.pipeline().fault(), Some(Fault::AckOrder { .. })));
}

#[test]
fn frames_in_flight_stay_within_the_limit() {
    let mut story = Story::new(56);
    let signer = story.driver.signer();
    let asked: Vec<_> = (0..FRAMES_IN_FLIGHT_MAX as u64 * 300)
        .map(|n| {
            signer.release(Party::Beneficiary, mortise_format::ids::LockId([1; 32]), request(n))
        })
        .collect();
    for chunk in asked.chunks(300) {
        let good = signer.commit(
            Party::OtherOwner,
            &terms(Party::OtherOwner, story.driver.now_ms % 250, 1),
            request(story.driver.now_ms),
        );
        story.driver.now_ms += 1;
        let mut work = vec![&good];
        work.extend(chunk);
        story.driver.ask(&work);
        assert!(story.driver.pipeline().in_flight() <= FRAMES_IN_FLIGHT_MAX);
    }
    story.driver.settle();
    assert!(story.driver.pipeline().is_idle());
}

#[test]
fn each_statement_is_in_exactly_one_later_frame() {
    let mut story = Story::new(57);
    let signer = story.driver.signer();
    for n in 1..5 {
        let asked = signer.commit(Party::Owner, &terms(Party::Owner, n, 1), request(n + 10));
        drop(story.driver.answer(&asked));
        if n == 3 {
            story.driver.restart();
        }
    }
    let mut carried = Vec::new();
    for frame in story.driver.disk.frames() {
        let clear = ClearBody::of(&frame).expect("a clear body decodes");
        for signed in &clear.statements {
            let seq = signed.statement.seq;
            assert!(seq < frame.header().seq);
            carried.push(seq);
        }
    }
    let expected: Vec<u64> = (0..).take(carried.len()).collect();
    assert_eq!(carried, expected, "in order, each once");
    assert!(carried.len() + 1 >= story.driver.disk.frames().len());
}

/// Goal: INV-12. The engine cannot detect that the host lost an acked frame. Any caller that kept
/// an answer can: it holds two signed statements about one size of the history.
#[test]
fn loss_of_an_acked_frame_is_proven_by_an_answer_about_it() {
    let mut story = Story::new(58);
    story.ask_second();
    story.driver.ack_without_storing();
    story.driver.settle();
    let replies = story.driver.replies.values();
    let lost = replies.filter(|r| matches!(r, Ok(Reply::Logged(..)))).map(Response::of);
    let lost = lost.max_by_key(Response::seq).expect("it was answered");
    story.driver.crash(0);
    story.driver.host_lies = false;
    story.driver.now_ms += 1000;
    story.driver.boot().expect("the log follows");
    story.driver.settle();
    let fork = story.driver.statement(lost.seq()).expect("another frame has its seq");
    let (old, new) = (&lost.signed.statement, &fork.statement);
    assert_eq!((old.engine_id, old.history_size), (new.engine_id, new.history_size));
    assert_ne!(old.history_root, new.history_root);
    let engine = story.driver.identity().signer.address();
    for signed in [&lost.signed, fork] {
        let digest = signed.statement.digest();
        assert_eq!(mortise_format::secp256k1::recover(&digest, &signed.signature), Ok(engine));
    }
}
