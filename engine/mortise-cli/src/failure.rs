//! The failure of a command: a text, an exit code, and the error of the catalogue if there is one.

use mortise_client::{ClientError, Exit};
use mortise_rpc::ErrorObject;
use serde_json::{Value, json};
use std::fmt::Display;

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    text: String,
    error: Option<ErrorObject>,
    evidence: Option<Value>,
    is_printed: bool,
}

impl Failure {
    /// Wrong usage: exit 2.
    pub fn usage(text: impl Display) -> Self {
        let (error, evidence, is_printed) = (None, None, false);
        Self { exit: Exit::Usage, text: text.to_string(), error, evidence, is_printed }
    }

    /// A failed check: exit 1.
    pub fn check(text: impl Display) -> Self {
        Self { exit: Exit::Refused, ..Self::usage(text) }
    }

    /// Adds evidence for programs.
    #[must_use]
    pub fn with_evidence(self, evidence: Value) -> Self {
        Self { evidence: Some(evidence), ..self }
    }

    /// A failed check whose report is already on stdout: JSON stays one document.
    pub fn printed(text: impl Display) -> Self {
        Self { is_printed: true, ..Self::check(text) }
    }

    /// Whether stdout already has the data.
    pub fn is_printed(&self) -> bool {
        self.is_printed
    }

    /// The engine is not ready: exit 4.
    pub fn not_ready(text: impl Display) -> Self {
        Self { exit: Exit::NotReady, ..Self::usage(text) }
    }

    /// An error of the operating system: exit 1.
    pub fn system(error: impl Display) -> Self {
        Self::check(error)
    }

    /// Exit code of the process.
    pub fn exit_code(&self) -> u8 {
        self.exit.code()
    }

    /// The text for people; can have several lines.
    pub fn text(&self) -> String {
        let Some(error) = &self.error else { return self.text.clone() };
        let name = error.text("name").unwrap_or_default();
        let mut text = format!("{name}: {}", error.message);
        for (field, value) in &error.data {
            if !["name", "hint", "retryable"].contains(&field.as_str()) {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                text.push_str(&format!("\n  {field}: {value}"));
            }
        }
        if let Some(hint) = error.text("hint") {
            text.push_str(&format!("\n  next: {hint}"));
        }
        text
    }

    /// The JSON for programs.
    pub fn json(&self) -> Value {
        let mut body = match &self.error {
            Some(error) => json!(error),
            None => json!({"message": self.text}),
        };
        if let Some(evidence) = &self.evidence {
            body["evidence"] = evidence.clone();
        }
        json!({"error": body, "exit": self.exit_code()})
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let (exit, text) = (error.exit(), error.to_string());
        let evidence = match &error {
            ClientError::Contradiction(both) => {
                Some(json!({"kept": both.kept, "shown": both.shown}))
            }
            _ => None,
        };
        let error = match error {
            ClientError::Refused(error) => Some(*error),
            _ => None,
        };
        Self { exit, text, error, evidence, is_printed: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::errors::Code;

    #[test]
    fn reject_shows_its_fields_and_the_next_step() {
        let error = ErrorObject::new(Code::InsufficientAvailable).with("available", "5");
        let failure = Failure::from(ClientError::from(error));
        let text = failure.text();
        assert!(text.starts_with("INSUFFICIENT_AVAILABLE: "), "{text}");
        assert!(
            text.contains("\n  available: 5\n") && text.contains("\n  next: Send the same bytes"),
            "{text}"
        );
        assert!(!text.contains("retryable"));
        assert_eq!(failure.json()["error"]["code"], -32010);
        assert_eq!(failure.exit_code(), 1);
    }

    #[test]
    fn exit_codes_separate_usage_reach_and_readiness() {
        let unreachable =
            ClientError::Unreachable { endpoint: String::new(), reason: String::new() };
        let not_ready = ClientError::from(ErrorObject::not_ready("replaying"));
        let codes = [Failure::usage(""), unreachable.into(), not_ready.into(), Failure::check("")]
            .map(|failure| failure.exit_code());
        assert_eq!(codes, [2, 3, 4, 1]);
    }
}
