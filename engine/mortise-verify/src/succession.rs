//! Successions: an engine that takes the place of one whose log was lost behind its witnesses.
//!
//! ```text
//! the carried parts make the old id
//!   -> its checkpoint key signed the checkpoint, under its origin
//!   -> a quorum of its witnesses cosigned it                              UnsignedSuccession
//!   -> k of its operators signed (old id, new genesis)                    VerifiedSuccession
//! ```
//! What it is for: the engine before it is founded on such a genesis, the operators before they
//! sign, and whoever relied on the old id: everything is judged by the **old** policy, which the
//! old id covers, and nothing but the genesis is needed.
//!
//! What it does not do: fetch the old log, know whether a larger checkpoint exists. Whoever has one
//! shows it to [`VerifiedSuccession::check_newest`].

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

/// Why a genesis does not take the place of its predecessor.
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
    /// The carried parts are those of another engine: one of them was changed.
    #[error("keys and genesis of the predecessor make the id {found}, not {named}")]
    PredecessorId {
        /// The id that is named.
        named: EngineId,
        /// The id that the parts make.
        found: EngineId,
    },
    /// The predecessor had no operators: nobody can decide for it.
    #[error("the predecessor has no operators")]
    NoOperators,
    /// The predecessor had no witnesses: where its log ended is known to nobody.
    #[error("the predecessor has no witnesses")]
    NoWitnesses,
    /// A key of the predecessor has a name that no note takes.
    #[error("a key of the predecessor: {0}")]
    Key(NoteError),
    /// The witnesses of the predecessor are no set.
    #[error("the witnesses of the predecessor: {0}")]
    Witnesses(WitnessesError),
    /// The checkpoint is not one that the predecessor signed and a quorum of its witnesses
    /// cosigned.
    #[error("the checkpoint: {0}")]
    Checkpoint(CheckpointError),
    /// A checkpoint of no frames: nothing was promised, nothing can be lost.
    #[error("the checkpoint is of an empty log")]
    EmptyLog,
    /// A signature names no signer, or is not spelled with v 27 or 28.
    #[error("signature {index}: {error}")]
    Signature {
        /// Which.
        index: usize,
        /// Why.
        error: SignatureError,
    },
    /// Somebody signed who is no operator of the predecessor; or what was signed is another
    /// succession.
    #[error("signature {index} is by {found}, no operator of the predecessor")]
    NotAnOperator {
        /// Which signature.
        index: usize,
        /// Whose it is.
        found: Address,
    },
    /// One operator signed twice.
    #[error("operator {operator} signed twice")]
    OperatorTwice {
        /// Who.
        operator: Address,
    },
    /// Fewer operators than the old policy asks for.
    #[error("{found} operators signed, the predecessor asks for {needed}")]
    TooFewOperators {
        /// How many must sign.
        needed: u32,
        /// How many did.
        found: usize,
    },
    /// The old log went on behind the checkpoint that the succession names.
    #[error("witnesses cosigned {found} frames of the predecessor, the succession names {named}")]
    LaterCheckpoint {
        /// Frames of the checkpoint in the succession.
        named: u64,
        /// Frames of the one that was shown.
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
/// What it proves: the carried parts are those of the engine with this id; the holder of its
/// checkpoint key signed the checkpoint for its own log; a quorum of its witnesses cosigned it.
/// What it does not prove: that anybody decided anything, that no larger checkpoint exists.
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

    /// The engine whose place is taken.
    pub fn predecessor(&self) -> EngineId {
        self.predecessor.engine_id
    }

    /// The policy that everything is judged by: the predecessor's.
    pub fn policy(&self) -> &Policy {
        &self.predecessor.base.policy
    }

    /// First line of the predecessor's checkpoints.
    pub fn origin(&self) -> &str {
        self.checkpoint.checkpoint().origin()
    }

    /// Where its log is said to have ended.
    pub fn head(&self) -> TreeHead {
        *self.checkpoint.checkpoint().head()
    }

    /// Who cosigned that, by place among the witnesses of [`Self::policy`]; at least the quorum.
    pub fn cosignatures(&self) -> &[VerifiedCosignature] {
        self.checkpoint.cosignatures()
    }

    /// Hash of the new genesis with no signatures in it.
    pub fn agreed_genesis(&self) -> Bytes32 {
        self.succession.genesis
    }

    /// What an operator signs.
    pub fn digest(&self) -> Digest {
        self.succession.digest()
    }

    /// The operator who signed this succession.
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
/// What it proves, to whoever relied on the id [`Self::predecessor`]: the operators that this id
/// names, as many as it asks for, signed that an engine with this genesis takes its place; and they
/// named a head of its log that its own key signed and a quorum of its own witnesses cosigned. The
/// genesis, and so the id of every engine that is founded on it, covers all of that.
///
/// What it does not prove: that the checkpoint is the last one ([`Self::check_newest`]); that no
/// other succession was signed; that one engine only was founded on this genesis, or which; that
/// anything of the old state lives on: it does not.
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

    /// The engine whose place is taken.
    pub fn predecessor(&self) -> EngineId {
        self.unsigned.predecessor()
    }

    /// Where its log is said to have ended.
    pub fn head(&self) -> TreeHead {
        self.unsigned.head()
    }

    /// Who signed, sorted; at least as many as the old policy asks for.
    pub fn operators(&self) -> &[Address] {
        &self.operators
    }

    /// Hash of the new genesis, signatures included: what the new id covers.
    pub fn genesis_hash(&self) -> Bytes32 {
        self.genesis
    }

    /// The id of the engine that was founded on this genesis with these public parts.
    pub fn successor(&self, keys: &GenesisKeys, log_secret_commitment: &Bytes32) -> EngineId {
        engine_id(keys, log_secret_commitment, &self.genesis)
    }

    /// Holds another checkpoint of the predecessor against the one that the succession names.
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

/// Checks that a genesis takes the place of the predecessor that it names.
///
/// Success proves what [`VerifiedSuccession`] says. Compare its predecessor with the id that you
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
