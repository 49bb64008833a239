//! Proofs about the log: receipts, checkpoints, consistency.

use super::render;
use super::reply::{Answered, closed, json, not_found, refused, serving, unexpected};
use crate::api::{Answer, LogProof, Query, ReceiptOf, Reply};
use crate::checkpoint;
use crate::handle::EngineHandle;
use mortise_core::machine::RootNotKept;
use mortise_core::state::LeafKey;
use mortise_format::errors::Code;
use mortise_format::ids::{Bytes32, Root};
use mortise_format::merkle::history::TreeHead;
use mortise_format::tlog_proof::proof_text;
use mortise_rpc::ErrorObject;
use mortise_rpc::params::GetConsistencyProof;
use mortise_rpc::results::{
    CheckpointResult, ConsistencyResult, HeadView, InclusionView, ReceiptResult, StatementView,
};

pub(super) async fn receipt(handle: &EngineHandle, of: ReceiptOf) -> Answered {
    let found = log_proof(handle, Query::Receipt(of)).await?;
    let note = newest_note(handle, &found)?;
    let [path] = paths(&found)?;
    let (frame, index) = found.event.as_ref().ok_or_else(unexpected)?;
    let receipt = render::receipt(frame, *index).ok_or_else(unexpected)?;
    let TreeHead { size, root } = head(&found);
    let tlog_proof = proof_text(receipt.seq, path, &note);
    let inclusion = InclusionView { size, root, path: hashes(path) };
    Ok(json(&ReceiptResult { receipt, inclusion, tlog_proof }))
}

pub(super) async fn checkpoint(handle: &EngineHandle) -> Answered {
    let found = log_proof(handle, Query::Checkpoint).await?;
    let TreeHead { size, root } = head(&found);
    let (signed, origin) = (&found.newest, serving(handle)?.identity.origin());
    Ok(json(&CheckpointResult {
        checkpoint: newest_note(handle, &found)?,
        origin,
        size,
        root,
        statement: StatementView::from(&signed.statement),
        statement_signature: signed.signature,
    }))
}

pub(super) async fn consistency(handle: &EngineHandle, params: GetConsistencyProof) -> Answered {
    let GetConsistencyProof { from, to } = params;
    let found = log_proof(handle, Query::Consistency { from, to }).await?;
    let [path, from_root, to_root] = paths(&found)?;
    let root = |root: &[[u8; 32]]| root.first().copied().map(Root).ok_or_else(unexpected);
    let to = to.unwrap_or(head(&found).size);
    Ok(json(&ConsistencyResult {
        from: HeadView { size: from, root: root(from_root)? },
        to: HeadView { size: to, root: root(to_root)? },
        path: hashes(path),
    }))
}

pub(super) async fn proof_at(handle: &EngineHandle, key: LeafKey, seq: u64) -> Answered {
    let found = log_proof(handle, Query::ProofAt(key, seq)).await?;
    let engine_id = serving(handle)?.identity.engine_id;
    let (frame, _) = found.event.as_ref().ok_or_else(unexpected)?;
    let proof = found.proof.as_ref().ok_or_else(unexpected)?;
    Ok(json(&render::proof(&engine_id, proof, frame.signed())))
}

async fn log_proof(handle: &EngineHandle, query: Query) -> Result<Box<LogProof>, ErrorObject> {
    let lock = match query {
        Query::Receipt(ReceiptOf::Lock(lock_id)) => Some(lock_id),
        _ => None,
    };
    match (handle.query(query).await.map_err(closed)?, lock) {
        (Reply::LogProof(found), _) => Ok(found),
        (Reply::Read(Answer::NotInLog { size }), _) => {
            Err(ErrorObject::new(Code::NotInLog).with("size", size))
        }
        (Reply::Read(Answer::RootNotKept(RootNotKept { oldest, newest })), _) => {
            let error = ErrorObject::new(Code::RootNotKept);
            Err(error.with("oldest", oldest).with("newest", newest))
        }
        (Reply::Read(Answer::None), Some(lock_id)) => Err(not_found(lock_id)),
        (reply, _) => Err(refused(reply)),
    }
}

/// The head that a proof refers to.
fn head(found: &LogProof) -> TreeHead {
    let statement = &found.newest.statement;
    TreeHead { size: statement.history_size, root: statement.history_root }
}

/// The newest checkpoint, with cosignatures if the policy has witnesses. A head that was never
/// requested by itself has no cosignatures until the next head is released.
fn newest_note(handle: &EngineHandle, found: &LogProof) -> Result<String, ErrorObject> {
    let head = head(found);
    let quorum = serving(handle)?.quorum.as_ref();
    if let Some(cosigned) = quorum.and_then(|quorum| quorum.cosigned_at(&head)) {
        return Ok(cosigned.note.clone());
    }
    checkpoint::note(&serving(handle)?.identity, &head).map_err(|_| unexpected())
}

fn paths<const N: usize>(found: &LogProof) -> Result<[&[[u8; 32]]; N], ErrorObject> {
    let paths: Vec<&[[u8; 32]]> = found.paths.iter().map(Vec::as_slice).collect();
    paths.try_into().map_err(|_| unexpected())
}

fn hashes(path: &[[u8; 32]]) -> Vec<Bytes32> {
    path.iter().copied().map(Bytes32).collect()
}
