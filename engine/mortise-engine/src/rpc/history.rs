//! Receipts, checkpoints and consistency: what is shown of the log.

use super::ask::{Answered, closed, json, not_found, refused, serving, unexpected};
use super::render;
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
    let shown = shown(handle, Query::Receipt(of)).await?;
    let note = newest_note(handle, &shown)?;
    let [path] = one_each(&shown)?;
    let (frame, index) = shown.event.as_ref().ok_or_else(unexpected)?;
    let receipt = render::receipt(frame, *index).ok_or_else(unexpected)?;
    let TreeHead { size, root } = head(&shown);
    let tlog_proof = proof_text(receipt.seq, path, &note);
    let inclusion = InclusionView { size, root, path: words(path) };
    Ok(json(&ReceiptResult { receipt, inclusion, tlog_proof }))
}

pub(super) async fn checkpoint(handle: &EngineHandle) -> Answered {
    let shown = shown(handle, Query::Checkpoint).await?;
    let TreeHead { size, root } = head(&shown);
    let (signed, origin) = (&shown.newest, serving(handle)?.identity.origin());
    Ok(json(&CheckpointResult {
        checkpoint: newest_note(handle, &shown)?,
        origin,
        size,
        root,
        statement: StatementView::from(&signed.statement),
        statement_signature: signed.signature,
    }))
}

pub(super) async fn consistency(handle: &EngineHandle, params: GetConsistencyProof) -> Answered {
    let GetConsistencyProof { from, to } = params;
    let shown = shown(handle, Query::Consistency { from, to }).await?;
    let [path, from_root, to_root] = one_each(&shown)?;
    let root = |root: &[[u8; 32]]| root.first().copied().map(Root).ok_or_else(unexpected);
    let to = to.unwrap_or(head(&shown).size);
    Ok(json(&ConsistencyResult {
        from: HeadView { size: from, root: root(from_root)? },
        to: HeadView { size: to, root: root(to_root)? },
        path: words(path),
    }))
}

pub(super) async fn proof_at(handle: &EngineHandle, key: LeafKey, seq: u64) -> Answered {
    let shown = shown(handle, Query::ProofAt(key, seq)).await?;
    let engine_id = serving(handle)?.identity.engine_id;
    let (frame, _) = shown.event.as_ref().ok_or_else(unexpected)?;
    let proof = shown.proof.as_ref().ok_or_else(unexpected)?;
    Ok(json(&render::proof(&engine_id, proof, frame.signed())))
}

async fn shown(handle: &EngineHandle, query: Query) -> Result<Box<LogProof>, ErrorObject> {
    let lock = match query {
        Query::Receipt(ReceiptOf::Lock(lock_id)) => Some(lock_id),
        _ => None,
    };
    match (handle.query(query).await.map_err(closed)?, lock) {
        (Reply::LogProof(shown), _) => Ok(shown),
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

/// The head that everything is shown in.
fn head(shown: &LogProof) -> TreeHead {
    let statement = &shown.newest.statement;
    TreeHead { size: statement.history_size, root: statement.history_root }
}

/// The newest checkpoint: the one place where it is written for callers. Under witnesses it has
/// their cosignatures; a head that was never asked about by itself has none, until the next is
/// released.
fn newest_note(handle: &EngineHandle, shown: &LogProof) -> Result<String, ErrorObject> {
    let head = head(shown);
    let quorum = serving(handle)?.quorum.as_ref();
    if let Some(cosigned) = quorum.and_then(|quorum| quorum.cosigned_at(&head)) {
        return Ok(cosigned.note.clone());
    }
    checkpoint::note(&serving(handle)?.identity, &head).map_err(|_| unexpected())
}

fn one_each<const N: usize>(shown: &LogProof) -> Result<[&[[u8; 32]]; N], ErrorObject> {
    let paths: Vec<&[[u8; 32]]> = shown.paths.iter().map(Vec::as_slice).collect();
    paths.try_into().map_err(|_| unexpected())
}

fn words(path: &[[u8; 32]]) -> Vec<Bytes32> {
    path.iter().copied().map(Bytes32).collect()
}
