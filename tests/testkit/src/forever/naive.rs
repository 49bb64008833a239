//! Small models of engines that forget by a naive rule, and of one that never forgets.

use super::{DAY_S, Effect, Form, Keeper, LOCK_S_MAX, Signed};
use crate::keys::Party;
use crate::lockstep::ENGINE_ID;
use crate::scenario::{LOCK_S_MIN, RETENTION_S};
use mortise_format::eip712::Request;
use mortise_format::ids::LockId;
use mortise_format::lock::LockTerms;
use mortise_sim::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// When a record of used nonces is forgotten. In these models a nonce is a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NaiveRule {
    /// Never: the memory grows for ever, and nothing happens twice.
    Never,
    /// A day after the owner's last command.
    DayAfterTheLastCommand,
    /// When everything that was used has expired: terms and requests.
    AfterWhatWasUsed,
    /// A day after the last command; what was used raises a floor under everyone.
    OneFloorForAll,
}

#[derive(Debug, Clone, Default)]
struct Record {
    used: BTreeSet<u64>,
    last_s: u64,
    until_s: u64,
}

/// An engine that forgets by a rule.
#[derive(Debug, Clone)]
pub struct Naive {
    rule: NaiveRule,
    now_s: u64,
    records: BTreeMap<Party, Record>,
    /// Owner and the second from which on the lock leaves.
    locks: BTreeMap<LockId, (Party, u64)>,
    floor: u64,
}

impl Naive {
    /// An empty one.
    pub fn new(rule: NaiveRule) -> Self {
        let (records, locks) = (BTreeMap::new(), BTreeMap::new());
        Self { rule, now_s: crate::scenario::START_S, records, locks, floor: 0 }
    }

    fn is_valid(&self, request: &Request) -> bool {
        (self.now_s..=self.now_s + DAY_S).contains(&request.valid_until)
    }

    fn is_forgotten(&self, record: &Record) -> bool {
        let day_later = record.last_s + DAY_S < self.now_s;
        match self.rule {
            NaiveRule::Never => false,
            NaiveRule::DayAfterTheLastCommand | NaiveRule::OneFloorForAll => day_later,
            NaiveRule::AfterWhatWasUsed => record.until_s < self.now_s,
        }
    }

    fn take(&mut self, signed: &Signed) {
        let record = self.records.entry(signed.owner).or_default();
        record.used.insert(signed.terms.nonce);
        record.last_s = self.now_s;
        let valid_until = match signed.form {
            Form::Intent(request) | Form::CancelRequest(request) => request.valid_until,
            Form::Approval | Form::Cancel => 0,
        };
        record.until_s = record.until_s.max(signed.terms.expires).max(valid_until);
    }
}

impl Keeper for Naive {
    fn advance(&mut self, now_s: u64) {
        self.now_s = now_s;
        self.locks.retain(|_, (_, until_s)| now_s < *until_s);
        for owner in self.records.keys().copied().collect::<Vec<_>>() {
            let has_locks = self.locks.values().any(|(who, _)| *who == owner);
            if has_locks || !self.is_forgotten(&self.records[&owner]) {
                continue;
            }
            let record = self.records.remove(&owner).expect("it is there");
            if self.rule == NaiveRule::OneFloorForAll {
                let above = record.used.last().map_or(0, |highest| highest + 1);
                self.floor = self.floor.max(above);
            }
        }
    }

    fn restart(&mut self) {}

    fn suggested(&mut self, owner: Party) -> u64 {
        let used = self.records.get(&owner).map(|record| &record.used);
        let is_free = |nonce: &u64| used.is_none_or(|used| !used.contains(nonce));
        (self.floor..).find(is_free).expect("few are used")
    }

    fn other(&self, rng: &mut Rng, suggested: u64) -> u64 {
        let shift = *rng.pick(&[1, 3, 1 << 19]);
        if rng.one_in(2) { suggested.saturating_sub(shift) } else { suggested + shift }
    }

    fn show(&mut self, signed: &Signed) -> Effect {
        let (owner, terms) = (signed.owner, &signed.terms);
        let grants = match signed.form {
            Form::Intent(request) if !self.is_valid(&request) => return Effect::Nothing,
            Form::CancelRequest(request) if !self.is_valid(&request) => return Effect::Nothing,
            Form::Intent(_) | Form::Approval => true,
            Form::Cancel | Form::CancelRequest(_) => false,
        };
        let window = self.now_s + LOCK_S_MIN..=self.now_s + LOCK_S_MAX;
        if grants && !window.contains(&terms.expires) {
            return Effect::Nothing;
        }
        let lock_id = terms.lock_id(&ENGINE_ID);
        let used = self.records.get(&owner).is_some_and(|r| r.used.contains(&terms.nonce));
        if used || terms.nonce < self.floor {
            return Effect::NonceRefused;
        }
        self.take(signed);
        if !grants {
            return Effect::Burned;
        }
        self.locks.insert(lock_id, (owner, terms.expires + 60 + RETENTION_S));
        Effect::Granted
    }

    fn release(&mut self, terms: &LockTerms, _: Request) {
        let until_s = self.now_s + RETENTION_S;
        if let Some(lock) = self.locks.get_mut(&terms.lock_id(&ENGINE_ID)) {
            lock.1 = lock.1.min(until_s);
        }
    }
}
