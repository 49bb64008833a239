//! Leaves of full tiles: read from the store, checked against the archive, kept.

use super::{ReadError, Reader};
use crate::store::{LogStore, StoreError};
use mortise_core::history::archive::{ArchiveError, Plan, TILE_LEAVES, Tile, TileLeaves};
use mortise_format::frame::FrameLeaf;
use mortise_format::limits::STORE_LEAVES_MAX;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::MutexGuard;

const _: () = assert!(TILE_LEAVES == STORE_LEAVES_MAX as u64);

pub(super) type Hash = [u8; 32];

/// The last tiles that were used. Their leaves are proven to be those of this log.
#[derive(Debug, Default)]
pub(super) struct TileCache {
    leaves: BTreeMap<u64, Vec<Hash>>,
    /// Tiles in the order of their reading.
    order: VecDeque<u64>,
}

/// Tiles in memory, 8 KiB each.
const TILES_MAX: usize = 64;

impl TileCache {
    fn insert(&mut self, number: u64, leaves: Vec<Hash>) {
        if self.leaves.insert(number, leaves).is_none() {
            self.order.push_back(number);
        }
        if self.order.len() > TILES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.leaves.remove(&oldest);
        }
    }
}

/// Why the leaves of a tile were not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The store returned wrong leaves or too few.
    #[error("the store: {0}")]
    Archive(#[from] ArchiveError),
}

/// Completes plans with leaves from a store, without a cache: for witnesses, once in a while.
///
/// # Errors
/// `Store` if a tile cannot be read; `Archive` if it is not a tile of this log.
pub async fn complete(store: &dyn LogStore, plans: &[Plan]) -> Result<Vec<Vec<Hash>>, TileError> {
    let mut leaves = TileLeaves::new();
    for tile in plans.iter().flat_map(Plan::tiles) {
        if let Entry::Vacant(missing) = leaves.entry(tile.number) {
            missing.insert(read_tile(store, tile).await?);
        }
    }
    Ok(plans.iter().map(|plan| plan.complete(&leaves)).collect::<Result<_, _>>()?)
}

async fn read_tile(store: &dyn LogStore, tile: &Tile) -> Result<Vec<Hash>, TileError> {
    let count = u32::try_from(TILE_LEAVES).unwrap_or(u32::MAX);
    let given = store.leaves(tile.first(), count).await?;
    let leaves: Vec<_> = given.iter().map(FrameLeaf::history_leaf).collect();
    tile.check(&leaves)?;
    Ok(leaves)
}

impl Reader {
    /// Completes plans. Tiles come from the cache, else from the store, at most twice. `seq` is the
    /// frame that is read, for the error.
    pub(super) async fn complete<const N: usize>(
        &self,
        seq: u64,
        plans: &[Plan; N],
    ) -> Result<[Vec<Hash>; N], ReadError> {
        let mut leaves = TileLeaves::new();
        for tile in plans.iter().flat_map(Plan::tiles) {
            if let Entry::Vacant(missing) = leaves.entry(tile.number) {
                missing.insert(self.tile(seq, tile).await?);
            }
        }
        let mut completed = [const { Vec::new() }; N];
        for (hashes, plan) in completed.iter_mut().zip(plans) {
            *hashes = plan.complete(&leaves).map_err(|_| self.is_damaged(seq))?;
        }
        Ok(completed)
    }

    async fn tile(&self, seq: u64, tile: &Tile) -> Result<Vec<Hash>, ReadError> {
        if let Some(leaves) = self.tiles().leaves.get(&tile.number) {
            return Ok(leaves.clone());
        }
        let mut tried = self.try_tile(tile).await;
        if tried.is_err() {
            tried = self.try_tile(tile).await;
        }
        let leaves = tried.map_err(|error| match error {
            TileError::Store(error) => self.of_store(seq, error),
            // A store ends its answer before the first leaf that it cannot read.
            TileError::Archive(ArchiveError::TileLength { found, .. }) => {
                let found = u64::try_from(found).unwrap_or(u64::MAX);
                self.is_damaged(tile.first().saturating_add(found))
            }
            TileError::Archive(_) => self.is_damaged(seq),
        })?;
        self.tiles().insert(tile.number, leaves.clone());
        Ok(leaves)
    }

    async fn try_tile(&self, tile: &Tile) -> Result<Vec<Hash>, TileError> {
        read_tile(self.store.connected().await?.as_ref(), tile).await
    }

    fn tiles(&self) -> MutexGuard<'_, TileCache> {
        self.tiles.lock().expect("no holder of the tiles panics")
    }
}
