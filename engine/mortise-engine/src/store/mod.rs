//! The log store, as the engine sees it: a port, and its client of the store protocol.
//!
//! What it is for: keeping sealed frames, snapshots and small sealed values outside the enclave,
//! and knowing exactly when a frame is durable.
//!
//! What it does not do: retry, reconnect, time out, or decide what a failure means. It does not
//! open frames; chain, MAC and contents are checked by replay.
//!
//! Invariants: appends reach the store in the order in which [`LogStore::append`] was called; an
//! append with an unknown outcome ends as [`StoreError::Unknown`] and is never sent again; sizes,
//! numbers and digests of every answer are checked before the answer is used; the
//! number of requests in flight is bounded.

mod answers;
mod connection;
mod error;
mod remote;

#[cfg(test)]
mod tests;

pub use error::{Garbage, StoreError};
pub use remote::RemoteLog;

use mortise_format::frame::{Frame, FrameLeaf};
use mortise_format::ids::{Bytes32, FrameDigest};
use mortise_format::store::{LogHead, SnapshotInfo};
use std::future::Future;
use std::pin::Pin;

/// The result of a call of the port. It borrows nothing, so that an actor can hold it.
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// The store states that a frame, and every frame before it, is on its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// The seq of the frame.
    pub seq: u64,
    /// The digest of the frame.
    pub digest: FrameDigest,
}

/// Where sealed frames, snapshots and sealed values are kept.
///
/// A call sends its request before it returns; the future only waits for the answer. So the order
/// of calls is the order of effects, and a dropped future does not undo its call. Only `read` and
/// `leaves` may first wait for room, when very many of them are in flight.
///
/// A store for tests returns `Box::pin(std::future::ready(result))`.
pub trait LogStore: Send + Sync + 'static {
    /// False when no call can succeed any more because the connection to the store ended.
    fn is_alive(&self) -> bool {
        true
    }

    /// The end of the log, after every append called before.
    fn head(&self) -> StoreFuture<LogHead>;

    /// Adds a frame: its seq must be the next one, its `previous` the digest of the head.
    ///
    /// The future returns the ack of exactly this frame. `Refused` means that the frame was not
    /// stored, except `Refused(SyncFailed)`. After that and after every other error the outcome is
    /// unknown and the caller stops. After `Refused(Full)` it may append the same frame again.
    fn append(&self, frame: &Frame) -> StoreFuture<Ack>;

    /// Frames from `from_seq` on, at least one if there is one, about `bytes_max` bytes at most.
    /// They decode, follow one another in seq and digest, and are not checked further.
    fn read(&self, from_seq: u64, bytes_max: u32) -> StoreFuture<Vec<Frame>>;

    /// The leaves of frames from `from_seq` on, `count` of them or fewer where the log ends. They
    /// decode and their seqs follow one another; they are not checked further.
    fn leaves(&self, from_seq: u64, count: u32) -> StoreFuture<Vec<FrameLeaf>>;

    /// Stores a part of a snapshot taken after frame `seq`. `manifest` is the digest of the last
    /// part. Returns true when all of the snapshot is on the disk.
    fn snapshot_put(
        &self,
        seq: u64,
        part: u32,
        manifest: Option<Bytes32>,
        bytes: Vec<u8>,
    ) -> StoreFuture<bool>;

    /// The complete snapshots, newest first.
    fn snapshots(&self) -> StoreFuture<Vec<SnapshotInfo>>;

    /// A part of a snapshot, of exactly the size that follows from `info`. The caller checks the
    /// digest.
    fn snapshot_read(&self, info: SnapshotInfo, part: u32) -> StoreFuture<Vec<u8>>;

    /// Stores a small sealed value under a name, for ever; done when it is on the disk.
    fn blob_put(&self, name: &str, bytes: Vec<u8>) -> StoreFuture<()>;

    /// The value of a name, if there is one.
    fn blob_get(&self, name: &str) -> StoreFuture<Option<Vec<u8>>>;
}
