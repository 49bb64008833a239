//! JSON text of single values: addresses in EIP-55, other bytes as 0x text, amounts as decimal
//! strings. Reading takes any case and 0x amounts.
//!
//! What it is for: the serde implementations of this crate's types, which the orphan rule keeps in
//! this crate. Requests, answers and files that are made of these values are in `mortise-rpc`.

mod verifier_key;

pub use verifier_key::{vkey_parse, vkey_text};

use crate::amount::U256;
use crate::asset::{Asset, AssetType, Condition, TokenId};
use crate::ids::{
    Address, Bytes32, EngineId, FrameDigest, LockId, Measurement, PolicyHash, RequestId, Root,
    Signature, parse_hex_bytes, to_checksum, to_hex,
};
use crate::insecure_mode::InsecureMode;
use crate::lock::{Custody, Durability, LegTerms};
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroize;

/// Bytes of any length, as 0x text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HexBytes(pub Vec<u8>);

impl Serialize for HexBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() % 2 != 0 {
            return Err(D::Error::custom("hex text has an even number of digits"));
        }
        parse_hex_bytes(&text).map(Self).map_err(D::Error::custom)
    }
}

/// Bytes of any length, in base64 with padding. Every byte string has exactly one text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl Base64 {
    /// Reads a text.
    ///
    /// # Errors
    /// A message for people when the text is not canonical base64.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        STANDARD.decode(text).map(Self).map_err(|_| "base64 with padding is expected")
    }
}

impl fmt::Display for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(&self.0))
    }
}

impl fmt::Debug for Base64 {
    /// Prints the length alone, because the bytes may be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64({} bytes)", self.0.len())
    }
}

impl Zeroize for Base64 {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

macro_rules! hex_in_json {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&to_hex(&self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    )*};
}

hex_in_json!(
    Bytes32,
    EngineId,
    LockId,
    FrameDigest,
    Root,
    PolicyHash,
    RequestId,
    Signature,
    Measurement
);

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_checksum(self))
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for U256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_decimal())
    }
}

impl<'de> Deserialize<'de> for U256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A `u64` as a decimal string: what the existing client holds in a bigint.
pub mod decimal {
    use super::{Deserialize, Deserializer, Serializer, U256};
    use serde::de::Error as _;

    /// Writes a decimal string.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads a decimal or 0x string, or a JSON integer, below 2^64.
    ///
    /// # Errors
    /// Any other value.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let value = U256::deserialize(deserializer)?;
        value.to_u64().ok_or_else(|| D::Error::custom("the number is below 2^64"))
    }
}

macro_rules! names_in_json {
    ($($name:ident: $($value:ident)|*, $expected:literal;)*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let all = [$(Self::$value),*];
                all.into_iter()
                    .find(|value| value.name() == text)
                    .ok_or_else(|| D::Error::custom($expected))
            }
        }
    )*};
}

names_in_json! {
    Custody: Open | Escrow, "custody is open or escrow";
    Durability: Stored | Witnessed, "durability is stored or witnessed";
    AssetType: Native | Erc20 | Erc721 | Erc1155,
        "an asset type is native, erc20, erc721 or erc1155";
    InsecureMode: Debug | Emulated, "a mode of a promise is debug or emulated";
}

/// The JSON of an asset.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssetJson {
    chain_id: u64,
    asset_type: AssetType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contract_address: Option<Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_id: Option<U256>,
}

impl From<&Asset> for AssetJson {
    fn from(asset: &Asset) -> Self {
        let has_id = matches!(asset.asset_type, AssetType::Erc721 | AssetType::Erc1155);
        Self {
            chain_id: asset.chain_id,
            asset_type: asset.asset_type,
            contract_address: (!asset.token.is_zero()).then_some(asset.token),
            token_id: has_id.then(|| asset.token_id.value()),
        }
    }
}

impl From<AssetJson> for Asset {
    fn from(json: AssetJson) -> Self {
        Self {
            chain_id: json.chain_id,
            asset_type: json.asset_type,
            token: json.contract_address.unwrap_or_default(),
            token_id: TokenId::from_value(json.token_id.unwrap_or_default()),
        }
    }
}

impl Serialize for Asset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        AssetJson::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Asset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let asset = Self::from(AssetJson::deserialize(deserializer)?);
        asset.check().map_err(D::Error::custom)?;
        Ok(asset)
    }
}

/// The JSON of an asset with its amount.
#[derive(Serialize, Deserialize)]
struct LegJson {
    #[serde(flatten)]
    asset: Asset,
    amount: U256,
}

impl Serialize for LegTerms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        LegJson { asset: self.asset, amount: self.amount }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LegTerms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let LegJson { asset, amount } = LegJson::deserialize(deserializer)?;
        Ok(Self { asset, amount })
    }
}

/// The JSON of a fulfilment condition.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConditionJson {
    target_chain_id: u64,
    target_asset: Asset,
    target_amount: U256,
    recipient: Address,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    execution_data: Option<HexBytes>,
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = ConditionJson {
            target_chain_id: self.target_chain_id,
            target_asset: self.target_asset,
            target_amount: self.target_amount,
            recipient: self.recipient,
            execution_data: self.execution_data.clone().map(HexBytes),
        };
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = ConditionJson::deserialize(deserializer)?;
        Ok(Self {
            target_chain_id: json.target_chain_id,
            target_asset: json.target_asset,
            target_amount: json.target_amount,
            recipient: json.recipient,
            execution_data: json.execution_data.map(|bytes| bytes.0),
        })
    }
}
