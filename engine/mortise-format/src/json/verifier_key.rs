//! Verifier keys of witnesses (C2SP signed-note): `name+hex id+base64(type | key)`, the line that a
//! witness prints about itself.

use crate::domains::NOTE_COSIGNATURE;
use crate::note::{KeyUse, hex_id, key_text};
use crate::witness::WitnessKey;
use alloc::string::String;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The verifier key of a witness.
pub fn vkey_text(witness: &WitnessKey) -> String {
    key_text(KeyUse::Witness, &witness.name, &witness.key)
}

/// Parses the verifier key of a witness; `None` when the text is not one.
pub fn vkey_parse(text: &str) -> Option<WitnessKey> {
    let (name, rest) = text.split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    let bytes = STANDARD.decode(key).ok()?;
    let (kind, key) = bytes.split_first()?;
    let witness = WitnessKey { key: key.try_into().ok()?, name: name.into() };
    let is_id = hex_id(KeyUse::Witness, name, &witness.key) == id;
    (*kind == NOTE_COSIGNATURE && is_id).then_some(witness)
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
