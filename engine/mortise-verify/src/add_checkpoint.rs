//! What a log sends to a witness (C2SP tlog-witness, `add-checkpoint`), and what comes back.
//!
//! ```text
//! old (size that the witness cosigned last)
//! (base64 hash)                  one line per hash of the RFC 6962 consistency path
//! (empty line)
//! (the checkpoint, a signed note)
//! ```
//! What it is for: one parser and one printer, for our log, our witness and whoever stands between.
//! What it does not do: check path or signatures, speak HTTP.
//!
//! Invariants: a request has one spelling; nothing is read beyond its bound.

use crate::checkpoint::cosigned_at;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mortise_format::limits::{WITNESS_ANSWER_BYTES_MAX, WITNESS_REQUEST_BYTES_MAX};
use mortise_format::note::{Note, NoteKey, hash_of, number_of, text_of};

/// Most hashes of a consistency path that a witness takes.
pub const PATH_HASHES_MAX: usize = 63;
/// Content type of the size in an answer 409.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// Why bytes are no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddCheckpointError {
    /// More bytes than a request may have.
    #[error("the request has {found} bytes, {WITNESS_REQUEST_BYTES_MAX} at most")]
    TooLarge {
        /// Bytes given.
        found: usize,
    },
    /// Not UTF-8.
    #[error("the request is not UTF-8")]
    Utf8,
    /// The first line is no old size.
    #[error("the first line is not `old` and a decimal number without leading zeros")]
    OldSize,
    /// A line of the path is no base64 of 32 bytes.
    #[error("line {line} of the path is no base64 of 32 bytes")]
    Hash {
        /// Which, from 0.
        line: usize,
    },
    /// More hashes than a path has.
    #[error("the path has more than {PATH_HASHES_MAX} hashes")]
    PathTooLong,
    /// No empty line before a checkpoint.
    #[error("no empty line parts the path from the checkpoint")]
    NoCheckpoint,
}

/// A request that parses. Nothing of it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint<'a> {
    /// The size that the witness is said to have cosigned last; 0 for none.
    pub old_size: u64,
    /// From there to the checkpoint.
    pub path: Vec<[u8; 32]>,
    /// A signed note.
    pub checkpoint: &'a str,
}

impl<'a> AddCheckpoint<'a> {
    /// Parses a request; the checkpoint in it is not looked at.
    ///
    /// # Errors
    /// `TooLarge`, `Utf8`, `OldSize`, `Hash`, `PathTooLong`, `NoCheckpoint`, in the order of the
    /// lines.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, AddCheckpointError> {
        if bytes.len() > WITNESS_REQUEST_BYTES_MAX {
            return Err(AddCheckpointError::TooLarge { found: bytes.len() });
        }
        let text = core::str::from_utf8(bytes).map_err(|_| AddCheckpointError::Utf8)?;
        let (first, mut rest) = text.split_once('\n').ok_or(AddCheckpointError::OldSize)?;
        let old_size = first.strip_prefix("old ").and_then(number_of);
        let old_size = old_size.ok_or(AddCheckpointError::OldSize)?;
        let mut path = Vec::new();
        loop {
            let parted = rest.split_once('\n');
            let (line, after) = parted.ok_or(AddCheckpointError::NoCheckpoint)?;
            if line.is_empty() {
                return Ok(Self { old_size, path, checkpoint: after });
            }
            if path.len() == PATH_HASHES_MAX {
                return Err(AddCheckpointError::PathTooLong);
            }
            let line_number = path.len();
            let hash = hash_of(line).ok_or(AddCheckpointError::Hash { line: line_number })?;
            path.push(hash);
            rest = after;
        }
    }

    /// The bytes of the request.
    pub fn text(&self) -> String {
        let hashes: String = self.path.iter().map(|hash| format!("{}\n", text_of(hash))).collect();
        format!("old {}\n{hashes}\n{}", self.old_size, self.checkpoint)
    }
}

/// What an answer of a witness says, before anything of it is believed but its own signature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WitnessAnswer {
    /// The witness cosigned: checked against its key and the checkpoint's text.
    Cosigned {
        /// The line, as it goes under the checkpoint, with its newline.
        line: String,
        /// By the witness's clock, seconds since the Unix epoch.
        time: u64,
    },
    /// 409: this is the size that it cosigned last.
    LastCosigned(u64),
    /// 409 without a size: another root at the size of the checkpoint.
    OtherRoot,
    /// 422: the path does not lead from what it cosigned to the checkpoint.
    Inconsistent,
    /// Anything else: it does not know the log, or it does not speak the protocol.
    Unusable,
}

/// Reads an answer to a checkpoint of `text`. A cosignature proves itself; of everything else the
/// parent may be the author.
pub fn read_answer(witness: &NoteKey, text: &str, status: u16, body: &[u8]) -> WitnessAnswer {
    if body.len() > WITNESS_ANSWER_BYTES_MAX {
        return WitnessAnswer::Unusable;
    }
    match status {
        200 => cosigned(witness, text, body).unwrap_or(WitnessAnswer::Unusable),
        409 => {
            let size = core::str::from_utf8(body).ok().and_then(|b| b.strip_suffix('\n'));
            size.and_then(number_of).map_or(WitnessAnswer::OtherRoot, WitnessAnswer::LastCosigned)
        }
        422 => WitnessAnswer::Inconsistent,
        _ => WitnessAnswer::Unusable,
    }
}

/// The first good line of the witness among those of the answer.
fn cosigned(witness: &NoteKey, text: &str, body: &[u8]) -> Option<WitnessAnswer> {
    let lines = core::str::from_utf8(body).ok()?;
    let note = format!("{text}\n{lines}");
    let note = Note::parse(note.as_bytes()).ok()?;
    let (name, id) = (witness.name(), witness.id());
    note.signatures().iter().filter(|s| s.name == name && s.id == id).find_map(|signature| {
        let time = cosigned_at(witness, text, &signature.bytes)?;
        Some(WitnessAnswer::Cosigned { line: witness.signature_line(&signature.bytes), time })
    })
}

/// The body of an answer 409.
pub fn size_text(size: u64) -> String {
    format!("{size}\n")
}
