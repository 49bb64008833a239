//! Results of the application.

use alloc::string::String;
use core::fmt;
use mortise_format::json::Base64;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// `kmsEncrypt`: the three parts, all of which are needed to decrypt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KmsEncrypted {
    /// Version, nonce, ciphertext, tag.
    pub encrypted: Base64,
    /// HMAC over all three parts.
    pub signature: Base64,
    /// The wrapped key.
    pub ciphertext_blob: Base64,
}

/// `kmsDecrypt`: the text, or the bare key where that is allowed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct KmsDecrypted {
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// True: a text with a wrong signature is an error. Absent beside a bare key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_valid: Option<bool>,
    /// The data key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaintext: Option<Base64>,
}

impl fmt::Debug for KmsDecrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KmsDecrypted(..)")
    }
}

/// `kmsGenerateDataKey`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct KmsDataKey {
    /// The wrapped key.
    pub ciphertext_blob: Base64,
    /// The key, only when the engine's measured configuration releases data keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaintext: Option<Base64>,
}

impl fmt::Debug for KmsDataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KmsDataKey(..)")
    }
}

/// `kmsGenerateRandom`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsRandom {
    /// As many bytes as the request names.
    pub random: Base64,
}
