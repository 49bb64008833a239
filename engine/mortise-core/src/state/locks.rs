//! Locks in the state.

use super::changes::Changes;
use super::rebuilt::Rebuilt;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use core::ops::{Deref, DerefMut};
use mortise_format::U256;
use mortise_format::cursor::ListCursor;
use mortise_format::event::LogPosition;
use mortise_format::ids::{LockId, Signature};
use mortise_format::lock::{Custody, LegTerms, LockTerms, Status};
use smallvec::SmallVec;

/// How the amount of one leg is divided. The three parts always sum to it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Leg {
    /// Not claimed. Held while the lock is open, free again when it ended.
    pub remaining: U256,
    /// Claimed, payment awaited: held.
    pub claimed: U256,
    /// Paid.
    pub settled: U256,
    /// Slot of the account.
    pub(crate) account: u32,
}

/// The legs of a lock. Most locks have one, which is stored inline: one allocation and one cache
/// miss less for each lock that is granted or claimed. Encoded as a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legs(SmallVec<[Leg; 1]>);

impl Legs {
    /// No legs, with room for `count`.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self(SmallVec::with_capacity(count))
    }

    /// Adds a leg.
    pub(crate) fn push(&mut self, leg: Leg) {
        self.0.push(leg);
    }
}

impl Deref for Legs {
    type Target = [Leg];

    fn deref(&self) -> &[Leg] {
        &self.0
    }
}

impl DerefMut for Legs {
    fn deref_mut(&mut self) -> &mut [Leg] {
        &mut self.0
    }
}

impl Encode for Legs {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self[..].encode(encoder)
    }
}

impl<Context> Decode<Context> for Legs {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Vec::decode(decoder).map(|legs| Self(legs.into()))
    }
}

bincode::impl_borrow_decode!(Legs);

/// A lock that was granted and not yet pruned.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Lock {
    /// Identity.
    pub lock_id: LockId,
    /// The terms as they were signed, which the lock id covers.
    pub terms: Arc<LockTerms>,
    /// End of fills, seconds: that of the terms, or later.
    pub expires: u64,
    /// End of claims, seconds.
    pub claim_by: u64,
    /// End of the hold for claims, seconds.
    pub settle_by: u64,
    /// Engine time of the grant, milliseconds.
    pub issued_at_ms: u64,
    /// How the amount of each leg is divided, in the order of the terms.
    pub legs: Legs,
    /// Custody class.
    pub custody: Custody,
    /// Status.
    pub status: Status,
    /// Claims so far.
    pub claim_count: u32,
    /// Engine time at which the status became final, seconds; zero before.
    pub ended_at: u64,
    /// Its place in lists: the event of the grant, and which lock of that event it is.
    pub place: ListCursor,
    /// The events that changed it since.
    pub changes: Changes,
    /// The owner's signature.
    pub signature: Signature,
    /// True when the owner signed the existing client's approval.
    pub by_approval: bool,
    /// Slot of the owner.
    pub(crate) owner_slot: u32,
    /// Stamp of the valid timer; timers with other stamps are stale.
    pub(crate) timer: Rebuilt<u64>,
}

impl Lock {
    /// The legs with their terms.
    pub fn legs_and_terms(&self) -> impl Iterator<Item = (&Leg, &LegTerms)> {
        self.legs.iter().zip(&self.terms.legs)
    }

    /// Event of the grant.
    pub fn granted_at(&self) -> LogPosition {
        self.place.granted_at()
    }

    /// Event of the last change.
    pub fn changed_at(&self) -> LogPosition {
        self.changes.last().unwrap_or_else(|| self.granted_at())
    }

    /// True while something of it is held: it is open, or claims are not settled.
    pub fn holds(&self) -> bool {
        self.status.is_open() || self.has_claimed()
    }

    /// True while some amount is claimed and not settled.
    pub fn has_claimed(&self) -> bool {
        self.legs.iter().any(|l| !l.claimed.is_zero())
    }

    /// Next time at which this lock is due, seconds; `None` when time no longer changes it.
    pub(crate) fn due(&self, retention_s: u64) -> Option<u64> {
        if self.status.is_open() {
            return Some(self.claim_by);
        }
        match (self.has_claimed(), self.custody) {
            (true, Custody::Open) => Some(self.settle_by),
            (true, Custody::Escrow) => None,
            (false, _) => Some(self.ended_at.saturating_add(retention_s)),
        }
    }
}
