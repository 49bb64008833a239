//! One platform configuration register: a SHA-384 measurement.

use crate::hex::{self, HexError};
use core::fmt;
use sha2::{Digest as _, Sha384};

/// Size of a register in bytes.
pub const PCR_BYTES: usize = 48;

/// The value of a register. Prints as 96 lower-case hex digits without 0x, as AWS's tools and key
/// policies write it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pcr(pub [u8; PCR_BYTES]);

impl Pcr {
    /// The value of a register that nothing was measured into. PCR0 to PCR2 have it in debug mode.
    pub const ZERO: Self = Self([0; PCR_BYTES]);

    /// Parses 96 hex digits of any case, with or without 0x in front.
    ///
    /// # Errors
    /// `WrongLength`, `NotHex`.
    pub fn parse(text: &str) -> Result<Self, HexError> {
        let mut out = [0; PCR_BYTES];
        let digits = text.strip_prefix("0x").unwrap_or(text);
        hex::decode_into(digits, &mut out).map(|()| Self(out))
    }

    /// Whether nothing was measured into the register.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The register after one extension with `data`: SHA-384(value | data).
    #[must_use]
    pub fn extended(&self, data: &[u8]) -> Self {
        Self(Sha384::new().chain_update(self.0).chain_update(data).finalize().into())
    }
}

impl fmt::Display for Pcr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Pcr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn text_parses_back_with_and_without_prefix_and_in_any_case() {
        let pcr = Pcr([0xab; PCR_BYTES]);
        let text = pcr.to_string();
        assert_eq!((text.len(), &text[..4]), (96, "abab"));
        assert_eq!(Pcr::parse(&text), Ok(pcr));
        assert_eq!(Pcr::parse(&alloc::format!("0x{}", text.to_uppercase())), Ok(pcr));
        assert_eq!(Pcr::parse(&text[2..]), Err(HexError::WrongLength { expected: 48 }));
    }

    #[test]
    fn extension_is_sha384_over_value_and_data() {
        assert_eq!(Pcr::ZERO.extended(b"abc").to_string(), EXTENDED_ABC);
    }

    /// SHA-384 of 48 zero bytes and "abc", from a tool that is not ours.
    const EXTENDED_ABC: &str = concat!(
        "b1c16eb7634112b7c9d5ebd27e62a2d4528bbfcfd68b62d3",
        "afd9ecf98e0f413a84314acce78317fb69fd895155343e09"
    );
}
