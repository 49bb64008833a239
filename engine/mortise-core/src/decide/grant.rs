//! Granting locks: one or a batch, all or none (INV-01 to 06, 13).

use super::{Now, check_validity, memory, request_of, room};
use crate::admit::AdmittedLock;
use crate::state::State;
use crate::state::accounts::Account;
use crate::state::principals::Principal;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::eip712::Request;
use mortise_format::event::{Authority, Event, GrantedLock, RequestKey};
use mortise_format::fact::Withdrawal;
use mortise_format::ids::{Address, Bytes32, RequestId};
use mortise_format::lock::{Custody, LegTerms, LockTerms};
use mortise_format::policy::ChainCustody;
use mortise_format::reject::{Field, Limit, Reject};

pub(super) fn decide(
    state: &State,
    now: Now,
    locks: &[AdmittedLock],
    batch: Bytes32,
    request_keys: &Arc<[RequestKey]>,
) -> Result<Event, Reject> {
    let mut reserved = BatchReservations::default();
    let mut granted = Vec::with_capacity(locks.len());
    for (i, lock) in locks.iter().enumerate() {
        let one = decide_one(state, now, lock, &reserved)?;
        if i + 1 < locks.len() {
            reserved.add(&lock.terms, one.custody);
        }
        granted.push(one);
    }
    Ok(Event::LocksGranted { locks: granted, batch, request_keys: Arc::clone(request_keys) })
}

fn decide_one(
    state: &State,
    now: Now,
    lock: &AdmittedLock,
    reserved: &BatchReservations,
) -> Result<GrantedLock, Reject> {
    let terms = &lock.terms;
    if let Some(request) = request_of(&lock.authority) {
        check_validity(now, request.valid_until)?;
    }
    let times = check_times(state, now, terms, lock.authority)?;
    let custody = custody_of(state, terms)?;
    let grant = GrantContext::new(state, now, terms, reserved);
    grant.check_nonce()?;
    grant.check_owner(lock.authority)?;
    grant.check_room()?;
    for leg in &terms.legs {
        grant.check_leg(leg, times.settle_by)?;
    }
    Ok(GrantedLock {
        lock_id: lock.lock_id,
        terms: Arc::clone(&lock.terms),
        authority: lock.authority,
        signature: lock.signature,
        claim_by: times.claim_by,
        settle_by: times.settle_by,
        custody,
    })
}

/// Every check of a signed intent that fails, in the order of the ladder.
pub(super) fn failed_checks(state: &State, now: Now, terms: &LockTerms) -> Vec<Reject> {
    let request = Request { id: RequestId::ZERO, valid_until: now.s };
    let authority = Authority::Intent(request);
    let reserved = BatchReservations::default();
    let times = check_times(state, now, terms, authority);
    let settle_by = times.as_ref().map_or(terms.expires, |times| times.settle_by);
    let grant = GrantContext::new(state, now, terms, &reserved);
    let checks = [
        times.map(|_| ()),
        custody_of(state, terms).map(|_| ()),
        grant.check_nonce(),
        grant.check_owner(authority),
        grant.check_room(),
    ];
    let legs = terms.legs.iter().map(|leg| grant.check_leg(leg, settle_by));
    checks.into_iter().chain(legs).filter_map(Result::err).collect()
}

/// The checks of a draft, before any signature: times, custody, limits, availability.
///
/// # Errors
/// The first failing check, as at signing.
pub fn check_draft(state: &State, now_ms: u64, terms: &LockTerms) -> Result<(), Reject> {
    let now = Now { ms: now_ms, s: now_ms / 1000 };
    let min = now.s.saturating_add(state.policy().lock_s_min);
    let max = now.s.saturating_add(state.policy().lock_s_max);
    check_window(state, terms.expires, min, max)?;
    let times = check_times(state, now, terms, Authority::Approval)?;
    custody_of(state, terms)?;
    let reserved = BatchReservations::default();
    let grant = GrantContext::new(state, now, terms, &reserved);
    grant.check_owner(Authority::Approval)?;
    grant.check_room()?;
    terms.legs.iter().try_for_each(|leg| grant.check_leg(leg, times.settle_by))
}

/// The checks of a draft that do not look at its owner: times, custody, single limits.
///
/// # Errors
/// The first failing check.
pub fn check_draft_terms(state: &State, now_ms: u64, terms: &LockTerms) -> Result<(), Reject> {
    let now = Now { ms: now_ms, s: now_ms / 1000 };
    let min = now.s.saturating_add(state.policy().lock_s_min);
    let max = now.s.saturating_add(state.policy().lock_s_max);
    check_window(state, terms.expires, min, max)?;
    check_times(state, now, terms, Authority::Approval)?;
    custody_of(state, terms)?;
    terms.legs.iter().try_for_each(|leg| check_single(state, leg))
}

/// Amounts that earlier locks of the same batch take.
#[derive(Debug, Default)]
pub(super) struct BatchReservations {
    nonces: Vec<(Address, u64)>,
    classes: Vec<(Address, Custody)>,
    amounts: Vec<(Address, LegTerms)>,
}

impl BatchReservations {
    fn add(&mut self, terms: &LockTerms, custody: Custody) {
        self.nonces.push((terms.owner, terms.nonce));
        self.classes.push((terms.owner, custody));
        self.amounts.extend(terms.legs.iter().map(|leg| (terms.owner, *leg)));
    }

    /// Sum over earlier legs that `select` picks; saturates, so that a sum that overflows is
    /// refused as too much.
    fn sum(&self, select: impl Fn(&Address, &Asset) -> bool) -> U256 {
        let picked = self.amounts.iter().filter(|(owner, leg)| select(owner, &leg.asset));
        picked.fold(U256::ZERO, |sum, (_, leg)| sum.checked_add(leg.amount).unwrap_or(U256::MAX))
    }

    fn nonces_of(&self, owner: &Address) -> impl Iterator<Item = u64> {
        self.nonces.iter().filter(move |(o, _)| o == owner).map(|(_, nonce)| *nonce)
    }

    /// Locks of an owner.
    pub fn locks_of(&self, owner: &Address) -> u32 {
        u32::try_from(self.nonces_of(owner).count()).unwrap_or(u32::MAX)
    }

    /// Locks of a custody class.
    pub fn locks_in(&self, custody: Custody) -> u32 {
        let count = self.classes.iter().filter(|(_, class)| *class == custody).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Owners of a custody class whom the state does not know.
    pub fn new_owners_in(&self, state: &State, custody: Custody) -> u32 {
        let in_class = self.classes.iter().filter(|(_, class)| *class == custody);
        let owners: BTreeSet<&Address> = in_class.map(|(owner, _)| owner).collect();
        let count = owners.into_iter().filter(|owner| state.principal(owner).is_none()).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Accounts of a custody class that the state does not hold.
    fn new_accounts_in(&self, state: &State, custody: Custody) -> u32 {
        let is_new = |owner: &Address, asset: &Asset| {
            state.class_of(asset) == custody && state.account(owner, asset).is_none()
        };
        let legs = self.amounts.iter().map(|(owner, leg)| (*owner, leg.asset));
        let new: BTreeSet<_> = legs.filter(|(owner, asset)| is_new(owner, asset)).collect();
        u32::try_from(new.len()).unwrap_or(u32::MAX)
    }
}

/// End of claims and of the hold for claims, seconds.
struct Times {
    claim_by: u64,
    settle_by: u64,
}

/// Checks that the expiry is in the window. An approval was checked against the shortest lock when
/// its draft was made. Some of that time has passed since, so only the upper bound applies here.
fn check_times(
    state: &State,
    now: Now,
    terms: &LockTerms,
    authority: Authority,
) -> Result<Times, Reject> {
    if terms.expires <= now.s {
        return Err(Reject::LockExpired);
    }
    let policy = state.policy();
    let min = match authority {
        Authority::Intent(_) => now.s.saturating_add(policy.lock_s_min),
        Authority::Approval => now.s,
    };
    let max = now.s.saturating_add(policy.lock_s_max);
    check_window(state, terms.expires, min, max)?;
    times_of(state, terms.condition.target_chain_id, terms.expires)
        .map(|(claim_by, settle_by)| Times { claim_by, settle_by })
}

/// Checks that an expiry is from `min` to `max`, seconds.
pub(super) fn check_window(state: &State, expires: u64, min: u64, max: u64) -> Result<(), Reject> {
    if expires < min && state.rules().has_final_refusals() {
        return Err(Reject::ExpiryTooEarly { min, max });
    }
    match (min..=max).contains(&expires) {
        true => Ok(()),
        false => Err(Reject::ExpiryWindow { min, max }),
    }
}

/// `claimBy` and `settleBy` for an expiry, from the policy of the chain of the fill.
pub(super) fn times_of(
    state: &State,
    target_chain_id: u64,
    expires: u64,
) -> Result<(u64, u64), Reject> {
    let policy = state.policy();
    let chain = policy.chain(target_chain_id).ok_or(Reject::UnsupportedChain(target_chain_id))?;
    let too_far = Reject::Validation(Field::Expires);
    let claim_by = expires.checked_add(chain.claim_window_s).ok_or(too_far)?;
    let settle_by = claim_by.checked_add(policy.settlement_buffer_s).ok_or(too_far)?;
    Ok((claim_by, settle_by))
}

/// The custody class of the whole lock. Classes are not mixed, because a promise is only as good as
/// its weakest leg.
fn custody_of(state: &State, terms: &LockTerms) -> Result<Custody, Reject> {
    let mut custody = None;
    for leg in &terms.legs {
        let chain_id = leg.asset.chain_id;
        let chain = state.policy().chain(chain_id).ok_or(Reject::UnsupportedChain(chain_id))?;
        let class = match chain.custody {
            ChainCustody::Open => Custody::Open,
            ChainCustody::Escrow { .. } => Custody::Escrow,
        };
        if *custody.get_or_insert(class) != class {
            return Err(Reject::Validation(Field::Assets));
        }
    }
    custody.ok_or(Reject::Validation(Field::Assets))
}

/// One lock, with its owner looked up once for all checks that need it.
struct GrantContext<'a> {
    state: &'a State,
    now: Now,
    terms: &'a LockTerms,
    owner: Option<&'a Principal>,
    reserved: &'a BatchReservations,
}

impl<'a> GrantContext<'a> {
    fn new(
        state: &'a State,
        now: Now,
        terms: &'a LockTerms,
        reserved: &'a BatchReservations,
    ) -> Self {
        Self { state, now, terms, owner: state.principal(&terms.owner), reserved }
    }

    fn check_nonce(&self) -> Result<(), Reject> {
        let mut nonces = self.owner.map(|p| p.nonces).unwrap_or_default();
        // Using a nonce can move the window past another nonce of the same batch.
        let (rules, earlier) = (self.state.rules(), self.reserved.nonces_of(&self.terms.owner));
        earlier.for_each(|nonce| nonces.take(rules, nonce));
        nonces.check(rules, self.now.s, self.terms.nonce)
    }

    fn check_owner(&self, authority: Authority) -> Result<(), Reject> {
        let open = self.owner.map_or(0, |p| p.open_count);
        let before = self.reserved.locks_of(&self.terms.owner);
        let open = open.saturating_add(before);
        let max = self.state.policy().concurrent_max;
        if open >= max {
            return Err(Reject::Limit(Limit::Concurrent, U256::from(u64::from(max))));
        }
        let requests = match authority {
            Authority::Intent(_) => before.saturating_add(1),
            Authority::Approval => 0,
        };
        memory::check_quota(self.state, self.now, self.owner, before, requests)
    }

    /// Checks that the state has room for the lock and for what comes with it.
    fn check_room(&self) -> Result<(), Reject> {
        let Self { state, now, terms, owner, reserved } = *self;
        let Ok(custody) = custody_of(state, terms) else { return Ok(()) };
        room::check_lock(state, now, terms, custody, owner, reserved)?;
        let new = terms.legs.iter().filter(|leg| self.account(&leg.asset).is_none());
        for (n, leg) in (0u32..).zip(new) {
            let before = reserved.new_accounts_in(state, custody).saturating_add(n);
            room::check_account(state, &leg.asset, before)?;
        }
        Ok(())
    }

    /// The owner's account. It can exist although its owner never signed a command: by a fact.
    fn account(&self, asset: &Asset) -> Option<&'a Account> {
        match self.owner {
            Some(_) => self.state.account_of(self.owner, asset),
            None => self.state.account(&self.terms.owner, asset),
        }
    }

    /// Limits in the asset's own units (INV-13), then what is free (INV-01, 02, 04).
    fn check_leg(&self, leg: &LegTerms, settle_by: u64) -> Result<(), Reject> {
        let Self { state, now, terms, reserved, .. } = *self;
        check_single(state, leg)?;
        let limits = state.policy().limits(&leg.asset);
        let account = self.account(&leg.asset);
        check_facts(state, now, account, &leg.asset, settle_by)?;
        let balance = state.balance_of(account, &leg.asset);
        let mine = reserved.sum(|owner, asset| *owner == terms.owner && *asset == leg.asset);
        let available = balance.available.saturating_sub(mine);
        if leg.amount > available {
            let taken = balance.total.saturating_sub(available);
            return Err(Reject::InsufficientAvailable {
                total: balance.total,
                held: taken,
                available,
                requested: leg.amount,
            });
        }
        let promised = balance.held.checked_add(balance.claimed).unwrap_or(U256::MAX);
        check_limit(promised, mine, leg.amount, limits.account_max, Limit::Account)?;
        let others = reserved.sum(|_, asset| *asset == leg.asset);
        let total = state.promised_by(account, &leg.asset);
        check_limit(total, others, leg.amount, limits.asset_max, Limit::Asset)
    }
}

fn check_single(state: &State, leg: &LegTerms) -> Result<(), Reject> {
    let max = state.policy().limits(&leg.asset).single_max;
    if leg.amount > max { Err(Reject::Limit(Limit::Single, max)) } else { Ok(()) }
}

fn check_limit(
    promised: U256,
    reserved: U256,
    amount: U256,
    max: U256,
    which: Limit,
) -> Result<(), Reject> {
    let sum = promised.checked_add(reserved).and_then(|sum| sum.checked_add(amount));
    match sum {
        Some(sum) if sum <= max => Ok(()),
        _ => Err(Reject::Limit(which, max)),
    }
}

/// Checks INV-03: balance and withdrawal status come from one fresh block, and the owner cannot
/// withdraw before `settleBy`.
pub(super) fn check_facts(
    state: &State,
    now: Now,
    account: Option<&Account>,
    asset: &Asset,
    settle_by: u64,
) -> Result<(), Reject> {
    let policy = state.policy();
    let chain = policy.chain(asset.chain_id).ok_or(Reject::UnsupportedChain(asset.chain_id))?;
    let ChainCustody::Escrow { notice_s, .. } = chain.custody else { return Ok(()) };
    let max = policy.fact_age_s_max;
    let Some(fact) = account.and_then(|a| a.fact.as_ref()) else {
        return Err(Reject::StaleFacts { age: u64::MAX, max });
    };
    let age = now.s.saturating_sub(fact.head_time);
    if age > max {
        return Err(Reject::StaleFacts { age, max });
    }
    if fact.withdrawal != Withdrawal::None {
        return Err(Reject::ForcedWithdrawal);
    }
    let earliest_exit = fact.head_time.saturating_add(notice_s);
    let latest = earliest_exit.saturating_sub(policy.notice_margin_s);
    if settle_by > latest {
        return Err(Reject::ResetPeriodTooShort { latest });
    }
    Ok(())
}
