//! The positions of the events that changed a lock after its grant.
//!
//! What it is for: the history of a lock is found without a search of the log. The positions are in
//! snapshots and in no leaf: an event proves itself by its receipt.
//!
//! Invariants: in the order of the log. Most locks have one or two; an owner can extend a lock as
//! often as the policy lets, so of more than [`LOCK_CHANGES_MAX`] the newest are kept and the rest
//! is counted.

use alloc::vec::Vec;
use bincode::{Decode, Encode};
use mortise_format::event::LogPosition;
use mortise_format::limits::LOCK_CHANGES_MAX;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Changes {
    kept: Vec<LogPosition>,
    left_out: u32,
}

impl Changes {
    /// Adds the event at `at`, the newest.
    pub(crate) fn push(&mut self, at: LogPosition) {
        if self.kept.len() >= LOCK_CHANGES_MAX {
            self.kept.remove(0);
            self.left_out = self.left_out.saturating_add(1);
        }
        self.kept.reserve_exact(1);
        self.kept.push(at);
    }

    /// The newest events, in order.
    pub fn kept(&self) -> &[LogPosition] {
        &self.kept
    }

    /// How many events between the grant and the first of these are left out.
    pub fn left_out(&self) -> u32 {
        self.left_out
    }

    /// The last change.
    pub fn last(&self) -> Option<LogPosition> {
        self.kept.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_changes_are_kept_and_the_others_counted() {
        let mut changes = Changes::default();
        let most = u32::try_from(LOCK_CHANGES_MAX).unwrap();
        for index in 0..most + 3 {
            let at = LogPosition { seq: 7, index };
            changes.push(at);
            assert_eq!(changes.last(), Some(at));
        }
        let kept: Vec<u32> = changes.kept().iter().map(|at| at.index).collect();
        assert_eq!(kept, (3..most + 3).collect::<Vec<_>>());
        assert_eq!(changes.left_out(), 3);
    }
}
