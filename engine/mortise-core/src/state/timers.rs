//! Timers of locks: an index over the locks by due time, never part of the state's value.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Timers by second. Each lock has one valid timer. Replaced timers stay in place and go stale.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timers {
    by_second: BTreeMap<u64, Vec<Timer>>,
    next_stamp: u64,
}

/// A timer of the lock in a slot. Valid while the lock carries the same stamp.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer {
    pub slot: u32,
    pub stamp: u64,
}

impl Timers {
    /// Sets a timer and returns its stamp, which no other timer ever had.
    pub fn set(&mut self, due_s: u64, slot: u32) -> u64 {
        self.next_stamp += 1;
        let timer = Timer { slot, stamp: self.next_stamp };
        self.by_second.entry(due_s).or_default().push(timer);
        timer.stamp
    }

    /// A stamp that no timer has, for locks that time no longer changes.
    pub fn unset(&mut self) -> u64 {
        self.next_stamp += 1;
        self.next_stamp
    }

    /// Puts a taken timer back, due at once.
    pub fn put_back(&mut self, now_s: u64, timer: Timer) {
        self.by_second.entry(now_s).or_default().push(timer);
    }

    /// The slots of all due timers that are valid by `counts`, in order of time. Drops the stale
    /// ones.
    pub fn due(&mut self, now_s: u64, mut counts: impl FnMut(Timer) -> bool) -> Vec<u32> {
        let mut slots = Vec::new();
        for timers in self.by_second.range_mut(..=now_s).map(|(_, timers)| timers) {
            timers.retain(|timer| counts(*timer));
            slots.extend(timers.iter().map(|timer| timer.slot));
        }
        while self.by_second.first_entry().is_some_and(|e| e.get().is_empty()) {
            self.by_second.pop_first();
        }
        slots
    }

    /// Takes one timer that is due, in order of time.
    pub fn take_due(&mut self, now_s: u64) -> Option<Timer> {
        loop {
            let mut entry = self.by_second.first_entry()?;
            if *entry.key() > now_s {
                return None;
            }
            match entry.get_mut().pop() {
                Some(timer) => return Some(timer),
                None => drop(entry.remove()),
            }
        }
    }
}
