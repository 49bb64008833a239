//! How many promises of one caller may wait for their signatures.
//!
//! What it is for: a frame leaves when all its promises are signed, and after the frames before it.
//! Turns at the inbox decide who is in the next frame; without a window, the thousand commands of
//! one caller that were decided before would still have to be signed before another's answer
//! leaves.
//!
//! What it does not do: bound a caller that is alone, or what waits for the disk or for witnesses,
//! which takes the same time for any number of commands.
//!
//! Invariants: a caller has less than its window, or one command more. What it has is given back
//! when the promises of the frame are signed, or at once for a command without an event.

use crate::api::ShareKey;
use mortise_format::limits::{UNSIGNED_PROMISES_MAX, UNSIGNED_SHARED_MS};
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Windows {
    unsigned: BTreeMap<ShareKey, u32>,
    /// The two callers whose commands came last, the newest first, and when they did.
    newest: [Option<(ShareKey, u64)>; 2],
}

impl Windows {
    /// A command of this caller came.
    pub fn came(&mut self, caller: ShareKey, now_ms: u64) {
        let [first, _] = self.newest;
        if first.is_some_and(|(newest, _)| newest != caller) {
            self.newest[1] = first;
        }
        self.newest[0] = Some((caller, now_ms));
    }

    /// True if the caller may have one more command in a frame.
    pub fn is_open(&self, caller: ShareKey, now_ms: u64) -> bool {
        let unsigned = self.unsigned.get(&caller).copied().unwrap_or(0);
        unsigned < UNSIGNED_PROMISES_MAX || self.is_alone(caller, now_ms)
    }

    /// True if no other caller sent a command lately.
    fn is_alone(&self, caller: ShareKey, now_ms: u64) -> bool {
        let others = self.newest.iter().flatten().filter(|(other, _)| *other != caller);
        others.copied().all(|(_, came_ms)| came_ms.saturating_add(UNSIGNED_SHARED_MS) < now_ms)
    }

    /// Takes what a command has to have signed.
    pub fn take(&mut self, caller: ShareKey, promises: u32) {
        let unsigned = self.unsigned.entry(caller).or_default();
        *unsigned = unsigned.saturating_add(promises);
    }

    /// Gives it back.
    pub fn give_back(&mut self, caller: ShareKey, promises: u32) {
        if let Some(unsigned) = self.unsigned.get_mut(&caller) {
            *unsigned = unsigned.saturating_sub(promises);
            if *unsigned == 0 {
                self.unsigned.remove(&caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(connection: u64) -> ShareKey {
        ShareKey { connection, hint: 0 }
    }

    #[test]
    fn window_holds_while_another_caller_came_lately() {
        let mut windows = Windows::default();
        windows.came(caller(1), 1000);
        windows.take(caller(1), 5 * UNSIGNED_PROMISES_MAX);
        assert!(windows.is_open(caller(1), 1000), "alone");
        windows.came(caller(2), 2000);
        assert!(!windows.is_open(caller(1), 2000));
        assert!(windows.is_open(caller(2), 2000), "it has nothing");
        for now_ms in [2000, 2500, 2000 + UNSIGNED_SHARED_MS] {
            windows.came(caller(1), now_ms);
            assert!(!windows.is_open(caller(1), now_ms), "the other came {now_ms}");
        }
        assert!(windows.is_open(caller(1), 2001 + UNSIGNED_SHARED_MS), "alone again");
    }

    #[test]
    fn what_is_signed_is_given_back_to_its_caller() {
        let mut windows = Windows::default();
        windows.came(caller(2), 7);
        windows.came(caller(1), 7);
        windows.take(caller(1), UNSIGNED_PROMISES_MAX - 1);
        assert!(windows.is_open(caller(1), 7), "one more fits");
        windows.take(caller(1), 64);
        assert!(!windows.is_open(caller(1), 7), "whatever it needs");
        windows.give_back(caller(2), 64);
        assert!(!windows.is_open(caller(1), 7));
        windows.give_back(caller(1), 64);
        assert!(windows.is_open(caller(1), 7));
        windows.give_back(caller(1), UNSIGNED_PROMISES_MAX - 1);
        assert!(windows.unsigned.is_empty(), "an idle caller has no state");
    }
}
