//! The entries that a verifier hashes are those that the core puts into its tree.

use mortise_core::state as core;
use mortise_format::asset::Asset;
use mortise_format::codec::encode;
use mortise_format::entry::{LeafKey, LeafValue, UsedNonces};
use mortise_format::event::Position;
use mortise_format::fact::Withdrawal;
use mortise_format::ids::{Address, EngineId, LockId, PolicyHash};
use mortise_format::lock::{Custody, Status};
use mortise_format::{U256, codec};

/// Every kind of value.
pub fn values() -> [LeafValue; 5] {
    let fact = Some((U256::from(9u64), U256::ONE, Withdrawal::Requested, 77));
    let nonces = UsedNonces { floor: 5, bitmap: [1, 2, 3, 4] };
    [
        LeafValue::Lock {
            status: Status::Partial,
            custody: Custody::Escrow,
            expires: 10,
            claim_by: 20,
            settle_by: 30,
            claim_count: 2,
            granted_at: Position { seq: 4, index: 1 },
            legs: [[U256::from(5u64), U256::from(3u64), U256::ZERO]].into(),
        },
        LeafValue::Account { held: U256::from(7u64), claimed: U256::ONE, fact },
        LeafValue::Account { held: U256::MAX, claimed: U256::ZERO, fact: None },
        LeafValue::Principal { nonces, open_count: 6 },
        LeafValue::Policy(PolicyHash([7; 32])),
    ]
}

#[test]
fn values_of_the_verifier_are_values_of_the_core_byte_for_byte() {
    for value in values() {
        let theirs: core::LeafValue = codec::decode(&encode(&value)).unwrap();
        assert_eq!(encode(&theirs), encode(&value));
        assert_eq!(core::value_hash(&[3; 32], &theirs), value.hash(&[3; 32]).0);
    }
}

#[test]
fn keys_of_the_verifier_are_keys_of_the_core_at_the_same_position() {
    let engine_id = EngineId([6; 32]);
    let token = Asset::erc20(10, Address([5; 20]));
    let keys = [
        (LeafKey::Lock(LockId([1; 32])), core::LeafKey::Lock(LockId([1; 32]))),
        (
            LeafKey::Account(Address([2; 20]), token),
            core::LeafKey::Account(Address([2; 20]), token),
        ),
        (LeafKey::Principal(Address([3; 20])), core::LeafKey::Principal(Address([3; 20]))),
        (LeafKey::Policy, core::LeafKey::Policy),
    ];
    for (ours, theirs) in keys {
        assert_eq!(ours.position(&engine_id).0, theirs.position_in(&engine_id));
        assert_eq!(encode(&ours), encode(&theirs));
    }
}
