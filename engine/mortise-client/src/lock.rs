//! A lock in one call: nonce, signature, commit, checks.

use crate::client::Client;
use crate::error::ClientError;
use crate::signer::{Signer, random_request_id};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::eip712::Request;
use mortise_format::errors::Code;
use mortise_format::ids::{Address, Bytes32};
use mortise_format::lock::{LegTerms, LockTerms};
use mortise_rpc::params::CommitLock;
use mortise_rpc::results::CommitResult;
use std::time::{SystemTime, UNIX_EPOCH};

/// Validity of a request that is made here, and so the time in which it can be retried.
const REQUEST_VALID_S: u64 = 600;
/// Most nonces to try when other requests use the suggested one first.
const NONCES_MAX: u32 = 4;

/// What an owner wants to lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLock {
    /// The beneficiary; zero for any taker.
    pub beneficiary: Address,
    /// The arbiter, whose signature claims; zero for none.
    pub arbiter: Address,
    /// The assets to hold.
    pub legs: Vec<LegTerms>,
    /// Seconds from now, in engine time.
    pub expires_in: u64,
    /// What the solver must deliver.
    pub condition: Condition,
}

impl NewLock {
    /// A lock of one asset, for any taker.
    pub fn of_one(asset: Asset, amount: U256, expires_in: u64, condition: Condition) -> Self {
        let legs = vec![LegTerms { asset, amount }];
        Self { beneficiary: Address::ZERO, arbiter: Address::ZERO, legs, expires_in, condition }
    }

    fn terms(&self, owner: Address, nonce: u64, now: u64) -> LockTerms {
        LockTerms {
            owner,
            beneficiary: self.beneficiary,
            arbiter: self.arbiter,
            nonce,
            expires: now.saturating_add(self.expires_in),
            condition: self.condition.clone(),
            legs: self.legs.clone(),
        }
    }
}

impl Client {
    /// Commits a lock: asks for a nonce, signs `LockIntent`, sends it, checks the commitment. Signs
    /// with a new nonce when another lock used the nonce first. Sends the same bytes again when the
    /// connection is lost.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn commit(
        &self,
        owner: &Signer,
        lock: &NewLock,
    ) -> Result<CommitResult, ClientError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let nonce = self.suggest_nonce_as(owner).await?;
            match self.commit_with_nonce(owner, lock, nonce).await {
                Err(e) if e.code() == Some(Code::NonceUsed) && tried < NONCES_MAX => {}
                outcome => return outcome,
            }
        }
    }

    /// Commits a lock with this nonce: the replacement of one that was refused with `final: false`.
    /// The nonce of both must be the same. Then at most one of them is ever granted.
    ///
    /// # Errors
    /// See [`ClientError`]; `NonceUsed` when the first one was granted, or the nonce was burned.
    pub async fn commit_with_nonce(
        &self,
        owner: &Signer,
        lock: &NewLock,
        nonce: u64,
    ) -> Result<CommitResult, ClientError> {
        let identity = self.identity().await?;
        let now = self.now().await?;
        let terms = lock.terms(owner.address(), nonce, now);
        let request = fresh_request(now);
        let intent = owner.lock_intent(&identity.engine_id, terms, &Bytes32::ZERO, request);
        self.commit_lock(CommitLock { intent }).await
    }

    /// A request with a random id, valid for ten minutes of engine time.
    ///
    /// # Errors
    /// As any call.
    pub async fn new_request(&self) -> Result<Request, ClientError> {
        self.now().await.map(fresh_request)
    }

    /// Whole seconds: the engine time of the newest statement, or this machine's clock when it is
    /// ahead, for example after the engine was idle. A wrong clock can only cause a reject that
    /// names the allowed window.
    ///
    /// # Errors
    /// As any call.
    pub async fn now(&self) -> Result<u64, ClientError> {
        let stated = self.health().await?.timestamp;
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(stated.max(clock))
    }
}

fn fresh_request(now: u64) -> Request {
    Request { id: random_request_id(), valid_until: now.saturating_add(REQUEST_VALID_S) }
}
