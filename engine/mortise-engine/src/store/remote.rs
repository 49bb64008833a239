//! The store of the host, over one connection.

use super::connection::Connection;
use super::error::{Garbage, StoreError};
use super::{Ack, LogStore, StoreFuture, answers};
use bytes::Bytes;
use mortise_format::frame::{Frame, FrameLeaf};
use mortise_format::ids::Bytes32;
use mortise_format::limits::{BLOB_BYTES_MAX, FRAME_BYTES_MAX, SNAPSHOT_PART_BYTES};
use mortise_format::store::{LogHead, SnapshotInfo, StoreRequest, StoreResponse};
use mortise_transport::Address;
use std::collections::VecDeque;
use std::future::ready;

/// Parts of a snapshot in flight at once.
pub(super) const PARTS_IN_FLIGHT: usize = 4;

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

    fn put_part(&self, part: u32, upload: &Upload) -> StoreFuture<bool> {
        let start = part as usize * SNAPSHOT_PART_BYTES;
        let end = upload.bytes.len().min(start + SNAPSHOT_PART_BYTES);
        let request = StoreRequest::SnapshotPut {
            seq: upload.seq,
            digest: upload.digest,
            part,
            parts: upload.parts,
            bytes: upload.bytes[start..end].to_vec(),
        };
        self.call(&request, answers::snapshot_taken)
    }

    async fn put_parts(self, upload: Upload) -> Result<(), StoreError> {
        let mut under_way = VecDeque::new();
        let mut complete = false;
        for part in 0..upload.parts {
            if under_way.len() == PARTS_IN_FLIGHT
                && let Some(first) = under_way.pop_front()
            {
                complete |= first.await?;
            }
            under_way.push_back(self.put_part(part, &upload));
        }
        for rest in under_way {
            complete |= rest.await?;
        }
        if complete { Ok(()) } else { Err(Garbage::WrongSize.into()) }
    }

    fn get_part(&self, part: u32, info: SnapshotInfo) -> StoreFuture<Vec<u8>> {
        let request = StoreRequest::SnapshotRead { seq: info.seq, part };
        self.call(&request, move |answer| answers::snapshot_part(answer, part, info.parts))
    }

    async fn get_parts(self, info: SnapshotInfo) -> Result<Vec<u8>, StoreError> {
        let mut under_way = VecDeque::new();
        let mut bytes = Vec::new();
        for part in 0..info.parts {
            under_way.push_back(self.get_part(part, info));
            if under_way.len() == PARTS_IN_FLIGHT
                && let Some(first) = under_way.pop_front()
            {
                bytes.extend(first.await?);
            }
        }
        for rest in under_way {
            bytes.extend(rest.await?);
        }
        if bytes.len() as u64 == info.bytes { Ok(bytes) } else { Err(Garbage::WrongSize.into()) }
    }
}

/// A snapshot in transfer to the store.
struct Upload {
    seq: u64,
    digest: Bytes32,
    parts: u32,
    bytes: Bytes,
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

    fn snapshot_put(&self, seq: u64, digest: Bytes32, bytes: Bytes) -> StoreFuture<()> {
        let Some(parts) = answers::snapshot_parts(bytes.len() as u64) else {
            return Box::pin(ready(Err(StoreError::TooLarge { bytes: bytes.len() })));
        };
        Box::pin(self.clone().put_parts(Upload { seq, digest, parts, bytes }))
    }

    fn snapshots(&self) -> StoreFuture<Vec<SnapshotInfo>> {
        self.call(&StoreRequest::Snapshots, answers::snapshots)
    }

    fn snapshot_read(&self, info: SnapshotInfo) -> StoreFuture<Vec<u8>> {
        if answers::snapshot_parts(info.bytes) != Some(info.parts) {
            return Box::pin(ready(Err(Garbage::WrongSize.into())));
        }
        Box::pin(self.clone().get_parts(info))
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
