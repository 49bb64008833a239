//! The bodies of requests: those fields of AWS KMS that this service implements.
//!
//! AWS ignores unknown fields. This service rejects them: a field that a client relies on
//! (`Recipient` on `Encrypt`) must not be ignored silently.

use super::error::{KmsError, KmsErrorKind, validation};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mortise_engine::ports::EncryptionContext;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use zeroize::Zeroizing;

/// Most bytes of plaintext in `Encrypt`.
const PLAINTEXT_BYTES_MAX: usize = 4096;
/// Most bytes of a ciphertext.
const CIPHERTEXT_BYTES_MAX: usize = 6144;
/// Most bytes of a data key or of random bytes.
const RANDOM_BYTES_MAX: u32 = 1024;
/// Most bytes of all texts of an encryption context.
const CONTEXT_BYTES_MAX: usize = 8192;

/// Parses a body.
///
/// # Errors
/// `SerializationException` when the body is not a JSON object; `ValidationException` for a field
/// that the operation does not have, or of another type.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, KmsError> {
    let body = if body.is_empty() { b"{}" } else { body };
    let value: Value = serde_json::from_slice(body)
        .map_err(|_| KmsError::new(KmsErrorKind::Serialization, "the body is not JSON"))?;
    if !value.is_object() {
        return Err(KmsError::new(KmsErrorKind::Serialization, "the body is not an object"));
    }
    serde_json::from_value(value).map_err(|error| validation(error.to_string()))
}

/// Bytes in base64.
#[derive(Debug, Clone)]
pub(super) struct Blob(pub Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = STANDARD.decode(text.as_bytes());
        bytes.map(|bytes| Self(Zeroizing::new(bytes))).map_err(|_| D::Error::custom("not base64"))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct RecipientField {
    pub key_encryption_algorithm: String,
    pub attestation_document: Blob,
}

/// Fields that only AWS implements. Accepted with their default value.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub(super) struct CreateKey {
    pub policy: Option<String>,
    pub description: String,
    pub bypass_policy_lockout_safety_check: bool,
    key_usage: Option<String>,
    key_spec: Option<String>,
    customer_master_key_spec: Option<String>,
    origin: Option<String>,
    multi_region: bool,
    tags: Vec<Value>,
}

impl CreateKey {
    /// # Errors
    /// `UnsupportedOperationException` for anything but a symmetric key of this service.
    pub fn check(&self) -> Result<(), KmsError> {
        let is = |field: &Option<String>, expected: &str| {
            field.as_deref().is_none_or(|found| found == expected)
        };
        let is_default = is(&self.key_usage, "ENCRYPT_DECRYPT")
            && is(&self.key_spec, "SYMMETRIC_DEFAULT")
            && is(&self.customer_master_key_spec, "SYMMETRIC_DEFAULT")
            && is(&self.origin, "AWS_KMS")
            && !self.multi_region
            && self.tags.is_empty();
        if !is_default {
            return Err(unsupported("only untagged, single-Region, symmetric keys are made here"));
        }
        bounded("description", self.description.len(), 0, 8192)
    }
}

/// `DescribeKey`, `EnableKey`, `DisableKey`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct OfKey {
    pub key_id: String,
}

/// `GetKeyPolicy`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GetKeyPolicy {
    pub key_id: String,
    #[serde(default)]
    pub policy_name: Option<String>,
}

/// `PutKeyPolicy`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct PutKeyPolicy {
    pub key_id: String,
    pub policy: String,
    #[serde(default)]
    pub policy_name: Option<String>,
    #[serde(default)]
    pub bypass_policy_lockout_safety_check: bool,
}

/// `CreateAlias`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct CreateAlias {
    pub alias_name: String,
    pub target_key_id: String,
}

/// `ListKeys`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub(super) struct ListKeys {
    pub limit: Option<u32>,
    pub marker: Option<String>,
}

/// `Encrypt`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Encrypt {
    pub key_id: String,
    pub plaintext: Blob,
    #[serde(default)]
    pub encryption_context: EncryptionContext,
    #[serde(default)]
    encryption_algorithm: Option<String>,
    #[serde(default)]
    grant_tokens: Vec<String>,
    #[serde(default)]
    dry_run: bool,
}

impl Encrypt {
    /// # Errors
    /// `ValidationException`, `UnsupportedOperationException`.
    pub fn check(&self) -> Result<(), KmsError> {
        bounded("plaintext", self.plaintext.0.len(), 1, PLAINTEXT_BYTES_MAX)?;
        check_common(&self.encryption_context, &self.encryption_algorithm)?;
        check_unused(&self.grant_tokens, self.dry_run)
    }
}

/// `Decrypt`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Decrypt {
    pub ciphertext_blob: Blob,
    #[serde(default)]
    pub key_id: Option<String>,
    #[serde(default)]
    pub encryption_context: EncryptionContext,
    #[serde(default)]
    pub recipient: Option<RecipientField>,
    #[serde(default)]
    encryption_algorithm: Option<String>,
    #[serde(default)]
    grant_tokens: Vec<String>,
    #[serde(default)]
    dry_run: bool,
}

impl Decrypt {
    /// # Errors
    /// `ValidationException`, `UnsupportedOperationException`.
    pub fn check(&self) -> Result<(), KmsError> {
        bounded("ciphertextBlob", self.ciphertext_blob.0.len(), 1, CIPHERTEXT_BYTES_MAX)?;
        check_common(&self.encryption_context, &self.encryption_algorithm)?;
        check_unused(&self.grant_tokens, self.dry_run)
    }
}

/// `GenerateDataKey`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GenerateDataKey {
    pub key_id: String,
    #[serde(default)]
    pub encryption_context: EncryptionContext,
    #[serde(default)]
    pub recipient: Option<RecipientField>,
    #[serde(default)]
    key_spec: Option<String>,
    #[serde(default)]
    number_of_bytes: Option<u32>,
    #[serde(default)]
    grant_tokens: Vec<String>,
    #[serde(default)]
    dry_run: bool,
}

impl GenerateDataKey {
    /// Returns the length of the key in bytes.
    ///
    /// # Errors
    /// `ValidationException`, `UnsupportedOperationException`.
    pub fn check(&self) -> Result<u32, KmsError> {
        check_common(&self.encryption_context, &None)?;
        check_unused(&self.grant_tokens, self.dry_run)?;
        match (self.key_spec.as_deref(), self.number_of_bytes) {
            (Some("AES_256"), None) => Ok(32),
            (Some("AES_128"), None) => Ok(16),
            (None, Some(count)) => random_bytes(count),
            (Some(_), None) => Err(validation("keySpec is AES_128 or AES_256.")),
            _ => Err(validation("Please specify either number of bytes or key spec.")),
        }
    }
}

/// `GenerateRandom`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub(super) struct GenerateRandom {
    pub number_of_bytes: Option<u32>,
    pub recipient: Option<RecipientField>,
}

/// Checks the bounds of a number of random bytes.
///
/// # Errors
/// `ValidationException`.
pub(super) fn random_bytes(count: u32) -> Result<u32, KmsError> {
    match count {
        1..=RANDOM_BYTES_MAX => Ok(count),
        _ => Err(validation(format!("numberOfBytes is from 1 to {RANDOM_BYTES_MAX}."))),
    }
}

/// `alias/` and a name. Aliases of AWS itself are not allowed.
pub(super) fn is_alias(text: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-');
    text.strip_prefix("alias/").is_some_and(|name| {
        (1..=250).contains(&name.len()) && name.chars().all(is_of_name) && !name.starts_with("aws/")
    })
}

fn check_common(context: &EncryptionContext, algorithm: &Option<String>) -> Result<(), KmsError> {
    if algorithm.as_deref().is_some_and(|found| found != "SYMMETRIC_DEFAULT") {
        return Err(validation("encryptionAlgorithm is SYMMETRIC_DEFAULT."));
    }
    let bytes = context.iter().map(|(key, value)| key.len() + value.len()).sum();
    bounded("encryptionContext", bytes, 0, CONTEXT_BYTES_MAX)
}

fn check_unused(grant_tokens: &[String], dry_run: bool) -> Result<(), KmsError> {
    if !grant_tokens.is_empty() || dry_run {
        return Err(unsupported("grants and dry runs are not supported"));
    }
    Ok(())
}

fn bounded(field: &str, found: usize, min: usize, max: usize) -> Result<(), KmsError> {
    match (min..=max).contains(&found) {
        true => Ok(()),
        false => Err(validation(format!(
            "1 validation error detected: Value at '{field}' failed to satisfy constraint: \
             Member must have length from {min} to {max}"
        ))),
    }
}

fn unsupported(message: &str) -> KmsError {
    KmsError::new(KmsErrorKind::Unsupported, message)
}
