//! Facts: k of n observers of the policy, about a head that is newer than the last.

use super::{Now, room};
use crate::state::State;
use crate::state::accounts::RecordedFact;
use alloc::vec::Vec;
use mortise_format::event::Event;
use mortise_format::fact::BalanceFact;
use mortise_format::ids::{Address, Signature};
use mortise_format::limits::{HEAD_STEP_SLACK_S, HEADS_PER_SECOND_MAX};
use mortise_format::policy::ChainCustody;
use mortise_format::reject::{Field, Reject};

pub(super) fn decide(
    state: &State,
    now: Now,
    fact: &BalanceFact,
    signatures: &[Signature],
    signers: &[Address],
) -> Result<Event, Reject> {
    let policy = state.policy();
    let chain_id = fact.asset.chain_id;
    let chain = policy.chain(chain_id).ok_or(Reject::UnsupportedChain(chain_id))?;
    if !matches!(chain.custody, ChainCustody::Escrow { .. }) {
        return Err(Reject::UnsupportedChain(chain_id));
    }
    // Signatures of other parties do not count towards k and do not enter the log.
    if !signers.iter().all(|s| policy.observers.binary_search(s).is_ok()) {
        return Err(Reject::Unauthorized);
    }
    let needed = usize::try_from(policy.observers_min).unwrap_or(usize::MAX);
    if signers.len() < needed || needed == 0 {
        return Err(Reject::Validation(Field::Signatures));
    }
    // A block time in the future would keep the fact fresh for longer than the policy allows.
    if fact.head_time > now.s {
        return Err(Reject::Validation(Field::HeadTime));
    }
    let (age, max) = (now.s.saturating_sub(fact.head_time), policy.fact_age_s_max);
    let last = state.account(&fact.account, &fact.asset).and_then(|a| a.fact.as_deref());
    let is_older = last.is_some_and(|last| {
        fact.head_number <= last.head_number || fact.head_time < last.head_time
    });
    if age > max || is_older {
        return Err(Reject::StaleFacts { age, max });
    }
    if state.rules().bounds_heads() && fact.head_number > highest_head(fact, last) {
        return Err(Reject::Validation(Field::HeadNumber));
    }
    if state.account(&fact.account, &fact.asset).is_none() {
        room::check_account(state, &fact.asset, 0)?;
    }
    let signatures: Vec<Signature> = signatures.to_vec();
    Ok(Event::FactRecorded { fact: *fact, signatures })
}

/// The highest number that a head can have, by the time of the head and by the last fact. A number
/// beyond it would make every true head after it older, until the chain gets there.
fn highest_head(fact: &BalanceFact, last: Option<&RecordedFact>) -> u64 {
    let by_time = fact.head_time.saturating_mul(HEADS_PER_SECOND_MAX);
    let Some(last) = last else { return by_time };
    let seconds = fact.head_time.saturating_sub(last.head_time).saturating_add(HEAD_STEP_SLACK_S);
    let step = seconds.saturating_mul(HEADS_PER_SECOND_MAX);
    by_time.min(last.head_number.saturating_add(step))
}
