//! Room in the state: refused by name before memory grows (from rule set 3).

use super::Now;
use super::grant::BatchReservations;
use crate::state::State;
use crate::state::principals::Principal;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::ids::Address;
use mortise_format::lock::{Custody, LockTerms};
use mortise_format::reject::{Limit, Reject};

fn check(held: u32, more: u32, max: u32, which: Limit) -> Result<(), Reject> {
    match held.saturating_add(more) <= max {
        true => Ok(()),
        false => Err(Reject::Limit(which, U256::from(u64::from(max)))),
    }
}

/// Room for one more lock of the class, for the owner's record, and for those of its takers: they
/// get records when they act on the lock, and no claim may be refused for lack of room.
pub(super) fn check_lock(
    state: &State,
    now: Now,
    terms: &LockTerms,
    custody: Custody,
    owner: Option<&Principal>,
    reserved: &BatchReservations,
) -> Result<(), Reject> {
    if !state.rules().has_room_limits() {
        return Ok(());
    }
    let (held, limits) = (state.held_of(custody), state.limits_of(custody));
    let earlier = reserved.locks_in(custody);
    let with_this = earlier.saturating_add(1);
    check(held.locks, with_this, limits.locks_max, Limit::Locks)?;
    // In custody `escrow` an owner has a fact, or gets STALE_FACTS.
    let is_newcomer = custody == Custody::Open && owner.is_none();
    let has_room = |more| check(held.principals, more, limits.principals_max, Limit::Principals);
    // With room for as many owners as locks, no one needs to be looked up.
    if !is_newcomer && has_room(with_this).is_ok() {
        return Ok(());
    }
    let is_new = |who: &Address| !who.is_zero() && state.principal(who).is_none();
    if owner.is_some() && ![terms.beneficiary, terms.arbiter].iter().any(is_new) {
        return Ok(());
    }
    let new_before = reserved.new_owners_in(state, custody);
    let is_first = reserved.locks_of(&terms.owner) == 0;
    let counted = owner.is_none() && !is_first;
    has_room(new_before.saturating_add(u32::from(!counted)))?;
    match is_newcomer && is_first {
        true => check_newcomer(state, now, new_before),
        false => Ok(()),
    }
}

/// Room for the record of an owner who burns a nonce.
pub(super) fn check_draft(state: &State, now: Now, terms: &LockTerms) -> Result<(), Reject> {
    if !state.rules().has_room_limits() || state.principal(&terms.owner).is_some() {
        return Ok(());
    }
    let custody = state.class_of_draft(terms);
    let (held, limits) = (state.held_of(custody), state.limits_of(custody));
    check(held.principals, 1, limits.principals_max, Limit::Principals)?;
    match state.has_fact(&terms.owner, terms) {
        true => Ok(()),
        false => check_newcomer(state, now, 0),
    }
}

fn check_newcomer(state: &State, now: Now, before: u32) -> Result<(), Reject> {
    let max = state.policy().service().state.new_principals_per_minute_max;
    let taken = state.newcomers_in(now.minute());
    check(taken, before.saturating_add(1), max, Limit::NewPrincipals)
}

/// Room for an account that the state does not hold, with so many new ones before it in the batch.
pub(super) fn check_account(state: &State, asset: &Asset, before: u32) -> Result<(), Reject> {
    if !state.rules().has_room_limits() {
        return Ok(());
    }
    let custody = state.class_of(asset);
    let (held, limits) = (state.held_of(custody), state.limits_of(custody));
    check(held.accounts, before.saturating_add(1), limits.accounts_max, Limit::Accounts)
}
