//! Transparency-log proofs (C2SP tlog-proof@v1), checked: a frame in a checkpointed log.
//!
//! What it is for: a receipt that standard tools can check too. Its text is
//! [`mortise_format::tlog_proof`]. What it does not do: contain the leaf. The verifier supplies the
//! bytes.

use crate::checkpoint::{self, CheckpointError, CosignedCheckpoint, VerifiedCheckpoint, Witnesses};
use crate::history::{VerifiedInclusion, verify_inclusion};
use mortise_format::merkle::history::HistoryProofError;
use mortise_format::note::NoteKey;
use mortise_format::tlog_proof::{TlogProof, TlogProofTextError};

/// Why a proof is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlogProofError {
    /// The bytes are not a proof.
    #[error(transparent)]
    Text(#[from] TlogProofTextError),
    /// The checkpoint is not valid.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The leaf is not in the checkpointed tree at this index.
    #[error("the leaf is not in the checkpointed tree: {0}")]
    Inclusion(#[from] HistoryProofError),
}

/// A leaf in a log whose checkpoint the log signed.
///
/// What it proves: the leaf that the verifier supplied is at `index` of the tree that the log's key
/// signed; with a quorum, the tree that the witnesses cosigned. What it does not prove: what the
/// leaf means ([`crate::receipt::verify_frame`] ties it to a statement).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTlogProof<C> {
    inclusion: VerifiedInclusion,
    checkpoint: C,
}

impl<C> VerifiedTlogProof<C> {
    /// The leaf and its index.
    pub fn inclusion(&self) -> &VerifiedInclusion {
        &self.inclusion
    }

    /// The checkpoint of the tree: [`VerifiedCheckpoint`] or [`CosignedCheckpoint`].
    pub fn checkpoint(&self) -> &C {
        &self.checkpoint
    }
}

/// Checks a proof of a leaf under a checkpoint of the log alone.
///
/// Success proves what [`VerifiedTlogProof`] states.
///
/// # Errors
/// `Text` with the names of [`TlogProof::parse`], then `Checkpoint`, `Inclusion`.
pub fn verify(
    proof: &[u8],
    leaf: &[u8],
    origin: &str,
    log: &NoteKey,
) -> Result<VerifiedTlogProof<VerifiedCheckpoint>, TlogProofError> {
    let proof = TlogProof::parse(proof)?;
    let checkpoint = checkpoint::verify(proof.checkpoint().as_bytes(), origin, log)?;
    let inclusion = verify_inclusion(checkpoint.head(), proof.index(), leaf, proof.path())?;
    Ok(VerifiedTlogProof { inclusion, checkpoint })
}

/// Checks a proof of a leaf under a checkpoint that a quorum of witnesses cosigned.
///
/// Success proves what [`VerifiedTlogProof`] states.
///
/// # Errors
/// `Text` with the names of [`TlogProof::parse`], then `Checkpoint`, `Inclusion`.
pub fn verify_cosigned(
    proof: &[u8],
    leaf: &[u8],
    origin: &str,
    log: &NoteKey,
    witnesses: &Witnesses,
) -> Result<VerifiedTlogProof<CosignedCheckpoint>, TlogProofError> {
    let proof = TlogProof::parse(proof)?;
    let note = proof.checkpoint().as_bytes();
    let checkpoint = checkpoint::verify_cosigned(note, origin, log, witnesses)?;
    let head = checkpoint.checkpoint().head();
    let inclusion = verify_inclusion(head, proof.index(), leaf, proof.path())?;
    Ok(VerifiedTlogProof { inclusion, checkpoint })
}
