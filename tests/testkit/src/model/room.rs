//! What the state holds of each custody class, and what it forgets (from rule set 3).

use super::Model;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::ids::Address;
use mortise_format::lock::{Custody, LockTerms};
use mortise_format::policy::ClassLimits;
use mortise_format::reject::{Limit, Reject};
use mortise_format::rules::RuleSet;
use std::collections::BTreeSet;

/// Hours after which the last nonce of an owner matters no more.
const HOURS: u64 = 26;

fn refuse(which: Limit, max: u32) -> Result<(), Reject> {
    Err(Reject::Limit(which, U256::from(u64::from(max))))
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).expect("few")
}

impl Model {
    fn limits_of(&self, custody: Custody) -> ClassLimits {
        let state = self.policy.service().state;
        if custody == Custody::Open { state.open } else { state.escrow }
    }

    /// The class of an asset; `open` for one that is not served.
    pub fn class_of(&self, asset: &Asset) -> Custody {
        self.custody(asset.chain_id).unwrap_or(Custody::Open)
    }

    pub(super) fn class_of_draft(&self, terms: &LockTerms) -> Custody {
        let all = terms.legs.iter().all(|leg| self.class_of(&leg.asset) == Custody::Escrow);
        if all && !terms.legs.is_empty() { Custody::Escrow } else { Custody::Open }
    }

    pub(super) fn has_fact(&self, terms: &LockTerms) -> bool {
        terms.legs.iter().any(|leg| self.facts.contains_key(&(terms.owner, leg.asset)))
    }

    pub(super) fn count_newcomer(&mut self, has_fact: bool) {
        let minute = self.time_ms / 60_000;
        if !has_fact && self.rules >= RuleSet(3) {
            let count = if self.newcomers.0 == minute { self.newcomers.1 } else { 0 };
            self.newcomers = (minute, count + 1);
        }
    }

    fn check_newcomer(&self, now_ms: u64, before: u32) -> Result<(), Reject> {
        let (minute, count) = self.newcomers;
        let count = if minute == now_ms / 60_000 { count } else { 0 };
        let max = self.policy.service().state.new_principals_per_minute_max;
        if count + before >= max { refuse(Limit::NewPrincipals, max) } else { Ok(()) }
    }

    fn principals_in(&self, custody: Custody) -> u32 {
        count(self.known.values().filter(|class| **class == custody))
    }

    /// Room for one more lock after those of the same batch.
    pub(super) fn check_room(
        &self,
        now_ms: u64,
        terms: &LockTerms,
        custody: Custody,
        before: &[&LockTerms],
    ) -> Result<(), Reject> {
        if self.rules < RuleSet(3) {
            return Ok(());
        }
        let limits = self.limits_of(custody);
        let before: Vec<&&LockTerms> =
            before.iter().filter(|terms| self.class_of_draft(terms) == custody).collect();
        let locks = count(self.locks.values().filter(|lock| lock.custody == custody));
        if locks + count(before.iter()) >= limits.locks_max {
            return refuse(Limit::Locks, limits.locks_max);
        }
        let is_new = |who: &Address| !who.is_zero() && !self.known.contains_key(who);
        let parties = [terms.owner, terms.beneficiary, terms.arbiter];
        if parties.iter().any(is_new) {
            let owners: BTreeSet<Address> = before.iter().map(|terms| terms.owner).collect();
            let earlier = count(owners.iter().filter(|owner| is_new(owner)));
            let first = !owners.contains(&terms.owner);
            let counted = is_new(&terms.owner) && !first;
            let principals = self.principals_in(custody) + earlier + u32::from(!counted);
            if principals > limits.principals_max {
                return refuse(Limit::Principals, limits.principals_max);
            }
            if custody == Custody::Open && is_new(&terms.owner) && first {
                self.check_newcomer(now_ms, earlier)?;
            }
        }
        self.check_accounts(terms, custody, &before)
    }

    fn check_accounts(
        &self,
        terms: &LockTerms,
        custody: Custody,
        before: &[&&LockTerms],
    ) -> Result<(), Reject> {
        let new = |terms: &LockTerms| -> BTreeSet<(Address, Asset)> {
            let keys = terms.legs.iter().map(|leg| (terms.owner, leg.asset));
            keys.filter(|key| !self.accounts.contains(key)).collect()
        };
        let mine = new(terms);
        let earlier: BTreeSet<_> = before.iter().flat_map(|terms| new(terms)).collect();
        let held = count(self.accounts.iter().filter(|(_, a)| self.class_of(a) == custody));
        let max = self.limits_of(custody).accounts_max;
        let all = held + count(earlier.iter()) + count(mine.iter());
        if !mine.is_empty() && all > max { refuse(Limit::Accounts, max) } else { Ok(()) }
    }

    /// Room for the record of an owner who cancels a draft.
    pub(super) fn check_draft_room(&self, now_ms: u64, terms: &LockTerms) -> Result<(), Reject> {
        if self.rules < RuleSet(3) || self.known.contains_key(&terms.owner) {
            return Ok(());
        }
        let custody = self.class_of_draft(terms);
        let max = self.limits_of(custody).principals_max;
        if self.principals_in(custody) >= max {
            return refuse(Limit::Principals, max);
        }
        if self.has_fact(terms) { Ok(()) } else { self.check_newcomer(now_ms, 0) }
    }

    /// Room for the account of a fact.
    pub(super) fn check_fact_room(&self, account: &Address, asset: &Asset) -> Result<(), Reject> {
        let known = self.accounts.contains(&(*account, *asset));
        let held = self.accounts.iter().filter(|(_, a)| self.class_of(a) == Custody::Escrow);
        let max = self.limits_of(Custody::Escrow).accounts_max;
        let is_full = self.rules >= RuleSet(3) && !known && count(held) >= max;
        if is_full { refuse(Limit::Accounts, max) } else { Ok(()) }
    }

    /// Forgets the principals and accounts that nothing needs at the time of the frame.
    pub(super) fn forget_idle(&mut self) {
        if self.rules < RuleSet(3) {
            return;
        }
        let now_s = self.time_ms / 1000;
        let (locks, requests, rates) = (&self.locks, &self.requests, &self.rates);
        let nonces = &self.used_nonces;
        self.known.retain(|who, _| {
            let newest = nonces.get(who).and_then(|used| used.last()).map(|nonce| nonce >> 32);
            locks.values().any(|lock| lock.terms.owner == *who)
                || requests.keys().any(|(principal, _)| principal == who)
                || rates.iter().any(|((of, _), (minute, _))| of == who && (minute + 1) * 60 > now_s)
                || newest.is_some_and(|hour| (hour + HOURS) * 3600 > now_s)
        });
        let (facts, age) = (&self.facts, self.policy.fact_age_s_max);
        self.accounts.retain(|key| {
            let is_named = |terms: &LockTerms| {
                terms.owner == key.0 && terms.legs.iter().any(|leg| leg.asset == key.1)
            };
            locks.values().any(|lock| is_named(&lock.terms))
                || facts.get(key).is_some_and(|(fact, _)| fact.head_time + age >= now_s)
        });
        let accounts = &self.accounts;
        self.facts.retain(|key, _| accounts.contains(key));
    }

    /// Principals, accounts and assets with a total.
    pub fn counts(&self) -> [usize; 3] {
        let assets: BTreeSet<Asset> = self.accounts.iter().map(|(_, asset)| *asset).collect();
        [self.known.len(), self.accounts.len(), assets.len()]
    }

    /// True when the principal has a record.
    pub fn knows(&self, principal: &Address) -> bool {
        self.known.contains_key(principal)
    }
}
