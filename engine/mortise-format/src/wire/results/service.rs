//! Results about the engine itself: health, attestation, identity, policy, roots, simulations.

use super::super::error::ErrorObject;
use super::super::genesis::PolicyJson;
use super::super::text::{HexBytes, decimal};
use super::receipt::StatementView;
use crate::ids::{Address, Bytes32, EngineId, LockId, PolicyHash, Root, Signature};
use crate::lock::{Custody, Durability};
use crate::policy::Policy;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// `health`. Answered in every phase; the place in the log is absent until it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `healthy` when ready, else the phase.
    pub status: String,
    /// The engine id.
    pub enclave_id: EngineId,
    /// The signing address.
    pub public_key: Address,
    /// State root after the last released frame.
    pub state_root: Root,
    /// Engine time, whole seconds.
    pub timestamp: u64,
    /// This boot.
    pub epoch: u64,
    /// The last released frame.
    pub seq: u64,
    /// `unattested` until a document backs the key.
    pub mode: String,
    /// Version of the code.
    pub version: String,
    /// `starting`, `replaying`, `ready`, `stopping`, `fault`.
    pub phase: String,
    /// Locks that ended before this time may be gone from the state, whole seconds.
    #[serde(default)]
    pub pruning_horizon: u64,
}

/// `getBootAttestation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootAttestation {
    /// The engine id.
    pub enclave_id: EngineId,
    /// The signing address.
    pub public_key: Address,
    /// Engine time of the boot, whole seconds.
    pub boot_time: u64,
    /// First 32 bytes of PCR0; zero while unattested.
    pub code_hash: Bytes32,
    /// Index to value; empty while unattested.
    pub pcrs: BTreeMap<String, HexBytes>,
    /// The COSE document; empty while unattested.
    pub aws_attestation_document: HexBytes,
    /// The engine's, over keccak-256 of the document.
    pub signature: Signature,
    /// `unattested`, or the name of the root of trust.
    pub mode: String,
}

/// `getEngineInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineInfo {
    /// The engine id.
    pub engine_id: EngineId,
    /// The signing address.
    pub address: Address,
    /// The compressed public key.
    pub public_key: HexBytes,
    /// Name of the service, for people.
    pub name: String,
    /// Hash of the genesis.
    pub genesis_hash: Bytes32,
    /// Policy in force.
    pub policy_hash: PolicyHash,
    /// Version of the code.
    pub version: String,
    /// This boot.
    pub epoch: u64,
    /// The last released frame.
    pub seq: u64,
    /// See [`Health::phase`].
    pub phase: String,
    /// See [`Health::mode`].
    pub mode: String,
    /// What stands behind an answer.
    pub durability: Durability,
    /// Served chains and their custody.
    pub chains: Vec<ChainInfo>,
    /// Locks in the state.
    pub lock_count: u64,
    /// See [`Health::pruning_horizon`].
    #[serde(default)]
    pub pruning_horizon: u64,
}

/// A served chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainInfo {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Custody class of its locks.
    pub custody: Custody,
}

/// `getPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyResult {
    /// Its hash, as commitments carry it.
    pub policy_hash: PolicyHash,
    /// The rules, as in the genesis file.
    pub policy: PolicyJson,
}

impl From<&Policy> for PolicyResult {
    fn from(policy: &Policy) -> Self {
        Self { policy_hash: policy.hash(), policy: PolicyJson::from(policy) }
    }
}

/// `getStateRoot`: the bare root for the existing client, the statement when `signed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StateRootResult {
    /// The root.
    Root(Root),
    /// The statement that names it.
    Signed {
        /// The statement.
        statement: Box<StatementView>,
        /// The engine's, over its digest.
        signature: Signature,
    },
}

/// `suggestNonce`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonceResult {
    /// A nonce that is free now.
    #[serde(with = "decimal")]
    pub nonce: u64,
}

/// `cleanupExpiredLocks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanupResult {
    /// Locks that were expired.
    pub cleaned: u64,
}

/// `simulateLock`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulationResult {
    /// True when a commit would be granted now.
    pub ok: bool,
    /// Every check that fails, in the order of the ladder.
    pub failures: Vec<ErrorObject>,
    /// The id that the lock would have.
    pub lock_id: LockId,
    /// The nonce used for it.
    #[serde(with = "decimal")]
    pub nonce: u64,
    /// End of fills.
    pub expires: u64,
    /// End of claims; absent when a chain is not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_by: Option<u64>,
    /// End of the hold for claims; absent when a chain is not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_by: Option<u64>,
}
