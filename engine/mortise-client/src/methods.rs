//! One typed call per method.
//!
//! Answers that carry a receipt have its statement checked and kept. Answers to signed requests
//! are compared with what was asked; [`crate::check`] says how.

use crate::check;
use crate::client::Client;
use crate::error::ClientError;
use crate::read_as::ReadAs;
use crate::reader::Reader;
use crate::retry::OnLoss;
use crate::signer::Signer;
use mortise_format::asset::Asset;
use mortise_format::event::LogPosition;
use mortise_format::ids::{Address, Bytes32, EngineId, LockId, RequestId, Signature};
use mortise_format::lock::LockTerms;
use mortise_format::release::ReleasedEpochs;
use mortise_rpc::Method;
use mortise_rpc::params::{
    ApproveImages, CancelLock, CancelSignedAs, ClaimLock, CommitBatch, CommitLock, CreateLock,
    ExtendLock, GetActiveLocks, GetAttestation, GetBalance, GetBootAttestation,
    GetConsistencyProof, GetEvents, GetLock, GetLockHistory, GetLockedBalance, GetProof,
    GetReadingKeys, GetReceipt, GetStateRoot, GrantReading, ListLocks, NoParams, ReleaseLock,
    SignLock, SimulateLock, SubmitChainFact, SuggestNonce, VerifyFulfillment,
};
use mortise_rpc::results::{
    Attestation, BalanceResult, BatchResult, BootAttestation, CheckpointResult, CleanupResult,
    CommitResult, ConsistencyResult, CreateLockResult, EngineInfo, EventsResult, FactResult,
    Health, LockById, LockHistory, LockList, LockView, LockedBalanceResult, NonceResult,
    OutcomeResult, PolicyResult, ProofResult, ReadingKeysResult, ReceiptResult, SealedReceipt,
    SimulationResult, StateRootResult,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

type Result<T> = core::result::Result<T, ClientError>;

/// Calls that change nothing. Errors: see [`ClientError`].
#[expect(clippy::missing_errors_doc, reason = "the block says it once")]
impl Client {
    async fn query<P: Serialize, R: DeserializeOwned>(
        &self,
        method: Method,
        params: P,
    ) -> Result<R> {
        self.call(method, &params, OnLoss::SendAgain).await
    }

    /// Phase, position in the log, identity.
    pub async fn health(&self) -> Result<Health> {
        self.query(Method::Health, NoParams {}).await
    }

    /// The boot attestation. A verifier checks the document.
    pub async fn boot_attestation(&self, params: GetBootAttestation) -> Result<BootAttestation> {
        self.query(Method::GetBootAttestation, params).await
    }

    /// A fresh attestation with this caller's nonce, unchecked; see [`Client::prove`].
    pub async fn attestation(&self, nonce: Bytes32) -> Result<Attestation> {
        self.query(Method::GetAttestation, GetAttestation { nonce }).await
    }

    /// Identity, version, limits.
    pub async fn engine_info(&self) -> Result<EngineInfo> {
        self.query(Method::GetEngineInfo, NoParams {}).await
    }

    /// The engine id.
    pub async fn enclave_id(&self) -> Result<EngineId> {
        self.query(Method::GetEnclaveId, NoParams {}).await
    }

    /// The signing address.
    pub async fn enclave_public_key(&self) -> Result<Address> {
        self.query(Method::GetEnclavePublicKey, NoParams {}).await
    }

    /// The policy in force.
    pub async fn policy(&self) -> Result<PolicyResult> {
        self.query(Method::GetPolicy, NoParams {}).await
    }

    /// The state root, or the statement that names it, unchecked; see [`Client::check_root`].
    pub async fn state_root(&self, params: GetStateRoot) -> Result<StateRootResult> {
        self.query(Method::GetStateRoot, params).await
    }

    /// A lock in the state. `OnlyForParties` when the engine shows no more of it to this reader
    /// than [`Client::lock_by_id`] has.
    pub async fn lock(&self, lock_id: LockId) -> Result<Option<LockView>> {
        let found: Option<serde_json::Value> =
            self.query(Method::GetLock, GetLock { lock_id }).await?;
        let Some(found) = found else { return Ok(None) };
        if found.get("owner").is_none() {
            return Err(ClientError::OnlyForParties);
        }
        crate::client::parsed(Method::GetLock, found).map(Some)
    }

    /// What the id of a lock in the state shows to anyone who knows it: status, times and legs.
    pub async fn lock_by_id(&self, lock_id: LockId) -> Result<Option<LockById>> {
        self.query(Method::GetLock, GetLock { lock_id }).await
    }

    /// The events of a lock in the state, unchecked: [`Client::receipt`] of a position proves one.
    pub async fn lock_history(&self, lock_id: LockId) -> Result<Option<LockHistory>> {
        self.query(Method::GetLockHistory, GetLockHistory { lock_id }).await
    }

    /// The open locks of an owner.
    pub async fn active_locks(&self, owner: Address) -> Result<Vec<LockView>> {
        self.query(Method::GetActiveLocks, GetActiveLocks { owner }).await
    }

    /// A page of locks.
    pub async fn list_locks(&self, params: ListLocks) -> Result<LockList> {
        self.query(Method::ListLocks, params).await
    }

    /// A balance and its open locks.
    pub async fn locked_balance(
        &self,
        owner: Address,
        asset: Asset,
    ) -> Result<LockedBalanceResult> {
        self.query(Method::GetLockedBalance, GetLockedBalance { owner, asset }).await
    }

    /// A balance, part by part.
    pub async fn balance(&self, owner: Address, asset: Asset) -> Result<BalanceResult> {
        self.query(Method::GetBalance, GetBalance { owner, asset }).await
    }

    /// A nonce that is free now.
    pub async fn suggest_nonce(&self, owner: Address) -> Result<u64> {
        let result: NonceResult = self.query(Method::SuggestNonce, SuggestNonce { owner }).await?;
        Ok(result.nonce)
    }

    /// A nonce of this owner, who reads it as itself unless the client reads as a party.
    pub(crate) async fn suggest_nonce_as(&self, owner: &Signer) -> Result<u64> {
        let itself = ReadAs::in_channel(owner.clone());
        let (read_as, params) = (self.read_as.as_ref(), SuggestNonce { owner: owner.address() });
        let (read_as, method) = (read_as.unwrap_or(&itself), Method::SuggestNonce);
        let result: NonceResult =
            self.call_as(Some(read_as), method, &params, OnLoss::SendAgain).await?;
        Ok(result.nonce)
    }

    /// Runs every check of a commit, without effect.
    pub async fn simulate(&self, params: SimulateLock) -> Result<SimulationResult> {
        self.query(Method::SimulateLock, params).await
    }

    /// Presence or absence of an entry, with its proof, unchecked.
    pub async fn proof(&self, params: GetProof) -> Result<ProofResult> {
        self.query(Method::GetProof, params).await
    }

    /// The receipt of an event, checked against the pinned engine, with its inclusion in the newest
    /// checkpoint. [`mortise_verify::tlog_proof`] checks inclusion and `tlogProof`.
    pub async fn receipt(&self, params: GetReceipt) -> Result<ReceiptResult> {
        let result: ReceiptResult = self.query(Method::GetReceipt, params).await?;
        check::receipt(&self.identity().await?, &result.receipt)?;
        self.take_receipt(&result.receipt)?;
        Ok(result)
    }

    /// The receipt of the event at a place, for a reader with a right to its epoch, checked as
    /// [`Client::receipt`] checks it.
    pub async fn receipt_for(&self, reader: &Reader, at: LogPosition) -> Result<ReceiptResult> {
        let params = GetReceipt::ForReader { at, reader: reader.public() };
        let sealed: SealedReceipt = self.query(Method::GetReceipt, params).await?;
        let identity = self.identity().await?;
        let result = reader.open_receipt(&identity.engine_id, at, &sealed)?;
        check::receipt(&identity, &result.receipt)?;
        self.take_receipt(&result.receipt)?;
        Ok(result)
    }

    /// The newest checkpoint, unchecked; see [`mortise_verify::checkpoint`].
    pub async fn checkpoint(&self) -> Result<CheckpointResult> {
        self.query(Method::GetCheckpoint, NoParams {}).await
    }

    /// A proof that the log of one size is a prefix of the log of another, unchecked; see
    /// [`mortise_verify::history`].
    pub async fn consistency_proof(
        &self,
        params: GetConsistencyProof,
    ) -> Result<ConsistencyResult> {
        self.query(Method::GetConsistencyProof, params).await
    }

    /// One page of the keys of a reading right, sealed; see [`Client::released_keys`].
    pub async fn reading_keys(&self, params: GetReadingKeys) -> Result<ReadingKeysResult> {
        self.query(Method::GetReadingKeys, params).await
    }

    /// Every key that the rights of a reader grant, page by page and right by right.
    ///
    /// # Errors
    /// `Reader` when an answer does not open; `Refused` with READING_NOT_GRANTED.
    pub async fn released_keys(&self, reader: &Reader) -> Result<Vec<ReleasedEpochs>> {
        let engine_id = self.identity().await?.engine_id;
        let ask = |request_id: Option<RequestId>, from_epoch| {
            let params = GetReadingKeys { reader: reader.public(), request_id, from_epoch };
            self.reading_keys(params)
        };
        let grants = ask(None, None).await?.grants;
        let mut all = Vec::new();
        for grant in grants {
            let mut from = None;
            loop {
                let page = ask(Some(grant.request_id), from).await?;
                all.push(reader.open_epochs(&engine_id, &page)?);
                // A page that does not advance can only come from the relay: stop.
                match page.next_epoch {
                    Some(next) if from.is_none_or(|from| next > from) => from = Some(next),
                    _ => break,
                }
            }
        }
        Ok(all)
    }

    /// Released frames, unchecked: an auditor checks them. With a wait it follows the log.
    pub async fn events(&self, params: GetEvents) -> Result<EventsResult> {
        self.query(Method::GetEvents, params).await
    }

    /// A draft and the typed data to sign. A draft holds nothing, so a repetition does no harm.
    pub async fn create_lock(&self, params: CreateLock) -> Result<CreateLockResult> {
        self.query(Method::CreateLock, params).await
    }
}

/// Calls that change the state. Each is safe to repeat with the same parameters. Errors: see
/// [`ClientError`].
#[expect(clippy::missing_errors_doc, reason = "the block says it once")]
impl Client {
    async fn change<P: Serialize, R: DeserializeOwned>(
        &self,
        method: Method,
        params: &P,
    ) -> Result<R> {
        self.call(method, params, OnLoss::SendAgain).await
    }

    /// The owner approves a draft, whose terms the caller knows from [`Client::create_lock`]. They
    /// are sent along, so it does not matter whether the engine still has the draft.
    pub async fn sign_lock(&self, params: SignLock, terms: &LockTerms) -> Result<CommitResult> {
        let params = SignLock { terms: Some(terms.clone()), ..params };
        let result: CommitResult = self.change(Method::SignLock, &params).await?;
        self.check_commit(&result, terms, &params.signature).await?;
        Ok(result)
    }

    /// A lock in one step.
    pub async fn commit_lock(&self, params: CommitLock) -> Result<CommitResult> {
        let result: CommitResult = self.change(Method::CommitLock, &params).await?;
        self.check_commit(&result, &params.intent.terms, &params.intent.signature).await?;
        Ok(result)
    }

    async fn check_commit(
        &self,
        result: &CommitResult,
        terms: &LockTerms,
        signature: &Signature,
    ) -> Result<()> {
        let identity = self.identity().await?;
        let receipt = check::receipt(&identity, &result.receipt)?;
        check::commitment(&identity, self.allowed, &result.commitment, terms, signature, &receipt)?;
        self.take_receipt(&result.receipt)
    }

    /// Locks, all or none. A batch of one is signed without a batch hash, as a single lock is.
    pub async fn commit_batch(&self, params: CommitBatch) -> Result<BatchResult> {
        if let [intent] = params.intents.as_slice() {
            let one = self.commit_lock(CommitLock { intent: intent.clone() }).await?;
            return Ok(BatchResult::new(vec![one.commitment], one.status, one.receipt));
        }
        let result: BatchResult = self.change(Method::CommitBatch, &params).await?;
        let identity = self.identity().await?;
        // No commitment for no intent is nothing checked.
        if params.intents.is_empty() || result.commitments.len() != params.intents.len() {
            return Err(check::CheckError::CommitmentCount.into());
        }
        let receipt = check::receipt(&identity, &result.receipt)?;
        for (commitment, intent) in result.commitments.iter().zip(&params.intents) {
            let (terms, signature) = (&intent.terms, &intent.signature);
            check::commitment(&identity, self.allowed, commitment, terms, signature, &receipt)?;
        }
        self.take_receipt(&result.receipt)?;
        Ok(result)
    }

    /// The owner extends. The lock id does not change.
    pub async fn extend_lock(&self, params: ExtendLock) -> Result<CommitResult> {
        let result: CommitResult = self.change(Method::ExtendLock, &params).await?;
        let identity = self.identity().await?;
        let receipt = check::receipt(&identity, &result.receipt)?;
        check::extension(&identity, self.allowed, &result.commitment, &params, &receipt)?;
        self.take_receipt(&result.receipt)?;
        Ok(result)
    }

    /// The arbiter claims.
    pub async fn claim_lock(&self, params: ClaimLock) -> Result<OutcomeResult> {
        let result: OutcomeResult = self.change(Method::ClaimLock, &params).await?;
        let identity = self.identity().await?;
        let receipt = check::receipt(&identity, &result.receipt)?;
        check::claim(&identity, self.allowed, &result, &params.claim, &receipt)?;
        self.take_receipt(&result.receipt)?;
        Ok(result)
    }

    /// The beneficiary releases.
    pub async fn release_lock(&self, params: ReleaseLock) -> Result<OutcomeResult> {
        let result: OutcomeResult = self.change(Method::ReleaseLock, &params).await?;
        let identity = self.identity().await?;
        let receipt = check::receipt(&identity, &result.receipt)?;
        check::outcome(&identity, self.allowed, &result, &params.lock_id, &receipt)?;
        self.take_receipt(&result.receipt)?;
        Ok(result)
    }

    /// Owner and beneficiary cancel. A cancel without a request id is not retried when the
    /// connection is lost.
    pub async fn cancel_lock(&self, params: CancelLock) -> Result<OutcomeResult> {
        let on_loss = match params.signed_as {
            CancelSignedAs::Consent(_) => OnLoss::SendAgain,
            _ => OnLoss::GiveUp,
        };
        let result: OutcomeResult = self.call(Method::CancelLock, &params, on_loss).await?;
        let identity = self.identity().await?;
        let receipt = check::receipt(&identity, &result.receipt)?;
        check::outcome(&identity, self.allowed, &result, &params.lock_id, &receipt)?;
        self.take_receipt(&result.receipt)?;
        Ok(result)
    }

    /// Observers report a balance.
    pub async fn submit_chain_fact(&self, params: SubmitChainFact) -> Result<FactResult> {
        let result: FactResult = self.change(Method::SubmitChainFact, &params).await?;
        check::receipt(&self.identity().await?, &result.receipt)?;
        self.take_receipt(&result.receipt)?;
        Ok(result)
    }

    /// Operators grant a right to read the log.
    pub async fn grant_reading(&self, params: GrantReading) -> Result<FactResult> {
        let result: FactResult = self.change(Method::GrantReading, &params).await?;
        check::receipt(&self.identity().await?, &result.receipt)?;
        self.take_receipt(&result.receipt)?;
        Ok(result)
    }

    /// Operators name the images that may boot on the log.
    pub async fn approve_images(&self, params: ApproveImages) -> Result<FactResult> {
        let result: FactResult = self.change(Method::ApproveImages, &params).await?;
        check::receipt(&self.identity().await?, &result.receipt)?;
        self.take_receipt(&result.receipt)?;
        Ok(result)
    }

    /// A claim by evidence. The engine supports no kind of evidence yet and answers PROOF_INVALID.
    pub async fn verify_fulfillment(&self, params: VerifyFulfillment) -> Result<serde_json::Value> {
        self.change(Method::VerifyFulfillment, &params).await
    }

    /// Expires what is due.
    pub async fn cleanup_expired_locks(&self) -> Result<CleanupResult> {
        self.change(Method::CleanupExpiredLocks, &NoParams {}).await
    }
}
