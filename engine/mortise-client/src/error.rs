//! What can go wrong with a call, and the exit code that a command gives for it.

use crate::attestation::ProofError;
use crate::channel::ChannelError;
use crate::check::CheckError;
use crate::endpoint::EndpointError;
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
    /// Nobody answered. Of a state-changing call the outcome is unknown: sending the same bytes
    /// again is safe while their request id is valid.
    #[error("{endpoint} does not answer: {reason}")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// What the operating system or the protocol said last.
        reason: String,
    },
    /// The engine refused, with its error object.
    #[error("{} ({})", .0.message, .0.code)]
    Refused(Box<ErrorObject>),
    /// What came back is no answer to the call.
    #[error("the answer to {method} is not one: {reason}")]
    Protocol {
        /// Which call.
        method: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The text names no endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The text or bytes are no key.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// Another engine answers than the one that was pinned or met first.
    #[error("the engine is {found_id} {found}, not {expected_id} {expected}")]
    Identity {
        /// Pinned, or met first.
        expected_id: EngineId,
        /// Its address.
        expected: Address,
        /// Who answered.
        found_id: EngineId,
        /// Its address.
        found: Address,
    },
    /// The answer does not prove what was asked for.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The attestation does not prove the engine's keys.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The call did not pass through the channel. Of a state-changing call the outcome is unknown.
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

/// What a command's exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 1: refused, or a check failed.
    Refused,
    /// 2: the arguments are wrong.
    Usage,
    /// 3: nobody answers.
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
    /// The entry of the catalogue, when the engine refused with one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(error) => error.entry(),
            _ => None,
        }
    }

    /// What a command that fails with this exits with.
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
