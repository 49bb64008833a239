//! Drafts: locks that their owner has not signed yet.
//!
//! What it is for: remembers the terms behind a lock id between `createLock` and `signLock`.
//!
//! What it does not do: hold assets, use up nonces, survive a restart, write to the log.
//!
//! Invariants:
//! - The number of drafts is bounded, in total and per owner. Eviction is random, so a flood cannot
//!   target one draft.
//! - Concurrent drafts of an owner have distinct nonces.

use mortise_format::ids::{Address, LockId, RequestId};
use mortise_format::limits::{DRAFTS_MAX, NONCE_DRAFTS_MAX};
use mortise_format::lock::LockTerms;
use std::collections::{BTreeMap, VecDeque};

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

/// The pool of drafts.
#[derive(Debug, Default)]
pub struct Drafts {
    by_id: BTreeMap<LockId, Draft>,
    by_owner: BTreeMap<Address, Vec<LockId>>,
    by_time: VecDeque<(u64, LockId)>,
    random: u64,
}

impl Drafts {
    /// An empty pool; `seed` drives eviction.
    pub fn new(seed: u64) -> Self {
        Self { random: seed | 1, ..Self::default() }
    }

    /// A draft that has not expired.
    pub fn find(&self, lock_id: &LockId, now_ms: u64) -> Option<&Draft> {
        self.by_id.get(lock_id).filter(|d| now_ms < d.until_ms)
    }

    /// The draft that an owner created with a request id.
    pub fn find_request(&self, owner: &Address, id: &RequestId, now_ms: u64) -> Option<&Draft> {
        let ids = self.by_owner.get(owner)?;
        let mut drafts = ids.iter().filter_map(|lock_id| self.find(lock_id, now_ms));
        drafts.find(|d| d.request_id == Some(*id))
    }

    /// Number of drafts of an owner.
    pub fn count_of(&self, owner: &Address) -> usize {
        self.by_owner.get(owner).map_or(0, Vec::len)
    }

    /// Number of drafts.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// A free nonce that no draft of the owner uses, close to `next`, the next free one; `next`
    /// itself when drafts use all of these.
    pub fn next_nonce(&self, owner: &Address, next: u64, is_free: impl Fn(u64) -> bool) -> u64 {
        let ids = self.by_owner.get(owner).map_or(&[][..], Vec::as_slice);
        let reserved: Vec<u64> =
            ids.iter().filter_map(|id| self.by_id.get(id)).map(|d| d.terms.nonce).collect();
        let mut close = next..next.saturating_add(NONCE_DRAFTS_MAX);
        close.find(|nonce| is_free(*nonce) && !reserved.contains(nonce)).unwrap_or(next)
    }

    /// Adds a draft. A full pool evicts a random one.
    pub fn insert(&mut self, draft: Draft) {
        while self.by_id.len() >= DRAFTS_MAX {
            self.evict();
        }
        self.by_owner.entry(draft.terms.owner).or_default().push(draft.lock_id);
        self.by_time.push_back((draft.until_ms, draft.lock_id));
        self.by_id.insert(draft.lock_id, draft);
    }

    /// Removes a draft.
    pub fn remove(&mut self, lock_id: &LockId) -> Option<Draft> {
        let draft = self.by_id.remove(lock_id)?;
        if let Some(ids) = self.by_owner.get_mut(&draft.terms.owner) {
            ids.retain(|id| id != lock_id);
            if ids.is_empty() {
                self.by_owner.remove(&draft.terms.owner);
            }
        }
        Some(draft)
    }

    /// Removes expired drafts.
    pub fn forget(&mut self, now_ms: u64) {
        while let Some((until_ms, lock_id)) = self.by_time.front().copied() {
            if now_ms < until_ms && self.by_id.contains_key(&lock_id) {
                break;
            }
            self.by_time.pop_front();
            self.remove(&lock_id);
        }
    }

    /// Removes the first draft at or after a random id: lock ids are hashes, so every draft is
    /// about equally likely.
    fn evict(&mut self) {
        // xorshift64: unpredictable enough for a caller that does not know the seed.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let mut probe = [0; 32];
        probe[..8].copy_from_slice(&self.random.to_be_bytes());
        let after = self.by_id.range(LockId(probe)..).next();
        let victim = after.or_else(|| self.by_id.iter().next()).map(|(id, _)| *id);
        if let Some(victim) = victim {
            self.remove(&victim);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::U256;
    use mortise_format::asset::{Asset, Condition};

    fn draft(n: u64, owner: u8) -> Draft {
        let condition = Condition {
            target_chain_id: 1,
            target_asset: Asset::native(1),
            target_amount: U256::ONE,
            recipient: Address([1; 20]),
            execution_data: None,
        };
        let owner = Address([owner; 20]);
        let (beneficiary, arbiter, legs) = (Address::ZERO, Address::ZERO, Vec::new());
        let terms =
            LockTerms { owner, beneficiary, arbiter, nonce: n, expires: 0, condition, legs };
        let lock_id = LockId(mortise_format::domains::keccak256(&[&n.to_be_bytes(), &owner.0]));
        Draft { lock_id, terms, created_ms: 0, until_ms: 1000 + n, request_id: None }
    }

    #[test]
    fn a_flood_of_drafts_stays_within_the_bound() {
        let mut drafts = Drafts::new(42);
        for n in 0..u64::try_from(DRAFTS_MAX).unwrap() + 500 {
            drafts.insert(draft(n, (n % 200) as u8));
        }
        assert_eq!(drafts.count(), DRAFTS_MAX);
    }

    #[test]
    fn drafts_of_one_owner_have_distinct_nonces_and_expire() {
        let mut drafts = Drafts::new(1);
        let owner = Address([7; 20]);
        for expected in 0..5 {
            let nonce = drafts.next_nonce(&owner, 0, |nonce| nonce != 3);
            assert_eq!(nonce, [0, 1, 2, 4, 5][expected]);
            drafts.insert(draft(nonce, 7));
        }
        drafts.forget(1002);
        assert_eq!(drafts.count_of(&owner), 2);
        assert_eq!(drafts.next_nonce(&owner, 0, |_| true), 0);
    }

    /// A stranger makes drafts for an owner. The nonces that the owner signed meanwhile stay free:
    /// the window is wider than what drafts use.
    #[test]
    fn nonces_of_drafts_stay_within_half_the_window() {
        let mut drafts = Drafts::new(1);
        let owner = Address([7; 20]);
        for _ in 0..500 {
            let nonce = drafts.next_nonce(&owner, 10, |_| true);
            assert!((10..10 + NONCE_DRAFTS_MAX).contains(&nonce));
            drafts.insert(draft(nonce, 7));
        }
        assert!(NONCE_DRAFTS_MAX < mortise_format::limits::NONCE_WINDOW);
        assert_eq!(drafts.next_nonce(&owner, 10, |_| true), 10);
    }
}
