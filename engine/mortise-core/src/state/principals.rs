//! Principals: the addresses that signed a logged command. Nonces, counts, quotas.
//!
//! A record stays while anything in it can matter, see `idle`: so a nonce is used at most once for
//! ever (INV-06).

use super::nonces::Nonces;
use super::rebuilt::Rebuilt;
use super::requests::Quota;
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
    /// Start of the current minute of the rate limits, minutes since the Unix epoch.
    pub rate_minute: u64,
    /// Use of each quota.
    pub usage: Usage,
    /// True once nonces or counts changed: from then on the principal is a leaf of the tree.
    pub is_leaf: bool,
    /// Frame of the last change of nonces or counts.
    pub changed_seq: u64,
    /// Locks of this owner in the state, ended ones in retention too.
    pub(crate) lock_count: Rebuilt<u32>,
    /// Slot of the account that this owner used last. Most owners have one account. Rebuilt by use.
    pub(crate) last_account: u32,
    /// From when on it can be forgotten, seconds, as it is listed; rebuilt.
    pub(crate) due: Option<u64>,
}

/// What a principal uses of its quotas. Each begins again with the minute, or when requests are
/// forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct Usage {
    grants: QuotaUsage,
    endings: QuotaUsage,
    refusals: QuotaUsage,
}

/// What a principal uses of one quota.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct QuotaUsage {
    /// Logged commands in the minute.
    pub commands: u32,
    /// Request ids that are remembered.
    pub requests: u32,
}

impl Usage {
    fn of(&self, quota: Quota) -> &QuotaUsage {
        match quota {
            Quota::Grants => &self.grants,
            Quota::Endings => &self.endings,
            Quota::Refusals => &self.refusals,
        }
    }

    fn of_mut(&mut self, quota: Quota) -> &mut QuotaUsage {
        match quota {
            Quota::Grants => &mut self.grants,
            Quota::Endings => &mut self.endings,
            Quota::Refusals => &mut self.refusals,
        }
    }

    fn each_mut(&mut self) -> [&mut QuotaUsage; 3] {
        [&mut self.grants, &mut self.endings, &mut self.refusals]
    }
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
            usage: Usage::default(),
            is_leaf: false,
            changed_seq: 0,
            lock_count: Rebuilt::default(),
            last_account: NO_SLOT,
            due: None,
        }
    }

    /// Logged commands of a quota in `minute` so far.
    pub fn rate_in(&self, minute: u64, quota: Quota) -> u32 {
        if self.rate_minute == minute { self.usage.of(quota).commands } else { 0 }
    }

    /// Logged commands of all quotas in `minute` so far.
    pub fn commands_in(&self, minute: u64) -> u32 {
        let quotas = [Quota::Grants, Quota::Endings, Quota::Refusals];
        quotas.into_iter().fold(0, |sum, quota| sum + self.rate_in(minute, quota))
    }

    /// Requests of a quota that are remembered.
    pub fn requests_in(&self, quota: Quota) -> u32 {
        self.usage.of(quota).requests
    }

    /// Requests that are remembered.
    pub fn request_count(&self) -> u32 {
        let Usage { grants, endings, refusals } = &self.usage;
        [grants, endings, refusals].iter().fold(0, |sum, u| u32::saturating_add(sum, u.requests))
    }

    /// Counts a logged command.
    pub fn count_command(&mut self, minute: u64, quota: Quota) {
        if self.rate_minute != minute {
            self.usage.each_mut().into_iter().for_each(|usage| usage.commands = 0);
            self.rate_minute = minute;
        }
        let commands = &mut self.usage.of_mut(quota).commands;
        *commands = commands.saturating_add(1);
    }

    /// Counts a request that is remembered.
    pub(crate) fn count_request(&mut self, quota: Quota) {
        let requests = &mut self.usage.of_mut(quota).requests;
        *requests = requests.saturating_add(1);
    }

    /// Counts a request that was forgotten, or took another quota.
    pub(crate) fn uncount_request(&mut self, quota: Quota) {
        let requests = &mut self.usage.of_mut(quota).requests;
        *requests = requests.saturating_sub(1);
    }
}
