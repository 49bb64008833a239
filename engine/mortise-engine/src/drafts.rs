//! Drafts: locks that their owner has not signed yet.
//!
//! What it is for: remembers the terms behind a lock id between `createLock` and `signLock`, for
//! clients that send no terms with their signature. A client that does loses nothing with a draft.
//!
//! What it does not do: hold assets, use up nonces, survive a restart, write to the log. It has no
//! quota of the named owner, whom any caller can name.
//!
//! Invariants:
//! - All drafts have at most `DRAFTS_BYTES_MAX` bytes, execution data included. Each counts as
//!   `DRAFT_BYTES_MIN` at least, so there are at most `DRAFTS_MAX`.
//! - One caller has at most 1/16 of that: beyond it, its own oldest draft makes room.
//! - A full pool takes from the caller that holds most, and its oldest draft. A draft younger than
//!   `DRAFT_YOUNG_MS` gives way only if its caller holds more than an even share and more than this
//!   one; otherwise the newcomer is refused.
//! - Drafts of one owner at one caller have distinct nonces, as long as there are fewer than
//!   `NONCE_DRAFTS_MAX`.
//! - Two callers that ask for the same terms have a draft each, with the same lock id. So neither
//!   can take it from the other.

use crate::api::ShareKey;
use mortise_format::ids::{Address, LockId, RequestId};
use mortise_format::limits::{
    DRAFT_YOUNG_MS, DRAFTS_BYTES_MAX, DRAFTS_MAX, EXECUTION_DATA_BYTES_MAX, NONCE_DRAFTS_MAX,
};
use mortise_format::lock::LockTerms;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub lock_id: LockId,
    pub terms: LockTerms,
    /// Engine time of creation, milliseconds.
    pub created_ms: u64,
    /// Engine time at which the draft expires, milliseconds.
    pub until_ms: u64,
    /// The id of the request, so that a repeat finds the draft.
    pub request_id: Option<RequestId>,
}

/// The pool is full of drafts that may not be evicted yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolFull;

/// The pool of drafts.
#[derive(Debug, Default)]
pub struct Drafts {
    /// Each with its number, in order of creation.
    by_id: BTreeMap<(LockId, ShareKey), (u64, Draft)>,
    by_caller: BTreeMap<ShareKey, Held>,
    /// Callers by the bytes that they hold.
    by_bytes: BTreeSet<(usize, ShareKey)>,
    by_time: BTreeSet<(u64, LockId, ShareKey)>,
    bytes: usize,
    next: u64,
}

/// The drafts of one caller.
#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    by_age: BTreeSet<(u64, LockId)>,
    nonces: BTreeSet<(Address, u64, LockId)>,
    requests: BTreeMap<(Address, RequestId), LockId>,
}

/// Bytes of a draft without its execution data, indexes included.
const DRAFT_BYTES: usize = 1024;
/// What the smallest draft counts as.
const DRAFT_BYTES_MIN: usize = DRAFTS_BYTES_MAX.div_ceil(DRAFTS_MAX);
/// Most bytes of one caller.
const CALLER_BYTES_MAX: usize = DRAFTS_BYTES_MAX / 16;

const _: () = assert!(DRAFT_BYTES + EXECUTION_DATA_BYTES_MAX <= CALLER_BYTES_MAX);
const _: () = assert!(DRAFT_BYTES <= DRAFT_BYTES_MIN);

impl Drafts {
    /// A draft that has not expired.
    pub fn find(&self, lock_id: &LockId, now_ms: u64) -> Option<&Draft> {
        let same = self.by_id.range((*lock_id, ShareKey::MIN)..=(*lock_id, ShareKey::MAX));
        let mut drafts = same.map(|(_, (_, draft))| draft);
        drafts.find(|draft| now_ms < draft.until_ms)
    }

    /// The draft that a caller created with a request id for an owner.
    pub fn find_request(
        &self,
        caller: ShareKey,
        owner: &Address,
        id: &RequestId,
        now_ms: u64,
    ) -> Option<&Draft> {
        let lock_id = self.by_caller.get(&caller)?.requests.get(&(*owner, *id))?;
        let (_, draft) = self.by_id.get(&(*lock_id, caller))?;
        (now_ms < draft.until_ms).then_some(draft)
    }

    /// Number of drafts.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// A free nonce that no other draft of the owner at this caller uses, close to `next`, the next
    /// free one; `next` itself when drafts use all of these.
    pub fn next_nonce(
        &self,
        caller: ShareKey,
        owner: &Address,
        next: u64,
        is_free: impl Fn(u64) -> bool,
    ) -> u64 {
        let Some(held) = self.by_caller.get(&caller) else { return next };
        let is_reserved = |nonce: u64| {
            let same = (*owner, nonce, LockId([0; 32]))..=(*owner, nonce, LockId([0xff; 32]));
            held.nonces.range(same).next().is_some()
        };
        let mut close = next..next.saturating_add(NONCE_DRAFTS_MAX);
        close.find(|nonce| is_free(*nonce) && !is_reserved(*nonce)).unwrap_or(next)
    }

    /// Adds a draft.
    ///
    /// # Errors
    /// [`PoolFull`]; nothing was added then.
    pub fn insert(&mut self, caller: ShareKey, draft: Draft) -> Result<(), PoolFull> {
        let bytes = bytes_of(&draft);
        self.remove_of(draft.lock_id, caller);
        while self.held_by(caller) + bytes > CALLER_BYTES_MAX {
            self.evict_oldest_of(caller);
        }
        while self.bytes + bytes > DRAFTS_BYTES_MAX {
            let victim = self.victim(caller, draft.created_ms).ok_or(PoolFull)?;
            self.evict_oldest_of(victim);
        }
        self.add(caller, draft, bytes);
        Ok(())
    }

    /// The caller whose oldest draft makes room for a newcomer's.
    fn victim(&self, newcomer: ShareKey, now_ms: u64) -> Option<ShareKey> {
        let (most, holder) = *self.by_bytes.last()?;
        let held = self.by_caller.get(&holder)?;
        let (_, lock_id) = *held.by_age.first()?;
        let (_, oldest) = self.by_id.get(&(lock_id, holder))?;
        let is_young = now_ms < oldest.created_ms.saturating_add(DRAFT_YOUNG_MS);
        let callers = self.by_caller.len() + usize::from(!self.by_caller.contains_key(&newcomer));
        let is_over_its_share = held.by_age.len() > 1 && most > DRAFTS_BYTES_MAX / callers;
        (!is_young || is_over_its_share || holder == newcomer).then_some(holder)
    }

    fn held_by(&self, caller: ShareKey) -> usize {
        self.by_caller.get(&caller).map_or(0, |held| held.bytes)
    }

    fn evict_oldest_of(&mut self, caller: ShareKey) {
        let held = self.by_caller.get(&caller);
        if let Some((_, lock_id)) = held.and_then(|held| held.by_age.first().copied()) {
            self.remove_of(lock_id, caller);
        }
    }

    fn add(&mut self, caller: ShareKey, draft: Draft, bytes: usize) {
        self.next += 1;
        let (lock_id, owner) = (draft.lock_id, draft.terms.owner);
        let held = self.by_caller.entry(caller).or_default();
        self.by_bytes.remove(&(held.bytes, caller));
        held.bytes += bytes;
        self.by_bytes.insert((held.bytes, caller));
        held.by_age.insert((self.next, lock_id));
        held.nonces.insert((owner, draft.terms.nonce, lock_id));
        if let Some(id) = draft.request_id {
            held.requests.insert((owner, id), lock_id);
        }
        self.bytes += bytes;
        self.by_time.insert((draft.until_ms, lock_id, caller));
        self.by_id.insert((lock_id, caller), (self.next, draft));
    }

    /// Removes every draft of a lock id.
    pub fn remove(&mut self, lock_id: &LockId) {
        let same = self.by_id.range((*lock_id, ShareKey::MIN)..=(*lock_id, ShareKey::MAX));
        let callers: Vec<ShareKey> = same.map(|((_, caller), _)| *caller).collect();
        callers.into_iter().for_each(|caller| self.remove_of(*lock_id, caller));
    }

    fn remove_of(&mut self, lock_id: LockId, caller: ShareKey) {
        let Some((number, draft)) = self.by_id.remove(&(lock_id, caller)) else { return };
        let (bytes, owner) = (bytes_of(&draft), draft.terms.owner);
        self.bytes -= bytes;
        self.by_time.remove(&(draft.until_ms, lock_id, caller));
        let Some(held) = self.by_caller.get_mut(&caller) else { return };
        self.by_bytes.remove(&(held.bytes, caller));
        held.bytes -= bytes;
        held.by_age.remove(&(number, lock_id));
        held.nonces.remove(&(owner, draft.terms.nonce, lock_id));
        if let Some(id) = draft.request_id
            && held.requests.get(&(owner, id)) == Some(&lock_id)
        {
            held.requests.remove(&(owner, id));
        }
        if held.by_age.is_empty() {
            self.by_caller.remove(&caller);
        } else {
            self.by_bytes.insert((held.bytes, caller));
        }
    }

    /// Removes expired drafts.
    pub fn forget(&mut self, now_ms: u64) {
        while let Some(&(until_ms, lock_id, caller)) = self.by_time.first()
            && now_ms >= until_ms
        {
            self.remove_of(lock_id, caller);
        }
    }
}

fn bytes_of(draft: &Draft) -> usize {
    let data = draft.terms.condition.execution_data.as_ref().map_or(0, Vec::len);
    (DRAFT_BYTES + data).max(DRAFT_BYTES_MIN)
}

#[cfg(test)]
mod tests;
