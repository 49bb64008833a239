//! The entries of the state tree: which keys and values it holds, and at which position and value
//! hash.
//!
//! ```text
//! position = keyed BLAKE3(position key of the engine, key digest | kind, 64 bytes)
//! value    = keyed BLAKE3(value key, salt | encoded LeafValue)
//! ```
//! What it is for: the holder of a proof computes the position of a key and opens a value with its
//! salt. What it does not do: make salts, which takes a secret of the engine.
//!
//! Invariants: one key, one position per engine; one value and salt, one hash. Byte tables:
//! `specs/state-tree.md`.

use crate::amount::U256;
use crate::asset::Asset;
use crate::codec;
use crate::domains;
use crate::fact::Withdrawal;
use crate::ids::{Address, EngineId, LockId, Measurement, PolicyHash};
use crate::images::Version;
use crate::limits::NONCE_WINDOW;
use crate::lock::{Custody, Status};
use crate::log_position::LogPosition;
use crate::merkle::{TreeKey, ValueHash};
use crate::rules::RuleSet;
use alloc::vec::Vec;
use bincode::{Decode, Encode};

/// The key of an entry. Public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum LeafKey {
    /// A lock; its terms are in its id.
    Lock(LockId),
    /// An account.
    Account(Address, Asset),
    /// A principal.
    Principal(Address),
    /// The policy.
    Policy,
    /// The images that may boot on the log.
    Images,
}

/// The value of an entry. Hidden by its salt.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum LeafValue {
    /// A lock.
    Lock {
        /// Status.
        status: Status,
        /// Custody class.
        custody: Custody,
        /// End of fills, seconds.
        expires: u64,
        /// End of claims, seconds.
        claim_by: u64,
        /// End of the hold for claims, seconds.
        settle_by: u64,
        /// Claims so far.
        claim_count: u32,
        /// Event that granted it.
        granted_at: LogPosition,
        /// Per leg: remaining, claimed, settled.
        legs: Vec<[U256; 3]>,
    },
    /// An account.
    Account {
        /// Held.
        held: U256,
        /// Claimed.
        claimed: U256,
        /// Balance, withdrawing, status and head number of the last fact.
        fact: Option<(U256, U256, Withdrawal, u64)>,
    },
    /// A principal.
    Principal {
        /// Used nonces.
        nonces: UsedNonces,
        /// Open locks.
        open_count: u32,
    },
    /// The policy.
    Policy(PolicyHash),
    /// The images that may boot on the log, by the approval in force.
    Images {
        /// Serial of the approval.
        serial: u64,
        /// PCR0 of each, ascending.
        images: Vec<Measurement>,
        /// The lowest version of code that may boot.
        minimum_version: Version,
        /// The rules from the next boot on.
        rules: RuleSet,
        /// Event of the approval.
        approved_at: LogPosition,
    },
    /// A principal, from rule set 3 on.
    PrincipalByHour {
        /// The two newest hours of which nonces were used, the older first. Every nonce of an hour
        /// below two windows is used.
        windows: Vec<NonceWindow>,
        /// Open locks.
        open_count: u32,
    },
}

/// The used nonces of one hour: all below the floor, and those whose bit is set above it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct NonceWindow {
    /// The high 32 bits of these nonces: hours since the Unix epoch.
    pub hour: u32,
    /// Every nonce of the hour whose low 32 bits are below is used.
    pub floor: u32,
    /// Bit i of word w is `floor + 64 w + i`.
    pub bitmap: [u64; 4],
}

/// The used nonces of an owner under rule sets 1 and 2: all below the floor, and those whose bit is
/// set above it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct UsedNonces {
    /// Every nonce below is used.
    pub floor: u64,
    /// Bit i of word w is nonce `floor + 64 w + i`.
    pub bitmap: [u64; 4],
}

const _: () = assert!(NONCE_WINDOW == 4 * 64);

impl UsedNonces {
    /// True when the nonce is used.
    pub fn has(&self, nonce: u64) -> bool {
        nonce.checked_sub(self.floor).is_none_or(|above| has_bit(&self.bitmap, above))
    }
}

impl NonceWindow {
    /// True when the nonce with these low 32 bits is used.
    pub fn has(&self, n: u32) -> bool {
        n.checked_sub(self.floor).is_none_or(|above| has_bit(&self.bitmap, u64::from(above)))
    }
}

fn has_bit(bitmap: &[u64; 4], at: u64) -> bool {
    let word = usize::try_from(at / 64).ok().and_then(|at| bitmap.get(at));
    word.is_some_and(|word| word >> (at % 64) & 1 == 1)
}

impl LeafKey {
    /// The position in the tree of an engine.
    pub fn position(&self, engine_id: &EngineId) -> TreeKey {
        self.position_under(&position_key(engine_id))
    }

    /// As [`LeafKey::position`], with the engine's position key computed once for many calls.
    pub fn position_under(&self, position_key: &[u8; 32]) -> TreeKey {
        TreeKey(*blake3::keyed_hash(position_key, &self.block(0)).as_bytes())
    }

    /// 32 bytes that name the key, the id itself or a hash of what is longer, and its kind.
    fn digest(&self) -> ([u8; 32], u8) {
        match self {
            Self::Lock(lock_id) => (lock_id.0, 1),
            Self::Account(owner, asset) => {
                let mut bytes = [0; 81];
                bytes[..20].copy_from_slice(&owner.0);
                bytes[20..28].copy_from_slice(&asset.chain_id.to_le_bytes());
                bytes[28] = asset.asset_type.number();
                bytes[29..49].copy_from_slice(&asset.token.0);
                bytes[49..].copy_from_slice(&asset.token_id.0);
                (*blake3::hash(&bytes).as_bytes(), 2)
            }
            Self::Principal(address) => {
                let mut bytes = [0; 32];
                bytes[..20].copy_from_slice(&address.0);
                (bytes, 3)
            }
            Self::Policy => ([0; 32], 4),
            Self::Images => ([0; 32], 5),
        }
    }

    /// What positions (`seq` 0) and salts are hashed over: digest, kind, 7 zeros, `seq`, 16 zeros.
    pub fn block(&self, seq: u64) -> [u8; 64] {
        let (digest, kind) = self.digest();
        let mut block = [0; 64];
        block[..32].copy_from_slice(&digest);
        block[32] = kind;
        block[40..48].copy_from_slice(&seq.to_le_bytes());
        block
    }
}

/// The key that positions in the tree of an engine are hashed under: public.
pub fn position_key(engine_id: &EngineId) -> [u8; 32] {
    domains::blake3_in(domains::STATE_POSITION, &[&engine_id.0])
}

impl LeafValue {
    /// What the tree holds for this value under this salt.
    pub fn hash(&self, salt: &[u8; 32]) -> ValueHash {
        value_hash(&codec::encode(self), salt)
    }

    /// True when a value of this kind belongs to a key of that kind.
    pub fn fits(&self, key: &LeafKey) -> bool {
        matches!(
            (self, key),
            (Self::Lock { .. }, LeafKey::Lock(_))
                | (Self::Account { .. }, LeafKey::Account(..))
                | (Self::Principal { .. }, LeafKey::Principal(_))
                | (Self::PrincipalByHour { .. }, LeafKey::Principal(_))
                | (Self::Policy(_), LeafKey::Policy)
                | (Self::Images { .. }, LeafKey::Images)
        )
    }
}

/// What the tree holds for an encoded value under a salt.
pub fn value_hash(encoded: &[u8], salt: &[u8; 32]) -> ValueHash {
    let mut hasher = blake3::Hasher::new_keyed(&domains::blake3_key(domains::STATE_VALUE));
    hasher.update(salt);
    hasher.update(encoded);
    ValueHash(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_another_position_for_each_engine_and_kind() {
        let (a, b) = (EngineId([1; 32]), EngineId([2; 32]));
        let keys = [
            LeafKey::Lock(LockId::ZERO),
            LeafKey::Principal(Address::ZERO),
            LeafKey::Account(Address::ZERO, Asset::native(1)),
            LeafKey::Account(Address::ZERO, Asset::native(2)),
            LeafKey::Policy,
            LeafKey::Images,
        ];
        for (i, key) in keys.iter().enumerate() {
            assert_ne!(key.position(&a), key.position(&b));
            for other in &keys[i + 1..] {
                assert_ne!(key.position(&a), other.position(&a));
            }
        }
    }

    /// The rule of `specs/state-tree.md`, written out.
    #[test]
    fn keys_stand_where_the_page_says() {
        let engine_id = EngineId([6; 32]);
        let token = Asset::erc20(10, Address([5; 20]));
        let account = [&[2; 20][..], &10_u64.to_le_bytes(), &[1], &[5; 20], &[0; 32]].concat();
        let short = [&[3; 20][..], &[0; 12]].concat();
        let keys = [
            (LeafKey::Lock(LockId([1; 32])), [1; 32].to_vec(), 1),
            (
                LeafKey::Account(Address([2; 20]), token),
                blake3::hash(&account).as_bytes().to_vec(),
                2,
            ),
            (LeafKey::Principal(Address([3; 20])), short, 3),
            (LeafKey::Policy, [0; 32].to_vec(), 4),
            (LeafKey::Images, [0; 32].to_vec(), 5),
        ];
        let position_key = domains::blake3_in(domains::STATE_POSITION, &[&engine_id.0]);
        for (key, digest, kind) in keys {
            let block = [&digest[..], &[kind], &[0; 31]].concat();
            let expected = *blake3::keyed_hash(&position_key, &block).as_bytes();
            assert_eq!(key.position(&engine_id).0, expected, "{key:?}");
        }
    }

    #[test]
    fn a_value_hides_behind_its_salt() {
        let value = LeafValue::Policy(PolicyHash([3; 32]));
        assert_ne!(value.hash(&[1; 32]), value.hash(&[2; 32]));
        assert_ne!(value.hash(&[1; 32]), LeafValue::Policy(PolicyHash([4; 32])).hash(&[1; 32]));
        assert!(value.fits(&LeafKey::Policy) && !value.fits(&LeafKey::Lock(LockId::ZERO)));
    }

    #[test]
    fn nonces_below_the_floor_and_marked_ones_are_used() {
        let used = UsedNonces { floor: 10, bitmap: [0b100, 0, 0, 1 << 63] };
        assert!(used.has(9) && used.has(12) && used.has(10 + 255));
        assert!(!used.has(10) && !used.has(11) && !used.has(10 + 256) && !used.has(u64::MAX));
        let used = NonceWindow { hour: 7, floor: 10, bitmap: [0b100, 0, 0, 1 << 63] };
        assert!(used.has(9) && used.has(12) && used.has(10 + 255));
        assert!(!used.has(10) && !used.has(11) && !used.has(10 + 256) && !used.has(u32::MAX));
    }
}
