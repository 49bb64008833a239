//! The decision to cosign or to refuse.
//!
//! ```text
//! 400 not a request, not a checkpoint, or the old size is above the size of the checkpoint
//! 403 no known key of the log signed the checkpoint
//! 404 unknown origin
//! 409 the old size is not the newest cosigned size
//! 422 the path does not lead from the newest head to the checkpoint, or that size was cosigned
//!     with another root
//! 500 the head cannot be stored
//! ```

use crate::heads::{Heads, HeadsError};
use crate::key::WitnessSigner;
use crate::logs::KnownLogs;
use mortise_format::add_checkpoint::{AddCheckpoint, AddCheckpointError, size_text};
use mortise_format::domains::sha256;
use mortise_format::note::{Note, NoteError};
use mortise_verify::checkpoint::{self, CheckpointError, VerifiedCheckpoint};
use mortise_verify::history::{HistoryProofError, TreeHead, verify_consistency};
use std::sync::{Mutex, PoisonError};

/// A checkpoint was not cosigned. The first check that fails names the error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CosignError {
    /// 400: the bytes are not a request.
    #[error(transparent)]
    Request(#[from] AddCheckpointError),
    /// 400: not a signed note.
    #[error("the checkpoint: {0}")]
    Note(#[from] NoteError),
    /// 400: the note is not a checkpoint.
    #[error("the checkpoint: {0}")]
    Checkpoint(CheckpointError),
    /// 404: the witness does not know a log of this origin.
    #[error("a log of this origin is not known")]
    UnknownOrigin,
    /// 403: no known key of the log signed it.
    #[error("no known key of the log signed the checkpoint")]
    NotSigned,
    /// 400: the old size is above the size of the checkpoint.
    #[error("the old size {old} is above the checkpoint's {size}")]
    OldSizeAbove { old: u64, size: u64 },
    /// 409: the old size is not the newest cosigned size.
    #[error("the newest cosigned size is {newest}, not {old}")]
    OldSizeIsNotNewest { old: u64, newest: u64 },
    /// 422: the same size was cosigned with another root. Editions of the protocol before 2026 say
    /// 409; a client takes both.
    #[error("another root was cosigned at size {size}")]
    OtherRoot { size: u64 },
    /// 422: the path is not a consistency proof.
    #[error("the path does not lead from the newest cosigned head: {0}")]
    Path(HistoryProofError),
    /// 422: the first checkpoint of a log has a path, or an empty tree has a wrong root.
    #[error("a first checkpoint must have no path; an empty tree must have the empty root")]
    First,
    /// 500: the head was not read or stored.
    #[error(transparent)]
    Heads(#[from] HeadsError),
}

impl CosignError {
    pub fn status(&self) -> u16 {
        match self {
            Self::Request(_) | Self::Note(_) | Self::Checkpoint(_) => 400,
            Self::OldSizeAbove { .. } => 400,
            Self::NotSigned => 403,
            Self::UnknownOrigin => 404,
            Self::OldSizeIsNotNewest { .. } => 409,
            Self::OtherRoot { .. } | Self::Path(_) | Self::First => 422,
            Self::Heads(_) => 500,
        }
    }
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// True if the body is the newest cosigned size (`text/x.tlog.size`).
    pub is_size: bool,
    pub body: String,
}

/// A witness: its key and the heads that it remembers.
pub struct Witness {
    signer: WitnessSigner,
    heads: Mutex<Box<dyn Heads>>,
}

impl Witness {
    pub fn new(signer: WitnessSigner, heads: Box<dyn Heads>) -> Self {
        Self { signer, heads: Mutex::new(heads) }
    }

    pub fn signer(&self) -> &WitnessSigner {
        &self.signer
    }

    /// Answers a request. `time` is in seconds since the Unix epoch.
    pub fn answer(&self, logs: &KnownLogs, body: &[u8], time: u64) -> Answer {
        match self.add_checkpoint(logs, body, time) {
            Ok(line) => Answer { status: 200, is_size: false, body: line },
            Err(error) => {
                let size = match error {
                    CosignError::OldSizeIsNotNewest { newest, .. } => Some(newest),
                    _ => None,
                };
                let body = size.map_or_else(|| format!("{error}\n"), size_text);
                Answer { status: error.status(), is_size: size.is_some(), body }
            }
        }
    }

    /// Stores the head of a checkpoint, then cosigns it. Returns the signature line.
    ///
    /// # Errors
    /// The first [`CosignError`] that applies.
    pub fn add_checkpoint(
        &self,
        logs: &KnownLogs,
        body: &[u8],
        time: u64,
    ) -> Result<String, CosignError> {
        let request = AddCheckpoint::parse(body)?;
        let note = Note::parse(request.checkpoint.as_bytes())?;
        let checkpoint = verify_signed(logs, &note, request.checkpoint)?;
        let head = *checkpoint.head();
        if request.old_size > head.size {
            return Err(CosignError::OldSizeAbove { old: request.old_size, size: head.size });
        }
        // The lock spans compare and swap, so no other request changes the head between them.
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = heads.newest(checkpoint.origin())?;
        let is_new = match check_extends(newest.as_ref(), &request, &head) {
            // The log's own signature on a head that contradicts one of it: proof of a fork.
            Err(error @ CosignError::OtherRoot { .. }) => {
                if let Err(lost) = heads.keep_fork(checkpoint.origin(), request.checkpoint) {
                    tracing::error!(%lost, "the checkpoint that proves a fork was not kept");
                }
                return Err(error);
            }
            checked => checked?,
        };
        if is_new {
            heads.swap(checkpoint.origin(), newest, head)?;
        }
        drop(heads);
        Ok(self.signer.cosign(time, note.text()))
    }
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Witness({:?})", self.signer)
    }
}

/// Verifies the checkpoint with the known keys of its origin.
fn verify_signed(
    logs: &KnownLogs,
    note: &Note<'_>,
    checkpoint: &str,
) -> Result<VerifiedCheckpoint, CosignError> {
    let origin = note.text().split('\n').next().unwrap_or_default();
    let keys = logs.keys(origin).ok_or(CosignError::UnknownOrigin)?;
    let mut failure = CosignError::NotSigned;
    for key in keys {
        match checkpoint::verify(checkpoint.as_bytes(), origin, key) {
            Ok(checkpoint) => return Ok(checkpoint),
            Err(CheckpointError::LogSignatureMissing | CheckpointError::LogSignature) => {}
            Err(error) => failure = CosignError::Checkpoint(error),
        }
    }
    Err(failure)
}

/// Checks that the checkpoint extends the newest head. True if it is a new head to store, false if
/// it is the newest head again.
fn check_extends(
    newest: Option<&TreeHead>,
    request: &AddCheckpoint<'_>,
    head: &TreeHead,
) -> Result<bool, CosignError> {
    let (old, size) = (request.old_size, newest.map_or(0, |newest| newest.size));
    if old != size {
        return Err(CosignError::OldSizeIsNotNewest { old, newest: size });
    }
    let Some(newest) = newest.filter(|newest| newest.size > 0) else {
        let is_first = request.path.is_empty() && (head.size > 0 || head.root.0 == sha256(&[]));
        return if is_first { Ok(true) } else { Err(CosignError::First) };
    };
    match verify_consistency(newest, head, &request.path) {
        Ok(_) => Ok(newest.size < head.size),
        Err(HistoryProofError::SameSizeOtherRoot) => Err(CosignError::OtherRoot { size }),
        Err(error) => Err(CosignError::Path(error)),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
