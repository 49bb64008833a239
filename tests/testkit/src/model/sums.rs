//! Sums over all locks.

use super::Model;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::ids::Address;
use mortise_format::lock::Custody;
use mortise_format::policy::ChainCustody;

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
}
