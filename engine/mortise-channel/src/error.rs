//! Errors of sealing and opening.

use mortise_format::channel::MessageError;

/// A text was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The text does not fit into a message.
    #[error("the text has {found} bytes, more than {max}")]
    TextTooLong {
        /// Largest text, bytes.
        max: usize,
        /// Size of this text, bytes.
        found: usize,
    },
    /// The public key is a point of low order: the shared secret would be known to everyone.
    #[error("the public key is a point of low order")]
    PublicKey,
}

/// A message does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes are not a message of this kind.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The request is encrypted to the key of another boot.
    #[error("the message is encrypted to key {found}, not to key {expected}")]
    OtherKey {
        /// Id of the key that opens messages now.
        expected: u64,
        /// Id that the message names.
        found: u64,
    },
    /// The message is for another key, was changed, or belongs to another request.
    #[error("the message does not open with this key in this context")]
    NotAuthentic,
}
