//! Release by the beneficiary, cancel by owner and taker, cancel of a draft by its owner.

use super::claim::check_open;
use super::{Now, check_validity, memory, room};
use crate::admit::AdmittedConsent;
use crate::state::State;
use crate::state::locks::Lock;
use alloc::boxed::Box;
use alloc::vec::Vec;
use mortise_format::U256;
use mortise_format::event::{Event, RequestKey};
use mortise_format::ids::{Address, LockId, Signature};
use mortise_format::lock::LockTerms;
use mortise_format::reject::{Party, Reject};

/// The party that consents for the taker: the beneficiary; the arbiter for an open-taker lock;
/// otherwise no one.
fn taker(lock: &Lock) -> Option<Address> {
    [lock.terms.beneficiary, lock.terms.arbiter].into_iter().find(|a| !a.is_zero())
}

fn remaining(lock: &Lock) -> Vec<U256> {
    lock.legs.iter().map(|leg| leg.remaining).collect()
}

pub(super) fn decide_release(
    state: &State,
    now: Now,
    lock_id: LockId,
    signature: Signature,
    request_key: &RequestKey,
) -> Result<Event, Reject> {
    check_validity(now, request_key.valid_until)?;
    let lock = state.lock(&lock_id).ok_or(Reject::LockNotFound)?;
    let taker = taker(lock).ok_or(Reject::Unauthorized)?;
    if request_key.principal != taker {
        return Err(Reject::InvalidSignature);
    }
    check_open(lock, now)?;
    memory::check_quota_of_endings(state, now, state.principal(&request_key.principal), 1)?;
    Ok(Event::LockReleased {
        lock_id,
        signature,
        request_key: *request_key,
        freed: remaining(lock),
    })
}

/// Needs the owner's consent and the taker's; the owner's alone when the owner is the taker.
pub(super) fn decide_cancel(
    state: &State,
    now: Now,
    lock_id: LockId,
    consents: &[AdmittedConsent],
) -> Result<Event, Reject> {
    let lock = state.lock(&lock_id).ok_or(Reject::LockNotFound)?;
    let by = |who: Address| consents.iter().find(|c| c.signer == who);
    let taker = taker(lock);
    let owner_consent = by(lock.terms.owner);
    let taker_consent = taker.and_then(by);
    if owner_consent.is_none() && taker_consent.is_none() {
        return Err(Reject::InvalidSignature);
    }
    check_open(lock, now)?;
    let owner_consent = owner_consent.ok_or(Reject::ConsentRequired(Party::Owner))?;
    let Some(taker) = taker else { return Err(Reject::ConsentRequired(Party::NoOne)) };
    let mut used: Vec<&AdmittedConsent> = alloc::vec![owner_consent];
    if taker != lock.terms.owner {
        used.push(taker_consent.ok_or(Reject::ConsentRequired(Party::Beneficiary))?);
    }
    for request_key in used.iter().filter_map(|c| c.request_key.as_ref()) {
        check_validity(now, request_key.valid_until)?;
    }
    let requests = u32::from(owner_consent.request_key.is_some());
    memory::check_quota_of_endings(state, now, state.principal(&lock.terms.owner), requests)?;
    let mut request_keys: Vec<RequestKey> = owner_consent.request_key.into_iter().collect();
    if state.rules().remembers_every_consent() {
        // Each id answers one request of its signer (INV-07), also when another party sent it.
        for request_key in used.iter().skip(1).filter_map(|c| c.request_key) {
            let principal = state.principal(&request_key.principal);
            memory::check_quota_of_endings(state, now, principal, 1)?;
            request_keys.push(request_key);
        }
    }
    let principal = lock.terms.owner;
    let consents = used.iter().map(|c| c.consent).collect();
    let freed = remaining(lock);
    Ok(Event::LockCancelled { lock_id, consents, principal, request_keys, freed })
}

/// A draft has no hold, so its owner alone cancels it. Its nonce is burned.
pub(super) fn decide_draft(
    state: &State,
    now: Now,
    lock_id: LockId,
    terms: &LockTerms,
    consent: &AdmittedConsent,
) -> Result<Event, Reject> {
    if let Some(request_key) = &consent.request_key {
        check_validity(now, request_key.valid_until)?;
    }
    if let Some(lock) = state.lock(&lock_id) {
        return Err(match lock.status.is_terminal() {
            true => Reject::AlreadyTerminal(lock.status),
            false => Reject::ConsentRequired(Party::Beneficiary),
        });
    }
    let known = state.principal(&terms.owner);
    let nonces = known.map(|p| p.nonces).unwrap_or_default();
    nonces.check(state.rules(), now.s, terms.nonce)?;
    memory::check_quota_of_endings(state, now, known, u32::from(consent.request_key.is_some()))?;
    room::check_draft(state, now, terms)?;
    let (terms, request_key) = (Box::new(terms.clone()), consent.request_key);
    Ok(Event::DraftCancelled { lock_id, terms, consent: consent.consent, request_key })
}
