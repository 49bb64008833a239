//! What an answer about now carries, so that its age can be checked offline.

use super::receipt::StatementView;
use alloc::string::String;
use alloc::vec::Vec;
use mortise_format::ids::{Bytes32, Signature};
use serde::{Deserialize, Serialize};

/// The member `freshness` beside the result of every answer about now. Lists and `null` are results
/// too, so it is not inside the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FreshnessView {
    /// The statement about the frame whose state was read.
    pub statement: StatementView,
    /// The engine's signature over it.
    pub statement_signature: Signature,
    /// A checkpoint with cosignatures: of the same history, or of a later one. Absent without
    /// witnesses: there is no lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// The consistency path from the statement's history to that of the checkpoint; absent when
    /// they are the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history_path: Vec<Bytes32>,
}

/// The lease of the newest head, in `health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseView {
    /// The time as of which a quorum of witnesses knew the head as the newest, seconds; absent
    /// until it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosigned_at: Option<u64>,
    /// Seconds since then; absent with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<u64>,
    /// The lease of the policy, seconds. Older answers about now are refused.
    pub max_age: u64,
    /// Cosignatures since the boot whose time was beyond the skew of the policy: they gave no
    /// lease, and the clock of that witness or of this engine is wrong.
    pub ahead: u64,
}

/// The lease of the statement in `getAttestation`, which the document covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttestedLease {
    /// See [`FreshnessView::checkpoint`].
    pub checkpoint: String,
    /// The time as of which the statement was the newest, seconds.
    pub as_of: u64,
    /// See [`FreshnessView::history_path`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history_path: Vec<Bytes32>,
}
