//! One function a method: ask, then render.

use super::{Json, application, attestation, history, reading, render};
use crate::api::{Answer, Ask, DraftRequest, LockFilter, Query, Reply, StatusAnswer, TermsOf};
use crate::handle::{EngineHandle, Serving, SubmitError};
use crate::phase::Phase;
use mortise_core::body::CarriedStatement;
use mortise_core::state::LeafKey;
use mortise_format::command::{CancelForm, Command, SignedCancel};
use mortise_format::errors::Code;
use mortise_format::ids::{Address, Bytes32, EngineId, LockId, PolicyHash, Root};
use mortise_format::limits::RECENT_ROOTS_MAX;
use mortise_format::lock::{Custody, LockTerms};
use mortise_format::merkle::history::TreeHead;
use mortise_format::policy::ChainCustody;
use mortise_format::reject::{Field, Reject};
use mortise_rpc::params::{
    CancelLock, CancelSignedAs, CreateLock, GetBalance, GetLockedBalance, GetProof, GetStateRoot,
    ListLocks, ProofKey, SignLock, SimulateLock, VerifyFulfillment,
};
use mortise_rpc::results::{
    ApprovedImagesView, ChainInfo, CleanupResult, EngineInfo, Health, LockStatus, NonceResult,
    PolicyResult, PredecessorView, StateRootResult, StatementView,
};
use mortise_rpc::{Call, ErrorObject, HexBytes};
use mortise_verify::succession::VerifiedSuccession;
use serde_json::Value;

pub(super) type Answered = Result<Json, ErrorObject>;

/// Answers a call.
pub(super) async fn call(handle: &EngineHandle, call: Call) -> Answered {
    match call {
        Call::Health(_) => health(handle).await,
        Call::GetBootAttestation(params) => attestation::boot(handle, params).await,
        Call::GetAttestation(params) => attestation::live(handle, params).await,
        Call::GetEnclaveId(_) => Ok(json(&serving(handle)?.identity.engine_id)),
        Call::GetEnclavePublicKey(_) => Ok(json(&serving(handle)?.identity.signer.address())),
        Call::GetEngineInfo(_) => engine_info(handle).await,
        Call::GetPolicy(_) => match read(handle, Query::Policy).await? {
            Answer::Policy(policy) => Ok(json(&PolicyResult::from(&*policy))),
            _ => Err(unexpected()),
        },
        Call::CreateLock(params) => create_lock(handle, params).await,
        Call::SignLock(params) => sign_lock(handle, params).await,
        Call::CommitLock(params) => logged(handle, params.into_command()).await,
        Call::CommitBatch(params) => logged(handle, params.into_command()).await,
        Call::ClaimLock(params) => logged(handle, params.into_command()).await,
        Call::ReleaseLock(params) => logged(handle, params.into_command()).await,
        Call::ExtendLock(params) => logged(handle, params.into_command()).await,
        Call::CancelLock(params) => cancel_lock(handle, params).await,
        Call::SubmitChainFact(params) => logged(handle, params.into_command()).await,
        Call::VerifyFulfillment(params) => verify_fulfillment(handle, params).await,
        Call::SimulateLock(params) => simulate(handle, params).await,
        Call::SuggestNonce(params) => {
            match read(handle, Query::SuggestNonce(params.owner)).await? {
                Answer::Nonce(nonce) => Ok(json(&NonceResult { nonce })),
                _ => Err(unexpected()),
            }
        }
        Call::GetLock(params) => match read(handle, Query::Lock(params.lock_id)).await? {
            Answer::Lock(lock) => Ok(json(&render::lock(&lock))),
            Answer::Draft(draft) => Ok(json(&render::draft(&draft))),
            _ => Ok(json(&())),
        },
        Call::GetActiveLocks(params) => active_locks(handle, params.owner).await,
        Call::ListLocks(params) => list_locks(handle, params).await,
        Call::GetLockedBalance(params) => locked_balance(handle, params).await,
        Call::GetBalance(params) => balance(handle, params).await,
        Call::GetStateRoot(params) => state_root(handle, params).await,
        Call::GetProof(params) => proof(handle, params).await,
        Call::CleanupExpiredLocks(_) => match read(handle, Query::Sweep).await? {
            Answer::Swept(cleaned) => {
                Ok(json(&CleanupResult { cleaned: u64::try_from(cleaned).unwrap_or(u64::MAX) }))
            }
            _ => Err(unexpected()),
        },
        Call::GetReceipt(params) => history::receipt(handle, params).await,
        Call::GetCheckpoint(_) => history::checkpoint(handle).await,
        Call::GetConsistencyProof(params) => history::consistency(handle, params).await,
        Call::GrantReading(params) => logged(handle, params.into_command()).await,
        Call::ApproveImages(params) => logged(handle, params.into_command()).await,
        Call::GetReadingKeys(params) => reading::keys(handle, params).await,
        Call::GetEvents(params) => reading::events(handle, params).await,
        Call::Subscribe(_) => Err(subscribe_elsewhere()),
        Call::KmsEncrypt(params) => application::encrypt(handle, params).await,
        Call::KmsDecrypt(params) => application::decrypt(handle, params).await,
        Call::KmsGenerateDataKey(params) => application::generate_data_key(handle, params).await,
        Call::KmsGenerateRandom(params) => application::random(handle, params).await,
    }
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Json {
    Json(serde_json::to_vec(value).expect("results have text keys only"))
}

/// A subscription is answered by the session of a stream of JSON values, and has it for itself.
pub fn subscribe_elsewhere() -> ErrorObject {
    ErrorObject::new(Code::InvalidRequest).saying(
        "subscribe stands alone on a stream of JSON values; elsewhere ask getEvents, waitMs",
    )
}

pub(super) fn unexpected() -> ErrorObject {
    ErrorObject::new(Code::InternalError)
}

pub(super) fn closed(closed: SubmitError) -> ErrorObject {
    match closed {
        SubmitError::Overloaded => ErrorObject::overloaded(RETRY_AFTER_MS),
        SubmitError::NotReady(phase) => ErrorObject::not_ready(phase),
        SubmitError::Fault => ErrorObject::new(Code::Fault),
    }
}

pub(super) fn serving(handle: &EngineHandle) -> Result<&Serving, ErrorObject> {
    handle.serving().ok_or_else(|| match handle.phase() {
        Phase::Fault { .. } => ErrorObject::new(Code::Fault),
        phase => ErrorObject::not_ready(phase.name()),
    })
}

pub(super) fn refused(reply: Reply) -> ErrorObject {
    match reply {
        Reply::Refused(reject) => ErrorObject::from(reject),
        Reply::NotDurable => ErrorObject::new(Code::NotDurable),
        // The writer has stopped, and a restart is under way: nothing was done.
        Reply::Fault => ErrorObject::not_ready("restarting"),
        _ => unexpected(),
    }
}

pub(super) async fn read(handle: &EngineHandle, query: Query) -> Result<Answer, ErrorObject> {
    match handle.query(query).await.map_err(closed)? {
        Reply::Read(answer) => Ok(answer),
        reply => Err(refused(reply)),
    }
}

pub(super) async fn rooted(
    handle: &EngineHandle,
    query: Query,
) -> Result<(Answer, CarriedStatement), ErrorObject> {
    match handle.query(query).await.map_err(closed)? {
        Reply::Rooted(answer, statement) => Ok((answer, *statement)),
        reply => Err(refused(reply)),
    }
}

async fn logged(handle: &EngineHandle, command: Command) -> Answered {
    let identity = &serving(handle)?.identity;
    let about = About::of(&command);
    let told = |error: ErrorObject| about.tell(error);
    match handle.command(command).await.map_err(closed).map_err(told)? {
        Reply::Logged(frame, index) => {
            render::logged(identity, &frame, index).ok_or_else(unexpected)
        }
        reply => Err(about.tell(refused(reply))),
    }
}

/// What a refusal of a command does not carry and its caller wants to see.
#[derive(Debug, Clone, Copy)]
struct About {
    lock_id: Option<LockId>,
    nonce: Option<u64>,
    expires: Option<u64>,
}

impl About {
    fn of(command: &Command) -> Self {
        let lock = |lock_id| Self { lock_id: Some(lock_id), nonce: None, expires: None };
        let terms = |terms: &LockTerms| Self {
            lock_id: None,
            nonce: Some(terms.nonce),
            expires: Some(terms.expires),
        };
        match command {
            Command::Commit { intents } => match intents.as_slice() {
                [one] => terms(&one.terms),
                _ => Self { lock_id: None, nonce: None, expires: None },
            },
            Command::Approve { terms: of, .. } | Command::CancelDraft { terms: of, .. } => {
                terms(of)
            }
            Command::Claim { claim, .. } => lock(claim.lock_id),
            Command::Release { lock_id, .. }
            | Command::Cancel { lock_id, .. }
            | Command::Extend { lock_id, .. } => lock(*lock_id),
            Command::RecordFact { .. }
            | Command::GrantReading { .. }
            | Command::ApproveImages { .. } => Self { lock_id: None, nonce: None, expires: None },
        }
    }

    /// Adds the fields that the catalogue lists for the error.
    fn tell(&self, error: ErrorObject) -> ErrorObject {
        let fields = error.entry().map_or(&[][..], |code| code.data());
        let wants = |name: &str| fields.contains(&name) && !error.data.contains_key(name);
        let (lock_id, nonce) = (wants("lockId"), wants("nonce"));
        let expires = wants("expires");
        let with = |error: ErrorObject, wanted: bool, name: &str, value: Option<Value>| match value
        {
            Some(value) if wanted => error.with(name, value),
            _ => error,
        };
        let error = with(error, lock_id, "lockId", self.lock_id.map(|id| id.to_string().into()));
        let error = with(error, nonce, "nonce", self.nonce.map(|n| n.to_string().into()));
        with(error, expires, "expires", self.expires.map(Value::from))
    }
}

async fn status(handle: &EngineHandle) -> Result<(StatusAnswer, CarriedStatement), ErrorObject> {
    match rooted(handle, Query::Status).await? {
        (Answer::Status(status), statement) => Ok((status, statement)),
        _ => Err(unexpected()),
    }
}

/// Answered in every phase: an operator at night asks this first.
async fn health(handle: &EngineHandle) -> Answered {
    let known = match handle.phase() {
        Phase::Ready => status(handle).await.ok(),
        _ => None,
    };
    let phase = handle.phase();
    let serving = handle.serving();
    let statement = known.as_ref().map(|(_, signed)| &signed.statement);
    let is_ready = statement.is_some() && phase == Phase::Ready;
    Ok(json(&Health {
        status: if is_ready { "healthy".into() } else { phase.name().into() },
        enclave_id: serving.map_or(EngineId::ZERO, |s| s.identity.engine_id),
        public_key: serving.map_or(Address::ZERO, |s| s.identity.signer.address()),
        state_root: statement.map_or(Root::ZERO, |s| s.state_root),
        timestamp: statement.map_or(0, |s| s.time_ms / 1000),
        epoch: statement.map_or(0, |s| s.epoch),
        seq: statement.map_or(0, |s| s.seq),
        mode: handle.mode().into(),
        version: VERSION.into(),
        phase: phase.name().into(),
        pruning_horizon: statement
            .zip(serving)
            .map_or(0, |(statement, serving)| pruning_horizon(statement.time_ms, serving)),
        fault: match &phase {
            Phase::Fault { name, .. } => Some((*name).into()),
            _ => None,
        },
        log_key: match phase {
            Phase::Witnessing(log_key) => Some(log_key),
            _ => None,
        },
    }))
}

fn pruning_horizon(time_ms: u64, serving: &Serving) -> u64 {
    (time_ms / 1000).saturating_sub(serving.identity.genesis.policy.retention_s)
}

async fn engine_info(handle: &EngineHandle) -> Answered {
    let serving = serving(handle)?;
    let identity = &serving.identity;
    let (status, signed) = status(handle).await?;
    let statement = &signed.statement;
    let custody = |custody| match custody {
        ChainCustody::Open => Custody::Open,
        ChainCustody::Escrow { .. } => Custody::Escrow,
    };
    let chains = &identity.genesis.policy.chains;
    let policy_hash: PolicyHash = statement.policy_hash;
    Ok(json(&EngineInfo {
        engine_id: identity.engine_id,
        address: identity.signer.address(),
        public_key: HexBytes(identity.signer.public_key().to_vec()),
        checkpoint_key: Bytes32(identity.checkpoint.public_key()),
        channel_key: Bytes32(serving.proof.channel.public()),
        origin: identity.origin(),
        log_secret_commitment: identity.log_secret_commitment,
        name: identity.genesis.name.clone(),
        genesis_hash: identity.genesis.hash(),
        predecessor: identity.succession.as_ref().map(predecessor),
        policy_hash,
        version: VERSION.into(),
        epoch: statement.epoch,
        seq: statement.seq,
        phase: handle.phase().name().into(),
        mode: handle.mode().into(),
        image: serving.proof.boot.image(),
        approved_images: status
            .approved_images
            .map(|a| ApprovedImagesView::new(&a.approval, a.at.seq, a.at.index)),
        durability: identity.genesis.policy.durability(),
        chains: chains
            .iter()
            .map(|c| ChainInfo { chain_id: c.chain_id, custody: custody(c.custody) })
            .collect(),
        lock_count: u64::try_from(status.lock_count).unwrap_or(u64::MAX),
        oldest_root_seq: status.oldest_root_seq,
        recent_roots_max: RECENT_ROOTS_MAX as u64,
        pruning_horizon: pruning_horizon(statement.time_ms, serving),
    }))
}

fn predecessor(succession: &VerifiedSuccession) -> PredecessorView {
    let TreeHead { size, root } = succession.head();
    PredecessorView { engine_id: succession.predecessor(), size, root }
}

async fn create_lock(handle: &EngineHandle, params: CreateLock) -> Answered {
    // This path's wallet does not show a session key: only the owner's own is taken (INV-17).
    if params.session_key.is_some_and(|key| key != params.owner) {
        return Err(Reject::Validation(Field::SessionKey).into());
    }
    let CreateLock { owner, asset, amount, expires_in, condition, request_id, .. } = params;
    let request = DraftRequest { owner, asset, amount, expires_in, condition, request_id };
    match read(handle, Query::Draft(request)).await? {
        Answer::Draft(draft) => render::created(&draft).ok_or_else(unexpected),
        _ => Err(unexpected()),
    }
}

async fn sign_lock(handle: &EngineHandle, params: SignLock) -> Answered {
    let SignLock { lock_id, signature } = params;
    match read(handle, Query::Terms(lock_id)).await? {
        Answer::Terms(terms, _) => {
            logged(handle, Command::Approve { terms: *terms, signature }).await
        }
        _ => Err(not_found(lock_id)),
    }
}

/// The refusal of a lock id that leads nowhere.
pub(super) fn not_found(lock_id: LockId) -> ErrorObject {
    ErrorObject::from(Reject::LockNotFound).with("lockId", lock_id.to_string())
}

async fn cancel_lock(handle: &EngineHandle, params: CancelLock) -> Answered {
    let form = match params.signed_as {
        CancelSignedAs::Consent(request) => CancelForm::Consent(request),
        CancelSignedAs::Text => CancelForm::Text,
        CancelSignedAs::ServerHash => CancelForm::ServerHash,
        CancelSignedAs::TextOrServerHash => CancelForm::TextOrServerHash,
    };
    let consent = SignedCancel { form, signature: params.signature };
    let other = params.beneficiary_signature.map(|signature| SignedCancel { form, signature });
    match read(handle, Query::Terms(params.lock_id)).await? {
        Answer::Terms(terms, TermsOf::Draft) => {
            logged(handle, Command::CancelDraft { terms: *terms, consent }).await
        }
        _ => {
            let consents = std::iter::once(consent).chain(other).collect();
            logged(handle, Command::Cancel { lock_id: params.lock_id, consents }).await
        }
    }
}

/// No evidence can be checked yet, so every proof is refused; first the facts that need none.
async fn verify_fulfillment(handle: &EngineHandle, params: VerifyFulfillment) -> Answered {
    match read(handle, Query::Lock(params.lock_id)).await? {
        Answer::Lock(lock) if !lock.status.is_open() => {
            Err(Reject::AlreadyTerminal(lock.status).into())
        }
        Answer::Lock(_) => Err(Reject::ProofInvalid.into()),
        _ => Err(not_found(params.lock_id)),
    }
}

async fn simulate(handle: &EngineHandle, params: SimulateLock) -> Answered {
    match read(handle, Query::Simulate(Box::new(params))).await? {
        Answer::Simulated(Some(simulated)) => Ok(json(&render::simulated(&simulated))),
        Answer::Simulated(None) => Err(Reject::Validation(Field::Expires).into()),
        _ => Err(unexpected()),
    }
}

async fn active_locks(handle: &EngineHandle, owner: Address) -> Answered {
    let limit = mortise_format::limits::LIST_MAX;
    let filter = LockFilter { owner: Some(owner), open_only: true, limit, ..LockFilter::default() };
    match read(handle, Query::Locks(filter)).await? {
        Answer::Locks(locks, _) => Ok(json(&locks.iter().map(render::lock).collect::<Vec<_>>())),
        _ => Err(unexpected()),
    }
}

async fn list_locks(handle: &EngineHandle, params: ListLocks) -> Answered {
    let status = match params.status {
        Some(LockStatus::Held(status)) => Some(status),
        // Drafts are no locks of the state: they are found by id alone.
        Some(LockStatus::Pending) => return Ok(json(&render::lock_list(&[], None))),
        None => None,
    };
    let limit = usize::try_from(params.limit).unwrap_or(usize::MAX);
    let (owner, after) = (params.owner, params.cursor);
    let filter = LockFilter { owner, status, open_only: false, after, limit };
    match read(handle, Query::Locks(filter)).await? {
        Answer::Locks(locks, next) => Ok(json(&render::lock_list(&locks, next))),
        _ => Err(unexpected()),
    }
}

async fn locked_balance(handle: &EngineHandle, params: GetLockedBalance) -> Answered {
    match rooted(handle, Query::Balance(params.owner, params.asset)).await? {
        (Answer::Balance(balance), _) => render::locked_balance(&balance).ok_or_else(unexpected),
        _ => Err(unexpected()),
    }
}

async fn balance(handle: &EngineHandle, params: GetBalance) -> Answered {
    match rooted(handle, Query::Balance(params.owner, params.asset)).await? {
        (Answer::Balance(balance), signed) => {
            Ok(json(&render::balance(params.owner, params.asset, &balance, &signed)))
        }
        _ => Err(unexpected()),
    }
}

async fn state_root(handle: &EngineHandle, params: GetStateRoot) -> Answered {
    let signed = match params.at_seq {
        None => match rooted(handle, Query::Statement).await? {
            (Answer::Statement, signed) => signed,
            _ => return Err(unexpected()),
        },
        Some(seq) => {
            let reply = handle.ask(Ask::Query(Query::StatementAt(seq))).await.map_err(closed)?;
            match reply {
                Reply::Logged(frame, _) => frame.signed().clone(),
                Reply::Rooted(_, signed) => *signed,
                Reply::Read(Answer::None) => {
                    let field = "atSeq";
                    return Err(ErrorObject::new(Code::InvalidParams)
                        .saying("atSeq is beyond the last released frame")
                        .with("field", field));
                }
                reply => return Err(refused(reply)),
            }
        }
    };
    let statement = &signed.statement;
    Ok(json(&match params.signed {
        false => StateRootResult::Root(statement.state_root),
        true => StateRootResult::Signed {
            statement: Box::new(StatementView::from(statement)),
            signature: signed.signature,
        },
    }))
}

async fn proof(handle: &EngineHandle, params: GetProof) -> Answered {
    let engine_id = serving(handle)?.identity.engine_id;
    let key = match params.key {
        ProofKey::Lock(lock_id) => LeafKey::Lock(lock_id),
        ProofKey::Account { owner, asset } => LeafKey::Account(owner, asset),
        ProofKey::Owner(owner) => LeafKey::Principal(owner),
        ProofKey::Images => LeafKey::Images,
    };
    if let Some(seq) = params.seq {
        return history::proof_at(handle, key, seq).await;
    }
    match rooted(handle, Query::Proof(key)).await? {
        (Answer::Proof(proof), signed) => Ok(json(&render::proof(&engine_id, &proof, &signed))),
        _ => Err(unexpected()),
    }
}

/// Version of the code.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What an overloaded caller is told to wait.
const RETRY_AFTER_MS: u64 = 50;
