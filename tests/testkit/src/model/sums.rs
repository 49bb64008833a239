//! Sums over all locks, and which nonces are free.

use super::Model;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::ids::Address;
use mortise_format::lock::Custody;
use mortise_format::policy::ChainCustody;
use std::collections::BTreeSet;

/// Width of the window of nonces.
const WINDOW: u64 = 256;
/// Largest distance of a nonce above the floor.
const JUMP: u64 = 1 << 20;

/// A balance and the parts of it that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelBalance {
    /// Final balance; the account limit in custody `open`.
    pub total: U256,
    /// Held by open locks.
    pub held: U256,
    /// Claimed and not paid yet.
    pub claimed: U256,
    /// Under a withdrawal.
    pub withdrawing: U256,
}

impl ModelBalance {
    /// Held, claimed and withdrawing.
    pub fn taken(&self) -> U256 {
        add(add(self.held, self.claimed), self.withdrawing)
    }

    /// The free part; zero when more is taken than there is.
    pub fn available(&self) -> U256 {
        self.total.checked_sub(self.taken()).unwrap_or(U256::ZERO)
    }
}

/// The sum of amounts of the tests, which are far below 2^256.
pub fn add(a: U256, b: U256) -> U256 {
    a.checked_add(b).expect("amounts of the tests are small")
}

impl Model {
    /// Held and claimed amounts of the accounts that `select` picks.
    pub(super) fn promised(&self, select: impl Fn(&Address, &Asset) -> bool) -> (U256, U256) {
        let (mut held, mut claimed) = (U256::ZERO, U256::ZERO);
        for lock in self.locks.values() {
            for (leg, [remaining, awaiting, _]) in lock.terms.legs.iter().zip(&lock.parts) {
                if select(&lock.terms.owner, &leg.asset) {
                    held = add(held, if lock.status.is_open() { *remaining } else { U256::ZERO });
                    claimed = add(claimed, *awaiting);
                }
            }
        }
        (held, claimed)
    }

    /// The balance of an account.
    pub fn balance(&self, owner: &Address, asset: &Asset) -> ModelBalance {
        let (held, claimed) = self.promised(|o, a| o == owner && a == asset);
        let fact = self.facts.get(&(*owner, *asset)).map(|(fact, _)| fact);
        let (total, withdrawing) = match self.custody(asset.chain_id) {
            Some(Custody::Escrow) => {
                fact.map_or((U256::ZERO, U256::ZERO), |f| (f.balance, f.withdrawing))
            }
            _ => (self.policy.limits(asset).account_max, U256::ZERO),
        };
        ModelBalance { total, held, claimed, withdrawing }
    }

    /// The custody class of a chain, if it is served.
    pub(super) fn custody(&self, chain_id: u64) -> Option<Custody> {
        let chain = self.policy.chains.iter().find(|c| c.chain_id == chain_id)?;
        Some(match chain.custody {
            ChainCustody::Open => Custody::Open,
            ChainCustody::Escrow { .. } => Custody::Escrow,
        })
    }

    /// Open locks of an owner.
    pub(super) fn open_count(&self, owner: &Address) -> usize {
        self.locks.values().filter(|l| l.terms.owner == *owner && l.status.is_open()).count()
    }

    /// The lowest nonce that the window covers: all lower ones count as used.
    pub fn nonce_floor(&self, owner: &Address) -> u64 {
        self.used_nonces.get(owner).map_or(0, floor)
    }

    /// True when the nonce may be used.
    pub fn nonce_is_free(&self, owner: &Address, nonce: u64) -> bool {
        self.nonce_is_free_after(owner, nonce, &[])
    }

    /// True when the nonce may be used after these others.
    pub(super) fn nonce_is_free_after(&self, owner: &Address, nonce: u64, others: &[u64]) -> bool {
        let mut used = self.used_nonces.get(owner).cloned().unwrap_or_default();
        used.extend(others);
        let floor = floor(&used);
        !used.contains(&nonce) && nonce >= floor && nonce <= floor + JUMP
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

fn floor(used: &BTreeSet<u64>) -> u64 {
    let highest = used.last().copied().unwrap_or(0);
    let mut floor = (highest + 1).saturating_sub(WINDOW);
    while used.contains(&floor) {
        floor += 1;
    }
    floor
}
