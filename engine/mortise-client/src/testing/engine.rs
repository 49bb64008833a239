//! Honest answers, signed.

use crate::identity::Identity;
use crate::signer::Signer;
use mortise_format::codec;
use mortise_format::domains::keccak256;
use mortise_format::eip712::{
    Domain, LockCommitment, LockOutcome, Place, RootStatement, amounts_hash,
};
use mortise_format::event::Event;
use mortise_format::frame::{FRAME_VERSION, FrameHeader, FrameKind, FrameLeaf};
use mortise_format::ids::{Bytes32, EngineId, FrameDigest, LockId, PolicyHash, Root, Signature};
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::lock::{Custody, Durability, LockTerms, Status};
use mortise_format::merkle::events::{self, node_hash};
use mortise_format::merkle::history;
use mortise_format::rules::RuleSet;
use mortise_rpc::envelope::{Request, failure, success};
use mortise_rpc::results::{
    CommitResult, CommitmentView, Health, LockStatus, LockView, NonceResult, OutcomeResult,
    ReceiptView, StateRootResult, StatementView,
};
use mortise_rpc::{Call, ErrorObject, HexBytes};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Engine time of every answer.
pub(crate) const NOW: u64 = 1_800_000_000;

/// Leaf hash of the event beside the one of every receipt.
const NEIGHBOUR: [u8; 32] = [4; 32];
/// Salt of the event of every receipt.
const SALT: [u8; 32] = [2; 32];

/// The event of every receipt. The client does not decode it.
fn event() -> Vec<u8> {
    codec::encode(&Event::TimeAdvanced { time_ms: NOW * 1000 })
}

/// Signs every answer that a test asks for.
pub(crate) struct Engine {
    pub id: EngineId,
    pub key: Signer,
    pub seq: AtomicU64,
    /// The insecure mode of its promises.
    pub mode: OnceLock<InsecureMode>,
}

impl Engine {
    pub fn new() -> Self {
        let key = Signer::from_bytes(&[0x42; 32]).expect("a small number is a key");
        Self { id: EngineId([0x11; 32]), key, seq: AtomicU64::new(7), mode: OnceLock::new() }
    }

    pub fn identity(&self) -> Identity {
        Identity { engine_id: self.id, address: self.key.address() }
    }

    /// The bytes of the honest answer.
    pub fn answer(&self, request: &Request) -> Vec<u8> {
        let id = request.id.clone().expect("the client names its calls");
        match Call::by_name(&request.method, &request.params) {
            Ok(call) => self
                .result(&call)
                .map_or_else(|error| failure(&id, &error), |result| success(&id, &result)),
            Err(error) => failure(&id, &error),
        }
    }

    fn result(&self, call: &Call) -> Result<serde_json::Value, ErrorObject> {
        let value = match call {
            Call::Health(_) => serde_json::to_value(self.health()),
            Call::SuggestNonce(_) => serde_json::to_value(NonceResult { nonce: 5 }),
            Call::GetStateRoot(_) => serde_json::to_value(self.newest()),
            Call::CommitLock(commit) => {
                let intent = &commit.intent;
                serde_json::to_value(self.commit(&intent.terms, &intent.signature))
            }
            Call::CancelLock(cancel) => serde_json::to_value(self.cancel(cancel.lock_id)),
            Call::GetLock(_) => serde_json::to_value(None::<LockView>),
            _ => return Err(ErrorObject::method_not_found(call.method().name())),
        };
        Ok(value.expect("results are JSON"))
    }

    fn health(&self) -> Health {
        Health {
            status: "healthy".into(),
            enclave_id: self.id,
            public_key: self.key.address(),
            state_root: Root([5; 32]),
            timestamp: NOW,
            head_time: NOW,
            epoch: 1,
            seq: self.seq.load(Ordering::Relaxed),
            mode: "unattested".into(),
            version: "0".into(),
            phase: "ready".into(),
            pruning_horizon: 0,
            degraded: None,
            lease: None,
            fault: None,
            log_key: None,
        }
    }

    fn place(&self) -> Place {
        Place {
            epoch: 1,
            seq: self.seq.load(Ordering::Relaxed),
            index: 1,
            event_root: Root(node_hash(&NEIGHBOUR, &events::leaf_hash(&SALT, &event()))),
            state_root: Root([5; 32]),
            policy_hash: PolicyHash([6; 32]),
        }
    }

    fn leaf(&self) -> FrameLeaf {
        let place = self.place();
        let header = FrameHeader {
            version: FRAME_VERSION,
            rules: RuleSet::NEWEST,
            kind: FrameHeader::kind_byte(FrameKind::Events),
            engine_id: self.id,
            epoch: place.epoch,
            seq: place.seq,
            time_ms: (NOW + place.seq) * 1000,
            previous: FrameDigest([7; 32]),
            event_count: 2,
            event_root: place.event_root,
            state_root: place.state_root,
            policy_hash: place.policy_hash,
            clear_bytes: 0,
            cipher_bytes: 0,
        };
        let (clear_digest, cipher_digest) = (Bytes32([1; 32]), Bytes32([2; 32]));
        FrameLeaf { header, clear_digest, cipher_digest, mac: Bytes32([3; 32]) }
    }

    /// Of the newest leaf: one hash to its left for each set bit of its index.
    fn history_path(&self) -> Vec<[u8; 32]> {
        (0..self.place().seq.count_ones()).map(|_| [9; 32]).collect()
    }

    fn statement(&self) -> (StatementView, Signature) {
        let (place, leaf) = (self.place(), self.leaf());
        let root = |hash, left: &[u8; 32]| history::node_hash(left, &hash);
        let history_root = self.history_path().iter().fold(leaf.history_leaf(), root);
        let statement = RootStatement {
            engine_id: self.id,
            epoch: place.epoch,
            seq: place.seq,
            time_ms: (NOW + place.seq) * 1000,
            frame_digest: leaf.digest(),
            event_root: place.event_root,
            event_count: 2,
            state_root: place.state_root,
            history_root: Root(history_root),
            history_size: place.seq + 1,
            policy_hash: place.policy_hash,
        };
        (StatementView::from(&statement), self.key.sign(&statement.digest()))
    }

    fn newest(&self) -> StateRootResult {
        let (statement, signature) = self.statement();
        StateRootResult::Signed { statement: Box::new(statement), signature }
    }

    fn receipt(&self) -> ReceiptView {
        let place = self.place();
        let (statement, statement_signature) = self.statement();
        ReceiptView {
            epoch: place.epoch,
            seq: place.seq,
            index: place.index,
            event: HexBytes(event()),
            salt: Bytes32(SALT),
            path: vec![Bytes32(NEIGHBOUR)],
            statement,
            statement_signature,
            leaf: HexBytes(codec::encode(&self.leaf())),
            history_path: self.history_path().into_iter().map(Bytes32).collect(),
        }
    }

    fn commit(&self, terms: &LockTerms, signature: &Signature) -> CommitResult {
        let promise = LockCommitment {
            lock_id: terms.lock_id(&self.id),
            owner: terms.owner,
            beneficiary: terms.beneficiary,
            arbiter: terms.arbiter,
            assets: terms.assets_hash(),
            condition: terms.condition.hash(),
            issued_at: NOW,
            expires: terms.expires,
            claim_by: terms.expires + 300,
            settle_by: terms.expires + 600,
            custody: Custody::Open,
            durability: Durability::Stored,
            place: self.place(),
            user_signature_hash: Bytes32(keccak256(&[&signature.0])),
        };
        let (mode, signature) = self.promise(&promise.hash());
        let view = CommitmentView::new(&self.id, mode, terms, &promise, signature);
        CommitResult::new(view, LockStatus::Held(Status::Active), self.receipt())
    }

    fn cancel(&self, lock_id: LockId) -> OutcomeResult {
        let outcome = LockOutcome {
            lock_id,
            status: Status::Cancelled,
            claim_index: 0,
            claimant: mortise_format::Address::ZERO,
            amounts: amounts_hash(&[]),
            time: NOW,
            durability: Durability::Stored,
            place: self.place(),
        };
        let (mode, signature) = self.promise(&outcome.hash());
        OutcomeResult::new(&self.id, mode, &outcome, vec![], signature, self.receipt())
    }

    fn promise(&self, hash: &Bytes32) -> (Option<InsecureMode>, Signature) {
        let mode = self.mode.get().copied();
        (mode, self.key.sign(&Domain::of_promises(&self.id, mode).digest(hash)))
    }
}
