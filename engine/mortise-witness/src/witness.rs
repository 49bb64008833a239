//! The decision: cosign or refuse.
//!
//! ```text
//! 400 no request, no checkpoint, old size above its size      404 unknown origin
//! 403 no known key signed          409 old size is not the newest cosigned, or other root there
//! 422 path does not lead from the newest to the checkpoint    500 the head cannot be kept
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

/// Why a checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// 400: the bytes are no request.
    #[error(transparent)]
    Request(#[from] AddCheckpointError),
    /// 400: no signed note.
    #[error("the checkpoint: {0}")]
    Note(#[from] NoteError),
    /// 400: a note that is no checkpoint.
    #[error("the checkpoint: {0}")]
    Checkpoint(CheckpointError),
    /// 404.
    #[error("a log of this origin is not known")]
    UnknownOrigin,
    /// 403: no known key of the log signed it.
    #[error("no known key of the log signed the checkpoint")]
    NotSigned,
    /// 400.
    #[error("the old size {old} is above the checkpoint's {size}")]
    OldSizeAbove {
        /// The old size.
        old: u64,
        /// The size of the checkpoint.
        size: u64,
    },
    /// 409.
    #[error("the newest cosigned size is {newest}, not {old}")]
    OldSizeIsNotNewest {
        /// The old size.
        old: u64,
        /// What was cosigned last.
        newest: u64,
    },
    /// 409: two roots of one size.
    #[error("another root was cosigned at size {size}")]
    OtherRoot {
        /// The size.
        size: u64,
    },
    /// 422.
    #[error("the path does not lead from the newest cosigned head: {0}")]
    Path(HistoryProofError),
    /// 422: an empty tree has one root, and a first checkpoint no path.
    #[error("a first checkpoint has no path, and an empty tree the hash of nothing for root")]
    First,
    /// 500.
    #[error(transparent)]
    Heads(#[from] HeadsError),
}

impl Refused {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Request(_) | Self::Note(_) | Self::Checkpoint(_) => 400,
            Self::OldSizeAbove { .. } => 400,
            Self::NotSigned => 403,
            Self::UnknownOrigin => 404,
            Self::OldSizeIsNotNewest { .. } | Self::OtherRoot { .. } => 409,
            Self::Path(_) | Self::First => 422,
            Self::Heads(_) => 500,
        }
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// True when the body is the size that was cosigned last (`text/x.tlog.size`).
    pub is_size: bool,
    /// The body.
    pub body: String,
}

/// A witness: its key, the logs that it knows, the heads that it remembers.
pub struct Witness {
    signer: WitnessSigner,
    heads: Mutex<Box<dyn Heads>>,
}

impl Witness {
    /// From its parts.
    pub fn new(signer: WitnessSigner, heads: Box<dyn Heads>) -> Self {
        Self { signer, heads: Mutex::new(heads) }
    }

    /// The key.
    pub fn signer(&self) -> &WitnessSigner {
        &self.signer
    }

    /// Answers a request, at a time in seconds since the Unix epoch.
    pub fn answer(&self, logs: &KnownLogs, body: &[u8], time: u64) -> Answer {
        match self.add_checkpoint(logs, body, time) {
            Ok(line) => Answer { status: 200, is_size: false, body: line },
            Err(refused) => {
                let size = match refused {
                    Refused::OldSizeIsNotNewest { newest, .. } => Some(newest),
                    Refused::OtherRoot { size } => Some(size),
                    _ => None,
                };
                let body = size.map_or_else(|| format!("{refused}\n"), size_text);
                Answer { status: refused.status(), is_size: size.is_some(), body }
            }
        }
    }

    /// Cosigns a checkpoint, after its head is kept: the line of the cosignature.
    ///
    /// # Errors
    /// The first [`Refused`] that applies.
    pub fn add_checkpoint(
        &self,
        logs: &KnownLogs,
        body: &[u8],
        time: u64,
    ) -> Result<String, Refused> {
        let request = AddCheckpoint::parse(body)?;
        let note = Note::parse(request.checkpoint.as_bytes())?;
        let checkpoint = signed(logs, &note, request.checkpoint)?;
        let head = *checkpoint.head();
        if request.old_size > head.size {
            return Err(Refused::OldSizeAbove { old: request.old_size, size: head.size });
        }
        // One after the other: what is compared is what is swapped.
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = heads.newest(checkpoint.origin())?;
        let follows = follow(newest.as_ref(), &request, &head)?;
        if follows {
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

/// The checkpoint, when a known key of its origin signed it.
fn signed(
    logs: &KnownLogs,
    note: &Note<'_>,
    checkpoint: &str,
) -> Result<VerifiedCheckpoint, Refused> {
    let origin = note.text().split('\n').next().unwrap_or_default();
    let keys = logs.keys(origin).ok_or(Refused::UnknownOrigin)?;
    let mut refused = Refused::NotSigned;
    for key in keys {
        match checkpoint::verify(checkpoint.as_bytes(), origin, key) {
            Ok(checkpoint) => return Ok(checkpoint),
            Err(CheckpointError::LogSignatureMissing | CheckpointError::LogSignature) => {}
            Err(error) => refused = Refused::Checkpoint(error),
        }
    }
    Err(refused)
}

/// True when the checkpoint is a head to be kept, false when it is the newest again.
fn follow(
    newest: Option<&TreeHead>,
    request: &AddCheckpoint<'_>,
    head: &TreeHead,
) -> Result<bool, Refused> {
    let (old, size) = (request.old_size, newest.map_or(0, |newest| newest.size));
    if old != size {
        return Err(Refused::OldSizeIsNotNewest { old, newest: size });
    }
    let Some(newest) = newest.filter(|newest| newest.size > 0) else {
        let is_first = request.path.is_empty() && (head.size > 0 || head.root.0 == sha256(&[]));
        return if is_first { Ok(true) } else { Err(Refused::First) };
    };
    match verify_consistency(newest, head, &request.path) {
        Ok(_) => Ok(newest.size < head.size),
        Err(HistoryProofError::SameSizeOtherRoot) => Err(Refused::OtherRoot { size }),
        Err(error) => Err(Refused::Path(error)),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
