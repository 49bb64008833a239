//! A succession: what the operators of a lost engine sign to appoint the engine that replaces it.
//!
//! A genesis that names a [`Predecessor`] carries everything that is needed to verify the
//! succession offline: the public parts that the old engine ID covers (among them the old policy
//! with its operators and witnesses), the last cosigned checkpoint, and the operators' signatures.
//!
//! What it does not do: check a signature (`mortise_verify::succession`).
//!
//! ```text
//! old id  = H(keys, log secret commitment, H(base, before))      all carried
//! new id  = H(new keys, ..., H(new base, H(this)))               so it covers the checkpoint
//! ```

use crate::abi::{Words, type_hash};
use crate::eip712::{Digest, Domain};
use crate::genesis::{Genesis, Predecessor};
use crate::ids::{Bytes32, EngineId};
use alloc::vec::Vec;

/// EIP-712 type of what operators sign over a succession.
pub const SUCCESSION_TYPE: &str = "EngineSuccession(bytes32 predecessor,bytes32 genesis)";

/// What operators sign, in the domain of the predecessor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Succession {
    /// The engine that was lost.
    pub predecessor: EngineId,
    /// Hash of the new genesis with no signatures in it.
    pub genesis: Bytes32,
}

impl Succession {
    /// The succession that the operators of the predecessor sign for this genesis; `None` when it
    /// names no predecessor.
    pub fn of(genesis: &Genesis) -> Option<Self> {
        let predecessor = genesis.predecessor.as_ref()?;
        let unsigned = Predecessor { signatures: Vec::new(), ..predecessor.clone() };
        let hash = genesis.base().genesis_hash(&unsigned.hash());
        Some(Self { predecessor: predecessor.engine_id, genesis: hash })
    }

    /// The struct hash.
    pub fn hash(&self) -> Bytes32 {
        let words = Words::typed(&type_hash(SUCCESSION_TYPE));
        words.word(&self.predecessor.0).word(&self.genesis.0).hash()
    }

    /// The digest that operators sign.
    pub fn digest(&self) -> Digest {
        Domain::of_engine(&self.predecessor).digest(&self.hash())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::amount::U256;
    use crate::genesis::{GenesisBase, GenesisKeys, engine_id};
    use crate::ids::Signature;
    use crate::policy::{AssetLimits, ChainCustody, ChainPolicy, Edition, Policy};
    use crate::witness::Origin;
    use alloc::vec;

    pub(crate) fn base() -> GenesisBase {
        let limits =
            AssetLimits { single_max: U256::ONE, account_max: U256::ONE, asset_max: U256::ONE };
        let policy = Policy {
            lock_s_min: 1,
            lock_s_max: 2,
            settlement_buffer_s: 3,
            concurrent_max: 4,
            commands_per_minute_max: 5,
            requests_max: 6,
            retention_s: 7,
            draft_ttl_s: 8,
            fact_age_s_max: 10,
            notice_margin_s: 11,
            default_limits: limits,
            assets: Vec::new(),
            chains: vec![ChainPolicy {
                chain_id: 1,
                custody: ChainCustody::Open,
                claim_window_s: 12,
            }],
            observers: Vec::new(),
            observers_min: 0,
            operators: Vec::new(),
            operators_min: 0,
            witnesses: Vec::new(),
            witnesses_min: 0,
            witnesses_faulty_max: 0,
            edition: Edition::DEFAULT,
        };
        let origin = Origin::C2sp { domain: "locks.example".into() };
        GenesisBase { name: "locks".into(), salt: Bytes32([1; 32]), policy, origin }
    }

    pub(crate) fn successor() -> Genesis {
        let keys = GenesisKeys { signing: [2; 33], checkpoint: [3; 32] };
        let mut predecessor = Predecessor {
            engine_id: EngineId::ZERO,
            keys,
            log_secret_commitment: Bytes32([4; 32]),
            base: base(),
            before: Bytes32::ZERO,
            checkpoint: "a note".into(),
            signatures: vec![Signature([5; 65])],
        };
        predecessor.engine_id = predecessor.computed_id();
        let GenesisBase { name, policy, origin, .. } = base();
        let salt = Bytes32([9; 32]);
        Genesis { name, salt, policy, origin, predecessor: Some(predecessor) }
    }

    #[test]
    fn carried_parts_make_the_id_that_the_old_engine_had() {
        let GenesisBase { name, salt, policy, origin } = base();
        let old = Genesis { name, salt, policy, origin, predecessor: None };
        let new = successor();
        let carried = new.predecessor.as_ref().unwrap();
        let id = engine_id(&carried.keys, &carried.log_secret_commitment, &old.hash());
        assert_eq!((carried.engine_id, carried.computed_id()), (id, id));
        // a second recovery carries no more of the first one than its hash
        let third =
            Predecessor { base: new.base(), before: new.predecessor_hash(), ..carried.clone() };
        assert_eq!(third.base.genesis_hash(&third.before), new.hash());
    }

    #[test]
    fn signatures_change_the_genesis_and_not_what_is_signed() {
        let mut genesis = successor();
        let (hash, asked) = (genesis.hash(), Succession::of(&genesis).unwrap());
        genesis.predecessor.as_mut().unwrap().signatures.clear();
        assert_eq!(Succession::of(&genesis), Some(asked));
        assert_eq!(asked.genesis, genesis.hash());
        assert_ne!(genesis.hash(), hash);
        genesis.predecessor.as_mut().unwrap().checkpoint.push('!');
        assert_ne!(Succession::of(&genesis), Some(asked));
        genesis.predecessor = None;
        assert_eq!(Succession::of(&genesis), None);
    }

    #[test]
    fn signatures_are_sorted_and_each_there_once() {
        let with = |signatures: &[u8]| {
            let signatures = signatures.iter().map(|n| Signature([*n; 65])).collect();
            Predecessor { signatures, ..successor().predecessor.unwrap() }
        };
        assert!(with(&[1, 2, 3]).is_well_formed());
        for bad in [&[2, 1][..], &[1, 1], &[7; 33]] {
            assert!(!with(bad).is_well_formed(), "{bad:?}");
        }
    }
}
