//! The memory of answered requests (INV-07).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bincode::{Decode, Encode};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use mortise_format::event::{Content, Position, RequestMark};
use mortise_format::ids::{Address, RequestId};

/// Where the answer to a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Remembered {
    /// What was asked.
    pub content: Content,
    /// Forgotten after this time, seconds.
    pub valid_until: u64,
    /// The event that answered.
    pub at: Position,
}

type Key = (Address, RequestId);

/// All remembered requests. Never iterated except by time, which is ordered.
#[derive(Debug, Clone)]
pub struct Requests {
    by_key: HashMap<Key, Remembered, FixedState>,
    by_time: BTreeMap<u64, Vec<Key>>,
}

impl Requests {
    pub(crate) fn new(map_seed: u64) -> Self {
        let by_key = HashMap::with_hasher(FixedState::with_seed(map_seed));
        Self { by_key, by_time: BTreeMap::new() }
    }

    /// The remembered answer to a request.
    pub fn find(&self, principal: &Address, id: &RequestId) -> Option<&Remembered> {
        self.by_key.get(&(*principal, *id))
    }

    /// How many are remembered.
    pub fn count(&self) -> usize {
        self.by_key.len()
    }

    /// Remembers an answer; returns the older one under the same id whose place it took.
    pub(crate) fn insert(&mut self, mark: &RequestMark, at: Position) -> Option<Remembered> {
        let key = (mark.principal, mark.id);
        let remembered = Remembered { content: mark.content, valid_until: mark.valid_until, at };
        let replaced = self.by_key.insert(key, remembered);
        if replaced.is_none_or(|old| old.valid_until != mark.valid_until) {
            self.by_time.entry(mark.valid_until).or_default().push(key);
        }
        replaced
    }

    /// Forgets what is no longer valid, at most `max`; returns whose.
    pub(crate) fn forget_before(&mut self, now_s: u64, max: usize) -> Vec<Address> {
        let mut forgotten = Vec::new();
        while let Some(mut entry) = self.by_time.first_entry() {
            if *entry.key() >= now_s {
                break;
            }
            while let Some(key) = entry.get_mut().pop() {
                // A newer answer under the same id has a later time: it stays.
                let until = self.by_key.get(&key).map(|r| r.valid_until);
                if until == Some(*entry.key()) {
                    self.by_key.remove(&key);
                    forgotten.push(key.0);
                }
                if forgotten.len() >= max {
                    return forgotten;
                }
            }
            entry.remove();
        }
        forgotten
    }

    /// Everything, in order of time then key: the form of a snapshot.
    pub(crate) fn to_sorted(&self) -> Vec<(Key, Remembered)> {
        let keys = self.by_time.values().flatten();
        let mut all: Vec<_> = keys.filter_map(|k| Some((*k, *self.by_key.get(k)?))).collect();
        all.sort_unstable_by_key(|(key, remembered)| (remembered.valid_until, *key));
        all.dedup_by_key(|(key, _)| *key);
        all
    }

    pub(crate) fn restore(&mut self, all: Vec<(Key, Remembered)>) {
        for (key, remembered) in all {
            self.by_time.entry(remembered.valid_until).or_default().push(key);
            self.by_key.insert(key, remembered);
        }
    }
}
