//! What is granted and what is refused: every command, every refusal of the ladders.

mod grants;

use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::scenario;

/// An engine under the rules of the tests.
fn engine() -> Lockstep {
    Lockstep::new(&scenario::policy())
}
