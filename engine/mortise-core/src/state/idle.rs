//! Forgetting: principals and accounts leave the state when nothing needs them any more.
//!
//! What it is for: the state is bounded by what is in force. A principal leaves when it has no lock
//! and no remembered request, its minute of the rate is past, and every nonce that it used is too
//! old (INV-06). An account leaves when no lock names it and its fact is too old to be used, and so
//! is every older fact that someone shows again. The total of an asset leaves with its last
//! account.
//!
//! What it does not do: write an event. When something is due is a function of what the state
//! stores, so a replay forgets the same in the same frame, and the root proves it.
//!
//! Invariants: the order depends on times and keys, never on slots; a restart from a snapshot has
//! other slots. What is removed leaves its key among the changed leaves. Before rule set 3 nothing
//! is forgotten.

use super::State;
use super::accounts::Account;
use super::principals::Principal;
use alloc::collections::BTreeSet;
use mortise_format::asset::Asset;
use mortise_format::entry::LeafKey;
use mortise_format::ids::Address;
use mortise_format::limits::{FORGET_LATE_S_MAX, FORGOTTEN_MAX, NONCE_HOURS_MAX};
use mortise_format::nonce::HOUR_S;

/// What can be forgotten, by the second from which on. An index, rebuilt from the values.
#[derive(Debug, Clone, Default)]
pub(super) struct Idle {
    principals: BTreeSet<(u64, Address)>,
    accounts: BTreeSet<(u64, Address, Asset)>,
}

impl Idle {
    /// The second from which on the next one can be forgotten.
    fn next(&self) -> Option<u64> {
        let principal = self.principals.first().map(|(due, _)| *due);
        let account = self.accounts.first().map(|(due, ..)| *due);
        [principal, account].into_iter().flatten().min()
    }
}

/// The second from which on nothing needs the principal; `None` while something does.
fn principal_due(principal: &Principal) -> Option<u64> {
    let in_use =
        principal.open_count > 0 || *principal.lock_count > 0 || principal.request_count() > 0;
    if in_use {
        return None;
    }
    let minute_ends = principal.rate_minute.saturating_add(1).saturating_mul(60);
    let hours = u64::from(NONCE_HOURS_MAX).saturating_add(1);
    let newest = principal.nonces.newest_hour().map(u64::from);
    let nonces_end = newest.map_or(0, |hour| hour.saturating_add(hours).saturating_mul(HOUR_S));
    Some(minute_ends.max(nonces_end))
}

/// The second from which on nothing needs the account; `None` while a lock names it.
fn account_due(account: &Account, fact_age_s_max: u64) -> Option<u64> {
    if account.lock_legs > 0 {
        return None;
    }
    let until = |head_time: u64| head_time.saturating_add(fact_age_s_max).saturating_add(1);
    Some(account.fact.as_ref().map_or(0, |fact| until(fact.head_time)))
}

impl State {
    /// Lists a principal after a change of what [`principal_due`] reads.
    pub(crate) fn rearm_principal(&mut self, slot: u32) {
        let principal = &mut self.principals[slot];
        let (due, listed, address) = (principal_due(principal), principal.due, principal.address);
        if due == listed {
            return;
        }
        principal.due = due;
        if let Some(listed) = listed {
            self.idle.principals.remove(&(listed, address));
        }
        if let Some(due) = due {
            self.idle.principals.insert((due, address));
        }
    }

    /// Lists an account after a change of what [`account_due`] reads.
    pub(crate) fn rearm_account(&mut self, slot: u32) {
        let fact_age_s_max = self.policy.fact_age_s_max;
        let account = &mut self.accounts[slot];
        let (due, listed) = (account_due(account, fact_age_s_max), account.due);
        if due == listed {
            return;
        }
        account.due = due;
        let (owner, asset) = (account.owner, account.asset);
        if let Some(listed) = listed {
            self.idle.accounts.remove(&(listed, owner, asset));
        }
        if let Some(due) = due {
            self.idle.accounts.insert((due, owner, asset));
        }
    }

    /// True when something has waited for its end for so long that a frame is worth it.
    pub(crate) fn has_idle(&self, now_s: u64) -> bool {
        if !self.rules.forgets_idle() {
            return false;
        }
        let next = [self.idle.next(), self.requests.next_end()].into_iter().flatten().min();
        next.is_some_and(|next| next.saturating_add(FORGET_LATE_S_MAX) <= now_s)
    }

    /// Forgets what is due, the longest due first, at most [`FORGOTTEN_MAX`] of them.
    pub(crate) fn forget_idle(&mut self, now_s: u64) {
        if !self.rules.forgets_idle() {
            return;
        }
        for _ in 0..FORGOTTEN_MAX {
            let Some(next) = self.idle.next().filter(|due| *due <= now_s) else { return };
            match self.idle.principals.first().copied() {
                Some((due, address)) if due == next => self.forget_principal(&address),
                _ => self.forget_next_account(),
            }
        }
    }

    fn forget_principal(&mut self, address: &Address) {
        self.idle.principals.pop_first();
        let Some(slot) = self.principal_slot(address) else { return };
        if self.principals[slot].is_leaf {
            self.keep_principal(slot);
            self.touch_forgotten(LeafKey::Principal(*address));
        }
        self.principal_index.remove(address, slot);
        if let Some(principal) = self.principals.take(slot) {
            self.room.of(principal.custody).principals -= 1;
        }
    }

    fn forget_next_account(&mut self) {
        let Some((_, owner, asset)) = self.idle.accounts.pop_first() else { return };
        let Some(slot) = self.account_slot(&owner, &asset) else { return };
        self.keep_account(slot);
        self.touch_forgotten(LeafKey::Account(owner, asset));
        self.account_index.remove(&(owner, asset), slot);
        if let Some(account) = self.accounts.take(slot) {
            self.leave_total(account.total);
            let custody = self.class_of(&asset);
            self.room.of(custody).accounts -= 1;
        }
    }

    /// True when everything that can be forgotten is listed under its time, and nothing else.
    pub(super) fn lists_idle(&self) -> bool {
        let fact_age_s_max = self.policy.fact_age_s_max;
        let principals =
            self.principals.iter().filter_map(|p| Some((principal_due(p)?, p.address)));
        let accounts = self.accounts.iter();
        let accounts =
            accounts.filter_map(|a| Some((account_due(a, fact_age_s_max)?, a.owner, a.asset)));
        principals.collect::<BTreeSet<_>>() == self.idle.principals
            && accounts.collect::<BTreeSet<_>>() == self.idle.accounts
    }
}

#[cfg(test)]
mod tests;
