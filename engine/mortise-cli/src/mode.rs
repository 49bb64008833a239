//! Insecure engines: debug mode, emulated modules. Their promises bind no one.
//!
//! What it is for: every command that connects to such an engine warns people and marks its output
//! for programs (`mode`). A command that would request a promise stops before it sends anything,
//! unless the caller allows the mode.
//!
//! What it does not do: trust the engine. If it hides its mode, the insecure mode in its promises
//! shows it, and the client refuses them; if it has neither, its attestation shows it.

use crate::failure::Failure;
use crate::output::Output;
use mortise_client::{Client, Endpoint, RetryPolicy};
use mortise_format::insecure_mode::InsecureMode;
use std::time::Duration;

/// Timeout of the question for the mode.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The insecure mode that the engine at an endpoint reports; `None` also if it does not answer,
/// which the command itself then reports.
pub async fn reported(endpoint: Endpoint) -> Option<InsecureMode> {
    let retry = RetryPolicy { answer_max: ANSWER_MAX, ..RetryPolicy::once() };
    let health = Client::new(endpoint).with_retry(retry).health().await.ok()?;
    InsecureMode::of_mode(&health.mode)
}

/// Warns people.
pub fn warn(insecure_mode: Option<InsecureMode>, output: &Output) {
    if let Some(insecure_mode) = insecure_mode {
        output.note(engine_warning(insecure_mode));
    }
}

fn engine_warning(insecure_mode: InsecureMode) -> &'static str {
    match insecure_mode {
        InsecureMode::Debug => {
            "*** DEBUG MODE: the parent can read this engine. Its measurements are zero, the key \
             service and every verifier refuse it, and its promises bind no one."
        }
        InsecureMode::Emulated => {
            "*** EMULATED MODULE: the documents of this engine are unsigned. Every verifier \
             refuses \
             them, and its promises bind no one."
        }
    }
}

/// The note about a checked promise.
pub fn promise_note(mode: Option<InsecureMode>, checked: &str) -> String {
    match mode {
        None => format!("Verified: {checked}."),
        Some(InsecureMode::Debug) => {
            format!("*** DEBUG MODE: checked ({checked}), but this promise BINDS NO ONE.")
        }
        Some(InsecureMode::Emulated) => {
            format!("*** EMULATED MODULE: checked ({checked}), but this promise BINDS NO ONE.")
        }
    }
}

/// The line of an insecure promise among its fields.
pub fn line(mode: Option<InsecureMode>) -> Option<(&'static str, String)> {
    mode.map(|mode| ("mode", format!("{mode} - binds no one")))
}

/// Refuses to request a promise from an insecure engine.
///
/// # Errors
/// A failed check: the engine reports an insecure mode that the caller does not allow.
pub fn check(reported: Option<InsecureMode>, allowed: Option<InsecureMode>) -> Result<(), Failure> {
    match reported {
        Some(insecure_mode) if allowed != Some(insecure_mode) => Err(Failure::check(format!(
            "promises of this engine bind no one; nothing was sent\n  next: use an attested \
             engine, \
             or try this one with --allow-insecure {insecure_mode}"
        ))),
        _ => Ok(()),
    }
}

/// An insecure mode by its name.
///
/// # Errors
/// Lists the valid names.
pub fn named(text: &str) -> Result<InsecureMode, String> {
    let all = InsecureMode::ALL.map(InsecureMode::name).join(", ");
    InsecureMode::of_mode(text).ok_or_else(|| format!("one of {all}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warning_about_an_insecure_engine_starts_with_its_mode() {
        assert!(engine_warning(InsecureMode::Debug).starts_with("*** DEBUG MODE"));
        assert!(engine_warning(InsecureMode::Emulated).contains("unsigned"));
        for insecure_mode in InsecureMode::ALL {
            assert!(engine_warning(insecure_mode).contains("bind no one"));
            assert!(promise_note(Some(insecure_mode), "checked").starts_with("*** "));
        }
        assert_eq!(promise_note(None, "these terms"), "Verified: these terms.");
    }

    #[test]
    fn promise_of_an_insecure_engine_needs_the_name_of_its_mode() {
        let (debug, emulated) = (Some(InsecureMode::Debug), Some(InsecureMode::Emulated));
        for named in [None, emulated] {
            let failure = check(debug, named).unwrap_err();
            assert_eq!(failure.exit_code(), 1);
            assert!(failure.text().contains("--allow-insecure debug"), "{}", failure.text());
        }
        assert!(check(debug, debug).is_ok() && check(None, debug).is_ok());
        assert_eq!(
            (named("emulated"), named("attested").is_err()),
            (Ok(InsecureMode::Emulated), true)
        );
    }
}
