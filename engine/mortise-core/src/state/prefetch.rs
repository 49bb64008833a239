//! Looking ahead: the memory that the next commands will need is asked for together.
//!
//! What it is for: at a million locks nearly every row that a command needs is out of cache, and
//! each of its lookups waits for the one before. The lookups of different commands do not wait for
//! each other: a group of them is walked through one level at a time - indexes, rows, what the
//! rows point at - so that the processor has many loads under way instead of one.
//!
//! What it does not do: decide, change or promise anything. A wrong guess (two keys of one hash)
//! costs a load. Leaving the call out changes no answer.

use super::State;
use super::locks::Lock;
use super::principals::{NO_SLOT, Principal};
use super::slot_index::SlotIndex;
use crate::admit::Admitted;
use crate::decide::request_keys_of;
use core::hash::Hash;
use core::hint::black_box;
use mortise_format::ids::LockId;

/// Commands that are looked at together: their rows stay in the nearest cache until they are
/// decided.
pub const PREFETCH_BATCH: usize = 16;

/// Where the rows of a command probably are.
#[derive(Clone, Copy)]
struct RowSlots {
    lock: u32,
    principal: u32,
    request: u32,
}

/// No row is known.
const NO_SLOTS: RowSlots = RowSlots { lock: NO_SLOT, principal: NO_SLOT, request: NO_SLOT };

impl State {
    /// Reads what the next commands will need; best called for at most [`PREFETCH_BATCH`] of them right
    /// before they are decided.
    pub fn prefetch<'a>(&self, commands: impl Iterator<Item = &'a Admitted>) {
        let mut places = [NO_SLOTS; PREFETCH_BATCH];
        let mut count = 0;
        for (place, command) in places.iter_mut().zip(commands) {
            *place = self.places(command);
            count += 1;
        }
        let places = places.get(..count).unwrap_or_default();
        let mut read = 0;
        for place in places {
            read ^= self.read_rows(place);
        }
        for place in places {
            read ^= self.read_beyond(place);
        }
        black_box(read);
    }

    fn places(&self, command: &Admitted) -> RowSlots {
        let mark = request_keys_of(&command.0).first();
        let lock_of = |id: LockId| guess(&self.lock_index, &id);
        RowSlots {
            lock: command.lock_id().map_or(NO_SLOT, lock_of),
            principal: mark.map_or(NO_SLOT, |m| guess(&self.principal_index, &m.principal)),
            request: mark.map_or(NO_SLOT, |m| self.requests.guess(&m.principal, &m.id)),
        }
    }

    /// The rows themselves, each line of them.
    fn read_rows(&self, place: &RowSlots) -> u64 {
        let lock = self.lock_at(place.lock).map_or(0, lines_of_lock);
        let principal = self.principals.get(place.principal).map_or(0, lines_of_principal);
        lock ^ principal ^ self.requests.read(place.request)
    }

    /// What the rows point at: terms, the owner, the account.
    fn read_beyond(&self, place: &RowSlots) -> u64 {
        let mut read = 0;
        let mut account = NO_SLOT;
        if let Some(principal) = self.principals.get(place.principal) {
            account = principal.last_account;
            read ^= principal.locks.last().map_or(0, |slot| u64::from(*slot));
        }
        if let Some(lock) = self.lock_at(place.lock) {
            account = lock.legs.first().map_or(account, |leg| leg.account);
            read ^= lock.terms.expires;
            read ^= self.principals.get(lock.owner_slot).map_or(0, lines_of_principal);
        }
        if let Some(account) = self.accounts.get(account) {
            read ^= u64::from(account.claimed.is_zero())
                ^ account.changed_seq
                ^ u64::from(account.owner.0[0]);
        }
        read
    }
}

/// The first slot whose key has this hash: nearly always the key's.
pub(super) fn guess<K: Hash>(index: &SlotIndex, key: &K) -> u32 {
    index.find(key, |_| true).unwrap_or(NO_SLOT)
}

fn lines_of_lock(lock: &Lock) -> u64 {
    let leg = lock.legs.first().map_or(0, |leg| u64::from(leg.settled.is_zero()));
    u64::from(lock.lock_id.0[0])
        ^ lock.expires
        ^ lock.timer
        ^ leg
        ^ lock.changed_at.seq
        ^ u64::from(lock.signature.0[0])
}

fn lines_of_principal(principal: &Principal) -> u64 {
    let [.., high] = principal.nonces.bitmap;
    u64::from(principal.address.0[0]) ^ high ^ principal.changed_seq
}
