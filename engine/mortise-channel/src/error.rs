//! Why a message was not sealed or does not open.

use mortise_format::channel::MessageError;

/// Why a text was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The text does not fit a message.
    #[error("the text has {found} bytes, more than {max}")]
    TextTooLong {
        /// Most bytes.
        max: usize,
        /// Its bytes.
        found: usize,
    },
    /// The public key is a point of low order, with which everybody has the same secret.
    #[error("the public key is no key to encrypt to")]
    PublicKey,
}

/// Why a message does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes are no message of this kind.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The request is encrypted to the key of another boot.
    #[error("the message is for key {found}, this is key {expected}")]
    OtherKey {
        /// The id of the key that was to open it.
        expected: u64,
        /// The id that it names.
        found: u64,
    },
    /// It was made with another key, or changed, or belongs to another request.
    #[error("the message does not open with this key in this place")]
    NotAuthentic,
}
