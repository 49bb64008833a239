//! Errors of the application, and their form on the wire.

use super::sealed::OpenError;
use crate::ports::VaultError;
use mortise_format::errors::Code;
use mortise_rpc::ErrorObject;
use std::time::Duration;

/// The application gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The engine runs without keys for the application.
    #[error("the engine runs without the application")]
    Unavailable,
    /// Retry after this time.
    #[error("too many calls to the application")]
    Overloaded(Duration),
    /// The key service refused or failed.
    #[error("{operation}: {error}")]
    Keys {
        /// Name of the operation at the key service.
        operation: &'static str,
        /// The reason in our own words, never peer-chosen text.
        error: VaultError,
    },
    /// The message does not open under its key.
    #[error(transparent)]
    Message(#[from] OpenError),
    /// The decrypted bytes are not a text.
    #[error("the decrypted bytes are not UTF-8")]
    NotText,
    /// The caller asked for a data key in clear.
    #[error("data keys do not leave this engine in clear")]
    Withheld,
    /// A task of the engine ended without a result.
    #[error("the task ended without a result")]
    Stopped,
}

impl AppError {
    pub fn code(&self) -> Code {
        match self {
            Self::Unavailable => Code::AppUnavailable,
            Self::Overloaded(_) => Code::Overloaded,
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
            AppError::Overloaded(wait) => {
                Self::overloaded(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1))
            }
            AppError::Keys { operation, .. } => {
                Self::new(error.code()).with_message(error).with("operation", *operation)
            }
            AppError::Message(OpenError::Signature) => Self::new(error.code()),
            AppError::Message(_) | AppError::NotText => {
                Self::new(error.code()).with_message(error).with("field", "encrypted")
            }
            _ => Self::new(error.code()),
        }
    }
}
