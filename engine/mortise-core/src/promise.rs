//! What the engine signs about an event: commitments and outcomes.
//!
//! Both are rebuilt from the event and its position alone. So the answer to a repeated request,
//! rebuilt from the log, is byte for byte the first one (INV-07), and an auditor knows which
//! signatures an event requires.

use alloc::vec::Vec;
use mortise_format::U256;
use mortise_format::domains::keccak256;
use mortise_format::eip712::{self, Digest, Domain, LockCommitment, LockOutcome, Place};
use mortise_format::event::Event;
use mortise_format::ids::{Address, Bytes32, LockId, Signature};
use mortise_format::lock::{Custody, Durability, LockTerms, Status};

/// A struct that the engine signs about one lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Promise {
    /// A commitment: the lock is held.
    Commitment(LockCommitment),
    /// An outcome: the lock changed.
    Outcome(LockOutcome),
}

impl Promise {
    /// The digest to sign, in the engine's domain.
    pub fn digest(&self, domain: &Domain) -> Digest {
        match self {
            Self::Commitment(commitment) => domain.digest(&commitment.hash()),
            Self::Outcome(outcome) => domain.digest(&outcome.hash()),
        }
    }
}

/// The position and time of an event: all that a promise needs besides the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventContext {
    /// The place.
    pub place: Place,
    /// Engine time of the frame, milliseconds.
    pub time_ms: u64,
    /// Durability mode of the answer.
    pub durability: Durability,
}

/// The structs that the engine signs for an event, in the order of its locks.
pub fn signed_structs_of(event: &Event, context: &EventContext) -> Vec<Promise> {
    let one = |promise| alloc::vec![promise];
    match event {
        Event::LocksGranted { locks, .. } => {
            let commit = |lock: &mortise_format::event::GrantedLock| {
                let ends = Ends { claim_by: lock.claim_by, settle_by: lock.settle_by };
                commitment(lock.lock_id, &lock.terms, ends, lock.custody, &lock.signature, context)
            };
            locks.iter().map(commit).collect()
        }
        Event::LockExtended { lock_id, terms, claim_by, settle_by, custody, signature, .. } => {
            let ends = Ends { claim_by: *claim_by, settle_by: *settle_by };
            one(commitment(*lock_id, terms, ends, *custody, signature, context))
        }
        Event::LockClaimed { claim, status, .. } => {
            let moved =
                Moved { index: claim.claim_index, by: claim.claimant, amounts: &claim.amounts };
            one(outcome(claim.lock_id, *status, moved, context))
        }
        Event::LockReleased { lock_id, freed, .. } => {
            one(outcome(*lock_id, Status::Released, Moved::back(freed), context))
        }
        Event::LockCancelled { lock_id, freed, .. } => {
            one(outcome(*lock_id, Status::Cancelled, Moved::back(freed), context))
        }
        Event::DraftCancelled { lock_id, .. } => {
            one(outcome(*lock_id, Status::Cancelled, Moved::back(&[]), context))
        }
        _ => Vec::new(),
    }
}

struct Ends {
    claim_by: u64,
    settle_by: u64,
}

struct Moved<'a> {
    index: u32,
    by: Address,
    amounts: &'a [U256],
}

impl<'a> Moved<'a> {
    fn back(amounts: &'a [U256]) -> Self {
        Self { index: 0, by: Address::ZERO, amounts }
    }
}

fn commitment(
    lock_id: LockId,
    terms: &LockTerms,
    ends: Ends,
    custody: Custody,
    signature: &Signature,
    context: &EventContext,
) -> Promise {
    Promise::Commitment(LockCommitment {
        lock_id,
        owner: terms.owner,
        beneficiary: terms.beneficiary,
        arbiter: terms.arbiter,
        assets: terms.assets_hash(),
        condition: terms.condition.hash(),
        issued_at: context.time_ms / 1000,
        expires: terms.expires,
        claim_by: ends.claim_by,
        settle_by: ends.settle_by,
        custody,
        durability: context.durability,
        place: context.place,
        user_signature_hash: Bytes32(keccak256(&[&signature.0])),
    })
}

fn outcome(lock_id: LockId, status: Status, moved: Moved<'_>, context: &EventContext) -> Promise {
    Promise::Outcome(LockOutcome {
        lock_id,
        status,
        claim_index: moved.index,
        claimant: moved.by,
        amounts: eip712::amounts_hash(moved.amounts),
        time: context.time_ms / 1000,
        durability: context.durability,
        place: context.place,
    })
}
