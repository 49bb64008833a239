//! Proofs about the log: receipts, checkpoints, consistency.

use super::reply::{
    Answered, Json, closed, cost, json, not_found, read, read_log, serving, unexpected, unread,
};
use super::who_reads::Viewer;
use super::{reading, render};
use crate::api::ReleasedFrame;
use crate::handle::EngineHandle;
use crate::query::{FindGrant, FindRequest, ProveEntryAt};
use crate::reader::{ConsistencyProof, EventProof, Reader};
use mortise_core::machine::RootNotKept;
use mortise_core::state::LeafKey;
use mortise_format::errors::Code;
use mortise_format::event::LogPosition;
use mortise_format::ids::Bytes32;
use mortise_format::merkle::history::TreeHead;
use mortise_format::tlog_proof::proof_text;
use mortise_rpc::ErrorObject;
use mortise_rpc::params::{GetConsistencyProof, GetReceipt};
use mortise_rpc::results::{
    CheckpointResult, ConsistencyResult, HeadView, InclusionView, ReceiptResult, StatementView,
};
use std::sync::Arc;

/// The receipt of an event. By its place, and under `parties` by its lock, it is for the parties of
/// the event; for a reader with a right it is sealed to the reader.
pub(super) async fn receipt(handle: &EngineHandle, of: GetReceipt, viewer: Viewer) -> Answered {
    let is_checked = match of {
        GetReceipt::At(_) => true,
        GetReceipt::Lock(_) => !viewer.is_public(),
        GetReceipt::Request(..) => false,
        GetReceipt::ForReader { at, reader } => return reading::receipt(handle, at, reader).await,
    };
    let at = position(handle, of).await?;
    let found = move |reader: Arc<Reader>| async move { receipt_at(&reader, at).await };
    let (answer, frame, index) = handle.read_log(cost::RECEIPT, found).await.map_err(closed)??;
    if is_checked {
        let event = frame.decoded(index).ok_or_else(unexpected)?;
        viewer.check_event(handle, &event).await?;
    }
    Ok(answer)
}

/// Finds the event. Only the state knows the positions of locks and requests.
async fn position(
    handle: &EngineHandle,
    of: GetReceipt,
) -> Result<Option<LogPosition>, ErrorObject> {
    match of {
        GetReceipt::At(at) | GetReceipt::ForReader { at, .. } => Ok(Some(at)),
        GetReceipt::Lock(lock_id) => match read(handle, FindGrant(lock_id)).await? {
            None => Err(not_found(lock_id)),
            found => Ok(found),
        },
        GetReceipt::Request(principal, id) => read(handle, FindRequest(principal, id)).await,
    }
}

/// The answer about an event, its frame and its index there.
pub(super) async fn receipt_at(
    reader: &Reader,
    at: Option<LogPosition>,
) -> Result<(Json, Arc<ReleasedFrame>, u32), ErrorObject> {
    let Some(at) = at else { return Err(not_in_log(reader)) };
    let found = reader.receipt(at).await.map_err(|error| unread(&error))?;
    let found = found.ok_or_else(|| not_in_log(reader))?;
    let EventProof { newest, path, frame, index } = found;
    let note = reader.note_of(&newest).map_err(|error| unread(&error))?;
    let receipt = render::receipt(&frame, index).ok_or_else(unexpected)?;
    let (size, root) = (newest.statement.history_size, newest.statement.history_root);
    let tlog_proof = proof_text(receipt.seq, &path, &note);
    let inclusion = InclusionView { size, root, path: hashes(&path) };
    let answer = json(&ReceiptResult { receipt, inclusion, tlog_proof });
    Ok((answer, frame, index))
}

pub(super) async fn checkpoint(handle: &EngineHandle) -> Answered {
    read_log(handle, cost::PROOF, |reader| async move {
        let (signed, checkpoint) = reader.checkpoint().map_err(|error| unread(&error))?;
        Ok(json(&CheckpointResult {
            checkpoint,
            origin: reader.identity().origin(),
            size: signed.statement.history_size,
            root: signed.statement.history_root,
            statement: StatementView::from(&signed.statement),
            statement_signature: signed.signature,
        }))
    })
    .await
}

pub(super) async fn consistency(handle: &EngineHandle, params: GetConsistencyProof) -> Answered {
    let GetConsistencyProof { from, to } = params;
    read_log(handle, cost::PROOF, move |reader| async move {
        let found = reader.consistency(from, to).await.map_err(|error| unread(&error))?;
        let found = found.ok_or_else(|| not_in_log(&reader))?;
        let ConsistencyProof { from, to, path } = found;
        let view = |TreeHead { size, root }| HeadView { size, root };
        let (from, to) = (view(from), view(to));
        Ok(json(&ConsistencyResult { from, to, path: hashes(&path) }))
    })
    .await
}

pub(super) async fn proof_at(handle: &EngineHandle, key: LeafKey, seq: u64) -> Answered {
    let engine_id = serving(handle)?.identity.engine_id;
    let proven = read(handle, ProveEntryAt { key, seq }).await?;
    let proof = proven.map_err(|RootNotKept { oldest, newest }| {
        ErrorObject::new(Code::RootNotKept).with("oldest", oldest).with("newest", newest)
    })?;
    read_log(handle, cost::PROOF, move |reader| async move {
        let signed = reader.statement_at(seq).await.map_err(|error| unread(&error))?;
        Ok(json(&render::proof(&engine_id, &proof, &signed.ok_or_else(unexpected)?)))
    })
    .await
}

fn not_in_log(reader: &Reader) -> ErrorObject {
    ErrorObject::new(Code::NotInLog).with("size", reader.view().size())
}

fn hashes(path: &[[u8; 32]]) -> Vec<Bytes32> {
    path.iter().copied().map(Bytes32).collect()
}
