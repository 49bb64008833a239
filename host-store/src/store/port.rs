//! The port: what the store protocol needs of a store.

pub use mortise_export::CheckedFrame;
use mortise_format::ids::{Bytes32, EngineId};
use mortise_format::store::{LogHead, SnapshotInfo, StoreRefusal};
use std::io;

/// One part of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPart {
    /// The frame after which the snapshot was taken.
    pub seq: u64,
    /// The digest of the whole.
    pub digest: Bytes32,
    /// Which part, from 0.
    pub part: u32,
    /// How many parts there are.
    pub parts: u32,
    /// The part.
    pub bytes: Vec<u8>,
}

/// Why a group of frames was not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// There is no room; nothing of the group was written and the store goes on.
    #[error("the disk is full")]
    Full,
    /// A write or a sync failed: what is on the disk is unknown and the store takes no more.
    #[error("a frame could not be written durably: {0}")]
    Failed(#[from] io::Error),
}

/// Where frames, snapshots and sealed values are kept. Every call blocks until it is done.
pub trait LogStore: Send + Sync + 'static {
    /// The end of what is durable.
    fn head(&self) -> LogHead;

    /// The engine whose log this is, once there is a frame.
    fn engine_id(&self) -> Option<EngineId>;

    /// Keeps frames, durably when it returns. The caller has checked that they follow the head
    /// and one another, and calls it from one thread at a time.
    ///
    /// # Errors
    /// `Full` when there is no room for all of them; `Failed` when the disk failed.
    fn append_group(&self, frames: &[CheckedFrame]) -> Result<(), AppendError>;

    /// Durable frames from `from_seq` on: as many as fit `bytes_max`, at least one if there is
    /// one.
    ///
    /// # Errors
    /// `Io` when they cannot be read.
    fn read(&self, from_seq: u64, bytes_max: usize) -> Result<Vec<Vec<u8>>, StoreRefusal>;

    /// The leaves of durable frames from `from_seq` on, `count` or fewer where the log ends, one
    /// behind the other.
    ///
    /// # Errors
    /// `Io` when they cannot be read.
    fn leaves(&self, from_seq: u64, count: usize) -> Result<Vec<u8>, StoreRefusal>;

    /// Takes one part of a snapshot; true when that made it complete and durable.
    ///
    /// # Errors
    /// `TooLarge`, `SnapshotConflict`, `Full`, `SyncFailed`.
    fn snapshot_put(&self, part: SnapshotPart) -> Result<bool, StoreRefusal>;

    /// The newest complete snapshot.
    ///
    /// # Errors
    /// `Io` when the catalogue cannot be read.
    fn snapshot_latest(&self) -> Result<Option<SnapshotInfo>, StoreRefusal>;

    /// One part of a complete snapshot.
    ///
    /// # Errors
    /// `SnapshotUnknown`, `Io`.
    fn snapshot_read(&self, seq: u64, part: u32) -> Result<Vec<u8>, StoreRefusal>;

    /// Keeps a sealed value under a name, durably when it returns.
    ///
    /// # Errors
    /// `BlobName`, `TooLarge`, `BlobExists`, `SyncFailed`.
    fn blob_put(&self, name: &str, bytes: &[u8], overwrite: bool) -> Result<(), StoreRefusal>;

    /// The sealed value of a name.
    ///
    /// # Errors
    /// `BlobName`, `Io`.
    fn blob_get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreRefusal>;
}
