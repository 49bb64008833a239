//! The ladders of `specs/locks.md`.

use super::memory::check_validity;
use super::shape::address;
use super::sums::add;
use super::{Answer, Model, ModelLock};
use crate::keys::{Asked, SignedBy};
use crate::scenario::VERSION;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::command::{CancelForm, Command, SignedCancel};
use mortise_format::eip712::{Claim, Request};
use mortise_format::fact::{BalanceFact, Withdrawal};
use mortise_format::ids::{Address, LockId, RequestId};
use mortise_format::images::{ImageApproval, Version};
use mortise_format::limits::READING_GRANTS_MAX;
use mortise_format::lock::{Custody, LockTerms, Status};
use mortise_format::policy::ChainCustody;
use mortise_format::reading::ReadingGrant;
use mortise_format::reject::{Field, Limit, Party, Reject};
use mortise_format::rules::RuleSet;

impl Model {
    pub(super) fn decide(&self, now_ms: u64, asked: &Asked) -> Result<Answer, Reject> {
        let signer = asked.signers.first().and_then(address);
        match &asked.command {
            Command::Commit { intents } => {
                let parts: Vec<_> = intents.iter().map(|i| (&i.terms, Some(&i.request))).collect();
                self.decide_grants(now_ms, &parts)
            }
            Command::Approve { terms, .. } => self.decide_grants(now_ms, &[(terms, None)]),
            Command::Claim { claim, .. } => self.decide_claim(now_ms, signer, claim),
            Command::Release { lock_id, request, .. } => {
                self.decide_release(now_ms, signer, lock_id, request)
            }
            Command::Extend { lock_id, new_expires, request, .. } => {
                self.decide_extend(now_ms, signer, lock_id, *new_expires, request)
            }
            Command::Cancel { lock_id, consents } => {
                self.decide_cancel(now_ms, lock_id, consents, &asked.signers)
            }
            Command::CancelDraft { terms, consent } => self.decide_draft(now_ms, terms, consent),
            Command::RecordFact { fact, .. } => self.decide_fact(now_ms, fact, &asked.signers),
            Command::GrantReading { grant, .. } => {
                self.decide_reading(now_ms, grant, &asked.signers)
            }
            Command::ApproveImages { approval, .. } => {
                self.decide_approval(now_ms, approval, &asked.signers)
            }
        }
    }

    fn decide_grants(
        &self,
        now_ms: u64,
        parts: &[(&LockTerms, Option<&Request>)],
    ) -> Result<Answer, Reject> {
        let mut granted = Vec::new();
        for (i, (terms, request)) in parts.iter().enumerate() {
            let before: Vec<&LockTerms> = parts[..i].iter().map(|(terms, _)| *terms).collect();
            granted.push(self.decide_grant(now_ms, terms, *request, &before)?);
        }
        Ok(Answer::Granted(granted))
    }

    fn decide_grant(
        &self,
        now_ms: u64,
        terms: &LockTerms,
        request: Option<&Request>,
        before: &[&LockTerms],
    ) -> Result<(LockId, u64, u64, Custody), Reject> {
        let now_s = now_ms / 1000;
        if let Some(request) = request {
            check_validity(now_s, request)?;
        }
        if terms.expires <= now_s {
            return Err(Reject::LockExpired);
        }
        let shortest = if request.is_some() { self.policy.lock_s_min } else { 0 };
        let (min, max) = (now_s + shortest, now_s + self.policy.lock_s_max);
        self.check_window(terms.expires, min, max)?;
        let (claim_by, settle_by) = self.times(terms.condition.target_chain_id, terms.expires)?;
        let custody = self.one_custody(terms)?;
        let mine = || before.iter().filter(|earlier| earlier.owner == terms.owner);
        let others: Vec<u64> = mine().map(|earlier| earlier.nonce).collect();
        self.check_nonce(now_s, &terms.owner, terms.nonce, &others)?;
        let earlier = u32::try_from(mine().count()).expect("a batch is small");
        let open = u32::try_from(self.open_count(&terms.owner)).expect("few locks") + earlier;
        if open >= self.policy.concurrent_max {
            let max = U256::from(u64::from(self.policy.concurrent_max));
            return Err(Reject::Limit(Limit::Concurrent, max));
        }
        let requests = if request.is_some() { earlier + 1 } else { 0 };
        self.check_quota(now_ms, &terms.owner, earlier, requests)?;
        self.check_room(now_ms, terms, custody, before)?;
        for leg in &terms.legs {
            self.check_leg(now_s, &terms.owner, &leg.asset, leg.amount, settle_by, before)?;
        }
        Ok((terms.lock_id(&self.engine_id), claim_by, settle_by, custody))
    }

    fn times(&self, chain_id: u64, expires: u64) -> Result<(u64, u64), Reject> {
        let chain = self.policy.chains.iter().find(|c| c.chain_id == chain_id);
        let chain = chain.ok_or(Reject::UnsupportedChain(chain_id))?;
        let claim_by = expires + chain.claim_window_s;
        Ok((claim_by, claim_by + self.policy.settlement_buffer_s))
    }

    fn one_custody(&self, terms: &LockTerms) -> Result<Custody, Reject> {
        let mut classes = Vec::new();
        for leg in &terms.legs {
            let chain_id = leg.asset.chain_id;
            classes.push(self.custody(chain_id).ok_or(Reject::UnsupportedChain(chain_id))?);
            if classes[0] != classes[classes.len() - 1] {
                return Err(Reject::Validation(Field::Assets));
            }
        }
        Ok(classes[0])
    }

    fn check_leg(
        &self,
        now_s: u64,
        owner: &Address,
        asset: &Asset,
        amount: U256,
        settle_by: u64,
        before: &[&LockTerms],
    ) -> Result<(), Reject> {
        let limits = self.policy.limits(asset);
        if amount > limits.single_max {
            return Err(Reject::Limit(Limit::Single, limits.single_max));
        }
        self.check_facts(now_s, owner, asset, settle_by)?;
        let in_batch = |select: &dyn Fn(&LockTerms) -> bool| {
            let terms = before.iter().filter(|terms| select(terms));
            let legs = terms.flat_map(|terms| &terms.legs).filter(|leg| leg.asset == *asset);
            legs.fold(U256::ZERO, |sum, leg| add(sum, leg.amount))
        };
        let mine = in_batch(&|terms| terms.owner == *owner);
        let balance = self.balance(owner, asset);
        let available = balance.available().saturating_sub(mine);
        if amount > available {
            return Err(Reject::InsufficientAvailable {
                total: balance.total,
                held: balance.total.saturating_sub(available),
                available,
                requested: amount,
            });
        }
        if add(add(add(balance.held, balance.claimed), mine), amount) > limits.account_max {
            return Err(Reject::Limit(Limit::Account, limits.account_max));
        }
        let (held, claimed) = self.promised(|_, a| a == asset);
        if add(add(add(held, claimed), in_batch(&|_| true)), amount) > limits.asset_max {
            return Err(Reject::Limit(Limit::Asset, limits.asset_max));
        }
        Ok(())
    }

    fn check_facts(
        &self,
        now_s: u64,
        owner: &Address,
        asset: &Asset,
        settle_by: u64,
    ) -> Result<(), Reject> {
        let chain = self.policy.chains.iter().find(|c| c.chain_id == asset.chain_id);
        let chain = chain.ok_or(Reject::UnsupportedChain(asset.chain_id))?;
        let ChainCustody::Escrow { notice_s, .. } = chain.custody else { return Ok(()) };
        let max = self.policy.fact_age_s_max;
        let Some((fact, _)) = self.facts.get(&(*owner, *asset)) else {
            return Err(Reject::StaleFacts { age: u64::MAX, max });
        };
        let age = now_s - fact.head_time;
        if age > max {
            return Err(Reject::StaleFacts { age, max });
        }
        if fact.withdrawal != Withdrawal::None {
            return Err(Reject::ForcedWithdrawal);
        }
        let latest = fact.head_time + notice_s - self.policy.notice_margin_s;
        if settle_by > latest {
            return Err(Reject::ResetPeriodTooShort { latest });
        }
        Ok(())
    }

    fn open_lock(&self, now_s: u64, lock_id: &LockId) -> Result<&ModelLock, Reject> {
        let lock = self.locks.get(lock_id).ok_or(Reject::LockNotFound)?;
        if !lock.status.is_open() {
            return Err(Reject::AlreadyTerminal(lock.status));
        }
        if now_s >= lock.claim_by {
            return Err(Reject::LockExpired);
        }
        Ok(lock)
    }

    fn decide_claim(
        &self,
        now_ms: u64,
        signer: Option<Address>,
        claim: &Claim,
    ) -> Result<Answer, Reject> {
        let now_s = now_ms / 1000;
        check_validity(now_s, &claim.request)?;
        let lock = self.locks.get(&claim.lock_id).ok_or(Reject::LockNotFound)?;
        if lock.terms.arbiter.is_zero() {
            return Err(Reject::Unauthorized);
        }
        let signer = signer.filter(|s| *s == lock.terms.arbiter).ok_or(Reject::InvalidSignature)?;
        self.open_lock(now_s, &claim.lock_id)?;
        self.check_endings(now_ms, &signer, 1)?;
        if claim.claim_index > lock.claims && self.rules >= RuleSet(3) {
            return Err(Reject::ClaimAhead { next: lock.claims });
        }
        if claim.claim_index != lock.claims {
            return Err(Reject::Validation(Field::ClaimIndex));
        }
        let beneficiary = lock.terms.beneficiary;
        if !beneficiary.is_zero() && claim.claimant != beneficiary {
            return Err(Reject::Validation(Field::Claimant));
        }
        if claim.amounts.len() != lock.parts.len() {
            return Err(Reject::Validation(Field::Amounts));
        }
        let mut left = U256::ZERO;
        for (leg, (amount, [remaining, ..])) in (0..).zip(claim.amounts.iter().zip(&lock.parts)) {
            let rest = remaining.checked_sub(*amount);
            let remaining = *remaining;
            left = add(left, rest.ok_or(Reject::ClaimExceeds { leg, remaining })?);
        }
        Ok(Answer::Claimed(if left.is_zero() { Status::Fulfilled } else { Status::Partial }))
    }

    fn decide_release(
        &self,
        now_ms: u64,
        signer: Option<Address>,
        lock_id: &LockId,
        request: &Request,
    ) -> Result<Answer, Reject> {
        let now_s = now_ms / 1000;
        check_validity(now_s, request)?;
        let lock = self.locks.get(lock_id).ok_or(Reject::LockNotFound)?;
        let taker = taker(lock).ok_or(Reject::Unauthorized)?;
        if signer != Some(taker) {
            return Err(Reject::InvalidSignature);
        }
        self.open_lock(now_s, lock_id)?;
        self.check_endings(now_ms, &taker, 1)?;
        Ok(Answer::Released(remaining(lock)))
    }

    fn decide_extend(
        &self,
        now_ms: u64,
        signer: Option<Address>,
        lock_id: &LockId,
        new_expires: u64,
        request: &Request,
    ) -> Result<Answer, Reject> {
        let now_s = now_ms / 1000;
        check_validity(now_s, request)?;
        let lock = self.locks.get(lock_id).ok_or(Reject::LockNotFound)?;
        let owner = lock.terms.owner;
        if signer != Some(owner) {
            return Err(Reject::InvalidSignature);
        }
        self.open_lock(now_s, lock_id)?;
        if now_s >= lock.expires {
            return Err(Reject::LockExpired);
        }
        self.check_quota(now_ms, &owner, 0, 1)?;
        let (min, max) = (lock.expires + 1, now_s + self.policy.lock_s_max);
        self.check_window(new_expires, min, max)?;
        let chain_id = lock.terms.condition.target_chain_id;
        let (claim_by, settle_by) = self.times(chain_id, new_expires)?;
        for (leg, [remaining, ..]) in lock.terms.legs.iter().zip(&lock.parts) {
            self.check_facts(now_s, &owner, &leg.asset, settle_by)?;
            if self.rules >= RuleSet(2) {
                self.check_backed(&owner, &leg.asset, *remaining)?;
            }
        }
        Ok(Answer::Extended(claim_by, settle_by))
    }

    /// As if what remains of the leg were free, and locked again.
    fn check_backed(&self, owner: &Address, asset: &Asset, requested: U256) -> Result<(), Reject> {
        let mut balance = self.balance(owner, asset);
        balance.held = balance.held.saturating_sub(requested);
        let (total, available) = (balance.total, balance.available());
        if requested > available {
            let held = total.saturating_sub(available);
            return Err(Reject::InsufficientAvailable { total, held, available, requested });
        }
        Ok(())
    }

    fn decide_cancel(
        &self,
        now_ms: u64,
        lock_id: &LockId,
        consents: &[SignedCancel],
        signers: &[SignedBy],
    ) -> Result<Answer, Reject> {
        let now_s = now_ms / 1000;
        let lock = self.locks.get(lock_id).ok_or(Reject::LockNotFound)?;
        let (owner, taker) = (lock.terms.owner, taker(lock));
        let by = |who: Address| {
            let at = signers.iter().position(|s| *s == SignedBy::Address(who));
            at.map(|at| consents[at].form)
        };
        if by(owner).is_none() && taker.and_then(by).is_none() {
            return Err(Reject::InvalidSignature);
        }
        self.open_lock(now_s, lock_id)?;
        let by_owner = by(owner).ok_or(Reject::ConsentRequired(Party::Owner))?;
        let taker = taker.ok_or(Reject::ConsentRequired(Party::NoOne))?;
        let by_taker = by(taker).ok_or(Reject::ConsentRequired(Party::Beneficiary))?;
        for form in [by_owner, by_taker] {
            if let CancelForm::Consent(request) = form {
                check_validity(now_s, &request)?;
            }
        }
        let requests = u32::from(matches!(by_owner, CancelForm::Consent(_)));
        self.check_endings(now_ms, &owner, requests)?;
        let taker_asks = taker != owner && matches!(by_taker, CancelForm::Consent(_));
        if taker_asks && self.rules >= RuleSet(2) {
            self.check_endings(now_ms, &taker, 1)?;
        }
        Ok(Answer::Cancelled(remaining(lock)))
    }

    fn decide_draft(
        &self,
        now_ms: u64,
        terms: &LockTerms,
        consent: &SignedCancel,
    ) -> Result<Answer, Reject> {
        let mut requests = 0;
        if let CancelForm::Consent(request) = &consent.form {
            check_validity(now_ms / 1000, request)?;
            requests = 1;
        }
        if let Some(lock) = self.locks.get(&terms.lock_id(&self.engine_id)) {
            return Err(match lock.status {
                Status::Active | Status::Partial | Status::Fulfilled => {
                    Reject::ConsentRequired(Party::Beneficiary)
                }
                ended => Reject::AlreadyTerminal(ended),
            });
        }
        self.check_nonce(now_ms / 1000, &terms.owner, terms.nonce, &[])?;
        self.check_endings(now_ms, &terms.owner, requests)?;
        self.check_draft_room(now_ms, terms)?;
        Ok(Answer::DraftCancelled)
    }

    /// An expiry is from `min` to `max`.
    fn check_window(&self, expires: u64, min: u64, max: u64) -> Result<(), Reject> {
        match expires {
            _ if expires > max => Err(Reject::ExpiryWindow { min, max }),
            _ if expires >= min => Ok(()),
            _ if self.rules >= RuleSet(3) => Err(Reject::ExpiryTooEarly { min, max }),
            _ => Err(Reject::ExpiryWindow { min, max }),
        }
    }

    fn decide_fact(
        &self,
        now_ms: u64,
        fact: &BalanceFact,
        signers: &[SignedBy],
    ) -> Result<Answer, Reject> {
        let now_s = now_ms / 1000;
        let chain_id = fact.asset.chain_id;
        if self.custody(chain_id) != Some(Custody::Escrow) {
            return Err(Reject::UnsupportedChain(chain_id));
        }
        let observers = &self.policy.observers;
        if !signers.iter().all(|s| address(s).is_some_and(|a| observers.contains(&a))) {
            return Err(Reject::Unauthorized);
        }
        let needed = usize::try_from(self.policy.observers_min).expect("few observers");
        if signers.len() < needed {
            return Err(Reject::Validation(Field::Signatures));
        }
        if fact.head_time > now_s {
            return Err(Reject::Validation(Field::HeadTime));
        }
        let (age, max) = (now_s - fact.head_time, self.policy.fact_age_s_max);
        let last = self.facts.get(&(fact.account, fact.asset)).map(|(last, _)| last);
        let newer = last.is_none_or(|last| {
            fact.head_number > last.head_number && fact.head_time >= last.head_time
        });
        if age > max || !newer {
            return Err(Reject::StaleFacts { age, max });
        }
        if self.rules >= RuleSet(2) {
            let step =
                |last: &BalanceFact| last.head_number + 16 * (fact.head_time - last.head_time + 60);
            let fits = last.is_none_or(|last| fact.head_number <= step(last));
            if !fits || fact.head_number > 16 * fact.head_time {
                return Err(Reject::Validation(Field::HeadNumber));
            }
        }
        self.check_fact_room(&fact.account, &fact.asset)?;
        Ok(Answer::FactRecorded)
    }

    fn decide_reading(
        &self,
        now_ms: u64,
        grant: &ReadingGrant,
        signers: &[SignedBy],
    ) -> Result<Answer, Reject> {
        check_validity(now_ms / 1000, &grant.request)?;
        self.check_operators(signers)?;
        if self.readings.len() >= READING_GRANTS_MAX {
            let max = U256::from(u64::try_from(READING_GRANTS_MAX).expect("a small bound"));
            return Err(Reject::Limit(Limit::ReadingGrants, max));
        }
        Ok(Answer::ReadingGranted)
    }

    fn check_operators(&self, signers: &[SignedBy]) -> Result<(), Reject> {
        let operators = &self.policy.operators;
        let needed = usize::try_from(self.policy.operators_min).expect("few operators");
        let all = signers.iter().all(|s| address(s).is_some_and(|a| operators.contains(&a)));
        if !all || needed == 0 || signers.len() < needed {
            return Err(Reject::Unauthorized);
        }
        Ok(())
    }

    fn decide_approval(
        &self,
        now_ms: u64,
        approval: &ImageApproval,
        signers: &[SignedBy],
    ) -> Result<Answer, Reject> {
        // The serial identifies an approval, so of its request only the end of validity is left.
        let (id, valid_until) = (RequestId::ZERO, approval.valid_until);
        check_validity(now_ms / 1000, &Request { id, valid_until })?;
        self.check_operators(signers)?;
        let (serial, minimum) = match &self.approved {
            Some((last, _)) => (last.serial + 1, last.minimum_version),
            None => (1, Version::parse("0.0.0").expect("it is one")),
        };
        if approval.serial != serial {
            return Err(Reject::Validation(Field::Serial));
        }
        let running = Version::parse(VERSION).expect("it is one");
        if !(minimum..=running).contains(&approval.minimum_version) {
            return Err(Reject::Validation(Field::MinimumVersion));
        }
        if approval.rules < self.rules {
            return Err(Reject::Validation(Field::Rules));
        }
        Ok(Answer::ImagesApproved)
    }
}

fn taker(lock: &ModelLock) -> Option<Address> {
    let (beneficiary, arbiter) = (lock.terms.beneficiary, lock.terms.arbiter);
    match (beneficiary.is_zero(), arbiter.is_zero()) {
        (false, _) => Some(beneficiary),
        (true, false) => Some(arbiter),
        (true, true) => None,
    }
}

fn remaining(lock: &ModelLock) -> Vec<U256> {
    lock.parts.iter().map(|[remaining, ..]| *remaining).collect()
}
