//! Proofs about the history, whose tiles come from the store, and what is shown with them.
//!
//! What it is for: a plan of the archive is made by the writer in no time; here it waits for the
//! store, so that the writer does not.
//!
//! What it does not do: decide which size to prove at, or whether its frame may be spoken of.
//!
//! Invariants: a path is given only when every tile hashes to what the engine knows of it; a store
//! that answers otherwise is a named error, and whoever asked stops the engine.

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

/// Why a proof was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The store failed.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The store gave other leaves than those that were appended, or fewer.
    #[error("the store: {0}")]
    Archive(#[from] ArchiveError),
    /// The event was not read back.
    #[error(transparent)]
    Recall(#[from] RecallError),
}

/// Completes plans, reading each tile once.
///
/// # Errors
/// `Store` when a tile cannot be read; `Archive` when it is not the one of this log.
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

/// A consistency path for witnesses; none when the plan is, or when the store does not give the
/// tiles: it is asked for again.
pub fn consistency(
    store: &Arc<dyn LogStore>,
    plan: Option<Plan>,
) -> PortFuture<'static, Option<Vec<[u8; 32]>>> {
    let store = Arc::clone(store);
    Box::pin(async move {
        match complete(store.as_ref(), &[plan?]).await {
            Ok(paths) => paths.into_iter().next(),
            Err(error) => {
                tracing::error!(%error, "no path for a witness");
                None
            }
        }
    })
}

/// Fetches what is to be shown and puts the answer together.
///
/// # Errors
/// [`ProofError`]; the caller stops, because the log is not the one that it replayed.
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
