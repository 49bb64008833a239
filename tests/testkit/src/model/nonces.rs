//! Which nonces are free: every nonce that was ever used is remembered.

use super::Model;
use mortise_format::ids::Address;
use mortise_format::reject::{NonceFault, Reject};
use mortise_format::rules::RuleSet;
use std::collections::BTreeSet;

/// Width of the window of nonces.
const WINDOW: u64 = 256;
/// Largest distance of a nonce above the floor, before rule set 3.
const JUMP: u64 = 1 << 20;
/// Numbers of one hour.
const HOUR: u64 = 1 << 32;
/// Hours that a nonce can be used after its own.
const LIFE: u64 = 25;
/// Hours for which the next nonce stays in the hour of the last.
const SUGGESTED: u64 = 12;

impl Model {
    /// Checks that the nonce may be used after these others.
    pub(super) fn check_nonce(
        &self,
        now_s: u64,
        owner: &Address,
        nonce: u64,
        others: &[u64],
    ) -> Result<(), Reject> {
        let mut used = self.used_nonces.get(owner).cloned().unwrap_or_default();
        used.extend(others);
        if self.rules < RuleSet(3) {
            let floor = floor(&used);
            let is_free = !used.contains(&nonce) && nonce >= floor && nonce <= floor + JUMP;
            return if is_free { Ok(()) } else { Err(Reject::NonceUsed) };
        }
        let (hour, now) = (nonce / HOUR, now_s / 3600);
        let fault = if hour > now {
            NonceFault::FromFuture
        } else if hour + LIFE < now {
            NonceFault::TooOld
        } else if is_used(&used, nonce) {
            NonceFault::Used
        } else {
            return Ok(());
        };
        let in_hours = |hour| u32::try_from(hour).expect("the year is before 9999");
        Err(Reject::NonceNotFree {
            fault,
            next: next(&used, now),
            oldest_hour: in_hours(now - LIFE),
            newest_hour: in_hours(now),
        })
    }

    /// True when the nonce may be used at `now_s`.
    pub fn nonce_is_free(&self, now_s: u64, owner: &Address, nonce: u64) -> bool {
        self.check_nonce(now_s, owner, nonce, &[]).is_ok()
    }

    /// The nonce that the engine suggests at `now_s`.
    pub fn next_nonce(&self, now_s: u64, owner: &Address) -> u64 {
        let used = self.used_nonces.get(owner).cloned().unwrap_or_default();
        match self.rules < RuleSet(3) {
            true => (floor(&used)..).find(|n| !used.contains(n)).expect("most are free"),
            false => next(&used, now_s / 3600),
        }
    }

    /// True when the nonce was ever used.
    pub fn nonce_was_used(&self, owner: &Address, nonce: u64) -> bool {
        self.used_nonces.get(owner).is_some_and(|used| used.contains(&nonce))
    }

    /// Every owner with a used nonce.
    pub fn owners(&self) -> impl Iterator<Item = &Address> {
        self.used_nonces.keys()
    }
}

/// The used numbers of an hour.
fn in_hour(used: &BTreeSet<u64>, hour: u64) -> BTreeSet<u64> {
    used.range(hour * HOUR..(hour + 1) * HOUR).map(|nonce| nonce % HOUR).collect()
}

/// The hours of which nonces were used, the newest first.
fn hours(used: &BTreeSet<u64>) -> Vec<u64> {
    let hours: BTreeSet<u64> = used.iter().map(|nonce| nonce / HOUR).collect();
    hours.into_iter().rev().collect()
}

fn is_used(used: &BTreeSet<u64>, nonce: u64) -> bool {
    let hour = nonce / HOUR;
    let forgotten = hours(used).get(1).is_some_and(|second| hour < *second);
    forgotten || used.contains(&nonce) || nonce % HOUR < floor(&in_hour(used, hour))
}

fn next(used: &BTreeSet<u64>, now: u64) -> u64 {
    let newest = hours(used).first().copied().filter(|hour| hour + SUGGESTED >= now);
    let Some(hour) = newest else { return now * HOUR };
    let used = in_hour(used, hour);
    let free = (floor(&used)..HOUR).find(|n| !used.contains(n));
    free.map_or(now.max(hour + 1) * HOUR, |n| hour * HOUR + n)
}

fn floor(used: &BTreeSet<u64>) -> u64 {
    let Some(highest) = used.last().copied() else { return 0 };
    let mut floor = (highest + 1).saturating_sub(WINDOW);
    while used.contains(&floor) {
        floor += 1;
    }
    floor
}
