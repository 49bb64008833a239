//! Balances and proofs.

use super::lock::LockView;
use super::receipt::StatementView;
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::asset::Asset;
use mortise_format::ids::{Address, Bytes32, Root, Signature};
use mortise_format::json::HexBytes;
use mortise_format::lock::Custody;
use serde::{Deserialize, Serialize};

/// `getLockedBalance`: the existing client's `BalanceResponse`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedBalanceResult {
    /// Final balance; in `open` custody the account limit.
    pub total: U256,
    /// The most that a new lock can hold.
    pub available: U256,
    /// Held and claimed.
    pub locked: U256,
    /// Locks that hold a part of it, the oldest first.
    pub locks: Vec<LockView>,
    /// True when others hold a part too: `listLocks` has them.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub more_locks: bool,
}

/// `getBalance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BalanceResult {
    /// The account.
    pub owner: Address,
    /// The asset.
    pub asset: Asset,
    /// Custody class; absent when the chain is not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custody: Option<Custody>,
    /// Final balance; in `open` custody the account limit.
    pub total: U256,
    /// The most that a new lock can hold.
    pub available: U256,
    /// Held by open locks.
    pub held: U256,
    /// Claimed and not paid yet.
    pub claimed_unsettled: U256,
    /// Under a withdrawal.
    pub withdrawing: U256,
    /// Time of the head that the balance is from, whole seconds; absent in `open` custody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_time: Option<u64>,
    /// The frame after which this holds.
    pub seq: u64,
    /// State root after that frame.
    pub state_root: Root,
}

/// The leaf that a proof of absence ends at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherLeaf {
    /// Its tree key.
    pub position: Bytes32,
    /// Its value hash.
    pub value_hash: Bytes32,
}

/// `getProof`. A present entry has `value` and `salt`. An absent one has `other`, or nothing when
/// the path ends in an empty half (`specs/state-tree.md`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofResult {
    /// True when the entry is in the state.
    pub present: bool,
    /// Its tree key.
    pub position: Bytes32,
    /// The encoded entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<HexBytes>,
    /// Salt of its leaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<Bytes32>,
    /// The leaf at that place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<OtherLeaf>,
    /// Sibling hashes of the path, from the root down.
    pub siblings: Vec<Bytes32>,
    /// The frame after which this holds.
    pub seq: u64,
    /// The root that the proof leads to.
    pub state_root: Root,
    /// The statement that names the root.
    pub statement: StatementView,
    /// The engine's signature over its digest.
    pub statement_signature: Signature,
}
