//! The table of answered requests: idempotency (INV-07).
//!
//! A request whose refusal was not final is here as well: the id is bound to its content, and the
//! answer is decided again. Invariants: a final answer is never replaced while it is valid.

use super::chunks::Imaged;
use super::principals::NO_SLOT;
use super::slab::Slab;
use super::slot_index::{KeyHash, SlotIndex};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bincode::{Decode, Encode};
use mortise_format::errors::Code;
use mortise_format::event::{Content, LogPosition, RequestKey};
use mortise_format::ids::{Address, RequestId};
use mortise_format::limits::REFUSALS_PER_REQUEST_MAX;
use mortise_format::reject::Reject;

/// The quota that a remembered request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Quota {
    /// What begins or extends a promise.
    Grants,
    /// What ends one: claims, releases and cancels. No grant uses it up.
    Endings,
    /// Refusals: anyone who holds signed bytes can cause them, so they use up nothing else.
    Refusals,
}

/// The logged refusals of a request that can still be granted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OpenRefusals {
    /// The code of each, with its event. One for a code, at most [`REFUSALS_PER_REQUEST_MAX`].
    logged: Vec<(i32, LogPosition)>,
}

impl OpenRefusals {
    fn new(code: Code, at: LogPosition) -> Self {
        Self { logged: alloc::vec![(code.code(), at)] }
    }

    /// The event that refused for this reason.
    pub fn find(&self, code: Code) -> Option<LogPosition> {
        self.logged.iter().find(|(known, _)| *known == code.code()).map(|(_, at)| *at)
    }

    /// True when one more refusal may be logged.
    pub fn has_room(&self) -> bool {
        self.logged.len() < REFUSALS_PER_REQUEST_MAX
    }
}

/// The position of the answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Remembered {
    /// Digest of the request's content.
    pub content: Content,
    /// Forgotten after this time, seconds.
    pub valid_until: u64,
    /// The event that answered last.
    pub at: LogPosition,
    /// The quota that it counts against.
    pub quota: Quota,
    /// None for a final answer.
    pub refusals: Option<Box<OpenRefusals>>,
}

/// What an event says about a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// It is the answer, for as long as the request is valid.
    Final(Quota),
    /// It refuses, and the request is decided again.
    Open(Reject),
}

type Key = (Address, RequestId);

/// All remembered requests. Never iterated except by time, which is ordered.
#[derive(Debug, Clone)]
pub struct Requests {
    slots: Slab<(Key, Remembered)>,
    by_key: SlotIndex,
    /// Slots by the time until which they are valid. A slot whose answer was replaced by one with a
    /// later time is listed under both; only the later one counts.
    by_time: BTreeMap<u64, Vec<u32>>,
}

impl Requests {
    pub(crate) fn new(map_seed: u64) -> Self {
        let (slots, by_key) = (Slab::default(), SlotIndex::new(map_seed));
        Self { slots, by_key, by_time: BTreeMap::new() }
    }

    fn slot(&self, key: &Key, hash: KeyHash) -> Option<u32> {
        let holds = |slot| self.slots.get(slot).is_some_and(|(found, _)| found == key);
        self.by_key.find_hashed(hash, holds)
    }

    /// The remembered answer to a request.
    pub fn find(&self, principal: &Address, id: &RequestId) -> Option<&Remembered> {
        let key = (*principal, *id);
        let slot = self.slot(&key, self.by_key.hash(&key))?;
        self.slots.get(slot).map(|(_, remembered)| remembered)
    }

    /// The probable slot of a request, for prefetching.
    pub(crate) fn guess(&self, principal: &Address, id: &RequestId) -> u32 {
        self.by_key.guess(&(*principal, *id)).unwrap_or(NO_SLOT)
    }

    /// Reads the answer in a slot.
    pub(crate) fn read(&self, slot: u32) -> u64 {
        self.slots.get(slot).map_or(0, |(_, remembered)| remembered.valid_until)
    }

    /// How many are remembered.
    pub fn count(&self) -> usize {
        self.by_key.len()
    }

    /// The second after which the next request is no longer valid.
    pub(crate) fn next_end(&self) -> Option<u64> {
        self.by_time.first_key_value().map(|(until, _)| until.saturating_add(1))
    }

    /// Remembers an answer; returns the older one under the same id that it replaced. `now_s` says
    /// which of the two were valid together: then the refusals of the older one stay.
    pub(crate) fn insert(
        &mut self,
        request_key: &RequestKey,
        at: LogPosition,
        outcome: Outcome,
        now_s: u64,
    ) -> Option<Remembered> {
        let RequestKey { principal, id, content, valid_until, .. } = *request_key;
        let (quota, refusals) = match outcome {
            Outcome::Final(quota) => (quota, None),
            Outcome::Open(reject) => {
                let old = self.find(&principal, &id).filter(|old| old.valid_until >= now_s);
                let old = old.and_then(|old| old.refusals.clone());
                let refusals = match old {
                    Some(mut old) => {
                        old.logged.push((reject.code().code(), at));
                        old
                    }
                    None => Box::new(OpenRefusals::new(reject.code(), at)),
                };
                (Quota::Refusals, Some(refusals))
            }
        };
        self.put((principal, id), Remembered { content, valid_until, at, quota, refusals })
    }

    fn put(&mut self, key: Key, remembered: Remembered) -> Option<Remembered> {
        let until = remembered.valid_until;
        let hash = self.by_key.hash(&key);
        let (slot, replaced) = match self.slot(&key, hash) {
            Some(slot) => (slot, self.replace(slot, remembered)),
            None => (self.slots.insert((key, remembered)), None),
        };
        if replaced.is_none() {
            self.by_key.insert_hashed(hash, slot);
        }
        if replaced.as_ref().is_none_or(|old| old.valid_until != until) {
            self.by_time.entry(until).or_default().push(slot);
        }
        replaced
    }

    fn replace(&mut self, slot: u32, remembered: Remembered) -> Option<Remembered> {
        let known = self.slots.get_mut(slot)?;
        Some(core::mem::replace(&mut known.1, remembered))
    }

    /// Forgets requests that are no longer valid, at most `max`; returns their principals, each
    /// with the quota that is free again.
    pub(crate) fn forget_before(&mut self, now_s: u64, max: usize) -> Vec<(Address, Quota)> {
        let mut forgotten = Vec::new();
        while let Some(mut entry) = self.by_time.first_entry() {
            let time = *entry.key();
            if time >= now_s {
                break;
            }
            if entry.get().len() > max - forgotten.len() {
                // When only some requests of one second are forgotten, the choice must not depend
                // on slot order: a restart from a snapshot fills the slots in another order.
                let slots = &self.slots;
                entry.get_mut().sort_unstable_by_key(|slot| slots.get(*slot).map(|(key, _)| *key));
            }
            while let Some(slot) = entry.get_mut().pop() {
                let is_due = self.slots.get(slot).is_some_and(|(_, r)| r.valid_until == time);
                if let Some((key, old)) = is_due.then(|| self.slots.take(slot)).flatten() {
                    self.by_key.remove(&key, slot);
                    forgotten.push((key.0, old.quota));
                }
                if forgotten.len() >= max {
                    return forgotten;
                }
            }
            entry.remove();
        }
        forgotten
    }

    /// Everything, in order of time then key: whatever their slots.
    pub(crate) fn to_sorted(&self) -> Vec<(Key, Remembered)> {
        let mut all: Vec<_> = self.slots.iter().cloned().collect();
        all.sort_unstable_by_key(|(key, remembered)| (remembered.valid_until, *key));
        all
    }

    /// The container of which a snapshot holds the values.
    pub(crate) fn container(&mut self) -> &mut dyn Imaged {
        &mut self.slots
    }

    /// Rebuilds the indexes once the container is filled.
    pub(crate) fn rebuild(&mut self) {
        self.by_key.reserve(self.slots.slots());
        for (slot, (key, remembered)) in self.slots.entries() {
            self.by_key.insert(key, slot);
            self.by_time.entry(remembered.valid_until).or_default().push(slot);
        }
    }
}
