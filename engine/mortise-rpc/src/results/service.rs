//! Results about the engine itself: health, attestation, identity, policy, roots, simulations.

use super::super::error::ErrorObject;
use super::super::genesis::PolicyJson;
use super::freshness::{AttestedLease, LeaseView};
use super::images::ApprovedImagesView;
use super::receipt::StatementView;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use mortise_format::binding::BoundKeys;
use mortise_format::genesis::{GenesisKeys, engine_id};
use mortise_format::ids::{
    Address, Bytes32, EngineId, LockId, Measurement, PolicyHash, Root, Signature,
};
use mortise_format::json::{HexBytes, decimal};
use mortise_format::lock::{Custody, Durability};
use mortise_format::policy::Policy;
use serde::{Deserialize, Serialize};

/// `health`. Answered in every phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `healthy` when ready, `stale` when ready without a lease, else the phase.
    pub status: String,
    /// The engine id.
    pub enclave_id: EngineId,
    /// The signing address.
    pub public_key: Address,
    /// State root after the last released frame.
    pub state_root: Root,
    /// Engine time now, whole seconds. Every command is decided at this time or later.
    pub timestamp: u64,
    /// Engine time of the last released frame, whole seconds. An idle engine makes no frame.
    #[serde(default)]
    pub head_time: u64,
    /// Epoch of this boot.
    pub epoch: u64,
    /// The last released frame.
    pub seq: u64,
    /// `attested`; `development`: in software, under a root of its own folder; `unattested`: there
    /// is no attestation document; `emulated`, `debug`: there are documents, and every verifier
    /// rejects them.
    pub mode: String,
    /// Version of the code.
    pub version: String,
    /// `starting`, `replaying`, `witnessing`, `ready`, `stopping`, `fault`.
    pub phase: String,
    /// Locks that ended before this time may be gone from the state, whole seconds.
    #[serde(default)]
    pub pruning_horizon: u64,
    /// What works worse than it should while the engine serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<Degraded>,
    /// The lease of the newest head; absent without witnesses, and before the engine serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseView>,
    /// Name of the fault that stopped the boot; only in phase `fault`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The verifier key of the log, which witnesses need; only in phase `witnessing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_key: Option<String>,
}

/// A part of the service that is degraded. New promises are not affected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Degraded {
    /// `LOG_DAMAGED`: a frame in the store is not the one that the engine wrote.
    pub name: String,
    /// The newest such frame.
    pub seq: u64,
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
    /// The engine's signature over keccak-256 of the document.
    pub signature: Signature,
    /// See [`Health::mode`].
    pub mode: String,
    /// What the document binds; absent while unattested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<BindingView>,
    /// The document that was made when the keys were drawn; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genesis_document: Option<HexBytes>,
}

/// What a boot states in its attestation documents, field by field (`specs/attestation.md`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BindingView {
    /// The engine id.
    pub engine_id: EngineId,
    /// Epoch of the boot.
    pub epoch: u64,
    /// Compressed secp256k1 key that signs statements, commitments and outcomes.
    pub signing_key: HexBytes,
    /// Ed25519 key that signs checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_key: Option<Bytes32>,
    /// X25519 key of the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_key: Option<Bytes32>,
    /// Frames of the history at the boot.
    pub history_size: u64,
    /// Root of that history.
    pub history_root: Root,
    /// The policy in force at the boot.
    pub policy_hash: PolicyHash,
}

impl BindingView {
    /// The keys; `None` when the signing key does not have 33 bytes.
    pub fn keys(&self) -> Option<BoundKeys> {
        Some(BoundKeys {
            signing: self.signing_key.0.as_slice().try_into().ok()?,
            checkpoint: self.checkpoint_key.map(|key| key.0),
            channel: self.channel_key.map(|key| key.0),
        })
    }
}

/// `getAttestation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    /// See [`Health::mode`]; never `unattested`.
    pub mode: String,
    /// The COSE document, made for this call.
    pub aws_attestation_document: HexBytes,
    /// What it binds.
    pub binding: BindingView,
    /// The newest released statement, whose digest is in the document.
    pub statement: StatementView,
    /// The engine's signature over it.
    pub statement_signature: Signature,
    /// Its lease, which is in the document; absent without witnesses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<AttestedLease>,
    /// The document that was made when the keys were drawn; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genesis_document: Option<HexBytes>,
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
    /// The Ed25519 key that signs checkpoints.
    pub checkpoint_key: Bytes32,
    /// The X25519 key of the channel of this boot.
    pub channel_key: Bytes32,
    /// First line of the engine's checkpoints, and the name of its key in them.
    #[serde(default)]
    pub origin: String,
    /// Commitment to the log secret, inside the engine id.
    pub log_secret_commitment: Bytes32,
    /// Name from the genesis, for people.
    pub name: String,
    /// Hash of the genesis.
    pub genesis_hash: Bytes32,
    /// The engine that this one succeeded in a recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<PredecessorView>,
    /// Policy in force.
    pub policy_hash: PolicyHash,
    /// Version of the code.
    pub version: String,
    /// The rules of this epoch.
    pub rules: u16,
    /// The newest rules that this code knows.
    pub newest_rules: u16,
    /// Epoch of this boot.
    pub epoch: u64,
    /// The last released frame.
    pub seq: u64,
    /// See [`Health::phase`].
    pub phase: String,
    /// See [`Health::mode`].
    pub mode: String,
    /// PCR0 of this boot's image; absent while unattested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Measurement>,
    /// Which images may boot on the log; absent until operators approved some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_images: Option<ApprovedImagesView>,
    /// What an answer rests on.
    pub durability: Durability,
    /// Served chains and their custody.
    pub chains: Vec<ChainInfo>,
    /// Locks in the state.
    pub lock_count: u64,
    /// The oldest frame for which `getProof` can prove now.
    pub oldest_root_seq: u64,
    /// Most frames between that one and the newest.
    pub recent_roots_max: u64,
    /// See [`Health::pruning_horizon`].
    #[serde(default)]
    pub pruning_horizon: u64,
}

impl EngineInfo {
    /// The engine id that follows from keys, log secret and genesis; `None` when the public key
    /// does not have 33 bytes. It equals [`Self::engine_id`] while the engine signs with its
    /// genesis keys.
    pub fn computed_engine_id(&self) -> Option<EngineId> {
        let signing = self.public_key.0.as_slice().try_into().ok()?;
        let keys = GenesisKeys { signing, checkpoint: self.checkpoint_key.0 };
        Some(engine_id(&keys, &self.log_secret_commitment, &self.genesis_hash))
    }
}

/// The engine before a recovery, and the end of its log as its operators signed it. The genesis has
/// the signatures, and the engine id covers the genesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PredecessorView {
    /// Its id.
    pub engine_id: EngineId,
    /// Frames of its last cosigned checkpoint.
    pub size: u64,
    /// Their history root.
    pub root: Root,
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
        /// The engine's signature over its digest.
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
    /// Every check that fails, in the order of the checks.
    pub failures: Vec<ErrorObject>,
    /// The id that the lock would have.
    pub lock_id: LockId,
    /// The nonce of that id.
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
