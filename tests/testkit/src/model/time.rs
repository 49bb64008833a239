//! Changes that time makes.

use super::Model;
use mortise_format::U256;
use mortise_format::ids::LockId;
use mortise_format::lock::{Custody, Status};
use std::collections::BTreeSet;

/// The locks that time changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// Open locks past `claimBy`.
    pub expired: BTreeSet<LockId>,
    /// Locks in custody `open` with claims, past `settleBy`.
    pub settled: BTreeSet<LockId>,
    /// Ended locks past their retention.
    pub pruned: BTreeSet<LockId>,
}

impl Due {
    /// True when time changes nothing.
    pub fn is_empty(&self) -> bool {
        self.expired.is_empty() && self.settled.is_empty() && self.pruned.is_empty()
    }
}

impl Model {
    /// The changes that are due in a frame that opens at `now_ms`. At most one change a lock and
    /// frame.
    pub fn due(&self, now_ms: u64) -> Due {
        let now_s = now_ms.max(self.time_ms) / 1000;
        let mut due = Due::default();
        for (lock_id, lock) in &self.locks {
            let awaits = lock.parts.iter().any(|[_, claimed, _]| !claimed.is_zero());
            if lock.status.is_open() {
                if now_s >= lock.claim_by {
                    due.expired.insert(*lock_id);
                }
            } else if awaits {
                if lock.custody == Custody::Open && now_s >= lock.settle_by {
                    due.settled.insert(*lock_id);
                }
            } else if now_s >= lock.ended_at + self.policy.retention_s {
                due.pruned.insert(*lock_id);
            }
        }
        due
    }

    /// Opens a frame at `now_ms`: time moves, never back, and the due changes are made.
    pub fn advance(&mut self, now_ms: u64) -> Due {
        let due = self.due(now_ms);
        self.set_time(now_ms);
        let now_s = self.time_ms / 1000;
        for lock_id in &due.expired {
            self.end(lock_id, Status::Expired);
        }
        for lock_id in &due.settled {
            let lock = self.locks.get_mut(lock_id).expect("it is due");
            for part in &mut lock.parts {
                part[2] = super::sums::add(part[2], part[1]);
                part[1] = U256::ZERO;
            }
            if lock.status == Status::Fulfilled {
                lock.status = Status::Settled;
            }
            lock.ended_at = now_s;
        }
        for lock_id in &due.pruned {
            self.locks.remove(lock_id);
        }
        due
    }

    /// Moves time, never back, and forgets requests that are no longer valid. A boot frame does no
    /// more.
    pub fn set_time(&mut self, now_ms: u64) {
        self.time_ms = self.time_ms.max(now_ms);
        let now_s = self.time_ms / 1000;
        self.requests.retain(|_, known| known.valid_until >= now_s);
        self.forget_idle();
    }
}
