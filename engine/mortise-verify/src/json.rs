//! Converts the JSON answers of an engine to inputs of the checks.
//!
//! What it is for: no caller has to map fields by hand. What it does not do: verify. The inputs
//! have each field once, so an answer whose repeated fields differ is rejected here, by name.

use crate::commitment::SignedCommitment;
use crate::fork::{ForkEvidence, ForkLeaves, LeafProof};
use crate::receipt::Receipt;
use crate::statement::SignedStatement;
use alloc::vec::Vec;
use mortise_format::eip712::RootStatement;
use mortise_format::entry::LeafKey;
use mortise_format::ids::{Bytes32, EngineId, Signature};
use mortise_format::merkle::state::{ProofEnd, StateProof, StateProofError};
use mortise_format::merkle::{TreeKey, ValueHash};
use mortise_rpc::results::{
    CommitmentView, ForkEvidenceView, ForkFormat, ForkLeavesView, FreshnessView, LeafProofView,
    ProofResult, ReceiptView, SignedStatementView, StatementView,
};
use mortise_rpc::{HexBytes, json};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why an answer contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The answer names another epoch than its statement.
    #[error("the answer names another epoch than its statement")]
    Epoch,
    /// The answer names another frame than its statement.
    #[error("the answer names another frame than its statement")]
    Seq,
    /// The answer names another state root than its statement.
    #[error("the answer names another state root than its statement")]
    StateRoot,
    /// The position is not that of the key.
    #[error("the position is not that of the key")]
    TreeKey,
    /// Fields of presence and absence are mixed, or some are missing.
    #[error("the answer mixes presence and absence")]
    Mixed,
    /// The proof has too many siblings.
    #[error(transparent)]
    Proof(#[from] StateProofError),
    /// The engine id, a first leg, a deadline, a time or a digest appears twice and differs.
    #[error("the commitment contradicts itself")]
    Commitment,
    /// The time of the statement is out of range.
    #[error("the time of the statement is out of range")]
    Time,
}

/// Why bytes are not the answer that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Not one JSON value, within its bounds.
    #[error("the bytes are not one JSON value")]
    Json,
    /// The engine answered with an error: there is nothing to check.
    #[error("the engine answered with an error")]
    Refused,
    /// A required field is missing or malformed.
    #[error("the answer does not have the expected fields")]
    Form,
}

/// Reads an answer, bare or in its JSON-RPC envelope, as a type of [`mortise_rpc::results`].
/// Verifies nothing.
///
/// # Errors
/// `Json`, `Refused`, `Form`, in this order.
pub fn answer<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AnswerError> {
    let mut value = json::parse(bytes).map_err(|_| AnswerError::Json)?;
    if value.get("jsonrpc").is_some() {
        value = value.get_mut("result").map(Value::take).ok_or(AnswerError::Refused)?;
    }
    serde_json::from_value(value).map_err(|_| AnswerError::Form)
}

/// What an answer claims about an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The entry is present.
    Present {
        /// The encoded value.
        value: Vec<u8>,
        /// Salt of the value hash.
        salt: [u8; 32],
    },
    /// The entry is absent.
    Absent,
}

/// A state proof as the engine answered it. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateAnswer {
    /// The statement that names the root.
    pub signed: SignedStatement,
    /// The siblings of the path.
    pub proof: StateProof,
    /// What the proof is to show.
    pub claimed: Claimed,
}

/// The input of [`crate::statement::verify`].
///
/// # Errors
/// `Time`.
pub fn statement(view: &StatementView, signature: Signature) -> Result<SignedStatement, JsonError> {
    view.time.checked_mul(1000).ok_or(JsonError::Time)?;
    Ok(SignedStatement { statement: RootStatement::from(view), signature })
}

/// The statement of an answer about now, the input of [`crate::statement::verify`]. Its checkpoint
/// and the [`hashes`] of its history path are the [`crate::lease::Evidence`].
///
/// # Errors
/// `Time`.
pub fn freshness(view: &FreshnessView) -> Result<SignedStatement, JsonError> {
    statement(&view.statement, view.statement_signature)
}

/// The input of [`crate::receipt::verify`].
///
/// [`crate::receipt::verify_frame`] takes the leaf as it is and the [`hashes`] of the history path.
///
/// # Errors
/// `Epoch`, `Seq`, `Time`, in this order.
pub fn receipt(view: &ReceiptView) -> Result<Receipt, JsonError> {
    if view.epoch != view.statement.epoch {
        return Err(JsonError::Epoch);
    }
    if view.seq != view.statement.seq {
        return Err(JsonError::Seq);
    }
    Ok(Receipt {
        signed: statement(&view.statement, view.statement_signature)?,
        index: view.index,
        event: view.event.0.clone(),
        salt: view.salt.0,
        path: hashes(&view.path),
    })
}

/// The input of [`crate::state::verify_leaf`] or [`crate::state::verify_absence`] for `key`.
///
/// # Errors
/// `Seq`, `StateRoot`, `TreeKey`, `Mixed`, `Proof`, `Time`, in this order.
pub fn state(view: &ProofResult, key: &LeafKey) -> Result<StateAnswer, JsonError> {
    if view.seq != view.statement.seq {
        return Err(JsonError::Seq);
    }
    if view.state_root != view.statement.state_root {
        return Err(JsonError::StateRoot);
    }
    if view.position.0 != key.position(&view.statement.engine_id).0 {
        return Err(JsonError::TreeKey);
    }
    let (claimed, end) = match (view.present, &view.value, &view.salt, &view.other) {
        (true, Some(value), Some(salt), None) => {
            (Claimed::Present { value: value.0.clone(), salt: salt.0 }, ProofEnd::Present)
        }
        (false, None, None, None) => (Claimed::Absent, ProofEnd::Empty),
        (false, None, None, Some(other)) => {
            let (position, value) = (TreeKey(other.position.0), ValueHash(other.value_hash.0));
            (Claimed::Absent, ProofEnd::Other { position, value })
        }
        _ => return Err(JsonError::Mixed),
    };
    let proof = StateProof::from_parts(hashes(&view.siblings), end)?;
    let signed = statement(&view.statement, view.statement_signature)?;
    Ok(StateAnswer { signed, proof, claimed })
}

/// The input of [`crate::commitment::verify`]. Computes its hashes from the fields of the view.
///
/// # Errors
/// `Commitment`.
pub fn commitment(
    view: &CommitmentView,
    engine_id: &EngineId,
) -> Result<SignedCommitment, JsonError> {
    let attested = &view.ccm_attestation;
    let once = view.is_consistent()
        && attested.enclave_id == *engine_id
        && attested.commitment_hash.0 == view.digest(engine_id).0;
    match once {
        true => {
            let (mode, signature) = (attested.mode, attested.signature);
            Ok(SignedCommitment { commitment: view.promise(), mode, signature })
        }
        false => Err(JsonError::Commitment),
    }
}

/// The input of [`crate::fork::verify`], from a file of evidence.
///
/// # Errors
/// `Time`.
pub fn fork(view: &ForkEvidenceView) -> Result<ForkEvidence, JsonError> {
    let signed = |of: &SignedStatementView| statement(&of.statement, of.signature);
    let leaf = |of: &LeafProofView| LeafProof { leaf: of.leaf.0.clone(), path: hashes(&of.path) };
    let leaves = match &view.leaves {
        None => ForkLeaves::None,
        Some(ForkLeavesView::Both { index, first, second }) => {
            ForkLeaves::Both { index: *index, first: leaf(first), second: leaf(second) }
        }
        Some(ForkLeavesView::AtFirst(proof)) => ForkLeaves::AtFirst(leaf(proof)),
    };
    Ok(ForkEvidence { first: signed(&view.first)?, second: signed(&view.second)?, leaves })
}

/// The evidence file to pass on; [`fork`] reads it.
pub fn fork_view(evidence: &ForkEvidence) -> ForkEvidenceView {
    let signed = |of: &SignedStatement| SignedStatementView {
        statement: StatementView::from(&of.statement),
        signature: of.signature,
    };
    let leaf = |of: &LeafProof| LeafProofView {
        leaf: HexBytes(of.leaf.clone()),
        path: of.path.iter().map(|hash| Bytes32(*hash)).collect(),
    };
    let leaves = match &evidence.leaves {
        ForkLeaves::None => None,
        ForkLeaves::Both { index, first, second } => {
            Some(ForkLeavesView::Both { index: *index, first: leaf(first), second: leaf(second) })
        }
        ForkLeaves::AtFirst(proof) => Some(ForkLeavesView::AtFirst(leaf(proof))),
    };
    let (first, second) = (signed(&evidence.first), signed(&evidence.second));
    ForkEvidenceView { format: ForkFormat::V1, first, second, leaves }
}

/// Hashes of a path.
pub fn hashes(words: &[Bytes32]) -> Vec<[u8; 32]> {
    words.iter().map(|word| word.0).collect()
}
