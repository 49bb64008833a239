//! Idempotency: answered requests are answered again, final refusals included (INV-07).
//!
//! From rule set 3, a refusal that is not final binds the id to its content and is decided again.

use super::{Decision, Now, command_in, images, reading, request_keys_of};
use crate::admit::{Admitted, Inner, Kind};
use crate::state::State;
use crate::state::principals::Principal;
use crate::state::requests::{Quota, Remembered};
use alloc::boxed::Box;
use mortise_format::U256;
use mortise_format::event::{Content, Event, LogPosition, RequestKey};
use mortise_format::limits::REFUSAL_QUOTA_PART;
use mortise_format::lock::Status;
use mortise_format::reject::{Field, Limit, Reject};

/// The position of the earlier answer to the command, if there is one.
pub(super) fn recall(
    state: &State,
    now: Now,
    admitted: &Admitted,
) -> Result<Option<LogPosition>, Reject> {
    match &admitted.0 {
        Inner::Grant { locks, request_keys, .. } if request_keys.is_empty() => {
            // An approval has no request id. Its lock id covers every term and the owner, who
            // signed: another signature of the same lock is the same request.
            let any_bytes = state.rules().has_final_refusals();
            let repeated = locks.first().and_then(|new| {
                let old = state.lock(&new.lock_id)?;
                let same = any_bytes || old.signature == new.signature;
                (old.by_approval && same).then_some(old.granted_at())
            });
            Ok(repeated)
        }
        Inner::Grant { request_keys, .. } => recall_all(state, now, request_keys, Kind::Commit),
        Inner::Claim { request_key, .. } => recall_one(state, now, request_key, Kind::Claim),
        Inner::Release { request_key, .. } => recall_one(state, now, request_key, Kind::Release),
        Inner::Extend { request_key, .. } => recall_one(state, now, request_key, Kind::Extend),
        Inner::Cancel { consents, .. } => {
            let mut request_keys = consents.iter().filter_map(|c| c.request_key.as_ref());
            request_keys
                .find_map(|request_key| {
                    recall_one(state, now, request_key, Kind::Cancel).transpose()
                })
                .transpose()
        }
        Inner::CancelDraft { consent, .. } => match &consent.request_key {
            Some(request_key) => recall_one(state, now, request_key, Kind::Cancel),
            None => Ok(None),
        },
        Inner::RecordFact { fact, .. } => {
            let last = state.account(&fact.account, &fact.asset).and_then(|a| a.fact.as_deref());
            Ok(last.filter(|last| last.matches(fact)).map(|last| last.at))
        }
        Inner::GrantReading { grant, .. } => reading::recall(state, grant),
        Inner::ApproveImages { approval, .. } => images::recall(state, approval),
    }
}

/// Every id of a batch must be new, or all must have been answered by one event.
fn recall_all(
    state: &State,
    now: Now,
    request_keys: &[RequestKey],
    kind: Kind,
) -> Result<Option<LogPosition>, Reject> {
    let Some((first, rest)) = request_keys.split_first() else { return Ok(None) };
    let answered = recall_one(state, now, first, kind)?;
    for request_key in rest {
        let same = request_keys
            .iter()
            .filter(|m| (m.principal, m.id) == (request_key.principal, request_key.id));
        let at = recall_one(state, now, request_key, kind)?;
        if same.count() > 1 || at != answered {
            return Err(Reject::RequestIdReused(Field::Batch));
        }
    }
    Ok(answered)
}

fn recall_one(
    state: &State,
    now: Now,
    request_key: &RequestKey,
    kind: Kind,
) -> Result<Option<LogPosition>, Reject> {
    let Some(found) = known(state, now, request_key) else { return Ok(None) };
    if found.content.digest == request_key.content.digest {
        return Ok(found.refusals.is_none().then_some(found.at));
    }
    Err(Reject::RequestIdReused(differing_field(&found.content, &request_key.content, kind)))
}

/// What is remembered of a request while it is valid.
fn known<'a>(state: &'a State, now: Now, request_key: &RequestKey) -> Option<&'a Remembered> {
    let found = state.requests().find(&request_key.principal, &request_key.id);
    found.filter(|remembered| remembered.valid_until >= now.s)
}

/// The first field whose tag differs; the request id itself when two contents share all tags.
fn differing_field(old: &Content, new: &Content, kind: Kind) -> Field {
    let tags = old.tags.iter().zip(&new.tags);
    let differing = tags.zip(kind.fields()).find(|((a, b), _)| a != b);
    differing.map_or(Field::RequestId, |(_, field)| *field)
}

/// Logs and remembers a reject when it depends on the state and the engine knows the principal, so
/// that unknown signers cannot fill the log with rejects.
///
/// A reject that is not final is logged once for its reason, and a few times for its request: who
/// holds signed bytes can show them for as long as they are valid.
pub(super) fn refuse(state: &State, now: Now, admitted: &Admitted, reject: Reject) -> Decision {
    let plain = Decision::Refuse { reject, logged: None };
    let [request_key] = request_keys_of(&admitted.0) else { return plain };
    let lock = admitted.lock_id().and_then(|id| state.lock(&id));
    let is_party = lock
        .is_some_and(|l| l.terms.has_party(&request_key.principal) && l.status != Status::Settled);
    let is_known = is_party || state.principal(&request_key.principal).is_some();
    let is_state = reject.is_caused_by_state() && reject != Reject::LockNotFound;
    if !is_known || !is_state || super::check_validity(now, request_key.valid_until).is_err() {
        return plain;
    }
    let known = known(state, now, request_key);
    if let Some(refusals) = known.and_then(|known| known.refusals.as_ref()) {
        let logged = refusals.find(reject.code());
        if logged.is_some() || !(refusals.has_room() || reject.is_final()) {
            return Decision::Refuse { reject, logged };
        }
    }
    let quota = if state.rules().has_final_refusals() { Quota::Refusals } else { Quota::Grants };
    let more = u32::from(known.is_none());
    let principal = state.principal(&request_key.principal);
    if check_quota_of(state, now, principal, quota, 0, more).is_err() {
        return plain;
    }
    match command_in(&admitted.0) {
        Some(command) => {
            let (request_key, command) = (*request_key, Box::new(command));
            Decision::Event(Event::CommandRefused { request_key, reject, command })
        }
        None => plain,
    }
}

/// Checks rate and memory of a principal for what begins or extends promises (INV-13). `earlier`
/// locks of the same batch count too.
pub(super) fn check_quota(
    state: &State,
    now: Now,
    known: Option<&Principal>,
    earlier: u32,
    requests: u32,
) -> Result<(), Reject> {
    check_quota_of(state, now, known, Quota::Grants, earlier, requests)
}

/// As [`check_quota`], for what ends a promise.
pub(super) fn check_quota_of_endings(
    state: &State,
    now: Now,
    known: Option<&Principal>,
    requests: u32,
) -> Result<(), Reject> {
    check_quota_of(state, now, known, state.quota_of_endings(), 0, requests)
}

/// Checks the rate of logged commands and the number of remembered ids in one quota.
fn check_quota_of(
    state: &State,
    now: Now,
    known: Option<&Principal>,
    quota: Quota,
    earlier: u32,
    requests: u32,
) -> Result<(), Reject> {
    let policy = state.policy();
    let part = if quota == Quota::Refusals { REFUSAL_QUOTA_PART } else { 1 };
    let commands_max = policy.commands_per_minute_max.div_ceil(part);
    let rate = known.map_or(0, |p| p.rate_in(now.minute(), quota));
    if rate.saturating_add(earlier) >= commands_max {
        return Err(Reject::Limit(Limit::Rate, U256::from(u64::from(commands_max))));
    }
    let requests_max = policy.requests_max.div_ceil(part);
    let kept = known.map_or(0, |p| p.requests_in(quota));
    if requests > 0 && kept.saturating_add(requests) > requests_max {
        return Err(Reject::Limit(Limit::Requests, U256::from(u64::from(requests_max))));
    }
    Ok(())
}
