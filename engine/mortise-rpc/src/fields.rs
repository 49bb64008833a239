//! Reads the fields of a parameter object, each by its path, strictly.

use super::rows::ReadFields;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::asset::{Asset, AssetError, AssetType, Condition, TokenId};
use mortise_format::ids::{
    Address, Bytes32, LockId, Measurement, RequestId, Signature, parse_hex_bytes,
};
use mortise_format::images::Version;
use mortise_format::json::Base64;
use mortise_format::limits::EXECUTION_DATA_BYTES_MAX;
use mortise_format::lock::LegTerms;
use mortise_format::rules::RuleSet;
use serde_json::{Map, Value};

/// Why parameters are wrong, with the path of the field.
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
        /// The value that it should have.
        expected: &'static str,
    },
}

impl ParamError {
    pub(crate) fn missing(field: &str) -> Self {
        Self::Missing { field: field.into() }
    }

    pub(crate) fn wrong(field: &str, expected: &'static str) -> Self {
        Self::Wrong { field: field.into(), expected }
    }

    /// The same error in an object that is the field `name`.
    pub(crate) fn inside(mut self, name: &str) -> Self {
        let (Self::UnknownField { field } | Self::Missing { field } | Self::Wrong { field, .. }) =
            &mut self;
        *field = format!("{name}.{field}");
        self
    }

    /// The path of the field.
    pub fn field(&self) -> &str {
        match self {
            Self::UnknownField { field } | Self::Missing { field } | Self::Wrong { field, .. } => {
                field
            }
        }
    }
}

/// Longest unknown name that an error repeats.
const FIELD_NAME_CHARS_MAX: usize = 64;

type Result<T> = core::result::Result<T, ParamError>;

/// An object all of whose fields are known.
pub(crate) struct Fields<'a> {
    map: Option<&'a Map<String, Value>>,
    path: String,
}

/// One present value and its path.
pub(crate) struct Item<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Fields<'a> {
    /// The parameters of a call: an object, or null or an empty array for none.
    pub fn of_params(params: &'a Value, knows: impl Fn(&str) -> bool) -> Result<Self> {
        match params {
            Value::Null => Ok(Self { map: None, path: String::new() }),
            Value::Array(list) if list.is_empty() => Ok(Self { map: None, path: String::new() }),
            Value::Object(map) => Self::checked(map, String::new(), knows),
            _ => Err(ParamError::wrong("params", "an object")),
        }
    }

    /// Reads the parameters of a call.
    pub fn read_params<T: ReadFields>(params: &'a Value) -> Result<T> {
        T::read(&Self::of_params(params, T::knows)?)
    }

    fn checked(
        map: &'a Map<String, Value>,
        path: String,
        knows: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        match map.keys().find(|name| !knows(name)) {
            Some(name) => Err(ParamError::UnknownField { field: joined(&path, &printable(name)) }),
            None => Ok(Self { map: Some(map), path }),
        }
    }

    fn item(&self, name: &str) -> Option<Item<'a>> {
        match self.map.and_then(|map| map.get(name)) {
            None | Some(Value::Null) => None,
            Some(value) => Some(Item { value, path: joined(&self.path, name) }),
        }
    }

    /// True unless the field is absent or null.
    pub fn has(&self, name: &str) -> bool {
        self.item(name).is_some()
    }

    /// The parsed field, unless it is absent or null.
    pub fn optional<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&Item<'a>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.item(name).map(|item| parse(&item)).transpose()
    }

    /// The parsed field.
    pub fn required<T>(&self, name: &str, parse: impl FnOnce(&Item<'a>) -> Result<T>) -> Result<T> {
        self.optional(name, parse)?.ok_or_else(|| self.missing(name))
    }

    /// The error for a field that is not there.
    pub fn missing(&self, name: &str) -> ParamError {
        ParamError::missing(&joined(&self.path, name))
    }

    /// The error for a field that is not what it should be.
    pub fn wrong(&self, name: &str, expected: &'static str) -> ParamError {
        ParamError::wrong(&joined(&self.path, name), expected)
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
}

/// `{chainId, assetType, contractAddress?, tokenId?}`. A zero contract counts as none.
impl ReadFields for Asset {
    fn knows(name: &str) -> bool {
        matches!(name, "chainId" | "assetType" | "contractAddress" | "tokenId")
    }

    fn read(fields: &Fields<'_>) -> Result<Self> {
        let token_id = fields.optional("tokenId", Item::amount)?;
        let asset = Self {
            chain_id: fields.required("chainId", Item::number)?,
            asset_type: fields.required("assetType", Item::asset_type)?,
            token: fields.optional("contractAddress", Item::address)?.unwrap_or_default(),
            token_id: token_id.map_or(TokenId::default(), TokenId::from_value),
        };
        asset.check().map_err(|e| fields.asset_error(e, &asset))?;
        Ok(asset)
    }
}

fields! {
    read LegTerms {
        asset: Asset = flatten();
        amount: U256 = required("amount", Item::amount);
    }
}

fields! {
    read Condition {
        target_chain_id: u64 = required("targetChainId", Item::number);
        target_asset: Asset = required("targetAsset", Item::object);
        target_amount: U256 = required("targetAmount", Item::amount);
        recipient: Address = required("recipient", Item::address);
        execution_data: Option<Vec<u8>> =
            optional("executionData", |item| item.bytes(EXECUTION_DATA_BYTES_MAX));
    }
}

impl<'a> Item<'a> {
    /// The error for this item.
    pub fn wrong(&self, expected: &'static str) -> ParamError {
        ParamError::wrong(&self.path, expected)
    }

    /// A text.
    pub fn text(&self) -> Result<&'a str> {
        self.value.as_str().ok_or_else(|| self.wrong("a string"))
    }

    /// True or false.
    pub fn boolean(&self) -> Result<bool> {
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    /// A text that `parse` accepts.
    fn parsed<T, E>(
        &self,
        expected: &'static str,
        parse: impl FnOnce(&str) -> core::result::Result<T, E>,
    ) -> Result<T> {
        let text = self.value.as_str().ok_or_else(|| self.wrong(expected))?;
        parse(text).map_err(|_| self.wrong(expected))
    }

    /// An address, any case.
    pub fn address(&self) -> Result<Address> {
        self.parsed("0x and 40 hex digits", Address::parse)
    }

    /// 32 bytes.
    pub fn bytes32(&self) -> Result<Bytes32> {
        self.parsed("0x and 64 hex digits", Bytes32::parse)
    }

    /// A lock id.
    pub fn lock_id(&self) -> Result<LockId> {
        self.bytes32().map(|b| LockId(b.0))
    }

    /// A request id.
    pub fn request_id(&self) -> Result<RequestId> {
        self.bytes32().map(|b| RequestId(b.0))
    }

    /// 65 bytes; whether they are a signature is checked later.
    pub fn signature(&self) -> Result<Signature> {
        self.parsed("0x and 130 hex digits", Signature::parse)
    }

    /// A measurement of 48 bytes.
    pub fn measurement(&self) -> Result<Measurement> {
        self.parsed("0x and 96 hex digits", Measurement::parse)
    }

    /// A version of the code.
    pub fn version(&self) -> Result<Version> {
        self.parsed("three numbers with dots between", Version::parse)
    }

    /// 0x bytes of any even length up to `bytes_max`.
    pub fn bytes(&self, bytes_max: usize) -> Result<Vec<u8>> {
        const EXPECTED: &str = "0x and an even number of hex digits, within the bound";
        let text = self.value.as_str().ok_or_else(|| self.wrong(EXPECTED))?;
        let digits = text.len().saturating_sub(2);
        if digits > 2 * bytes_max {
            return Err(self.wrong(EXPECTED));
        }
        parse_hex_bytes(text).map_err(|_| self.wrong(EXPECTED))
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

    /// The number of a set of rules.
    pub fn rules(&self) -> Result<RuleSet> {
        const EXPECTED: &str = "an integer from 0 to 65535";
        let number = self.number().map_err(|_| self.wrong(EXPECTED))?;
        u16::try_from(number).map(RuleSet).map_err(|_| self.wrong(EXPECTED))
    }

    /// An integer from 1 to `count_max`.
    pub fn count(&self, count_max: usize, expected: &'static str) -> Result<u32> {
        let count = self.small_number()?;
        let fits = count > 0 && usize::try_from(count).is_ok_and(|count| count <= count_max);
        if fits { Ok(count) } else { Err(self.wrong(expected)) }
    }

    /// A list of 1 to `count_max` items.
    pub fn list<T>(
        &self,
        count_max: usize,
        parse: impl Fn(&Item<'a>) -> Result<T>,
    ) -> Result<Vec<T>> {
        match self.value {
            Value::Array(list) if list.is_empty() => Err(self.wrong("a list that is not empty")),
            _ => self.list_or_empty(count_max, parse),
        }
    }

    /// A list of 0 to `count_max` items.
    pub fn list_or_empty<T>(
        &self,
        count_max: usize,
        parse: impl Fn(&Item<'a>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let Value::Array(list) = self.value else { return Err(self.wrong("a list")) };
        if list.len() > count_max {
            return Err(self.wrong("a list within the bound"));
        }
        let item = |(i, value)| Item { value, path: format!("{}[{i}]", self.path) };
        list.iter().enumerate().map(|entry| parse(&item(entry))).collect()
    }

    /// An object that has no unknown field.
    pub fn object<T: ReadFields>(&self) -> Result<T> {
        let Value::Object(map) = self.value else { return Err(self.wrong("an object")) };
        T::read(&Fields::checked(map, self.path.clone(), T::knows)?)
    }

    fn asset_type(&self) -> Result<AssetType> {
        const EXPECTED: &str = "native, erc20, erc721 or erc1155";
        let name = self.value.as_str().ok_or_else(|| self.wrong(EXPECTED))?;
        AssetType::from_name(name).ok_or_else(|| self.wrong(EXPECTED))
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

/// An unknown name made safe to repeat: printable ASCII, cut to a bound.
fn printable(name: &str) -> String {
    let shown = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    name.chars().take(FIELD_NAME_CHARS_MAX).map(shown).collect()
}
