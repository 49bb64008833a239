//! Reading the state: what queries and `decide` look at.

use super::State;
use super::accounts::Account;
use super::locks::Lock;
use super::principals::Principal;
use super::requests::Requests;
use super::timers::Timer;
use alloc::vec::Vec;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::ids::{Address, EngineId, LockId, PolicyHash};
use mortise_format::policy::{ChainCustody, Policy};

/// A balance and everything that is promised of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Final balance; in `open` custody the policy's limit of the account.
    pub total: U256,
    /// Held by open locks.
    pub held: U256,
    /// Claimed, payment awaited.
    pub claimed: U256,
    /// Under a withdrawal.
    pub withdrawing: U256,
    /// `total - held - claimed - withdrawing` (INV-02), zero when the balance fell below.
    pub available: U256,
}

/// Locks that are due, ready to become events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DueLocks {
    /// Open locks past `claimBy`.
    pub expired: Vec<LockId>,
    /// `open` locks with claims past `settleBy`.
    pub settled: Vec<LockId>,
    /// Ended locks past their retention.
    pub pruned: Vec<LockId>,
}

impl DueLocks {
    /// Number of locks.
    pub fn count(&self) -> usize {
        self.expired.len() + self.settled.len() + self.pruned.len()
    }

    fn add(&mut self, lock: &Lock) {
        let list = if lock.status.is_open() {
            &mut self.expired
        } else if lock.has_claimed() {
            &mut self.settled
        } else {
            &mut self.pruned
        };
        list.push(lock.lock_id);
    }
}

impl State {
    /// The engine.
    pub fn engine_id(&self) -> &EngineId {
        &self.engine_id
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Its hash.
    pub fn policy_hash(&self) -> PolicyHash {
        self.policy_hash
    }

    /// Engine time of the last event, milliseconds.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// A lock that is in the state.
    pub fn lock(&self, lock_id: &LockId) -> Option<&Lock> {
        self.lock_at(self.lock_slot(lock_id)?)
    }

    /// How many locks are in the state.
    pub fn lock_count(&self) -> usize {
        self.lock_index.len()
    }

    /// How many principals are in the state.
    pub fn principal_count(&self) -> usize {
        self.principal_index.len()
    }

    /// How many accounts are in the state.
    pub fn account_count(&self) -> usize {
        self.account_index.len()
    }

    /// How many assets have a total.
    pub fn total_count(&self) -> usize {
        self.total_index.len()
    }

    /// Every lock, in unspecified order.
    pub fn locks(&self) -> impl Iterator<Item = &Lock> {
        self.locks.iter()
    }

    /// An account, while it has a lock or a fact that counts.
    pub fn account(&self, owner: &Address, asset: &Asset) -> Option<&Account> {
        self.accounts.get(self.account_slot(owner, asset)?)
    }

    /// A principal, while a logged command that it signed matters.
    pub fn principal(&self, address: &Address) -> Option<&Principal> {
        self.principals.get(self.principal_slot(address)?)
    }

    /// The remembered requests.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// What is promised of an asset over all owners.
    pub fn promised_total(&self, asset: &Asset) -> U256 {
        let total = self.total_slot(asset).and_then(|slot| self.totals.get(slot));
        total.map_or(U256::ZERO, |total| total.promised)
    }

    /// The balance of an account under the custody of its chain (INV-02).
    pub fn balance(&self, owner: &Address, asset: &Asset) -> Balance {
        self.balance_of(self.account(owner, asset), asset)
    }

    /// What is promised of an asset over all owners, looked up through one of its accounts.
    pub(crate) fn promised_by(&self, account: Option<&Account>, asset: &Asset) -> U256 {
        let total = account.and_then(|account| self.totals.get(account.total));
        total.map_or_else(|| self.promised_total(asset), |total| total.promised)
    }

    /// The balance of an account that the caller looked up.
    pub(crate) fn balance_of(&self, account: Option<&Account>, asset: &Asset) -> Balance {
        let held = account.map_or(U256::ZERO, |a| a.held);
        let claimed = account.map_or(U256::ZERO, |a| a.claimed);
        let fact = account.and_then(|a| a.fact.as_ref());
        let escrow = self
            .policy
            .chain(asset.chain_id)
            .is_some_and(|c| matches!(c.custody, ChainCustody::Escrow { .. }));
        let (total, withdrawing) = if escrow {
            fact.map_or((U256::ZERO, U256::ZERO), |f| (f.balance, f.withdrawing))
        } else {
            (self.policy.limits(asset).account_max, U256::ZERO)
        };
        let available =
            total.saturating_sub(held).saturating_sub(claimed).saturating_sub(withdrawing);
        Balance { total, held, claimed, withdrawing, available }
    }

    /// True when [`State::take_due`] would take something at `now_s`, or when what can be forgotten
    /// has waited for long enough.
    pub fn has_due(&mut self, now_s: u64) -> bool {
        if self.has_idle(now_s) {
            return true;
        }
        while let Some(timer) = self.timers.take_due(now_s) {
            if self.lock_at(timer.slot).is_some_and(|l| *l.timer == timer.stamp) {
                self.timers.put_back(now_s, timer);
                return true;
            }
        }
        false
    }

    /// Takes the locks that are due at `now_s`, at most `max`. Each must become an event now.
    ///
    /// The timers are an index: taking one changes nothing that is hashed or replayed.
    pub fn take_due(&mut self, now_s: u64, max: usize) -> DueLocks {
        let mut due = DueLocks::default();
        let mut count = 0;
        while count < max {
            let Some(timer) = self.timers.take_due(now_s) else { break };
            let Some(lock) = self.lock_at(timer.slot).filter(|l| *l.timer == timer.stamp) else {
                continue;
            };
            due.add(lock);
            count += 1;
        }
        due
    }

    /// Every lock that is due at `now_s`, without taking any.
    pub fn due(&mut self, now_s: u64) -> DueLocks {
        let locks = &self.locks;
        let counts = |timer: Timer| locks.get(timer.slot).is_some_and(|l| *l.timer == timer.stamp);
        let slots = self.timers.due(now_s, counts);
        let mut due = DueLocks::default();
        slots.into_iter().filter_map(|slot| self.lock_at(slot)).for_each(|lock| due.add(lock));
        due
    }
}
