//! What an established claim rests on.
//!
//! Invariants: a basis comes from a verified value, whose only constructor is its check, or names
//! the evidence and describes it.

use crate::checkpoint::{CosignedCheckpoint, VerifiedCheckpoint};
use crate::commitment::VerifiedCommitment;
use crate::fork::VerifiedFork;
use crate::history::VerifiedConsistency;
use crate::lease::{LeaseGround, VerifiedLease};
use crate::receipt::{VerifiedFrame, VerifiedReceipt};
use crate::state::{VerifiedAbsence, VerifiedLeaf};
use crate::statement::VerifiedStatement;
use crate::succession::VerifiedSuccession;
use alloc::format;
use alloc::string::{String, ToString};

/// Evidence that no verified value of this crate stands behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Named {
    /// A verified attestation document.
    Attestation,
    /// A log that was followed frame by frame.
    Log,
    /// A field of verified data, compared with what the caller asked for.
    Comparison,
}

/// The evidence of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    kind: &'static str,
    detail: String,
}

impl Basis {
    /// Evidence by its kind and a description.
    pub fn named(kind: Named, detail: impl Into<String>) -> Self {
        let kind = match kind {
            Named::Attestation => "attestation",
            Named::Log => "log",
            Named::Comparison => "comparison",
        };
        Self { kind, detail: detail.into() }
    }

    /// The kind of evidence.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// What it is about.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<&VerifiedStatement> for Basis {
    fn from(stated: &VerifiedStatement) -> Self {
        let detail = format!("the signed statement about frame {}", stated.seq());
        Self { kind: "statement", detail }
    }
}

impl From<&VerifiedReceipt> for Basis {
    fn from(receipt: &VerifiedReceipt) -> Self {
        let at = receipt.position();
        let detail =
            format!("the path of event {} to the signed root of frame {}", at.index, at.seq);
        Self { kind: "receipt", detail }
    }
}

impl From<&VerifiedFrame> for Basis {
    fn from(frame: &VerifiedFrame) -> Self {
        let size = frame.inclusion().head().size;
        let detail = format!("the leaf of frame {} in a history of {size}", frame.header().seq);
        Self { kind: "frame", detail }
    }
}

impl From<&VerifiedConsistency> for Basis {
    fn from(both: &VerifiedConsistency) -> Self {
        let (earlier, later) = (both.earlier().size, both.later().size);
        let detail = format!("a consistency proof from {earlier} to {later} frames");
        Self { kind: "consistency", detail }
    }
}

impl From<&VerifiedCheckpoint> for Basis {
    fn from(checkpoint: &VerifiedCheckpoint) -> Self {
        let detail = format!("the signed checkpoint of {} frames", checkpoint.head().size);
        Self { kind: "checkpoint", detail }
    }
}

impl From<&CosignedCheckpoint> for Basis {
    fn from(cosigned: &CosignedCheckpoint) -> Self {
        let (count, size) = (cosigned.cosignatures().len(), cosigned.checkpoint().head().size);
        let detail = format!("{count} cosignatures of the checkpoint of {size} frames");
        Self { kind: "cosignatures", detail }
    }
}

impl From<&VerifiedLeaf> for Basis {
    fn from(leaf: &VerifiedLeaf) -> Self {
        let detail = format!("the path of the entry to the state root of {}", at(leaf.statement()));
        Self { kind: "state", detail }
    }
}

impl From<&VerifiedAbsence> for Basis {
    fn from(absence: &VerifiedAbsence) -> Self {
        let of = at(absence.statement());
        let detail = format!("the path without the entry to the state root of {of}");
        Self { kind: "state", detail }
    }
}

impl From<&VerifiedCommitment> for Basis {
    fn from(commitment: &VerifiedCommitment) -> Self {
        let detail = format!("the signed commitment to lock {}", commitment.fields().lock_id);
        Self { kind: "commitment", detail }
    }
}

impl From<&VerifiedLease> for Basis {
    fn from(lease: &VerifiedLease) -> Self {
        let detail = match lease.ground() {
            LeaseGround::NoLease => "the signed statement alone",
            LeaseGround::Cosigned => "cosignatures of exactly this head",
            _ => "cosignatures of a later head that contains it",
        };
        Self { kind: "lease", detail: detail.to_string() }
    }
}

impl From<&VerifiedFork> for Basis {
    fn from(fork: &VerifiedFork) -> Self {
        let (first, second) = (fork.first().seq(), fork.second().seq());
        let detail = format!("two signed statements, about frames {first} and {second}");
        Self { kind: "fork", detail }
    }
}

impl From<&VerifiedSuccession> for Basis {
    fn from(succession: &VerifiedSuccession) -> Self {
        let (by, size) = (succession.operators().len(), succession.head().size);
        let detail = format!("{by} signatures of operators over a head of {size} frames");
        Self { kind: "succession", detail }
    }
}

fn at(stated: &VerifiedStatement) -> String {
    format!("frame {}", stated.seq())
}
