//! Credentials of the key service, which the parent sends to the enclave (port 5003).
//!
//! The enclave dials. The parent sends one JSON object a line, at once and again before each
//! expires. The field names are those of the instance metadata service, so that its answer can be
//! passed on. The parent knows the credentials, and still they are never logged: their debug form
//! has no values.

use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Temporary or long-lived credentials of an AWS principal.
///
/// Source: EC2 user guide, "Retrieve security credentials from instance metadata".
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Credentials {
    /// Identifies the key; at most 128 characters.
    #[serde(rename = "AccessKeyId")]
    pub access_key_id: String,
    /// Signs requests.
    #[serde(rename = "SecretAccessKey")]
    pub secret_access_key: String,
    /// Session token of temporary keys.
    #[serde(rename = "Token", default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// When they expire, RFC 3339 in UTC; absent for long-lived keys.
    #[serde(rename = "Expiration", default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}
