//! Outcomes on the wire: the existing client's `AppAttestation`, and every field that the engine
//! signs.

use super::lock::LockStatus;
use super::receipt::ReceiptView;
use alloc::string::String;
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::eip712::{Digest, Domain, LockOutcome, Place, amounts_hash};
use mortise_format::ids::{Address, Bytes32, EngineId, LockId, PolicyHash, Root, Signature};
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::lock::{Durability, Status};
use serde::{Deserialize, Serialize};

/// Every field of a signed `LockOutcome`, the amounts written out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of LockOutcome")]
pub struct OutcomeView {
    pub lock_id: LockId,
    pub status: LockStatus,
    pub claim_index: u32,
    pub claimant: Address,
    /// The amounts that moved, one per leg.
    pub amounts: Vec<U256>,
    pub time: u64,
    pub durability: Durability,
    pub epoch: u64,
    pub seq: u64,
    pub event_index: u32,
    pub event_root: Root,
    pub state_root: Root,
    pub policy_hash: PolicyHash,
    /// The insecure mode of the engine: the outcome does not bind it, and the digest has another
    /// domain. Absent in a real enclave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<InsecureMode>,
}

impl OutcomeView {
    /// An outcome, the amounts whose hash it has, and the engine's insecure mode.
    pub fn new(outcome: &LockOutcome, amounts: Vec<U256>, mode: Option<InsecureMode>) -> Self {
        Self {
            lock_id: outcome.lock_id,
            status: outcome.status.into(),
            claim_index: outcome.claim_index,
            claimant: outcome.claimant,
            amounts,
            time: outcome.time,
            durability: outcome.durability,
            epoch: outcome.place.epoch,
            seq: outcome.place.seq,
            event_index: outcome.place.index,
            event_root: outcome.place.event_root,
            state_root: outcome.place.state_root,
            policy_hash: outcome.place.policy_hash,
            mode,
        }
    }

    /// The signed struct of these fields; `None` for PENDING, which no outcome has.
    pub fn outcome(&self) -> Option<LockOutcome> {
        let LockStatus::Held(status) = self.status else { return None };
        Some(LockOutcome {
            lock_id: self.lock_id,
            status,
            claim_index: self.claim_index,
            claimant: self.claimant,
            amounts: amounts_hash(&self.amounts),
            time: self.time,
            durability: self.durability,
            place: Place {
                epoch: self.epoch,
                seq: self.seq,
                index: self.event_index,
                event_root: self.event_root,
                state_root: self.state_root,
                policy_hash: self.policy_hash,
            },
        })
    }

    /// The digest that the engine must have signed for these fields, in the domain of the mode.
    pub fn digest(&self, engine_id: &EngineId) -> Option<Digest> {
        let domain = Domain::of_promises(engine_id, self.mode);
        self.outcome().map(|outcome| domain.digest(&outcome.hash()))
    }
}

/// `claimLock`, `releaseLock`, `cancelLock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeResult {
    /// The engine id.
    pub enclave_id: EngineId,
    /// `CLAIM`, `RELEASE` or `CANCEL`.
    pub operation: String,
    /// Engine time of the event, whole seconds.
    pub timestamp: u64,
    /// The EIP-712 digest of `LockOutcome`.
    pub data_hash: Bytes32,
    /// The engine's signature over that digest.
    pub signature: Signature,
    /// Status of the lock after the event.
    pub status: LockStatus,
    /// What the digest covers.
    pub outcome: OutcomeView,
    /// Proof of the event.
    pub receipt: ReceiptView,
    /// Epoch of the frame.
    pub epoch: u64,
    /// The frame.
    pub seq: u64,
    /// State root after the frame.
    pub state_root: Root,
}

/// The method that an outcome answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    /// `claimLock`.
    Claim,
    /// `releaseLock`.
    Release,
    /// `cancelLock`.
    Cancel,
}

impl Operation {
    fn of(status: Status) -> Self {
        match status {
            Status::Released => Self::Release,
            Status::Cancelled => Self::Cancel,
            _ => Self::Claim,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Claim => "CLAIM",
            Self::Release => "RELEASE",
            Self::Cancel => "CANCEL",
        }
    }
}

impl OutcomeResult {
    /// The answer to a claim, release or cancel; the status decides which. The signature is over
    /// the digest in the domain of `mode`.
    pub fn new(
        engine_id: &EngineId,
        mode: Option<InsecureMode>,
        outcome: &LockOutcome,
        amounts: Vec<U256>,
        signature: Signature,
        receipt: ReceiptView,
    ) -> Self {
        let digest = Domain::of_promises(engine_id, mode).digest(&outcome.hash());
        Self {
            enclave_id: *engine_id,
            operation: Operation::of(outcome.status).name().into(),
            timestamp: outcome.time,
            data_hash: Bytes32(digest.0),
            signature,
            status: outcome.status.into(),
            outcome: OutcomeView::new(outcome, amounts, mode),
            epoch: receipt.epoch,
            seq: receipt.seq,
            state_root: receipt.statement.state_root,
            receipt,
        }
    }
}

/// `submitChainFact`, `grantReading`, `approveImages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FactResult {
    /// Proof of the event.
    pub receipt: ReceiptView,
    /// Epoch of the frame.
    pub epoch: u64,
    /// The frame.
    pub seq: u64,
    /// State root after the frame.
    pub state_root: Root,
}

impl FactResult {
    /// The answer to a recorded fact, to a reading right, or to an approval of images.
    pub fn new(receipt: ReceiptView) -> Self {
        let (epoch, seq) = (receipt.epoch, receipt.seq);
        Self { epoch, seq, state_root: receipt.statement.state_root, receipt }
    }
}
