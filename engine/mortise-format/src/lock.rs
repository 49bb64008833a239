//! A lock: its terms, its identity, its life cycle.

use crate::abi::{Words, type_hash};
use crate::amount::U256;
use crate::asset::{Asset, Condition};
use crate::domains::keccak256;
use crate::ids::{Address, Bytes32, EngineId, LockId};
use alloc::vec::Vec;
use bincode::{Decode, Encode};
use core::fmt;

/// One asset and amount that a lock holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct LegTerms {
    /// What is held.
    pub asset: Asset,
    /// How much, in the asset's smallest unit, above zero.
    pub amount: U256,
}

/// What the owner agrees to.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LockTerms {
    /// Whose assets are held.
    pub owner: Address,
    /// The beneficiary; zero is an open-taker lock.
    pub beneficiary: Address,
    /// The arbiter, whose signature claims; zero when only verified evidence may claim.
    pub arbiter: Address,
    /// Unique per owner.
    pub nonce: u64,
    /// A fill counts before this time, whole seconds since the Unix epoch.
    pub expires: u64,
    /// What the solver must deliver.
    pub condition: Condition,
    /// What is held: 1 to `LOCK_LEGS_MAX` legs with different assets.
    pub legs: Vec<LegTerms>,
}

/// A party for whom a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// Releases the lock, and may be paid from it.
    Beneficiary,
    /// Claims the lock, for any claimant if it names no beneficiary.
    Arbiter,
}

impl fmt::Display for Taker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Beneficiary => "beneficiary",
            Self::Arbiter => "arbiter",
        })
    }
}

/// The EIP-712 encoding of an asset with its amount.
pub const LOCKED_ASSET_TYPE: &str =
    "LockedAsset(uint256 chainId,uint8 assetType,address token,uint256 tokenId,uint256 amount)";

/// Tag of the lock id. No contract type has this name.
const LOCK_ID_TYPE: &str = "MortiseLockId(bytes32 engineId,address owner,address beneficiary,\
address arbiter,uint256 nonce,uint64 expires,bytes32 condition,bytes32 assets)";

impl LockTerms {
    /// True for the owner, the beneficiary and the arbiter.
    pub fn has_party(&self, address: &Address) -> bool {
        [self.owner, self.beneficiary, self.arbiter].contains(address)
    }

    /// The first party that ends the lock for others and is its owner.
    pub fn owner_as_taker(&self) -> Option<Taker> {
        let takers = [(Taker::Beneficiary, self.beneficiary), (Taker::Arbiter, self.arbiter)];
        takers.into_iter().find(|(_, address)| *address == self.owner).map(|(taker, _)| taker)
    }

    /// `keccak(concat(hashStruct(LockedAsset) ...))`, the EIP-712 encoding of the asset array.
    pub fn assets_hash(&self) -> Bytes32 {
        let type_hash = type_hash(LOCKED_ASSET_TYPE);
        let mut hashes = Vec::with_capacity(self.legs.len().saturating_mul(32));
        for leg in &self.legs {
            let words = Words::typed(&type_hash)
                .number(leg.asset.chain_id)
                .number(u64::from(leg.asset.asset_type.number()))
                .address(&leg.asset.token)
                .word(&leg.asset.token_id.0)
                .amount(leg.amount);
            hashes.extend_from_slice(&words.hash().0);
        }
        Bytes32(keccak256(&[&hashes]))
    }

    /// The identity of the lock: a hash over the engine and every term, so that no field can be
    /// changed under a signature (INV-17).
    pub fn lock_id(&self, engine_id: &EngineId) -> LockId {
        let words = Words::typed(&keccak256(&[LOCK_ID_TYPE.as_bytes()]))
            .word(&engine_id.0)
            .address(&self.owner)
            .address(&self.beneficiary)
            .address(&self.arbiter)
            .number(self.nonce)
            .number(self.expires)
            .word(&self.condition.hash().0)
            .word(&self.assets_hash().0);
        LockId(words.hash().0)
    }
}

/// Status of a lock. PENDING drafts are outside the state and have no entry here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Status {
    /// Held whole.
    Active,
    /// Held, partly claimed.
    Partial,
    /// Claimed whole, payment awaited.
    Fulfilled,
    /// Paid.
    Settled,
    /// Released by the beneficiary.
    Released,
    /// Cancelled by owner and beneficiary.
    Cancelled,
    /// Ended by time.
    Expired,
}

impl Status {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Partial => "PARTIAL",
            Self::Fulfilled => "FULFILLED",
            Self::Settled => "SETTLED",
            Self::Released => "RELEASED",
            Self::Cancelled => "CANCELLED",
            Self::Expired => "EXPIRED",
        }
    }

    /// The number in signed statements.
    pub fn number(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::Partial => 2,
            Self::Fulfilled => 3,
            Self::Settled => 4,
            Self::Released => 5,
            Self::Cancelled => 6,
            Self::Expired => 7,
        }
    }

    /// True while the unclaimed part is held.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Active | Self::Partial)
    }

    /// True when no command changes the status any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Settled | Self::Released | Self::Cancelled | Self::Expired)
    }
}

/// Who can move the asset besides the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Custody {
    /// No known custody: exclusive against other holds and limits only.
    Open,
    /// An escrow contract whose balances observers attest.
    Escrow,
}

impl Custody {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Escrow => "escrow",
        }
    }

    /// The number in signed statements.
    pub fn number(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Escrow => 1,
        }
    }
}

/// What must have happened before an answer leaves the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Durability {
    /// The parent synced the frame to disk. The parent is trusted to keep it.
    Stored,
    /// The parent synced it, and a quorum of witnesses cosigned a history that includes it.
    Witnessed,
}

impl Durability {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Witnessed => "witnessed",
        }
    }

    /// The number in signed statements.
    pub fn number(self) -> u8 {
        match self {
            Self::Stored => 1,
            Self::Witnessed => 2,
        }
    }
}
