//! Durability `witnessed`: the order of release, fencing, and the power of faulty witnesses.

use super::{Story, is_not_durable};
use mortise_core::promise::Promise;
use mortise_engine::api::{NotDone, Replied, Reply, Stopped};
use mortise_engine::boot::BootError;
use mortise_engine::pipeline::{Fault, Settings};
use mortise_engine::witness::WitnessReject;
use mortise_format::lock::Durability;
use mortise_testkit::driver::{Driver, Response};
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{request, terms};
use mortise_testkit::witness::{Bench, WitnessBehaviour};

/// A serving engine with a quorum of `min` of `count` witnesses, of which `faulty` may lie.
pub(super) fn booted(bench: &Bench, min: u32, faulty: u32) -> Driver {
    let mut driver = Driver::witnessed(7, Settings::default(), bench, min, faulty);
    driver.boot().expect("an empty disk boots");
    driver.settle();
    driver
}

pub(super) fn commit(driver: &mut Driver, nonce: u64) -> Replied {
    let terms = terms(Party::Owner, nonce, 100);
    let asked = driver.signer().commit(Party::Owner, &terms, request(nonce + 1));
    driver.answer(&asked)
}

#[test]
fn answer_that_is_acked_and_signed_but_not_witnessed_does_not_leave() {
    for seed in 1..20 {
        let mut story = Story::witnessed(seed);
        let token = story.second_unwitnessed();
        assert!(story.driver.pipeline().in_flight() > 0);
        story.driver.ask_witnesses();
        story.driver.settle();
        assert!(matches!(story.driver.replies.get(&token), Some(Ok(Reply::Logged(..)))));
    }
}

#[test]
fn engine_serves_nothing_before_its_boot_frame_is_witnessed() {
    let mut driver = Driver::witnessed(3, Settings::default(), &Bench::new(3), 2, 0);
    driver.boot().expect("an empty disk boots");
    driver.settle_but_witnesses();
    assert!(driver.has_head() && !driver.pipeline().is_open());
    driver.settle();
    assert!(driver.pipeline().is_open());
}

/// Goal: FAULTS D1. A clock that is a day ahead at a boot is refused by the witnesses' time, and
/// nothing is written.
#[test]
fn boot_with_a_clock_that_witnesses_dispute_writes_nothing() {
    let bench = Bench::new(3);
    let mut driver = booted(&bench, 2, 0);
    assert!(matches!(commit(&mut driver, 0), Ok(Reply::Logged(..))));
    driver.crash(0);
    let frames = driver.disk.frames().len();
    driver.now_ms += 24 * 3600 * 1000;
    (0..3).for_each(|member| bench.set_ahead(member, -24 * 3600));
    let refused = driver.boot().expect_err("the witnesses have another day");
    assert_eq!(refused.name(), "CLOCK_DISPUTED", "{refused}");
    assert_eq!(driver.disk.frames().len(), frames);
    // A pause that was real: the witnesses agree.
    (0..3).for_each(|member| bench.set_ahead(member, 0));
    driver.boot().expect("both clocks agree");
}

#[test]
fn commitments_say_witnessed_live_and_from_the_log() {
    let mut story = Story::witnessed(5);
    let first = story.first.clone();
    let durability = |reply: &Replied| match reply {
        Ok(Reply::Logged(frame, index)) => match &frame.promises(*index)[0].0 {
            Promise::Commitment(commitment) => commitment.durability,
            Promise::Outcome(outcome) => outcome.durability,
        },
        other => panic!("no answer of the log: {other:?}"),
    };
    let live = story.driver.answer(&first);
    assert_eq!(durability(&live), Durability::Witnessed);
    story.driver.restart();
    let recalled = story.driver.answer(&first);
    assert_eq!(durability(&recalled), Durability::Witnessed);
    assert_eq!(Response::of(&live), Response::of(&recalled), "byte for byte");
    assert_eq!(Response::of(&live), story.first_answer);
}

#[test]
fn of_two_live_engines_on_one_log_only_the_newer_can_ack() {
    let bench = Bench::new(3);
    let mut first = booted(&bench, 2, 0);
    assert!(matches!(commit(&mut first, 0), Ok(Reply::Logged(..))));
    let mut second = first.beside(first.disk.copy(), 99);
    second.boot().expect("a copy of the newest log boots");
    second.settle();
    assert!(matches!(commit(&mut second, 1), Ok(Reply::Logged(..))));
    let refused = commit(&mut first, 1);
    assert!(is_not_durable(Some(&refused)), "{refused:?}");
    let fault = first.pipeline().fault();
    assert!(matches!(fault, Some(Fault::WitnessAhead { .. } | Fault::WitnessFork)), "{fault:?}");
    assert!(
        matches!(commit(&mut first, 2), Err(NotDone::Stopped(Stopped::Fault))),
        "it answers with the fault"
    );
    assert!(matches!(commit(&mut second, 2), Ok(Reply::Logged(..))), "the newer engine serves");
    first.crash(0);
    let again = first.boot().expect_err("a restart does not help");
    assert!(matches!(again, BootError::Witness { .. }), "{again}");
}

/// Two copies boot at the same time: their boot frames have the same size, and one is cosigned.
#[test]
fn of_two_copies_that_boot_together_only_one_serves() {
    let bench = Bench::new(3);
    let mut first = booted(&bench, 2, 0);
    first.crash(0);
    let mut second = first.beside(first.disk.copy(), 99);
    first.boot().expect("it follows");
    second.boot().expect("it follows");
    first.settle();
    second.settle();
    assert_eq!(first.pipeline().fault(), None);
    assert_eq!(second.pipeline().fault(), Some(Fault::WitnessFork));
    assert!(first.pipeline().is_open() && !second.pipeline().is_open());
}

#[test]
fn silent_witnesses_beyond_the_quorum_do_not_matter() {
    let bench = Bench::new(3);
    let mut driver = booted(&bench, 2, 0);
    bench.set(1, WitnessBehaviour::Cut);
    assert!(matches!(commit(&mut driver, 0), Ok(Reply::Logged(..))));
    // It returns and another one fails: the consistency path covers what it missed.
    bench.set(1, WitnessBehaviour::Open);
    bench.set(0, WitnessBehaviour::Cut);
    assert!(matches!(commit(&mut driver, 1), Ok(Reply::Logged(..))));
}

#[test]
fn faulty_witnesses_alone_neither_stop_an_engine_nor_let_an_old_copy_start() {
    let bench = Bench::new(4);
    let mut driver = booted(&bench, 3, 1);
    let old = driver.disk.copy();
    for (nonce, lie) in (0..).zip([
        WitnessBehaviour::SaysAhead(1 << 40),
        WitnessBehaviour::SaysFork,
        WitnessBehaviour::SaysAhead(0),
    ]) {
        bench.set(2, lie);
        assert!(matches!(commit(&mut driver, nonce), Ok(Reply::Logged(..))), "{lie:?}");
    }
    bench.set(2, WitnessBehaviour::Open);
    assert!(matches!(commit(&mut driver, 3), Ok(Reply::Logged(..))));
    driver.crash(0);
    // The faulty witness lost its state; the other three did not.
    bench.forget(2);
    let mut stale = driver.beside(old, 99);
    let refused = stale.boot().expect_err("an old copy does not start");
    assert!(matches!(refused, BootError::Witness { refusal: WitnessReject::Ahead { .. }, .. }));
    assert_eq!(refused.name(), "WITNESS_AHEAD");
}

#[test]
fn engine_stops_if_fewer_witnesses_than_a_quorum_agree() {
    let bench = Bench::new(4);
    let mut driver = booted(&bench, 3, 1);
    bench.set(0, WitnessBehaviour::SaysFork);
    bench.set(3, WitnessBehaviour::SaysFork);
    let refused = commit(&mut driver, 0);
    assert!(is_not_durable(Some(&refused)), "{refused:?}");
    assert_eq!(driver.pipeline().fault(), Some(Fault::WitnessFork));
}
