//! Why the application refused, and as what a caller reads it.

use super::sealed::OpenError;
use crate::ports::VaultError;
use mortise_format::errors::Code;
use mortise_rpc::ErrorObject;

/// Why the application gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The engine has no keys of the application.
    #[error("the engine runs without the application")]
    Unavailable,
    /// Too many calls at once.
    #[error("too many calls of the application at once")]
    Overloaded,
    /// The key service refused or failed.
    #[error("{operation}: {error}")]
    Keys {
        /// As the key service names it.
        operation: &'static str,
        /// Why; our own words.
        error: VaultError,
    },
    /// The message does not open under its key.
    #[error(transparent)]
    Message(#[from] OpenError),
    /// What opened is no text.
    #[error("what was encrypted is not UTF-8")]
    NotText,
    /// A bare data key was asked for.
    #[error("data keys do not leave this engine in clear")]
    Withheld,
    /// A task of ours ended without an answer.
    #[error("the work ended without an answer")]
    Stopped,
}

/// What an overloaded caller is told to wait.
const RETRY_AFTER_MS: u64 = 200;

impl AppError {
    /// The entry of the catalogue.
    pub fn code(&self) -> Code {
        match self {
            Self::Unavailable => Code::AppUnavailable,
            Self::Overloaded => Code::Overloaded,
            Self::Keys { error: VaultError::Refused(_), .. } => Code::KmsRefused,
            Self::Keys { error: VaultError::Denied(_), .. } => Code::KmsDenied,
            Self::Keys { .. } => Code::Kms,
            Self::Message(OpenError::Signature) => Code::MessageSignature,
            Self::Message(_) | Self::NotText => Code::InvalidParams,
            Self::Withheld => Code::PlaintextWithheld,
            Self::Stopped => Code::InternalError,
        }
    }
}

impl From<&AppError> for ErrorObject {
    fn from(error: &AppError) -> Self {
        match error {
            AppError::Overloaded => Self::overloaded(RETRY_AFTER_MS),
            AppError::Keys { operation, .. } => {
                Self::new(error.code()).saying(error).with("operation", *operation)
            }
            AppError::Message(OpenError::Signature) => Self::new(error.code()),
            AppError::Message(_) | AppError::NotText => {
                Self::new(error.code()).saying(error).with("field", "encrypted")
            }
            _ => Self::new(error.code()),
        }
    }
}
