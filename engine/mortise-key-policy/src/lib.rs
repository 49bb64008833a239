//! Parses, evaluates, lints and writes key policies. Pure: no clock, no file, no socket.
//!
//! What it is for: the local KMS decides with [`evaluate()`]; `mortise key-policy aws` writes with
//! [`mod@compose`]; `mortise key-policy lint` checks with [`lint()`]. All use one parser, so the
//! linter checks the same policy that the local KMS enforces.
//!
//! What it does not do: know the IAM policies of a real account, service control policies or
//! grants. A clean lint covers only the one document.
//!
//! Invariants: the parser drops nothing (it refuses a repeated key); the evaluator never allows
//! because of an unknown condition, and denies because of one; the linter assumes that an unknown
//! condition helps the attacker.

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
pub use lint::{Admission, Finding, NOT_LOOKED_AT, Severity, admits, image_findings, lint};
