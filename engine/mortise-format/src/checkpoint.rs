//! Checkpoints of the history (C2SP tlog-checkpoint) and what witnesses sign over them (C2SP
//! tlog-cosignature): the texts of the log's head.
//!
//! ```text
//! checkpoint     origin | size | base64 root, one line each, then extension lines
//! cosigned       "cosignature/v1", "time t", the text of the checkpoint
//! cosignature    time (8 bytes, big-endian) | Ed25519 signature (64 bytes)
//! ```
//! What it is for: the engine, its witnesses and every verifier write and read the same bytes. What
//! it does not do: check a signature (`mortise_verify::checkpoint`).
//!
//! Invariants: extension lines are checked and dropped.

use crate::domains::COSIGNATURE_V1;
use crate::ids::Root;
use crate::merkle::history::TreeHead;
use crate::note::{hash_of, number_of, text_of};
use alloc::format;
use alloc::string::String;

/// Why a text is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointTextError {
    /// Fewer than three lines, or an empty one.
    #[error("a checkpoint has three lines or more, none of them empty")]
    Lines,
    /// The size is not a decimal number.
    #[error("the tree size is not a 64-bit decimal number without leading zeros")]
    Size,
    /// The root is not base64 of 32 bytes.
    #[error("the root is not base64 of 32 bytes")]
    Root,
}

/// A checkpoint that parses. Nothing in it is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint<'a> {
    /// The log's name.
    pub origin: &'a str,
    /// Size and root.
    pub head: TreeHead,
}

impl<'a> Checkpoint<'a> {
    /// Parses the text of a note; extension lines are only checked not to be empty.
    ///
    /// # Errors
    /// `Lines`, `Size`, `Root`, in this order.
    pub fn parse(text: &'a str) -> Result<Self, CheckpointTextError> {
        let mut lines = text.split_terminator('\n');
        if lines.clone().any(str::is_empty) {
            return Err(CheckpointTextError::Lines);
        }
        let three = (lines.next(), lines.next(), lines.next());
        let (Some(origin), Some(size), Some(root)) = three else {
            return Err(CheckpointTextError::Lines);
        };
        let size = number_of(size).ok_or(CheckpointTextError::Size)?;
        let root = Root(hash_of(root).ok_or(CheckpointTextError::Root)?);
        Ok(Self { origin, head: TreeHead { size, root } })
    }
}

/// The text of a checkpoint, without extension lines: what the log signs.
pub fn checkpoint_text(origin: &str, head: &TreeHead) -> String {
    format!("{origin}\n{}\n{}\n", head.size, text_of(&head.root.0))
}

/// What a witness signs: header, time and the whole text of the checkpoint.
pub fn cosigned_message(time: u64, text: &str) -> String {
    format!("{COSIGNATURE_V1}\ntime {time}\n{text}")
}

/// The bytes of a cosignature in its line: big-endian time, signature.
pub fn cosignature_bytes(time: u64, signature: &[u8; 64]) -> [u8; 72] {
    let mut bytes = [0; 72];
    bytes[..8].copy_from_slice(&time.to_be_bytes());
    bytes[8..].copy_from_slice(signature);
    bytes
}
