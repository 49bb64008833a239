//! Statements and receipts, which prove that an event is in the log.

use alloc::vec::Vec;
use mortise_format::eip712::RootStatement;
use mortise_format::ids::{Bytes32, EngineId, FrameDigest, PolicyHash, Root, Signature};
use mortise_format::json::HexBytes;
use serde::{Deserialize, Serialize};

/// The engine's statement about a frame, field by field as it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of RootStatement")]
pub struct StatementView {
    pub engine_id: EngineId,
    pub epoch: u64,
    pub seq: u64,
    /// Whole seconds, as signed.
    pub time: u64,
    pub frame_digest: FrameDigest,
    pub event_root: Root,
    pub event_count: u32,
    pub state_root: Root,
    pub history_root: Root,
    pub history_size: u64,
    pub policy_hash: PolicyHash,
}

impl From<&RootStatement> for StatementView {
    fn from(statement: &RootStatement) -> Self {
        Self {
            engine_id: statement.engine_id,
            epoch: statement.epoch,
            seq: statement.seq,
            time: statement.time_ms / 1000,
            frame_digest: statement.frame_digest,
            event_root: statement.event_root,
            event_count: statement.event_count,
            state_root: statement.state_root,
            history_root: statement.history_root,
            history_size: statement.history_size,
            policy_hash: statement.policy_hash,
        }
    }
}

impl From<&StatementView> for RootStatement {
    /// The statement whose digest was signed. Its milliseconds are unknown and set to zero.
    fn from(view: &StatementView) -> Self {
        Self {
            engine_id: view.engine_id,
            epoch: view.epoch,
            seq: view.seq,
            time_ms: view.time.saturating_mul(1000),
            frame_digest: view.frame_digest,
            event_root: view.event_root,
            event_count: view.event_count,
            state_root: view.state_root,
            history_root: view.history_root,
            history_size: view.history_size,
            policy_hash: view.policy_hash,
        }
    }
}

/// An event, the path from it to a signed statement, and the statement's frame in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptView {
    /// Epoch of the frame.
    pub epoch: u64,
    /// The frame.
    pub seq: u64,
    /// The event in it.
    pub index: u32,
    /// The event as it was logged.
    pub event: HexBytes,
    /// Salt of its leaf.
    pub salt: Bytes32,
    /// Path in the frame's event tree, from the leaf up.
    pub path: Vec<Bytes32>,
    /// The statement about the frame.
    pub statement: StatementView,
    /// The engine's signature over it.
    pub statement_signature: Signature,
    /// The frame's leaf, 297 bytes: its digest is in the statement.
    pub leaf: HexBytes,
    /// RFC 6962 inclusion path of the leaf in the history of the statement.
    pub history_path: Vec<Bytes32>,
}
