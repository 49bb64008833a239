//! What a log sends to a witness (C2SP tlog-witness, `add-checkpoint`).
//!
//! ```text
//! old (size that the witness cosigned last)
//! (base64 hash)                  one line per hash of the RFC 6962 consistency path
//! (empty line)
//! (the checkpoint, a signed note)
//! ```
//! What it is for: one parser and one printer, for the log and for the witness. What it does not
//! do: check the path or signatures (`mortise_verify::witness_answer` reads the reply), speak HTTP.
//!
//! Invariants: a request has exactly one encoding; no input beyond its bound is read.

use crate::limits::WITNESS_REQUEST_BYTES_MAX;
use crate::note::{hash_of, number_of, text_of};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Most hashes of a consistency path that a witness takes.
pub const PATH_HASHES_MAX: usize = 63;
/// Content type of the size in a 409 response.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// Why bytes are not a request.
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
    /// The first line is not an old size.
    #[error("the first line is not `old` and a decimal number without leading zeros")]
    OldSize,
    /// A line of the path is not base64 of 32 bytes.
    #[error("line {line} of the path is not base64 of 32 bytes")]
    Hash {
        /// Line of the path, from 0.
        line: usize,
    },
    /// More hashes than a path has.
    #[error("the path has more than {PATH_HASHES_MAX} hashes")]
    PathTooLong,
    /// No empty line before a checkpoint.
    #[error("no empty line separates the path from the checkpoint")]
    NoCheckpoint,
}

/// A request that parses. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint<'a> {
    /// The size that, by this request, the witness cosigned last; 0 for none.
    pub old_size: u64,
    /// Consistency path from the old size to the checkpoint.
    pub path: Vec<[u8; 32]>,
    /// A signed note.
    pub checkpoint: &'a str,
}

impl<'a> AddCheckpoint<'a> {
    /// Parses a request. Does not parse the checkpoint in it.
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

/// The body of a 409 response.
pub fn size_text(size: u64) -> String {
    format!("{size}\n")
}

/// The size in the body of a 409 response; `None` when the body is not a size.
pub fn parse_size(body: &[u8]) -> Option<u64> {
    core::str::from_utf8(body).ok()?.strip_suffix('\n').and_then(number_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_at_its_limit_parses_and_one_byte_more_is_too_large() {
        let start = "old 7\n\n";
        let text = |size: usize| format!("{start}{}", "x".repeat(size - start.len()));
        let largest = text(WITNESS_REQUEST_BYTES_MAX);
        assert_eq!(AddCheckpoint::parse(largest.as_bytes()).map(|r| r.old_size), Ok(7));
        let found = WITNESS_REQUEST_BYTES_MAX + 1;
        let refused = AddCheckpoint::parse(text(found).as_bytes()).map(|_| ());
        assert_eq!(refused, Err(AddCheckpointError::TooLarge { found }));
    }
}
