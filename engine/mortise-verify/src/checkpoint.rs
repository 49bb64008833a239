//! Checkpoints of the history (C2SP tlog-checkpoint) and their cosignatures (C2SP
//! tlog-cosignature), checked. Their texts are [`mortise_format::checkpoint`].
//!
//! ```text
//! log          Ed25519 over the text                                    VerifiedCheckpoint
//! witness      Ed25519 over "cosignature/v1", "time t", the text        CosignedCheckpoint
//! ```
//! What it does not do: choose witnesses, talk to them, compare with a checkpoint seen before.
//!
//! Invariants: signatures of unknown keys are ignored, and a wrong signature of a known key rejects
//! the note; a key counts once; extension lines are ignored and not returned.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use ed25519_dalek::{Signature, VerifyingKey};
use mortise_format::checkpoint::{Checkpoint, CheckpointTextError, cosigned_message};
use mortise_format::limits::WITNESSES_MAX;
use mortise_format::merkle::history::TreeHead;
use mortise_format::note::{KeyUse, Note, NoteError, NoteKey};

/// Why a note is not a checkpoint of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The bytes are not a signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text of the note is not a checkpoint.
    #[error(transparent)]
    Text(#[from] CheckpointTextError),
    /// The checkpoint is of another log.
    #[error("the checkpoint is of another origin")]
    Origin,
    /// A key has another purpose.
    #[error("the key has another purpose")]
    KeyUse,
    /// No signature line is by the log's key.
    #[error("the log's key did not sign")]
    LogSignatureMissing,
    /// A known key has two signature lines.
    #[error("a known key has two signature lines")]
    SignatureTwice,
    /// The signature of the log's key is wrong.
    #[error("the signature of the log's key is wrong")]
    LogSignature,
    /// The cosignature of a known witness is wrong.
    #[error("the cosignature of witness {witness} is wrong")]
    Cosignature {
        /// Index of the witness in the set.
        witness: usize,
    },
    /// Fewer witnesses than the quorum cosigned.
    #[error("{found} witnesses cosigned; the quorum is {quorum}")]
    Quorum {
        /// Witnesses required.
        quorum: usize,
        /// Witnesses that cosigned.
        found: usize,
    },
}

/// Why keys are not a valid set of witnesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessesError {
    /// A key is not a cosigning key.
    #[error("key {index} is not a witness key")]
    KeyUse {
        /// Index of the key.
        index: usize,
    },
    /// One key or one name twice would count one witness twice.
    #[error("key {index} has the name or the key of an earlier one")]
    Twice {
        /// Index of the key.
        index: usize,
    },
    /// The quorum is zero or larger than the set.
    #[error("the quorum {quorum} is not between 1 and {count}, the number of witnesses")]
    Quorum {
        /// Witnesses required.
        quorum: usize,
        /// Witnesses in the set.
        count: usize,
    },
    /// More witnesses than a set may have.
    #[error("{count} witnesses, {WITNESSES_MAX} at most")]
    TooMany {
        /// Witnesses given.
        count: usize,
    },
}

/// The witnesses that a verifier relies on, and how many of them must have cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnesses {
    keys: Vec<NoteKey>,
    quorum: usize,
}

impl Witnesses {
    /// A set of these keys, of which `quorum` must cosign.
    ///
    /// # Errors
    /// `TooMany`, `Quorum`, then for each key `KeyUse`, `Twice`.
    pub fn new(keys: Vec<NoteKey>, quorum: usize) -> Result<Self, WitnessesError> {
        let count = keys.len();
        if count > WITNESSES_MAX {
            return Err(WitnessesError::TooMany { count });
        }
        if quorum == 0 || quorum > count {
            return Err(WitnessesError::Quorum { quorum, count });
        }
        for (index, key) in keys.iter().enumerate() {
            if key.kind() != KeyUse::Witness {
                return Err(WitnessesError::KeyUse { index });
            }
            let same = |k: &NoteKey| k.name() == key.name() || k.public_key() == key.public_key();
            if keys[..index].iter().any(same) {
                return Err(WitnessesError::Twice { index });
            }
        }
        Ok(Self { keys, quorum })
    }

    /// The keys, in order.
    pub fn keys(&self) -> &[NoteKey] {
        &self.keys
    }

    /// How many must have cosigned.
    pub fn quorum(&self) -> usize {
        self.quorum
    }
}

/// A checkpoint that the log signed.
///
/// What it proves: the holder of the log's Ed25519 key signed this size and root for this origin.
/// What it does not prove: that others saw the same checkpoint ([`CosignedCheckpoint`] does), that
/// it is the newest, what the leaves contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    origin: String,
    head: TreeHead,
}

impl VerifiedCheckpoint {
    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Size and root.
    pub fn head(&self) -> &TreeHead {
        &self.head
    }
}

/// The cosignature of one witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedCosignature {
    /// Index of the witness in the set.
    pub witness: usize,
    /// When it cosigned, by its own clock, seconds since the Unix epoch.
    pub time: u64,
}

/// A checkpoint that the log signed and a quorum of the verifier's witnesses cosigned.
///
/// What it proves: besides what [`VerifiedCheckpoint`] proves, each of these witnesses stated that
/// this was the largest head of this log that it had seen at that time, and that it extends every
/// earlier head that it had seen. What it does not prove: that the witnesses are honest or that
/// their clocks are right. Compare the times with your own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignedCheckpoint {
    checkpoint: VerifiedCheckpoint,
    cosignatures: Vec<VerifiedCosignature>,
}

impl CosignedCheckpoint {
    /// The checkpoint.
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }

    /// The cosignatures, in the order of the set; at least the quorum.
    pub fn cosignatures(&self) -> &[VerifiedCosignature] {
        &self.cosignatures
    }
}

/// Checks that the log's key signed a checkpoint of this origin.
///
/// Success proves what [`VerifiedCheckpoint`] states. The key's name may differ from the origin.
///
/// # Errors
/// `KeyUse`, `Note`, `Text` (`Lines`, `Size`, `Root`), `Origin`, `SignatureTwice`,
/// `LogSignatureMissing`, `LogSignature`, in this order.
pub fn verify(
    note: &[u8],
    origin: &str,
    log: &NoteKey,
) -> Result<VerifiedCheckpoint, CheckpointError> {
    if log.kind() != KeyUse::Log {
        return Err(CheckpointError::KeyUse);
    }
    let note = Note::parse(note)?;
    let Checkpoint { origin: found, head } = Checkpoint::parse(note.text())?;
    if found != origin {
        return Err(CheckpointError::Origin);
    }
    let signature = line_of(&note, log)?.ok_or(CheckpointError::LogSignatureMissing)?;
    match is_signed(log, note.text().as_bytes(), signature) {
        true => Ok(VerifiedCheckpoint { origin: origin.to_string(), head }),
        false => Err(CheckpointError::LogSignature),
    }
}

/// Checks that the log's key signed a checkpoint of this origin and a quorum cosigned it.
///
/// Success proves what [`CosignedCheckpoint`] states.
///
/// # Errors
/// Those of [`verify`], then for each witness `SignatureTwice`, `Cosignature`, then `Quorum`.
pub fn verify_cosigned(
    note: &[u8],
    origin: &str,
    log: &NoteKey,
    witnesses: &Witnesses,
) -> Result<CosignedCheckpoint, CheckpointError> {
    let checkpoint = verify(note, origin, log)?;
    let note = Note::parse(note)?;
    let mut cosignatures = Vec::new();
    for (witness, key) in witnesses.keys.iter().enumerate() {
        if let Some(bytes) = line_of(&note, key)? {
            let time = cosigned_at(key, note.text(), bytes);
            let time = time.ok_or(CheckpointError::Cosignature { witness })?;
            cosignatures.push(VerifiedCosignature { witness, time });
        }
    }
    let (quorum, found) = (witnesses.quorum, cosignatures.len());
    match found < quorum {
        true => Err(CheckpointError::Quorum { quorum, found }),
        false => Ok(CosignedCheckpoint { checkpoint, cosignatures }),
    }
}

/// The time of a witness's cosignature over a text; `None` when the signature is wrong.
///
/// Success proves that the witness signed this text at this time by its clock.
pub fn cosigned_at(witness: &NoteKey, text: &str, bytes: &[u8]) -> Option<u64> {
    let (time, signature) = bytes.split_first_chunk()?;
    let time = u64::from_be_bytes(*time);
    let message = cosigned_message(time, text);
    let good = witness.kind() == KeyUse::Witness
        && i64::try_from(time).is_ok()
        && is_signed(witness, message.as_bytes(), signature);
    good.then_some(time)
}

/// The one signature line of a key, by name and id.
fn line_of<'n>(note: &'n Note<'_>, key: &NoteKey) -> Result<Option<&'n [u8]>, CheckpointError> {
    let id = key.id();
    let mut lines = note.signatures().iter().filter(|s| s.name == key.name() && s.id == id);
    match (lines.next(), lines.next()) {
        (_, Some(_)) => Err(CheckpointError::SignatureTwice),
        (first, None) => Ok(first.map(|signature| signature.bytes.as_slice())),
    }
}

/// Strict Ed25519 (RFC 8032): rejects keys and points of small order and an unreduced s.
fn is_signed(key: &NoteKey, message: &[u8], signature: &[u8]) -> bool {
    let signature = Signature::from_slice(signature);
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_bytes(key.public_key()), signature) else {
        return false;
    };
    key.verify_strict(message, &signature).is_ok()
}
