//! The verifier hashes entries of the state tree as the core does.

use mortise_core::state as core;
use mortise_format::codec::encode;
use mortise_format::entry::{LeafValue, NonceWindow, UsedNonces};
use mortise_format::event::LogPosition;
use mortise_format::fact::Withdrawal;
use mortise_format::ids::{Measurement, PolicyHash};
use mortise_format::images::Version;
use mortise_format::lock::{Custody, Status};
use mortise_format::rules::RuleSet;
use mortise_format::{U256, codec};

/// Every kind of value.
pub fn values() -> [LeafValue; 8] {
    let fact = Some((U256::from(9u64), U256::ONE, Withdrawal::Requested, 77));
    let nonces = UsedNonces { floor: 5, bitmap: [1, 2, 3, 4] };
    let newest = NonceWindow { hour: 500_000, floor: 5, bitmap: [1, 2, 3, 4] };
    let older = NonceWindow { hour: 499_999, ..newest };
    [
        LeafValue::Lock {
            status: Status::Partial,
            custody: Custody::Escrow,
            expires: 10,
            claim_by: 20,
            settle_by: 30,
            claim_count: 2,
            granted_at: LogPosition { seq: 4, index: 1 },
            legs: [[U256::from(5u64), U256::from(3u64), U256::ZERO]].into(),
        },
        LeafValue::Account { held: U256::from(7u64), claimed: U256::ONE, fact },
        LeafValue::Account { held: U256::MAX, claimed: U256::ZERO, fact: None },
        LeafValue::Principal { nonces, open_count: 6 },
        LeafValue::Policy(PolicyHash([7; 32])),
        LeafValue::Images {
            serial: 3,
            images: [Measurement([8; 48]), Measurement([9; 48])].into(),
            minimum_version: Version { major: 0, minor: 10, patch: 2 },
            rules: RuleSet(2),
            approved_at: LogPosition { seq: 11, index: 1 },
        },
        LeafValue::PrincipalByHour { windows: [older, newest].into(), open_count: 6 },
        LeafValue::PrincipalByHour { windows: [].into(), open_count: 0 },
    ]
}

#[test]
fn verifier_and_core_hash_values_alike() {
    for value in values() {
        let back: LeafValue = codec::decode(&encode(&value)).unwrap();
        assert_eq!(back, value);
        assert_eq!(core::value_hash(&[3; 32], &value), value.hash(&[3; 32]).0);
    }
}
