//! The state: locks, accounts, principals, remembered requests; and the indexes over them.
//!
//! What it is for: one value that events change and commands are decided against. Lookups are
//! constant time. No iteration order can affect a byte of output, except in snapshots, whose state
//! root is checked.
//!
//! Invariants: aggregates (`held`, `claimed`, totals, counts) equal the sums over the locks
//! (INV-01, 02); `check` recomputes them from scratch.

pub mod accounts;
pub mod changes;
mod check;
mod chunks;
mod corruption;
mod idle;
mod image;
mod images;
mod leaves;
pub mod lists;
pub mod locks;
pub mod nonces;
pub mod principals;
mod readings;
mod rebuilt;
pub mod requests;
pub mod room;
mod rules;
mod slab;
mod slot_index;
mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
mod timers;
mod view;
mod whole;

pub use check::Inconsistency;
pub use corruption::Corruption;
pub use image::WholeImage;
pub(crate) use image::{Loading, StateHead};
pub use images::{ApprovedImages, ImageRefusal};
pub use leaves::{Before, Leaf, value_hash};
pub use mortise_format::entry::{LeafKey, LeafValue};
pub use readings::GrantedReading;
pub(crate) use rebuilt::Rebuilt;
pub use snapshot::StateSnapshot;
pub use view::{Balance, DueLocks};

use accounts::{Account, AssetTotal};
use alloc::vec::Vec;
use bincode::Encode;
use core::ops::{Index, IndexMut};
use idle::Idle;
use images::Images;
use leaves::Dirty;
use lists::Lists;
use locks::Lock;
use mortise_format::asset::Asset;
use mortise_format::event::LogPosition;
use mortise_format::ids::{Address, EngineId, LockId, PolicyHash};
use mortise_format::lock::Custody;
use mortise_format::policy::Policy;
use mortise_format::rules::RuleSet;
use mortise_format::secret::Secret;
use principals::{NO_SLOT, Principal};
use requests::Requests;
use room::Room;
use slab::Slab;
use slot_index::{KeyHash, SlotIndex};
use timers::Timers;

/// The state that the events of the log build.
#[derive(Debug, Clone)]
pub struct State {
    engine_id: EngineId,
    policy: Policy,
    policy_hash: PolicyHash,
    rules: RuleSet,
    /// True once the epoch ended in order. No snapshot holds it: none is taken after the end.
    has_ended: bool,
    pub(crate) time_ms: u64,
    pub(crate) at: LogPosition,
    locks: Slab<Lock>,
    lock_index: SlotIndex,
    pub(crate) accounts: Slab<Account>,
    account_index: SlotIndex,
    pub(crate) principals: Slab<Principal>,
    principal_index: SlotIndex,
    /// Slot of the last principal that was looked up.
    last_principal: u32,
    pub(crate) totals: Slab<AssetTotal>,
    total_index: SlotIndex,
    pub(crate) requests: Requests,
    timers: Timers,
    lists: Lists,
    idle: Idle,
    room: Room,
    readings: Vec<GrantedReading>,
    images: Images,
    dirty: Dirty,
}

impl State {
    /// An empty state under a policy. `salt_key` hides values in the state tree; `map_seed` is a
    /// secret number that keeps callers from choosing colliding keys.
    pub fn new(engine_id: EngineId, policy: Policy, salt_key: Secret, map_seed: u64) -> Self {
        let slot_index = || SlotIndex::new(map_seed);
        let policy_hash = policy.hash();
        let mut state = Self {
            engine_id,
            policy,
            policy_hash,
            rules: RuleSet::NONE,
            has_ended: false,
            time_ms: 0,
            at: LogPosition::default(),
            locks: Slab::default(),
            lock_index: slot_index(),
            accounts: Slab::default(),
            account_index: slot_index(),
            principals: Slab::default(),
            principal_index: slot_index(),
            last_principal: NO_SLOT,
            totals: Slab::default(),
            total_index: slot_index(),
            requests: Requests::new(map_seed),
            timers: Timers::default(),
            lists: Lists::new(map_seed),
            idle: Idle::default(),
            room: Room::default(),
            readings: Vec::new(),
            images: Images::default(),
            dirty: Dirty::new(engine_id, salt_key),
        };
        state.dirty.policy();
        state
    }

    pub(crate) fn lock_slot(&self, lock_id: &LockId) -> Option<u32> {
        self.lock_slot_hashed(lock_id, self.lock_hash(lock_id))
    }

    /// The hash of a lock id, computed once for a lookup and the insertion after it.
    pub(crate) fn lock_hash(&self, lock_id: &LockId) -> KeyHash {
        self.lock_index.hash(lock_id)
    }

    pub(crate) fn lock_slot_hashed(&self, lock_id: &LockId, hash: KeyHash) -> Option<u32> {
        let holds = |slot| self.lock_at(slot).is_some_and(|lock| lock.lock_id == *lock_id);
        self.lock_index.find_hashed(hash, holds)
    }

    /// The first slot with the hash of this lock id: nearly always the lock's.
    pub(crate) fn lock_guess(&self, lock_id: &LockId) -> u32 {
        self.lock_index.guess(lock_id).unwrap_or(NO_SLOT)
    }

    /// As [`State::lock_guess`], of a principal.
    pub(crate) fn principal_guess(&self, address: &Address) -> u32 {
        self.principal_index.guess(address).unwrap_or(NO_SLOT)
    }

    pub(crate) fn lock_at(&self, slot: u32) -> Option<&Lock> {
        self.locks.get(slot)
    }

    pub(crate) fn lock_mut(&mut self, slot: u32) -> Option<&mut Lock> {
        self.locks.get_mut(slot)
    }

    pub(crate) fn account_slot(&self, owner: &Address, asset: &Asset) -> Option<u32> {
        let holds = |slot| {
            let account = self.accounts.get(slot);
            account.is_some_and(|account| account.owner == *owner && account.asset == *asset)
        };
        self.account_index.find(&(*owner, *asset), holds)
    }

    /// The account of a principal that was looked up: the one it used last, or through the index.
    pub(crate) fn account_of(&self, owner: Option<&Principal>, asset: &Asset) -> Option<&Account> {
        let owner = owner?;
        let last = self.accounts.get(owner.last_account);
        // The slot may have gone to another owner since.
        let is_it = |account: &&Account| account.owner == owner.address && account.asset == *asset;
        if let Some(last) = last.filter(is_it) {
            return Some(last);
        }
        self.accounts.get(self.account_slot(&owner.address, asset)?)
    }

    pub(crate) fn principal_slot(&self, address: &Address) -> Option<u32> {
        let holds = |slot| {
            let principal = self.principals.get(slot);
            principal.is_some_and(|principal| principal.address == *address)
        };
        self.principal_index.find(address, holds)
    }

    /// The slot of an account, created when missing.
    pub(crate) fn ensure_account(&mut self, owner: &Address, asset: &Asset) -> u32 {
        if let Some(slot) = self.account_slot(owner, asset) {
            return slot;
        }
        let total = self.ensure_total(asset);
        // It is a leaf from this frame on; nothing more needs to be kept of it.
        let changed_seq = self.at.seq;
        let slot =
            self.accounts.insert(Account { changed_seq, ..Account::new(*owner, *asset, total) });
        self.totals[total].accounts += 1;
        let custody = self.class_of(asset);
        self.room.of(custody).accounts += 1;
        self.keep_absent(LeafKey::Account(*owner, *asset));
        self.account_index.insert(&(*owner, *asset), slot);
        slot
    }

    /// The slot of an owner's account, created when missing. Becomes the owner's last used account.
    pub(crate) fn ensure_account_of(&mut self, owner_slot: u32, asset: &Asset) -> u32 {
        let owner = &self.principals[owner_slot];
        let (address, last_account) = (owner.address, owner.last_account);
        let last = self.accounts.get(last_account);
        // The slot may have gone to another owner since.
        if last.is_some_and(|last| last.owner == address && last.asset == *asset) {
            return last_account;
        }
        let slot = self.ensure_account(&address, asset);
        self.principals[owner_slot].last_account = slot;
        slot
    }

    /// The slot of a principal, created in a custody class when missing.
    pub(crate) fn ensure_principal(&mut self, address: &Address, custody: Custody) -> u32 {
        // The events of one command look up the same principal several times.
        let last = self.principals.get(self.last_principal);
        if last.is_some_and(|principal| principal.address == *address) {
            return self.last_principal;
        }
        let slot = self.principal_slot(address).unwrap_or_else(|| {
            let slot = self.principals.insert(Principal::new(*address, custody));
            self.principal_index.insert(address, slot);
            self.room.of(custody).principals += 1;
            slot
        });
        self.last_principal = slot;
        slot
    }

    pub(crate) fn total_slot(&self, asset: &Asset) -> Option<u32> {
        let holds = |slot| self.totals.get(slot).is_some_and(|t| t.asset == *asset);
        self.total_index.find(asset, holds)
    }

    pub(crate) fn ensure_total(&mut self, asset: &Asset) -> u32 {
        self.total_slot(asset).unwrap_or_else(|| {
            let promised = mortise_format::U256::ZERO;
            let slot = self.totals.insert(AssetTotal { asset: *asset, promised, accounts: 0 });
            self.total_index.insert(asset, slot);
            slot
        })
    }

    /// Takes an account out of the total of its asset, which leaves with its last account.
    fn leave_total(&mut self, slot: u32) {
        let Some(total) = self.totals.get_mut(slot) else { return };
        total.accounts = total.accounts.saturating_sub(1);
        if total.accounts == 0 {
            let asset = total.asset;
            self.total_index.remove(&asset, slot);
            self.totals.take(slot);
        }
    }

    /// Puts a lock into a free slot, the lists and the timers.
    pub(crate) fn insert_lock(&mut self, mut lock: Lock, hash: KeyHash) -> u32 {
        let slot = self.locks.next_slot();
        *self.principals[lock.owner_slot].lock_count += 1;
        self.lists.insert(&lock, slot);
        self.lock_index.insert_hashed(hash, slot);
        let due = lock.due(self.policy.retention_s);
        *lock.timer = match due {
            Some(due) => self.timers.set(due, slot),
            None => self.timers.unset(),
        };
        let owner_slot = lock.owner_slot;
        for leg in lock.legs.iter() {
            self.accounts[leg.account].lock_legs += 1;
            self.rearm_account(leg.account);
        }
        self.rearm_principal(owner_slot);
        self.room.of(lock.custody).locks += 1;
        self.locks.insert(lock)
    }

    /// Takes a lock out of every index.
    pub(crate) fn remove_lock(&mut self, slot: u32) -> Option<Lock> {
        let lock = self.locks.take(slot)?;
        self.lock_index.remove(&lock.lock_id, slot);
        self.lists.remove(&lock);
        *self.principals[lock.owner_slot].lock_count -= 1;
        for leg in lock.legs.iter() {
            let legs = &mut self.accounts[leg.account].lock_legs;
            *legs = legs.saturating_sub(1);
            self.rearm_account(leg.account);
        }
        self.rearm_principal(lock.owner_slot);
        self.room.of(lock.custody).locks -= 1;
        Some(lock)
    }

    /// Sets a new timer for a lock after its status or times changed, and ends its hold when
    /// nothing of it is held any more.
    pub(crate) fn rearm(&mut self, slot: u32) {
        let Some(lock) = self.locks.get(slot) else { return };
        let due = lock.due(self.policy.retention_s);
        if !lock.holds() {
            self.lists.end_hold(lock.owner_slot, lock.place);
        }
        let stamp = match due {
            Some(due) => self.timers.set(due, slot),
            None => self.timers.unset(),
        };
        if let Some(lock) = self.lock_mut(slot) {
            *lock.timer = stamp;
        }
    }
}

/// Of slots that the state itself keeps in a value that is in force: they are never free.
impl<T> Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, slot: u32) -> &T {
        self.get(slot).expect("a value in force names no free slot")
    }
}

impl<T: Encode> IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, slot: u32) -> &mut T {
        self.get_mut(slot).expect("a value in force names no free slot")
    }
}

/// Slots are 32 bits: memory is exhausted long before they are.
pub(crate) fn slot_of(length: usize) -> u32 {
    u32::try_from(length).expect("memory ends before 2^32 entries")
}

/// A slot as an index.
pub(crate) fn index(slot: u32) -> usize {
    usize::try_from(slot).expect("the address space holds every slot")
}
