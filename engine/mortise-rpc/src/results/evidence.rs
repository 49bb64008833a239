//! Fork evidence as a file, for anyone who verifies that an engine contradicted itself
//! (`specs/receipts.md`).

use super::receipt::StatementView;
use alloc::vec::Vec;
use mortise_format::ids::{Bytes32, Signature};
use mortise_format::json::HexBytes;
use serde::{Deserialize, Serialize};

/// The field `format` of a file of evidence. A file with another text does not parse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForkFormat {
    /// Version 1.
    #[default]
    #[serde(rename = "mortise-fork-evidence@v1")]
    V1,
}

/// A statement and the engine's signature over it, as `getStateRoot` answers them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedStatementView {
    /// The statement.
    pub statement: StatementView,
    /// The engine's signature over its digest.
    pub signature: Signature,
}

/// A frame's leaf and its path to the root of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafProofView {
    /// The encoded leaf, 297 bytes.
    pub leaf: HexBytes,
    /// RFC 6962 inclusion path, from the leaf up.
    pub path: Vec<Bytes32>,
}

/// Leaves, where the two statements alone do not prove the contradiction.
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
    /// The leaf under the second statement at the index of the first statement's frame.
    AtFirst(LeafProofView),
}

/// Evidence that an engine contradicted itself: two statements, and leaves where they are needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForkEvidenceView {
    /// Version of the file.
    pub format: ForkFormat,
    /// The first statement.
    pub first: SignedStatementView,
    /// The second statement.
    pub second: SignedStatementView,
    /// Absent when the statements alone contradict each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<ForkLeavesView>,
}
