//! Core and model on every answer.

use super::over_sequences;

/// Goal: no sequence of commands and times makes core and model disagree, and every aggregate of
/// the state is what `State::check` recomputes.
#[test]
fn core_and_model_agree_on_every_answer() {
    over_sequences(24, true, |_, _, _, _| {});
}
