//! Why a call of the key service failed, and what the caller can do.
//!
//! Every text is a constant of ours. An error never contains text of the service, the parent or a
//! caller, so that no secret and no foreign text reaches a log.

use super::envelope::EnvelopeError;
use mortise_engine::ports::{ClockError, NsmError, VaultError};
use mortise_format::civil::Civil;
use std::fmt;

/// A field of an answer with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    KeyId,
    CiphertextBlob,
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

/// The timeout that expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// Of the connection and its TLS handshake.
    Connect,
    /// Of one answer.
    Answer,
    /// Of the whole call.
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

/// Why a call failed. `specs/kms-and-keys.md` has the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KmsError {
    /// The parent has sent no credentials yet.
    #[error("the parent has sent no credentials for the key service yet")]
    NoCredentials,
    /// The credentials are malformed, so nothing can be signed.
    #[error("the credentials for the key service are malformed: {0}")]
    CredentialsMalformed(CredentialsFault),
    /// The trusted clock has no time, or one after the year 9999.
    #[error("there is no trusted time for signatures and certificates")]
    NoTime,
    /// A context, a wrapped key or a count is out of the bounds of the service.
    #[error("the request is out of the bounds of the key service: {0}")]
    RequestOutOfBounds(Bound),
    /// The security module made no document.
    #[error("no attestation document: {0}")]
    Attestation(&'static str),
    /// No RSA key could be generated.
    #[error("no RSA key for the answer could be generated")]
    KeyGeneration,

    /// No connection could be opened.
    #[error("cannot connect to the key service: {0}")]
    Connect(std::io::ErrorKind),
    /// The peer does not speak TLS.
    #[error("the peer does not speak TLS")]
    NotTls,
    /// The certificate is for another name.
    #[error("the certificate of the key service is for another host name")]
    TlsWrongHost,
    /// The certificate is not issued under a configured root.
    #[error("the certificate of the key service is not issued under a configured root")]
    TlsUnknownRoot,
    /// The certificate is expired, malformed or not for servers.
    #[error("the certificate of the key service is not valid")]
    TlsCertificate,
    /// TLS failed otherwise: no common version or cipher, an alert, a broken record.
    #[error("TLS with the key service failed")]
    Tls,
    /// The connection broke before the answer was complete.
    #[error("the connection broke before the answer was complete")]
    ConnectionLost,
    /// A timeout expired.
    #[error("timeout: {0} took too long")]
    TimedOut(Wait),
    /// The answer is not HTTP.
    #[error("the answer is not HTTP/1.1")]
    NotHttp,
    /// The answer is larger than any valid one.
    #[error("the answer is larger than {max} bytes")]
    AnswerTooLarge { max: usize },

    /// The key policy, or the caller's own, does not allow the operation.
    #[error("AccessDenied: the policy does not allow this to this caller and this code")]
    AccessDenied,
    /// The service finds the credentials expired.
    #[error("ExpiredToken: the key service finds the credentials expired")]
    ExpiredToken,
    /// The service rejects the credentials or the signature.
    #[error("the key service rejects the credentials or the signature")]
    SignatureRefused,
    /// The service rejects the signature or the credentials, and its clock is far from ours.
    #[error(
        "the clocks are apart: the key service says {}, this enclave {}",
        Civil::of_unix(*theirs_s),
        Civil::of_unix(*ours_s)
    )]
    ClocksApart {
        /// Time of the service, seconds since the Unix epoch.
        theirs_s: u64,
        /// The trusted time, seconds.
        ours_s: u64,
    },
    /// The wrapped key was changed, or belongs to another context.
    #[error("InvalidCiphertext: the wrapped key was changed or is of another context")]
    InvalidCiphertext,
    /// The wrapped key is of another master key.
    #[error("IncorrectKey: the wrapped key is of another master key")]
    IncorrectKey,
    /// The master key does not exist, is disabled or has another purpose.
    #[error("the master key does not exist, is disabled or has another purpose")]
    KeyUnusable,
    /// The service rejects the request or its document.
    #[error("the key service rejects the request or its document as invalid (status {status})")]
    RequestRefused {
        /// HTTP status.
        status: u16,
    },
    /// Too many requests.
    #[error("the key service is throttling")]
    Throttled,
    /// The service had an internal error.
    #[error("the key service had an internal error (status {status})")]
    ServiceFailed {
        /// HTTP status.
        status: u16,
    },

    /// The answer is not one JSON object without repeated keys.
    #[error("the answer is not one JSON object without repeated keys")]
    JsonMalformed,
    /// The answer has the key in clear, although a document was sent.
    #[error("the answer carries Plaintext though a Recipient was sent")]
    PlaintextPresent,
    /// A field of the answer is missing or not a string.
    #[error("{0} is missing in the answer")]
    FieldMissing(Field),
    /// A field of the answer is not base64, is empty or too long.
    #[error("{0} of the answer is not base64 of an allowed length")]
    FieldMalformed(Field),
    /// The answer names another master key.
    #[error("the answer names another master key than the request")]
    KeyIdMismatch,
    /// The encrypted answer does not open.
    #[error("CiphertextForRecipient: {0}")]
    Envelope(#[from] EnvelopeError),
    /// The decrypted answer does not have the requested length.
    #[error("the decrypted answer has {found} bytes, not {expected}")]
    PlaintextLength { expected: usize, found: usize },
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
    /// `Expiration` is not an RFC 3339 time in UTC.
    #[error("Expiration is not an RFC 3339 time in UTC")]
    Expiration,
    /// The line is not a JSON object of credentials.
    #[error("the line is not a JSON object of credentials")]
    NotCredentials,
}

/// The bound of the service that a request exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Bound {
    #[error("the encryption context is too large")]
    Context,
    #[error("the wrapped key is empty or too large")]
    WrappedKey,
    /// The number of random bytes.
    #[error("the number of random bytes is not 1 to 1024")]
    RandomBytes,
    #[error("the attestation document is too large")]
    Document,
}

impl KmsError {
    /// Returns true when the same call can succeed a moment later: throttling, internal errors of
    /// the service, failed connections. False for every rejection.
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
    /// Keeps only the names: `NoDevice` contains text of the system.
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
            KmsError::ClocksApart { .. } => Self::ClocksApart(text),
            // The service was not reached, or did not decide about the key.
            _ => Self::Unavailable(text),
        }
    }
}
