//! Offline checks of answers, with [`mortise_verify`].
//!
//! What a success proves: the pinned engine signed a promise (an outcome, a statement) with exactly
//! the fields shown, about exactly the terms that the caller signed; the event of the receipt is in
//! the frame that the statement names, at the position in the promise; and the frame is the last
//! leaf of the history that the statement names. What it does not prove: that an enclave holds the
//! key (attestation), that the log was not forked (statements of others, cosigned checkpoints).
//!
//! A promise in an insecure mode ([`mortise_verify::insecure`]) is refused unless the caller allows
//! that mode by name (`allowed`).

use crate::identity::Identity;
use crate::statements::SignedStatementView;
use mortise_format::eip712::Claim;
use mortise_format::ids::{LockId, Signature};
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::lock::LockTerms;
use mortise_rpc::params::ExtendLock;
use mortise_rpc::results::{CommitmentView, OutcomeResult, ReceiptView};
use mortise_verify::commitment::{CommitmentError, Expected, VerifiedCommitment};
use mortise_verify::insecure::{self, InsecureModeError};
use mortise_verify::json::{self, JsonError};
use mortise_verify::receipt::{
    FrameError, ReceiptError, VerifiedReceipt, check_rules, verify_frame,
};
use mortise_verify::statement as statements;
use mortise_verify::statement::{StatementError, VerifiedStatement};
use mortise_verify::{SignerError, commitment as commitments, receipt as receipts};

/// What an answer fails to prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A kept statement can only be checked against a pinned engine.
    #[error("no engine is pinned to check the statement against")]
    NotPinned,
    /// Fields that appear in two places of the answer differ.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The commitment is not the engine's, or not about the terms that were signed.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
    /// The receipt does not show the event in the engine's log.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The receipt's frame is not in the history of its statement.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The statement is not the engine's.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The outcome is of another engine.
    #[error("the outcome is of another engine")]
    EngineId,
    /// The answer is about another lock.
    #[error("the answer is about another lock")]
    LockId,
    /// The digest does not match the fields.
    #[error("the digest does not match the fields of the answer")]
    Digest,
    /// The outcome is in an insecure mode that the caller does not allow.
    #[error(transparent)]
    InsecureMode(#[from] InsecureModeError),
    /// The outcome is not signed by the engine.
    #[error("the outcome is not signed by the engine: {0}")]
    Signature(#[from] SignerError),
    /// The number of commitments is not the number of locks.
    #[error("the number of commitments in the batch is not the number of locks")]
    CommitmentCount,
    /// Receipt and promise name different positions, roots or policies.
    #[error("the receipt is for another position in the log, or names other roots")]
    Place,
    /// The outcome does not match the request.
    #[error("the outcome does not match the request")]
    Outcome,
}

fn holds(condition: bool, error: CheckError) -> Result<(), CheckError> {
    if condition { Ok(()) } else { Err(error) }
}

/// Checks a complete receipt: rules, event, frame, statement, history.
///
/// # Errors
/// `Json`, `Receipt`, `Frame`, in this order; `Frame` before the event when its rules are unknown.
pub fn receipt(identity: &Identity, view: &ReceiptView) -> Result<VerifiedReceipt, CheckError> {
    let shown = json::receipt(view)?;
    let signed = statements::verify(&identity.engine(), &shown.signed);
    let signed = signed.map_err(ReceiptError::Statement)?;
    check_rules(&signed, &view.leaf.0)?;
    let verified = receipts::verify_event(signed, &shown)?;
    let (stated, path) = (verified.statement(), json::hashes(&view.history_path));
    verify_frame(stated, &view.leaf.0, &path, &stated.head())?;
    Ok(verified)
}

/// Checks a commitment against the terms and the signature that the caller sent, and against the
/// position of a receipt.
///
/// # Errors
/// `Json`, `Commitment`, `Place`, in this order.
pub fn commitment(
    identity: &Identity,
    allowed: Option<InsecureMode>,
    view: &CommitmentView,
    terms: &LockTerms,
    signature: &Signature,
    receipt: &VerifiedReceipt,
) -> Result<(), CheckError> {
    let (mode, user_signature) = (allowed, Some(signature));
    promised(identity, view, &Expected { mode, user_signature, ..Expected::terms(terms) }, receipt)
}

/// Checks the commitment of an extended lock, against the position of a receipt.
///
/// # Errors
/// `Json`, `Commitment`, `Place`, in this order.
pub fn extension(
    identity: &Identity,
    allowed: Option<InsecureMode>,
    view: &CommitmentView,
    asked: &ExtendLock,
    receipt: &VerifiedReceipt,
) -> Result<(), CheckError> {
    // The original terms are not available here: only lock and expiry are compared with the
    // request.
    let terms = LockTerms { expires: asked.new_expires, ..view.terms() };
    let (mode, lock_id) = (allowed, Some(asked.lock_id));
    promised(identity, view, &Expected { mode, lock_id, ..Expected::terms(&terms) }, receipt)
}

/// Checks that the engine signed the fields of a commitment, whatever the request was. Allows no
/// insecure mode.
///
/// # Errors
/// `Json`, `Commitment`, in this order.
pub fn promise(
    identity: &Identity,
    view: &CommitmentView,
) -> Result<VerifiedCommitment, CheckError> {
    let lock_id = Some(view.lock_id);
    verified(identity, view, &Expected { lock_id, ..Expected::terms(&view.terms()) })
}

fn promised(
    identity: &Identity,
    view: &CommitmentView,
    expected: &Expected<'_>,
    receipt: &VerifiedReceipt,
) -> Result<(), CheckError> {
    holds(verified(identity, view, expected)?.is_in(receipt), CheckError::Place)
}

fn verified(
    identity: &Identity,
    view: &CommitmentView,
    expected: &Expected<'_>,
) -> Result<VerifiedCommitment, CheckError> {
    let engine = identity.engine();
    let shown = json::commitment(view, &engine.id)?;
    Ok(commitments::verify(&engine, &shown, expected)?)
}

/// Checks that the engine signed a statement.
///
/// # Errors
/// `Json`, `Statement`, in this order.
pub fn statement(
    identity: &Identity,
    shown: &SignedStatementView,
) -> Result<VerifiedStatement, CheckError> {
    let signed = json::statement(&shown.statement, shown.signature)?;
    Ok(statements::verify(&identity.engine(), &signed)?)
}

/// Checks that the engine signed what became of a lock, at the position of a receipt.
///
/// # Errors
/// `EngineId`, `LockId`, `Outcome`, `Place`, `Digest`, `InsecureMode`, `Signature`, in this order.
pub fn outcome(
    identity: &Identity,
    allowed: Option<InsecureMode>,
    result: &OutcomeResult,
    lock_id: &LockId,
    receipt: &VerifiedReceipt,
) -> Result<(), CheckError> {
    holds(result.enclave_id == identity.engine_id, CheckError::EngineId)?;
    let shown = &result.outcome;
    holds(shown.lock_id == *lock_id, CheckError::LockId)?;
    holds(shown.status == result.status, CheckError::Outcome)?;
    let (stated, at) = (receipt.statement().fields(), receipt.position());
    let same = shown.epoch == stated.epoch
        && shown.seq == at.seq
        && shown.event_index == at.index
        && shown.event_root == stated.event_root
        && shown.state_root == stated.state_root
        && shown.policy_hash == stated.policy_hash;
    holds(same, CheckError::Place)?;
    let digest = shown.digest(&identity.engine_id).ok_or(CheckError::Outcome)?;
    holds(result.data_hash.0 == digest.0, CheckError::Digest)?;
    insecure::check(shown.mode, allowed)?;
    Ok(identity.engine().signed(&digest, &result.signature)?)
}

/// Checks the outcome of a claim against the claim.
///
/// # Errors
/// `Outcome`, then those of [`outcome`].
pub fn claim(
    identity: &Identity,
    allowed: Option<InsecureMode>,
    result: &OutcomeResult,
    asked: &Claim,
    receipt: &VerifiedReceipt,
) -> Result<(), CheckError> {
    let shown = &result.outcome;
    let same = shown.claim_index == asked.claim_index
        && shown.claimant == asked.claimant
        && shown.amounts == asked.amounts;
    holds(same, CheckError::Outcome)?;
    outcome(identity, allowed, result, &asked.lock_id, receipt)
}
