//! The port: the operations of a store that the store protocol needs.

pub use mortise_export::CheckedFrame;
use mortise_format::ids::{Bytes32, EngineId};
use mortise_format::store::{LogHead, SnapshotInfo, StoreRefusal};
use std::io;

/// One part of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPart {
    /// Seq of the last frame in the snapshot.
    pub seq: u64,
    /// Index of the part, from 0.
    pub part: u32,
    /// Of the last part, the manifest: its digest.
    pub manifest: Option<Bytes32>,
    /// The bytes of the part.
    pub bytes: Vec<u8>,
}

/// Why a group of frames was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The disk is full. Nothing of the group was written, and the store continues.
    #[error("the disk is full")]
    Full,
    /// A write or a sync failed. The state of the disk is unknown and the store accepts no more.
    #[error("a frame could not be written durably: {0}")]
    Failed(#[from] io::Error),
}

/// Stores frames, snapshots and sealed values. Every call blocks until it is done.
pub trait LogStore: Send + Sync + 'static {
    /// The durable head.
    fn head(&self) -> LogHead;

    /// The engine whose log this is; `None` without a frame.
    fn engine_id(&self) -> Option<EngineId>;

    /// Appends frames; durable when it returns. The caller has checked that they follow the head
    /// and one another, and calls it from one thread at a time.
    ///
    /// # Errors
    /// `Full` when there is no room for all of them; `Failed` when the disk failed.
    fn append_group(&self, frames: &[CheckedFrame]) -> Result<(), AppendError>;

    /// Durable frames from `from_seq` on: as many as fit in `bytes_max`, and at least one if there
    /// is one; fewer before a damaged frame.
    ///
    /// # Errors
    /// `FrameBroken` when the first is damaged; `Io`.
    fn read(&self, from_seq: u64, bytes_max: usize) -> Result<Vec<Vec<u8>>, StoreRefusal>;

    /// The concatenated leaves of `count` durable frames from `from_seq` on, fewer at the end of
    /// the log and before a damaged one.
    ///
    /// # Errors
    /// `FrameBroken` when the first is damaged; `Io`.
    fn leaves(&self, from_seq: u64, count: usize) -> Result<Vec<u8>, StoreRefusal>;

    /// Stores one part of a snapshot. Returns true when the snapshot is now complete and durable.
    ///
    /// # Errors
    /// `TooLarge`, `SnapshotConflict`, `Full`, `SyncFailed`.
    fn snapshot_put(&self, part: SnapshotPart) -> Result<bool, StoreRefusal>;

    /// The complete snapshots whose files are whole, newest first.
    ///
    /// # Errors
    /// `Io` when the catalogue cannot be read.
    fn snapshots(&self) -> Result<Vec<SnapshotInfo>, StoreRefusal>;

    /// One part of a complete snapshot.
    ///
    /// # Errors
    /// `SnapshotUnknown`, `Io`.
    fn snapshot_read(&self, seq: u64, part: u32) -> Result<Vec<u8>, StoreRefusal>;

    /// Stores a sealed value under a name, for ever; every copy is durable when it returns.
    ///
    /// # Errors
    /// `BlobName`, `TooLarge`, `BlobExists`, `BlobConflict`, `BlobBroken`, `Full`, `SyncFailed`.
    fn blob_put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreRefusal>;

    /// The sealed value under a name, from any whole copy.
    ///
    /// # Errors
    /// `BlobName`, `BlobConflict`, `BlobBroken`.
    fn blob_get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreRefusal>;
}
