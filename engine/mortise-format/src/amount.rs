//! 256-bit unsigned amounts with checked arithmetic only.
//!
//! The `ruint` crate does the arithmetic. The type hides it, so that no type of another crate is in
//! a public signature. No operation wraps: an overflow is a `None`.

use alloc::string::String;
use bincode::de::{BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use core::fmt;
use core::str::FromStr;

type Inner = ruint::Uint<256, 4>;

/// An unsigned 256-bit integer. Encoded as 32 little-endian bytes when stored, as 32 big-endian
/// bytes in ABI words.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct U256(Inner);

/// Why a text does not parse as an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountError {
    /// No digits, a sign, or a character that is not a digit of the base.
    #[error("an amount must be a decimal string or a 0x string")]
    Malformed,
    /// The value is 2^256 or more.
    #[error("an amount must be below 2^256")]
    TooLarge,
}

impl U256 {
    /// Zero.
    pub const ZERO: Self = Self(Inner::ZERO);
    /// One.
    pub const ONE: Self = Self(Inner::ONE);
    /// 2^256 - 1.
    pub const MAX: Self = Self(Inner::MAX);

    /// The sum, or `None` at 2^256 and above.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The difference, or zero where it would be below zero.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// True for zero.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// 32 big-endian bytes: the ABI word.
    pub fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_be_bytes()
    }

    /// From 32 big-endian bytes.
    pub fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(Inner::from_be_bytes(bytes))
    }

    /// 32 little-endian bytes: the stored form.
    pub fn to_le_bytes(self) -> [u8; 32] {
        self.0.to_le_bytes()
    }

    /// From 32 little-endian bytes.
    pub fn from_le_bytes(bytes: [u8; 32]) -> Self {
        Self(Inner::from_le_bytes(bytes))
    }

    /// The value as `u64`, if it fits.
    pub fn to_u64(self) -> Option<u64> {
        u64::try_from(self.0).ok()
    }

    /// Parses a decimal string or a 0x string, digits only.
    ///
    /// # Errors
    /// `Malformed` for empty text, signs, spaces, separators; `TooLarge` from 2^256.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let (digits, base) = match text.strip_prefix("0x") {
            Some(hex) => (hex, 16u64),
            None => (text, 10u64),
        };
        let is_digit = |c: u8| if base == 16 { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
        if digits.is_empty() || !digits.bytes().all(is_digit) {
            return Err(AmountError::Malformed);
        }
        let trimmed = digits.trim_start_matches('0');
        if trimmed.len() > 78 {
            return Err(AmountError::TooLarge);
        }
        if trimmed.is_empty() {
            return Ok(Self::ZERO);
        }
        Inner::from_str_radix(trimmed, base).map(Self).map_err(|_| AmountError::TooLarge)
    }

    /// The decimal text.
    pub fn to_decimal(self) -> String {
        alloc::format!("{}", self.0)
    }
}

impl From<u64> for U256 {
    fn from(value: u64) -> Self {
        Self(Inner::from(value))
    }
}

impl From<u128> for U256 {
    fn from(value: u128) -> Self {
        Self(Inner::from(value))
    }
}

impl FromStr for U256 {
    type Err = AmountError;
    fn from_str(text: &str) -> Result<Self, AmountError> {
        Self::parse(text)
    }
}

impl fmt::Display for U256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for U256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl bincode::Encode for U256 {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        bincode::Encode::encode(&self.to_le_bytes(), encoder)
    }
}

impl<C> bincode::Decode<C> for U256 {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        <[u8; 32] as bincode::Decode<C>>::decode(decoder).map(Self::from_le_bytes)
    }
}

impl<'de, C> bincode::BorrowDecode<'de, C> for U256 {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(d: &mut D) -> Result<Self, DecodeError> {
        <Self as bincode::Decode<C>>::decode(d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_parse_as_decimal_and_hex_and_refuse_the_rest() {
        assert_eq!(U256::parse("1000"), Ok(U256::from(1000u64)));
        assert_eq!(U256::parse("0x3e8"), Ok(U256::from(1000u64)));
        assert_eq!(U256::parse("0x0"), Ok(U256::ZERO));
        for bad in ["", "0x", "-1", "+1", " 1", "1_000", "1e3", "0xg", "1.0"] {
            assert_eq!(U256::parse(bad), Err(AmountError::Malformed), "{bad}");
        }
    }

    #[test]
    fn amount_of_two_to_the_256_is_too_large_and_one_less_is_not() {
        let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        let over = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        assert_eq!(U256::parse(max), Ok(U256::MAX));
        assert_eq!(U256::parse(over), Err(AmountError::TooLarge));
        assert_eq!(U256::MAX.to_decimal(), max);
        assert_eq!(U256::MAX.checked_add(U256::ONE), None);
    }
}
