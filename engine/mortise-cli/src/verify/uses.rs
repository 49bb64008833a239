//! Which trust anchors each offline command uses: one table for the code, the page and the tests.
//!
//! Invariants: an anchor of the file is used, or the command refuses the file, or the verdict names
//! the anchor as unused here. A flag that a command has no use for is wrong usage, by clap.

use super::verdict::Rendered;
use crate::anchors::Anchors;
use std::fmt::Write as _;

/// What a command does with an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Compares it. Another value than that of the evidence fails under this name.
    Checked(&'static str),
    /// The same, when the command has what the anchor is about.
    When(Condition, &'static str),
    /// Nothing: the verdict lists it as unused.
    Unused,
}

/// What an anchor needs to be of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// A checkpoint or a tlog-proof among the flags.
    Checkpoint,
    /// Witnesses in the file or the flags.
    Witnesses,
    /// A lease in an attestation.
    Lease,
    /// An answer that names the keys that the document binds.
    Answer,
}

impl Condition {
    fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "a checkpoint",
            Self::Witnesses => "witnesses",
            Self::Lease => "a lease",
            Self::Answer => "a whole answer",
        }
    }
}

/// The offline commands that read an anchors file, in the order of the columns.
pub const COMMANDS: [&str; 8] =
    ["attestation", "receipt", "proof", "root", "freshness", "commitment", "fork", "audit"];

const SIGNER: Use = Use::Checked("Signer");
const ENGINE: Use = Use::Checked("EngineId");
const POLICY: Use = Use::Checked("policy");
const FORK: Use = Use::Checked("Fork");
const NO: Use = Use::Unused;

const fn checkpoint(name: &'static str) -> Use {
    Use::When(Condition::Checkpoint, name)
}

const fn witnesses(name: &'static str) -> Use {
    Use::When(Condition::Witnesses, name)
}

const fn documents(attestation: &'static str) -> [Use; 8] {
    [Use::Checked(attestation), NO, NO, NO, NO, NO, NO, Use::Checked("Attestation")]
}

/// Anchors by their names in the file, and what each command does with them.
#[rustfmt::skip]
pub const TABLE: [(&str, [Use; 8]); 17] = [
    ("engine_id", [
        Use::When(Condition::Answer, "EngineId"), ENGINE, ENGINE, ENGINE, ENGINE,
        Use::Checked("Commitment"), Use::Checked("First"), Use::Checked("OtherEngine"),
    ]),
    ("address", [
        Use::When(Condition::Answer, "Signer"), SIGNER, SIGNER, SIGNER, SIGNER, SIGNER,
        Use::Checked("First"), Use::Checked("UnknownSigner"),
    ]),
    ("log_key", [
        NO, checkpoint("LogSignatureMissing"), NO, NO, witnesses("LogSignatureMissing"), NO, NO, NO,
    ]),
    ("origin", [NO, checkpoint("Origin"), NO, NO, witnesses("Origin"), NO, NO, NO]),
    ("witnesses", [
        NO, checkpoint("Quorum"), NO, NO, witnesses("Quorum"), NO, NO, checkpoint("Checkpoint"),
    ]),
    ("quorum", [
        NO, checkpoint("Quorum"), NO, NO, witnesses("Quorum"), NO, NO, checkpoint("Checkpoint"),
    ]),
    ("max_age", [
        Use::When(Condition::Lease, "Lease"), NO, NO, NO, witnesses("LeaseOld"), NO, NO, NO,
    ]),
    ("skew", [
        Use::When(Condition::Lease, "Lease"), NO, NO, NO, witnesses("LeaseFromTheFuture"), NO, NO,
        NO,
    ]),
    ("custody", [NO, NO, NO, NO, NO, Use::Checked("Custody"), NO, NO]),
    ("durability", [
        NO, NO, NO, NO, NO, Use::Checked("Durability"), NO, Use::Checked("durability"),
    ]),
    ("policy_hash", [
        Use::When(Condition::Answer, "policy"), POLICY, POLICY, POLICY, POLICY,
        Use::Checked("Policy"), NO, POLICY,
    ]),
    ("roots", documents("RootNotPinned")),
    ("pcr0", documents("PcrNotApproved")),
    ("pcr1", documents("PcrNotApproved")),
    ("pcr2", documents("PcrNotApproved")),
    ("pcr8", documents("PcrNotApproved")),
    ("last", [NO, FORK, FORK, FORK, FORK, FORK, NO, FORK]),
];

/// The table as the page has it.
pub fn table() -> String {
    let mut text = format!("| anchor | {} |\n|---|", COMMANDS.join(" | "));
    text.push_str(&"---|".repeat(COMMANDS.len()));
    for (anchor, uses) in TABLE {
        let _ = write!(text, "\n| `{anchor}` |");
        for found in uses {
            let _ = match found {
                Use::Checked(name) => write!(text, " `{name}` |"),
                Use::When(condition, name) => {
                    write!(text, " with {}: `{name}` |", condition.name())
                }
                Use::Unused => write!(text, " unused |"),
            };
        }
    }
    text.push('\n');
    text
}

/// The anchors of a file that a command does not use, when these conditions hold.
pub(crate) fn unused(command: &str, file: &Anchors, hold: &[Condition]) -> Vec<&'static str> {
    let column = COMMANDS.iter().position(|name| *name == command).unwrap_or_default();
    let is_unused = |(_, uses): &&(&str, [Use; 8])| match uses[column] {
        Use::Checked(_) => false,
        Use::When(condition, _) => !hold.contains(&condition),
        Use::Unused => true,
    };
    let given = file.given();
    let names = TABLE.iter().filter(is_unused).map(|(name, _)| *name);
    names.filter(|name| given.contains(name)).collect()
}

/// Names the unused anchors in a verdict.
pub(super) fn list(command: &str, file: &Anchors, hold: &[Condition], verdict: &mut Rendered) {
    let unused = unused(command, file, hold);
    if !unused.is_empty() {
        verdict.leaves_open(sentence(&unused));
    }
    verdict.fact("unusedAnchors", unused);
}

/// What a verdict says about anchors that were not used.
pub(crate) fn sentence(unused: &[&str]) -> String {
    format!("what your anchors {} ask for: this command has no use for them", unused.join(", "))
}
