//! The three operations: their requests, and the checks of their answers.
//!
//! JSON 1.1 protocol of AWS: POST of one object, the operation in `X-Amz-Target`, one object back.
//! Unknown fields are ignored, because the service adds some from time to time.
//!
//! Source: AWS KMS API reference, GenerateDataKey, Decrypt, GenerateRandom, "Common errors".

use super::error::{Bound, Field, KmsError};
use super::transport::Answer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mortise_config::KeyArn;
use mortise_engine::ports::EncryptionContext;
use mortise_format::limits::{
    KMS_CONTEXT_BYTES_MAX, KMS_ENVELOPE_BYTES_MAX, KMS_RANDOM_BYTES_MAX, KMS_WRAPPED_KEY_BYTES_MAX,
};
use mortise_rpc::json;
use serde_json::{Map, Value, json};

/// The only algorithm with which the service encrypts to a recipient.
const RECIPIENT_ALGORITHM: &str = "RSAES_OAEP_SHA_256";

/// One operation with its parameters, all within the bounds of the service.
pub(super) struct Operation<'a> {
    kind: Kind<'a>,
    fields: Map<String, Value>,
}

#[derive(Clone, Copy)]
enum Kind<'a> {
    GenerateDataKey(&'a KeyArn),
    Decrypt(&'a KeyArn),
    GenerateRandom,
}

/// The contents of an answer, still encrypted to the recipient.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// `CiphertextForRecipient`.
    pub(super) envelope: Vec<u8>,
    /// `CiphertextBlob`. Empty except for GenerateDataKey.
    pub(super) wrapped: Vec<u8>,
}

impl<'a> Operation<'a> {
    /// Requests a new AES-256 key under `key`.
    ///
    /// # Errors
    /// `RequestOutOfBounds`.
    pub(super) fn generate_data_key(
        key: &'a KeyArn,
        context: &EncryptionContext,
    ) -> Result<Self, KmsError> {
        let fields = [
            ("KeyId", key.as_str().into()),
            ("KeySpec", "AES_256".into()),
            ("EncryptionContext", context_value(context)?),
        ];
        Ok(Self::new(Kind::GenerateDataKey(key), fields))
    }

    /// Requests the plaintext of a key that is encrypted under `key`.
    ///
    /// # Errors
    /// `RequestOutOfBounds`.
    pub(super) fn decrypt(
        key: &'a KeyArn,
        wrapped: &[u8],
        context: &EncryptionContext,
    ) -> Result<Self, KmsError> {
        if !(1..=KMS_WRAPPED_KEY_BYTES_MAX).contains(&wrapped.len()) {
            return Err(KmsError::RequestOutOfBounds(Bound::WrappedKey));
        }
        let fields = [
            ("KeyId", key.as_str().into()),
            ("CiphertextBlob", STANDARD.encode(wrapped).into()),
            ("EncryptionContext", context_value(context)?),
        ];
        Ok(Self::new(Kind::Decrypt(key), fields))
    }

    /// Requests random bytes.
    ///
    /// # Errors
    /// `RequestOutOfBounds`.
    pub(super) fn generate_random(count: usize) -> Result<Self, KmsError> {
        if !(1..=KMS_RANDOM_BYTES_MAX).contains(&count) {
            return Err(KmsError::RequestOutOfBounds(Bound::RandomBytes));
        }
        Ok(Self::new(Kind::GenerateRandom, [("NumberOfBytes", count.into())]))
    }

    fn new<const N: usize>(kind: Kind<'a>, fields: [(&str, Value); N]) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { kind, fields }
    }

    /// The value of `X-Amz-Target`.
    pub(super) fn target(&self) -> &'static str {
        match self.kind {
            Kind::GenerateDataKey(_) => "TrentService.GenerateDataKey",
            Kind::Decrypt(_) => "TrentService.Decrypt",
            Kind::GenerateRandom => "TrentService.GenerateRandom",
        }
    }

    /// The body for one recipient.
    pub(super) fn body(&self, document: &[u8]) -> Vec<u8> {
        let mut fields = self.fields.clone();
        let recipient = json!({
            "AttestationDocument": STANDARD.encode(document),
            "KeyEncryptionAlgorithm": RECIPIENT_ALGORITHM,
        });
        fields.insert("Recipient".to_owned(), recipient);
        Value::Object(fields).to_string().into_bytes()
    }

    /// Parses an answer and checks that an honest service could have sent it.
    ///
    /// # Errors
    /// The rejections of the service; `JsonMalformed`, `PlaintextPresent`, `FieldMissing`,
    /// `FieldMalformed`, `KeyIdMismatch`.
    pub(super) fn read(&self, answer: &Answer) -> Result<Answered, KmsError> {
        if answer.status != 200 {
            return Err(refusal(answer));
        }
        let fields = match json::parse(&answer.body) {
            Ok(Value::Object(fields)) => fields,
            _ => return Err(KmsError::JsonMalformed),
        };
        check_no_plaintext(&fields)?;
        if let Kind::GenerateDataKey(key) | Kind::Decrypt(key) = self.kind {
            let found = text(&fields, Field::KeyId)?;
            if found != key.as_str() {
                return Err(KmsError::KeyIdMismatch);
            }
        }
        let envelope = bytes(&fields, Field::CiphertextForRecipient, KMS_ENVELOPE_BYTES_MAX)?;
        let wrapped = match self.kind {
            Kind::GenerateDataKey(_) => {
                bytes(&fields, Field::CiphertextBlob, KMS_WRAPPED_KEY_BYTES_MAX)?
            }
            Kind::Decrypt(_) | Kind::GenerateRandom => Vec::new(),
        };
        Ok(Answered { envelope, wrapped })
    }
}

fn context_value(context: &EncryptionContext) -> Result<Value, KmsError> {
    let bytes: usize = context.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > KMS_CONTEXT_BYTES_MAX {
        return Err(KmsError::RequestOutOfBounds(Bound::Context));
    }
    Ok(context.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect())
}

/// A service that ignores `Recipient` sends the key in clear to the end of TLS, so that key is
/// rejected. The service writes null or the empty text for "none".
fn check_no_plaintext(fields: &Map<String, Value>) -> Result<(), KmsError> {
    match fields.get("Plaintext") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(text)) if text.is_empty() => Ok(()),
        Some(_) => Err(KmsError::PlaintextPresent),
    }
}

fn text(fields: &Map<String, Value>, field: Field) -> Result<&str, KmsError> {
    let found = fields.get(&field.to_string()).and_then(Value::as_str);
    found.ok_or(KmsError::FieldMissing(field))
}

fn bytes(fields: &Map<String, Value>, field: Field, bytes_max: usize) -> Result<Vec<u8>, KmsError> {
    let decoded = STANDARD.decode(text(fields, field)?);
    let fits = |bytes: &Vec<u8>| (1..=bytes_max).contains(&bytes.len());
    decoded.ok().filter(fits).ok_or(KmsError::FieldMalformed(field))
}

/// The error for an answer with another status than 200.
///
/// An unknown error name is mapped by the status alone and never repeated.
fn refusal(answer: &Answer) -> KmsError {
    let status = answer.status;
    let value = json::parse(&answer.body).ok();
    let kind = value.as_ref().and_then(|value| value.get("__type")).and_then(Value::as_str);
    // `com.amazonaws.kms#AccessDeniedException`, `AccessDeniedException:http://...`, bare.
    let name = kind.and_then(|kind| kind.rsplit('#').next()?.split(':').next());
    match name.unwrap_or_default() {
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" => KmsError::AccessDenied,
        "ExpiredTokenException" | "ExpiredToken" => KmsError::ExpiredToken,
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "RequestExpired" => KmsError::SignatureRefused,
        "InvalidCiphertextException" => KmsError::InvalidCiphertext,
        "IncorrectKeyException" => KmsError::IncorrectKey,
        "NotFoundException"
        | "DisabledException"
        | "KMSInvalidStateException"
        | "InvalidKeyUsageException" => KmsError::KeyUnusable,
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException" => KmsError::Throttled,
        "KMSInternalException"
        | "DependencyTimeoutException"
        | "KeyUnavailableException"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => KmsError::ServiceFailed { status },
        _ if status == 429 => KmsError::Throttled,
        _ if (500..=599).contains(&status) => KmsError::ServiceFailed { status },
        _ => KmsError::RequestRefused { status },
    }
}
