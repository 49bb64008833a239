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
use mortise_format::weakness::Weakness;
use std::time::Duration;

/// How long an engine may take to say its mode.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What the engine at an endpoint admits about itself; `None` also when it does not answer, which
/// the command finds out by itself.
pub async fn admitted(endpoint: Endpoint) -> Option<Weakness> {
    let retry = RetryPolicy { answer_max: ANSWER_MAX, ..RetryPolicy::once() };
    let health = Client::new(endpoint).with_retry(retry).health().await.ok()?;
    Weakness::of_mode(&health.mode)
}

/// Says it to people.
pub fn announce(weakness: Option<Weakness>, output: &Output) {
    if let Some(weakness) = weakness {
        output.note(engine_warning(weakness));
    }
}

/// What an engine that every verifier refuses must not be taken for.
fn engine_warning(weakness: Weakness) -> &'static str {
    match weakness {
        Weakness::Debug => {
            "*** DEBUG MODE: this engine's parent can read it; its measurements are zero, the key \
             service and every verifier refuse it, and what it promises binds nobody"
        }
        Weakness::Emulated => {
            "*** EMULATED MODULE: this engine's documents are unsigned, every verifier refuses \
             them, and what it promises binds nobody"
        }
    }
}

/// What is said of a promise that was checked.
pub fn promise_note(mark: Option<Weakness>, checked: &str) -> String {
    match mark {
        None => checked.to_owned(),
        Some(Weakness::Debug) => format!("*** DEBUG MODE: {checked}, and it BINDS NOBODY"),
        Some(Weakness::Emulated) => format!("*** EMULATED MODULE: {checked}, and it BINDS NOBODY"),
    }
}

/// The line of a marked promise among its fields.
pub fn line(mark: Option<Weakness>) -> Option<(&'static str, String)> {
    mark.map(|mark| ("mode", format!("{mark} - binds nobody")))
}

/// Whether a promise may be asked for.
///
/// # Errors
/// A failed check: the engine admits a weakness that the caller did not name.
pub fn check(admitted: Option<Weakness>, named: Option<Weakness>) -> Result<(), Failure> {
    match admitted {
        Some(weakness) if named != Some(weakness) => Err(Failure::check(format!(
            "what this engine promises binds nobody, and nothing was sent\n  next: ask an engine \
             that is attested; to try this one all the same, say --allow-mode {weakness}"
        ))),
        _ => Ok(()),
    }
}

/// A mode that can be named.
pub fn named(text: &str) -> Result<Weakness, String> {
    let all = Weakness::ALL.map(Weakness::name).join(", ");
    Weakness::of_mode(text).ok_or_else(|| format!("one of {all}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_whose_documents_are_refused_is_announced_loudly() {
        assert!(engine_warning(Weakness::Debug).starts_with("*** DEBUG MODE"));
        assert!(engine_warning(Weakness::Emulated).contains("unsigned"));
        for weakness in Weakness::ALL {
            assert!(engine_warning(weakness).contains("binds nobody"));
            assert!(promise_note(Some(weakness), "checked").starts_with("*** "));
        }
        assert_eq!(promise_note(None, "checked"), "checked");
    }

    #[test]
    fn promise_of_such_an_engine_is_asked_for_by_the_name_of_its_very_mode() {
        let (debug, emulated) = (Some(Weakness::Debug), Some(Weakness::Emulated));
        for named in [None, emulated] {
            let failure = check(debug, named).unwrap_err();
            assert_eq!(failure.exit_code(), 1);
            assert!(failure.text().contains("--allow-mode debug"), "{}", failure.text());
        }
        assert!(check(debug, debug).is_ok() && check(None, debug).is_ok());
        assert_eq!((named("emulated"), named("attested").is_err()), (Ok(Weakness::Emulated), true));
    }
}
