//! The whole state as one sorted value, so that equal states have equal snapshots.

use super::accounts::{Account, AssetTotal};
use super::images::Images;
use super::locks::Lock;
use super::principals::{NO_SLOT, Principal};
use super::requests::Remembered;
use super::room::Newcomers;
use super::{GrantedReading, State};
use alloc::vec::Vec;
use bincode::{Decode, Encode};
use mortise_format::event::LogPosition;
use mortise_format::ids::{Address, EngineId, RequestId};
use mortise_format::policy::Policy;
use mortise_format::rules::RuleSet;
use mortise_format::secret::Secret;

/// Everything of a state but its indexes, which are rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StateSnapshot {
    policy: Policy,
    rules: RuleSet,
    time_ms: u64,
    at: LogPosition,
    locks: Vec<Lock>,
    accounts: Vec<Account>,
    principals: Vec<Principal>,
    totals: Vec<AssetTotal>,
    requests: Vec<((Address, RequestId), Remembered)>,
    readings: Vec<GrantedReading>,
    images: Images,
    newcomers: Newcomers,
}

impl State {
    /// The snapshot of the state. Slots and stamps in it are zero, because they are indexes.
    pub fn snapshot(&self) -> StateSnapshot {
        let mut locks: Vec<Lock> = self.locks().cloned().collect();
        for lock in &mut locks {
            (lock.owner_slot, lock.owner_index, lock.timer) = (0, 0, 0);
            lock.legs.iter_mut().for_each(|leg| leg.account = 0);
        }
        locks.sort_unstable_by_key(|l| (l.granted_at, l.lock_id));
        let mut principals: Vec<_> = self.principals.iter().cloned().collect();
        for principal in &mut principals {
            principal.locks.clear();
            (principal.last_account, principal.due) = (NO_SLOT, None);
        }
        principals.sort_unstable_by_key(|p| p.address);
        let mut accounts: Vec<_> = self.accounts.iter().cloned().collect();
        for account in &mut accounts {
            (account.total, account.lock_legs, account.due) = (0, 0, None);
        }
        accounts.sort_unstable_by_key(|a| (a.owner, a.asset));
        let mut totals: Vec<_> = self.totals.iter().cloned().collect();
        totals.iter_mut().for_each(|total| total.accounts = 0);
        totals.sort_unstable_by_key(|t| t.asset);
        let requests = self.requests.to_sorted();
        let (policy, time_ms, at) = (self.policy.clone(), self.time_ms, self.at);
        let (readings, images) = (self.readings.clone(), self.images.clone());
        StateSnapshot {
            policy,
            rules: self.rules,
            time_ms,
            at,
            locks,
            accounts,
            principals,
            totals,
            requests,
            readings,
            images,
            newcomers: self.room.newcomers,
        }
    }

    /// Rebuilds state, indexes and timers from a snapshot.
    ///
    /// # Errors
    /// `None` when the snapshot is not consistent, see [`State::check`].
    pub fn from_snapshot(
        engine_id: EngineId,
        salt_key: Secret,
        map_seed: u64,
        snapshot: StateSnapshot,
    ) -> Option<Self> {
        let mut state = Self::new(engine_id, snapshot.policy, salt_key, map_seed);
        state.apply_rules(snapshot.rules).ok()?;
        (state.time_ms, state.at) = (snapshot.time_ms, snapshot.at);
        for mut principal in snapshot.principals {
            (principal.locks, principal.last_account) = (Vec::new(), NO_SLOT);
            let slot = state.ensure_principal(&principal.address, principal.custody);
            state.principals[slot] = principal;
            state.rearm_principal(slot);
        }
        for mut account in snapshot.accounts {
            let slot = state.ensure_account(&account.owner, &account.asset);
            account.total = state.accounts[slot].total;
            state.accounts[slot] = account;
            state.rearm_account(slot);
        }
        for total in snapshot.totals {
            let slot = state.total_slot(&total.asset)?;
            state.totals[slot].promised = total.promised;
        }
        for mut lock in snapshot.locks {
            lock.owner_slot = state.principal_slot(&lock.terms.owner)?;
            for (leg, terms) in lock.legs.iter_mut().zip(&lock.terms.legs) {
                leg.account = state.account_slot(&lock.terms.owner, &terms.asset)?;
            }
            let hash = state.lock_hash(&lock.lock_id);
            state.insert_lock(lock, hash);
        }
        state.requests.restore(snapshot.requests);
        (state.readings, state.images) = (snapshot.readings, snapshot.images);
        state.room.newcomers = snapshot.newcomers;
        state.check().ok()?;
        Some(state)
    }
}
