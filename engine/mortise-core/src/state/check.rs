//! Recomputes every aggregate of the state from its locks.

use super::room::Held;
use super::{State, index, slot_of};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::ids::{Address, LockId};
use mortise_format::lock::Custody;
use mortise_format::policy::ChainCustody;

/// An invariant of the state that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Inconsistency {
    /// INV-11: the parts of a leg do not sum to its amount.
    #[error("lock {0}: remaining, claimed and settled do not sum to the amount")]
    LegSum(LockId),
    /// INV-02: an account's held or claimed amount is not the sum over its locks.
    #[error("account {0}: held or claimed is not the sum over its locks")]
    AccountSum(Address),
    /// INV-01: more is promised of an escrow account than its final balance.
    #[error("account {0}: more is promised than there is")]
    Insolvent(Address),
    /// An asset's total is not the sum over its accounts.
    #[error("an asset total is not the sum over its accounts")]
    TotalSum,
    /// An owner's count of open locks is wrong.
    #[error("owner {0}: the count of open locks is wrong")]
    OpenCount(Address),
    /// What is held of a custody class is not the count of its values.
    #[error("what is held of a custody class is not the count of its values")]
    Held,
    /// What can be forgotten is not listed under its time.
    #[error("what can be forgotten is not listed under its time")]
    Idle,
    /// A list of locks misses an entry, or has one too many.
    #[error("a list of locks misses an entry, or has one too many")]
    Lists,
    /// INV-06: the nonce of a lock is still free.
    #[error("lock {0}: its nonce is free")]
    NonceFree(LockId),
}

/// Held, claimed and the number of legs by the slot of the account, and open locks by that of the
/// principal. Lists and not maps: a boot checks a whole state, and has little memory beside it.
struct Sums {
    accounts: Vec<(U256, U256, u32)>,
    open: Vec<u32>,
}

impl State {
    /// Recomputes aggregates and compares.
    ///
    /// # Errors
    /// The first [`Inconsistency`] found.
    pub fn check(&self) -> Result<(), Inconsistency> {
        if !self.lists_idle() {
            return Err(Inconsistency::Idle);
        }
        if !self.lists.count(&self.locks) {
            return Err(Inconsistency::Lists);
        }
        self.check_held()?;
        let sums = self.check_locks()?;
        self.check_accounts(&sums)?;
        for (slot, principal) in self.principals.entries() {
            let expected = sums.open.get(index(slot)).copied().unwrap_or(0);
            if principal.open_count != expected {
                return Err(Inconsistency::OpenCount(principal.address));
            }
        }
        Ok(())
    }

    fn check_locks(&self) -> Result<Sums, Inconsistency> {
        let accounts = vec![Default::default(); index(self.accounts.slots())];
        let mut sums = Sums { accounts, open: vec![0; index(self.principals.slots())] };
        for lock in self.locks() {
            let owner = self.principals.get(lock.owner_slot);
            let owner = owner.ok_or(Inconsistency::OpenCount(lock.terms.owner))?;
            if owner.nonces.is_free(self.rules(), self.time_ms / 1000, lock.terms.nonce) {
                return Err(Inconsistency::NonceFree(lock.lock_id));
            }
            if lock.status.is_open() {
                sums.open[index(lock.owner_slot)] += 1;
            }
            if lock.legs.len() != lock.terms.legs.len() {
                return Err(Inconsistency::LegSum(lock.lock_id));
            }
            for (leg, terms) in lock.legs_and_terms() {
                let sum = leg.remaining.checked_add(leg.claimed);
                if sum.and_then(|s| s.checked_add(leg.settled)) != Some(terms.amount) {
                    return Err(Inconsistency::LegSum(lock.lock_id));
                }
                let held = if lock.status.is_open() { leg.remaining } else { U256::ZERO };
                let wrong = Inconsistency::AccountSum(lock.terms.owner);
                let account = self.accounts.get(leg.account).ok_or(wrong)?;
                if account.owner != lock.terms.owner || account.asset != terms.asset {
                    return Err(wrong);
                }
                let entry = &mut sums.accounts[index(leg.account)];
                entry.0 = entry.0.checked_add(held).ok_or(wrong)?;
                entry.1 = entry.1.checked_add(leg.claimed).ok_or(wrong)?;
                entry.2 += 1;
            }
        }
        Ok(sums)
    }

    fn check_held(&self) -> Result<(), Inconsistency> {
        for custody in [Custody::Open, Custody::Escrow] {
            let principals = self.principals.iter().filter(|p| p.custody == custody).count();
            let accounts = self.accounts.iter().filter(|a| self.class_of(&a.asset) == custody);
            let locks = self.locks.iter().filter(|l| l.custody == custody).count();
            let [principals, accounts, locks] = [principals, accounts.count(), locks].map(slot_of);
            if self.held_of(custody) != (Held { principals, accounts, locks }) {
                return Err(Inconsistency::Held);
            }
        }
        Ok(())
    }

    fn check_accounts(&self, sums: &Sums) -> Result<(), Inconsistency> {
        let mut totals: BTreeMap<Asset, (U256, u32)> = BTreeMap::new();
        for (slot, account) in self.accounts.entries() {
            let expected = sums.accounts.get(index(slot)).copied().unwrap_or_default();
            if expected != (account.held, account.claimed, account.lock_legs) {
                return Err(Inconsistency::AccountSum(account.owner));
            }
            let promised = account.promised().ok_or(Inconsistency::TotalSum)?;
            let total = totals.entry(account.asset).or_default();
            total.0 = total.0.checked_add(promised).ok_or(Inconsistency::TotalSum)?;
            total.1 += 1;
        }
        let found = self.totals.iter().map(|t| (t.asset, (t.promised, t.accounts)));
        match found.collect::<BTreeMap<_, _>>() == totals {
            true => Ok(()),
            false => Err(Inconsistency::TotalSum),
        }
    }

    /// INV-01 for one account: promised plus withdrawing amounts fit the final balance.
    ///
    /// A fact can lower a balance below its holds, when the owner withdrew on chain. The fact is
    /// accepted, and no new hold fits until the balance covers the holds again.
    ///
    /// # Errors
    /// `Insolvent`.
    pub fn check_solvency(&self, owner: &Address, asset: &Asset) -> Result<(), Inconsistency> {
        let chain = self.policy.chain(asset.chain_id);
        let custody = chain.map_or(ChainCustody::Open, |c| c.custody);
        let balance = self.balance(owner, asset);
        let promised = balance.held.checked_add(balance.claimed);
        let promised = promised.and_then(|p| p.checked_add(balance.withdrawing));
        match custody {
            ChainCustody::Open | ChainCustody::Escrow { .. }
                if promised.is_some_and(|p| p <= balance.total) =>
            {
                Ok(())
            }
            _ => Err(Inconsistency::Insolvent(*owner)),
        }
    }
}
