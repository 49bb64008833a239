//! Requests of the demonstrations: a policy with wide limits, keys, signed requests.

use bytes::Bytes;
use mortise_client::{Identity, Signer, random_request_id};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::eip712::{Claim, Request, batch_hash};
use mortise_format::fact::{BalanceFact, Withdrawal};
use mortise_format::genesis::Genesis;
use mortise_format::ids::{Address, Bytes32, LockId};
use mortise_format::limits::{BATCH_LOCKS_MAX, EXECUTION_DATA_BYTES_MAX};
use mortise_format::lock::{LegTerms, LockTerms};
use mortise_format::nonce::{hour_at, nonce_of};
use mortise_format::policy::{ChainCustody, ChainPolicy};
use mortise_rpc::params::{CommitBatch, CommitLock, SubmitChainFact};
use mortise_rpc::{Method, envelope, genesis};
use std::time::{SystemTime, UNIX_EPOCH};

/// Validity of a request, seconds.
const REQUEST_VALID_S: u64 = 12 * 3600;
/// Lifetime of a lock, seconds: longer than a run.
const LOCK_S: u64 = 12 * 3600;
/// Retention of an ended lock, seconds: longer than a run.
const RETENTION_S: u64 = 24 * 3600;

/// The development genesis with a new salt, without count limits, and with locks that outlive a
/// run.
pub(super) fn genesis() -> Genesis {
    let mut genesis = genesis::dev(Bytes32(random_request_id().0));
    let policy = &mut genesis.policy;
    policy.lock_s_max = 2 * LOCK_S;
    policy.retention_s = RETENTION_S;
    policy.concurrent_max = u32::MAX;
    policy.commands_per_minute_max = u32::MAX;
    policy.requests_max = u32::MAX;
    genesis
}

/// The chain in custody `escrow` of [`genesis_with_escrow`].
pub(super) const ESCROW_CHAIN: u64 = 59_144;

/// [`genesis`] with a chain in custody `escrow`, whose balances this observer reports.
pub(super) fn genesis_with_escrow(observer: Address) -> Genesis {
    let mut genesis = genesis();
    let policy = &mut genesis.policy;
    let custody = ChainCustody::Escrow { contract: Address([0xe1; 20]), notice_s: RETENTION_S * 7 };
    policy.chains.push(ChainPolicy { chain_id: ESCROW_CHAIN, custody, claim_window_s: 300 });
    policy.chains.sort_by_key(|chain| chain.chain_id);
    policy.observers = vec![observer];
    policy.observers_min = 1;
    // One fact lasts a run.
    policy.fact_age_s_max = RETENTION_S;
    genesis
}

/// Clock of this machine, seconds.
pub(super) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Creates signed requests for one engine. A retry sends the same bytes.
#[derive(Debug, Clone)]
pub(super) struct LoadRequests {
    engine: Identity,
    beneficiary: Signer,
    arbiter: Signer,
    next_id: u64,
    /// Chain of the locked assets.
    chain: u64,
    /// The hour of all nonces: a run is shorter than they live.
    hour: u32,
}

/// A signed commit.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    pub bytes: Bytes,
    pub lock_id: LockId,
}

impl LoadRequests {
    /// Creates keys of beneficiary and arbiter. JSON-RPC ids start after `first_id`.
    pub fn new(engine: Identity, first_id: u64) -> Self {
        let (beneficiary, arbiter) = (Signer::random(), Signer::random());
        let hour = hour_at(now_s());
        Self { engine, beneficiary, arbiter, next_id: first_id, chain: 1, hour }
    }

    /// Locks the native asset of another chain.
    pub fn on_chain(self, chain: u64) -> Self {
        Self { chain, ..self }
    }

    /// An observer's report that `owner` has a large balance on the chain.
    pub fn fact(&mut self, observer: &Signer, owner: Address) -> Bytes {
        let fact = BalanceFact {
            asset: Asset::native(self.chain),
            account: owner,
            head_number: 1,
            head_hash: Bytes32([0xb1; 32]),
            head_time: now_s(),
            balance: U256::from(u64::MAX),
            withdrawing: U256::ZERO,
            withdrawal: Withdrawal::None,
        };
        let signatures = vec![observer.balance_fact(&self.engine.engine_id, &fact)];
        self.call(Method::SubmitChainFact, &SubmitChainFact { fact, signatures })
    }

    fn call<P: serde::Serialize>(&mut self, method: Method, params: &P) -> Bytes {
        self.next_id += 1;
        envelope::request(self.next_id, method.name(), params).into()
    }

    /// Terms with the nonce of this number.
    fn terms(&self, owner: &Signer, nonce: u64, amount: u64) -> LockTerms {
        let (asset, target) = (Asset::native(self.chain), Asset::native(10));
        LockTerms {
            owner: owner.address(),
            beneficiary: self.beneficiary.address(),
            arbiter: self.arbiter.address(),
            nonce: nonce_of(self.hour, 0).saturating_add(nonce),
            expires: now_s() + LOCK_S,
            condition: Condition {
                target_chain_id: target.chain_id,
                target_asset: target,
                target_amount: U256::from(amount),
                recipient: Address([0x4e; 20]),
                execution_data: None,
            },
            legs: vec![LegTerms { asset, amount: U256::from(amount) }],
        }
    }

    /// A commit of `amount`.
    pub fn commit(&mut self, owner: &Signer, nonce: u64, amount: u64) -> Commit {
        let terms = self.terms(owner, nonce, amount);
        let lock_id = terms.lock_id(&self.engine.engine_id);
        let intent = owner.lock_intent(&self.engine.engine_id, terms, &Bytes32::ZERO, request());
        let bytes = self.call(Method::CommitLock, &CommitLock { intent });
        Commit { bytes, lock_id }
    }

    /// A batch of the largest size, whose last intent another key signed.
    pub fn refused_batch(&mut self, owner: &Signer) -> Bytes {
        let count = u64::try_from(BATCH_LOCKS_MAX).unwrap_or(u64::MAX);
        let terms: Vec<_> = (0..count).map(|nonce| self.terms(owner, nonce, 1)).collect();
        let engine_id = self.engine.engine_id;
        let lock_ids: Vec<_> = terms.iter().map(|terms| terms.lock_id(&engine_id)).collect();
        let (hash, request) = (batch_hash(&lock_ids), request());
        let sign = |(n, terms): (u64, LockTerms)| {
            let stranger = Signer::random();
            let signer = if n + 1 == count { &stranger } else { owner };
            signer.lock_intent(&engine_id, terms, &hash, request)
        };
        let intents = (0..).zip(terms).map(sign).collect();
        self.call(Method::CommitBatch, &CommitBatch { intents })
    }

    /// A batch of the largest size, whose locks carry as much data as they may. Batch `n` of an
    /// owner follows those before.
    pub fn large_batch(&mut self, owner: &Signer, n: u64) -> Bytes {
        let count = u64::try_from(BATCH_LOCKS_MAX).unwrap_or(u64::MAX);
        let large = |nonce| {
            let mut terms = self.terms(owner, n * count + nonce, 1);
            terms.condition.execution_data = Some(vec![7; EXECUTION_DATA_BYTES_MAX]);
            terms
        };
        let terms: Vec<_> = (0..count).map(large).collect();
        let engine_id = self.engine.engine_id;
        let lock_ids: Vec<_> = terms.iter().map(|terms| terms.lock_id(&engine_id)).collect();
        let hash = batch_hash(&lock_ids);
        let sign = |terms| owner.lock_intent(&engine_id, terms, &hash, request());
        let intents = terms.into_iter().map(sign).collect();
        self.call(Method::CommitBatch, &CommitBatch { intents })
    }

    /// The arbiter's claim of `amount`, with claim index `index`.
    pub fn claim(&mut self, lock_id: LockId, index: u32, amount: u64) -> Bytes {
        let claim = Claim {
            lock_id,
            claim_index: index,
            claimant: self.beneficiary.address(),
            amounts: vec![U256::from(amount)],
            evidence: Bytes32::ZERO,
            request: request(),
        };
        let params = self.arbiter.claim(&self.engine.engine_id, claim);
        self.call(Method::ClaimLock, &params)
    }

    /// The beneficiary's release of the remaining amount.
    pub fn release(&mut self, lock_id: LockId) -> Bytes {
        let params = self.beneficiary.release(&self.engine.engine_id, lock_id, request());
        self.call(Method::ReleaseLock, &params)
    }
}

fn request() -> Request {
    Request { id: random_request_id(), valid_until: now_s() + REQUEST_VALID_S }
}
