//! Accounts: one owner's balance and holds of one asset. Asset totals over all owners.

use alloc::boxed::Box;
use bincode::{Decode, Encode};
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::event::LogPosition;
use mortise_format::fact::{BalanceFact, Withdrawal};
use mortise_format::ids::{Address, Bytes32};

/// One owner's balance and holds of one asset.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Account {
    /// The owner.
    pub owner: Address,
    /// The asset.
    pub asset: Asset,
    /// Unclaimed parts of open locks.
    pub held: U256,
    /// Claimed and not yet settled.
    pub claimed: U256,
    /// The last fact of observers; none for `open` custody. Boxed, so that an account without one
    /// is three cache lines.
    pub fact: Option<Box<RecordedFact>>,
    /// Frame of the last change.
    pub changed_seq: u64,
    /// Slot of the asset's total.
    pub(crate) total: u32,
    /// Legs of locks in the state that are of this account; rebuilt from the locks.
    pub(crate) lock_legs: u32,
    /// From when on it can be forgotten, seconds, as it is listed; rebuilt.
    pub(crate) due: Option<u64>,
}

/// The last fact about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct RecordedFact {
    /// Number of the head.
    pub head_number: u64,
    /// Hash of the head.
    pub head_hash: Bytes32,
    /// Time of the head, seconds.
    pub head_time: u64,
    /// Final balance.
    pub balance: U256,
    /// Part of it under a withdrawal.
    pub withdrawing: U256,
    /// Status of the withdrawal.
    pub withdrawal: Withdrawal,
    /// Event of the fact.
    pub at: LogPosition,
}

impl RecordedFact {
    /// True when `fact` is the same report about the same block.
    pub fn matches(&self, fact: &BalanceFact) -> bool {
        self.head_number == fact.head_number
            && self.head_hash == fact.head_hash
            && self.head_time == fact.head_time
            && self.balance == fact.balance
            && self.withdrawing == fact.withdrawing
            && self.withdrawal == fact.withdrawal
    }
}

impl Account {
    /// No balance, no holds; `total` is the slot of the asset's total.
    pub(crate) fn new(owner: Address, asset: Asset, total: u32) -> Self {
        let (held, claimed) = (U256::ZERO, U256::ZERO);
        let (fact, changed_seq, lock_legs, due) = (None, 0, 0, None);
        Self { owner, asset, held, claimed, fact, changed_seq, total, lock_legs, due }
    }

    /// Held and claimed: all that is promised. `None` only when the state is corrupt.
    pub fn promised(&self) -> Option<U256> {
        self.held.checked_add(self.claimed)
    }
}

/// All that is promised of one asset, over all owners.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AssetTotal {
    /// The asset.
    pub asset: Asset,
    /// Held and claimed of all accounts.
    pub promised: U256,
    /// Accounts of the asset; rebuilt from them.
    pub(crate) accounts: u32,
}
