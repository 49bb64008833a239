//! Parameters of the application: texts encrypted under keys of the key service.
//!
//! Texts are the callers' secrets: they do not print, and are wiped when dropped.

use super::super::fields::{Fields, Item, ParamError};
use super::super::rows::{ReadFields, WriteFields};
use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;
use mortise_format::eip712::DecryptRequest;
use mortise_format::ids::{Address, Signature};
use mortise_format::json::Base64;
use mortise_format::limits::{APP_TEXT_BYTES_MAX, KMS_RANDOM_BYTES_MAX, KMS_WRAPPED_KEY_BYTES_MAX};
use serde::ser::{Serialize, SerializeMap, Serializer};
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

    pub(crate) fn parse(item: &Item<'_>) -> Result<Self> {
        let text = Self::new(item.text()?.to_owned());
        text.ok_or_else(|| item.wrong("a text within the bound"))
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

params! {
    /// `kmsEncrypt`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct KmsEncrypt {
        /// Any text, the empty one too.
        text: PlainText = required("text", PlainText::parse);
        /// The only account that can have it decrypted.
        owner: Address = required("owner", owner);
    }
}

/// Two of the three parts of an encrypted text; the third is the wrapped key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedText {
    /// Version, nonce, ciphertext, tag.
    pub encrypted: Base64,
    /// HMAC over all three parts.
    pub signature: Base64,
}

impl SealedText {
    /// Parses the third part.
    pub(crate) fn wrapped_key(item: &Item<'_>) -> Result<Base64> {
        let wrapped = item.base64(KMS_WRAPPED_KEY_BYTES_MAX)?;
        if wrapped.0.is_empty() { Err(item.wrong("base64 that is not empty")) } else { Ok(wrapped) }
    }
}

fn mac(item: &Item<'_>) -> Result<Base64> {
    let mac = item.base64(SIGNATURE_BYTES)?;
    let is_whole = mac.0.len() == SIGNATURE_BYTES;
    if is_whole { Ok(mac) } else { Err(item.wrong("base64 of 32 bytes")) }
}

/// Both parts or neither.
impl ReadFields for Option<SealedText> {
    fn knows(name: &str) -> bool {
        matches!(name, "encrypted" | "signature")
    }

    fn read(fields: &Fields<'_>) -> Result<Self> {
        let encrypted = fields.optional("encrypted", |item| item.base64(ENCRYPTED_BYTES_MAX))?;
        match (encrypted, fields.optional("signature", mac)?) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(fields.missing("signature")),
            (None, Some(_)) => Err(fields.missing("encrypted")),
            (Some(encrypted), Some(signature)) => Ok(Some(SealedText { encrypted, signature })),
        }
    }
}

impl WriteFields for Option<SealedText> {
    fn write<M: SerializeMap>(&self, map: &mut M) -> core::result::Result<(), M::Error> {
        let Some(SealedText { encrypted, signature }) = self else { return Ok(()) };
        map.serialize_entry("encrypted", encrypted)?;
        map.serialize_entry("signature", signature)
    }
}

params! {
    /// `kmsDecrypt`. Without encrypted text and signature it asks for the bare data key, which an
    /// engine returns only when its measured configuration allows it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct KmsDecrypt {
        /// The owner that the text was encrypted for.
        owner: Address = required("owner", owner);
        /// The text to decrypt.
        message: Option<SealedText> = flatten();
        /// The wrapped key.
        ciphertext_blob: Base64 = required("ciphertextBlob", SealedText::wrapped_key);
        /// End of the signature's validity, whole seconds since the Unix epoch.
        valid_until: u64 = required("validUntil", Item::number);
        /// The owner's signature over [`DecryptRequest`].
        owner_signature: Signature = required("ownerSignature", Item::signature);
    }
}

impl KmsDecrypt {
    /// What the owner must have signed.
    pub fn request(&self) -> DecryptRequest {
        let message = self.message.as_ref();
        let message = message.map(|m| (m.encrypted.0.as_slice(), m.signature.0.as_slice()));
        DecryptRequest::new(self.owner, message, &self.ciphertext_blob.0, self.valid_until)
    }
}

params! {
    /// `kmsGenerateDataKey`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct KmsGenerateDataKey {
        /// The only account that can have it unwrapped.
        owner: Address = required("owner", owner);
    }
}

params! {
    /// `kmsGenerateRandom`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct KmsGenerateRandom {
        /// Number of bytes, 1 to `KMS_RANDOM_BYTES_MAX`.
        bytes: u32 = defaulted("bytes", Self::byte_count, Self::BYTES_DEFAULT);
    }
}

impl KmsGenerateRandom {
    /// Number of bytes when the caller names none.
    pub const BYTES_DEFAULT: u32 = 32;

    pub(crate) fn byte_count(item: &Item<'_>) -> Result<u32> {
        item.count(KMS_RANDOM_BYTES_MAX, "an integer from 1 to 1024")
    }
}

/// An owner that can sign: the zero address means no one, and no one could have the text decrypted.
fn owner(item: &Item<'_>) -> Result<Address> {
    let owner = item.address()?;
    if owner.is_zero() { Err(item.wrong("an address that is not zero")) } else { Ok(owner) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use serde_json::{Value, json};

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
