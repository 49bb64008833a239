//! Receipts: an event, its log position, and the engine's statement (`specs/receipts.md`).
//!
//! ```text
//! event bytes, salt --leaf--> path --> event root, in a signed statement   VerifiedReceipt
//! frame leaf ------frame digest--------^  in the same statement
//!     '------------RFC 6962 path--> history root, of this head or another  VerifiedFrame
//! ```
//! What it does not do: find a newer statement, detect a fork of the log.

use crate::engine::Engine;
use crate::history::{TreeHead, VerifiedInclusion, verify_inclusion};
use crate::statement::{self, SignedStatement, StatementError, VerifiedStatement};
use alloc::vec::Vec;
use mortise_format::codec::{self, CodecError};
use mortise_format::event::{Event, LogPosition};
use mortise_format::frame::{FRAME_VERSION, FrameHeader, FrameLeaf, LEAF_BYTES};
use mortise_format::limits::FRAME_BYTES_MAX;
use mortise_format::merkle::events::{self, EventProofError};
use mortise_format::merkle::history::HistoryProofError;
use mortise_format::rules::RulesUnknown;

/// A receipt as received. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The statement about the event's frame.
    pub signed: SignedStatement,
    /// Index of the event in the frame.
    pub index: u32,
    /// The event as it was logged.
    pub event: Vec<u8>,
    /// Salt of its leaf.
    pub salt: [u8; 32],
    /// Path in the frame's event tree, from the leaf up.
    pub path: Vec<[u8; 32]>,
}

/// Why a receipt is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The statement is not the engine's.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The event is larger than a frame can be.
    #[error("the event has {found} bytes; a frame has at most {FRAME_BYTES_MAX}")]
    EventTooLarge {
        /// Bytes of the event.
        found: usize,
    },
    /// The event is not at this index of the frame.
    #[error("the event is not in the frame at this index: {0}")]
    Event(#[from] EventProofError),
    /// The event is in the frame, but this version of the format cannot decode it.
    #[error("the event does not decode: {0}")]
    Encoding(CodecError),
}

/// An event that the pinned engine stated to be in its log at one position.
///
/// What it proves: the engine signed a statement about frame `seq` whose events, as many as it
/// names, have exactly this event at `index`. What it does not prove: that others see the same log
/// ([`verify_frame`] under a cosigned checkpoint), that the event was decided correctly (replay
/// checks it), that the parent still keeps the frame.
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
/// Success proves what [`VerifiedReceipt`] states.
///
/// # Errors
/// `Statement`, `EventTooLarge`, `Event`, `Encoding`, in this order.
pub fn verify(engine: &Engine, receipt: &Receipt) -> Result<VerifiedReceipt, ReceiptError> {
    verify_event(statement::verify(engine, &receipt.signed)?, receipt)
}

/// As [`verify`], with the receipt's statement verified before. A caller that has the leaf of
/// the frame calls [`check_rules`] in between.
///
/// # Errors
/// `EventTooLarge`, `Event`, `Encoding`, in this order.
pub fn verify_event(
    statement: VerifiedStatement,
    receipt: &Receipt,
) -> Result<VerifiedReceipt, ReceiptError> {
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
    /// The leaf has another layout.
    #[error("the leaf has version {found}, and this code reads version {FRAME_VERSION}")]
    Version {
        /// The version found.
        found: u16,
    },
    /// The leaf does not have the size of a leaf.
    #[error("a frame's leaf has {LEAF_BYTES} bytes, not {found}")]
    LeafSize {
        /// Bytes given.
        found: usize,
    },
    /// The bytes do not decode to a leaf.
    #[error("the leaf does not decode: {0}")]
    Leaf(CodecError),
    /// The leaf is of another frame than the statement.
    #[error("the digest of the leaf is not that of the stated frame")]
    FrameDigest,
    /// The engine's statement and its sealed frame differ in one field.
    #[error("leaf and statement differ in {0:?}")]
    Contradiction(SharedField),
    /// The frame was made under rules that this code does not know.
    #[error(transparent)]
    RulesUnknown(#[from] RulesUnknown),
    /// The leaf is not in the history at the frame's seq.
    #[error("the frame is not in the history: {0}")]
    History(#[from] HistoryProofError),
}

/// A stated frame that is in a history.
///
/// What it proves: the frame that the statement names is leaf `seq` of the tree with the head that
/// the caller gave. Under the head of a cosigned checkpoint, no one can see another log that the
/// same witnesses cosigned. What it does not prove: the plaintext of the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedFrame {
    leaf: FrameLeaf,
    inclusion: VerifiedInclusion,
}

impl VerifiedFrame {
    /// The header of the frame.
    pub fn header(&self) -> &FrameHeader {
        &self.leaf.header
    }

    /// The decoded leaf.
    pub fn leaf(&self) -> &FrameLeaf {
        &self.leaf
    }

    /// Where the leaf is in the history.
    pub fn inclusion(&self) -> &VerifiedInclusion {
        &self.inclusion
    }
}

/// Checks that `leaf` is the frame of a statement, and that it is in the history of `head`: the
/// statement's own ([`VerifiedStatement::head`]), a newer one's, or a checkpoint's.
///
/// Success proves what [`VerifiedFrame`] states.
///
/// # Errors
/// `Version`, `LeafSize`, `Leaf`, `FrameDigest`, `RulesUnknown`, `Contradiction`, `History`, in
/// this order.
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
    decoded.header.rules.check()?;
    if let Some(field) = contradiction(statement, &decoded.header) {
        return Err(FrameError::Contradiction(field));
    }
    let inclusion = verify_inclusion(head, statement.seq(), leaf, path)?;
    Ok(VerifiedFrame { leaf: decoded, inclusion })
}

/// Checks that this code knows the rules of a statement's frame, before it reads an event of it. An
/// event of unknown rules may decode and mean something else.
///
/// A leaf that is not the statement's says nothing; [`verify_frame`] names what is wrong with it.
///
/// # Errors
/// `RulesUnknown`; `Version` for a leaf of another layout, whose rules cannot be read.
pub fn check_rules(statement: &VerifiedStatement, leaf: &[u8]) -> Result<(), FrameError> {
    match decode_leaf(leaf) {
        Ok(decoded) if decoded.digest() == statement.fields().frame_digest => {
            decoded.header.rules.check()?;
            Ok(())
        }
        Err(FrameError::Version { found }) => Err(FrameError::Version { found }),
        Ok(_) | Err(_) => Ok(()),
    }
}

pub(crate) fn decode_leaf(leaf: &[u8]) -> Result<FrameLeaf, FrameError> {
    // The size depends on the version.
    match leaf.first_chunk::<2>().map(|version| u16::from_le_bytes(*version)) {
        Some(found) if found != FRAME_VERSION => return Err(FrameError::Version { found }),
        _ => {}
    }
    match leaf.len() {
        LEAF_BYTES => codec::decode(leaf).map_err(FrameError::Leaf),
        found => Err(FrameError::LeafSize { found }),
    }
}

/// The first field in which statement and leaf differ. An honest engine never makes such a pair.
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
