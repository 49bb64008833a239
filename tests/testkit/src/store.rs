//! A disk that loses what was not synced, behind the engine's own store port.
//!
//! ```text
//! write -> frames[synced..]: the operating system has them; a crash may drop any tail of them
//! sync  -> synced = frames.len(): a crash keeps them
//! ```
//! The port serves what a host serves after a restart. A test that needs a dishonest host changes
//! the content: see [`Disk::edit`].

use mortise_engine::store::{Ack, Garbage, LogStore, StoreError, StoreFuture};
use mortise_format::frame::{Frame, FrameLeaf, LEAF_BYTES};
use mortise_format::ids::{Bytes32, FrameDigest};
use mortise_format::limits::SNAPSHOT_PART_BYTES;
use mortise_format::store::{LogHead, SNAPSHOTS_KEPT, SnapshotInfo, StoreRefusal};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

/// What is on the disk. Clones share it, as two processes share one disk.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<Content>>);

/// The content of a disk.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// The bytes of each frame.
    pub frames: Vec<Vec<u8>>,
    /// How many of them are synced.
    pub synced: usize,
    /// Sealed snapshots, by the frame after which they were taken.
    pub snapshots: BTreeMap<u64, (Bytes32, Vec<u8>)>,
    /// The snapshot of which parts are stored: its last frame, and the parts.
    pub receiving: Option<(u64, BTreeMap<u32, Vec<u8>>)>,
    /// Small sealed values.
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// The head that a dishonest store answers with.
    pub head: Option<LogHead>,
}

impl Disk {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().expect("no holder of the disk panics")
    }

    /// Changes the content, as a dishonest host or a bad sector does.
    pub fn edit<T>(&self, change: impl FnOnce(&mut Content) -> T) -> T {
        change(&mut self.content())
    }

    /// An independent disk with the same content.
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.content().clone())))
    }

    /// Writes a frame without syncing it.
    pub fn write(&self, frame: &Frame) {
        self.content().frames.push(frame.encode());
    }

    /// Syncs everything that was written.
    pub fn sync(&self) {
        let mut content = self.content();
        content.synced = content.frames.len();
    }

    /// Loses power: the first `kept` of the frames that were not synced survive.
    pub fn crash(&self, kept: usize) {
        let mut content = self.content();
        let synced = content.synced;
        content.frames.truncate(synced + kept);
        content.synced = content.frames.len();
    }

    /// Number of frames that survive every crash.
    pub fn synced(&self) -> usize {
        self.content().synced
    }

    /// True when exactly this frame is synced.
    pub fn holds(&self, seq: u64, digest: &FrameDigest) -> bool {
        let content = self.content();
        let at = usize::try_from(seq).expect("few frames");
        let bytes = content.frames[..content.synced].get(at);
        let frame = bytes.and_then(|bytes| Frame::decode(bytes).ok());
        frame.is_some_and(|frame| frame.digest() == *digest)
    }

    /// The frames up to the first one that does not decode.
    pub fn frames(&self) -> Vec<Frame> {
        let content = self.content();
        content.frames.iter().map_while(|bytes| Frame::decode(bytes).ok()).collect()
    }
}

impl Content {
    fn log_head(&self) -> Result<LogHead, StoreError> {
        if let Some(head) = self.head {
            return Ok(head);
        }
        let Some(last) = self.frames.last() else { return Ok(LogHead::EMPTY) };
        let next_seq = u64::try_from(self.frames.len()).expect("few frames");
        let last = decode(next_seq - 1, last)?;
        Ok(LogHead { next_seq, digest: last.digest() })
    }

    fn append(&mut self, frame: &Frame) -> Result<Ack, StoreError> {
        let head = self.log_head()?;
        let (seq, expected) = (frame.header().seq, head.next_seq);
        let refusal = match seq.cmp(&expected) {
            std::cmp::Ordering::Less => Some(StoreRefusal::SeqTaken { expected }),
            std::cmp::Ordering::Greater => Some(StoreRefusal::Gap { expected }),
            std::cmp::Ordering::Equal if frame.header().previous != head.digest => {
                Some(StoreRefusal::PreviousMismatch { expected: head.digest })
            }
            std::cmp::Ordering::Equal => None,
        };
        if let Some(refusal) = refusal {
            return Err(refusal.into());
        }
        self.frames.push(frame.encode());
        self.synced = self.frames.len();
        Ok(Ack { seq, digest: frame.digest() })
    }

    fn read(&self, from_seq: u64, bytes_max: u32) -> Result<Vec<Frame>, StoreError> {
        let from = usize::try_from(from_seq).expect("few frames");
        let max = usize::try_from(bytes_max).expect("32 bits fit");
        let mut frames = Vec::new();
        let mut size = 0;
        for (seq, bytes) in (from_seq..).zip(self.frames.iter().skip(from)) {
            size += bytes.len();
            if !frames.is_empty() && size > max {
                break;
            }
            frames.push(decode(seq, bytes)?);
        }
        Ok(frames)
    }

    fn newest(&self) -> Vec<SnapshotInfo> {
        let info = |(seq, (digest, bytes)): (&u64, &(Bytes32, Vec<u8>))| {
            let parts = bytes.len().div_ceil(SNAPSHOT_PART_BYTES);
            let parts = u32::try_from(parts).expect("few parts");
            let bytes = u64::try_from(bytes.len()).expect("a snapshot fits");
            SnapshotInfo { seq: *seq, digest: *digest, parts, bytes }
        };
        self.snapshots.iter().rev().take(SNAPSHOTS_KEPT).map(info).collect()
    }
}

fn decode(seq: u64, bytes: &[u8]) -> Result<Frame, StoreError> {
    Frame::decode(bytes).map_err(|error| Garbage::NotAFrame { seq, error }.into())
}

fn ready<T: Send + 'static>(result: Result<T, StoreError>) -> StoreFuture<T> {
    Box::pin(std::future::ready(result))
}

impl LogStore for Disk {
    fn head(&self) -> StoreFuture<LogHead> {
        ready(self.content().log_head())
    }

    fn append(&self, frame: &Frame) -> StoreFuture<Ack> {
        ready(self.content().append(frame))
    }

    fn read(&self, from_seq: u64, bytes_max: u32) -> StoreFuture<Vec<Frame>> {
        ready(self.content().read(from_seq, bytes_max))
    }

    /// As a host: the answer ends before a damaged leaf, or is an error if that is its first one.
    fn leaves(&self, from_seq: u64, count: u32) -> StoreFuture<Vec<FrameLeaf>> {
        let content = self.content();
        let from = usize::try_from(from_seq).expect("few frames");
        let count = usize::try_from(count).expect("32 bits fit");
        let mut leaves = Vec::new();
        for (seq, bytes) in (from_seq..).zip(content.frames.iter().skip(from).take(count)) {
            match FrameLeaf::decode(bytes.get(..LEAF_BYTES).unwrap_or(bytes)) {
                Ok(leaf) => leaves.push(leaf),
                Err(_) if !leaves.is_empty() => break,
                Err(error) => return ready(Err(Garbage::NotAFrame { seq, error }.into())),
            }
        }
        ready(Ok(leaves))
    }

    fn snapshot_put(
        &self,
        seq: u64,
        part: u32,
        manifest: Option<Bytes32>,
        bytes: Vec<u8>,
    ) -> StoreFuture<bool> {
        let mut content = self.content();
        if content.receiving.as_ref().is_none_or(|(receiving, _)| *receiving != seq) {
            content.receiving = Some((seq, BTreeMap::new()));
        }
        let Some((_, parts)) = content.receiving.as_mut() else { return ready(Ok(false)) };
        parts.insert(part, bytes);
        let Some(digest) = manifest else { return ready(Ok(false)) };
        let whole = parts.range(..=part).map(|(_, bytes)| &bytes[..]).collect::<Vec<_>>().concat();
        content.receiving = None;
        content.snapshots.insert(seq, (digest, whole));
        ready(Ok(true))
    }

    fn snapshots(&self) -> StoreFuture<Vec<SnapshotInfo>> {
        ready(Ok(self.content().newest()))
    }

    fn snapshot_read(&self, info: SnapshotInfo, part: u32) -> StoreFuture<Vec<u8>> {
        let content = self.content();
        let found = content.snapshots.get(&info.seq).map(|(_, bytes)| {
            let part = usize::try_from(part).expect("32 bits fit");
            bytes.chunks(SNAPSHOT_PART_BYTES).nth(part).unwrap_or_default().to_vec()
        });
        ready(found.ok_or_else(|| StoreRefusal::SnapshotUnknown.into()))
    }

    fn blob_put(&self, name: &str, bytes: Vec<u8>) -> StoreFuture<()> {
        let mut content = self.content();
        let differs = content.blobs.get(name).is_some_and(|known| *known != bytes);
        if differs {
            return ready(Err(StoreRefusal::BlobExists.into()));
        }
        content.blobs.insert(name.to_owned(), bytes);
        ready(Ok(()))
    }

    fn blob_get(&self, name: &str) -> StoreFuture<Option<Vec<u8>>> {
        ready(Ok(self.content().blobs.get(name).cloned()))
    }
}

/// The result of a future that is ready at once, as every call of [`Disk`] is.
///
/// # Panics
/// When the future waits.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a call of the disk is answered at once"),
    }
}
