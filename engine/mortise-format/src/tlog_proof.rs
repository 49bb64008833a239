//! Transparency-log proofs (C2SP tlog-proof@v1): one text that shows a frame in a checkpointed log.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra (base64)                 optional, not authenticated
//! index (decimal)
//! (base64 hash)                  one line per hash of the RFC 6962 path, from the leaf up
//! (empty line)
//! (the checkpoint, a signed note)
//! ```
//! What it is for: a receipt that standard tools can check too. What it does not do: carry the leaf
//! (the verifier supplies the bytes), check a path or a signature (`mortise_verify::tlog_proof`).

use crate::limits::TLOG_PROOF_BYTES_MAX;
use crate::note::{bytes_of, hash_of, number_of, text_of};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The first line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Most hashes of a path in a tree of 64-bit size.
const PATH_HASHES_MAX: usize = 64;

/// Why a text is not a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlogProofTextError {
    /// More bytes than a proof may have.
    #[error("the proof has {found} bytes, {TLOG_PROOF_BYTES_MAX} at most")]
    TooLarge {
        /// Bytes given.
        found: usize,
    },
    /// Not UTF-8.
    #[error("the proof is not UTF-8")]
    Utf8,
    /// The first line is another.
    #[error("the first line is not that of a tlog-proof@v1")]
    Header,
    /// The extra data is not base64.
    #[error("the extra data is not base64")]
    Extra,
    /// The index is missing or not a decimal number.
    #[error("the index is not a 64-bit decimal number without leading zeros")]
    Index,
    /// A line of the path is not base64 of 32 bytes.
    #[error("line {line} of the path is not base64 of 32 bytes")]
    Hash {
        /// Line of the path, from 0.
        line: usize,
    },
    /// More hashes than any tree has.
    #[error("the path has more than {PATH_HASHES_MAX} hashes")]
    PathTooLong,
    /// No empty line before a checkpoint.
    #[error("no empty line separates the path from the checkpoint")]
    NoCheckpoint,
}

/// A proof that parses. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof<'a> {
    extra: Option<Vec<u8>>,
    index: u64,
    path: Vec<[u8; 32]>,
    checkpoint: &'a str,
}

impl<'a> TlogProof<'a> {
    /// Parses a proof. Does not parse the checkpoint in it.
    ///
    /// # Errors
    /// `TooLarge`, `Utf8`, `Header`, `Extra`, `Index`, `Hash`, `PathTooLong`, `NoCheckpoint`, in
    /// the order of the lines.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TlogProofTextError> {
        if bytes.len() > TLOG_PROOF_BYTES_MAX {
            return Err(TlogProofTextError::TooLarge { found: bytes.len() });
        }
        let text = core::str::from_utf8(bytes).map_err(|_| TlogProofTextError::Utf8)?;
        let (header, mut rest) = line_of(text).ok_or(TlogProofTextError::Header)?;
        if header != HEADER {
            return Err(TlogProofTextError::Header);
        }
        let mut extra = None;
        if let Some((line, after)) = line_of(rest)
            && let Some(data) = line.strip_prefix("extra ")
        {
            extra = Some(bytes_of(data).ok_or(TlogProofTextError::Extra)?);
            rest = after;
        }
        let (line, rest) = line_of(rest).ok_or(TlogProofTextError::Index)?;
        let index =
            line.strip_prefix("index ").and_then(number_of).ok_or(TlogProofTextError::Index)?;
        let (path, checkpoint) = path_of(rest)?;
        Ok(Self { extra, index, path, checkpoint })
    }

    /// Index of the leaf.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The path, from the leaf up.
    pub fn path(&self) -> &[[u8; 32]] {
        &self.path
    }

    /// The checkpoint, a signed note.
    pub fn checkpoint(&self) -> &'a str {
        self.checkpoint
    }

    /// Extra data. No signature covers it, so anyone may have written it.
    pub fn unauthenticated_extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }
}

/// The text of a proof, without extra data.
pub fn proof_text(index: u64, path: &[[u8; 32]], checkpoint: &str) -> String {
    let hashes: String = path.iter().map(|hash| format!("{}\n", text_of(hash))).collect();
    format!("{HEADER}\nindex {index}\n{hashes}\n{checkpoint}")
}

/// The first line without its newline, and what follows.
fn line_of(text: &str) -> Option<(&str, &str)> {
    text.split_once('\n')
}

fn path_of(mut rest: &str) -> Result<(Vec<[u8; 32]>, &str), TlogProofTextError> {
    let mut path = Vec::new();
    loop {
        let (line, after) = line_of(rest).ok_or(TlogProofTextError::NoCheckpoint)?;
        if line.is_empty() {
            return Ok((path, after));
        }
        if path.len() == PATH_HASHES_MAX {
            return Err(TlogProofTextError::PathTooLong);
        }
        path.push(hash_of(line).ok_or(TlogProofTextError::Hash { line: path.len() })?);
        rest = after;
    }
}
