//! Pools: a bounded number of things held, of which no caller gets the last.
//!
//! While less than half of a pool is taken, the first caller gets it. After that, one key holds at
//! most an eighth of the pool, and at most half of what is free: the last places go one by one to
//! keys that hold little.

use super::ShareKey;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Who holds how much of a pool. The rule without the pool, for owners with a lock of their own.
#[derive(Debug)]
pub struct Shares {
    max: usize,
    taken: usize,
    by_key: BTreeMap<ShareKey, usize>,
}

impl Shares {
    /// A pool of `max` places, at least one.
    pub fn new(max: usize) -> Self {
        Self { max: max.max(1), taken: 0, by_key: BTreeMap::new() }
    }

    /// Takes a place; false if the key may have no more now.
    pub fn take(&mut self, key: ShareKey) -> bool {
        self.take_many(key, 1)
    }

    /// Takes places, all or none; false if the key may not have them now.
    pub fn take_many(&mut self, key: ShareKey, count: usize) -> bool {
        let has_places = self.has_places(key, count);
        if has_places {
            self.take_any(key, count);
        }
        has_places
    }

    /// Takes places that may not be there.
    pub fn take_any(&mut self, key: ShareKey, count: usize) {
        if count > 0 {
            self.taken += count;
            *self.by_key.entry(key).or_default() += count;
        }
    }

    fn has_places(&self, key: ShareKey, count: usize) -> bool {
        let after = self.taken.saturating_add(count);
        if after.saturating_mul(2) <= self.max.saturating_add(1) {
            return true;
        }
        let free = self.max.saturating_sub(self.taken);
        let most = (self.max / 8).min(free / 2).max(1);
        after <= self.max && self.held_by(key).saturating_add(count) <= most
    }

    /// Gives back a place that [`Shares::take`] gave.
    pub fn give_back(&mut self, key: ShareKey) {
        self.give_back_many(key, 1);
    }

    /// Gives back places of a key.
    pub fn give_back_many(&mut self, key: ShareKey, count: usize) {
        if let Some(held) = self.by_key.get_mut(&key) {
            let count = count.min(*held);
            *held -= count;
            self.taken -= count;
            if *held == 0 {
                self.by_key.remove(&key);
            }
        }
    }

    /// How many places are free.
    pub fn free(&self) -> usize {
        self.max.saturating_sub(self.taken)
    }

    /// How much a key holds.
    pub fn held_by(&self, key: ShareKey) -> usize {
        self.by_key.get(&key).copied().unwrap_or(0)
    }
}

/// A pool that gives permits. Clones share it.
#[derive(Debug, Clone)]
pub struct FairPool(Arc<Mutex<Shares>>);

/// A place in a pool. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "dropping the permit gives it back"]
pub struct PoolPermit {
    pool: FairPool,
    key: ShareKey,
}

impl FairPool {
    /// A pool of `max` places, at least one.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Mutex::new(Shares::new(max))))
    }

    /// Takes a place; `None` if the key may have no more now.
    pub fn take(&self, key: ShareKey) -> Option<PoolPermit> {
        self.with(|shares| shares.take(key)).then(|| PoolPermit { pool: self.clone(), key })
    }

    /// How much a key holds.
    pub fn held_by(&self, key: ShareKey) -> usize {
        self.with(|shares| shares.held_by(key))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Shares) -> T) -> T {
        // No holder can panic and leave the counts half changed.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for PoolPermit {
    fn drop(&mut self) {
        self.pool.with(|shares| shares.give_back(self.key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(connection: u64) -> ShareKey {
        ShareKey { connection, hint: 0 }
    }

    fn fill(pool: &FairPool, connection: u64) -> Vec<PoolPermit> {
        std::iter::from_fn(|| pool.take(key(connection))).collect()
    }

    #[test]
    fn one_key_has_half_of_an_idle_pool_and_then_an_eighth() {
        let pool = FairPool::new(256);
        let first = fill(&pool, 1);
        assert_eq!(first.len(), 128);
        assert_eq!(fill(&pool, 2).len(), 32, "and what it dropped came back");
        let second = fill(&pool, 2);
        assert!(pool.take(key(1)).is_none() && pool.take(key(2)).is_none());
        assert!(pool.take(key(3)).is_some());
        drop(first);
        assert_eq!(fill(&pool, 3).len(), 128 - second.len());
    }

    #[test]
    fn greedy_keys_leave_places_for_the_next_ones() {
        let pool = FairPool::new(256);
        let mut greedy: Vec<_> = (0..8).map(|n| fill(&pool, n)).collect();
        assert!(pool.take(key(99)).is_some(), "the ninth finds a place");
        greedy.extend((8..400).map(|n| fill(&pool, n)));
        let taken: usize = greedy.iter().map(Vec::len).sum();
        assert_eq!(taken, 256, "the whole pool is used, and no more");
        assert!(greedy[8..].iter().all(|held| held.len() <= 4), "the last go one by one");
    }

    #[test]
    fn small_pools_serve_too() {
        for max in 0..9 {
            let pool = FairPool::new(max);
            let held: Vec<_> = (0..20).map(|n| fill(&pool, n)).collect();
            assert_eq!(held.iter().map(Vec::len).sum::<usize>(), max.max(1), "{max}");
        }
    }
}
