//! Witnesses and origins in the genesis file. A witness is written as its verifier key (C2SP
//! signed-note): `name+hex id+base64(type | key)`, the line that a witness prints about itself.

use crate::domains::{NOTE_COSIGNATURE, sha256};
use crate::ids::to_hex;
use crate::witness::{Origin, WitnessKey};
use alloc::format;
use alloc::string::{String, ToString};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Domain of an origin that the file does not give: a name that leads nowhere (RFC 6761).
const LOCAL_DOMAIN: &str = "mortise.localhost";

/// The verifier key of a witness.
pub fn vkey_text(witness: &WitnessKey) -> String {
    let typed = [&[NOTE_COSIGNATURE], &witness.key[..]].concat();
    format!("{}+{}+{}", witness.name, key_id(witness), STANDARD.encode(typed))
}

fn key_id(witness: &WitnessKey) -> String {
    let hash = sha256(&[witness.name.as_bytes(), b"\n", &[NOTE_COSIGNATURE], &witness.key]);
    to_hex(&hash[..4]).trim_start_matches("0x").to_string()
}

/// Reads the verifier key of a witness; `None` when it is none.
pub fn vkey_parse(text: &str) -> Option<WitnessKey> {
    let (name, rest) = text.split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    let bytes = STANDARD.decode(key).ok()?;
    let (kind, key) = bytes.split_first()?;
    let witness = WitnessKey { key: key.try_into().ok()?, name: name.into() };
    (*kind == NOTE_COSIGNATURE && key_id(&witness) == id).then_some(witness)
}

impl Serialize for WitnessKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&vkey_text(self))
    }
}

impl<'de> Deserialize<'de> for WitnessKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        vkey_parse(&text).ok_or_else(|| {
            D::Error::custom("a witness is its verifier key, name+id+base64 of type 4 and its key")
        })
    }
}

/// The origin in the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "form", deny_unknown_fields)]
pub(super) enum OriginJson {
    C2sp { domain: String },
    Sigsum {},
}

impl Default for OriginJson {
    fn default() -> Self {
        Self::C2sp { domain: LOCAL_DOMAIN.into() }
    }
}

impl From<&Origin> for OriginJson {
    fn from(origin: &Origin) -> Self {
        match origin {
            Origin::C2sp { domain } => Self::C2sp { domain: domain.clone() },
            Origin::Sigsum => Self::Sigsum {},
        }
    }
}

impl From<OriginJson> for Origin {
    fn from(json: OriginJson) -> Self {
        match json {
            OriginJson::C2sp { domain } => Self::C2sp { domain },
            OriginJson::Sigsum {} => Self::Sigsum,
        }
    }
}
