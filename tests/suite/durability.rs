//! Goal: every failure has its stated outcome, whether the failed operation took effect or not
//! (INV-09).
//!
//! Method: each cell of the table runs the same story. A lock is durable and answered, a second one
//! is requested, something fails, the engine starts again. In every cell the first lock is in the
//! state, the roots are the signed ones, and the first request gets the same bytes again. The cell
//! states whether the second lock exists and how the start ends.
//!
//! The table is data here. `specs/durability-and-recovery.md` has the same table, and a test
//! compares them.

mod cells;
mod lease;
mod order;
mod reads;
mod snapshots;
mod table;
mod witnessed;

use mortise_engine::api::{NotDone, Replied, Stopped};
use mortise_engine::pipeline::Settings;
use mortise_testkit::driver::{Driver, Response};
use mortise_testkit::keys::{Asked, Party};
use mortise_testkit::scenario::{request, terms};
use mortise_testkit::witness::Bench;

/// An engine with one lock that was answered.
struct Story {
    driver: Driver,
    first: Asked,
    first_answer: Response,
    second: Asked,
}

impl Story {
    fn new(seed: u64) -> Self {
        Self::of(Driver::booted(seed))
    }

    /// The same under three witnesses with a quorum of two.
    fn witnessed(seed: u64) -> Self {
        let mut driver = Driver::witnessed(seed, Settings::default(), &Bench::new(3), 2, 0);
        driver.boot().expect("an empty disk boots");
        driver.settle();
        Self::of(driver)
    }

    fn of(mut driver: Driver) -> Self {
        let signer = driver.signer();
        let first = signer.commit(Party::Owner, &terms(Party::Owner, 0, 100), request(1));
        let first_answer = Response::of(&driver.answer(&first));
        let second = signer.commit(Party::Owner, &terms(Party::Owner, 1, 200), request(2));
        Self { driver, first, first_answer, second }
    }

    /// The answer to the first request, sent again.
    fn repeat_first(&mut self) -> Response {
        let first = self.first.clone();
        Response::of(&self.driver.answer(&first))
    }

    /// Requests the second lock and stops before anything is written.
    fn ask_second(&mut self) -> u64 {
        let second = self.second.clone();
        let token = self.driver.ask(&[&second])[0];
        assert!(self.driver.has_ship(), "the second lock is on its way");
        assert!(!self.driver.replies.contains_key(&token), "an answer left before its ack");
        token
    }

    /// Requests the second lock and stops when its frame is durable and signed but seen by no
    /// witness.
    fn second_unwitnessed(&mut self) -> u64 {
        let token = self.ask_second();
        self.driver.settle_but_witnesses();
        assert!(self.driver.has_head(), "a durable frame waits for witnesses");
        assert!(
            !self.driver.replies.contains_key(&token),
            "an answer left before its cosignatures"
        );
        token
    }

    /// True when the second lock is in the state.
    fn has_second(&self) -> bool {
        let id = self.driver.signer().lock_id(&terms(Party::Owner, 1, 200));
        self.driver.pipeline().machine().state().lock(&id).is_some()
    }
}

/// True if the answer leaves the outcome unknown.
fn is_not_durable(reply: Option<&Replied>) -> bool {
    matches!(reply, Some(Err(NotDone::Stopped(Stopped::NotDurable))))
}
