//! Offline checks of answers.
//!
//! What a success proves: the pinned engine signed a promise (an outcome, a statement) whose every
//! field is the one shown, about exactly the terms that the caller signed; and it signed a
//! statement about the frame in which the promise says it stands. What it does not prove: that
//! the event is in the frame's event tree or the frame in the history (a verifier checks the
//! receipt's paths), that the key lives in an enclave (attestation), that the log was not forked
//! (statements of others).

use crate::client::Identity;
use crate::statements::SignedStatement;
use mortise_core::signature::{SignatureError, recover};
use mortise_format::domains::keccak256;
use mortise_format::eip712::{Claim, Digest, RootStatement};
use mortise_format::ids::{Address, Bytes32, LockId, Signature};
use mortise_format::lock::LockTerms;
use mortise_format::wire::params::ExtendLock;
use mortise_format::wire::results::{CommitmentView, OutcomeResult, ReceiptView};

/// What an answer fails to prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A kept statement can only be checked against a pinned engine.
    #[error("no engine is pinned to check the statement against")]
    NotPinned,
    /// It is of another engine.
    #[error("the answer is of another engine")]
    EngineId,
    /// It promises other terms than those that were signed.
    #[error("the commitment is to other terms than those signed")]
    Terms,
    /// It names another lock.
    #[error("the answer is about another lock")]
    LockId,
    /// Fields that are said twice differ.
    #[error("the commitment contradicts itself")]
    Contradictory,
    /// `expires <= claimBy <= settleBy` does not hold.
    #[error("the commitment's times are out of order")]
    Times,
    /// The owner's signature is not the one that was sent.
    #[error("the commitment names another owner's signature")]
    UserSignature,
    /// The digest shown is not that of the fields.
    #[error("the digest is not that of the fields shown")]
    Digest,
    /// The signature names no signer.
    #[error("the engine's signature is malformed: {0}")]
    Signature(SignatureError),
    /// Another key signed.
    #[error("{found} signed, not the engine's {expected}")]
    Signer {
        /// The engine's.
        expected: Address,
        /// Whose it is.
        found: Address,
    },
    /// A batch has as many commitments as locks.
    #[error("the batch has another number of commitments than locks")]
    CommitmentCount,
    /// Receipt and promise name different places, roots or policies.
    #[error("the receipt is for another place in the log")]
    Place,
    /// The outcome is another than the one asked for.
    #[error("the outcome is another than the one asked for")]
    Outcome,
    /// `historySize` is not `seq + 1`.
    #[error("the statement's history does not end with its frame")]
    HistorySize,
}

fn signed_by(
    identity: &Identity,
    digest: &Digest,
    signature: &Signature,
) -> Result<(), CheckError> {
    let found = recover(digest, signature).map_err(CheckError::Signature)?;
    if found == identity.address {
        return Ok(());
    }
    Err(CheckError::Signer { expected: identity.address, found })
}

fn holds(condition: bool, error: CheckError) -> Result<(), CheckError> {
    if condition { Ok(()) } else { Err(error) }
}

/// Checks a commitment against the terms and the signature that the caller sent.
///
/// # Errors
/// The first [`CheckError`] that applies.
pub fn commitment(
    identity: &Identity,
    view: &CommitmentView,
    terms: &LockTerms,
    signature: &Signature,
) -> Result<(), CheckError> {
    holds(view.terms() == *terms, CheckError::Terms)?;
    holds(view.lock_id == terms.lock_id(&identity.engine_id), CheckError::LockId)?;
    let sent = Bytes32(keccak256(&[&signature.0]));
    holds(view.user_signature_hash == sent, CheckError::UserSignature)?;
    promise(identity, view)
}

/// Checks the commitment of a prolonged lock.
///
/// # Errors
/// The first [`CheckError`] that applies.
pub fn extension(
    identity: &Identity,
    view: &CommitmentView,
    asked: &ExtendLock,
) -> Result<(), CheckError> {
    holds(view.lock_id == asked.lock_id, CheckError::LockId)?;
    holds(view.expires_at == asked.new_expires, CheckError::Terms)?;
    promise(identity, view)
}

/// Checks that the engine signed the fields of a commitment, whoever asked for it.
///
/// # Errors
/// The first [`CheckError`] that applies.
pub fn promise(identity: &Identity, view: &CommitmentView) -> Result<(), CheckError> {
    let attested = &view.ccm_attestation;
    holds(attested.enclave_id == identity.engine_id, CheckError::EngineId)?;
    holds(view.repeats_itself_truly(), CheckError::Contradictory)?;
    let ordered = view.expires_at <= view.claim_by && view.claim_by <= view.settle_by;
    holds(ordered, CheckError::Times)?;
    let digest = view.digest(&identity.engine_id);
    holds(attested.commitment_hash.0 == digest.0, CheckError::Digest)?;
    signed_by(identity, &digest, &attested.signature)
}

/// Checks that a receipt is for the place that a commitment names.
///
/// # Errors
/// `Place`.
pub fn commitment_in_receipt(
    view: &CommitmentView,
    receipt: &ReceiptView,
) -> Result<(), CheckError> {
    let statement = &receipt.statement;
    let same = view.epoch == receipt.epoch
        && view.seq == receipt.seq
        && view.event_index == receipt.index
        && view.event_root == statement.event_root
        && view.state_root == statement.state_root
        && view.policy_hash == statement.policy_hash;
    holds(same, CheckError::Place)
}

/// Checks that a receipt agrees with its own statement.
///
/// # Errors
/// `Place`.
pub fn receipt_place(receipt: &ReceiptView) -> Result<(), CheckError> {
    let statement = &receipt.statement;
    let same = receipt.epoch == statement.epoch
        && receipt.seq == statement.seq
        && receipt.index < statement.event_count;
    holds(same, CheckError::Place)
}

/// Checks that the engine signed a statement.
///
/// # Errors
/// `EngineId`, `HistorySize`, `Signature`, `Signer`.
pub fn statement(identity: &Identity, signed: &SignedStatement) -> Result<(), CheckError> {
    let statement = RootStatement::from(&signed.statement);
    holds(statement.engine_id == identity.engine_id, CheckError::EngineId)?;
    let whole = statement.seq.checked_add(1) == Some(statement.history_size);
    holds(whole, CheckError::HistorySize)?;
    signed_by(identity, &statement.digest(), &signed.signature)
}

/// Checks that the engine signed what became of a lock.
///
/// # Errors
/// The first [`CheckError`] that applies.
pub fn outcome(
    identity: &Identity,
    result: &OutcomeResult,
    lock_id: &LockId,
) -> Result<(), CheckError> {
    holds(result.enclave_id == identity.engine_id, CheckError::EngineId)?;
    let shown = &result.outcome;
    holds(shown.lock_id == *lock_id, CheckError::LockId)?;
    holds(shown.status == result.status, CheckError::Outcome)?;
    let (statement, receipt) = (&result.receipt.statement, &result.receipt);
    let same = shown.epoch == receipt.epoch
        && shown.seq == receipt.seq
        && shown.event_index == receipt.index
        && shown.event_root == statement.event_root
        && shown.state_root == statement.state_root
        && shown.policy_hash == statement.policy_hash;
    holds(same, CheckError::Place)?;
    let digest = shown.digest(&identity.engine_id).ok_or(CheckError::Outcome)?;
    holds(result.data_hash.0 == digest.0, CheckError::Digest)?;
    signed_by(identity, &digest, &result.signature)
}

/// Checks the outcome of a claim against the claim.
///
/// # Errors
/// The first [`CheckError`] that applies.
pub fn claim(identity: &Identity, result: &OutcomeResult, asked: &Claim) -> Result<(), CheckError> {
    let shown = &result.outcome;
    let same = shown.claim_index == asked.claim_index
        && shown.claimant == asked.claimant
        && shown.amounts == asked.amounts;
    holds(same, CheckError::Outcome)?;
    outcome(identity, result, &asked.lock_id)
}
