//! Parameters of the application: texts encrypted under keys of the key service.
//!
//! Texts are the callers' secrets: they do not print, and are wiped when dropped.

use super::super::fields::{Fields, Item, ParamError};
use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;
use mortise_format::eip712::DecryptRequest;
use mortise_format::ids::{Address, Signature};
use mortise_format::json::Base64;
use mortise_format::limits::{APP_TEXT_BYTES_MAX, KMS_RANDOM_BYTES_MAX, KMS_WRAPPED_KEY_BYTES_MAX};
use serde::{Serialize, Serializer};
use serde_json::Value;
use zeroize::{Zeroize, ZeroizeOnDrop};

type Result<T> = core::result::Result<T, ParamError>;

/// Room for what an encrypted text has besides the text.
const ENCRYPTED_BYTES_MAX: usize = APP_TEXT_BYTES_MAX + 64;
/// Bytes of an HMAC-SHA256.
const SIGNATURE_BYTES: usize = 32;

/// A text that does not print: at most `APP_TEXT_BYTES_MAX` bytes of UTF-8.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct PlainText(String);

impl PlainText {
    /// `None` when it is too long.
    pub fn new(text: String) -> Option<Self> {
        (text.len() <= APP_TEXT_BYTES_MAX).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainText({} bytes)", self.0.len())
    }
}

impl Serialize for PlainText {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// `kmsEncrypt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KmsEncrypt {
    /// Any text, the empty one too.
    pub text: PlainText,
    /// Who alone can have it decrypted.
    pub owner: Address,
}

impl KmsEncrypt {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["text", "owner"])?;
        let item = fields.required("text")?;
        let text = PlainText::new(item.text()?.to_owned());
        let text = text.ok_or_else(|| item.wrong("a text within the bound"))?;
        Ok(Self { text, owner: owner(&fields)? })
    }
}

/// Two of the three parts of an encrypted text; the third is the wrapped key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SealedText {
    /// Version, nonce, ciphertext, tag.
    pub encrypted: Base64,
    /// HMAC over all three parts.
    pub signature: Base64,
}

impl SealedText {
    pub(crate) fn optional(fields: &Fields<'_>) -> Result<Option<Self>> {
        let encrypted = fields.optional("encrypted");
        let signature = fields.optional("signature");
        match (encrypted, signature) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(fields.missing("signature")),
            (None, Some(_)) => Err(fields.missing("encrypted")),
            (Some(encrypted), Some(signature)) => {
                let encrypted = encrypted.base64(ENCRYPTED_BYTES_MAX)?;
                let mac = signature.base64(SIGNATURE_BYTES)?;
                if mac.0.len() != SIGNATURE_BYTES {
                    return Err(signature.wrong("base64 of 32 bytes"));
                }
                Ok(Some(Self { encrypted, signature: mac }))
            }
        }
    }
}

impl SealedText {
    /// The third part.
    pub(crate) fn wrapped_key(item: &Item<'_>) -> Result<Base64> {
        let wrapped = item.base64(KMS_WRAPPED_KEY_BYTES_MAX)?;
        if wrapped.0.is_empty() { Err(item.wrong("base64 that is not empty")) } else { Ok(wrapped) }
    }
}

/// `kmsDecrypt`. Without encrypted text and signature it asks for the bare data key, which an
/// engine gives only when its measured configuration says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KmsDecrypt {
    /// For whom it was encrypted.
    pub owner: Address,
    /// What to decrypt.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub message: Option<SealedText>,
    /// The wrapped key.
    pub ciphertext_blob: Base64,
    /// How long the signature is good for, whole seconds since the Unix epoch.
    pub valid_until: u64,
    /// The owner's, over [`DecryptRequest`].
    pub owner_signature: Signature,
}

impl KmsDecrypt {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        const KNOWN: &[&str] =
            &["owner", "encrypted", "signature", "ciphertextBlob", "validUntil", "ownerSignature"];
        let fields = Fields::of_params(params, KNOWN)?;
        Ok(Self {
            message: SealedText::optional(&fields)?,
            ciphertext_blob: SealedText::wrapped_key(&fields.required("ciphertextBlob")?)?,
            owner: owner(&fields)?,
            valid_until: fields.required("validUntil")?.number()?,
            owner_signature: fields.required("ownerSignature")?.signature()?,
        })
    }

    /// What the owner must have signed.
    pub fn request(&self) -> DecryptRequest {
        let message = self.message.as_ref();
        let message = message.map(|m| (m.encrypted.0.as_slice(), m.signature.0.as_slice()));
        DecryptRequest::new(self.owner, message, &self.ciphertext_blob.0, self.valid_until)
    }
}

/// `kmsGenerateDataKey`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KmsGenerateDataKey {
    /// Who alone can have it unwrapped.
    pub owner: Address,
}

impl KmsGenerateDataKey {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        Ok(Self { owner: owner(&Fields::of_params(params, &["owner"])?)? })
    }
}

/// `kmsGenerateRandom`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KmsGenerateRandom {
    /// How many, 1 to `KMS_RANDOM_BYTES_MAX`.
    pub bytes: u32,
}

impl KmsGenerateRandom {
    /// How many when the caller says nothing.
    pub const BYTES_DEFAULT: u32 = 32;

    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["bytes"])?;
        let bytes = fields.optional("bytes").map(|item| Self::byte_count(&item)).transpose()?;
        Ok(Self { bytes: bytes.unwrap_or(Self::BYTES_DEFAULT) })
    }

    pub(crate) fn byte_count(item: &Item<'_>) -> Result<u32> {
        let count = item.small_number()?;
        let fits = count > 0 && usize::try_from(count).is_ok_and(|n| n <= KMS_RANDOM_BYTES_MAX);
        if fits { Ok(count) } else { Err(item.wrong("an integer from 1 to 1024")) }
    }
}

/// The zero address stands for nobody: nobody could have the text decrypted.
fn owner(fields: &Fields<'_>) -> Result<Address> {
    let item = fields.required("owner")?;
    let owner = item.address()?;
    if owner.is_zero() { Err(item.wrong("an address that is not zero")) } else { Ok(owner) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use serde_json::json;

    const OWNER: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    fn decrypt() -> Value {
        json!({"owner": OWNER, "encrypted": "AQID", "ciphertextBlob": "BAU=", "validUntil": 7,
            "signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "ownerSignature": format!("0x{}", "11".repeat(65))})
    }

    #[test]
    fn parameters_print_as_they_parse_and_never_show_the_text() {
        let params = json!({"text": "\u{4f60}\u{597d}", "owner": OWNER});
        let encrypt = KmsEncrypt::parse(&params).unwrap();
        assert_eq!(serde_json::to_value(&encrypt).unwrap(), params);
        assert!(!format!("{encrypt:?}").contains('\u{4f60}'));
        let parsed = KmsDecrypt::parse(&decrypt()).unwrap();
        assert_eq!(serde_json::to_value(&parsed).unwrap(), decrypt());
        let mut bare = decrypt();
        for part in ["encrypted", "signature"] {
            bare.as_object_mut().unwrap().remove(part);
        }
        let parsed = KmsDecrypt::parse(&bare).unwrap();
        assert_eq!(parsed.message, None);
        assert_eq!(serde_json::to_value(&parsed).unwrap(), bare);
        let random = KmsGenerateRandom::parse(&json!({})).unwrap();
        assert_eq!(random.bytes, KmsGenerateRandom::BYTES_DEFAULT);
    }

    #[test]
    fn half_a_message_and_texts_that_are_no_base64_are_refused_by_field() {
        let refused = |field: &str, value: Value| {
            let mut params = decrypt();
            params[field] = value;
            KmsDecrypt::parse(&params).unwrap_err()
        };
        for (field, value) in [
            ("encrypted", json!("AQI")),
            ("encrypted", json!("AQJ=")),
            ("encrypted", json!("AQI=\n")),
            ("encrypted", json!(7)),
            ("signature", json!("AAAA")),
            ("ciphertextBlob", json!("")),
            ("owner", json!(Address::ZERO)),
            ("ownerSignature", json!("0x11")),
        ] {
            assert_eq!(refused(field, value.clone()).field(), field, "{value}");
        }
        assert_eq!(refused("signature", Value::Null).field(), "signature");
        assert_eq!(refused("encrypted", Value::Null).field(), "encrypted");
        for bytes in [0, 1025] {
            assert!(KmsGenerateRandom::parse(&json!({ "bytes": bytes })).is_err(), "{bytes}");
        }
    }

    #[test]
    fn text_has_a_bound() {
        assert!(PlainText::new("a".repeat(APP_TEXT_BYTES_MAX)).is_some());
        assert!(PlainText::new("a".repeat(APP_TEXT_BYTES_MAX + 1)).is_none());
    }
}
