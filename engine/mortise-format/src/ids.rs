//! Fixed-size identifiers: addresses, hashes, ids. All print as lower-case 0x text.

use crate::hex;
use bincode::{Decode, Encode};
use core::fmt;

pub use crate::hex::HexError;

/// Decodes a 0x string of exactly `out.len()` bytes, any case.
///
/// # Errors
/// `NoPrefix`, `WrongLength`, `NotHex`, in this order.
pub fn parse_hex(text: &str, out: &mut [u8]) -> Result<(), HexError> {
    hex::decode_into(text.strip_prefix("0x").ok_or(HexError::NoPrefix)?, out)
}

/// Decodes a 0x string of any whole number of bytes, any case.
///
/// # Errors
/// `NoPrefix`, `WrongLength` for an odd number of digits, `NotHex`, in this order.
pub fn parse_hex_bytes(text: &str) -> Result<alloc::vec::Vec<u8>, HexError> {
    hex::decode(text.strip_prefix("0x").ok_or(HexError::NoPrefix)?)
}

/// Writes `bytes` as lower-case hex behind 0x.
pub fn to_hex(bytes: &[u8]) -> alloc::string::String {
    let mut text = alloc::string::String::with_capacity(2 + bytes.len() * 2);
    text.push_str("0x");
    hex::encode_onto(&mut text, bytes);
    text
}

macro_rules! fixed_bytes {
    ($($(#[$doc:meta])* $name:ident($size:literal);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
        pub struct $name(pub [u8; $size]);

        // Words, not a slice: the size is fixed, and hashers mix words in a few instructions.
        impl core::hash::Hash for $name {
            fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
                let (words, rest) = self.0.as_chunks();
                words.iter().for_each(|word| state.write_u64(u64::from_le_bytes(*word)));
                let (words, rest) = rest.as_chunks();
                words.iter().for_each(|word| state.write_u32(u32::from_le_bytes(*word)));
                rest.iter().for_each(|byte| state.write_u8(*byte));
            }
        }

        impl $name {
            /// All bytes zero.
            pub const ZERO: Self = Self([0; $size]);

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }

            /// True when every byte is zero.
            pub fn is_zero(&self) -> bool {
                self.0.iter().all(|b| *b == 0)
            }

            /// Parses a 0x string of exactly this size, any case.
            ///
            /// # Errors
            /// See [`parse_hex`].
            pub fn parse(text: &str) -> Result<Self, HexError> {
                let mut out = [0; $size];
                parse_hex(text, &mut out).map(|()| Self(out))
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::ZERO
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&to_hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&to_hex(&self.0))
            }
        }

        impl core::str::FromStr for $name {
            type Err = HexError;
            fn from_str(text: &str) -> Result<Self, HexError> {
                Self::parse(text)
            }
        }
    )*};
}

fixed_bytes! {
    /// An EVM address.
    Address(20);
    /// A 32-byte hash or word whose meaning the field's name gives.
    Bytes32(32);
    /// The identity of an engine: keccak-256 over its genesis, stable for ever.
    EngineId(32);
    /// The identity of a lock: keccak-256 over every field of it.
    LockId(32);
    /// The BLAKE3 digest of a frame's leaf.
    FrameDigest(32);
    /// A Merkle root.
    Root(32);
    /// The keccak-256 hash of a policy.
    PolicyHash(32);
    /// The caller's name of a request, unique per principal while it is valid.
    RequestId(32);
    /// An ECDSA signature over secp256k1: r, s, v.
    Signature(65);
    /// PCR0 of an enclave image: a SHA-384 digest over all of it.
    Measurement(48);
}

/// The EIP-55 text of an address (mixed case carries a checksum).
pub fn to_checksum(address: &Address) -> alloc::string::String {
    let lower = to_hex(&address.0);
    let hash = crate::domains::keccak256(&[&lower.as_bytes()[2..]]);
    let mut out = alloc::string::String::with_capacity(42);
    out.push_str("0x");
    for (i, c) in lower[2..].chars().enumerate() {
        let nibble = if i % 2 == 0 { hash[i / 2] >> 4 } else { hash[i / 2] & 15 };
        out.push(if nibble >= 8 { c.to_ascii_uppercase() } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_addresses_match_the_examples_of_eip_55() {
        for text in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            assert_eq!(to_checksum(&Address::parse(text).unwrap()), text);
        }
    }

    #[test]
    fn hex_of_the_wrong_size_or_alphabet_is_refused_by_name() {
        assert_eq!(Address::parse("00"), Err(HexError::NoPrefix));
        assert_eq!(Address::parse("0x00"), Err(HexError::WrongLength { expected: 20 }));
        let bad = "0xzz00000000000000000000000000000000000000";
        assert_eq!(Address::parse(bad), Err(HexError::NotHex));
    }
}
