//! Why a call of the key service failed, and what that means for who asked.
//!
//! Every text is ours: nothing that the service, the parent or a caller wrote stands in an error,
//! so that no secret and no foreign text reaches a log.

use super::envelope::EnvelopeError;
use mortise_engine::ports::{ClockError, NsmError, VaultError};
use std::fmt;

/// Which bytes of an answer are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// `KeyId`.
    KeyId,
    /// `CiphertextBlob`.
    CiphertextBlob,
    /// `CiphertextForRecipient`.
    CiphertextForRecipient,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyId => "KeyId",
            Self::CiphertextBlob => "CiphertextBlob",
            Self::CiphertextForRecipient => "CiphertextForRecipient",
        })
    }
}

/// Which wait ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// For the connection and its TLS handshake.
    Connect,
    /// For the answer.
    Answer,
    /// For the whole call.
    Overall,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "the connection",
            Self::Answer => "the answer",
            Self::Overall => "the whole call",
        })
    }
}

/// Why a call failed: the table of `specs/kms-and-keys.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KmsError {
    /// The parent has sent no credentials yet.
    #[error("no credentials of the key service have come from the parent yet")]
    NoCredentials,
    /// The credentials have expired by our clock; nothing was sent.
    #[error("the credentials of the key service have expired; nothing was sent")]
    CredentialsExpired,
    /// The credentials have a form in which nothing can be signed.
    #[error("the credentials of the key service are malformed: {0}")]
    CredentialsMalformed(CredentialsFault),
    /// The clock has no time that can be trusted, or one past the year 9999.
    #[error("there is no trusted time to sign with and to judge certificates at")]
    NoTime,
    /// A context, a wrapped key or a count is beyond what the service takes.
    #[error("the request is beyond what the key service takes: {0}")]
    RequestOutOfBounds(Bound),
    /// The security module made no document.
    #[error("no attestation document: {0}")]
    Attestation(&'static str),
    /// No RSA key could be made.
    #[error("no key for the answer could be made")]
    KeyGeneration,

    /// Nobody could be reached.
    #[error("the key service cannot be dialed: {0}")]
    Connect(std::io::ErrorKind),
    /// The other side does not speak TLS.
    #[error("the other side does not speak TLS")]
    NotTls,
    /// The certificate is for another name.
    #[error("the certificate of the key service is for another host name")]
    TlsWrongHost,
    /// The certificate stands under a root that is not ours, or one that only has its name.
    #[error("the certificate of the key service stands under an unknown root")]
    TlsUnknownRoot,
    /// The certificate is expired, malformed or not for servers.
    #[error("the certificate of the key service is not valid")]
    TlsCertificate,
    /// TLS failed otherwise: no common version or cipher, an alert, a broken record.
    #[error("TLS with the key service failed")]
    Tls,
    /// The connection broke before the answer was whole.
    #[error("the connection broke before the answer was whole")]
    ConnectionLost,
    /// No answer in time.
    #[error("{0} took too long")]
    TimedOut(Wait),
    /// The answer is no HTTP.
    #[error("the answer is not HTTP/1.1")]
    NotHttp,
    /// The answer is larger than any honest one.
    #[error("the answer is larger than {max} bytes")]
    AnswerTooLarge {
        /// The bound.
        max: usize,
    },

    /// The policy of the key, or the caller's, does not allow it to this code.
    #[error("AccessDenied: the policy does not allow this to this caller and this code")]
    AccessDenied,
    /// The service says that the credentials have expired.
    #[error("ExpiredToken: the key service says that the credentials have expired")]
    ExpiredToken,
    /// The service knows the credentials or the signature not, or the clocks lie far apart.
    #[error("the key service refuses the credentials or the signature")]
    SignatureRefused,
    /// The wrapped key was changed, or belongs to another context.
    #[error("InvalidCiphertext: the wrapped key was changed or is of another context")]
    InvalidCiphertext,
    /// The wrapped key is of another master key.
    #[error("IncorrectKey: the wrapped key is of another master key")]
    IncorrectKey,
    /// The master key does not exist, is disabled or is not for this.
    #[error("the master key does not exist, is disabled or is not for this")]
    KeyUnusable,
    /// The service takes the request or the document not.
    #[error("the key service finds the request or its document invalid (status {status})")]
    RequestRefused {
        /// Of HTTP.
        status: u16,
    },
    /// Too many requests.
    #[error("the key service is throttling")]
    Throttled,
    /// The service failed inside.
    #[error("the key service failed inside (status {status})")]
    ServiceFailed {
        /// Of HTTP.
        status: u16,
    },

    /// The answer is not one JSON object without repeated keys.
    #[error("the answer is not one JSON object without repeated keys")]
    JsonMalformed,
    /// The answer carries the key in clear, though a document came with the request.
    #[error("the answer carries Plaintext though a Recipient was sent")]
    PlaintextPresent,
    /// A field of the answer is missing or no text.
    #[error("{0} is missing in the answer")]
    FieldMissing(Field),
    /// A field of the answer is not base64, is empty or too long.
    #[error("{0} of the answer is not base64 of an allowed length")]
    FieldMalformed(Field),
    /// The answer is of another key.
    #[error("the answer is of another key than the one asked for")]
    KeyIdMismatch,
    /// What is for us does not open.
    #[error("CiphertextForRecipient: {0}")]
    Envelope(#[from] EnvelopeError),
    /// What opened has another length than asked for.
    #[error("what the answer holds has {found} bytes, not {expected}")]
    PlaintextLength {
        /// Asked for.
        expected: usize,
        /// Found.
        found: usize,
    },
}

/// What is wrong with credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsFault {
    /// `AccessKeyId` is not 1 to 128 letters and digits.
    #[error("AccessKeyId is not 1 to 128 letters and digits")]
    AccessKeyId,
    /// `SecretAccessKey` is empty, too long or not printable.
    #[error("SecretAccessKey is empty, too long or not printable")]
    SecretAccessKey,
    /// `Token` is empty, too long or not printable.
    #[error("Token is empty, too long or not printable")]
    Token,
    /// `Expiration` is no RFC 3339 time in UTC.
    #[error("Expiration is no RFC 3339 time in UTC")]
    Expiration,
    /// The line is no JSON object of credentials.
    #[error("the line is no JSON object of credentials")]
    NotCredentials,
}

/// Which bound of the service a request is beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Bound {
    /// The encryption context.
    #[error("the encryption context is too large")]
    Context,
    /// The wrapped key.
    #[error("the wrapped key is empty or too large")]
    WrappedKey,
    /// The number of random bytes.
    #[error("the number of random bytes is not 1 to 1024")]
    RandomBytes,
    /// The attestation document.
    #[error("the attestation document is too large")]
    Document,
}

impl KmsError {
    /// True when the same call can succeed a moment later: throttling, failures inside the
    /// service, connections that broke or never came about. Refusals never.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Throttled
                | Self::ServiceFailed { .. }
                | Self::Connect(_)
                | Self::ConnectionLost
                | Self::TimedOut(Wait::Connect | Wait::Answer)
        )
    }
}

impl From<ClockError> for KmsError {
    fn from(_: ClockError) -> Self {
        Self::NoTime
    }
}

impl From<NsmError> for KmsError {
    /// The names alone: `NoDevice` carries a text of the system.
    fn from(error: NsmError) -> Self {
        Self::Attestation(match error {
            NsmError::NoDevice(_) => "there is no security module",
            NsmError::InvalidArgument => "the module refuses an argument",
            NsmError::InputTooLarge => "an input is too large",
            NsmError::BufferTooSmall => "the answer does not fit",
            _ => "the module failed",
        })
    }
}

impl From<KmsError> for VaultError {
    fn from(error: KmsError) -> Self {
        let text = error.to_string();
        match error {
            KmsError::AccessDenied | KmsError::SignatureRefused | KmsError::KeyUnusable => {
                Self::Denied(text)
            }
            KmsError::InvalidCiphertext
            | KmsError::IncorrectKey
            | KmsError::RequestRefused { .. }
            | KmsError::RequestOutOfBounds(_)
            | KmsError::AnswerTooLarge { .. }
            | KmsError::JsonMalformed
            | KmsError::PlaintextPresent
            | KmsError::FieldMissing(_)
            | KmsError::FieldMalformed(_)
            | KmsError::KeyIdMismatch
            | KmsError::Envelope(_)
            | KmsError::PlaintextLength { .. } => Self::Refused(text),
            // The service itself was not reached, or said nothing about the key.
            _ => Self::Unavailable(text),
        }
    }
}
