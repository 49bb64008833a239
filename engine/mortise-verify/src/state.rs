//! What an engine's state held or did not hold after a stated frame (`specs/state-tree.md`).
//!
//! What it is for: presence and absence under the state root of a verified statement, and opening a
//! value by its salt. What it does not do: show that the statement is the newest. The tree key is
//! computed here from engine and key, never taken from a proof.

use crate::statement::VerifiedStatement;
use mortise_format::codec::{self, CodecError};
use mortise_format::entry::{LeafKey, LeafValue, value_hash};
use mortise_format::limits::REQUEST_BYTES_MAX;
use mortise_format::merkle::ValueHash;
use mortise_format::merkle::state::{StateProof, StateProofError};

/// Why a state proof is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The proof does not lead from the entry to the stated root.
    #[error("the proof does not hold under the stated root: {0}")]
    Proof(#[from] StateProofError),
    /// The value is larger than an answer can be.
    #[error("the value has {found} bytes; an answer has at most {REQUEST_BYTES_MAX}")]
    ValueTooLarge {
        /// Bytes of the value.
        found: usize,
    },
    /// Value and salt do not match the value hash in the tree.
    #[error("value and salt do not match the value hash in the tree")]
    Opening,
    /// The tree has these bytes, but this version of the format cannot decode them.
    #[error("the value does not decode: {0}")]
    Encoding(CodecError),
    /// The value is of another kind of entry than the key.
    #[error("the value is of another kind than the key")]
    Kind,
}

/// An entry that is in a stated state. Its value is not opened yet.
///
/// What it proves: after the stated frame the state had an entry for this key with this value
/// hash. What it does not prove: the value; [`VerifiedEntry::open`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedEntry {
    statement: VerifiedStatement,
    key: LeafKey,
    value_hash: ValueHash,
}

/// An entry that is in a stated state, with its value.
///
/// What it proves: after frame `seq` the engine's state held exactly this value for this key. What
/// it does not prove: that it still does, or that the log was not forked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedLeaf {
    statement: VerifiedStatement,
    key: LeafKey,
    value: LeafValue,
}

/// A key for which a stated state has no entry.
///
/// What it proves: after frame `seq` the engine's state had no entry for this key. A lock without
/// an entry was not granted by then, or had ended and was pruned. Of a principal or an account
/// without an entry nothing was in force: no lock, no used nonce of an hour that can still be used,
/// no fact that still counts. What it does not prove: that the entry never existed, or that it does
/// not exist now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedAbsence {
    statement: VerifiedStatement,
    key: LeafKey,
}

impl VerifiedEntry {
    /// The statement that names the root.
    pub fn statement(&self) -> &VerifiedStatement {
        &self.statement
    }

    /// The key.
    pub fn key(&self) -> &LeafKey {
        &self.key
    }

    /// The salted hash of the value.
    pub fn value_hash(&self) -> &ValueHash {
        &self.value_hash
    }

    /// Opens the value by its salt.
    ///
    /// # Errors
    /// `ValueTooLarge`, `Opening`, `Encoding`, `Kind`, in this order.
    pub fn open(self, value: &[u8], salt: &[u8; 32]) -> Result<VerifiedLeaf, StateError> {
        bounded(value)?;
        if value_hash(value, salt) != self.value_hash {
            return Err(StateError::Opening);
        }
        let decoded: LeafValue = codec::decode(value).map_err(StateError::Encoding)?;
        if codec::encode(&decoded) != value {
            return Err(StateError::Encoding(CodecError::Malformed));
        }
        if !decoded.fits(&self.key) {
            return Err(StateError::Kind);
        }
        Ok(VerifiedLeaf { statement: self.statement, key: self.key, value: decoded })
    }
}

impl VerifiedLeaf {
    /// The statement that names the root.
    pub fn statement(&self) -> &VerifiedStatement {
        &self.statement
    }

    /// The key.
    pub fn key(&self) -> &LeafKey {
        &self.key
    }

    /// The value.
    pub fn value(&self) -> &LeafValue {
        &self.value
    }
}

impl VerifiedAbsence {
    /// The statement that names the root.
    pub fn statement(&self) -> &VerifiedStatement {
        &self.statement
    }

    /// The key.
    pub fn key(&self) -> &LeafKey {
        &self.key
    }
}

/// Checks that a stated state has an entry for `key` with this value hash.
///
/// Success proves what [`VerifiedEntry`] states.
///
/// # Errors
/// `Proof`.
pub fn verify_entry(
    statement: &VerifiedStatement,
    key: &LeafKey,
    value_hash: &ValueHash,
    proof: &StateProof,
) -> Result<VerifiedEntry, StateError> {
    let position = key.position(statement.engine_id());
    proof.verify_present(statement.state_root(), &position, value_hash)?;
    Ok(VerifiedEntry { statement: statement.clone(), key: *key, value_hash: *value_hash })
}

/// Checks that a stated state holds exactly this value for `key`: presence and opening at once.
///
/// Success proves what [`VerifiedLeaf`] states.
///
/// # Errors
/// `ValueTooLarge`, `Proof` (also when salt or value were changed), `Encoding`, `Kind`, in this
/// order.
pub fn verify_leaf(
    statement: &VerifiedStatement,
    key: &LeafKey,
    value: &[u8],
    salt: &[u8; 32],
    proof: &StateProof,
) -> Result<VerifiedLeaf, StateError> {
    bounded(value)?;
    verify_entry(statement, key, &value_hash(value, salt), proof)?.open(value, salt)
}

/// Checks that a stated state holds nothing for `key`.
///
/// Success proves what [`VerifiedAbsence`] states.
///
/// # Errors
/// `Proof`.
pub fn verify_absence(
    statement: &VerifiedStatement,
    key: &LeafKey,
    proof: &StateProof,
) -> Result<VerifiedAbsence, StateError> {
    let position = key.position(statement.engine_id());
    proof.verify_absent(statement.state_root(), &position)?;
    Ok(VerifiedAbsence { statement: statement.clone(), key: *key })
}

fn bounded(value: &[u8]) -> Result<(), StateError> {
    match value.len() {
        found if found > REQUEST_BYTES_MAX => Err(StateError::ValueTooLarge { found }),
        _ => Ok(()),
    }
}
