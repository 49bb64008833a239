//! Claims of arbiters (`specs/eip712.md`).

use crate::abi::{Words, amounts_hash, type_hash};
use crate::amount::U256;
use crate::ids::{Address, Bytes32, LockId};
use crate::request::Request;
use alloc::vec::Vec;
use bincode::{Decode, Encode};

/// An arbiter's claim.
pub const CLAIM_TYPE: &str = "Claim(bytes32 lockId,uint256 claimIndex,address claimant,\
uint256[] amounts,bytes32 evidence,bytes32 requestId,uint64 validUntil)";

/// What an arbiter signs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Claim {
    /// The lock.
    pub lock_id: LockId,
    /// Number of claims before this one.
    pub claim_index: u32,
    /// Who is to be paid.
    pub claimant: Address,
    /// One amount per leg.
    pub amounts: Vec<U256>,
    /// Hash of whatever the arbiter saw; recorded, not interpreted.
    pub evidence: Bytes32,
    /// The request.
    pub request: Request,
}

impl Claim {
    /// Struct hash.
    pub fn hash(&self) -> Bytes32 {
        Words::typed(&type_hash(CLAIM_TYPE))
            .word(&self.lock_id.0)
            .number(u64::from(self.claim_index))
            .address(&self.claimant)
            .word(&amounts_hash(&self.amounts).0)
            .word(&self.evidence.0)
            .word(&self.request.id.0)
            .number(self.request.valid_until)
            .hash()
    }
}
