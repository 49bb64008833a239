//! Deciding: from an admitted command to an event or a reject.
//!
//! What it is for: every rule of `specs/locks.md`, as named checks in a fixed order: idempotency
//! first, then the request's validity, then authority, then balances and limits. The first failing
//! check names the reject.
//!
//! What it does not do: change anything. The event goes through `State::apply`.
//!
//! Invariants: INV-01 to 08, 10, 11, 13, 17.

mod again;
mod cancel;
mod claim;
mod fact;
mod grant;
mod images;
mod memory;
mod prefetch;
mod reading;
mod room;

pub use again::command_of;
pub use grant::{check_draft, check_draft_terms};
pub use prefetch::{PREFETCH_BATCH, prefetch};

use crate::admit::{Admitted, Inner};
use crate::state::State;
use alloc::vec::Vec;
use mortise_format::command::{Command, SignedIntent};
use mortise_format::eip712::Request;
use mortise_format::event::{Authority, Event, LogPosition, RequestKey};
use mortise_format::ids::Address;
use mortise_format::limits::REQUEST_VALID_MS_MAX;
use mortise_format::lock::LockTerms;
use mortise_format::reject::{Field, Reject};

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Apply this event and log it.
    Event(Event),
    /// A repetition: the event at this position in the log is the answer.
    Repeat(LogPosition),
    /// Rejected; nothing is logged now.
    Refuse {
        /// Why.
        reject: Reject,
        /// The event that refused the same request for the same reason before.
        logged: Option<LogPosition>,
    },
}

/// Decides a command at engine time `now_ms`, which is never below the state's.
///
/// A reject that must be remembered comes as `Event(CommandRefused)`.
pub fn decide(state: &State, now_ms: u64, admitted: &Admitted) -> Decision {
    let now = Now { ms: now_ms, s: now_ms / 1000 };
    match memory::recall(state, now, admitted) {
        Ok(Some(at)) => return Decision::Repeat(at),
        Ok(None) => {}
        Err(reject) => return Decision::Refuse { reject, logged: None },
    }
    match decide_new(state, now, &admitted.0) {
        Ok(event) => Decision::Event(event),
        Err(reject) => memory::refuse(state, now, admitted, reject),
    }
}

/// Every check that a lock on these terms would fail now, in the order of the ladder, without
/// signature and without effect.
pub fn failed_checks(state: &State, now_ms: u64, terms: &LockTerms) -> Vec<Reject> {
    let now = Now { ms: now_ms, s: now_ms / 1000 };
    let shape = crate::admit::check_terms(state.rules(), terms).err();
    shape.into_iter().chain(grant::failed_checks(state, now, terms)).collect()
}

/// `claimBy` and `settleBy` of terms, seconds; `None` when the chain of the fill is not served.
pub fn times_of(state: &State, terms: &LockTerms) -> Option<(u64, u64)> {
    grant::times_of(state, terms.condition.target_chain_id, terms.expires).ok()
}

/// Engine time in both units.
#[derive(Debug, Clone, Copy)]
struct Now {
    ms: u64,
    s: u64,
}

impl Now {
    /// The minute that rate limits count in.
    fn minute(self) -> u64 {
        self.ms / 60_000
    }
}

fn decide_new(state: &State, now: Now, inner: &Inner) -> Result<Event, Reject> {
    match inner {
        Inner::Grant { locks, batch, request_keys } => {
            grant::decide(state, now, locks, *batch, request_keys)
        }
        Inner::Claim { claim, signature, request_key } => {
            claim::decide_claim(state, now, claim, *signature, request_key)
        }
        Inner::Release { lock_id, signature, request_key, .. } => {
            cancel::decide_release(state, now, *lock_id, *signature, request_key)
        }
        Inner::Cancel { lock_id, consents } => {
            cancel::decide_cancel(state, now, *lock_id, consents)
        }
        Inner::CancelDraft { lock_id, terms, consent } => {
            cancel::decide_draft(state, now, *lock_id, terms, consent)
        }
        Inner::Extend { lock_id, new_expires, signature, request_key, .. } => {
            claim::decide_extend(state, now, *lock_id, *new_expires, *signature, request_key)
        }
        Inner::RecordFact { fact, signatures, signers } => {
            fact::decide(state, now, fact, signatures, signers)
        }
        Inner::GrantReading { grant, signatures, signers } => {
            reading::decide(state, now, grant, signatures, signers)
        }
        Inner::ApproveImages { approval, signatures, signers } => {
            images::decide(state, now, approval, signatures, signers)
        }
    }
}

/// Checks that the request is still valid, and for no longer than ids are remembered (INV-07).
fn check_validity(now: Now, valid_until: u64) -> Result<(), Reject> {
    if valid_until < now.s {
        return Err(Reject::LockExpired);
    }
    if valid_until > now.s.saturating_add(REQUEST_VALID_MS_MAX / 1000) {
        return Err(Reject::Validation(Field::ValidUntil));
    }
    Ok(())
}

/// True when enough operators of the policy signed, each once, and no other party did. Signatures
/// of other parties do not count towards k and do not enter the log.
fn is_quorum(state: &State, signers: &[Address]) -> bool {
    let policy = state.policy();
    let are_operators = signers.iter().all(|s| policy.operators.binary_search(s).is_ok());
    let needed = usize::try_from(policy.operators_min).unwrap_or(usize::MAX);
    are_operators && signers.len() >= needed && needed > 0
}

/// The command as it came in, for a logged reject.
fn command_in(inner: &Inner) -> Option<Command> {
    Some(match inner {
        Inner::Grant { locks, .. } => {
            let intent = |lock: &crate::admit::AdmittedLock| match lock.authority {
                Authority::Intent(request) => {
                    let (terms, signature) = (lock.terms.as_ref().clone(), lock.signature);
                    Some(SignedIntent { terms, request, signature })
                }
                Authority::Approval => None,
            };
            Command::Commit { intents: locks.iter().map(intent).collect::<Option<_>>()? }
        }
        Inner::Claim { claim, signature, .. } => {
            Command::Claim { claim: claim.clone(), signature: *signature }
        }
        Inner::Release { lock_id, request, signature, .. } => {
            Command::Release { lock_id: *lock_id, request: *request, signature: *signature }
        }
        Inner::Cancel { lock_id, consents } => Command::Cancel {
            lock_id: *lock_id,
            consents: consents.iter().map(|c| c.consent).collect(),
        },
        Inner::Extend { lock_id, new_expires, request, signature, .. } => Command::Extend {
            lock_id: *lock_id,
            new_expires: *new_expires,
            request: *request,
            signature: *signature,
        },
        Inner::CancelDraft { .. }
        | Inner::RecordFact { .. }
        | Inner::GrantReading { .. }
        | Inner::ApproveImages { .. } => return None,
    })
}

/// The idempotency keys of a command. The first one names the request as a whole.
pub(crate) fn request_keys_of(inner: &Inner) -> &[RequestKey] {
    match inner {
        Inner::Grant { request_keys, .. } => request_keys,
        Inner::Claim { request_key, .. }
        | Inner::Release { request_key, .. }
        | Inner::Extend { request_key, .. } => core::slice::from_ref(request_key),
        Inner::Cancel { .. }
        | Inner::CancelDraft { .. }
        | Inner::RecordFact { .. }
        | Inner::GrantReading { .. }
        | Inner::ApproveImages { .. } => &[],
    }
}

/// The request inside an authority.
pub(crate) fn request_of(authority: &Authority) -> Option<&Request> {
    match authority {
        Authority::Intent(request) => Some(request),
        Authority::Approval => None,
    }
}
