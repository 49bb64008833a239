//! Renders typed answers as results of the wire.

use super::reply::{Json, json};
use crate::api::ReleasedFrame;
use crate::drafts::Draft;
use crate::keyring::Identity;
use crate::query::{BalanceAnswer, HoldsAnswer, ProofAnswer, Simulated};
use mortise_core::body::CarriedStatement;
use mortise_core::promise::Promise;
use mortise_core::state::locks::{Leg, Lock};
use mortise_core::tree::ProofEnd;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::codec;
use mortise_format::cursor::ListCursor;
use mortise_format::event::Event;
use mortise_format::ids::{Address, Bytes32, EngineId, Signature};
use mortise_format::lock::{LegTerms, LockTerms, Status};
use mortise_rpc::ErrorObject;
use mortise_rpc::HexBytes;
use mortise_rpc::results::{
    BalanceResult, BatchResult, CommitResult, CommitmentView, CreateLockResult, FactResult,
    LegView, LockList, LockStatus, LockView, LockedBalanceResult, OtherLeaf, OutcomeResult,
    ProofResult, ReceiptView, SimulationResult, StatementView,
};
use mortise_rpc::typed_data::TypedData;

pub(super) fn lock(lock: &Lock) -> LockView {
    let issued_at = lock.issued_at_ms / 1000;
    let terms = LockTerms { expires: lock.expires, ..lock.terms.as_ref().clone() };
    let leg = |(leg, terms): (&Leg, &LegTerms)| LegView {
        asset: terms.asset,
        amount: terms.amount,
        remaining: leg.remaining,
        claimed_unsettled: leg.claimed,
        settled: leg.settled,
    };
    LockView {
        user_signature: Some(lock.signature),
        legs: lock.legs_and_terms().map(leg).collect(),
        claim_by: Some(lock.claim_by),
        settle_by: Some(lock.settle_by),
        custody: Some(lock.custody),
        claim_index: lock.claim_count,
        granted_at: Some(lock.granted_at().into()),
        changed_at: Some(lock.changed_at().into()),
        ended_at: Some(lock.ended_at).filter(|at| *at != 0),
        ..LockView::of_terms(lock.lock_id, &terms, lock.status.into(), issued_at)
    }
}

pub(super) fn draft(draft: &Draft) -> LockView {
    let at_s = draft.created_ms / 1000;
    LockView::of_terms(draft.lock_id, &draft.terms, LockStatus::Pending, at_s)
}

pub(super) fn created(new: &Draft) -> Option<Json> {
    let typed_data_to_sign = TypedData::of_approval(&new.lock_id, &new.terms)?;
    let expiration_timestamp = new.until_ms / 1000;
    Some(json(&CreateLockResult { lock: draft(new), typed_data_to_sign, expiration_timestamp }))
}

pub(super) fn lock_list(locks: &[Lock], next_cursor: Option<ListCursor>) -> LockList {
    LockList { locks: locks.iter().map(lock).collect(), next_cursor }
}

pub(super) fn receipt(frame: &ReleasedFrame, index: u32) -> Option<ReceiptView> {
    let event = frame.event(index)?;
    let signed = frame.signed();
    let statement = &signed.statement;
    let hashes = |path: &[[u8; 32]]| path.iter().copied().map(Bytes32).collect();
    Some(ReceiptView {
        epoch: statement.epoch,
        seq: statement.seq,
        index,
        event: HexBytes(event.bytes),
        salt: Bytes32(event.salt),
        path: hashes(&event.path),
        statement: StatementView::from(statement),
        statement_signature: signed.signature,
        leaf: HexBytes(codec::encode(frame.leaf())),
        history_path: hashes(&signed.history_path),
    })
}

/// The answer to a logged command; `None` for an event that no command makes.
pub(super) fn logged(identity: &Identity, frame: &ReleasedFrame, index: u32) -> Option<Json> {
    let receipt = receipt(frame, index)?;
    let promises = frame.promises(index);
    let event = frame.decoded(index)?;
    match &event {
        Event::LocksGranted { locks, batch, .. } => {
            let terms = locks.iter().map(|lock| lock.terms.as_ref());
            let mut views = commitments(identity, terms, promises)?;
            let status = LockStatus::from(Status::Active);
            if batch.is_zero() {
                return Some(json(&CommitResult::new(views.pop()?, status, receipt)));
            }
            Some(json(&BatchResult::new(views, status, receipt)))
        }
        Event::LockExtended { terms, status, .. } => {
            let mut views = commitments(identity, std::iter::once(terms.as_ref()), promises)?;
            Some(json(&CommitResult::new(views.pop()?, (*status).into(), receipt)))
        }
        Event::LockClaimed { claim, .. } => {
            outcome(identity, claim.amounts.clone(), promises, receipt)
        }
        Event::LockReleased { freed, .. } | Event::LockCancelled { freed, .. } => {
            outcome(identity, freed.clone(), promises, receipt)
        }
        Event::DraftCancelled { .. } => outcome(identity, Vec::new(), promises, receipt),
        Event::FactRecorded { .. }
        | Event::ReadingGranted { .. }
        | Event::ImagesApproved { .. } => Some(json(&FactResult::new(receipt))),
        _ => None,
    }
}

fn commitments<'a>(
    identity: &Identity,
    terms: impl Iterator<Item = &'a LockTerms>,
    promises: &[(Promise, Signature)],
) -> Option<Vec<CommitmentView>> {
    let (engine_id, mode) = (&identity.engine_id, identity.insecure_mode);
    let view = |(terms, (promise, signature)): (&LockTerms, &(Promise, Signature))| match promise {
        Promise::Commitment(promise) => {
            Some(CommitmentView::new(engine_id, mode, terms, promise, *signature))
        }
        Promise::Outcome(_) => None,
    };
    terms.zip(promises).map(view).collect()
}

fn outcome(
    identity: &Identity,
    amounts: Vec<U256>,
    promises: &[(Promise, Signature)],
    receipt: ReceiptView,
) -> Option<Json> {
    match promises.first()? {
        (Promise::Outcome(outcome), signature) => {
            let (engine_id, mode) = (&identity.engine_id, identity.insecure_mode);
            Some(json(&OutcomeResult::new(engine_id, mode, outcome, amounts, *signature, receipt)))
        }
        (Promise::Commitment(_), _) => None,
    }
}

pub(super) fn locked_balance(answer: &HoldsAnswer) -> Option<Json> {
    let balance = &answer.balance;
    Some(json(&LockedBalanceResult {
        total: balance.total,
        available: balance.available,
        locked: balance.held.checked_add(balance.claimed)?,
        locks: answer.locks.iter().map(lock).collect(),
        more_locks: !answer.is_whole,
    }))
}

pub(super) fn balance(
    owner: Address,
    asset: Asset,
    answer: &BalanceAnswer,
    signed: &CarriedStatement,
) -> BalanceResult {
    let (balance, statement) = (&answer.balance, &signed.statement);
    BalanceResult {
        owner,
        asset,
        custody: answer.custody,
        total: balance.total,
        available: balance.available,
        held: balance.held,
        claimed_unsettled: balance.claimed,
        withdrawing: balance.withdrawing,
        head_time: answer.head_time,
        seq: statement.seq,
        state_root: statement.state_root,
    }
}

pub(super) fn simulated(simulated: &Simulated) -> SimulationResult {
    SimulationResult {
        ok: simulated.failures.is_empty(),
        failures: simulated.failures.iter().map(ErrorObject::from).collect(),
        lock_id: simulated.lock_id,
        nonce: simulated.terms.nonce,
        expires: simulated.terms.expires,
        claim_by: simulated.times.map(|(claim_by, _)| claim_by),
        settle_by: simulated.times.map(|(_, settle_by)| settle_by),
    }
}

pub(super) fn proof(
    engine_id: &EngineId,
    answer: &ProofAnswer,
    signed: &CarriedStatement,
) -> ProofResult {
    let statement = &signed.statement;
    let other = match answer.proof.end() {
        ProofEnd::Other { position, value } => {
            Some(OtherLeaf { position: Bytes32(position.0), value_hash: Bytes32(value.0) })
        }
        ProofEnd::Present | ProofEnd::Empty => None,
    };
    ProofResult {
        present: answer.value.is_some(),
        position: Bytes32(answer.key.position(engine_id).0),
        value: answer.value.as_ref().map(|(value, _)| HexBytes(codec::encode(value))),
        salt: answer.value.as_ref().map(|(_, salt)| Bytes32(*salt)),
        other,
        siblings: answer.proof.siblings().iter().copied().map(Bytes32).collect(),
        seq: statement.seq,
        state_root: statement.state_root,
        statement: StatementView::from(statement),
        statement_signature: signed.signature,
    }
}
