//! ABI words: the static part of Solidity's `abi.encode`. The hashes of Mortise need no more.

use crate::amount::U256;
use crate::domains::keccak256;
use crate::ids::{Address, Bytes32};
use alloc::vec::Vec;

/// A growing sequence of 32-byte words.
#[derive(Debug, Clone, Default)]
pub struct Words(Vec<u8>);

impl Words {
    /// No words.
    pub fn new() -> Self {
        Self(Vec::with_capacity(16 * 32))
    }

    /// Starts with a type hash, as EIP-712 `hashStruct` does.
    pub fn typed(type_hash: &[u8; 32]) -> Self {
        Self::new().word(type_hash)
    }

    /// Appends a bytes32.
    #[must_use]
    pub fn word(mut self, word: &[u8; 32]) -> Self {
        self.0.extend_from_slice(word);
        self
    }

    /// Appends an unsigned integer of at most 64 bits.
    #[must_use]
    pub fn number(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&[0; 24]);
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Appends a uint256.
    #[must_use]
    pub fn amount(self, value: U256) -> Self {
        self.word(&value.to_be_bytes())
    }

    /// Appends an address.
    #[must_use]
    pub fn address(mut self, address: &Address) -> Self {
        self.0.extend_from_slice(&[0; 12]);
        self.0.extend_from_slice(&address.0);
        self
    }

    /// Keccak-256 of the words.
    pub fn hash(&self) -> Bytes32 {
        Bytes32(keccak256(&[&self.0]))
    }
}

/// Keccak-256 of a type string.
pub fn type_hash(encoded_type: &str) -> [u8; 32] {
    keccak256(&[encoded_type.as_bytes()])
}

/// `keccak(concat(words))`, the EIP-712 encoding of `uint256[]`.
pub fn amounts_hash(amounts: &[U256]) -> Bytes32 {
    let bytes: Vec<u8> = amounts.iter().flat_map(|a| a.to_be_bytes()).collect();
    Bytes32(keccak256(&[&bytes]))
}
