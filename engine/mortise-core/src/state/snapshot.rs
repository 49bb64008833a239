//! The whole state as one sorted value: equal states have equal ones, whatever their slots.
//!
//! For tests, which compare states that were made in different ways. What is stored is an image
//! ([`super::image`]).

use super::accounts::{Account, AssetTotal};
use super::images::Images;
use super::locks::Lock;
use super::principals::{NO_SLOT, Principal};
use super::requests::Remembered;
use super::room::Newcomers;
use super::{GrantedReading, State};
use alloc::vec::Vec;
use mortise_format::event::LogPosition;
use mortise_format::ids::{Address, RequestId};
use mortise_format::policy::Policy;
use mortise_format::rules::RuleSet;

/// Everything of a state but its indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The state as one sorted value. Slots and stamps in it are zero.
    pub fn snapshot(&self) -> StateSnapshot {
        let mut locks: Vec<Lock> = self.locks().cloned().collect();
        for lock in &mut locks {
            lock.owner_slot = 0;
            *lock.timer = 0;
            lock.legs.iter_mut().for_each(|leg| leg.account = 0);
        }
        locks.sort_unstable_by_key(|l| l.place);
        let mut principals: Vec<_> = self.principals.iter().cloned().collect();
        for principal in &mut principals {
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
}
