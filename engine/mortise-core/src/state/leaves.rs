//! The entries that the state has in the state tree, with their positions and value hashes.
//!
//! ```text
//! position = keyed BLAKE3(position key of the engine, kind | key, 64 bytes)
//! salt     = keyed BLAKE3(state-salt key, kind | key digest | seq of the change, 64 bytes)
//! value    = keyed BLAKE3(value key, salt | encoded LeafValue)
//! ```
//! Positions are public, so that absence can be proven. Salts hide the values, so that a
//! neighbour's proof shows only a position. Byte tables: `specs/state-tree.md`.

use super::State;
use super::accounts::Account;
use super::locks::Lock;
use super::nonces::Nonces;
use super::principals::Principal;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use mortise_format::U256;
use mortise_format::codec;
use mortise_format::domains;
use mortise_format::entry::{LeafKey, LeafValue, position_key};
use mortise_format::ids::{EngineId, LockId};
use mortise_format::merkle::{TreeKey, ValueHash};
use mortise_format::secret::Secret;

/// A changed leaf: position, and value hash or removal.
pub type Leaf = ([u8; 32], Option<[u8; 32]>);

/// What a leaf held before the current frame changed it for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// The leaf.
    pub key: LeafKey,
    /// Its value and the frame of its last change; `None` for a leaf that was absent.
    pub held: Option<(LeafValue, u64)>,
}

impl Before {
    /// Approximate memory use in bytes.
    pub fn bytes(&self) -> usize {
        let behind = match &self.held {
            Some((LeafValue::Lock { legs, .. }, _)) => legs.len() * size_of::<[U256; 3]>(),
            Some((LeafValue::Images { images, .. }, _)) => size_of_val(images.as_slice()),
            Some((LeafValue::PrincipalByHour { windows, .. }, _)) => {
                size_of_val(windows.as_slice())
            }
            _ => 0,
        };
        size_of::<Self>() + behind
    }
}

/// Entries that changed since the leaves were last taken. An entry can occur more than once.
#[derive(Debug, Clone)]
pub(super) struct Dirty {
    position_key: [u8; 32],
    value_key: [u8; 32],
    salt_key: Secret,
    locks: Vec<LockId>,
    accounts: Vec<u32>,
    principals: Vec<u32>,
    /// Accounts and principals that left. Their slots may hold other values by now.
    forgotten: Vec<LeafKey>,
    policy: bool,
    images: bool,
    /// What the changed leaves held before, each leaf once.
    before: Vec<Before>,
}

impl Dirty {
    pub fn new(engine_id: EngineId, salt_key: Secret) -> Self {
        Self {
            position_key: position_key(&engine_id),
            value_key: domains::blake3_key(domains::STATE_VALUE),
            salt_key,
            locks: Vec::new(),
            accounts: Vec::new(),
            principals: Vec::new(),
            forgotten: Vec::new(),
            policy: false,
            images: false,
            before: Vec::new(),
        }
    }

    pub fn policy(&mut self) {
        self.policy = true;
    }

    pub fn images(&mut self) {
        self.images = true;
    }

    pub fn keep(&mut self, before: Before) {
        self.before.push(before);
    }
}

/// The salt of a leaf that last changed in frame `seq`.
pub(crate) fn leaf_salt(salt_key: &Secret, key: &LeafKey, seq: u64) -> [u8; 32] {
    salt_key.expose(|salt_key| *blake3::keyed_hash(salt_key, &key.block(seq)).as_bytes())
}

/// The value hash of a leaf: what the tree holds.
pub fn value_hash(salt: &[u8; 32], value: &LeafValue) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(320);
    hash_value(&domains::blake3_key(domains::STATE_VALUE), salt, value, &mut bytes)
}

fn hash_value(
    value_key: &[u8; 32],
    salt: &[u8; 32],
    value: &LeafValue,
    bytes: &mut Vec<u8>,
) -> [u8; 32] {
    bytes.clear();
    bytes.extend_from_slice(salt);
    codec::encode_into(value, bytes);
    *blake3::keyed_hash(value_key, bytes).as_bytes()
}

fn lock_leaf(lock: &Lock) -> LeafValue {
    LeafValue::Lock {
        status: lock.status,
        custody: lock.custody,
        expires: lock.expires,
        claim_by: lock.claim_by,
        settle_by: lock.settle_by,
        claim_count: lock.claim_count,
        granted_at: lock.granted_at(),
        legs: lock.legs.iter().map(|l| [l.remaining, l.claimed, l.settled]).collect(),
    }
}

fn account_leaf(account: &Account) -> LeafValue {
    let fact = account.fact.as_deref();
    let fact = fact.map(|f| (f.balance, f.withdrawing, f.withdrawal, f.head_number));
    LeafValue::Account { held: account.held, claimed: account.claimed, fact }
}

fn principal_leaf(principal: &Principal) -> LeafValue {
    let open_count = principal.open_count;
    match principal.nonces {
        Nonces::Floor(nonces) => LeafValue::Principal { nonces: nonces.into(), open_count },
        Nonces::ByHour(nonces) => {
            let windows = nonces.windows().collect();
            LeafValue::PrincipalByHour { windows, open_count }
        }
    }
}

impl State {
    /// Keeps the value of a lock before the current frame changes or removes it.
    pub(crate) fn keep_lock(&mut self, slot: u32) {
        let Some(lock) = self.lock_at(slot) else { return };
        let seq = lock.changed_at().seq;
        if seq != self.at.seq {
            let (key, held) = (LeafKey::Lock(lock.lock_id), lock_leaf(lock));
            self.dirty.before.push(Before { key, held: Some((held, seq)) });
        }
    }

    /// Keeps the value of an account before the current frame changes it.
    pub(crate) fn keep_account(&mut self, slot: u32) {
        let account = &self.accounts[slot];
        let seq = account.changed_seq;
        if seq != self.at.seq {
            let key = LeafKey::Account(account.owner, account.asset);
            let held = account_leaf(account);
            self.dirty.before.push(Before { key, held: Some((held, seq)) });
        }
    }

    /// Keeps the value of a principal before the current frame changes nonces or counts.
    pub(crate) fn keep_principal(&mut self, slot: u32) {
        let principal = &self.principals[slot];
        let (key, seq) = (LeafKey::Principal(principal.address), principal.changed_seq);
        if !principal.is_leaf {
            self.keep_absent(key);
        } else if seq != self.at.seq {
            let held = principal_leaf(principal);
            self.dirty.before.push(Before { key, held: Some((held, seq)) });
        }
    }

    /// Records that a leaf was absent before the current frame.
    pub(crate) fn keep_absent(&mut self, key: LeafKey) {
        self.dirty.before.push(Before { key, held: None });
    }

    /// Takes what the leaves that [`State::take_leaves`] gives next held before.
    pub(crate) fn take_before(&mut self) -> Vec<Before> {
        core::mem::take(&mut self.dirty.before)
    }

    /// What the tree held at the positions in `before`, in the order given. For a position that
    /// occurs twice the first entry counts.
    pub(crate) fn turned_back<'a>(
        &self,
        before: impl Iterator<Item = &'a Before>,
    ) -> BTreeMap<TreeKey, Option<ValueHash>> {
        let (mut turned, mut bytes) = (BTreeMap::new(), Vec::with_capacity(320));
        for Before { key, held } in before {
            let position = key.position_under(&self.dirty.position_key);
            turned.entry(position).or_insert_with(|| {
                let (value, seq) = held.as_ref()?;
                let salt = leaf_salt(&self.dirty.salt_key, key, *seq);
                Some(ValueHash(hash_value(&self.dirty.value_key, &salt, value, &mut bytes)))
            });
        }
        turned
    }

    /// Value and salt of a leaf as kept, if it was present.
    pub(crate) fn opened(&self, before: &Before) -> Option<(LeafValue, [u8; 32])> {
        let (value, seq) = before.held.as_ref()?;
        Some((value.clone(), leaf_salt(&self.dirty.salt_key, &before.key, *seq)))
    }

    /// Value and salt of a leaf now, if the state holds it.
    pub fn opened_now(&self, key: &LeafKey) -> Option<(LeafValue, [u8; 32])> {
        self.leaf_value(key).zip(self.leaf_salt(key))
    }

    /// Marks a lock as changed in the current frame.
    pub(crate) fn touch_lock(&mut self, slot: u32) {
        let at = self.at;
        if let Some(lock) = self.lock_mut(slot) {
            if at != lock.granted_at() {
                lock.changes.push(at);
            }
            let lock_id = lock.lock_id;
            self.dirty.locks.push(lock_id);
        }
    }

    /// Marks a lock as removed in the current frame.
    pub(crate) fn touch_removed(&mut self, lock_id: LockId) {
        self.dirty.locks.push(lock_id);
    }

    /// Marks an account or a principal as forgotten in the current frame.
    pub(crate) fn touch_forgotten(&mut self, key: LeafKey) {
        self.dirty.forgotten.push(key);
    }

    /// Marks an account as changed in the current frame.
    pub(crate) fn touch_account(&mut self, slot: u32) {
        self.accounts[slot].changed_seq = self.at.seq;
        self.dirty.accounts.push(slot);
    }

    /// Marks nonces or counts of a principal as changed in the current frame.
    pub(crate) fn touch_principal(&mut self, slot: u32) {
        let principal = &mut self.principals[slot];
        principal.changed_seq = self.at.seq;
        principal.is_leaf = true;
        self.dirty.principals.push(slot);
    }

    /// The frame in which a leaf last changed, if the state holds it.
    pub fn changed_seq(&self, key: &LeafKey) -> Option<u64> {
        match key {
            LeafKey::Lock(lock_id) => self.lock(lock_id).map(|l| l.changed_at().seq),
            LeafKey::Account(owner, asset) => self.account(owner, asset).map(|a| a.changed_seq),
            LeafKey::Principal(address) => self.principal(address).map(|p| p.changed_seq),
            LeafKey::Policy => Some(0),
            LeafKey::Images => self.approved_images().map(|a| a.at.seq),
        }
    }

    /// The value of a leaf now, if the state holds it.
    pub fn leaf_value(&self, key: &LeafKey) -> Option<LeafValue> {
        Some(match key {
            LeafKey::Lock(lock_id) => lock_leaf(self.lock(lock_id)?),
            LeafKey::Account(owner, asset) => account_leaf(self.account(owner, asset)?),
            LeafKey::Principal(address) => {
                principal_leaf(self.principal(address).filter(|p| p.is_leaf)?)
            }
            LeafKey::Policy => LeafValue::Policy(self.policy_hash),
            LeafKey::Images => self.images_leaf()?,
        })
    }

    /// Takes the leaves that changed since the last call. Drops what they held before, unless it
    /// was taken.
    pub fn take_leaves(&mut self) -> Vec<Leaf> {
        self.dirty.before.clear();
        let keys = self.take_dirty_keys();
        self.leaves(keys)
    }

    /// Where a leaf is in the state tree.
    pub(super) fn leaf_position(&self, key: &LeafKey) -> TreeKey {
        key.position_under(&self.dirty.position_key)
    }

    pub(super) fn leaves(&self, keys: Vec<LeafKey>) -> Vec<Leaf> {
        let mut bytes = Vec::with_capacity(320);
        let leaf = |key: LeafKey| {
            let position = key.position_under(&self.dirty.position_key).0;
            let value = self.leaf_value(&key).map(|value| {
                let seq = self.changed_seq(&key).unwrap_or(0);
                let salt = leaf_salt(&self.dirty.salt_key, &key, seq);
                hash_value(&self.dirty.value_key, &salt, &value, &mut bytes)
            });
            (position, value)
        };
        keys.into_iter().map(leaf).collect()
    }

    fn take_dirty_keys(&mut self) -> Vec<LeafKey> {
        let mut locks = core::mem::take(&mut self.dirty.locks);
        let mut accounts = core::mem::take(&mut self.dirty.accounts);
        let mut principals = core::mem::take(&mut self.dirty.principals);
        locks.sort_unstable();
        locks.dedup();
        accounts.sort_unstable();
        accounts.dedup();
        principals.sort_unstable();
        principals.dedup();
        let mut keys = core::mem::take(&mut self.dirty.forgotten);
        let has_forgotten = !keys.is_empty();
        keys.reserve(locks.len() + accounts.len() + principals.len() + 1);
        keys.extend(locks.into_iter().map(LeafKey::Lock));
        // The slot of what left may be free, or hold another value that changed or did not.
        let accounts = accounts.into_iter().filter_map(|slot| self.accounts.get(slot));
        keys.extend(accounts.map(|a| LeafKey::Account(a.owner, a.asset)));
        let principals = principals.into_iter().filter_map(|slot| self.principals.get(slot));
        keys.extend(principals.map(|p| LeafKey::Principal(p.address)));
        if has_forgotten {
            // What left can have come back in the same frame, in another slot.
            keys.sort_unstable();
            keys.dedup();
        }
        if core::mem::take(&mut self.dirty.policy) {
            keys.push(LeafKey::Policy);
        }
        if core::mem::take(&mut self.dirty.images) {
            keys.push(LeafKey::Images);
        }
        keys
    }

    /// Salt of a leaf that the state holds. Its owner needs it to open the value.
    pub fn leaf_salt(&self, key: &LeafKey) -> Option<[u8; 32]> {
        Some(leaf_salt(&self.dirty.salt_key, key, self.changed_seq(key)?))
    }
}
