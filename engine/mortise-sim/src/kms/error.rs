//! The errors of the service, by the names of AWS.

/// Why a call was rejected. The message goes only to the caller; the trail records the kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .kind.name())]
pub struct KmsError {
    kind: KmsErrorKind,
    message: String,
}

impl KmsError {
    pub(super) fn new(kind: KmsErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub fn kind(&self) -> KmsErrorKind {
        self.kind
    }

    /// The text for people.
    pub fn message(&self) -> &str {
        &self.message
    }
}

macro_rules! kinds {
    ($($variant:ident = $name:literal, $status:literal, $doc:literal;)*) => {
        /// The kinds of error, by the `__type` that AWS gives them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum KmsErrorKind {
            $(#[doc = $doc] $variant,)*
        }

        impl KmsErrorKind {
            /// The `__type` of the answer.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

kinds! {
    AccessDenied = "AccessDeniedException", 400, "No policy allows it, or one denies it.";
    AlreadyExists = "AlreadyExistsException", 400, "The alias is taken.";
    Disabled = "DisabledException", 400, "The key is disabled.";
    ExpiredToken = "ExpiredTokenException", 400, "The credentials have expired.";
    IncompleteSignature = "IncompleteSignatureException", 400, "A part of it is missing.";
    IncorrectKey = "IncorrectKeyException", 400, "The ciphertext is of another key.";
    InvalidCiphertext = "InvalidCiphertextException", 400,
        "The ciphertext was changed, or has another context.";
    InvalidSignature = "InvalidSignatureException", 400,
        "The signature, its time or its scope is wrong.";
    KmsInternal = "KMSInternalException", 500, "A file of the service cannot be written.";
    MalformedPolicy = "MalformedPolicyDocumentException", 400, "The policy is malformed.";
    MissingToken = "MissingAuthenticationTokenException", 400, "The call is not signed.";
    NotFound = "NotFoundException", 400, "No such key or policy.";
    Serialization = "SerializationException", 400, "The body is not JSON.";
    Throttling = "ThrottlingException", 400, "Too many calls; only when a test requests it.";
    TooLarge = "RequestEntityTooLargeException", 413, "The body is longer than any valid one.";
    UnknownOperation = "UnknownOperationException", 400, "Not an operation of this service.";
    UnrecognizedClient = "UnrecognizedClientException", 400, "No such key, or another token.";
    Unsupported = "UnsupportedOperationException", 400,
        "A field of the real service that this one does not have.";
    Validation = "ValidationException", 400, "A field is out of its bounds.";
}

pub(super) fn validation(message: impl Into<String>) -> KmsError {
    KmsError::new(KmsErrorKind::Validation, message)
}
