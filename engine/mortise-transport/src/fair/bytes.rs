//! Bytes that callers reserve before they make something: a pool by size.
//!
//! What it is for: what is made first and counted afterwards is in memory already. A caller
//! reserves the most that it may make, corrects the reservation when the true size is known, and
//! gives it back when the bytes are gone.
//!
//! What it does not do: allocate or wait.
//!
//! Invariant: the reserved bytes are at most the pool's, plus [`FREE_BYTES`] for each key: a key
//! that has nothing reserved may make something small, so that a full pool still serves small
//! requests.

use super::{ShareKey, Shares};
use std::sync::{Arc, Mutex, PoisonError};

/// What a key without a reservation may make when the pool is full.
const FREE_BYTES: usize = 4 * 1024;

/// A number of bytes that callers share, by the rule of the pools. Clones share it.
#[derive(Debug, Clone)]
pub struct FairBytes(Arc<Mutex<Shares>>);

/// Bytes that are reserved. Dropping them gives them back.
#[derive(Debug)]
#[must_use = "dropping the bytes gives them back"]
pub struct ReservedBytes {
    pool: FairBytes,
    key: ShareKey,
    units: usize,
}

impl FairBytes {
    /// A pool of `bytes`, counted in KiB.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Mutex::new(Shares::new(bytes / 1024))))
    }

    /// Reserves `bytes`; `None` if the key may not have them now.
    pub fn reserve(&self, key: ShareKey, bytes: usize) -> Option<ReservedBytes> {
        let units = units(bytes);
        let is_reserved = self.with(|shares| {
            let is_free = bytes <= FREE_BYTES && shares.held_by(key) == 0;
            if is_free {
                shares.take_any(key, units);
            }
            is_free || shares.take_many(key, units)
        });
        is_reserved.then(|| ReservedBytes { pool: self.clone(), key, units })
    }

    /// Bytes that are not reserved.
    pub fn free_bytes(&self) -> usize {
        self.with(|shares| shares.free()) * 1024
    }

    fn with<T>(&self, work: impl FnOnce(&mut Shares) -> T) -> T {
        // No holder can panic and leave the counts half changed.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ReservedBytes {
    /// Corrects the reservation to the true size of what was made. What is made already is counted,
    /// even if it is larger than was thought.
    pub fn correct(&mut self, bytes: usize) {
        let (before, after) = (self.units, units(bytes));
        self.pool.with(|shares| {
            shares.give_back_many(self.key, before.saturating_sub(after));
            shares.take_any(self.key, after.saturating_sub(before));
        });
        self.units = after;
    }
}

impl Drop for ReservedBytes {
    fn drop(&mut self) {
        self.pool.with(|shares| shares.give_back_many(self.key, self.units));
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn key(connection: u64) -> ShareKey {
        ShareKey { connection, hint: 0 }
    }

    #[test]
    fn reservation_is_corrected_and_given_back() {
        let pool = FairBytes::new(64 * MIB);
        let mut reserved = pool.reserve(key(1), 3 * MIB).unwrap();
        assert_eq!(pool.free_bytes(), 61 * MIB);
        reserved.correct(MIB);
        assert_eq!(pool.free_bytes(), 63 * MIB);
        reserved.correct(2 * MIB + 1);
        assert_eq!(pool.free_bytes(), 62 * MIB - 1024, "what is made counts");
        drop(reserved);
        assert_eq!(pool.free_bytes(), 64 * MIB);
    }

    /// Goal: one caller with large answers leaves room for the answers of others, the last of it in
    /// small pieces.
    #[test]
    fn greedy_caller_leaves_room_for_the_others() {
        let pool = FairBytes::new(64 * MIB);
        let fill = |connection, bytes| {
            std::iter::from_fn(|| pool.reserve(key(connection), bytes)).collect::<Vec<_>>()
        };
        let first = fill(1, 4 * MIB);
        assert_eq!(first.len(), 8, "half of an idle pool");
        let second = fill(2, 4 * MIB);
        assert_eq!(second.len(), 2, "and then an eighth");
        let others: Vec<_> = (3..100).map(|n| fill(n, 4 * MIB)).collect();
        assert!(pool.free_bytes() >= 4 * MIB, "no caller has more than half of what is free");
        assert!(pool.reserve(key(100), 12 * 1024).is_some());
        drop((first, second, others));
        assert_eq!(pool.free_bytes(), 64 * MIB);
    }

    #[test]
    fn full_pool_serves_one_small_request_of_each_key() {
        let pool = FairBytes::new(8 * 1024);
        let all: Vec<_> = (0..8).map(|n| pool.reserve(key(n), 1024).unwrap()).collect();
        assert_eq!(pool.free_bytes(), 0);
        let small = pool.reserve(key(9), FREE_BYTES).unwrap();
        assert!(pool.reserve(key(9), 1).is_none(), "one of each key");
        assert!(pool.reserve(key(10), FREE_BYTES + 1).is_none());
        drop(all);
        assert_eq!(pool.free_bytes(), 4 * 1024);
        drop(small);
        assert_eq!(pool.free_bytes(), 8 * 1024);
    }
}
