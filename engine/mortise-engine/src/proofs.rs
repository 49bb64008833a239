//! Proofs about the history, made from tiles of the store.
//!
//! What it is for: the writer only plans a proof, which is fast. This module waits for the store,
//! so that the writer does not.
//!
//! What it does not do: choose the size to prove at, or check that its frame is released.
//!
//! Invariants: a path is returned only if every tile has the hash that the engine expects. Any
//! other answer of the store is a named error, and the caller stops the engine.

use crate::api::{Answer, LogProof, Reply};
use crate::keyring::{Identity, KeyRing};
use crate::pipeline::LogProofJob;
use crate::ports::PortFuture;
use crate::recall::{RecallError, recall_event};
use crate::store::{LogStore, StoreError};
use mortise_core::history::archive::{ArchiveError, Plan, TILE_LEAVES, TileLeaves};
use mortise_core::machine::EpochRecord;
use mortise_format::frame::FrameLeaf;
use mortise_format::limits::STORE_LEAVES_MAX;
use std::collections::btree_map::Entry;
use std::sync::Arc;

const _: () = assert!(TILE_LEAVES == STORE_LEAVES_MAX as u64);

/// A proof was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The store returned wrong leaves or too few.
    #[error("the store: {0}")]
    Archive(#[from] ArchiveError),
    /// The event could not be read back.
    #[error(transparent)]
    Recall(#[from] RecallError),
}

/// Completes plans. Reads each tile once.
///
/// # Errors
/// `Store` if a tile cannot be read; `Archive` if it is not a tile of this log.
pub async fn complete(
    store: &dyn LogStore,
    plans: &[Plan],
) -> Result<Vec<Vec<[u8; 32]>>, ProofError> {
    let mut leaves = TileLeaves::new();
    for tile in plans.iter().flat_map(Plan::tiles) {
        if let Entry::Vacant(missing) = leaves.entry(tile.number) {
            let count = u32::try_from(TILE_LEAVES).unwrap_or(u32::MAX);
            let given = store.leaves(tile.first(), count).await?;
            missing.insert(given.iter().map(FrameLeaf::history_leaf).collect());
        }
    }
    Ok(plans.iter().map(|plan| plan.complete(&leaves)).collect::<Result<_, _>>()?)
}

/// Builds a consistency path for witnesses. `None` without a plan, or if the tiles cannot be read;
/// the round then retries.
pub fn consistency(
    store: &Arc<dyn LogStore>,
    plan: Option<Plan>,
) -> PortFuture<'static, Option<Vec<[u8; 32]>>> {
    let store = Arc::clone(store);
    Box::pin(async move {
        match complete(store.as_ref(), &[plan?]).await {
            Ok(paths) => paths.into_iter().next(),
            Err(error) => {
                tracing::error!(%error, "cannot build a consistency path for a witness");
                None
            }
        }
    })
}

/// Reads the parts of a proof and builds the answer.
///
/// # Errors
/// [`ProofError`]. The caller stops the engine: the log is not the one that it replayed.
pub async fn log_proof(
    store: &dyn LogStore,
    identity: &Identity,
    ring: &KeyRing,
    epochs: &[EpochRecord],
    job: LogProofJob,
) -> Result<Reply, ProofError> {
    let LogProofJob { newest, plans, event, proof } = job;
    let event = match event {
        None => None,
        Some((at, statement)) => {
            let found = recall_event(store, identity, ring, epochs, at, statement).await?;
            let Some((released, _)) = found else {
                let size = newest.statement.history_size;
                return Ok(Reply::Read(Answer::NotInLog { size }));
            };
            Some((Arc::new(released), at.index))
        }
    };
    let paths = complete(store, &plans).await?;
    Ok(Reply::LogProof(Box::new(LogProof { newest, paths, event, proof })))
}
