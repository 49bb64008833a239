//! Principals: the addresses that signed a logged command. Nonces, counts, quotas.
//!
//! A record stays while anything in it can matter, see `idle`: so a nonce is used at most once for
//! ever (INV-06).

use super::nonces::Nonces;
use alloc::vec::Vec;
use bincode::{Decode, Encode};
use mortise_format::ids::Address;
use mortise_format::lock::Custody;

/// The engine's record of a principal.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Principal {
    /// The address.
    pub address: Address,
    /// The custody class whose limits the record counts against: that of the lock or draft that
    /// made it.
    pub custody: Custody,
    /// Used nonces.
    pub nonces: Nonces,
    /// Locks of this owner that are open.
    pub open_count: u32,
    /// Start of the current minute of the rate limit, minutes since the Unix epoch.
    pub rate_minute: u64,
    /// Logged commands in that minute.
    pub rate_count: u32,
    /// Request ids that are remembered.
    pub request_count: u32,
    /// True once nonces or counts changed: from then on the principal is a leaf of the tree.
    pub is_leaf: bool,
    /// Frame of the last change of nonces or counts.
    pub changed_seq: u64,
    /// Slots of this owner's locks in the state; rebuilt from the locks.
    pub(crate) locks: Vec<u32>,
    /// Slot of the account that this owner used last. Most owners have one account. Rebuilt by use.
    pub(crate) last_account: u32,
    /// From when on it can be forgotten, seconds, as it is listed; rebuilt.
    pub(crate) due: Option<u64>,
}

/// No slot.
pub(crate) const NO_SLOT: u32 = u32::MAX;

impl Principal {
    /// A principal without history.
    pub fn new(address: Address, custody: Custody) -> Self {
        Self {
            address,
            custody,
            nonces: Nonces::default(),
            open_count: 0,
            rate_minute: 0,
            rate_count: 0,
            request_count: 0,
            is_leaf: false,
            changed_seq: 0,
            locks: Vec::new(),
            last_account: NO_SLOT,
            due: None,
        }
    }

    /// Logged commands in `minute` so far.
    pub fn rate_in(&self, minute: u64) -> u32 {
        if self.rate_minute == minute { self.rate_count } else { 0 }
    }

    /// Counts a logged command.
    pub fn count_command(&mut self, minute: u64) {
        self.rate_count = self.rate_in(minute).saturating_add(1);
        self.rate_minute = minute;
    }
}
