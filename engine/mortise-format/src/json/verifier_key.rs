//! Verifier keys of witnesses (C2SP signed-note): `name+hex id+base64(type | key)`, the line that a
//! witness prints about itself.

use crate::domains::{NOTE_COSIGNATURE, sha256};
use crate::ids::to_hex;
use crate::witness::WitnessKey;
use alloc::format;
use alloc::string::{String, ToString};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
