//! Locks in the state.

use alloc::sync::Arc;
use alloc::vec::Vec;
use bincode::{Decode, Encode};
use mortise_format::U256;
use mortise_format::event::Position;
use mortise_format::ids::{LockId, Signature};
use mortise_format::lock::{Custody, LegTerms, LockTerms, Status};

/// Where the amount of one leg of the terms stands: the three parts sum to it, always.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Leg {
    /// Not claimed. Held while the lock is open; free again when it ended.
    pub remaining: U256,
    /// Claimed, payment awaited: held.
    pub claimed: U256,
    /// Paid.
    pub settled: U256,
    /// Slot of the account; rebuilt from owner and asset.
    pub(crate) account: u32,
}

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
    /// Where the amount of each leg stands, in the order of the terms.
    pub legs: Vec<Leg>,
    /// Custody class.
    pub custody: Custody,
    /// Where it stands.
    pub status: Status,
    /// Claims so far.
    pub claim_count: u32,
    /// Engine time at which the status became final, seconds; zero before.
    pub ended_at: u64,
    /// Where the grant stands in the log.
    pub granted_at: Position,
    /// Where the last change stands in the log.
    pub changed_at: Position,
    /// The owner's signature.
    pub signature: Signature,
    /// True when the owner signed the existing client's approval.
    pub by_approval: bool,
    /// Slot of the owner; rebuilt.
    pub(crate) owner_slot: u32,
    /// Index in the owner's list of locks; rebuilt.
    pub(crate) owner_index: u32,
    /// Stamp of the timer that counts; others are stale.
    pub(crate) timer: u64,
}

impl Lock {
    /// The legs with their terms.
    pub fn legs_and_terms(&self) -> impl Iterator<Item = (&Leg, &LegTerms)> {
        self.legs.iter().zip(&self.terms.legs)
    }

    /// True while something of it is claimed and not settled.
    pub fn has_claimed(&self) -> bool {
        self.legs.iter().any(|l| !l.claimed.is_zero())
    }

    /// When time changes this lock next, seconds; `None` when only a fact can.
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
