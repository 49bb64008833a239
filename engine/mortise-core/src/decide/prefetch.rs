//! Prefetch: loads the memory that the next commands need, for many commands at once.
//!
//! What it is for: at a million locks nearly every row that a command needs is a cache miss, and
//! each lookup of a command depends on the one before. The lookups of different commands do not
//! depend on each other. So a batch is walked level by level (indexes, rows, what the rows point
//! at), and the processor has many loads in flight instead of one.
//!
//! What it does not do: decide or change anything. A wrong guess (two keys with one hash) costs a
//! load. Without the call every answer is the same.

use super::request_keys_of;
use crate::admit::Admitted;
use crate::state::State;
use crate::state::locks::Lock;
use crate::state::principals::{NO_SLOT, Principal};
use core::hint::black_box;

/// Commands per batch. Few enough that their rows stay in the L1 cache until they are decided.
pub const PREFETCH_BATCH: usize = 16;

/// The probable slots of a command's rows.
#[derive(Clone, Copy)]
struct RowSlots {
    lock: u32,
    principal: u32,
    request: u32,
}

/// No slot is known.
const NO_SLOTS: RowSlots = RowSlots { lock: NO_SLOT, principal: NO_SLOT, request: NO_SLOT };

/// Loads what the next commands need, at most [`PREFETCH_BATCH`] of them. Call it right before they
/// are decided.
pub fn prefetch<'a>(state: &State, commands: impl Iterator<Item = &'a Admitted>) {
    let mut batch = [NO_SLOTS; PREFETCH_BATCH];
    let mut count = 0;
    for (slots, command) in batch.iter_mut().zip(commands) {
        *slots = slots_of(state, command);
        count += 1;
    }
    let batch = batch.get(..count).unwrap_or_default();
    let mut read = 0;
    for slots in batch {
        read ^= read_rows(state, slots);
    }
    for slots in batch {
        read ^= read_beyond(state, slots);
    }
    black_box(read);
}

fn slots_of(state: &State, command: &Admitted) -> RowSlots {
    let key = request_keys_of(&command.0).first();
    RowSlots {
        lock: command.lock_id().map_or(NO_SLOT, |id| state.lock_guess(&id)),
        principal: key.map_or(NO_SLOT, |key| state.principal_guess(&key.principal)),
        request: key.map_or(NO_SLOT, |key| state.requests.guess(&key.principal, &key.id)),
    }
}

/// Loads every cache line of the rows.
fn read_rows(state: &State, slots: &RowSlots) -> u64 {
    let lock = state.lock_at(slots.lock).map_or(0, lines_of_lock);
    let principal = state.principals.get(slots.principal).map_or(0, lines_of_principal);
    lock ^ principal ^ state.requests.read(slots.request)
}

/// Loads what the rows point at: terms, owner, account.
fn read_beyond(state: &State, slots: &RowSlots) -> u64 {
    let mut read = 0;
    let mut account = NO_SLOT;
    if let Some(principal) = state.principals.get(slots.principal) {
        account = principal.last_account;
    }
    if let Some(lock) = state.lock_at(slots.lock) {
        account = lock.legs.first().map_or(account, |leg| leg.account);
        read ^= lock.terms.expires;
        read ^= state.principals.get(lock.owner_slot).map_or(0, lines_of_principal);
    }
    if let Some(account) = state.accounts.get(account) {
        read ^= u64::from(account.claimed.is_zero())
            ^ account.changed_seq
            ^ u64::from(account.owner.0[0]);
    }
    read
}

fn lines_of_lock(lock: &Lock) -> u64 {
    let leg = lock.legs.first().map_or(0, |leg| u64::from(leg.settled.is_zero()));
    u64::from(lock.lock_id.0[0])
        ^ lock.expires
        ^ *lock.timer
        ^ leg
        ^ lock.changed_at().seq
        ^ u64::from(lock.signature.0[0])
}

fn lines_of_principal(principal: &Principal) -> u64 {
    let hour = principal.nonces.newest_hour().unwrap_or(0);
    u64::from(principal.address.0[0]) ^ u64::from(hour) ^ principal.changed_seq
}
