//! Facts about a chain, attested by observers.

use crate::amount::U256;
use crate::asset::Asset;
use crate::ids::{Address, Bytes32};
use bincode::{Decode, Encode};

/// Whether an owner is on the way out of an escrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Withdrawal {
    /// No notice given.
    None,
    /// Notice given, not yet executable.
    Requested,
    /// Executable or executed.
    Executable,
}

impl Withdrawal {
    /// The number in signed facts.
    pub fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Requested => 1,
            Self::Executable => 2,
        }
    }

    /// The value of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::None, Self::Requested, Self::Executable].into_iter().find(|w| w.number() == number)
    }
}

/// Balance and withdrawal status of one account and asset, both at one head (INV-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct BalanceFact {
    /// The asset; its chain is the chain of the head.
    pub asset: Asset,
    /// Whose balance in the escrow.
    pub account: Address,
    /// Number of the final block.
    pub head_number: u64,
    /// Hash of the final block.
    pub head_hash: Bytes32,
    /// Time of the final block, seconds.
    pub head_time: u64,
    /// Final balance, smallest units.
    pub balance: U256,
    /// Part of it under a withdrawal.
    pub withdrawing: U256,
    /// Status of the withdrawal.
    pub withdrawal: Withdrawal,
}
