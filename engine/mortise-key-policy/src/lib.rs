//! Key policies: read, evaluated, judged, written. Pure: no clock, no file, no socket.
//!
//! What it is for: the local KMS decides with [`evaluate()`]; `mortise key-policy aws` writes with
//! [`mod@compose`]; `mortise key-policy lint` judges with [`lint()`]. All read a policy with one
//! parser, so that what the linter praises is what the service enforces.
//!
//! What it does not do: know IAM policies of a real account, service control policies, grants. A
//! clean lint speaks of the one document that it read.
//!
//! Invariants: nothing of a document is dropped while reading (a key twice is refused); what the
//! evaluator does not know never allows and always denies; what the linter does not know is
//! assumed to help the attacker.

pub mod compose;
mod condition;
mod document;
mod evaluate;
mod json;
mod lint;

pub use condition::{Fact, Truth};
pub use document::{
    Condition, DocumentError, Effect, POLICY_BYTES_MAX, Patterns, PolicyDocument, Principals,
    Statement,
};
pub use evaluate::{Access, Caller, Decision, Facts, evaluate};
pub use lint::{Admission, Finding, Severity, admits, lint};
