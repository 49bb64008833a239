//! Errors of a call, and the exit code that a command returns for each.

use crate::attestation::ProofError;
use crate::channel::ChannelError;
use crate::check::CheckError;
use crate::endpoint::EndpointError;
use crate::freshness::FreshnessError;
use crate::reader::ReaderError;
use crate::signer::SignerError;
use crate::statements::Contradiction;
use mortise_format::errors::Code;
use mortise_format::ids::{Address, EngineId};
use mortise_rpc::ErrorObject;
use mortise_rpc::results::LockStatus;

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No answer. The outcome of a state-changing call is unknown. It is safe to send the same
    /// bytes again while their request id is valid.
    #[error("{endpoint} does not answer: {reason}")]
    Unreachable {
        /// The endpoint.
        endpoint: String,
        /// The last error of the operating system or the protocol.
        reason: String,
    },
    /// The engine refused, with its error object.
    #[error("{} ({})", .0.message, .0.code)]
    Refused(Box<ErrorObject>),
    /// The response is not an answer to the call.
    #[error("the response to {method} is not a valid answer: {reason}")]
    Protocol {
        /// The method.
        method: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The text is not an endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The text or bytes are not a key.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// Another engine answers than the pinned one or the first one.
    #[error("the engine is {found_id} {found}, not {expected_id} {expected}")]
    Identity {
        /// The pinned engine, or the first one that answered.
        expected_id: EngineId,
        /// Its address.
        expected: Address,
        /// The engine that answered now.
        found_id: EngineId,
        /// Its address.
        found: Address,
    },
    /// Another engine answers than the one that the caller named by its id, or its keys are not
    /// those of its id.
    #[error("the engine is not {expected}: it says {found}, with the keys of {opened}")]
    EngineId {
        /// The engine that the caller named.
        expected: EngineId,
        /// The id that the engine says.
        found: EngineId,
        /// What its keys hash to: "that id" or "another id".
        opened: &'static str,
    },
    /// The answer fails a check.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// An answer about now is too old, or does not show its age.
    #[error(transparent)]
    Freshness(#[from] FreshnessError),
    /// The attestation does not prove the engine's keys.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The call failed in the channel. The outcome of a state-changing call is unknown.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// Two statements of the engine contradict each other: evidence of a fork or a rollback.
    #[error("{0}")]
    Contradiction(Box<Contradiction>),
    /// Released keys do not open with the reader's key.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// The lock is not in the state any more, or never was.
    #[error("the lock is not in the state")]
    LockGone,
    /// The engine shows the whole lock to its owner, beneficiary and arbiter alone.
    #[error("only the parties of this lock see all of it: read as one of them, in the channel")]
    OnlyForParties,
    /// The lock ended in another status than the one waited for.
    #[error("the lock ended as {}", found.name())]
    EndedOtherwise {
        /// Its status.
        found: LockStatus,
    },
    /// The status was not reached in time.
    #[error("the lock is still {}", found.name())]
    WaitedInVain {
        /// Its status.
        found: LockStatus,
    },
}

/// Exit code of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 1: refused, or a check failed.
    Refused,
    /// 2: the arguments are wrong.
    Usage,
    /// 3: no answer.
    Unreachable,
    /// 4: the engine is not ready.
    NotReady,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::NotReady => 4,
        }
    }
}

impl ClientError {
    /// The entry of the error catalogue, if the engine refused with one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(error) => error.entry(),
            _ => None,
        }
    }

    /// The exit code of a command that fails with this error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Endpoint(_) | Self::Signer(_) => Exit::Usage,
            Self::Refused(_) if self.code() == Some(Code::NotReady) => Exit::NotReady,
            _ => Exit::Refused,
        }
    }
}

impl From<ErrorObject> for ClientError {
    fn from(error: ErrorObject) -> Self {
        Self::Refused(Box::new(error))
    }
}
