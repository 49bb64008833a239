//! Engines whose word binds nobody: debug mode, emulated modules.
//!
//! What it is for: every command that speaks to such an engine says so, loudly, to people and to
//! programs (`mode`); one that would ask it for a promise stops before anything is sent, unless it
//! is named.
//!
//! What it does not do: believe the engine. One that hides its mode is found by the mark of its
//! promises, which the client refuses; one that has neither is found by its attestation.

use crate::failure::Failure;
use crate::output::Output;
use mortise_client::{Client, Endpoint, RetryPolicy};
use mortise_format::insecure_mode::InsecureMode;
use std::time::Duration;

/// How long an engine may take to say its mode.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What the engine at an endpoint admits about itself; `None` also when it does not answer, which
/// the command finds out by itself.
pub async fn admitted(endpoint: Endpoint) -> Option<InsecureMode> {
    let retry = RetryPolicy { answer_max: ANSWER_MAX, ..RetryPolicy::once() };
    let health = Client::new(endpoint).with_retry(retry).health().await.ok()?;
    InsecureMode::of_mode(&health.mode)
}

/// Says it to people.
pub fn announce(insecure_mode: Option<InsecureMode>, output: &Output) {
    if let Some(insecure_mode) = insecure_mode {
        output.note(engine_warning(insecure_mode));
    }
}

/// What an engine that every verifier refuses must not be taken for.
fn engine_warning(insecure_mode: InsecureMode) -> &'static str {
    match insecure_mode {
        InsecureMode::Debug => {
            "*** DEBUG MODE: this engine's parent can read it; its measurements are zero, the key \
             service and every verifier refuse it, and what it promises binds nobody"
        }
        InsecureMode::Emulated => {
            "*** EMULATED MODULE: this engine's documents are unsigned, every verifier refuses \
             them, and what it promises binds nobody"
        }
    }
}

/// What is said of a promise that was checked.
pub fn promise_note(mark: Option<InsecureMode>, checked: &str) -> String {
    match mark {
        None => checked.to_owned(),
        Some(InsecureMode::Debug) => format!("*** DEBUG MODE: {checked}, and it BINDS NOBODY"),
        Some(InsecureMode::Emulated) => {
            format!("*** EMULATED MODULE: {checked}, and it BINDS NOBODY")
        }
    }
}

/// The line of a marked promise among its fields.
pub fn line(mark: Option<InsecureMode>) -> Option<(&'static str, String)> {
    mark.map(|mark| ("mode", format!("{mark} - binds nobody")))
}

/// Whether a promise may be asked for.
///
/// # Errors
/// A failed check: the engine admits a insecure_mode that the caller did not name.
pub fn check(admitted: Option<InsecureMode>, named: Option<InsecureMode>) -> Result<(), Failure> {
    match admitted {
        Some(insecure_mode) if named != Some(insecure_mode) => Err(Failure::check(format!(
            "what this engine promises binds nobody, and nothing was sent\n  next: ask an engine \
             that is attested; to try this one all the same, say --allow-mode {insecure_mode}"
        ))),
        _ => Ok(()),
    }
}

/// A mode that can be named.
pub fn named(text: &str) -> Result<InsecureMode, String> {
    let all = InsecureMode::ALL.map(InsecureMode::name).join(", ");
    InsecureMode::of_mode(text).ok_or_else(|| format!("one of {all}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_whose_documents_are_refused_is_announced_loudly() {
        assert!(engine_warning(InsecureMode::Debug).starts_with("*** DEBUG MODE"));
        assert!(engine_warning(InsecureMode::Emulated).contains("unsigned"));
        for insecure_mode in InsecureMode::ALL {
            assert!(engine_warning(insecure_mode).contains("binds nobody"));
            assert!(promise_note(Some(insecure_mode), "checked").starts_with("*** "));
        }
        assert_eq!(promise_note(None, "checked"), "checked");
    }

    #[test]
    fn promise_of_such_an_engine_is_asked_for_by_the_name_of_its_very_mode() {
        let (debug, emulated) = (Some(InsecureMode::Debug), Some(InsecureMode::Emulated));
        for named in [None, emulated] {
            let failure = check(debug, named).unwrap_err();
            assert_eq!(failure.exit_code(), 1);
            assert!(failure.text().contains("--allow-mode debug"), "{}", failure.text());
        }
        assert!(check(debug, debug).is_ok() && check(None, debug).is_ok());
        assert_eq!(
            (named("emulated"), named("attested").is_err()),
            (Ok(InsecureMode::Emulated), true)
        );
    }
}
