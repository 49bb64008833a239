//! The store on this machine's disk: frames in segments, small values in sled.
//!
//! ```text
//! append_group -> segment (write, sync) -> head moves -> recent -> [index thread] -> sled
//! read         -> recent, else sled -> segment
//! ```
//! The index is not on the path of an ack. Entries that a power loss drops are rebuilt from the end
//! of the log.

use super::index::{CHECKPOINT_ENTRIES, FramePlace, Index, IndexError};
use super::port::{AppendError, CheckedFrame, LogStore, SnapshotPart};
use super::recovery::{RecoveryError, recover};
use super::segment::{
    BLOCK_BYTES, SEGMENT_BYTES, SegmentReader, encode_record, record_bytes, segment_path,
};
use super::snapshots::Snapshots;
use super::sync::{DiskSyncer, Syncer};
use super::tail::{SegmentAllocator, Tail};
use mortise_format::frame::LEAF_BYTES;
use mortise_format::ids::EngineId;
use mortise_format::limits::{BLOB_BYTES_MAX, FRAME_BYTES_MAX};
use mortise_format::store::{LogHead, SnapshotInfo, StoreRefusal, blob_name_is_valid};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Name of the folder of segments.
pub(crate) const LOG_FOLDER: &str = "log";
/// Name of the folder of the index.
pub(crate) const INDEX_FOLDER: &str = "index";
/// Name of the folder of snapshots.
pub(crate) const SNAPSHOTS_FOLDER: &str = "snapshots";
/// Most groups of entries that wait for the index. Above that, appends wait.
const INDEX_QUEUE: usize = 1024;
/// Time from the last append to the checkpoint of the index.
const INDEX_IDLE: Duration = Duration::from_millis(100);

/// Options of a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Size of a segment file. At least one frame of the largest size must fit.
    pub segment_bytes: u64,
    /// Forces bytes to the disk.
    pub syncer: Arc<dyn Syncer>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES, syncer: Arc::new(DiskSyncer) }
    }
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the folder open.
    #[error("the data folder {} is in use by another mortise-host", folder.display())]
    InUse { folder: PathBuf },
    /// The segment size has no room for a frame of the largest size.
    #[error("a segment of {bytes} bytes does not hold the largest frame")]
    SegmentTooSmall {
        /// The segment size.
        bytes: u64,
    },
    /// The folder cannot be used.
    #[error("the data folder cannot be used: {0}")]
    Io(#[from] io::Error),
    /// The index does not open.
    #[error(
        "{0}; the log can rebuild the index, but not the sealed values in it: restore the index"
    )]
    Index(#[from] IndexError),
    /// The log is damaged.
    #[error("{0}; run `mortise-host repair`: it reports what is lost and how to recover it")]
    Recovery(#[from] RecoveryError),
}

/// A [`LogStore`] on the disk.
#[derive(Debug)]
pub struct DiskStore {
    log: PathBuf,
    durable: Mutex<Durable>,
    tail: Mutex<Tail>,
    recent: Recent,
    snapshots: Snapshots,
    blobs: Mutex<()>,
    index: Arc<Index>,
    indexer: Indexer,
    /// Released after everything above is closed.
    _lock: File,
}

#[derive(Debug, Clone, Copy)]
struct Durable {
    head: LogHead,
    engine_id: Option<EngineId>,
}

/// Locations of durable frames that may not be in the index yet.
type Recent = Arc<Mutex<BTreeMap<u64, FramePlace>>>;

impl DiskStore {
    /// Opens the store in `folder`, which is created when missing, and reads the log from the last
    /// index entry to its end.
    ///
    /// # Errors
    /// `InUse` when another process has it; `Recovery` when an acknowledged frame is damaged;
    /// `Index`, `Io` when files cannot be used.
    pub fn open(folder: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        let StoreOptions { segment_bytes, syncer } = options;
        if segment_bytes < BLOCK_BYTES + record_bytes(FRAME_BYTES_MAX) {
            return Err(OpenError::SegmentTooSmall { bytes: segment_bytes });
        }
        let log = folder.join(LOG_FOLDER);
        std::fs::create_dir_all(&log)?;
        let lock = lock_exclusive(folder)?;
        let snapshots = Snapshots::open(folder.join(SNAPSHOTS_FOLDER), Arc::clone(&syncer))?;
        let index = Arc::new(Index::open(&folder.join(INDEX_FOLDER), Arc::clone(&syncer))?);
        syncer.sync_folder(folder)?;
        let allocator = SegmentAllocator { folder: log.clone(), segment_bytes, syncer };
        let recovered = recover(&allocator, &index)?;
        if recovered.wiped {
            tracing::warn!(
                next_seq = recovered.head.next_seq,
                "wiped a torn write after the last whole frame; it was never acknowledged"
            );
        }
        for places in recovered.unindexed.chunks(CHECKPOINT_ENTRIES) {
            index.add_frames(places)?;
            index.checkpoint()?;
        }
        let recent = Recent::default();
        let indexer = Indexer::start(Arc::clone(&index), Arc::clone(&recent))?;
        let durable = Durable { head: recovered.head, engine_id: recovered.engine_id };
        Ok(Self {
            log,
            durable: Mutex::new(durable),
            tail: Mutex::new(recovered.tail),
            recent,
            snapshots,
            blobs: Mutex::new(()),
            index,
            indexer,
            _lock: lock,
        })
    }

    fn place(&self, seq: u64) -> Result<FramePlace, StoreRefusal> {
        if let Some(place) = lock(&self.recent).get(&seq) {
            return Ok(*place);
        }
        let found = self.index.frame(seq).map_err(|_| StoreRefusal::Io)?;
        found.ok_or(StoreRefusal::Io)
    }

    /// The first bytes of a frame. Keeps the segment in `open` for the next frame.
    fn front_of(
        &self,
        place: FramePlace,
        bytes: usize,
        open: &mut Option<(u64, SegmentReader)>,
    ) -> Result<Vec<u8>, StoreRefusal> {
        let reader = match open.take() {
            Some((segment, reader)) if segment == place.segment => reader,
            _ => SegmentReader::open(&segment_path(&self.log, place.segment))
                .map_err(|_| StoreRefusal::Io)?,
        };
        let front = reader.frame_bytes(place.offset, bytes).map_err(|_| StoreRefusal::Io)?;
        *open = Some((place.segment, reader));
        Ok(front)
    }
}

/// Locks the folder for this process.
pub(crate) fn lock_exclusive(folder: &Path) -> Result<File, OpenError> {
    let file = File::options().create(true).truncate(false).write(true).open(lock_path(folder))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Keeps a host from opening the folder while it is read; `None` when a host has it open.
pub(crate) fn lock_shared(folder: &Path) -> io::Result<Option<File>> {
    let file = match File::open(lock_path(folder)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => File::open(folder)?,
        other => other?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.join("lock")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The guarded values are replaced as a whole, so a panic leaves nothing half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LogStore for DiskStore {
    fn head(&self) -> LogHead {
        lock(&self.durable).head
    }

    fn engine_id(&self) -> Option<EngineId> {
        lock(&self.durable).engine_id
    }

    fn append_group(&self, frames: &[CheckedFrame]) -> Result<(), AppendError> {
        let Some(last) = frames.last() else { return Ok(()) };
        if self.indexer.failed() {
            return Err(AppendError::Failed(io::Error::other("the index failed")));
        }
        let mut tail = lock(&self.tail);
        let bytes = frames.iter().map(|f| record_bytes(f.bytes().len())).sum();
        if !tail.fits(bytes) {
            tail.ensure_spare().map_err(full_or_failed)?;
        }
        let places = write_group(&mut tail, frames, self.head().next_seq)?;
        tail.prepare_spare();
        lock(&self.recent).extend(places.iter().copied());
        let head = LogHead { next_seq: last.seq() + 1, digest: last.digest() };
        *lock(&self.durable) = Durable { head, engine_id: Some(last.engine_id()) };
        self.indexer.add(places);
        Ok(())
    }

    fn read(&self, from_seq: u64, bytes_max: usize) -> Result<Vec<Vec<u8>>, StoreRefusal> {
        let mut frames = Vec::new();
        let mut total = 0;
        let mut open = None;
        for seq in from_seq..self.head().next_seq {
            let place = self.place(seq)?;
            let length = usize::try_from(place.length).map_err(|_| StoreRefusal::Io)?;
            total += length;
            if total > bytes_max && !frames.is_empty() {
                break;
            }
            frames.push(self.front_of(place, length, &mut open)?);
        }
        Ok(frames)
    }

    fn leaves(&self, from_seq: u64, count: usize) -> Result<Vec<u8>, StoreRefusal> {
        let mut leaves = Vec::new();
        let mut open = None;
        for seq in (from_seq..self.head().next_seq).take(count) {
            let place = self.place(seq)?;
            leaves.extend(self.front_of(place, LEAF_BYTES, &mut open)?);
        }
        Ok(leaves)
    }

    fn snapshot_put(&self, part: SnapshotPart) -> Result<bool, StoreRefusal> {
        self.snapshots.put(part, &self.index)
    }

    fn snapshot_latest(&self) -> Result<Option<SnapshotInfo>, StoreRefusal> {
        let all = self.index.snapshots().map_err(|_| StoreRefusal::Io)?;
        Ok(all.last().copied())
    }

    fn snapshot_read(&self, seq: u64, part: u32) -> Result<Vec<u8>, StoreRefusal> {
        let info = self.index.snapshot(seq).map_err(|_| StoreRefusal::Io)?;
        self.snapshots.read(&info.ok_or(StoreRefusal::SnapshotUnknown)?, part)
    }

    fn blob_put(&self, name: &str, bytes: &[u8], overwrite: bool) -> Result<(), StoreRefusal> {
        if !blob_name_is_valid(name) {
            return Err(StoreRefusal::BlobName);
        }
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(StoreRefusal::TooLarge);
        }
        let _one_at_a_time = lock(&self.blobs);
        let kept = self.index.blob(name).map_err(|_| StoreRefusal::Io)?;
        if !overwrite && kept.is_some_and(|kept| kept != bytes) {
            return Err(StoreRefusal::BlobExists);
        }
        // Writes an equal value again too: its first sync may have failed before a restart.
        self.index.put_blob(name, bytes).map_err(|_| StoreRefusal::SyncFailed)
    }

    fn blob_get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreRefusal> {
        if !blob_name_is_valid(name) {
            return Err(StoreRefusal::BlobName);
        }
        self.index.blob(name).map_err(|_| StoreRefusal::Io)
    }
}

/// Writes a group, in the next segment where one is full, and syncs it.
fn write_group(
    tail: &mut Tail,
    frames: &[CheckedFrame],
    durable: u64,
) -> io::Result<Vec<(u64, FramePlace)>> {
    let mut places = Vec::with_capacity(frames.len());
    let mut run = Vec::with_capacity(frames.iter().map(|f| f.bytes().len() + 1024).sum());
    let mut first_of_run = durable;
    for frame in frames {
        if !tail.fits(run.len() as u64 + record_bytes(frame.bytes().len())) {
            if !run.is_empty() {
                tail.write(first_of_run, &run)?;
                tail.sync()?;
                run.clear();
            }
            tail.roll()?;
            first_of_run = frame.seq();
        }
        let place = FramePlace {
            segment: tail.number(),
            offset: tail.offset() + run.len() as u64,
            length: u32::try_from(frame.bytes().len()).map_err(io::Error::other)?,
            digest: frame.digest(),
        };
        places.push((frame.seq(), place));
        encode_record(frame, durable, &mut run);
    }
    tail.write(first_of_run, &run)?;
    tail.sync()?;
    Ok(places)
}

fn full_or_failed(error: io::Error) -> AppendError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => AppendError::Full,
        _ => AppendError::Failed(error),
    }
}

/// The thread that writes locations of frames to the index.
#[derive(Debug)]
struct Indexer {
    queue: Option<SyncSender<Vec<(u64, FramePlace)>>>,
    thread: Option<JoinHandle<()>>,
    failed: Arc<AtomicBool>,
}

impl Indexer {
    fn start(index: Arc<Index>, recent: Recent) -> io::Result<Self> {
        let (queue, queued) = sync_channel(INDEX_QUEUE);
        let failed = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&failed);
        let thread = std::thread::Builder::new().name("mortise-index".into()).spawn(move || {
            if let Err(error) = index_all(&index, &queued, &recent) {
                tracing::error!(%error, "the index failed; the store accepts no more frames");
                told.store(true, Ordering::SeqCst);
            }
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), failed })
    }

    fn failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    fn add(&self, places: Vec<(u64, FramePlace)>) {
        if let Some(queue) = &self.queue {
            // The thread ends before its queue only on a failure, which the next append reports.
            let _ = queue.send(places);
        }
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Collects locations and writes many at once, because each batch of sled is a write to the disk
/// that the frames share.
fn index_all(
    index: &Index,
    queued: &Receiver<Vec<(u64, FramePlace)>>,
    recent: &Mutex<BTreeMap<u64, FramePlace>>,
) -> Result<(), IndexError> {
    let mut collected = Vec::new();
    loop {
        let open = match queued.recv_timeout(INDEX_IDLE) {
            Ok(places) => {
                collected.extend(places);
                if collected.len() < CHECKPOINT_ENTRIES {
                    continue;
                }
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        };
        if !collected.is_empty() {
            index.add_frames(&collected)?;
            index.checkpoint()?;
            let mut recent = lock(recent);
            for (seq, _) in collected.drain(..) {
                recent.remove(&seq);
            }
        }
        if !open {
            return Ok(());
        }
    }
}
