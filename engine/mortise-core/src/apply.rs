//! Applying events: every event that `decide` makes applies; any other is a named corruption.
//!
//! What it is for: the only way in which the state changes: live, at restart, for an auditor.
//!
//! What it does not do: reject. An event that does not fit the state was not made by this code
//! from this log. The caller stops with a fault; it never continues without the event.
//!
//! Invariants: INV-01, 02, 06, 07, 10, 11, 13 are checked here a second time, after `decide`,
//! except for signatures.

mod room;

use crate::state::accounts::RecordedFact;
use crate::state::changes::Changes;
use crate::state::locks::{Leg, Legs, Lock};
use crate::state::requests::{Outcome, Quota};
use crate::state::{Corruption, Rebuilt, State};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use mortise_format::U256;
use mortise_format::cursor::ListCursor;
use mortise_format::entry::LeafKey;
use mortise_format::event::{Authority, Event, GrantedLock, LogPosition, RequestKey};
use mortise_format::fact::BalanceFact;
use mortise_format::ids::{Address, LockId};
use mortise_format::lock::{Custody, Status};
use mortise_format::policy::ChainCustody;
use mortise_format::reject::Reject;

type Applied = Result<(), Corruption>;

impl State {
    /// Applies the event at `at`.
    ///
    /// # Errors
    /// A [`Corruption`]; the state is then undefined and must be dropped.
    pub fn apply(&mut self, at: LogPosition, event: &Event) -> Applied {
        self.at = at;
        self.check_end(event)?;
        match event {
            Event::EpochStarted { version, rules, .. } => {
                self.apply_rules(*rules)?;
                self.apply_version(version);
                Ok(())
            }
            Event::SnapshotTaken { .. } => Ok(()),
            Event::EpochEnded { .. } => self.apply_end(),
            Event::TimeAdvanced { time_ms } => self.apply_time(*time_ms),
            Event::LocksGranted { locks, request_keys, .. } => {
                self.apply_grants(locks, request_keys)
            }
            Event::LockClaimed { claim, request_key, status, .. } => {
                let class = self.class_of_lock(&claim.lock_id);
                self.remember(request_key, Outcome::Final(self.quota_of_endings()), class)?;
                self.apply_claim(&claim.lock_id, &claim.amounts, *status)
            }
            Event::LockReleased { lock_id, request_key, .. } => {
                let class = self.class_of_lock(lock_id);
                self.remember(request_key, Outcome::Final(self.quota_of_endings()), class)?;
                self.end_remaining(lock_id, Status::Released)
            }
            Event::LockCancelled { lock_id, principal, request_keys, .. } => {
                let custody = self.class_of_lock(lock_id);
                self.count_or_remember(principal, request_keys, custody)?;
                self.end_remaining(lock_id, Status::Cancelled)
            }
            Event::DraftCancelled { terms, request_key, .. } => {
                self.apply_draft_cancelled(terms)?;
                let custody = self.class_of_draft(terms);
                self.count_or_remember(&terms.owner, request_key.as_slice(), custody)
            }
            Event::LockExtended {
                lock_id,
                terms,
                claim_by,
                settle_by,
                request_key,
                status,
                ..
            } => {
                let class = self.class_of_lock(lock_id);
                self.remember(request_key, Outcome::Final(Quota::Grants), class)?;
                self.apply_extension(lock_id, *status, [terms.expires, *claim_by, *settle_by])
            }
            Event::LocksExpired { lock_ids } => {
                lock_ids.iter().try_for_each(|id| self.end_remaining(id, Status::Expired))
            }
            Event::LocksSettled { lock_ids } => {
                lock_ids.iter().try_for_each(|id| self.apply_settled(id))
            }
            Event::LocksPruned { lock_ids } => {
                lock_ids.iter().try_for_each(|id| self.apply_pruned(id))
            }
            Event::FactRecorded { fact, .. } => self.apply_fact(fact),
            Event::CommandRefused { request_key, reject, command } => {
                let class = self.class_of_refused(request_key, command);
                self.apply_refusal(request_key, *reject, class)
            }
            Event::ReadingGranted { grant, .. } => self.apply_reading(grant),
            Event::ImagesApproved { approval, .. } => self.apply_approval(approval),
        }
    }

    fn apply_time(&mut self, time_ms: u64) -> Applied {
        if time_ms < self.time_ms {
            return Err(Corruption::TimeBack);
        }
        self.time_ms = time_ms;
        for (principal, quota) in self.requests.forget_before(time_ms / 1000, FORGET_MAX) {
            if let Some(slot) = self.principal_slot(&principal) {
                self.principals[slot].uncount_request(quota);
                self.rearm_principal(slot);
            }
        }
        self.forget_idle(time_ms / 1000);
        Ok(())
    }

    fn apply_grants(&mut self, locks: &[GrantedLock], request_keys: &[RequestKey]) -> Applied {
        (0..).zip(locks).try_for_each(|(number, lock)| self.apply_grant(number, lock))?;
        if request_keys.is_empty() {
            for lock in locks {
                self.count_command(&lock.terms.owner, Quota::Grants, lock.custody);
            }
        }
        // Every owner has a record by now.
        let custody = locks.first().map_or(Custody::Open, |lock| lock.custody);
        let outcome = Outcome::Final(Quota::Grants);
        request_keys.iter().try_for_each(|request_key| self.remember(request_key, outcome, custody))
    }

    /// Applies the grant of one lock, the `number`th of its event.
    fn apply_grant(&mut self, number: u32, granted: &GrantedLock) -> Applied {
        let place = ListCursor::of(self.at, number).ok_or(Corruption::Place)?;
        let hash = self.lock_hash(&granted.lock_id);
        if self.lock_slot_hashed(&granted.lock_id, hash).is_some() {
            return Err(Corruption::KnownLock);
        }
        let terms = &granted.terms;
        let before = self.held_of(granted.custody);
        let owner_slot = self.take_nonce(&terms.owner, terms.nonce, granted.custody)?;
        let has_fact = granted.custody == Custody::Escrow;
        self.check_new_principal(granted.custody, before, has_fact)?;
        let open_count = &mut self.principals[owner_slot].open_count;
        *open_count += 1;
        if *open_count > self.policy().concurrent_max {
            return Err(Corruption::Policy);
        }
        let mut legs = Legs::with_capacity(terms.legs.len());
        for leg in &terms.legs {
            let account = self.ensure_account_of(owner_slot, &leg.asset);
            self.add_held(account, leg.amount)?;
            self.check_promise(account, leg.amount, granted.custody)?;
            let (remaining, claimed, settled) = (leg.amount, U256::ZERO, U256::ZERO);
            legs.push(Leg { remaining, claimed, settled, account });
        }
        let lock = Lock {
            lock_id: granted.lock_id,
            terms: Arc::clone(terms),
            expires: terms.expires,
            claim_by: granted.claim_by,
            settle_by: granted.settle_by,
            issued_at_ms: self.time_ms,
            legs,
            custody: granted.custody,
            status: Status::Active,
            claim_count: 0,
            ended_at: 0,
            place,
            changes: Changes::default(),
            signature: granted.signature,
            by_approval: granted.authority == Authority::Approval,
            owner_slot,
            timer: Rebuilt::default(),
        };
        self.keep_absent(LeafKey::Lock(granted.lock_id));
        let slot = self.insert_lock(lock, hash);
        self.check_room(granted.custody, before)?;
        self.touch_lock(slot);
        Ok(())
    }

    fn apply_claim(&mut self, lock_id: &LockId, amounts: &[U256], status: Status) -> Applied {
        let slot = self.lock_slot(lock_id).ok_or(Corruption::UnknownLock)?;
        self.keep_lock(slot);
        let lock = self.lock_mut(slot).ok_or(Corruption::UnknownLock)?;
        if !lock.status.is_open() || amounts.len() != lock.legs.len() {
            return Err(Corruption::Status);
        }
        for (leg, amount) in lock.legs.iter_mut().zip(amounts) {
            leg.remaining = leg.remaining.checked_sub(*amount).ok_or(Corruption::Amount)?;
            leg.claimed = leg.claimed.checked_add(*amount).ok_or(Corruption::Amount)?;
        }
        lock.claim_count += 1;
        let whole = lock.legs.iter().all(|l| l.remaining.is_zero());
        lock.status = if whole { Status::Fulfilled } else { Status::Partial };
        if lock.status != status {
            return Err(Corruption::Status);
        }
        let owner_slot = lock.owner_slot;
        for (leg, amount) in amounts.iter().enumerate() {
            let account = self.leg(slot, leg)?.account;
            self.keep_account(account);
            let entry = &mut self.accounts[account];
            entry.held = entry.held.checked_sub(*amount).ok_or(Corruption::Amount)?;
            entry.claimed = entry.claimed.checked_add(*amount).ok_or(Corruption::Amount)?;
            self.touch_account(account);
        }
        if whole {
            self.close(owner_slot)?;
        }
        self.rearm(slot);
        self.touch_lock(slot);
        Ok(())
    }

    /// A leg of a lock that the caller looked up.
    fn leg(&self, slot: u32, leg: usize) -> Result<&Leg, Corruption> {
        let lock = self.lock_at(slot).ok_or(Corruption::UnknownLock)?;
        lock.legs.get(leg).ok_or(Corruption::Amount)
    }

    /// Ends the unclaimed part of an open lock: what remains is free again.
    fn end_remaining(&mut self, lock_id: &LockId, status: Status) -> Applied {
        let slot = self.lock_slot(lock_id).ok_or(Corruption::UnknownLock)?;
        let now_s = self.time_ms / 1000;
        self.keep_lock(slot);
        let lock = self.lock_mut(slot).ok_or(Corruption::UnknownLock)?;
        if !lock.status.is_open() {
            return Err(Corruption::Status);
        }
        lock.status = status;
        lock.ended_at = now_s;
        let owner_slot = lock.owner_slot;
        for at in 0..lock.legs.len() {
            let leg = self.leg(slot, at)?;
            let (account, amount) = (leg.account, leg.remaining);
            self.keep_account(account);
            let entry = &mut self.accounts[account];
            entry.held = entry.held.checked_sub(amount).ok_or(Corruption::Amount)?;
            self.lower_total(account, amount)?;
            self.touch_account(account);
        }
        self.close(owner_slot)?;
        self.rearm(slot);
        self.touch_lock(slot);
        Ok(())
    }

    fn apply_settled(&mut self, lock_id: &LockId) -> Applied {
        let slot = self.lock_slot(lock_id).ok_or(Corruption::UnknownLock)?;
        let now_s = self.time_ms / 1000;
        self.keep_lock(slot);
        let lock = self.lock_mut(slot).ok_or(Corruption::UnknownLock)?;
        if lock.status.is_open() || lock.custody != Custody::Open || !lock.has_claimed() {
            return Err(Corruption::Status);
        }
        let mut paid = Vec::with_capacity(lock.legs.len());
        for leg in lock.legs.iter_mut() {
            leg.settled = leg.settled.checked_add(leg.claimed).ok_or(Corruption::Amount)?;
            paid.push((leg.account, leg.claimed));
            leg.claimed = U256::ZERO;
        }
        if lock.status == Status::Fulfilled {
            lock.status = Status::Settled;
        }
        lock.ended_at = now_s;
        for (account, amount) in paid {
            self.keep_account(account);
            let entry = &mut self.accounts[account];
            entry.claimed = entry.claimed.checked_sub(amount).ok_or(Corruption::Amount)?;
            self.lower_total(account, amount)?;
            self.touch_account(account);
        }
        self.rearm(slot);
        self.touch_lock(slot);
        Ok(())
    }

    fn apply_pruned(&mut self, lock_id: &LockId) -> Applied {
        let slot = self.lock_slot(lock_id).ok_or(Corruption::UnknownLock)?;
        let lock = self.lock_at(slot).ok_or(Corruption::UnknownLock)?;
        if !lock.status.is_terminal() || lock.has_claimed() {
            return Err(Corruption::Status);
        }
        self.keep_lock(slot);
        self.remove_lock(slot);
        self.touch_removed(*lock_id);
        Ok(())
    }

    fn apply_extension(
        &mut self,
        lock_id: &LockId,
        status: Status,
        [expires, claim_by, settle_by]: [u64; 3],
    ) -> Applied {
        let slot = self.lock_slot(lock_id).ok_or(Corruption::UnknownLock)?;
        self.keep_lock(slot);
        let lock = self.lock_mut(slot).ok_or(Corruption::UnknownLock)?;
        if !lock.status.is_open() || lock.status != status || expires <= lock.expires {
            return Err(Corruption::Status);
        }
        (lock.expires, lock.claim_by, lock.settle_by) = (expires, claim_by, settle_by);
        if lock.custody == Custody::Escrow && self.rules().backs_extensions() {
            let lock = self.lock_at(slot).ok_or(Corruption::UnknownLock)?;
            lock.legs.iter().try_for_each(|leg| self.check_backed(leg.account))?;
        }
        self.rearm(slot);
        self.touch_lock(slot);
        Ok(())
    }

    fn apply_fact(&mut self, fact: &BalanceFact) -> Applied {
        let before = self.held_of(Custody::Escrow);
        let slot = self.ensure_account(&fact.account, &fact.asset);
        let at = self.at;
        self.keep_account(slot);
        let account = &mut self.accounts[slot];
        if account.fact.as_ref().is_some_and(|last| last.head_number >= fact.head_number) {
            return Err(Corruption::FactOrder);
        }
        account.fact = Some(Box::new(RecordedFact {
            head_number: fact.head_number,
            head_hash: fact.head_hash,
            head_time: fact.head_time,
            balance: fact.balance,
            withdrawing: fact.withdrawing,
            withdrawal: fact.withdrawal,
            at,
        }));
        self.rearm_account(slot);
        self.touch_account(slot);
        self.check_room(Custody::Escrow, before)
    }

    fn take_nonce(
        &mut self,
        owner: &Address,
        nonce: u64,
        custody: Custody,
    ) -> Result<u32, Corruption> {
        let slot = self.ensure_principal(owner, custody);
        let (rules, now_s) = (self.rules(), self.time_ms / 1000);
        if !self.principals[slot].nonces.is_free(rules, now_s, nonce) {
            return Err(Corruption::NonceUsed);
        }
        self.keep_principal(slot);
        self.principals[slot].nonces.take(rules, nonce);
        self.rearm_principal(slot);
        self.touch_principal(slot);
        Ok(slot)
    }

    fn close(&mut self, owner_slot: u32) -> Applied {
        self.keep_principal(owner_slot);
        let count = &mut self.principals[owner_slot].open_count;
        *count = count.checked_sub(1).ok_or(Corruption::Status)?;
        self.touch_principal(owner_slot);
        Ok(())
    }

    fn add_held(&mut self, account: u32, amount: U256) -> Applied {
        self.keep_account(account);
        let entry = &mut self.accounts[account];
        entry.held = entry.held.checked_add(amount).ok_or(Corruption::Amount)?;
        let promised = &mut self.totals[entry.total].promised;
        *promised = promised.checked_add(amount).ok_or(Corruption::Amount)?;
        self.touch_account(account);
        Ok(())
    }

    /// Checks INV-01 and 13 for an account that just got a hold of `amount`.
    fn check_promise(&self, account: u32, amount: U256, custody: Custody) -> Applied {
        let entry = &self.accounts[account];
        let promised = entry.promised().ok_or(Corruption::Amount)?;
        let policy = self.policy();
        let chain = policy.chain(entry.asset.chain_id).ok_or(Corruption::Policy)?;
        let limits = policy.limits(&entry.asset);
        match (chain.custody, custody) {
            (ChainCustody::Open, Custody::Open) => {}
            (ChainCustody::Escrow { .. }, Custody::Escrow) => self.check_backed(account)?,
            _ => return Err(Corruption::Policy),
        }
        let in_all = self.totals[entry.total].promised;
        let fits = amount <= limits.single_max
            && promised <= limits.account_max
            && in_all <= limits.asset_max;
        if fits { Ok(()) } else { Err(Corruption::Policy) }
    }

    /// Checks that the last fact backs everything that is promised of an escrow account.
    fn check_backed(&self, account: u32) -> Applied {
        let entry = &self.accounts[account];
        let promised = entry.promised().ok_or(Corruption::Amount)?;
        let fact = entry.fact.as_ref().ok_or(Corruption::Insolvent)?;
        let taken = promised.checked_add(fact.withdrawing).ok_or(Corruption::Amount)?;
        if taken > fact.balance { Err(Corruption::Insolvent) } else { Ok(()) }
    }

    fn lower_total(&mut self, account: u32, amount: U256) -> Applied {
        let total = self.accounts[account].total;
        let promised = &mut self.totals[total].promised;
        *promised = promised.checked_sub(amount).ok_or(Corruption::Amount)?;
        Ok(())
    }

    fn count_command(&mut self, principal: &Address, quota: Quota, custody: Custody) -> u32 {
        let slot = self.ensure_principal(principal, custody);
        let minute = self.time_ms / 60_000;
        self.principals[slot].count_command(minute, quota);
        self.rearm_principal(slot);
        slot
    }

    /// The quota of claims, releases and cancels.
    pub(crate) fn quota_of_endings(&self) -> Quota {
        if self.rules().has_final_refusals() { Quota::Endings } else { Quota::Grants }
    }

    fn apply_refusal(
        &mut self,
        request_key: &RequestKey,
        reject: Reject,
        custody: Custody,
    ) -> Applied {
        if !self.rules().has_final_refusals() {
            return self.remember(request_key, Outcome::Final(Quota::Grants), custody);
        }
        if reject.is_final() {
            return self.remember(request_key, Outcome::Final(Quota::Refusals), custody);
        }
        let known = self.requests.find(&request_key.principal, &request_key.id);
        let now_s = self.time_ms / 1000;
        let known = known.filter(|known| known.valid_until >= now_s);
        match known.and_then(|known| known.refusals.as_ref()) {
            Some(r) if r.find(reject.code()).is_some() || !r.has_room() => {
                Err(Corruption::RequestKnown)
            }
            _ => self.remember(request_key, Outcome::Open(reject), custody),
        }
    }

    /// Remembers the answer to a request, and counts the command. Only a refusal that is not final
    /// is replaced while it is valid, and only by an answer to the same content.
    fn remember(
        &mut self,
        request_key: &RequestKey,
        outcome: Outcome,
        custody: Custody,
    ) -> Applied {
        let quota = match outcome {
            Outcome::Final(quota) => quota,
            Outcome::Open(_) => Quota::Refusals,
        };
        let slot = self.count_command(&request_key.principal, quota, custody);
        let (at, now_s) = (self.at, self.time_ms / 1000);
        let old = self.requests.insert(request_key, at, outcome, now_s);
        if let Some(old) = old {
            let is_open = old.refusals.is_some() && old.content == request_key.content;
            if old.valid_until >= now_s && !is_open {
                return Err(Corruption::RequestKnown);
            }
            self.principals[slot].uncount_request(old.quota);
        }
        self.principals[slot].count_request(quota);
        self.rearm_principal(slot);
        Ok(())
    }

    /// Remembers the requests, and counts the command for a principal who named none.
    fn count_or_remember(
        &mut self,
        principal: &Address,
        request_keys: &[RequestKey],
        custody: Custody,
    ) -> Applied {
        let quota = self.quota_of_endings();
        if !request_keys.iter().any(|request_key| request_key.principal == *principal) {
            self.count_command(principal, quota, custody);
        }
        let outcome = Outcome::Final(quota);
        request_keys.iter().try_for_each(|request_key| self.remember(request_key, outcome, custody))
    }
}

/// Most requests that one advance of time forgets; the rest follow with the next.
const FORGET_MAX: usize = 4096;
