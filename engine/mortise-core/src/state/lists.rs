//! The locks in order: lists by owner, beneficiary and arbiter, and one of all.
//!
//! What it is for: a page of a list costs the entries that it looks at, however many locks there
//! are. Each list is in the order of grants. A page continues behind a place ([`ListCursor`]), so
//! locks that came or left meanwhile neither repeat others nor hide them.
//!
//! What it does not do: hold locks, or change a byte that is hashed or stored. It is an index like
//! the timers, rebuilt from the locks at a load.
//!
//! Invariants: every lock is in the list of all and in that of its owner; in that of its
//! beneficiary and of its arbiter unless that is the zero address; in the list of holds exactly
//! while something of it is held. No walk looks at more than [`LIST_SCAN_MAX`] entries. A party is
//! known while a lock names it.

use super::locks::Lock;
use super::slab::Slab;
use super::slot_index::SlotIndex;
use super::{State, slot_of};
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Range;
use alloc::vec::Vec;
use bincode::{Decode, Encode};
use mortise_format::asset::Asset;
use mortise_format::cursor::ListCursor;
use mortise_format::ids::Address;
use mortise_format::limits::LIST_SCAN_MAX;
use mortise_format::lock::Status;

/// Selects locks. Every filter must hold.
#[derive(Debug, Clone, Default)]
pub struct LockFilter {
    /// Locks of this owner; of all owners if absent.
    pub owner: Option<Address>,
    /// Locks for this beneficiary.
    pub beneficiary: Option<Address>,
    /// Locks that this arbiter claims.
    pub arbiter: Option<Address>,
    /// Locks in this status.
    pub status: Option<Status>,
    /// Open locks only.
    pub open_only: bool,
    /// Locks that were granted after this place.
    pub after: Option<ListCursor>,
    /// Largest number of locks, at least one.
    pub limit: usize,
}

impl LockFilter {
    fn admits(&self, lock: &Lock) -> bool {
        let Self { owner, beneficiary, arbiter, status, open_only, .. } = self;
        let is = |wanted: &Option<Address>, party| wanted.is_none_or(|wanted| wanted == party);
        is(owner, lock.terms.owner)
            && is(beneficiary, lock.terms.beneficiary)
            && is(arbiter, lock.terms.arbiter)
            && status.is_none_or(|wanted| wanted == lock.status)
            && (!open_only || lock.status.is_open())
    }

    fn admits_open_alone(&self) -> bool {
        self.open_only || self.status.is_some_and(Status::is_open)
    }
}

/// A page of a list. It may be short, or empty, and still have a next one.
#[derive(Debug, Clone, Default)]
pub struct LockPage<'a> {
    /// The locks, in the order of their grants.
    pub locks: Vec<&'a Lock>,
    /// The place behind which the list continues; `None` at its end.
    pub next: Option<ListCursor>,
}

/// Entries of one role: who, and the place of the lock. Twelve bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    party: u32,
    place: [u32; 2],
}

impl Entry {
    fn new(party: u32, place: ListCursor) -> Self {
        let [a, b, c, d, e, f, g, h] = place.to_u64().to_be_bytes();
        Self { party, place: [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])] }
    }

    fn last_of(party: u32) -> Self {
        Self { party, place: [u32::MAX; 2] }
    }

    fn place(&self) -> ListCursor {
        let [high, low] = self.place.map(u64::from);
        ListCursor::from_u64(high << 32 | low)
    }
}

/// The slots of locks in the order of a role's parties and of grants.
type List = BTreeMap<Entry, u32>;

/// The party of the list of all locks.
const EVERYONE: u32 = 0;

/// Beneficiaries and arbiters. They need no record of a principal.
#[derive(Debug, Clone)]
struct Parties {
    parties: Slab<Party>,
    index: SlotIndex,
}

#[derive(Debug, Clone, Encode, Decode)]
struct Party {
    address: Address,
    /// Entries of this party in all lists.
    entries: u32,
}

impl Parties {
    fn slot(&self, address: &Address) -> Option<u32> {
        let is_it = |slot| self.parties.get(slot).is_some_and(|party| party.address == *address);
        self.index.find(address, is_it)
    }

    /// The slot of a party that gets one more entry.
    fn enter(&mut self, address: &Address) -> u32 {
        let slot = self.slot(address).unwrap_or_else(|| {
            let slot = self.parties.insert(Party { address: *address, entries: 0 });
            self.index.insert(address, slot);
            slot
        });
        self.parties[slot].entries += 1;
        slot
    }

    /// The slot of a party that loses an entry.
    fn leave(&mut self, address: &Address) -> Option<u32> {
        let slot = self.slot(address)?;
        let party = &mut self.parties[slot];
        party.entries -= 1;
        if party.entries == 0 {
            self.index.remove(address, slot);
            self.parties.take(slot);
        }
        Some(slot)
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Lists {
    all: List,
    by_owner: List,
    /// By owner too: locks of which something is held.
    holds: List,
    by_beneficiary: List,
    by_arbiter: List,
    parties: Parties,
}

fn named(address: &Address) -> Option<&Address> {
    (!address.is_zero()).then_some(address)
}

impl Lists {
    /// Empty lists; `map_seed` is a secret, see [`State::new`].
    pub fn new(map_seed: u64) -> Self {
        let parties = Parties { parties: Slab::default(), index: SlotIndex::new(map_seed) };
        Self {
            all: List::new(),
            by_owner: List::new(),
            holds: List::new(),
            by_beneficiary: List::new(),
            by_arbiter: List::new(),
            parties,
        }
    }

    pub fn insert(&mut self, lock: &Lock, slot: u32) {
        self.all.insert(Entry::new(EVERYONE, lock.place), slot);
        let owned = Entry::new(lock.owner_slot, lock.place);
        self.by_owner.insert(owned, slot);
        if lock.holds() {
            self.holds.insert(owned, slot);
        }
        if let Some(beneficiary) = named(&lock.terms.beneficiary) {
            let party = self.parties.enter(beneficiary);
            self.by_beneficiary.insert(Entry::new(party, lock.place), slot);
        }
        if let Some(arbiter) = named(&lock.terms.arbiter) {
            let party = self.parties.enter(arbiter);
            self.by_arbiter.insert(Entry::new(party, lock.place), slot);
        }
    }

    pub fn remove(&mut self, lock: &Lock) {
        self.all.remove(&Entry::new(EVERYONE, lock.place));
        self.by_owner.remove(&Entry::new(lock.owner_slot, lock.place));
        self.end_hold(lock.owner_slot, lock.place);
        let beneficiary = named(&lock.terms.beneficiary);
        if let Some(party) = beneficiary.and_then(|address| self.parties.leave(address)) {
            self.by_beneficiary.remove(&Entry::new(party, lock.place));
        }
        let arbiter = named(&lock.terms.arbiter);
        if let Some(party) = arbiter.and_then(|address| self.parties.leave(address)) {
            self.by_arbiter.remove(&Entry::new(party, lock.place));
        }
    }

    /// Nothing of the lock is held any more.
    pub fn end_hold(&mut self, owner_slot: u32, place: ListCursor) {
        self.holds.remove(&Entry::new(owner_slot, place));
    }

    /// Puts every lock of a loaded state in. Sorted lists make dense maps, and are made faster than
    /// entry by entry.
    pub fn fill(&mut self, locks: &Slab<Lock>) {
        let owned = |(slot, lock): (u32, &Lock)| (Entry::new(lock.owner_slot, lock.place), slot);
        let of_all = |(slot, lock): (u32, &Lock)| (Entry::new(EVERYONE, lock.place), slot);
        self.all = locks.entries().map(of_all).collect();
        self.by_owner = locks.entries().map(owned).collect();
        self.holds = locks.entries().filter(|(_, lock)| lock.holds()).map(owned).collect();
        let parties = &mut self.parties;
        let mut role = |address: fn(&Lock) -> &Address| -> List {
            let entry = |(slot, lock): (u32, &Lock)| {
                let party = parties.enter(named(address(lock))?);
                Some((Entry::new(party, lock.place), slot))
            };
            locks.entries().filter_map(entry).collect()
        };
        self.by_beneficiary = role(|lock| &lock.terms.beneficiary);
        self.by_arbiter = role(|lock| &lock.terms.arbiter);
    }

    /// True when each list has as many entries as there are locks that belong into it.
    pub fn count(&self, locks: &Slab<Lock>) -> bool {
        let count = |wanted: fn(&Lock) -> bool| locks.iter().filter(|lock| wanted(lock)).count();
        let entries = self.parties.parties.iter().map(|party| u64::from(party.entries)).sum();
        let roles = [&self.by_beneficiary, &self.by_arbiter].map(List::len);
        self.all.len() == count(|_| true)
            && self.by_owner.len() == self.all.len()
            && self.holds.len() == count(Lock::holds)
            && roles[0] == count(|lock| !lock.terms.beneficiary.is_zero())
            && roles[1] == count(|lock| !lock.terms.arbiter.is_zero())
            && roles.map(slot_of).map(u64::from).iter().sum::<u64>() == entries
    }
}

impl State {
    /// A page of the locks that a filter selects, in the order of their grants. Walks the list of
    /// the first party that the filter names.
    pub fn list(&self, filter: &LockFilter) -> LockPage<'_> {
        let mut page = LockPage::default();
        let mut last = None;
        for (scanned, (entry, slot)) in self.walk(filter).enumerate() {
            if scanned == LIST_SCAN_MAX || page.locks.len() == filter.limit.max(1) {
                page.next = last;
                break;
            }
            page.locks.extend(self.lock_at(*slot).filter(|lock| filter.admits(lock)));
            last = Some(entry.place());
        }
        page
    }

    /// The locks that hold a part of an account, the oldest first, at most `limit` of them; and
    /// false when there may be more.
    pub fn holds_of(&self, owner: &Address, asset: &Asset, limit: usize) -> (Vec<&Lock>, bool) {
        let filter = LockFilter { owner: Some(*owner), open_only: true, ..LockFilter::default() };
        let mut locks = Vec::new();
        for (scanned, (_, slot)) in self.walk(&filter).enumerate() {
            if scanned == LIST_SCAN_MAX || locks.len() == limit {
                return (locks, false);
            }
            let of_asset = |lock: &&Lock| lock.terms.legs.iter().any(|leg| leg.asset == *asset);
            locks.extend(self.lock_at(*slot).filter(of_asset));
        }
        (locks, true)
    }

    /// The entries of the list that serves a filter.
    fn walk(&self, filter: &LockFilter) -> Range<'_, Entry, u32> {
        let lists = &self.lists;
        let owned = if filter.admits_open_alone() { &lists.holds } else { &lists.by_owner };
        let (list, party) = match (&filter.owner, &filter.beneficiary, &filter.arbiter) {
            (Some(owner), ..) => (owned, self.principal_slot(owner)),
            (None, Some(party), _) => (&lists.by_beneficiary, lists.parties.slot(party)),
            (None, None, Some(party)) => (&lists.by_arbiter, lists.parties.slot(party)),
            (None, None, None) => (&lists.all, Some(EVERYONE)),
        };
        let Some(party) = party else { return Range::default() };
        match filter.after {
            Some(after) => {
                use core::ops::Bound::{Excluded, Included};
                list.range((Excluded(Entry::new(party, after)), Included(Entry::last_of(party))))
            }
            None => list.range(Entry { party, place: [0; 2] }..=Entry::last_of(party)),
        }
    }
}

#[cfg(test)]
mod tests;
