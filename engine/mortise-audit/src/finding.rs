//! What is wrong with a log, by name and place.

use alloc::string::String;
use mortise_core::machine::FollowError;
use mortise_core::state::Corruption;
use mortise_core::state::ImageRefusal;
use mortise_format::event::LogPosition;
use mortise_format::frame::FrameError;
use mortise_format::ids::{Address, EngineId, LockId};
use mortise_format::reject::Reject;
use mortise_verify::attestation::AttestationError;
use mortise_verify::checkpoint::CheckpointError;
use mortise_verify::named::NamedError as _;
use mortise_verify::succession::SuccessionError;

/// Something that an honest engine on an honest machine does not write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The frame.
    pub seq: u64,
    /// The event in it, where it is about one.
    pub index: Option<u32>,
    /// What is wrong.
    pub fact: Fact,
}

/// What is wrong. `specs/audit.md` says of each what it shows and what follows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fact {
    /// The bytes are no frame.
    #[error("the bytes are no frame: {0}")]
    NotAFrame(FrameError),
    /// The frame does not stand here: engine, seq, predecessor, epoch or time.
    #[error("the frame does not stand here: {0}")]
    Place(FollowError),
    /// The log is of another engine than the one that is audited.
    #[error("the log is of engine {found}, not of {expected}")]
    OtherEngine {
        /// The one that is audited.
        expected: EngineId,
        /// The one that wrote it.
        found: EngineId,
    },
    /// The engine id is not that of the genesis and the public keys that come with the log.
    #[error("the engine id is not the hash of the genesis and the genesis keys")]
    Identity,
    /// A boot binds another signing key than the engine has.
    #[error("the boot binds another signing key than the engine was founded with")]
    SigningKey,
    /// The clear body does not decode, or a boot record is out of place or lacks its document.
    #[error("the clear body: {0}")]
    ClearBody(FollowError),
    /// The attestation document of a boot was refused.
    #[error("the attestation of the boot is refused: {0}")]
    Attestation(AttestationError),
    /// A carried statement is about no frame whose statement is to be carried.
    #[error("a statement about frame {about} is carried: it was carried before, or is not yet due")]
    StatementUnexpected {
        /// The frame that it is about.
        about: u64,
    },
    /// A statement was passed over: a later one is carried before it.
    #[error("the statement about frame {about} was passed over")]
    StatementSkipped {
        /// The frame that it is about.
        about: u64,
    },
    /// A carried statement is not the one that its frame calls for.
    #[error("the carried statement about frame {about} has another {field} than the frame")]
    StatementField {
        /// The frame that it is about.
        about: u64,
        /// The first field that differs.
        field: &'static str,
    },
    /// A carried statement is not signed by the engine.
    #[error("the carried statement about frame {about} is not signed by the engine")]
    StatementSigner {
        /// The frame that it is about.
        about: u64,
        /// Whose signature it is; none when it is malformed.
        found: Option<Address>,
    },
    /// A statement that was kept elsewhere contradicts the log: the engine signed another one.
    #[error("a kept statement of the engine about this frame has another {field}: a fork")]
    Fork {
        /// The first field that differs.
        field: &'static str,
    },
    /// A statement that was kept elsewhere is about a frame that the log does not reach.
    #[error("the engine signed a statement about frame {about}, and the log ends before it")]
    LogEndsEarly {
        /// The frame that it is about.
        about: u64,
    },
    /// A kept checkpoint is none of this log, or too few witnesses cosigned it.
    #[error("a kept checkpoint is refused: {}: {_0}", _0.name())]
    Checkpoint(CheckpointError),
    /// The log has another root where a kept checkpoint ends.
    #[error("a kept checkpoint of {size} frames has another root: a fork")]
    CheckpointFork {
        /// Frames of the checkpoint.
        size: u64,
    },
    /// A kept checkpoint is of more frames than the log has.
    #[error("a kept checkpoint is of {size} frames, and the log ends before: its end was dropped")]
    CheckpointAhead {
        /// Frames of the checkpoint.
        size: u64,
    },
    /// The genesis does not take the place of the predecessor that it names.
    #[error("the genesis does not take the place of its predecessor: {}: {_0}", _0.name())]
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
    /// An event stands where none of its kind may.
    #[error("{event} does not belong here")]
    Misplaced {
        /// Its kind.
        event: &'static str,
    },
    /// Time called for a change of this lock, and it is missing.
    #[error("time called for {change} of lock {lock_id}, and it is missing")]
    DueOmitted {
        /// `expiry`, `settlement` or `pruning`.
        change: &'static str,
        /// The lock.
        lock_id: LockId,
    },
    /// A lock was changed by time before its time, or twice.
    #[error("{change} of lock {lock_id} is not due")]
    NotDue {
        /// `expiry`, `settlement` or `pruning`.
        change: &'static str,
        /// The lock.
        lock_id: LockId,
    },
    /// More locks are due than one frame changes, and the frame changes fewer.
    #[error("{due} locks are due and the frame changes {found}: a frame changes as many as it may")]
    DueTooFew {
        /// Due.
        due: usize,
        /// Changed.
        found: usize,
    },
    /// The command of an event is one that no engine may take up: a signature or a field is bad.
    #[error("the command is inadmissible: {0:?}")]
    Inadmissible(Reject),
    /// The event cannot be the answer to any command.
    #[error("the event answers no command that there can be")]
    NoCommand,
    /// A command was refused that the state grants.
    #[error("refused as {recorded:?}, and the state grants it")]
    WrongRefusal {
        /// As the log says.
        recorded: Reject,
    },
    /// A command was refused for another reason than the first one that holds.
    #[error("refused as {recorded:?}, and the state calls for {expected:?}")]
    OtherReason {
        /// As the log says.
        recorded: Reject,
        /// What the state calls for.
        expected: Reject,
    },
    /// A command was granted that the state refuses.
    #[error("granted, and the state refuses it: {expected:?}")]
    WrongGrant {
        /// What the state calls for.
        expected: Reject,
    },
    /// The command was answered before, and is answered again.
    #[error("the command was answered before, at {}.{}", .at.seq, .at.index)]
    AnsweredBefore {
        /// Where.
        at: LogPosition,
    },
    /// The command has another outcome: times, custody, what is freed, the request.
    #[error("the event is not the outcome that the state calls for")]
    OtherOutcome,
    /// The code of the boot is none that operators let boot on the log.
    #[error("the boot: {0}")]
    Image(ImageRefusal),
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
    /// The name, stable, for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotAFrame(_) => "NotAFrame",
            Self::Place(error) => place_name(error),
            Self::OtherEngine { .. } => "OtherEngine",
            Self::Identity => "Identity",
            Self::SigningKey => "SigningKey",
            Self::ClearBody(FollowError::BootRecord) => "BootRecord",
            Self::ClearBody(FollowError::BootDocument) => "BootDocument",
            Self::ClearBody(_) => "ClearBody",
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
            Self::OtherOutcome => "OtherOutcome",
            Self::Image(ImageRefusal::TooOld { .. }) => "ImageTooOld",
            Self::Image(_) => "ImageNotApproved",
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
