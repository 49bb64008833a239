//! Answers about now: under a lease, with what their callers need to check it.
//!
//! What it is for: one place behind every method that speaks of now ([`Tense`]). A method names the
//! statement about the frame that it read; this module finds the evidence, reads the clock last and
//! compares.
//!
//! [`Tense`]: mortise_rpc::Tense

use super::reply::{Answered, Json, closed, cost, serving, to_text, unexpected, unread};
use crate::handle::EngineHandle;
use crate::lease::{Evidence, Lease, LeaseExpired};
use crate::reader::Reader;
use mortise_core::body::CarriedStatement;
use mortise_core::history::archive::{Plan, TileLeaves};
use mortise_format::errors::Code;
use mortise_format::ids::Bytes32;
use mortise_rpc::ErrorObject;
use mortise_rpc::results::{FreshnessView, LeaseView, StatementView};
use std::sync::Arc;

/// Adds freshness to an answer about now, or refuses it.
///
/// # Errors
/// LEASE_EXPIRED; READ_FAILED if a part of the path cannot be read.
pub(super) async fn under_lease(handle: &EngineHandle, answer: Json) -> Answered {
    // Every method about now names what it read.
    let signed = answer.read_at.as_deref().ok_or_else(unexpected)?;
    let lease = serving(handle)?.lease.as_deref();
    let (view, evidence) = shown(handle, lease, signed).await?;
    let freshness = Some(to_text(&view));
    if let Some(lease) = lease {
        lease.check(evidence.as_ref()).map_err(expired)?;
    }
    Ok(Json { freshness, ..answer })
}

/// What goes beside the result, and the evidence in it. Without witnesses there is none, and
/// without a checkpoint neither.
///
/// # Errors
/// READ_FAILED if a part of the path cannot be read.
pub(super) async fn shown(
    handle: &EngineHandle,
    lease: Option<&Lease>,
    signed: &CarriedStatement,
) -> Result<(FreshnessView, Option<Evidence>), ErrorObject> {
    let evidence = match lease {
        Some(lease) => lease.evidence(signed).await,
        None => None,
    };
    let path = match evidence.as_ref().and_then(|evidence| evidence.path.as_ref()) {
        Some(plan) => completed(handle, plan, signed.statement.seq).await?,
        None => Vec::new(),
    };
    let view = FreshnessView {
        statement: StatementView::from(&signed.statement),
        statement_signature: signed.signature,
        checkpoint: evidence.as_ref().map(|evidence| evidence.checkpoint.note.clone()),
        history_path: path.into_iter().map(Bytes32).collect(),
    };
    Ok((view, evidence))
}

/// The hashes of a path. Recent frames are in memory; others are read from the log.
async fn completed(
    handle: &EngineHandle,
    plan: &Plan,
    seq: u64,
) -> Result<Vec<[u8; 32]>, ErrorObject> {
    if let Ok(path) = plan.complete(&TileLeaves::new()) {
        return Ok(path);
    }
    let plan = plan.clone();
    let path = move |reader: Arc<Reader>| async move { reader.path(seq, plan).await };
    handle.read_log(cost::PROOF, path).await.map_err(closed)?.map_err(|error| unread(&error))
}

/// The lease for `health`, and whether it holds now.
pub(super) fn state_of(lease: &Lease, evidence: Option<&Evidence>) -> (LeaseView, bool) {
    let is_held = lease.check(evidence).is_ok();
    let cosigned_at = evidence.map(|evidence| evidence.as_of_ms / 1000);
    let now = lease.now_ms().ok().map(|now_ms| now_ms / 1000);
    let age = cosigned_at.zip(now).map(|(at, now)| now.saturating_sub(at));
    let (max_age, ahead) = (lease.max_age(), lease.ahead());
    (LeaseView { cosigned_at, age, max_age, ahead }, is_held)
}

pub(super) fn expired(expired: LeaseExpired) -> ErrorObject {
    ErrorObject::new(Code::LeaseExpired)
        .with("cosignedAt", expired.as_of)
        .with("maxAge", expired.max_age)
}
