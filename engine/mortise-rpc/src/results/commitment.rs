//! A commitment on the wire: the existing client's `Commitment`, and every field that its digest
//! covers.

use super::lock::{LockStatus, LockView};
use super::receipt::ReceiptView;
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::eip712::{Digest, Domain, LockCommitment, Place};
use mortise_format::ids::{Address, Bytes32, EngineId, LockId, PolicyHash, Root, Signature};
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::json::{HexBytes, decimal};
use mortise_format::lock::{Custody, Durability, LegTerms, LockTerms};
use serde::{Deserialize, Serialize};

/// Version of the commitment's fields.
const COMMITMENT_VERSION: u32 = 1;

/// The engine's signature and the digest that it signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CcmAttestation {
    /// The engine id.
    pub enclave_id: EngineId,
    /// Engine time of the commitment, whole seconds.
    pub timestamp: u64,
    /// The EIP-712 digest of `LockCommitment`.
    pub commitment_hash: Bytes32,
    /// The engine's signature over that digest.
    pub signature: Signature,
    /// The insecure mode of the engine: the commitment does not bind it, and the digest has another
    /// domain. Absent in a real enclave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<InsecureMode>,
    /// Always absent: the boot attestation binds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation_document: Option<HexBytes>,
}

/// A commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitmentView {
    /// The lock.
    pub lock_id: LockId,
    /// Version of these fields: 1.
    pub version: u32,
    /// Chain of the first leg.
    pub chain_id: u64,
    /// The owner.
    pub smart_account: Address,
    /// Asset of the first leg.
    pub locked_asset: Asset,
    /// Amount of the first leg.
    pub locked_amount: U256,
    /// Engine time of the commitment, whole seconds.
    pub created_at: u64,
    /// End of fills, whole seconds.
    pub expires_at: u64,
    /// `settleBy`.
    pub settlement_deadline: u64,
    /// The fill that a claim must prove.
    #[serde(rename = "fulfillmentCondition")]
    pub condition: Condition,
    /// Nonce of the owner.
    #[serde(with = "decimal")]
    pub nonce: u64,
    /// State root after the frame.
    pub state_root: Root,
    /// Keccak-256 of the owner's signature.
    pub user_signature_hash: Bytes32,
    /// The engine's signature.
    pub ccm_attestation: CcmAttestation,
    /// The account that the lock is for; zero for an open-taker lock.
    pub beneficiary: Address,
    /// The account whose signature claims; zero for none.
    pub arbiter: Address,
    /// Every asset and amount.
    pub legs: Vec<LegTerms>,
    /// End of claims, whole seconds.
    pub claim_by: u64,
    /// End of the hold for claims, whole seconds.
    pub settle_by: u64,
    /// Custody class.
    pub custody: Custody,
    /// Durability mode.
    pub durability: Durability,
    /// Policy in force after the frame.
    pub policy_hash: PolicyHash,
    /// Epoch of the frame.
    pub epoch: u64,
    /// The frame.
    pub seq: u64,
    /// The event in it.
    pub event_index: u32,
    /// Root of the frame's events.
    pub event_root: Root,
}

impl CommitmentView {
    /// The commitment of an engine to terms, with its signature over the digest, which is in the
    /// domain of `mode`.
    pub fn new(
        engine_id: &EngineId,
        mode: Option<InsecureMode>,
        terms: &LockTerms,
        promise: &LockCommitment,
        signature: Signature,
    ) -> Self {
        let nothing = LegTerms { asset: Asset::native(0), amount: U256::ZERO };
        let first = terms.legs.first().unwrap_or(&nothing);
        Self {
            lock_id: promise.lock_id,
            version: COMMITMENT_VERSION,
            chain_id: first.asset.chain_id,
            smart_account: promise.owner,
            locked_asset: first.asset,
            locked_amount: first.amount,
            created_at: promise.issued_at,
            expires_at: promise.expires,
            settlement_deadline: promise.settle_by,
            condition: terms.condition.clone(),
            nonce: terms.nonce,
            state_root: promise.place.state_root,
            user_signature_hash: promise.user_signature_hash,
            ccm_attestation: CcmAttestation {
                enclave_id: *engine_id,
                timestamp: promise.issued_at,
                commitment_hash: Bytes32(
                    Domain::of_promises(engine_id, mode).digest(&promise.hash()).0,
                ),
                signature,
                mode,
                attestation_document: None,
            },
            beneficiary: promise.beneficiary,
            arbiter: promise.arbiter,
            legs: terms.legs.clone(),
            claim_by: promise.claim_by,
            settle_by: promise.settle_by,
            custody: promise.custody,
            durability: promise.durability,
            policy_hash: promise.place.policy_hash,
            epoch: promise.place.epoch,
            seq: promise.place.seq,
            event_index: promise.place.index,
            event_root: promise.place.event_root,
        }
    }

    /// The terms in these fields, with the expiry of the commitment.
    pub fn terms(&self) -> LockTerms {
        LockTerms {
            owner: self.smart_account,
            beneficiary: self.beneficiary,
            arbiter: self.arbiter,
            nonce: self.nonce,
            expires: self.expires_at,
            condition: self.condition.clone(),
            legs: self.legs.clone(),
        }
    }

    /// The signed struct of these fields, its hashes computed from them.
    pub fn promise(&self) -> LockCommitment {
        LockCommitment {
            lock_id: self.lock_id,
            owner: self.smart_account,
            beneficiary: self.beneficiary,
            arbiter: self.arbiter,
            assets: self.terms().assets_hash(),
            condition: self.condition.hash(),
            issued_at: self.created_at,
            expires: self.expires_at,
            claim_by: self.claim_by,
            settle_by: self.settle_by,
            custody: self.custody,
            durability: self.durability,
            place: Place {
                epoch: self.epoch,
                seq: self.seq,
                index: self.event_index,
                event_root: self.event_root,
                state_root: self.state_root,
                policy_hash: self.policy_hash,
            },
            user_signature_hash: self.user_signature_hash,
        }
    }

    /// True when fields that appear in two places match: first leg, deadline, timestamp.
    pub fn is_consistent(&self) -> bool {
        let first = self.legs.first();
        first.is_some_and(|leg| {
            leg.asset == self.locked_asset
                && leg.amount == self.locked_amount
                && leg.asset.chain_id == self.chain_id
        }) && self.settlement_deadline == self.settle_by
            && self.ccm_attestation.timestamp == self.created_at
            && self.version == COMMITMENT_VERSION
    }

    /// The digest that the engine must have signed for these fields, in the domain of the mode.
    pub fn digest(&self, engine_id: &EngineId) -> Digest {
        let domain = Domain::of_promises(engine_id, self.ccm_attestation.mode);
        domain.digest(&self.promise().hash())
    }
}

/// `signLock`, `commitLock`, `extendLock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitResult {
    /// The commitment.
    pub commitment: CommitmentView,
    /// Status of the lock after the event.
    pub status: LockStatus,
    /// Proof of the event.
    pub receipt: ReceiptView,
    /// Epoch of the frame.
    pub epoch: u64,
    /// The frame.
    pub seq: u64,
    /// State root after the frame.
    pub state_root: Root,
    /// The lock, for methods that return it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockView>,
}

impl CommitResult {
    /// The answer to one granted or extended lock.
    pub fn new(commitment: CommitmentView, status: LockStatus, receipt: ReceiptView) -> Self {
        let (epoch, seq) = (receipt.epoch, receipt.seq);
        let state_root = receipt.statement.state_root;
        Self { commitment, status, receipt, epoch, seq, state_root, lock: None }
    }
}

/// `commitBatch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResult {
    /// The commitments, in the order of the request.
    pub commitments: Vec<CommitmentView>,
    /// Status of every lock after the event.
    pub status: LockStatus,
    /// Proof of the one event.
    pub receipt: ReceiptView,
    /// Epoch of the frame.
    pub epoch: u64,
    /// The frame.
    pub seq: u64,
    /// State root after the frame.
    pub state_root: Root,
}

impl BatchResult {
    /// The answer to a granted batch.
    pub fn new(commitments: Vec<CommitmentView>, status: LockStatus, receipt: ReceiptView) -> Self {
        let (epoch, seq) = (receipt.epoch, receipt.seq);
        let state_root = receipt.statement.state_root;
        Self { commitments, status, receipt, epoch, seq, state_root }
    }
}
