//! An index from keys to slots that does not store the keys.
//!
//! An entry is eight bytes: a part of the key's hash, and a slot whose value holds the key. A
//! million entries take 16 MiB instead of 75 to 270. A miss touches one cache line; a hit touches a
//! row that is needed next anyway.

use core::hash::{BuildHasher, Hash};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// The slots of keys. Never iterated.
#[derive(Debug, Clone)]
pub(crate) struct SlotIndex {
    table: HashTable<Entry>,
    hasher: FixedState,
}

/// What the index keeps of a key's hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyHash(u32);

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
    slot: u32,
}

impl Entry {
    /// The table takes its place from the low bits and its tag from the high ones.
    fn spread(self) -> u64 {
        u64::from(self.hash) << 32 | u64::from(self.hash)
    }
}

impl SlotIndex {
    /// An empty index; `seed` is a secret, see [`super::State::new`].
    pub fn new(seed: u64) -> Self {
        Self { table: HashTable::new(), hasher: FixedState::with_seed(seed) }
    }

    /// Makes room for this many keys, so that filling does not grow the table step by step.
    pub fn reserve(&mut self, keys: u32) {
        self.table.reserve(super::index(keys), |entry| entry.spread());
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    fn entry<K: Hash>(&self, key: &K, slot: u32) -> Entry {
        Entry { hash: self.hash(key).0, slot }
    }

    /// The hash of a key, computed once for a lookup and the insertion after it.
    pub fn hash<K: Hash>(&self, key: &K) -> KeyHash {
        let hash = self.hasher.hash_one(key);
        KeyHash(u32::try_from(hash >> 32).unwrap_or(u32::MAX))
    }

    /// The slot of a key; `holds` says whether a slot holds it.
    pub fn find<K: Hash>(&self, key: &K, holds: impl Fn(u32) -> bool) -> Option<u32> {
        self.find_hashed(self.hash(key), holds)
    }

    /// The first slot whose key has this hash: nearly always the key's.
    pub fn guess<K: Hash>(&self, key: &K) -> Option<u32> {
        self.find(key, |_| true)
    }

    /// As [`SlotIndex::find`].
    pub fn find_hashed(&self, hash: KeyHash, holds: impl Fn(u32) -> bool) -> Option<u32> {
        let wanted = Entry { hash: hash.0, slot: 0 };
        let is_it = |entry: &Entry| entry.hash == wanted.hash && holds(entry.slot);
        self.table.find(wanted.spread(), is_it).map(|entry| entry.slot)
    }

    /// Gives a key its slot. The key must not have one.
    pub fn insert<K: Hash>(&mut self, key: &K, slot: u32) {
        self.insert_hashed(self.hash(key), slot);
    }

    /// As [`SlotIndex::insert`].
    pub fn insert_hashed(&mut self, hash: KeyHash, slot: u32) {
        let entry = Entry { hash: hash.0, slot };
        self.table.insert_unique(entry.spread(), entry, |entry| entry.spread());
    }

    /// Removes a key.
    pub fn remove<K: Hash>(&mut self, key: &K, slot: u32) {
        let entry = self.entry(key, slot);
        let is_it = |found: &Entry| found.slot == slot && found.hash == entry.hash;
        if let Ok(found) = self.table.find_entry(entry.spread(), is_it) {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn every_key_has_its_slot_until_it_is_removed() {
        let mut keys: Vec<u64> = Vec::new();
        let mut index = SlotIndex::new(3);
        let holds = |keys: &[u64], key: u64| {
            let keys = keys.to_vec();
            move |slot: u32| keys.get(usize::try_from(slot).unwrap()) == Some(&key)
        };
        for n in 0..500u32 {
            let key = u64::from(n) * 7;
            assert_eq!(index.find(&key, holds(&keys, key)), None);
            index.insert(&key, n);
            keys.push(key);
        }
        assert_eq!(index.len(), 500);
        for n in (0..500u32).step_by(3) {
            index.remove(&(u64::from(n) * 7), n);
            index.remove(&(u64::from(n) * 7), n);
        }
        for n in 0..500u32 {
            let key = u64::from(n) * 7;
            let expected = (n % 3 != 0).then_some(n);
            assert_eq!(index.find(&key, holds(&keys, key)), expected);
        }
    }
}
