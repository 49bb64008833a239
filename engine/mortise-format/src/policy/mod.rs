//! The policy: the rules of an engine, fixed by its genesis.
//!
//! A policy names the chains that the engine serves and the custody of each, every limit in the
//! asset's own units, the observers whose facts count, the operators and the witnesses. Its hash
//! is in every frame and every commitment.

use crate::amount::U256;
use crate::asset::Asset;
use crate::codec;
use crate::domains::keccak256;
use crate::ids::{Address, PolicyHash};
use crate::limits::{CHAINS_MAX, CHARTER_BYTES_MAX, LEASE_S_MIN, OBSERVERS_MAX, WITNESSES_MAX};
use crate::lock::Durability;
use crate::witness::{self, WitnessKey};
use alloc::vec::Vec;
use bincode::{Decode, Encode};

mod edition;

pub use edition::{ClassLimits, Edition, Reads, Service, StateLimits};

/// How a chain is served.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ChainPolicy {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Custody of its locks.
    pub custody: ChainCustody,
    /// Time between `expires` and `claimBy` for locks that are filled on this chain, seconds.
    pub claim_window_s: u64,
}

/// Custody of a chain, with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum ChainCustody {
    /// No known custody.
    Open,
    /// An escrow contract.
    Escrow {
        /// The contract.
        contract: Address,
        /// Shortest notice after which an owner can withdraw, seconds.
        notice_s: u64,
    },
}

/// Limits of one asset, in its own smallest units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct AssetLimits {
    /// Most in one lock. In `open` custody the account limit is the total of a balance.
    pub single_max: U256,
    /// Most held of one account.
    pub account_max: U256,
    /// Most held of all accounts together.
    pub asset_max: U256,
}

/// Limits of a named asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct AssetPolicy {
    /// The asset.
    pub asset: Asset,
    /// Its limits.
    pub limits: AssetLimits,
}

/// The rules of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Shortest lock, seconds.
    pub lock_s_min: u64,
    /// Longest lock, seconds.
    pub lock_s_max: u64,
    /// Time between `claimBy` and `settleBy`, seconds.
    pub settlement_buffer_s: u64,
    /// Most open locks of one owner.
    pub concurrent_max: u32,
    /// Most logged commands of one principal in one minute of engine time.
    pub commands_per_minute_max: u32,
    /// Most request ids that are remembered for one principal.
    pub requests_max: u32,
    /// Time that an ended lock stays in the state, seconds.
    pub retention_s: u64,
    /// Time that a draft lives, seconds.
    pub draft_ttl_s: u64,
    /// Oldest head that a fact may be from, seconds.
    pub fact_age_s_max: u64,
    /// Margin between `settleBy` and the earliest time at which an owner can withdraw, seconds.
    pub notice_margin_s: u64,
    /// Limits of assets not named below.
    pub default_limits: AssetLimits,
    /// Limits of named assets, sorted by asset.
    pub assets: Vec<AssetPolicy>,
    /// Served chains, sorted by id.
    pub chains: Vec<ChainPolicy>,
    /// Observers, whose facts count, sorted.
    pub observers: Vec<Address>,
    /// How many observers must sign a fact.
    pub observers_min: u32,
    /// Operators, sorted.
    pub operators: Vec<Address>,
    /// How many operators must sign a change.
    pub operators_min: u32,
    /// Witnesses, which cosign checkpoints, sorted by key. Without any, durability is `stored`.
    pub witnesses: Vec<WitnessKey>,
    /// How many witnesses must have cosigned before an answer leaves (k).
    pub witnesses_min: u32,
    /// How many witnesses may be faulty (f).
    pub witnesses_faulty_max: u32,
    /// The edition, with what only that edition holds.
    pub edition: Edition,
}

/// Why a policy or a genesis is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Chains are missing, too many, unsorted or repeated.
    #[error("chains must be 1 to {CHAINS_MAX}, sorted by id, each once")]
    Chains,
    /// Assets are unsorted or repeated, or one of them is malformed.
    #[error("asset limits must be sorted by asset, each once, each well-formed")]
    Assets,
    /// Observers are too many, unsorted or repeated, or fewer than must sign.
    #[error("observers must be sorted, each once, at most {OBSERVERS_MAX}, at least observers_min")]
    Observers,
    /// Two quorums of observers could be disjoint and state two balances of one head.
    #[error("observers_min must be more than half of the observers")]
    ObserverQuorum,
    /// Operators are too many, unsorted or repeated, or fewer than must sign.
    #[error("operators must be sorted, each once, at most {OBSERVERS_MAX}, at least operators_min")]
    Operators,
    /// Witnesses are too many, unsorted or repeated, or one has a name that a note cannot carry.
    #[error(
        "witnesses must be sorted by key, each key and name once, at most {WITNESSES_MAX}, \
named without spaces and plus"
    )]
    Witnesses,
    /// Two quorums would not always share an honest witness.
    #[error(
        "witnesses_min must be at most the witnesses, and twice it above the witnesses and \
witnesses_faulty_max together; none of the three without witnesses"
    )]
    WitnessQuorum,
    /// The origin's domain is not a DNS name in lower case.
    #[error("the domain of the origin must be a DNS name in lower case")]
    Origin,
    /// Name, policy and origin together are too large.
    #[error("name, policy and origin encode to more than {CHARTER_BYTES_MAX} bytes")]
    Size,
    /// The predecessor's checkpoint or signatures exceed their bounds, or are not sorted.
    #[error("the predecessor's checkpoint or signatures are too large, unsorted or repeated")]
    Predecessor,
    /// A duration or count is zero, or the shortest lock is longer than the longest.
    #[error("durations and counts must be above zero, lock_s_min at most lock_s_max")]
    Durations,
    /// An escrow chain needs observers.
    #[error("custody escrow needs observers and at least one signature")]
    EscrowWithoutObservers,
    /// The lease is too short to be renewed in time, or a limit of the state is zero.
    #[error("leaseSeconds must be at least {LEASE_S_MIN}, every limit of the state above zero")]
    Service,
    /// Limits are not ordered single <= account <= asset.
    #[error("limits must be single_max <= account_max <= asset_max")]
    Limits,
}

/// Tag of the policy hash.
const POLICY_TAG: &str = "MortisePolicy(bytes policy)";

impl Policy {
    /// The hash that frames and commitments carry.
    pub fn hash(&self) -> PolicyHash {
        PolicyHash(keccak256(&[&keccak256(&[POLICY_TAG.as_bytes()]), &codec::encode(self)]))
    }

    /// The rules of a served chain.
    pub fn chain(&self, chain_id: u64) -> Option<&ChainPolicy> {
        let at = self.chains.binary_search_by_key(&chain_id, |c| c.chain_id).ok()?;
        self.chains.get(at)
    }

    /// The limits of an asset.
    pub fn limits(&self, asset: &Asset) -> &AssetLimits {
        match self.assets.binary_search_by_key(asset, |a| a.asset) {
            Ok(at) => self.assets.get(at).map_or(&self.default_limits, |a| &a.limits),
            Err(_) => &self.default_limits,
        }
    }

    /// Durability of answers under this policy.
    pub fn durability(&self) -> Durability {
        if self.witnesses.is_empty() { Durability::Stored } else { Durability::Witnessed }
    }

    /// Checks that the policy is consistent and canonical.
    ///
    /// # Errors
    /// The first [`PolicyError`] that applies.
    pub fn check(&self) -> Result<(), PolicyError> {
        let ordered = |ids: &[Address]| ids.windows(2).all(|w| w[0] < w[1]);
        if self.chains.is_empty()
            || self.chains.len() > CHAINS_MAX
            || !self.chains.windows(2).all(|w| w[0].chain_id < w[1].chain_id)
        {
            return Err(PolicyError::Chains);
        }
        if !self.assets.windows(2).all(|w| w[0].asset < w[1].asset)
            || self.assets.iter().any(|a| a.asset.check().is_err())
        {
            return Err(PolicyError::Assets);
        }
        if !quorum_fits(&self.observers, self.observers_min) || !ordered(&self.observers) {
            return Err(PolicyError::Observers);
        }
        if !is_majority(&self.observers, self.observers_min) {
            return Err(PolicyError::ObserverQuorum);
        }
        if !quorum_fits(&self.operators, self.operators_min) || !ordered(&self.operators) {
            return Err(PolicyError::Operators);
        }
        if !witness::are_well_formed(&self.witnesses) {
            return Err(PolicyError::Witnesses);
        }
        let (min, faulty) = (self.witnesses_min, self.witnesses_faulty_max);
        if !witness::is_quorum(self.witnesses.len(), min, faulty) {
            return Err(PolicyError::WitnessQuorum);
        }
        self.check_numbers()
    }

    fn check_numbers(&self) -> Result<(), PolicyError> {
        let positive = [
            self.lock_s_min,
            self.settlement_buffer_s,
            self.retention_s,
            self.draft_ttl_s,
            self.fact_age_s_max,
            u64::from(self.concurrent_max),
            u64::from(self.commands_per_minute_max),
            u64::from(self.requests_max),
        ];
        if positive.contains(&0) || self.lock_s_min > self.lock_s_max || !self.starts_plainly() {
            return Err(PolicyError::Durations);
        }
        self.edition.check()?;
        let escrow = |c: &ChainPolicy| matches!(c.custody, ChainCustody::Escrow { .. });
        if self.chains.iter().any(escrow) && (self.observers_min == 0 || self.observers.is_empty())
        {
            return Err(PolicyError::EscrowWithoutObservers);
        }
        let ordered =
            |l: &AssetLimits| l.single_max <= l.account_max && l.account_max <= l.asset_max;
        if !ordered(&self.default_limits) || !self.assets.iter().all(|a| ordered(&a.limits)) {
            return Err(PolicyError::Limits);
        }
        Ok(())
    }
}

/// True when any two quorums share a member. A list without members has no quorum.
fn is_majority(members: &[Address], min: u32) -> bool {
    let twice = usize::try_from(min).unwrap_or(0).saturating_mul(2);
    members.is_empty() || twice > members.len()
}

fn quorum_fits(members: &[Address], min: u32) -> bool {
    members.len() <= OBSERVERS_MAX
        && usize::try_from(min).is_ok_and(|min| min <= members.len())
        && (members.is_empty() || min > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::succession::tests::base;

    fn checked(edit: impl FnOnce(&mut Policy)) -> Result<(), PolicyError> {
        let mut policy = base().policy;
        edit(&mut policy);
        policy.check()
    }

    fn numbered(count: usize) -> Vec<Address> {
        (0..count).map(|n| Address([u8::try_from(n).unwrap(); 20])).collect()
    }

    #[test]
    fn policy_at_its_limits_is_valid_and_one_beyond_is_refused_by_name() {
        let chains = |count: usize| {
            checked(|policy| {
                let custody = ChainCustody::Open;
                let ids = 1..=u64::try_from(count).unwrap();
                let chain = |chain_id| ChainPolicy { chain_id, custody, claim_window_s: 1 };
                policy.chains = ids.map(chain).collect();
            })
        };
        assert_eq!(chains(CHAINS_MAX), Ok(()));
        assert_eq!(chains(CHAINS_MAX + 1), Err(PolicyError::Chains));
        let observers = |count: usize| {
            checked(|policy| {
                policy.observers = numbered(count);
                policy.observers_min = u32::try_from(count).unwrap();
            })
        };
        assert_eq!(observers(OBSERVERS_MAX), Ok(()));
        assert_eq!(observers(OBSERVERS_MAX + 1), Err(PolicyError::Observers));
        let operators = |count: usize| {
            checked(|policy| {
                policy.operators = numbered(count);
                policy.operators_min = u32::try_from(count).unwrap();
            })
        };
        assert_eq!(operators(OBSERVERS_MAX), Ok(()));
        assert_eq!(operators(OBSERVERS_MAX + 1), Err(PolicyError::Operators));
        let lease = |lease_s| {
            let service = Service { lease_s, ..Service::DEFAULT };
            checked(|policy| policy.edition = Edition::Second(service))
        };
        assert_eq!(lease(LEASE_S_MIN), Ok(()));
        assert_eq!(lease(LEASE_S_MIN - 1), Err(PolicyError::Service));
    }
}
