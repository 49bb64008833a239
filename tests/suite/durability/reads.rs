//! Reads beside writes: a read opens and closes no frame, waits for no room and never exceeds the
//! bound of frames in flight.

use super::Story;
use mortise_engine::query::{EngineStatus, FindBalance, NewestStatement};
use mortise_format::limits::FRAMES_IN_FLIGHT_MAX;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{coin, request, terms};

fn balance() -> FindBalance {
    FindBalance { owner: Party::Owner.address(), asset: coin() }
}

/// Goal: with a store that is slow, no mixture of commands and reads puts more frames in flight
/// than the bound. Method: nothing is acked while both arrive, in one message and one by one.
#[test]
fn no_mixture_of_commands_and_reads_exceeds_the_frames_in_flight() {
    let mut story = Story::new(60);
    let signer = story.driver.signer();
    let mut tokens = Vec::new();
    for n in 1..=4 * FRAMES_IN_FLIGHT_MAX as u64 {
        let asked = signer.commit(Party::Owner, &terms(Party::Owner, n, 1), request(n + 10));
        tokens.extend(story.driver.ask(&[&asked]));
        tokens.push(story.driver.query(EngineStatus).token);
        tokens.push(story.driver.query(balance()).token);
        tokens.push(story.driver.query(NewestStatement).token);
        let in_flight = story.driver.pipeline().in_flight();
        assert!(in_flight <= FRAMES_IN_FLIGHT_MAX, "{in_flight} frames are in flight");
    }
    story.driver.settle();
    assert!(tokens.iter().all(|token| story.driver.is_answered(*token)));
    assert_eq!(story.driver.pipeline().fault(), None);
}

#[test]
fn reads_make_no_frame_and_split_none() {
    let mut story = Story::new(61);
    let before = story.driver.pipeline().machine().head().next_seq;
    let signer = story.driver.signer();
    let asked: Vec<_> = (1..=40)
        .map(|n| signer.commit(Party::Owner, &terms(Party::Owner, n, 1), request(n + 10)))
        .collect();
    // Each read arrives between two commands of the same message.
    story.driver.ask_between(&asked.iter().collect::<Vec<_>>(), &EngineStatus);
    story.driver.settle();
    let after = story.driver.pipeline().machine().head().next_seq;
    assert_eq!(after - before, 1, "the commands of one message share one frame");
}

/// A read that arrives while no further frame may be shipped is answered with the frames in flight
/// when it arrived, and does not wait for the commands behind them.
#[test]
fn read_does_not_wait_for_room() {
    let mut story = Story::new(62);
    let signer = story.driver.signer();
    for n in 1..=6 {
        let asked = signer.commit(Party::Owner, &terms(Party::Owner, n, 1), request(n + 10));
        story.driver.ask(&[&asked]);
    }
    assert!(story.driver.pipeline().waiting_commands() > 0, "there is no room for these");
    let mut read = story.driver.query(balance());
    assert_eq!(story.driver.pipeline().waiting_queries(), 0);
    let newest = story.driver.pipeline().machine().head().next_seq - 1;
    while !story.driver.is_answered(read.token) {
        assert!(story.driver.step(), "the read is answered");
    }
    let answered = read.take().expect("it is answered").expect("the engine serves");
    assert_eq!(answered.signed.statement.seq, newest);
}
