//! Fork evidence as a file: what somebody hands to whoever should believe him
//! (`specs/receipts.md`).

use super::receipt::StatementView;
use alloc::vec::Vec;
use mortise_format::ids::{Bytes32, Signature};
use mortise_format::json::HexBytes;
use serde::{Deserialize, Serialize};

/// The field `format` of a file of evidence; another text is refused when the file is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForkFormat {
    /// This one.
    #[default]
    #[serde(rename = "mortise-fork-evidence@v1")]
    V1,
}

/// A statement and the engine's signature over it, as `getStateRoot` answers them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedStatementView {
    /// The statement.
    pub statement: StatementView,
    /// The engine's, over its digest.
    pub signature: Signature,
}

/// A frame's leaf and its way to the root of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafProofView {
    /// The 295 bytes.
    pub leaf: HexBytes,
    /// RFC 6962 inclusion path, from the leaf up.
    pub path: Vec<Bytes32>,
}

/// Leaves, where two statements alone do not show the contradiction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ForkLeavesView {
    /// A leaf at one index under each of the two statements.
    Both {
        /// The index.
        index: u64,
        /// Under the first statement.
        first: LeafProofView,
        /// Under the second statement.
        second: LeafProofView,
    },
    /// The leaf under the second statement at the place of the first statement's frame.
    AtFirst(LeafProofView),
}

/// Evidence that an engine contradicted itself: two statements, and leaves where they are needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForkEvidenceView {
    /// Which form this is.
    pub format: ForkFormat,
    /// One statement.
    pub first: SignedStatementView,
    /// Another.
    pub second: SignedStatementView,
    /// Absent: the statements contradict each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<ForkLeavesView>,
}
