//! Claims and extensions.

use super::{Now, check_validity, grant, memory};
use crate::state::accounts::Account;
use crate::state::locks::Lock;
use crate::state::{Balance, State};
use alloc::boxed::Box;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::eip712::Claim;
use mortise_format::event::{Event, RequestKey};
use mortise_format::ids::{LockId, Signature};
use mortise_format::lock::{LockTerms, Status};
use mortise_format::reject::{Field, Reject};

/// Checks that the lock is open at `now`, even if a due timer has not run yet.
pub(super) fn check_open(lock: &Lock, now: Now) -> Result<(), Reject> {
    if !lock.status.is_open() {
        return Err(Reject::AlreadyTerminal(lock.status));
    }
    if now.s >= lock.claim_by {
        return Err(Reject::LockExpired);
    }
    Ok(())
}

/// Checks INV-11: claims per leg never exceed what remains.
pub(super) fn decide_claim(
    state: &State,
    now: Now,
    claim: &Claim,
    signature: Signature,
    request_key: &RequestKey,
) -> Result<Event, Reject> {
    check_validity(now, request_key.valid_until)?;
    let lock = state.lock(&claim.lock_id).ok_or(Reject::LockNotFound)?;
    if lock.terms.arbiter.is_zero() {
        return Err(Reject::Unauthorized);
    }
    if request_key.principal != lock.terms.arbiter {
        return Err(Reject::InvalidSignature);
    }
    check_open(lock, now)?;
    memory::check_quota_of_endings(state, now, state.principal(&request_key.principal), 1)?;
    if claim.claim_index > lock.claim_count && state.rules().has_final_refusals() {
        return Err(Reject::ClaimAhead { next: lock.claim_count });
    }
    if claim.claim_index != lock.claim_count {
        return Err(Reject::Validation(Field::ClaimIndex));
    }
    if !lock.terms.beneficiary.is_zero() && claim.claimant != lock.terms.beneficiary {
        return Err(Reject::Validation(Field::Claimant));
    }
    if claim.amounts.len() != lock.legs.len() {
        return Err(Reject::Validation(Field::Amounts));
    }
    for (i, (amount, leg)) in claim.amounts.iter().zip(lock.legs.iter()).enumerate() {
        if *amount > leg.remaining {
            let leg_number = u32::try_from(i).unwrap_or(u32::MAX);
            return Err(Reject::ClaimExceeds { leg: leg_number, remaining: leg.remaining });
        }
    }
    let whole =
        claim.amounts.iter().zip(lock.legs.iter()).all(|(amount, leg)| *amount == leg.remaining);
    let status = if whole { Status::Fulfilled } else { Status::Partial };
    Ok(Event::LockClaimed { claim: claim.clone(), signature, request_key: *request_key, status })
}

/// Checks INV-01 for what remains of a leg as if it were granted now: the balance may have fallen
/// since, and an extension is a new promise.
fn check_backed(
    state: &State,
    account: Option<&Account>,
    asset: &Asset,
    remaining: U256,
) -> Result<(), Reject> {
    let Balance { total, held, claimed, withdrawing, .. } = state.balance_of(account, asset);
    let others = held.saturating_sub(remaining);
    let available =
        total.saturating_sub(others).saturating_sub(claimed).saturating_sub(withdrawing);
    if remaining > available {
        let (held, requested) = (total.saturating_sub(available), remaining);
        return Err(Reject::InsufficientAvailable { total, held, available, requested });
    }
    Ok(())
}

pub(super) fn decide_extend(
    state: &State,
    now: Now,
    lock_id: LockId,
    new_expires: u64,
    signature: Signature,
    request_key: &RequestKey,
) -> Result<Event, Reject> {
    check_validity(now, request_key.valid_until)?;
    let lock = state.lock(&lock_id).ok_or(Reject::LockNotFound)?;
    if request_key.principal != lock.terms.owner {
        return Err(Reject::InvalidSignature);
    }
    check_open(lock, now)?;
    if now.s >= lock.expires {
        return Err(Reject::LockExpired);
    }
    memory::check_quota(state, now, state.principal(&request_key.principal), 0, 1)?;
    let min = lock.expires.saturating_add(1);
    let max = now.s.saturating_add(state.policy().lock_s_max);
    grant::check_window(state, new_expires, min, max)?;
    let target = lock.terms.condition.target_chain_id;
    let (claim_by, settle_by) = grant::times_of(state, target, new_expires)?;
    for (leg, held) in lock.terms.legs.iter().zip(lock.legs.iter()) {
        let account = state.account(&lock.terms.owner, &leg.asset);
        grant::check_facts(state, now, account, &leg.asset, settle_by)?;
        if state.rules().backs_extensions() {
            check_backed(state, account, &leg.asset, held.remaining)?;
        }
    }
    let terms = LockTerms { expires: new_expires, ..lock.terms.as_ref().clone() };
    let terms = Box::new(terms);
    let (custody, request_key, status) = (lock.custody, *request_key, lock.status);
    let event = Event::LockExtended {
        lock_id,
        terms,
        claim_by,
        settle_by,
        custody,
        signature,
        request_key,
        status,
    };
    Ok(event)
}
