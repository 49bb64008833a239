//! Every failure twice: it did not happen, and it did (INV-09).
//!
//! The cells of the table are values here; `specs/durability-and-recovery.md` repeats them, and a
//! test holds the two equal. Each cell runs the same story: a lock is durable and answered, a
//! second one is asked for, something fails, the engine starts again. In every cell the first lock
//! is there, roots are those that were signed, and the first request is answered with the same
//! bytes; the cell says what became of the second and what the start says.

mod cells;
mod order;
mod snapshots;
mod table;
mod witnessed;

use mortise_engine::api::Reply;
use mortise_engine::pipeline::Settings;
use mortise_testkit::driver::{Driver, Response};
use mortise_testkit::keys::{Asked, Party};
use mortise_testkit::scenario::{request, terms};
use mortise_testkit::witness::Bench;

/// An engine with one lock that was answered.
struct Story {
    driver: Driver,
    first: Asked,
    said: Response,
    second: Asked,
}

impl Story {
    fn new(seed: u64) -> Self {
        Self::of(Driver::booted(seed))
    }

    /// The same under three witnesses of which two must cosign.
    fn witnessed(seed: u64) -> Self {
        let mut driver = Driver::witnessed(seed, Settings::default(), &Bench::new(3), 2, 0);
        driver.boot().expect("an empty disk boots");
        driver.settle();
        Self::of(driver)
    }

    fn of(mut driver: Driver) -> Self {
        let signer = driver.signer();
        let first = signer.commit(Party::Owner, &terms(Party::Owner, 0, 100), request(1));
        let said = Response::of(&driver.answer(&first));
        let second = signer.commit(Party::Owner, &terms(Party::Owner, 1, 200), request(2));
        Self { driver, first, said, second }
    }

    /// What the engine says to the first request when it is asked again.
    fn repeat_first(&mut self) -> Response {
        let first = self.first.clone();
        Response::of(&self.driver.answer(&first))
    }

    /// Asks for the second lock and stops before anything is written.
    fn ask_second(&mut self) -> u64 {
        let second = self.second.clone();
        let token = self.driver.ask(&[&second])[0];
        assert!(self.driver.has_ship(), "the second lock is on its way");
        assert!(!self.driver.replies.contains_key(&token), "an answer left before its ack");
        token
    }

    /// Asks for the second lock and stops when its frame is durable and signed, and no witness has
    /// seen it.
    fn second_unwitnessed(&mut self) -> u64 {
        let token = self.ask_second();
        self.driver.settle_but_witnesses();
        assert!(self.driver.has_head(), "a durable frame waits for witnesses");
        assert!(!self.driver.replies.contains_key(&token), "an answer left before its witnesses");
        token
    }

    /// True when the second lock is in the state.
    fn has_second(&self) -> bool {
        let id = self.driver.signer().lock_id(&terms(Party::Owner, 1, 200));
        self.driver.pipeline().machine().state().lock(&id).is_some()
    }
}

/// True for an answer that says that nothing is known.
fn is_not_durable(reply: Option<&Reply>) -> bool {
    matches!(reply, Some(Reply::NotDurable))
}
