//! Proofs about the log: receipts under the newest checkpoint, checkpoints, consistency.

use super::receipt::{ReceiptView, StatementView};
use alloc::string::String;
use alloc::vec::Vec;
use mortise_format::ids::{Bytes32, Root, Signature};
use serde::{Deserialize, Serialize};

/// Size and root of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadView {
    /// Number of frames.
    pub size: u64,
    /// RFC 6962 root over their leaves.
    pub root: Root,
}

/// A frame in a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionView {
    /// Number of frames of the history.
    pub size: u64,
    /// Its root.
    pub root: Root,
    /// RFC 6962 inclusion path of the frame's leaf, lowest first.
    pub path: Vec<Bytes32>,
}

/// `getReceipt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptResult {
    /// The receipt, byte for byte as in the first answer.
    pub receipt: ReceiptView,
    /// Its frame under the newest checkpoint.
    pub inclusion: InclusionView,
    /// The same for standard tools (C2SP tlog-proof@v1), checkpoint included.
    pub tlog_proof: String,
}

/// `getCheckpoint`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointResult {
    /// The signed note (C2SP tlog-checkpoint).
    pub checkpoint: String,
    /// Its first line.
    pub origin: String,
    /// Number of frames of the log.
    pub size: u64,
    /// Root over them.
    pub root: Root,
    /// The engine's own statement about the newest released frame.
    pub statement: StatementView,
    /// The engine's signature over its digest.
    pub statement_signature: Signature,
}

/// `getConsistencyProof`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyResult {
    /// The earlier history.
    pub from: HeadView,
    /// The later history.
    pub to: HeadView,
    /// RFC 6962 consistency path.
    pub path: Vec<Bytes32>,
}
