//! Successions: an engine that replaces one whose log was lost after its witnesses cosigned it.
//!
//! ```text
//! the predecessor's public parts give the old id
//!   -> its checkpoint key signed the checkpoint, under its origin
//!   -> a quorum of its witnesses cosigned it                              UnsignedSuccession
//!   -> k of its operators signed (old id, new genesis)                    VerifiedSuccession
//! ```
//! What it is for: the engine before it is created from such a genesis, the operators before they
//! sign, and anyone who relied on the old id. Everything is checked against the **old** policy,
//! which the old id covers. The genesis alone is enough.
//!
//! What it does not do: fetch the old log, know whether a larger checkpoint exists. A verifier that
//! has one passes it to [`VerifiedSuccession::check_newest`].

use crate::checkpoint::{
    self, CheckpointError, CosignedCheckpoint, VerifiedCosignature, Witnesses, WitnessesError,
};
use crate::history::TreeHead;
use alloc::string::String;
use alloc::vec::Vec;
use mortise_format::eip712::Digest;
use mortise_format::genesis::{Genesis, GenesisKeys, Predecessor, engine_id};
use mortise_format::ids::{Address, Bytes32, EngineId, Signature};
use mortise_format::note::{KeyUse, NoteError, NoteKey};
use mortise_format::policy::{Policy, PolicyError};
use mortise_format::secp256k1::{SignatureError, recover};
use mortise_format::succession::Succession;

/// Why a genesis is not a valid succession.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuccessionError {
    /// The genesis names no predecessor.
    #[error("the genesis names no predecessor")]
    NoPredecessor,
    /// The new genesis is inconsistent.
    #[error("the genesis: {0}")]
    Genesis(PolicyError),
    /// The genesis of the predecessor is inconsistent.
    #[error("the genesis of the predecessor: {0}")]
    OldGenesis(PolicyError),
    /// The predecessor's parts belong to another engine, or one of them was changed.
    #[error("keys and genesis of the predecessor give the id {found}, not {named}")]
    PredecessorId {
        /// The id in the genesis.
        named: EngineId,
        /// The id that the parts give.
        found: EngineId,
    },
    /// The predecessor had no operators, so no one can decide for it.
    #[error("the predecessor has no operators")]
    NoOperators,
    /// The predecessor had no witnesses, so no one knows where its log ended.
    #[error("the predecessor has no witnesses")]
    NoWitnesses,
    /// The name of a key of the predecessor is not valid in a note.
    #[error("a key of the predecessor: {0}")]
    Key(NoteError),
    /// The witnesses of the predecessor are not a valid set.
    #[error("the witnesses of the predecessor: {0}")]
    Witnesses(WitnessesError),
    /// The checkpoint is not one that the predecessor signed and a quorum of its witnesses
    /// cosigned.
    #[error("the checkpoint: {0}")]
    Checkpoint(CheckpointError),
    /// The checkpoint is of no frames: no promise was made and none can be lost.
    #[error("the checkpoint is of an empty log")]
    EmptyLog,
    /// No signer can be recovered from a signature, or its v is not 27 or 28.
    #[error("signature {index}: {error}")]
    Signature {
        /// Index of the signature.
        index: usize,
        /// What is wrong with it.
        error: SignatureError,
    },
    /// The signer is not an operator of the predecessor, or signed another succession.
    #[error("signature {index} is by {found}, which is no operator of the predecessor")]
    NotAnOperator {
        /// Index of the signature.
        index: usize,
        /// The address that the signature recovers to.
        found: Address,
    },
    /// One operator signed twice.
    #[error("operator {operator} signed twice")]
    OperatorTwice {
        /// The operator.
        operator: Address,
    },
    /// Fewer operators signed than the old policy requires.
    #[error("{found} operators signed; the predecessor requires {needed}")]
    TooFewOperators {
        /// Operators required.
        needed: u32,
        /// Operators that signed.
        found: usize,
    },
    /// The old log continued after the checkpoint that the succession names.
    #[error("witnesses cosigned {found} frames of the predecessor, the succession names {named}")]
    LaterCheckpoint {
        /// Frames of the checkpoint in the succession.
        named: u64,
        /// Frames of the given checkpoint.
        found: u64,
    },
    /// Two checkpoints of one size have different roots: the old log, or its witnesses, forked.
    #[error("a checkpoint of the same {size} frames has another root")]
    OtherRoot {
        /// Their size.
        size: u64,
    },
}

/// A succession that no operator has agreed to yet.
///
/// What it proves: the predecessor's parts in the genesis belong to the engine with this id; the
/// holder of its checkpoint key signed the checkpoint for its own log; a quorum of its witnesses
/// cosigned it. What it does not prove: that any operator agreed, that no larger checkpoint exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedSuccession {
    succession: Succession,
    predecessor: Predecessor,
    checkpoint: CosignedCheckpoint,
}

impl UnsignedSuccession {
    /// Checks everything but the operators' signatures.
    ///
    /// # Errors
    /// `NoPredecessor`, `Genesis`, `OldGenesis`, `PredecessorId`, `NoOperators`, `NoWitnesses`,
    /// `Key`, `Witnesses`, `Checkpoint`, `EmptyLog`, in this order.
    pub fn verify(genesis: &Genesis) -> Result<Self, SuccessionError> {
        let succession = Succession::of(genesis).ok_or(SuccessionError::NoPredecessor)?;
        genesis.check().map_err(SuccessionError::Genesis)?;
        let predecessor = genesis.predecessor.as_ref().ok_or(SuccessionError::NoPredecessor)?;
        predecessor.base.check().map_err(SuccessionError::OldGenesis)?;
        let (named, found) = (predecessor.engine_id, predecessor.computed_id());
        if named != found {
            return Err(SuccessionError::PredecessorId { named, found });
        }
        if predecessor.base.policy.operators_min == 0 {
            return Err(SuccessionError::NoOperators);
        }
        let checkpoint = cosigned(predecessor, predecessor.checkpoint.as_bytes())?;
        match checkpoint.checkpoint().head().size {
            0 => Err(SuccessionError::EmptyLog),
            _ => Ok(Self { succession, predecessor: predecessor.clone(), checkpoint }),
        }
    }

    /// The engine that is replaced.
    pub fn predecessor(&self) -> EngineId {
        self.predecessor.engine_id
    }

    /// The predecessor's policy, which decides every check.
    pub fn policy(&self) -> &Policy {
        &self.predecessor.base.policy
    }

    /// First line of the predecessor's checkpoints.
    pub fn origin(&self) -> &str {
        self.checkpoint.checkpoint().origin()
    }

    /// Where its log ended, according to the succession.
    pub fn head(&self) -> TreeHead {
        *self.checkpoint.checkpoint().head()
    }

    /// The cosignatures, by index among the witnesses of [`Self::policy`]; at least the quorum.
    pub fn cosignatures(&self) -> &[VerifiedCosignature] {
        self.checkpoint.cosignatures()
    }

    /// Hash of the new genesis without its signatures.
    pub fn agreed_genesis(&self) -> Bytes32 {
        self.succession.genesis
    }

    /// What an operator signs.
    pub fn digest(&self) -> Digest {
        self.succession.digest()
    }

    /// The operator that signed this succession.
    ///
    /// # Errors
    /// `Signature`, `NotAnOperator`, both with `index`.
    pub fn signer(&self, index: usize, signature: &Signature) -> Result<Address, SuccessionError> {
        if !matches!(signature.0[64], 27 | 28) {
            return Err(SuccessionError::Signature { index, error: SignatureError::RecoveryId });
        }
        let found = recover(&self.digest(), signature)
            .map_err(|error| SuccessionError::Signature { index, error })?;
        match self.policy().operators.binary_search(&found) {
            Ok(_) => Ok(found),
            Err(_) => Err(SuccessionError::NotAnOperator { index, found }),
        }
    }

    fn operators(&self) -> Result<Vec<Address>, SuccessionError> {
        let mut operators = Vec::new();
        for (index, signature) in self.predecessor.signatures.iter().enumerate() {
            let operator = self.signer(index, signature)?;
            if operators.contains(&operator) {
                return Err(SuccessionError::OperatorTwice { operator });
            }
            operators.push(operator);
        }
        operators.sort_unstable();
        let (needed, found) = (self.policy().operators_min, operators.len());
        match u64::try_from(found).is_ok_and(|found| found >= u64::from(needed)) {
            true => Ok(operators),
            false => Err(SuccessionError::TooFewOperators { needed, found }),
        }
    }
}

/// A succession that the operators of the predecessor agreed to.
///
/// What it proves, to anyone who relied on the id [`Self::predecessor`]: as many operators of that
/// engine as it requires signed that an engine with this genesis replaces it; and they named a head
/// of its log that its own key signed and a quorum of its own witnesses cosigned. The genesis
/// covers all of that, and so does the id of every engine that is created from it.
///
/// What it does not prove: that the checkpoint is the last one ([`Self::check_newest`]); that no
/// other succession was signed; that only one engine was created from this genesis, or which; that
/// anything of the old state survives: it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSuccession {
    unsigned: UnsignedSuccession,
    operators: Vec<Address>,
    genesis: Bytes32,
}

impl VerifiedSuccession {
    /// Everything but the signatures.
    pub fn unsigned(&self) -> &UnsignedSuccession {
        &self.unsigned
    }

    /// The engine that is replaced.
    pub fn predecessor(&self) -> EngineId {
        self.unsigned.predecessor()
    }

    /// Where its log ended, according to the succession.
    pub fn head(&self) -> TreeHead {
        self.unsigned.head()
    }

    /// The operators that signed, sorted; at least as many as the old policy requires.
    pub fn operators(&self) -> &[Address] {
        &self.operators
    }

    /// Hash of the new genesis with its signatures, which the new id covers.
    pub fn genesis_hash(&self) -> Bytes32 {
        self.genesis
    }

    /// The id of the engine that was created from this genesis with these public parts.
    pub fn successor(&self, keys: &GenesisKeys, log_secret_commitment: &Bytes32) -> EngineId {
        engine_id(keys, log_secret_commitment, &self.genesis)
    }

    /// Checks another checkpoint of the predecessor against the one that the succession names.
    ///
    /// Success proves that this cosigned checkpoint does not contradict the succession. It does not
    /// prove that no other one does.
    ///
    /// # Errors
    /// `Checkpoint`, `LaterCheckpoint`, `OtherRoot`, in this order.
    pub fn check_newest(&self, note: &[u8]) -> Result<TreeHead, SuccessionError> {
        let shown = *cosigned(&self.unsigned.predecessor, note)?.checkpoint().head();
        let named = self.head();
        if shown.size > named.size {
            let (named, found) = (named.size, shown.size);
            return Err(SuccessionError::LaterCheckpoint { named, found });
        }
        match shown.size == named.size && shown.root != named.root {
            true => Err(SuccessionError::OtherRoot { size: named.size }),
            false => Ok(shown),
        }
    }
}

/// Checks that a genesis is a valid succession of the predecessor that it names.
///
/// Success proves what [`VerifiedSuccession`] states. Compare its predecessor with the id that you
/// relied on.
///
/// # Errors
/// Those of [`UnsignedSuccession::verify`], then for each signature `Signature`, `NotAnOperator`,
/// `OperatorTwice`, then `TooFewOperators`.
pub fn verify(genesis: &Genesis) -> Result<VerifiedSuccession, SuccessionError> {
    let unsigned = UnsignedSuccession::verify(genesis)?;
    let operators = unsigned.operators()?;
    Ok(VerifiedSuccession { unsigned, operators, genesis: genesis.hash() })
}

/// The witnesses of a policy and their quorum.
///
/// # Errors
/// `NoWitnesses`, `Key`, `Witnesses`.
pub fn witnesses_of(policy: &Policy) -> Result<Witnesses, SuccessionError> {
    if policy.witnesses.is_empty() {
        return Err(SuccessionError::NoWitnesses);
    }
    let keys = policy.witnesses.iter().map(|w| NoteKey::new(KeyUse::Witness, &w.name, w.key));
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(SuccessionError::Key)?;
    let quorum = usize::try_from(policy.witnesses_min).unwrap_or(usize::MAX);
    Witnesses::new(keys, quorum).map_err(SuccessionError::Witnesses)
}

/// A checkpoint of the predecessor with the cosignatures of its own witnesses.
fn cosigned(predecessor: &Predecessor, note: &[u8]) -> Result<CosignedCheckpoint, SuccessionError> {
    let origin: String = predecessor.origin();
    let log = NoteKey::new(KeyUse::Log, &origin, predecessor.keys.checkpoint);
    let log = log.map_err(SuccessionError::Key)?;
    let witnesses = witnesses_of(&predecessor.base.policy)?;
    checkpoint::verify_cosigned(note, &origin, &log, &witnesses)
        .map_err(SuccessionError::Checkpoint)
}
