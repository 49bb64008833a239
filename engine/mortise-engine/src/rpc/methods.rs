//! One function per method: query the engine, then render the answer.

use super::reply::{
    Answered, Json, at_position, closed, cost, json, not_found, read, read_log, refused, rejection,
    rendered, rooted, serving, unanswered, unexpected, unread,
};
use super::who_reads::{self, Viewer};
use super::{application, attestation, freshness, history, info, lock_history, reading, render};
use crate::api::{LockFilter, Reply, Swept};
use crate::handle::EngineHandle;
use crate::query::{
    CreateDraft, DraftLooksAt, DraftRefused, FindBalance, FindHolds, FindLock, FindTerms,
    FoundTerms, ListOpen, ListPage, LockOrDraft, LockPage, NewestStatement, PolicyInForce,
    ProveEntry, Rooted, Simulate, SuggestNonce, TermsOf,
};
use mortise_core::body::CarriedStatement;
use mortise_core::state::LeafKey;
use mortise_format::command::{CancelForm, Command, SignedCancel};
use mortise_format::errors::Code;
use mortise_format::ids::{Address, LockId};
use mortise_format::lock::LockTerms;
use mortise_format::reject::{Field, Reject};
use mortise_rpc::params::{
    ApproveImages, CancelLock, CancelSignedAs, CreateLock, GetBalance, GetLockedBalance, GetProof,
    GetStateRoot, ListLocks, ProofKey, SignLock, SimulateLock, VerifyFulfillment,
};
use mortise_rpc::results::{
    CleanupResult, LockById, LockStatus, NonceResult, PolicyResult, StateRootResult, StatementView,
};
use mortise_rpc::{Asked, Call, ErrorObject, Tense};
use serde_json::Value;

/// Answers a call, to those who may read the answer. It is reserved before the work; a read of the
/// log reserves when it has its turn. What speaks of now leaves only under a lease; `health` says
/// itself whether there is one.
pub(super) async fn call(handle: &EngineHandle, asked: Asked) -> Answered {
    if asked.call.tense() != Tense::Past {
        handle.reserve().map_err(closed)?;
    }
    let viewer = who_reads::viewer(handle, &asked).await?;
    let call = asked.call;
    let is_leased = call.tense() == Tense::Now && !matches!(call, Call::Health(_));
    let answer = dispatched(handle, call, viewer).await.map_err(|error| viewer.shown(error))?;
    match is_leased {
        true => freshness::under_lease(handle, answer).await,
        false => Ok(answer),
    }
}

async fn dispatched(handle: &EngineHandle, call: Call, viewer: Viewer) -> Answered {
    match call {
        Call::Health(_) => info::health(handle).await,
        Call::GetBootAttestation(params) => attestation::boot(handle, params).await,
        Call::GetAttestation(params) => attestation::live(handle, params).await,
        Call::GetEnclaveId(_) => Ok(json(&serving(handle)?.identity.engine_id)),
        Call::GetEnclavePublicKey(_) => Ok(json(&serving(handle)?.identity.signer.address())),
        Call::GetEngineInfo(_) => info::engine(handle, viewer).await,
        Call::GetPolicy(_) => {
            let Rooted { answer: policy, signed } = rooted(handle, PolicyInForce).await?;
            Ok(json(&PolicyResult::from(&policy)).read_at(signed))
        }
        Call::CreateLock(params) => create_lock(handle, params, viewer).await,
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
            let Rooted { answer: nonce, signed } =
                rooted(handle, SuggestNonce(params.owner)).await?;
            Ok(json(&NonceResult { nonce }).read_at(signed))
        }
        Call::GetLock(params) => lock(handle, params.lock_id, viewer).await,
        Call::GetLockHistory(params) => {
            viewer.check_lock(handle, params.lock_id).await?;
            lock_history::history(handle, params.lock_id).await
        }
        Call::GetActiveLocks(params) => active_locks(handle, params.owner).await,
        Call::ListLocks(params) => list_locks(handle, params).await,
        Call::GetLockedBalance(params) => locked_balance(handle, params).await,
        Call::GetBalance(params) => balance(handle, params).await,
        Call::GetStateRoot(params) => state_root(handle, params).await,
        Call::GetProof(params) => proof(handle, params).await,
        Call::CleanupExpiredLocks(_) => {
            let swept = handle.sweep().await.map_err(closed)?.map_err(unanswered)?;
            let Swept(cleaned) = swept.answer;
            Ok(json(&CleanupResult { cleaned: u64::try_from(cleaned).unwrap_or(u64::MAX) }))
        }
        Call::GetReceipt(params) => history::receipt(handle, params, viewer).await,
        Call::GetCheckpoint(_) => history::checkpoint(handle).await,
        Call::GetConsistencyProof(params) => history::consistency(handle, params).await,
        Call::GrantReading(params) => logged(handle, params.into_command()).await,
        Call::ApproveImages(params) => approve_images(handle, params).await,
        Call::GetReadingKeys(params) => reading::keys(handle, params).await,
        Call::GetEvents(params) => reading::events(handle, params).await,
        Call::Subscribe(_) => Err(subscribe_elsewhere()),
        Call::KmsEncrypt(params) => application::encrypt(handle, params).await,
        Call::KmsDecrypt(params) => application::decrypt(handle, params).await,
        Call::KmsGenerateDataKey(params) => application::generate_data_key(handle, params).await,
        Call::KmsGenerateRandom(params) => application::random(handle, params).await,
    }
}

/// A subscription is answered by the session of a stream of JSON values, and has it for itself.
pub fn subscribe_elsewhere() -> ErrorObject {
    ErrorObject::new(Code::InvalidRequest).with_message(
        "subscribe stands alone on a stream of JSON values; elsewhere ask getEvents, waitMs",
    )
}

async fn logged(handle: &EngineHandle, command: Command) -> Answered {
    let identity = &serving(handle)?.identity;
    let about = About::of(&command);
    let told = |error: ErrorObject| about.tell(error);
    match handle.command(command).await.map_err(closed).map_err(told)? {
        Ok(Reply::Logged(frame, index)) => {
            render::logged(identity, &frame, index).ok_or_else(unexpected)
        }
        Ok(Reply::Recall(at)) => {
            read_log(handle, cost::RECEIPT, move |reader| async move {
                // The request was answered before and is not decided again, whatever the read says.
                let shown = |error: ErrorObject| at_position(about.tell(error), at);
                match reader.recall(at).await.map_err(|error| shown(unread(&error)))? {
                    Ok((frame, index)) => {
                        render::logged(reader.identity(), &frame, index).ok_or_else(unexpected)
                    }
                    Err(rejected) => Err(about.tell(rejection(&rejected))),
                }
            })
            .await
        }
        Err(why) => Err(about.tell(refused(why))),
    }
}

/// Refuses an approval of rules that this code does not know: no running image could take them, and
/// the engine would not start again. What the running code knows is no part of the log, so this
/// cannot be a rule that an auditor replays.
async fn approve_images(handle: &EngineHandle, params: ApproveImages) -> Answered {
    match params.approval.rules.check() {
        Ok(_) => logged(handle, params.into_command()).await,
        Err(_) => Err(Reject::Validation(Field::Rules).into()),
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
        // A replacement of what can still be granted must have the same nonce.
        let is_open = error.data.get("final") == Some(&Value::Bool(false));
        let (lock_id, nonce) = (wants("lockId"), wants("nonce") || is_open);
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

/// A lock or draft. Who only knows the id of it sees what the id is good for.
async fn lock(handle: &EngineHandle, lock_id: LockId, viewer: Viewer) -> Answered {
    let Rooted { answer, signed } = rooted(handle, FindLock(lock_id)).await?;
    let (terms, found) = match &answer {
        Some(LockOrDraft::Lock(lock)) => (lock.terms.as_ref(), render::lock(lock)),
        Some(LockOrDraft::Draft(draft)) => (&draft.terms, render::draft(draft)),
        None => return Ok(json(&()).read_at(signed)),
    };
    let answer = match viewer.sees(&who_reads::parties_of(terms)) {
        true => json(&found),
        false => json(&LockById::from(found)),
    };
    Ok(answer.read_at(signed))
}

async fn create_lock(handle: &EngineHandle, params: CreateLock, viewer: Viewer) -> Answered {
    // This path's wallet does not show a session key: only the owner's own is taken (INV-17).
    if params.session_key.is_some_and(|key| key != params.owner) {
        return Err(Reject::Validation(Field::SessionKey).into());
    }
    let CreateLock { owner, asset, amount, expires_in, condition, request_id, .. } = params;
    let looks_at = match viewer.sees(&[owner]) {
        true => DraftLooksAt::Account,
        false => DraftLooksAt::Terms,
    };
    let create = CreateDraft { owner, asset, amount, expires_in, condition, request_id, looks_at };
    match read(handle, create).await? {
        // The typed data of a draft costs more than the draft.
        Ok(draft) => {
            let text = move || render::created(&draft).ok_or_else(unexpected);
            rendered(handle, cost::DRAFT, text).await
        }
        Err(DraftRefused::PoolFull) => Err(ErrorObject::overloaded(DRAFTS_RETRY_AFTER_MS)),
        Err(DraftRefused::Rejected(rejected)) => Err(rejection(&rejected)),
    }
}

/// Time after which drafts that are young now may be old.
const DRAFTS_RETRY_AFTER_MS: u64 = 10_000;

async fn sign_lock(handle: &EngineHandle, params: SignLock) -> Answered {
    let SignLock { lock_id, signature, terms } = params;
    if let Some(terms) = terms {
        // No draft is looked up, so none has to be there.
        if terms.lock_id(&serving(handle)?.identity.engine_id) != lock_id {
            return Err(other_terms());
        }
        return logged(handle, Command::Approve { terms, signature }).await;
    }
    match read(handle, FindTerms(lock_id)).await? {
        Some(found) => logged(handle, Command::Approve { terms: found.terms, signature }).await,
        None => Err(not_found(lock_id)),
    }
}

fn other_terms() -> ErrorObject {
    ErrorObject::new(Code::InvalidParams)
        .with_message("terms: lockId is not the lock id of these terms at this engine")
        .with("field", "terms")
}

async fn cancel_lock(handle: &EngineHandle, params: CancelLock) -> Answered {
    let engine_id = serving(handle)?.identity.engine_id;
    if params.terms.as_ref().is_some_and(|terms| terms.lock_id(&engine_id) != params.lock_id) {
        return Err(Reject::Validation(Field::LockId).into());
    }
    let form = match params.signed_as {
        CancelSignedAs::Consent(request) => CancelForm::Consent(request),
        CancelSignedAs::Text => CancelForm::Text,
        CancelSignedAs::ServerHash => CancelForm::ServerHash,
        CancelSignedAs::TextOrServerHash => CancelForm::TextOrServerHash,
    };
    let consent = SignedCancel { form, signature: params.signature };
    let other = params.beneficiary_signature.map(|signature| SignedCancel { form, signature });
    match (read(handle, FindTerms(params.lock_id)).await?, params.terms) {
        (Some(FoundTerms { terms, of: TermsOf::Draft }), _) | (None, Some(terms)) => {
            logged(handle, Command::CancelDraft { terms, consent }).await
        }
        (Some(FoundTerms { of: TermsOf::Lock, .. }), _) | (None, None) => {
            let consents = std::iter::once(consent).chain(other).collect();
            logged(handle, Command::Cancel { lock_id: params.lock_id, consents }).await
        }
    }
}

/// No evidence can be checked yet, so every proof is refused; first the facts that need none.
async fn verify_fulfillment(handle: &EngineHandle, params: VerifyFulfillment) -> Answered {
    match read(handle, FindLock(params.lock_id)).await? {
        Some(LockOrDraft::Lock(lock)) if !lock.status.is_open() => {
            Err(Reject::AlreadyTerminal(lock.status).into())
        }
        Some(LockOrDraft::Lock(_)) => Err(Reject::ProofInvalid.into()),
        Some(LockOrDraft::Draft(_)) | None => Err(not_found(params.lock_id)),
    }
}

async fn simulate(handle: &EngineHandle, params: SimulateLock) -> Answered {
    let Rooted { answer, signed } = rooted(handle, Simulate(params)).await?;
    let simulated = answer.ok_or(Reject::Validation(Field::Expires))?;
    Ok(json(&render::simulated(&simulated)).read_at(signed))
}

async fn active_locks(handle: &EngineHandle, owner: Address) -> Answered {
    let Rooted { answer: LockPage { locks, .. }, signed } = rooted(handle, ListOpen(owner)).await?;
    let text = move || Ok(json(&locks.iter().map(render::lock).collect::<Vec<_>>()));
    Ok(rendered(handle, cost::OWNER_LOCKS, text).await?.read_at(signed))
}

async fn list_locks(handle: &EngineHandle, params: ListLocks) -> Answered {
    let ListLocks { owner, beneficiary, arbiter, status, open, cursor, limit } = params;
    let status = match status {
        Some(LockStatus::Held(status)) => Some(status),
        // Drafts are no locks of the state: they are found by id alone.
        Some(LockStatus::Pending) => {
            let signed = rooted(handle, NewestStatement).await?.signed;
            return Ok(json(&render::lock_list(&[], None)).read_at(signed));
        }
        None => None,
    };
    let (open_only, limit) = (open == Some(true), usize::try_from(limit).unwrap_or(usize::MAX));
    let filter =
        LockFilter { owner, beneficiary, arbiter, status, open_only, after: cursor, limit };
    let Rooted { answer: LockPage { locks, next }, signed } =
        rooted(handle, ListPage(filter)).await?;
    let text = move || Ok(json(&render::lock_list(&locks, next)));
    Ok(rendered(handle, cost::PAGE, text).await?.read_at(signed))
}

async fn locked_balance(handle: &EngineHandle, params: GetLockedBalance) -> Answered {
    let GetLockedBalance { owner, asset } = params;
    let Rooted { answer: holds, signed } = rooted(handle, FindHolds { owner, asset }).await?;
    let text = move || render::locked_balance(&holds).ok_or_else(unexpected);
    Ok(rendered(handle, cost::OWNER_LOCKS, text).await?.read_at(signed))
}

async fn balance(handle: &EngineHandle, params: GetBalance) -> Answered {
    let GetBalance { owner, asset } = params;
    let Rooted { answer, signed } = rooted(handle, FindBalance { owner, asset }).await?;
    let balance = render::balance(owner, asset, &answer, &signed);
    Ok(json(&balance).read_at(signed))
}

async fn state_root(handle: &EngineHandle, params: GetStateRoot) -> Answered {
    let Some(seq) = params.at_seq else {
        let signed = rooted(handle, NewestStatement).await?.signed;
        return Ok(rendered_root(&signed, params.signed).read_at(signed));
    };
    read_log(handle, cost::PROOF, move |reader| async move {
        let signed = reader.statement_at(seq).await.map_err(|error| unread(&error))?;
        let beyond = || {
            ErrorObject::new(Code::InvalidParams)
                .with_message("atSeq is beyond the last released frame")
                .with("field", "atSeq")
        };
        Ok(rendered_root(&signed.ok_or_else(beyond)?, params.signed))
    })
    .await
}

fn rendered_root(signed: &CarriedStatement, with_signature: bool) -> Json {
    let statement = &signed.statement;
    json(&match with_signature {
        false => StateRootResult::Root(statement.state_root),
        true => StateRootResult::Signed {
            statement: Box::new(StatementView::from(statement)),
            signature: signed.signature,
        },
    })
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
    let Rooted { answer: proof, signed } = rooted(handle, ProveEntry(key)).await?;
    Ok(json(&render::proof(&engine_id, &proof, &signed)).read_at(signed))
}
