//! The signers of tests that drive the sockets: fresh keys, real time.

use super::wire::JsonLine;
use mortise_client::{Signer, random_request_id};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::eip712::{Claim, Request, batch_hash};
use mortise_format::ids::{Address, Bytes32, EngineId, LockId};
use mortise_format::lock::{LegTerms, LockTerms};
use mortise_format::nonce::{hour_at, nonce_of};
use mortise_rpc::params::{ClaimLock, CommitBatch, CommitLock, ReleaseLock};
use mortise_rpc::{Method, envelope};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Validity of locks and requests of these parties, seconds.
const VALID_S: u64 = 1200;

/// Owner, beneficiary and arbiter of one engine's locks.
#[derive(Debug, Clone)]
pub struct Parties {
    /// The engine.
    pub engine_id: EngineId,
    /// The owner.
    pub owner: Signer,
    /// The beneficiary.
    pub beneficiary: Signer,
    /// The arbiter.
    pub arbiter: Signer,
    /// The hour of every nonce: that in which the parties were made.
    pub hour: u32,
}

impl Parties {
    /// Fresh keys for the engine that listens at this socket.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn of(socket: &Path) -> Self {
        let mut line = JsonLine::try_connect(socket).expect("the engine listens");
        let answer = line.call("getEnclaveId", Value::Null);
        let engine_id = serde_json::from_value(answer["result"].clone());
        let engine_id = engine_id.expect("the answer is an engine id");
        let (owner, beneficiary, arbiter) = (Signer::random(), Signer::random(), Signer::random());
        let hour = hour_at(now_s());
        Self { engine_id, owner, beneficiary, arbiter, hour }
    }

    /// The same with another owner.
    #[must_use]
    pub fn other_owner(&self) -> Self {
        Self { owner: Signer::random(), ..self.clone() }
    }

    /// Terms of a lock of the native coin of chain 1, filled on chain 10, with the nonce of this
    /// number.
    pub fn terms(&self, n: u64, amount: u64) -> LockTerms {
        LockTerms {
            owner: self.owner.address(),
            beneficiary: self.beneficiary.address(),
            arbiter: self.arbiter.address(),
            nonce: nonce_of(self.hour, 0) + n,
            expires: now_s() + VALID_S,
            condition: Condition {
                target_chain_id: 10,
                target_asset: Asset::native(10),
                target_amount: U256::from(amount),
                recipient: Address([0x4e; 20]),
                execution_data: None,
            },
            legs: vec![LegTerms { asset: Asset::native(1), amount: U256::from(amount) }],
        }
    }

    /// The id of a lock.
    pub fn lock_id(&self, terms: &LockTerms) -> LockId {
        terms.lock_id(&self.engine_id)
    }

    /// A commit of terms, signed by the owner.
    pub fn commit_terms(&self, terms: LockTerms, request: Request) -> CommitLock {
        let intent = self.owner.lock_intent(&self.engine_id, terms, &Bytes32::ZERO, request);
        CommitLock { intent }
    }

    /// A commit.
    pub fn commit(&self, n: u64, amount: u64) -> CommitLock {
        self.commit_terms(self.terms(n, amount), request())
    }

    /// A batch of locks with so many bytes of execution data each.
    pub fn batch(&self, locks: u64, data_bytes: usize) -> CommitBatch {
        let large = |n: u64| {
            let mut terms = self.terms(n, 1);
            terms.condition.execution_data = Some(vec![7; data_bytes]);
            terms
        };
        let terms: Vec<_> = (0..locks).map(large).collect();
        let lock_ids: Vec<_> = terms.iter().map(|terms| self.lock_id(terms)).collect();
        let hash = batch_hash(&lock_ids);
        let sign = |terms| self.owner.lock_intent(&self.engine_id, terms, &hash, request());
        CommitBatch { intents: terms.into_iter().map(sign).collect() }
    }

    /// The arbiter's claim for the beneficiary.
    pub fn claim(&self, lock_id: LockId, claim_index: u32, amount: u64) -> ClaimLock {
        let (claimant, evidence) = (self.beneficiary.address(), Bytes32::ZERO);
        let amounts = vec![U256::from(amount)];
        let request = request();
        let claim = Claim { lock_id, claim_index, claimant, amounts, evidence, request };
        self.arbiter.claim(&self.engine_id, claim)
    }

    /// The beneficiary's release.
    pub fn release(&self, lock_id: LockId) -> ReleaseLock {
        self.beneficiary.release(&self.engine_id, lock_id, request())
    }
}

/// A request with a fresh id.
pub fn request() -> Request {
    Request { id: random_request_id(), valid_until: now_s() + VALID_S }
}

/// This machine's clock, seconds.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The text of a call.
pub fn call(id: u64, method: Method, params: &impl Serialize) -> Vec<u8> {
    envelope::request(id, method.name(), params)
}

/// The text of a call without parameters.
pub fn plain_call(id: u64, method: &str) -> Vec<u8> {
    envelope::request(id, method, &serde_json::json!({}))
}
