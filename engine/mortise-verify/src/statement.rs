//! What an engine signs about one frame and the whole log up to it.

use crate::engine::{Engine, SignerError};
use crate::history::TreeHead;
use mortise_format::eip712::RootStatement;
use mortise_format::ids::{EngineId, Root, Signature};
use mortise_format::secp256k1::canonical;

/// A statement as received. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedStatement {
    /// The fields.
    pub statement: RootStatement,
    /// The engine's signature over the digest of the fields.
    pub signature: Signature,
}

/// Why a statement is not the engine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// It names another engine.
    #[error("the statement is of engine {found}, not of {expected}")]
    EngineId {
        /// The pinned engine.
        expected: EngineId,
        /// The engine in the statement.
        found: EngineId,
    },
    /// The history does not end with the stated frame.
    #[error("a statement about frame {seq} cannot have a history of {history_size} frames")]
    HistorySize {
        /// The frame.
        seq: u64,
        /// Frames in the history.
        history_size: u64,
    },
    /// The signature is not the engine's over these fields.
    #[error("the statement is not signed by the engine: {0}")]
    Signature(#[from] SignerError),
}

/// A statement that the pinned engine signed.
///
/// What it proves: the holder of the engine's signing key stated every field, so that a second
/// statement that contradicts it is evidence ([`crate::fork`]). What it does not prove: that the
/// key lives in an enclave (attestation does), that others saw the same (cosigned checkpoints do),
/// that it is the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedStatement {
    statement: RootStatement,
    signature: Signature,
}

impl VerifiedStatement {
    /// The fields. The time is signed in whole seconds; its milliseconds are zero here.
    pub fn fields(&self) -> &RootStatement {
        &self.statement
    }

    /// The engine.
    pub fn engine_id(&self) -> &EngineId {
        &self.statement.engine_id
    }

    /// The frame.
    pub fn seq(&self) -> u64 {
        self.statement.seq
    }

    /// Engine time of the frame, whole seconds since the Unix epoch.
    pub fn time(&self) -> u64 {
        self.statement.time_ms / 1000
    }

    /// Root of the state after the frame.
    pub fn state_root(&self) -> &Root {
        &self.statement.state_root
    }

    /// Size and root of the history up to and including the frame.
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.statement.history_size, root: self.statement.history_root }
    }

    /// The statement and its signature, with v 27 or 28, to pass on.
    pub fn to_signed(&self) -> SignedStatement {
        SignedStatement { statement: self.statement.clone(), signature: self.signature }
    }
}

/// Checks that the pinned engine signed a statement.
///
/// Success proves what [`VerifiedStatement`] states. The result excludes what is not signed: the
/// milliseconds of the time and the encoding of v.
///
/// # Errors
/// `EngineId`, `HistorySize`, `Signature`, in this order.
pub fn verify(
    engine: &Engine,
    signed: &SignedStatement,
) -> Result<VerifiedStatement, StatementError> {
    let mut statement = signed.statement.clone();
    if statement.engine_id != engine.id {
        let found = statement.engine_id;
        return Err(StatementError::EngineId { expected: engine.id, found });
    }
    let (seq, history_size) = (statement.seq, statement.history_size);
    if seq.checked_add(1) != Some(history_size) {
        return Err(StatementError::HistorySize { seq, history_size });
    }
    engine.signed(&statement.digest(), &signed.signature)?;
    statement.time_ms -= statement.time_ms % 1000;
    Ok(VerifiedStatement { statement, signature: canonical(signed.signature) })
}
