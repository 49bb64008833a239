//! Reads the fields of a parameter object, each by its path, strictly.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::asset::{Asset, AssetError, AssetType, Condition, TokenId};
use mortise_format::ids::{Address, Bytes32, LockId, Measurement, RequestId, Signature, parse_hex};
use mortise_format::images::Version;
use mortise_format::json::Base64;
use mortise_format::limits::EXECUTION_DATA_BYTES_MAX;
use mortise_format::lock::LegTerms;
use serde_json::{Map, Value};

/// Why parameters were refused, with the path of the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamError {
    /// The method does not know the field.
    #[error("unknown field {field}")]
    UnknownField {
        /// Its path, cut to `FIELD_NAME_CHARS_MAX` printable characters a name.
        field: String,
    },
    /// A required field is absent or null.
    #[error("missing field {field}")]
    Missing {
        /// Its path.
        field: String,
    },
    /// The field has the wrong type, or does not parse.
    #[error("{field}: expected {expected}")]
    Wrong {
        /// Its path.
        field: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl ParamError {
    /// The path of the field.
    pub fn field(&self) -> &str {
        match self {
            Self::UnknownField { field } | Self::Missing { field } | Self::Wrong { field, .. } => {
                field
            }
        }
    }
}

/// Longest foreign name that an error repeats.
const FIELD_NAME_CHARS_MAX: usize = 64;

type Result<T> = core::result::Result<T, ParamError>;

/// An object all of whose fields are known.
pub(super) struct Fields<'a> {
    map: Option<&'a Map<String, Value>>,
    path: String,
}

/// One present value and its path.
pub(super) struct Item<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Fields<'a> {
    /// The parameters of a call: an object, or null or an empty array for none.
    pub fn of_params(params: &'a Value, known: &[&str]) -> Result<Self> {
        match params {
            Value::Null => Ok(Self { map: None, path: String::new() }),
            Value::Array(list) if list.is_empty() => Ok(Self { map: None, path: String::new() }),
            Value::Object(map) => Self::checked(map, String::new(), known),
            _ => Err(ParamError::Wrong { field: "params".into(), expected: "an object" }),
        }
    }

    fn checked(map: &'a Map<String, Value>, path: String, known: &[&str]) -> Result<Self> {
        match map.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(ParamError::UnknownField { field: joined(&path, &printable(name)) }),
            None => Ok(Self { map: Some(map), path }),
        }
    }

    /// The field, unless it is absent or null.
    pub fn optional(&self, name: &str) -> Option<Item<'a>> {
        match self.map.and_then(|map| map.get(name)) {
            None | Some(Value::Null) => None,
            Some(value) => Some(Item { value, path: joined(&self.path, name) }),
        }
    }

    /// The field.
    pub fn required(&self, name: &str) -> Result<Item<'a>> {
        self.optional(name).ok_or_else(|| self.missing(name))
    }

    /// The error for a field that is not there.
    pub fn missing(&self, name: &str) -> ParamError {
        ParamError::Missing { field: joined(&self.path, name) }
    }

    /// The error for a field that is not what it should be.
    pub fn wrong(&self, name: &str, expected: &'static str) -> ParamError {
        ParamError::Wrong { field: joined(&self.path, name), expected }
    }

    /// The asset whose fields stand in this object.
    pub fn asset_here(&self) -> Result<Asset> {
        let token_id = self.optional("tokenId").map(|i| i.amount()).transpose()?;
        let asset = Asset {
            chain_id: self.required("chainId")?.number()?,
            asset_type: self.required("assetType")?.asset_type()?,
            token: self.address_or_zero("contractAddress")?,
            token_id: token_id.map_or(TokenId::default(), TokenId::from_value),
        };
        asset.check().map_err(|e| self.asset_error(e, &asset))?;
        Ok(asset)
    }

    fn asset_error(&self, error: AssetError, asset: &Asset) -> ParamError {
        match error {
            AssetError::NativeWithContract if asset.token.is_zero() => {
                self.wrong("tokenId", "absent for the native coin")
            }
            AssetError::NativeWithContract => {
                self.wrong("contractAddress", "absent for the native coin")
            }
            AssetError::TokenWithoutContract => self.missing("contractAddress"),
            AssetError::FungibleWithId => self.wrong("tokenId", "absent for an erc20 token"),
        }
    }

    /// The address, or zero when the field is absent.
    pub fn address_or_zero(&self, name: &str) -> Result<Address> {
        self.optional(name).map_or(Ok(Address::ZERO), |item| item.address())
    }
}

/// The fields of an asset.
pub(super) const ASSET_FIELDS: &[&str] = &["chainId", "assetType", "contractAddress", "tokenId"];
const LEG_FIELDS: &[&str] = &["chainId", "assetType", "contractAddress", "tokenId", "amount"];
const CONDITION_FIELDS: &[&str] =
    &["targetChainId", "targetAsset", "targetAmount", "recipient", "executionData"];

impl<'a> Item<'a> {
    /// The error for this item.
    pub fn wrong(&self, expected: &'static str) -> ParamError {
        ParamError::Wrong { field: self.path.clone(), expected }
    }

    /// A text.
    pub fn text(&self) -> Result<&'a str> {
        self.value.as_str().ok_or_else(|| self.wrong("a string"))
    }

    /// True or false.
    pub fn boolean(&self) -> Result<bool> {
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    /// An address, any case.
    pub fn address(&self) -> Result<Address> {
        const EXPECTED: &str = "0x and 40 hex digits";
        let text = self.value.as_str().ok_or_else(|| self.wrong(EXPECTED))?;
        Address::parse(text).map_err(|_| self.wrong(EXPECTED))
    }

    /// 32 bytes.
    pub fn bytes32(&self) -> Result<Bytes32> {
        const EXPECTED: &str = "0x and 64 hex digits";
        let text = self.value.as_str().ok_or_else(|| self.wrong(EXPECTED))?;
        Bytes32::parse(text).map_err(|_| self.wrong(EXPECTED))
    }

    /// A lock id.
    pub fn lock_id(&self) -> Result<LockId> {
        self.bytes32().map(|b| LockId(b.0))
    }

    /// A request id.
    pub fn request_id(&self) -> Result<RequestId> {
        self.bytes32().map(|b| RequestId(b.0))
    }

    /// A signature of exactly 65 bytes; what it says is checked later.
    pub fn signature(&self) -> Result<Signature> {
        const EXPECTED: &str = "0x and 130 hex digits";
        let text = self.value.as_str().ok_or_else(|| self.wrong(EXPECTED))?;
        Signature::parse(text).map_err(|_| self.wrong(EXPECTED))
    }

    /// A measurement of 48 bytes.
    pub fn measurement(&self) -> Result<Measurement> {
        const EXPECTED: &str = "0x and 96 hex digits";
        let text = self.value.as_str().ok_or_else(|| self.wrong(EXPECTED))?;
        Measurement::parse(text).map_err(|_| self.wrong(EXPECTED))
    }

    /// A version of the code.
    pub fn version(&self) -> Result<Version> {
        const EXPECTED: &str = "three numbers with dots between";
        let text = self.value.as_str().ok_or_else(|| self.wrong(EXPECTED))?;
        Version::parse(text).map_err(|_| self.wrong(EXPECTED))
    }

    /// 0x bytes of any even length up to `bytes_max`.
    pub fn bytes(&self, bytes_max: usize) -> Result<Vec<u8>> {
        const EXPECTED: &str = "0x and an even number of hex digits, within the bound";
        let text = self.value.as_str().ok_or_else(|| self.wrong(EXPECTED))?;
        let digits = text.len().saturating_sub(2);
        if digits % 2 != 0 || digits / 2 > bytes_max {
            return Err(self.wrong(EXPECTED));
        }
        let mut out = alloc::vec![0; digits / 2];
        parse_hex(text, &mut out).map_err(|_| self.wrong(EXPECTED))?;
        Ok(out)
    }

    /// Bytes in base64, up to `bytes_max`.
    pub fn base64(&self, bytes_max: usize) -> Result<Base64> {
        const EXPECTED: &str = "base64 with padding, within the bound";
        let text = self.value.as_str().ok_or_else(|| self.wrong(EXPECTED))?;
        let bytes = Base64::parse(text).map_err(|_| self.wrong(EXPECTED))?;
        if bytes.0.len() > bytes_max { Err(self.wrong(EXPECTED)) } else { Ok(bytes) }
    }

    /// An amount below 2^256: a decimal string, a 0x string, or an exact JSON integer.
    pub fn amount(&self) -> Result<U256> {
        const EXPECTED: &str = "a decimal or 0x string, or an integer, from 0 to 2^256 - 1";
        let parsed = match self.value {
            Value::String(text) => U256::parse(text).ok(),
            Value::Number(number) => number.as_u64().map(U256::from),
            _ => None,
        };
        parsed.ok_or_else(|| self.wrong(EXPECTED))
    }

    /// An integer below 2^64, written as a JSON integer, a decimal or a 0x string.
    pub fn number(&self) -> Result<u64> {
        const EXPECTED: &str = "an integer from 0 to 2^64 - 1";
        let amount = self.amount().map_err(|_| self.wrong(EXPECTED))?;
        amount.to_u64().ok_or_else(|| self.wrong(EXPECTED))
    }

    /// An integer below 2^32.
    pub fn small_number(&self) -> Result<u32> {
        const EXPECTED: &str = "an integer from 0 to 2^32 - 1";
        let number = self.number().map_err(|_| self.wrong(EXPECTED))?;
        u32::try_from(number).map_err(|_| self.wrong(EXPECTED))
    }

    /// A list of 1 to `count_max` items.
    pub fn list(&self, count_max: usize) -> Result<Vec<Item<'a>>> {
        let list = self.list_or_empty(count_max)?;
        if list.is_empty() { Err(self.wrong("a list that is not empty")) } else { Ok(list) }
    }

    /// A list of 0 to `count_max` items.
    pub fn list_or_empty(&self, count_max: usize) -> Result<Vec<Item<'a>>> {
        let Value::Array(list) = self.value else { return Err(self.wrong("a list")) };
        if list.len() > count_max {
            return Err(self.wrong("a list within the bound"));
        }
        let item = |(i, value)| Item { value, path: format!("{}[{i}]", self.path) };
        Ok(list.iter().enumerate().map(item).collect())
    }

    /// An object with these fields only.
    pub fn object(&self, known: &[&str]) -> Result<Fields<'a>> {
        let Value::Object(map) = self.value else { return Err(self.wrong("an object")) };
        Fields::checked(map, self.path.clone(), known)
    }

    fn asset_type(&self) -> Result<AssetType> {
        const EXPECTED: &str = "native, erc20, erc721 or erc1155";
        let name = self.value.as_str().ok_or_else(|| self.wrong(EXPECTED))?;
        AssetType::from_name(name).ok_or_else(|| self.wrong(EXPECTED))
    }

    /// `{chainId, assetType, contractAddress?, tokenId?}`; a zero contract is no contract.
    pub fn asset(&self) -> Result<Asset> {
        self.object(ASSET_FIELDS)?.asset_here()
    }

    /// An asset's fields and an amount.
    pub fn leg(&self) -> Result<LegTerms> {
        let fields = self.object(LEG_FIELDS)?;
        Ok(LegTerms { asset: fields.asset_here()?, amount: fields.required("amount")?.amount()? })
    }

    /// `{targetChainId, targetAsset, targetAmount, recipient, executionData?}`.
    pub fn condition(&self) -> Result<Condition> {
        let fields = self.object(CONDITION_FIELDS)?;
        let data = fields.optional("executionData");
        Ok(Condition {
            target_chain_id: fields.required("targetChainId")?.number()?,
            target_asset: fields.required("targetAsset")?.asset()?,
            target_amount: fields.required("targetAmount")?.amount()?,
            recipient: fields.required("recipient")?.address()?,
            execution_data: data.map(|i| i.bytes(EXECUTION_DATA_BYTES_MAX)).transpose()?,
        })
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

/// A foreign name made safe to repeat: printable ASCII, cut to a bound.
fn printable(name: &str) -> String {
    let shown = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    name.chars().take(FIELD_NAME_CHARS_MAX).map(shown).collect()
}
