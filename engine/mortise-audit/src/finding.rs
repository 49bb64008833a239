//! What is wrong with a log, by stable name and log position.

use alloc::string::String;
use mortise_core::machine::FollowError;
use mortise_core::state::Corruption;
use mortise_core::state::ImageRefusal;
use mortise_format::event::LogPosition;
use mortise_format::frame::FrameError;
use mortise_format::ids::{Address, EngineId, LockId};
use mortise_format::reject::Reject;
use mortise_format::rules::{RuleSet, RulesUnknown};
use mortise_verify::attestation::{AttestationError, GenesisDocumentError};
use mortise_verify::checkpoint::CheckpointError;
use mortise_verify::named::NamedError as _;
use mortise_verify::succession::SuccessionError;

/// A property of the log that an honest engine on an honest machine never produces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The frame.
    pub seq: u64,
    /// The event in the frame, if the finding is about one.
    pub index: Option<u32>,
    /// What is wrong.
    pub fact: Fact,
}

/// What is wrong. `specs/audit.md` lists what each fact shows and what follows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fact {
    /// The bytes do not decode to a frame.
    #[error("the bytes are not a frame: {0}")]
    NotAFrame(FrameError),
    /// The frame does not follow its predecessor: engine, seq, previous digest, epoch, time or
    /// rules.
    #[error("the frame does not follow its predecessor: {0}")]
    Place(FollowError),
    /// The log is of another engine than the one that is audited.
    #[error("the log is of engine {found}, not of {expected}")]
    OtherEngine {
        /// The audited engine.
        expected: EngineId,
        /// The engine in the frame header.
        found: EngineId,
    },
    /// The engine id is not that of the genesis and the public keys that come with the log.
    #[error("the engine id is not the hash of the genesis and the genesis keys")]
    Identity,
    /// The log has no frames.
    #[error("the log is empty")]
    EmptyLog,
    /// The log is not signed by the key of the engine that was named.
    #[error("the key of the log is that of {found}, not of {expected}")]
    UnknownSigner {
        /// The address that was named.
        expected: Address,
        /// The address of the key in the log.
        found: Address,
    },
    /// The engine was named, and neither genesis and genesis keys nor a named address tie a
    /// signing key to it.
    #[error("nothing ties the signing key to the engine ID: no genesis with its keys, no address")]
    MissingGenesis,
    /// Roots and images were named, and the boot has no document.
    #[error("the boot of epoch {epoch} has no attestation document, and images were named")]
    MissingDocument {
        /// The epoch.
        epoch: u64,
    },
    /// A boot binds another signing key than the engine has.
    #[error("the boot binds another signing key than the genesis public keys name")]
    SigningKey,
    /// The clear body does not decode, or a boot record is misplaced or lacks its document.
    #[error("the clear body: {0}")]
    ClearBody(FollowError),
    /// The attestation document of a boot was rejected.
    #[error("the attestation of the boot is rejected: {0}")]
    Attestation(AttestationError),
    /// The genesis document in the first frame was rejected, or is missing where it is required.
    #[error("NOT PROVEN{{genesis}}: {0}")]
    GenesisDocument(GenesisDocumentError),
    /// A carried statement is about a frame whose statement is not due.
    #[error("a statement about frame {about} is carried: it was carried before, or is not yet due")]
    StatementUnexpected {
        /// The frame that the statement is about.
        about: u64,
    },
    /// A statement was skipped: a later one is carried before it.
    #[error("the statement about frame {about} was skipped")]
    StatementSkipped {
        /// The frame that the statement is about.
        about: u64,
    },
    /// A carried statement differs from what its frame requires.
    #[error("the carried statement about frame {about} has another {field} than the frame")]
    StatementField {
        /// The frame that the statement is about.
        about: u64,
        /// The first field that differs.
        field: &'static str,
    },
    /// A carried statement is not signed by the engine.
    #[error("the carried statement about frame {about} is not signed by the engine")]
    StatementSigner {
        /// The frame that the statement is about.
        about: u64,
        /// The address that the signature recovers to; `None` when it is malformed.
        found: Option<Address>,
    },
    /// A statement that was kept elsewhere contradicts the log: the engine signed another one.
    #[error("a kept statement of the engine about this frame has another {field}: a fork")]
    Fork {
        /// The first field that differs.
        field: &'static str,
    },
    /// A statement that was kept elsewhere is about a frame that the log does not reach.
    #[error("a kept statement is about frame {about}, and the log ends before it")]
    LogEndsEarly {
        /// The frame that the statement is about.
        about: u64,
    },
    /// A kept checkpoint is not of this log, or too few witnesses cosigned it.
    #[error("a kept checkpoint is rejected: {}: {_0}", _0.name())]
    Checkpoint(CheckpointError),
    /// The log has another root at the size of a kept checkpoint.
    #[error("a kept checkpoint of {size} frames has another root: a fork")]
    CheckpointFork {
        /// Frames of the checkpoint.
        size: u64,
    },
    /// A kept checkpoint has more frames than the log.
    #[error("a kept checkpoint has {size} frames and the log fewer: the end of the log is missing")]
    CheckpointAhead {
        /// Frames of the checkpoint.
        size: u64,
    },
    /// The genesis is not a valid succession of the predecessor that it names.
    #[error("the genesis does not validly replace its predecessor: {}: {_0}", _0.name())]
    Succession(SuccessionError),
    /// The frame does not open under the content root of its epoch.
    #[error("the frame does not open, or its events do not decode: {0}")]
    Content(FollowError),
    /// The events do not hash to the event root, or their number differs.
    #[error("the events do not hash to the event root of the header")]
    EventRoot,
    /// The frame does not begin with the event of its kind, at the header's epoch or time.
    #[error("the frame does not begin with the event of its kind")]
    FirstEvent,
    /// An event is out of order or of a kind that the frame cannot have.
    #[error("{event} does not belong here")]
    Misplaced {
        /// The kind of the event.
        event: &'static str,
    },
    /// A change of this lock was due, and it is missing.
    #[error("{change} of lock {lock_id} was due, and it is missing")]
    DueOmitted {
        /// `expiry`, `settlement` or `pruning`.
        change: &'static str,
        /// The lock.
        lock_id: LockId,
    },
    /// A lock was changed by time too early, or twice.
    #[error("{change} of lock {lock_id} is not due")]
    NotDue {
        /// `expiry`, `settlement` or `pruning`.
        change: &'static str,
        /// The lock.
        lock_id: LockId,
    },
    /// More locks are due than one frame can change, and the frame does not change as many as it
    /// can.
    #[error("{due} locks are due and the frame changes {found}, fewer than it can")]
    DueTooFew {
        /// Locks that are due.
        due: usize,
        /// Locks that the frame changes.
        found: usize,
    },
    /// The command of an event has an invalid signature or field, so no engine can accept it.
    #[error("the command is inadmissible: {0:?}")]
    Inadmissible(Reject),
    /// No command can produce the event.
    #[error("no command can produce this event")]
    NoCommand,
    /// A command was rejected, and the state grants it.
    #[error("rejected as {recorded:?}, but the state grants it")]
    WrongRefusal {
        /// The reject in the log.
        recorded: Reject,
    },
    /// A command was rejected for another reason than the first one that holds.
    #[error("rejected as {recorded:?}, but the state requires {expected:?}")]
    OtherReason {
        /// The reject in the log.
        recorded: Reject,
        /// The reject that the state requires.
        expected: Reject,
    },
    /// A command was granted, and the state rejects it.
    #[error("granted, but the state rejects it: {expected:?}")]
    WrongGrant {
        /// The reject that the state requires.
        expected: Reject,
    },
    /// The command was answered before, and the log answers it a second time.
    #[error("the command was answered before, at {}.{}", .at.seq, .at.index)]
    AnsweredBefore {
        /// Where it was answered first.
        at: LogPosition,
    },
    /// The request was refused before for the same reason, and the log refuses it a second time.
    #[error("the request was refused for this reason before, at {}.{}", .at.seq, .at.index)]
    RefusedBefore {
        /// Where it was refused first.
        at: LogPosition,
    },
    /// The outcome of the command differs: times, custody, freed amounts, the request.
    #[error("the event is not the outcome that the state requires")]
    OtherOutcome,
    /// The operators did not allow the code of the boot on this log.
    #[error("the boot: {0}")]
    Image(ImageRefusal),
    /// An epoch began under rules that this code does not know; nothing from it on was replayed.
    #[error("{_0}; the log was not replayed from here on")]
    RulesUnknown(RulesUnknown),
    /// An epoch began under other rules than the operators approved.
    #[error("the epoch began under rule set {found}, and the operators approved {approved}")]
    RulesNotApproved {
        /// The rules of the epoch.
        found: RuleSet,
        /// The rules of the approval in force.
        approved: RuleSet,
    },
    /// The event does not fit the state.
    #[error("the event does not fit the state: {0}")]
    DoesNotFit(Corruption),
    /// The state after the events has another root.
    #[error("the state after the events has another root than the header says")]
    StateRoot,
    /// The policy in force has another hash.
    #[error("the policy in force has another hash than the header says")]
    PolicyHash,
}

impl Fact {
    /// The stable name, for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotAFrame(_) => "NotAFrame",
            Self::Place(error) => place_name(error),
            Self::OtherEngine { .. } => "OtherEngine",
            Self::Identity => "Identity",
            Self::EmptyLog => "EmptyLog",
            Self::UnknownSigner { .. } => "UnknownSigner",
            Self::MissingGenesis => "MissingGenesis",
            Self::MissingDocument { .. } => "MissingDocument",
            Self::SigningKey => "SigningKey",
            Self::ClearBody(FollowError::BootRecord) => "BootRecord",
            Self::ClearBody(FollowError::BootDocument) => "BootDocument",
            Self::ClearBody(FollowError::GenesisDocument) => "GenesisDocumentPlace",
            Self::ClearBody(_) => "ClearBody",
            Self::GenesisDocument(GenesisDocumentError::Missing) => "GenesisDocumentMissing",
            Self::GenesisDocument(_) => "GenesisDocument",
            Self::Attestation(_) => "Attestation",
            Self::StatementUnexpected { .. } => "StatementUnexpected",
            Self::StatementSkipped { .. } => "StatementSkipped",
            Self::StatementField { .. } => "StatementField",
            Self::StatementSigner { .. } => "StatementSigner",
            Self::Fork { .. } => "Fork",
            Self::LogEndsEarly { .. } => "LogEndsEarly",
            Self::Checkpoint(_) => "Checkpoint",
            Self::CheckpointFork { .. } => "CheckpointFork",
            Self::CheckpointAhead { .. } => "CheckpointAhead",
            Self::Succession(_) => "Succession",
            Self::Content(FollowError::Seal(_)) => "Cipher",
            Self::Content(_) => "Events",
            Self::EventRoot => "EventRoot",
            Self::FirstEvent => "FirstEvent",
            Self::Misplaced { .. } => "Misplaced",
            Self::DueOmitted { .. } => "DueOmitted",
            Self::NotDue { .. } => "NotDue",
            Self::DueTooFew { .. } => "DueTooFew",
            Self::Inadmissible(_) => "Inadmissible",
            Self::NoCommand => "NoCommand",
            Self::WrongRefusal { .. } => "WrongRefusal",
            Self::OtherReason { .. } => "OtherReason",
            Self::WrongGrant { .. } => "WrongGrant",
            Self::AnsweredBefore { .. } => "AnsweredBefore",
            Self::RefusedBefore { .. } => "RefusedBefore",
            Self::OtherOutcome => "OtherOutcome",
            Self::Image(ImageRefusal::TooOld { .. }) => "ImageTooOld",
            Self::Image(_) => "ImageNotApproved",
            Self::RulesUnknown(_) => "RulesUnknown",
            Self::RulesNotApproved { .. } => "RulesNotApproved",
            Self::DoesNotFit(_) => "DoesNotFit",
            Self::StateRoot => "StateRoot",
            Self::PolicyHash => "PolicyHash",
        }
    }
}

fn place_name(error: &FollowError) -> &'static str {
    match error {
        FollowError::ForeignEngine => "ForeignEngine",
        FollowError::Seq { .. } => "Seq",
        FollowError::Previous => "Previous",
        FollowError::Epoch { .. } => "Epoch",
        FollowError::TimeBack => "TimeBack",
        FollowError::Rules { .. } => "Rules",
        _ => "Place",
    }
}

impl core::fmt::Display for Finding {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "frame {}", self.seq)?;
        if let Some(index) = self.index {
            write!(f, ", event {index}")?;
        }
        write!(f, ": {}: {}", self.fact.name(), self.fact)
    }
}

impl Finding {
    /// The text of [`Fact`], for reports.
    pub fn text(&self) -> String {
        alloc::format!("{}", self.fact)
    }
}
