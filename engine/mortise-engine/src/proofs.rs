//! Proofs about the history, whose tiles come from the store.
//!
//! What it is for: a plan of the archive is made by the writer in no time; here it waits for the
//! store, so that the writer does not.
//!
//! What it does not do: decide which size to prove at, or whether its frame may be spoken of.
//!
//! Invariants: a path is given only when every tile hashes to what the engine knows of it; a store
//! that answers otherwise is a named error, and whoever asked stops the engine.

use crate::store::{LogStore, StoreError};
use mortise_core::history::archive::{ArchiveError, Plan, TILE_LEAVES, TileLeaves};
use mortise_format::frame::FrameLeaf;
use mortise_format::limits::STORE_LEAVES_MAX;

const _: () = assert!(TILE_LEAVES == STORE_LEAVES_MAX as u64);

/// Why a proof was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The store failed.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The store gave other leaves than those that were appended, or fewer.
    #[error("the store: {0}")]
    Archive(#[from] ArchiveError),
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
        if !leaves.contains_key(&tile.number) {
            let count = u32::try_from(TILE_LEAVES).unwrap_or(u32::MAX);
            let given = store.leaves(tile.first(), count).await?;
            leaves.insert(tile.number, given.iter().map(FrameLeaf::history_leaf).collect());
        }
    }
    Ok(plans.iter().map(|plan| plan.complete(&leaves)).collect::<Result<_, _>>()?)
}
