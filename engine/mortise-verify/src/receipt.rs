//! Receipts: an event, its place, and the engine's word for it (`specs/receipts.md`).
//!
//! ```text
//! event bytes, salt --leaf--> path --> event root, in a signed statement   VerifiedReceipt
//! frame leaf ------frame digest--------^  in the same statement
//!     '------------RFC 6962 path--> history root, of this head or another  VerifiedFrame
//! ```
//! What it does not do: find a newer statement, know whether a log was forked.

use crate::engine::Engine;
use crate::history::{TreeHead, VerifiedInclusion, verify_inclusion};
use crate::statement::{self, SignedStatement, StatementError, VerifiedStatement};
use alloc::vec::Vec;
use mortise_format::codec::{self, CodecError};
use mortise_format::event::{Event, LogPosition};
use mortise_format::frame::{FrameHeader, FrameLeaf, LEAF_BYTES};
use mortise_format::limits::FRAME_BYTES_MAX;
use mortise_format::merkle::events::{self, EventProofError};
use mortise_format::merkle::history::HistoryProofError;

/// A receipt as somebody handed it over: nothing of it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The statement about the event's frame.
    pub signed: SignedStatement,
    /// Which event of the frame.
    pub index: u32,
    /// The event as it was logged.
    pub event: Vec<u8>,
    /// Salt of its leaf.
    pub salt: [u8; 32],
    /// Path in the frame's event tree, from the leaf up.
    pub path: Vec<[u8; 32]>,
}

/// Why a receipt proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The statement is not the engine's.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// More bytes than a frame may have.
    #[error("the event has {found} bytes, a frame {FRAME_BYTES_MAX} at most")]
    EventTooLarge {
        /// Bytes of the event.
        found: usize,
    },
    /// The event is not at this place of the frame.
    #[error("the event is not in the frame at this place: {0}")]
    Event(#[from] EventProofError),
    /// The event is in the frame, but no event of this version of the format.
    #[error("the event does not decode: {0}")]
    Encoding(CodecError),
}

/// An event that the pinned engine stated to be in its log at one place.
///
/// What it proves: the engine signed a statement about frame `seq` whose events, as many as it
/// names, have exactly this event at `index`. What it does not prove: that others see the same log
/// ([`verify_frame`] under a cosigned checkpoint), that the event was decided rightly (replay),
/// that the parent still keeps the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedReceipt {
    statement: VerifiedStatement,
    position: LogPosition,
    event: Event,
}

impl VerifiedReceipt {
    /// The statement about the frame.
    pub fn statement(&self) -> &VerifiedStatement {
        &self.statement
    }

    /// Frame and index.
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// What happened.
    pub fn event(&self) -> &Event {
        &self.event
    }
}

/// Checks a receipt against the pinned engine.
///
/// Success proves what [`VerifiedReceipt`] says.
///
/// # Errors
/// `Statement`, `EventTooLarge`, `Event`, `Encoding`, in this order.
pub fn verify(engine: &Engine, receipt: &Receipt) -> Result<VerifiedReceipt, ReceiptError> {
    let statement = statement::verify(engine, &receipt.signed)?;
    let found = receipt.event.len();
    if found > FRAME_BYTES_MAX {
        return Err(ReceiptError::EventTooLarge { found });
    }
    let (fields, index) = (statement.fields(), receipt.index);
    let (root, count) = (&fields.event_root, fields.event_count);
    events::verify(root, count, index, &receipt.salt, &receipt.event, &receipt.path)?;
    let event: Event = codec::decode(&receipt.event).map_err(ReceiptError::Encoding)?;
    if codec::encode(&event) != receipt.event {
        return Err(ReceiptError::Encoding(CodecError::Malformed));
    }
    let position = LogPosition { seq: fields.seq, index };
    Ok(VerifiedReceipt { statement, position, event })
}

/// A field that a frame's leaf and a statement both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of both")]
pub enum SharedField {
    EngineId,
    Epoch,
    Seq,
    Time,
    EventRoot,
    EventCount,
    StateRoot,
    PolicyHash,
}

/// Why a leaf is not the stated frame in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A leaf has one size.
    #[error("a frame's leaf has {LEAF_BYTES} bytes, not {found}")]
    LeafSize {
        /// Bytes given.
        found: usize,
    },
    /// The bytes are no leaf.
    #[error("the leaf does not decode: {0}")]
    Leaf(CodecError),
    /// The statement is about another frame.
    #[error("the leaf has another digest than the stated frame")]
    FrameDigest,
    /// The engine stated something else than what it sealed.
    #[error("leaf and statement differ in {0:?}")]
    Contradiction(SharedField),
    /// The leaf is not at its place in the history.
    #[error("the frame is not in the history: {0}")]
    History(#[from] HistoryProofError),
}

/// A stated frame that is in a history.
///
/// What it proves: the frame that the statement names is leaf `seq` of the tree with the head that
/// the caller gave. Under the head of a cosigned checkpoint, nobody can be shown another log with
/// the same witnesses. What it does not prove: what the ciphertext holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedFrame {
    leaf: FrameLeaf,
    inclusion: VerifiedInclusion,
}

impl VerifiedFrame {
    /// The header.
    pub fn header(&self) -> &FrameHeader {
        &self.leaf.header
    }

    /// The leaf.
    pub fn leaf(&self) -> &FrameLeaf {
        &self.leaf
    }

    /// Its place.
    pub fn inclusion(&self) -> &VerifiedInclusion {
        &self.inclusion
    }
}

/// Checks that `leaf` is the frame of a statement, and that it is in the history of `head`: the
/// statement's own ([`VerifiedStatement::head`]), a newer one's, or a checkpoint's.
///
/// Success proves what [`VerifiedFrame`] says.
///
/// # Errors
/// `LeafSize`, `Leaf`, `FrameDigest`, `Contradiction`, `History`, in this order.
pub fn verify_frame(
    statement: &VerifiedStatement,
    leaf: &[u8],
    path: &[[u8; 32]],
    head: &TreeHead,
) -> Result<VerifiedFrame, FrameError> {
    let decoded = decode_leaf(leaf)?;
    if decoded.digest() != statement.fields().frame_digest {
        return Err(FrameError::FrameDigest);
    }
    if let Some(field) = contradiction(statement, &decoded.header) {
        return Err(FrameError::Contradiction(field));
    }
    let inclusion = verify_inclusion(head, statement.seq(), leaf, path)?;
    Ok(VerifiedFrame { leaf: decoded, inclusion })
}

pub(crate) fn decode_leaf(leaf: &[u8]) -> Result<FrameLeaf, FrameError> {
    match leaf.len() {
        LEAF_BYTES => codec::decode(leaf).map_err(FrameError::Leaf),
        found => Err(FrameError::LeafSize { found }),
    }
}

/// The first field in which an engine's statement and its leaf differ; an honest one has none.
fn contradiction(statement: &VerifiedStatement, header: &FrameHeader) -> Option<SharedField> {
    let stated = statement.fields();
    let same = [
        (SharedField::EngineId, stated.engine_id == header.engine_id),
        (SharedField::Epoch, stated.epoch == header.epoch),
        (SharedField::Seq, stated.seq == header.seq),
        (SharedField::Time, statement.time() == header.time_ms / 1000),
        (SharedField::EventRoot, stated.event_root == header.event_root),
        (SharedField::EventCount, stated.event_count == header.event_count),
        (SharedField::StateRoot, stated.state_root == header.state_root),
        (SharedField::PolicyHash, stated.policy_hash == header.policy_hash),
    ];
    same.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
}
