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

/// How long a request made here stays good for retries.
const REQUEST_VALID_S: u64 = 600;
/// Most nonces that are tried when others take the suggested one first.
const NONCES_MAX: u32 = 4;

/// What an owner wants to lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLock {
    /// For whom; zero for anybody.
    pub beneficiary: Address,
    /// Whose signature claims; zero for nobody's.
    pub arbiter: Address,
    /// What is to be held.
    pub legs: Vec<LegTerms>,
    /// Seconds from now, in engine time.
    pub expires_in: u64,
    /// What has to be done.
    pub condition: Condition,
}

impl NewLock {
    /// A lock of one asset, for anybody.
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
    /// Commits a lock: asks for a nonce, signs `LockIntent`, sends, checks the commitment. When
    /// another lock takes the nonce first, a new one is signed; a lost connection is answered by
    /// sending the same bytes again.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn commit(
        &self,
        owner: &Signer,
        lock: &NewLock,
    ) -> Result<CommitResult, ClientError> {
        let identity = self.identity().await?;
        let mut tried = 0;
        loop {
            tried += 1;
            let now = self.now().await?;
            let nonce = self.suggest_nonce(owner.address()).await?;
            let terms = lock.terms(owner.address(), nonce, now);
            let request = fresh_request(now);
            let intent = owner.lock_intent(&identity.engine_id, terms, &Bytes32::ZERO, request);
            match self.commit_lock(CommitLock { intent }).await {
                Err(e) if e.code() == Some(Code::NonceUsed) && tried < NONCES_MAX => {}
                outcome => return outcome,
            }
        }
    }

    /// A request with a random id, good for ten minutes of engine time.
    ///
    /// # Errors
    /// As any call.
    pub async fn new_request(&self) -> Result<Request, ClientError> {
        self.now().await.map(fresh_request)
    }

    /// Whole seconds: engine time as last stated, or this machine's clock when it is ahead, as it
    /// is of an engine that was idle. A wrong clock costs a refusal with the window, never more.
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
