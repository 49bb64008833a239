//! How much the state holds of each custody class.
//!
//! What it is for: everything that costs memory has a limit of the policy, and what custody `open`
//! uses never counts against `escrow`: in `open` keys and tokens are free.
//!
//! What it does not do: refuse. `decide` does, before anything grows; `apply` checks it again.
//!
//! Invariants: counts are those of the values in the state. A principal counts in the class of the
//! lock or draft that made its record, for as long as the record stays.

use super::State;
use bincode::{Decode, Encode};
use mortise_format::asset::Asset;
use mortise_format::ids::Address;
use mortise_format::lock::{Custody, LockTerms};
use mortise_format::policy::{ChainCustody, ClassLimits};

/// What the state holds of one custody class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Records of principals.
    pub principals: u32,
    /// Accounts.
    pub accounts: u32,
    /// Locks, ended ones in retention too.
    pub locks: u32,
}

/// Owners without a record and without a fact that were taken in one minute of engine time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Newcomers {
    minute: u64,
    count: u32,
}

/// What the state holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Room {
    open: Held,
    escrow: Held,
    pub(super) newcomers: Newcomers,
}

impl Room {
    pub(super) fn of(&mut self, custody: Custody) -> &mut Held {
        match custody {
            Custody::Open => &mut self.open,
            Custody::Escrow => &mut self.escrow,
        }
    }
}

impl Newcomers {
    fn in_minute(self, minute: u64) -> u32 {
        if self.minute == minute { self.count } else { 0 }
    }
}

impl State {
    /// What the state holds of a custody class.
    pub fn held_of(&self, custody: Custody) -> Held {
        match custody {
            Custody::Open => self.room.open,
            Custody::Escrow => self.room.escrow,
        }
    }

    /// The limits of a custody class.
    pub fn limits_of(&self, custody: Custody) -> &ClassLimits {
        let state = &self.policy.service().state;
        match custody {
            Custody::Open => &state.open,
            Custody::Escrow => &state.escrow,
        }
    }

    /// Owners without a record and without a fact that were taken in a minute.
    pub fn newcomers_in(&self, minute: u64) -> u32 {
        self.room.newcomers.in_minute(minute)
    }

    /// Counts an owner without a record and without a fact; returns how many the minute has.
    pub(crate) fn count_newcomer(&mut self, minute: u64) -> u32 {
        let count = self.newcomers_in(minute).saturating_add(1);
        self.room.newcomers = Newcomers { minute, count };
        count
    }

    /// The custody class of an asset; `open` for one of a chain that is not served.
    pub fn class_of(&self, asset: &Asset) -> Custody {
        match self.policy.chain(asset.chain_id).map(|chain| chain.custody) {
            Some(ChainCustody::Escrow { .. }) => Custody::Escrow,
            Some(ChainCustody::Open) | None => Custody::Open,
        }
    }

    /// The class that a draft counts in: `escrow` when each of its legs is.
    pub(crate) fn class_of_draft(&self, terms: &LockTerms) -> Custody {
        let escrow = |asset| self.class_of(asset) == Custody::Escrow;
        match !terms.legs.is_empty() && terms.legs.iter().all(|leg| escrow(&leg.asset)) {
            true => Custody::Escrow,
            false => Custody::Open,
        }
    }

    /// True when observers stated a balance of the owner that the terms are about.
    pub(crate) fn has_fact(&self, owner: &Address, terms: &LockTerms) -> bool {
        let account = |asset| self.account(owner, asset);
        terms.legs.iter().any(|leg| account(&leg.asset).is_some_and(|a| a.fact.is_some()))
    }
}
