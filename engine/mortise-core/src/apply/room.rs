//! The second check of what the state may hold, and in which custody class a record counts.

use super::Applied;
use crate::state::room::Held;
use crate::state::{Corruption, State};
use mortise_format::command::Command;
use mortise_format::event::RequestKey;
use mortise_format::ids::LockId;
use mortise_format::lock::{Custody, LockTerms};

impl State {
    /// The class of the record of a principal who acts on a lock.
    pub(super) fn class_of_lock(&self, lock_id: &LockId) -> Custody {
        self.lock(lock_id).map_or(Custody::Open, |lock| lock.custody)
    }

    /// The class of the record of a principal whose command was refused: that of the lock, because
    /// without a record only a party of it is remembered.
    pub(super) fn class_of_refused(&self, request_key: &RequestKey, command: &Command) -> Custody {
        if self.principal(&request_key.principal).is_some() {
            return Custody::Open;
        }
        match command {
            Command::Commit { intents } => intents.first().map_or(Custody::Open, |intent| {
                self.class_of_lock(&intent.terms.lock_id(self.engine_id()))
            }),
            Command::Claim { claim, .. } => self.class_of_lock(&claim.lock_id),
            Command::Release { lock_id, .. }
            | Command::Cancel { lock_id, .. }
            | Command::Extend { lock_id, .. } => self.class_of_lock(lock_id),
            _ => Custody::Open,
        }
    }

    /// Uses a nonce by the cancellation of a draft.
    pub(super) fn apply_draft_cancelled(&mut self, terms: &LockTerms) -> Applied {
        let custody = self.class_of_draft(terms);
        let known = self.held_of(custody);
        let has_fact = self.has_fact(&terms.owner, terms);
        self.take_nonce(&terms.owner, terms.nonce, custody)?;
        self.check_new_principal(custody, known, has_fact)
    }

    /// Checks that there was room for an owner's record, if it is new since `before`.
    pub(super) fn check_new_principal(
        &mut self,
        custody: Custody,
        before: Held,
        has_fact: bool,
    ) -> Applied {
        let held = self.held_of(custody).principals;
        if held == before.principals || !self.rules().has_room_limits() {
            return Ok(());
        }
        if held > self.limits_of(custody).principals_max {
            return Err(Corruption::Policy);
        }
        let max = self.policy().service().state.new_principals_per_minute_max;
        let minute = self.time_ms / 60_000;
        match !has_fact && self.count_newcomer(minute) > max {
            true => Err(Corruption::Policy),
            false => Ok(()),
        }
    }

    /// Checks that there was room for the accounts and locks that are new since `before`.
    pub(super) fn check_room(&self, custody: Custody, before: Held) -> Applied {
        let (held, limits) = (self.held_of(custody), self.limits_of(custody));
        let over = |now: u32, before: u32, max: u32| now > before && now > max;
        let is_over = over(held.accounts, before.accounts, limits.accounts_max)
            || over(held.locks, before.locks, limits.locks_max);
        match is_over && self.rules().has_room_limits() {
            true => Err(Corruption::Policy),
            false => Ok(()),
        }
    }
}
