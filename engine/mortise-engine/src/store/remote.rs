//! The store of the host, over one connection.

use super::connection::Connection;
use super::error::{Garbage, StoreError};
use super::{Ack, LogStore, StoreFuture, answers};
use mortise_format::frame::{Frame, FrameLeaf};
use mortise_format::ids::Bytes32;
use mortise_format::limits::{BLOB_BYTES_MAX, FRAME_BYTES_MAX};
use mortise_format::store::{
    LogHead, SnapshotInfo, StoreRequest, StoreResponse, snapshot_part_is_valid,
};
use mortise_transport::Address;
use std::future::ready;

/// A [`LogStore`] behind the store protocol.
///
/// It holds one connection and never opens another: after a break the engine restarts and replays.
#[derive(Debug, Clone)]
pub struct RemoteLog {
    connection: Connection,
}

impl RemoteLog {
    /// Connects to the store at `address`; needs a running tokio runtime.
    ///
    /// # Errors
    /// `Unreachable` when no store listens there.
    pub async fn connect(address: &Address) -> Result<Self, StoreError> {
        Ok(Self { connection: Connection::open(address).await? })
    }

    /// A connection with other bounds: requests in flight, and timeout of an answer.
    #[cfg(test)]
    pub(super) async fn with_bounds(address: &Address, max: usize, answer_ms_max: u64) -> Self {
        Self { connection: Connection::with_bounds(address, max, answer_ms_max).await }
    }

    /// Sends the request now and checks the answer with `check` when it arrives.
    fn call<T: Send + 'static>(
        &self,
        request: &StoreRequest,
        check: impl FnOnce(StoreResponse) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<T> {
        let answer = self.connection.call(request);
        Box::pin(async move { check(answer.await?) })
    }
}

impl LogStore for RemoteLog {
    fn is_alive(&self) -> bool {
        self.connection.is_alive()
    }

    fn head(&self) -> StoreFuture<LogHead> {
        self.call(&StoreRequest::Head, answers::head)
    }

    fn append(&self, frame: &Frame) -> StoreFuture<Ack> {
        let expected = Ack { seq: frame.header().seq, digest: frame.digest() };
        let frame = frame.encode();
        if frame.len() > FRAME_BYTES_MAX {
            return Box::pin(ready(Err(StoreError::TooLarge { bytes: frame.len() })));
        }
        self.call(&StoreRequest::Append { frame }, move |answer| answers::ack(answer, expected))
    }

    fn read(&self, from_seq: u64, bytes_max: u32) -> StoreFuture<Vec<Frame>> {
        let request = StoreRequest::Read { from_seq, bytes_max };
        self.call(&request, move |answer| answers::frames(answer, from_seq, bytes_max))
    }

    fn leaves(&self, from_seq: u64, count: u32) -> StoreFuture<Vec<FrameLeaf>> {
        let request = StoreRequest::Leaves { from_seq, count };
        self.call(&request, move |answer| answers::leaves(answer, from_seq, count))
    }

    fn snapshot_put(
        &self,
        seq: u64,
        part: u32,
        manifest: Option<Bytes32>,
        bytes: Vec<u8>,
    ) -> StoreFuture<bool> {
        if !snapshot_part_is_valid(part, manifest.is_some(), bytes.len()) {
            return Box::pin(ready(Err(StoreError::TooLarge { bytes: bytes.len() })));
        }
        let is_last = manifest.is_some();
        let request = StoreRequest::SnapshotPut { seq, part, manifest, bytes };
        // The manifest is sent when every other part is stored, so that it completes the snapshot.
        let check = move |answer| match answers::snapshot_taken(answer)? {
            complete if complete == is_last => Ok(complete),
            _ => Err(Garbage::WrongSize.into()),
        };
        self.call(&request, check)
    }

    fn snapshots(&self) -> StoreFuture<Vec<SnapshotInfo>> {
        self.call(&StoreRequest::Snapshots, answers::snapshots)
    }

    fn snapshot_read(&self, info: SnapshotInfo, part: u32) -> StoreFuture<Vec<u8>> {
        if answers::snapshot_parts(info.bytes) != Some(info.parts) || part >= info.parts {
            return Box::pin(ready(Err(Garbage::WrongSize.into())));
        }
        let request = StoreRequest::SnapshotRead { seq: info.seq, part };
        self.call(&request, move |answer| answers::snapshot_part(answer, part, info))
    }

    fn blob_put(&self, name: &str, bytes: Vec<u8>) -> StoreFuture<()> {
        if bytes.len() > BLOB_BYTES_MAX {
            return Box::pin(ready(Err(StoreError::TooLarge { bytes: bytes.len() })));
        }
        let request = StoreRequest::BlobPut { name: name.to_owned(), bytes };
        self.call(&request, answers::blob_kept)
    }

    fn blob_get(&self, name: &str) -> StoreFuture<Option<Vec<u8>>> {
        self.call(&StoreRequest::BlobGet { name: name.to_owned() }, answers::blob)
    }
}
