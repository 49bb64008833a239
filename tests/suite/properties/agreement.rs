//! Core and model on every answer.

use super::over_sequences;

/// Goal: core and model agree after every sequence of commands and times, and every aggregate of
/// the state equals what `State::check` recomputes.
#[test]
fn core_and_model_agree_on_every_answer() {
    over_sequences(24, true, |_, _, _, _| {});
}
