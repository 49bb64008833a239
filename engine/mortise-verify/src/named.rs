//! Names of failed checks, for reports, vectors and other verifiers.
//!
//! What it is for: one stable word for each failed check, printed as code on the pages under
//! `specs/`. An error that wraps another has the name of the inner one, because that is the check
//! that failed; fork evidence names its own part ([`ForkError`]).
//!
//! What it does not do: explain. `Display` of the error does.

use crate::SignerError;
use crate::checkpoint::CheckpointError;
use crate::commitment::CommitmentError;
use crate::fork::ForkError;
use crate::history::HistoryProofError;
use crate::insecure::InsecureModeError;
#[cfg(feature = "json")]
use crate::json::{AnswerError, JsonError};
use crate::lease::LeaseError;
use crate::receipt::{FrameError, ReceiptError};
use crate::state::StateError;
use crate::statement::StatementError;
use crate::succession::SuccessionError;
use crate::tlog_proof::TlogProofError;
use mortise_format::checkpoint::CheckpointTextError;
use mortise_format::merkle::events::EventProofError;
use mortise_format::merkle::state::StateProofError;
use mortise_format::note::NoteError;
use mortise_format::tlog_proof::TlogProofTextError;

/// Name of an error that this version does not know.
const NAMELESS: &str = "Refused";

/// An error of a check, with a stable name.
pub trait NamedError: core::error::Error {
    /// The name that `specs/` and the vectors use.
    fn name(&self) -> &'static str;
}

impl NamedError for SignerError {
    fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "Malformed",
            Self::Signer { .. } => "Signer",
        }
    }
}

impl NamedError for StatementError {
    fn name(&self) -> &'static str {
        match self {
            Self::EngineId { .. } => "EngineId",
            Self::HistorySize { .. } => "HistorySize",
            Self::Signature(inner) => inner.name(),
        }
    }
}

impl NamedError for ReceiptError {
    fn name(&self) -> &'static str {
        match self {
            Self::Statement(inner) => inner.name(),
            Self::EventTooLarge { .. } => "EventTooLarge",
            Self::Event(inner) => inner.name(),
            Self::Encoding(_) => "Encoding",
        }
    }
}

impl NamedError for LeaseError {
    fn name(&self) -> &'static str {
        match self {
            Self::Checkpoint(inner) => inner.name(),
            Self::HeadMismatch { .. } => "HeadMismatch",
            Self::LeaseOld { .. } => "LeaseOld",
            Self::LeaseFromTheFuture { .. } => "LeaseFromTheFuture",
        }
    }
}

impl NamedError for EventProofError {
    fn name(&self) -> &'static str {
        match self {
            Self::Index { .. } => "Index",
            Self::PathLength { .. } => "PathLength",
            Self::Root => "Root",
            _ => NAMELESS,
        }
    }
}

impl NamedError for FrameError {
    fn name(&self) -> &'static str {
        match self {
            Self::Version { .. } => "Version",
            Self::LeafSize { .. } => "LeafSize",
            Self::Leaf(_) => "Leaf",
            Self::FrameDigest => "FrameDigest",
            Self::RulesUnknown(_) => "RulesUnknown",
            Self::Contradiction(_) => "Contradiction",
            Self::History(inner) => inner.name(),
        }
    }
}

impl NamedError for HistoryProofError {
    fn name(&self) -> &'static str {
        match self {
            Self::IndexOutOfRange { .. } => "IndexOutOfRange",
            Self::Shrunk { .. } => "Shrunk",
            Self::FromEmpty => "FromEmpty",
            Self::SameSizeOtherRoot => "SameSizeOtherRoot",
            Self::PathLength { .. } => "PathLength",
            Self::EarlierRootMismatch => "EarlierRootMismatch",
            Self::RootMismatch => "RootMismatch",
            _ => NAMELESS,
        }
    }
}

impl NamedError for StateError {
    fn name(&self) -> &'static str {
        match self {
            Self::Proof(inner) => inner.name(),
            Self::ValueTooLarge { .. } => "ValueTooLarge",
            Self::Opening => "Opening",
            Self::Encoding(_) => "Encoding",
            Self::Kind => "Kind",
        }
    }
}

impl NamedError for StateProofError {
    fn name(&self) -> &'static str {
        match self {
            Self::TooManySiblings { .. } => "TooManySiblings",
            Self::ShowsAbsence => "ShowsAbsence",
            Self::ShowsPresence => "ShowsPresence",
            Self::OtherIsSame => "OtherIsSame",
            Self::OtherOffTheWay { .. } => "OtherOffTheWay",
            Self::LastSiblingEmpty => "LastSiblingEmpty",
            Self::RootMismatch => "RootMismatch",
            _ => NAMELESS,
        }
    }
}

impl NamedError for InsecureModeError {
    fn name(&self) -> &'static str {
        match self {
            Self::DebugMode => "DebugMode",
            Self::Emulated => "Emulated",
        }
    }
}

impl NamedError for CommitmentError {
    fn name(&self) -> &'static str {
        match self {
            Self::InsecureMode(inner) => inner.name(),
            Self::Terms(_) => "Terms",
            Self::LockId { .. } => "LockId",
            Self::OwnerIsTaker(_) => "OwnerIsTaker",
            Self::UserSignature => "UserSignature",
            Self::Custody { .. } => "Custody",
            Self::Durability { .. } => "Durability",
            Self::Policy { .. } => "Policy",
            Self::TimeOrder => "TimeOrder",
            Self::FromTheFuture { .. } => "FromTheFuture",
            Self::Expired { .. } => "Expired",
            Self::Signature(inner) => inner.name(),
        }
    }
}

impl NamedError for ForkError {
    fn name(&self) -> &'static str {
        match self {
            Self::First(_) => "First",
            Self::Second(_) => "Second",
            Self::SameStatement => "SameStatement",
            Self::NoContradiction => "NoContradiction",
            Self::FirstLeaf(_) => "FirstLeaf",
            Self::SecondLeaf(_) => "SecondLeaf",
            Self::FirstPath(_) => "FirstPath",
            Self::SecondPath(_) => "SecondPath",
            Self::SameLeaf { .. } => "SameLeaf",
        }
    }
}

impl NamedError for NoteError {
    fn name(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "TooLarge",
            Self::Utf8(_) => "Utf8",
            Self::ControlCharacter => "ControlCharacter",
            Self::NoEmptyLine => "NoEmptyLine",
            Self::EmptyText => "EmptyText",
            Self::NoSignature => "NoSignature",
            Self::TooManySignatures => "TooManySignatures",
            Self::SignatureLine { .. } => "SignatureLine",
            Self::NoFinalNewline => "NoFinalNewline",
            Self::KeyName => "KeyName",
            Self::KeyText => "KeyText",
            Self::KeyId => "KeyId",
            Self::KeyType { .. } => "KeyType",
            _ => NAMELESS,
        }
    }
}

impl NamedError for CheckpointError {
    fn name(&self) -> &'static str {
        match self {
            Self::Note(inner) => inner.name(),
            Self::Text(inner) => inner.name(),
            Self::Origin => "Origin",
            Self::KeyUse => "KeyUse",
            Self::LogSignatureMissing => "LogSignatureMissing",
            Self::SignatureTwice => "SignatureTwice",
            Self::LogSignature => "LogSignature",
            Self::Cosignature { .. } => "Cosignature",
            Self::Quorum { .. } => "Quorum",
        }
    }
}

impl NamedError for CheckpointTextError {
    fn name(&self) -> &'static str {
        match self {
            Self::Lines => "Lines",
            Self::Size => "Size",
            Self::Root => "Root",
            _ => NAMELESS,
        }
    }
}

impl NamedError for TlogProofTextError {
    fn name(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "TooLarge",
            Self::Utf8 => "Utf8",
            Self::Header => "Header",
            Self::Extra => "Extra",
            Self::Index => "Index",
            Self::Hash { .. } => "Hash",
            Self::PathTooLong => "PathTooLong",
            Self::NoCheckpoint => "NoCheckpoint",
            _ => NAMELESS,
        }
    }
}

impl NamedError for TlogProofError {
    fn name(&self) -> &'static str {
        match self {
            Self::Text(inner) => inner.name(),
            Self::Checkpoint(inner) => inner.name(),
            Self::Inclusion(inner) => inner.name(),
        }
    }
}

impl NamedError for SuccessionError {
    fn name(&self) -> &'static str {
        match self {
            Self::NoPredecessor => "NoPredecessor",
            Self::Genesis(_) => "Genesis",
            Self::OldGenesis(_) => "OldGenesis",
            Self::PredecessorId { .. } => "PredecessorId",
            Self::NoOperators => "NoOperators",
            Self::NoWitnesses => "NoWitnesses",
            Self::Key(inner) => inner.name(),
            Self::Witnesses(_) => "Witnesses",
            Self::Checkpoint(inner) => inner.name(),
            Self::EmptyLog => "EmptyLog",
            Self::Signature { .. } => "Signature",
            Self::NotAnOperator { .. } => "NotAnOperator",
            Self::OperatorTwice { .. } => "OperatorTwice",
            Self::TooFewOperators { .. } => "TooFewOperators",
            Self::LaterCheckpoint { .. } => "LaterCheckpoint",
            Self::OtherRoot { .. } => "OtherRoot",
        }
    }
}

#[cfg(feature = "json")]
impl NamedError for JsonError {
    fn name(&self) -> &'static str {
        match self {
            Self::Epoch => "Epoch",
            Self::Seq => "Seq",
            Self::StateRoot => "StateRoot",
            Self::TreeKey => "Position",
            Self::Mixed => "Mixed",
            Self::Proof(inner) => inner.name(),
            Self::Commitment => "Commitment",
            Self::Time => "Time",
        }
    }
}

#[cfg(feature = "json")]
impl NamedError for AnswerError {
    /// Every fault of the form has one name.
    fn name(&self) -> &'static str {
        "Form"
    }
}
