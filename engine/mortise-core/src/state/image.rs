//! The image of the whole state that a snapshot takes while commands change the state.
//!
//! What it is for: the containers of the state as one stream of records, and the state of such a
//! stream. A container that joins [`State::containers`] is in every snapshot.
//!
//! What it does not do: put records into parts, seal, compare roots (`machine::snapshot` does).
//! Indexes, timers and the tree are not in an image: [`Loading::finish`] rebuilds them. Values keep
//! their slots, so what values say of one another by slot needs no rebuilding, only checking.

use super::chunks::Imaged;
use super::images::Images;
use super::principals::NO_SLOT;
use super::room::Newcomers;
use super::{GrantedReading, State};
use alloc::vec::Vec;
use bincode::{Decode, Encode};
use mortise_format::event::LogPosition;
use mortise_format::ids::EngineId;
use mortise_format::policy::Policy;
use mortise_format::rules::RuleSet;
use mortise_format::secret::Secret;

/// The part of a state that is copied when an image begins, and how many slots each container has.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct StateHead {
    policy: Policy,
    rules: RuleSet,
    time_ms: u64,
    at: LogPosition,
    readings: Vec<GrantedReading>,
    images: Images,
    newcomers: Newcomers,
    slots: Vec<u32>,
}

/// A record of an image: the number of its container, and its bytes.
pub(crate) type Record = (u8, Vec<u8>);

impl State {
    /// Every container of which a snapshot holds the values. The place in this list is the
    /// container's number in a record.
    fn containers(&mut self) -> [&mut dyn Imaged; 5] {
        [
            &mut self.locks,
            &mut self.accounts,
            &mut self.principals,
            &mut self.totals,
            self.requests.container(),
        ]
    }

    /// Begins an image of the state as it is now. No frame may be open.
    pub(crate) fn begin_image(&mut self) -> StateHead {
        let slots = self.containers().into_iter().map(|container| container.begin_image());
        let slots = slots.collect();
        StateHead {
            policy: self.policy.clone(),
            rules: self.rules,
            time_ms: self.time_ms,
            at: self.at,
            readings: self.readings.clone(),
            images: self.images.clone(),
            newcomers: self.room.newcomers,
            slots,
        }
    }

    /// Encodes the next chunk of the image. Returns the number of values in it, and `None` when
    /// every chunk is encoded.
    pub(crate) fn encode_next(&mut self) -> Option<usize> {
        self.containers().into_iter().find_map(Imaged::encode_next)
    }

    /// Takes a record of the image, whether a slice encoded it or a write.
    pub(crate) fn take_record(&mut self) -> Option<Record> {
        let mut containers = (0..).zip(self.containers());
        containers.find_map(|(number, container)| Some((number, container.take_record()?)))
    }

    /// A whole image at once: what a snapshot takes in slices.
    pub fn image(&mut self) -> WholeImage {
        let head = self.begin_image();
        while self.encode_next().is_some() {}
        let records = core::iter::from_fn(|| self.take_record()).collect();
        WholeImage { head, records }
    }

    /// The state of a whole image.
    ///
    /// # Errors
    /// `None` when the image is not whole or not consistent, see [`State::check`].
    pub fn of_image(
        engine_id: EngineId,
        salt_key: Secret,
        map_seed: u64,
        image: &WholeImage,
    ) -> Option<Self> {
        let head = image.head.clone();
        let mut loading = Loading::begin(engine_id, salt_key, map_seed, head)?;
        let filled = image.records.iter().all(|(at, record)| loading.fill(*at, record));
        loading.finish().filter(|_| filled)
    }

    /// Drops the image.
    pub(crate) fn abandon_image(&mut self) {
        self.containers().into_iter().for_each(Imaged::abandon_image);
    }
}

/// A whole image of a state.
#[derive(Debug, Clone)]
pub struct WholeImage {
    head: StateHead,
    records: Vec<Record>,
}

/// A state that is being filled from an image.
#[derive(Debug)]
pub(crate) struct Loading(State);

impl Loading {
    /// The state of `head`, with room for the values of its containers. `None` for a head that no
    /// state of this code has.
    pub fn begin(
        engine_id: EngineId,
        salt_key: Secret,
        map_seed: u64,
        head: StateHead,
    ) -> Option<Self> {
        let mut state = State::new(engine_id, head.policy, salt_key, map_seed);
        state.apply_rules(head.rules).ok()?;
        (state.time_ms, state.at) = (head.time_ms, head.at);
        (state.readings, state.images) = (head.readings, head.images);
        state.room.newcomers = head.newcomers;
        let containers = state.containers();
        if containers.len() != head.slots.len() {
            return None;
        }
        for (container, slots) in containers.into_iter().zip(head.slots) {
            container.expect_image(slots);
        }
        Some(Self(state))
    }

    /// Puts a record in. False for one that is malformed, has no place, or was there before.
    pub fn fill(&mut self, container: u8, record: &[u8]) -> bool {
        let container = self.0.containers().into_iter().nth(container.into());
        container.is_some_and(|container| container.fill(record))
    }

    /// The state, with its indexes and timers.
    ///
    /// # Errors
    /// `None` when a record is missing, or when values do not belong to one another.
    pub fn finish(mut self) -> Option<State> {
        let is_whole = |container: &mut dyn Imaged| container.end_filling();
        if !self.0.containers().into_iter().all(is_whole) {
            return None;
        }
        self.0.index_principals();
        self.0.index_accounts()?;
        self.0.index_locks()?;
        self.0.requests.rebuild();
        self.0.list_idle();
        self.0.check().ok()?;
        // What was marked while the state was made is not a change of a frame.
        self.0.take_leaves();
        Some(self.0)
    }
}

impl State {
    /// Lists what can be forgotten, once the locks of their owners are counted.
    fn list_idle(&mut self) {
        for slot in 0..self.principals.slots() {
            if let Some(principal) = self.principals.get_mut(slot) {
                principal.due = None;
                self.rearm_principal(slot);
            }
        }
        for slot in 0..self.accounts.slots() {
            if let Some(account) = self.accounts.get_mut(slot) {
                account.due = None;
                self.rearm_account(slot);
            }
        }
    }

    fn index_principals(&mut self) {
        let Self { principals, principal_index, room, .. } = self;
        principal_index.reserve(principals.slots());
        for (slot, principal) in principals.entries() {
            principal_index.insert(&principal.address, slot);
            room.of(principal.custody).principals += 1;
        }
        for slot in 0..principals.slots() {
            if let Some(principal) = principals.get_mut(slot) {
                principal.last_account = NO_SLOT;
            }
        }
    }

    fn index_accounts(&mut self) -> Option<()> {
        let classes: Vec<_> = self.accounts.iter().map(|a| self.class_of(&a.asset)).collect();
        classes.into_iter().for_each(|custody| self.room.of(custody).accounts += 1);
        let Self { accounts, account_index, totals, total_index, .. } = self;
        account_index.reserve(accounts.slots());
        for (slot, account) in accounts.entries() {
            if totals.get(account.total)?.asset != account.asset {
                return None;
            }
            account_index.insert(&(account.owner, account.asset), slot);
        }
        for (slot, total) in totals.entries() {
            total_index.insert(&total.asset, slot);
        }
        Some(())
    }

    /// Rebuilds the index of locks, the lists and the timers.
    fn index_locks(&mut self) -> Option<()> {
        self.lock_index.reserve(self.locks.slots());
        let retention_s = self.policy.retention_s;
        for slot in 0..self.locks.slots() {
            let Some(lock) = self.locks.get(slot) else { continue };
            let owner = lock.terms.owner;
            for (leg, terms) in lock.legs_and_terms() {
                let account = self.accounts.get(leg.account)?;
                if account.owner != owner || account.asset != terms.asset {
                    return None;
                }
            }
            self.lock_index.insert(&lock.lock_id, slot);
            self.room.of(lock.custody).locks += 1;
            let (owner_slot, due) = (lock.owner_slot, lock.due(retention_s));
            if self.principals.get(owner_slot)?.address != owner {
                return None;
            }
            let timer = match due {
                Some(due) => self.timers.set(due, slot),
                None => self.timers.unset(),
            };
            *self.principals.get_mut(owner_slot)?.lock_count += 1;
            *self.locks.get_mut(slot)?.timer = timer;
        }
        self.lists.fill(&self.locks);
        Some(())
    }
}
