//! The store on this machine's disk: frames in segments, small values in sled.
//!
//! ```text
//! append_group -> segment (write, sync) -> head moves -> recent -> [index thread] -> sled
//! read         -> recent, else sled -> segment
//! ```
//! The index is not on the path of an ack. Entries that a power loss drops are rebuilt from the end
//! of the log.

use super::condition::{Condition, StoreState};
use super::damage::{Damage, refuse};
use super::index::{CHECKPOINT_ENTRIES, FramePlace, Index, IndexError};
use super::indexer::{Indexer, Indexing, Recent};
use super::opening::{Opened, open_index};
use super::port::{AppendError, CheckedFrame, LogStore, SnapshotPart};
use super::pruned::{LogBase, Pruned};
use super::recovery::{RecoveryError, recover};
use super::room::{Room, is_full};
use super::sealed::{SealedCopy, SealedFiles, agreed};
use super::segment::{
    BLOCK_BYTES, SEGMENT_BYTES, SegmentReader, encode_record, record_bytes, segment_files,
    segment_path,
};
use super::snapshots::Snapshots;
use super::sync::{DiskSyncer, Syncer};
use super::tail::{SegmentAllocator, Tail};
use mortise_format::frame::{FrameLeaf, LEAF_BYTES};
use mortise_format::ids::{EngineId, FrameDigest};
use mortise_format::limits::{BLOB_BYTES_MAX, FRAME_BYTES_MAX};
use mortise_format::store::{LogHead, SnapshotInfo, StoreRefusal, blob_name_is_valid};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Name of the folder of segments.
pub(crate) const LOG_FOLDER: &str = "log";
/// Name of the folder of the index.
pub(crate) const INDEX_FOLDER: &str = "index";
/// Name of the folder of snapshots.
pub(crate) const SNAPSHOTS_FOLDER: &str = "snapshots";

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
    /// There is too little room to open the store. Nothing is damaged.
    #[error(
        "DISK_FULL: the file system of {} has {free} bytes free, {missing} too few to open the \
         store; nothing is lost: make room and start again",
        folder.display()
    )]
    DiskFull {
        /// The data folder.
        folder: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes missing.
        missing: u64,
    },
    /// The folder cannot be used.
    #[error("the data folder cannot be used: {0}")]
    Io(#[from] io::Error),
    /// The index does not open.
    #[error("the index cannot be used: {0}")]
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
    sealed: SealedFiles,
    syncer: Arc<dyn Syncer>,
    blobs: Mutex<()>,
    index: Arc<Index>,
    indexer: Indexer,
    room: Room,
    segment_bytes: u64,
    condition: Condition,
    damage: Damage,
    /// The frames that are no longer here.
    pub(super) pruned: Option<Pruned>,
    /// Released after everything above is closed.
    _lock: File,
}

#[derive(Debug, Clone, Copy)]
struct Durable {
    head: LogHead,
    engine_id: Option<EngineId>,
}

impl DiskStore {
    /// Opens the store in `folder`, which is created when missing, and reads the log from the last
    /// index entry to its end.
    ///
    /// # Errors
    /// `InUse` when another process has it; `DiskFull` when there is too little room for the index
    /// or the first segment; `Recovery` when an acknowledged frame is damaged;
    /// `Index`, `Io` when files cannot be used.
    pub fn open(folder: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        let StoreOptions { segment_bytes, syncer } = options;
        if segment_bytes < BLOCK_BYTES + record_bytes(FRAME_BYTES_MAX) {
            return Err(OpenError::SegmentTooSmall { bytes: segment_bytes });
        }
        let log = folder.join(LOG_FOLDER);
        std::fs::create_dir_all(&log)?;
        let lock = lock_exclusive(folder)?;
        let first_bytes = if segment_files(&log)?.is_empty() { segment_bytes } else { 0 };
        let room = Room::open(folder, Arc::clone(&syncer), first_bytes)?;
        let snapshots_folder = folder.join(SNAPSHOTS_FOLDER);
        let snapshots = Snapshots::open(snapshots_folder, Arc::clone(&syncer), room.clone())?;
        let sealed = SealedFiles::of(folder);
        sealed.make_folders()?;
        let has_frames = log_has_frames(&log)?;
        let Opened { index, is_lost } = open_index(folder, has_frames, &syncer)?;
        let index = Arc::new(index);
        syncer.sync_folder(folder)?;
        reconcile_values(&sealed, &index, &*syncer)?;
        snapshots.reconcile(&index)?;
        let syncer_of_values = Arc::clone(&syncer);
        let room_of_log = room.clone();
        let allocator =
            SegmentAllocator { folder: log.clone(), segment_bytes, syncer, room: room_of_log };
        let pruned = Pruned::open(&log).map_err(RecoveryError::from)?;
        let base = pruned.as_ref().map_or(LogBase::WHOLE, Pruned::base);
        let recovered = recover(&allocator, &index, is_lost, &base)?;
        if recovered.wiped {
            tracing::warn!(next_seq = recovered.head.next_seq, "{WIPED}");
        }
        for places in recovered.unindexed.chunks(CHECKPOINT_ENTRIES) {
            room.require_index()?;
            index.add_frames(places)?;
            index.checkpoint()?;
        }
        let recent = Recent::default();
        index.mark_rebuilt()?;
        let condition = Condition::new();
        let indexed = Indexing {
            index: Arc::clone(&index),
            recent: Arc::clone(&recent),
            room: room.clone(),
            condition: condition.clone(),
        };
        let indexer = Indexer::start(indexed)?;
        let durable = Durable { head: recovered.head, engine_id: recovered.engine_id };
        Ok(Self {
            log,
            durable: Mutex::new(durable),
            tail: Mutex::new(recovered.tail),
            recent,
            snapshots,
            sealed,
            syncer: syncer_of_values,
            blobs: Mutex::new(()),
            index,
            indexer,
            room,
            segment_bytes,
            condition,
            damage: Damage::default(),
            pruned,
            _lock: lock,
        })
    }

    /// Whether the store can append, now and at each change.
    pub fn state(&self) -> watch::Receiver<StoreState> {
        self.condition.watch()
    }

    /// Bytes free in the file system of the data folder.
    ///
    /// # Errors
    /// The file system's error.
    pub fn free_bytes(&self) -> io::Result<u64> {
        self.room.free()
    }

    /// Notices that the disk became full, or has room again, also when no frame comes.
    pub fn check_room(&self) {
        let was_full = self.condition.now() == StoreState::Full;
        let is_enough =
            self.room.reserve() && (!was_full || self.room.check(self.segment_bytes).is_ok());
        self.condition.enter(if is_enough { StoreState::Appending } else { StoreState::Full });
    }

    fn append_in_room(&self, frames: &[CheckedFrame]) -> Result<(), AppendError> {
        let Some(last) = frames.last() else { return Ok(()) };
        if self.condition.now() == StoreState::Poisoned {
            return Err(AppendError::Failed(io::Error::other("the store failed before")));
        }
        // Without the reserve, what a frame adds to the index might meet the full disk.
        if !self.room.reserve() {
            return Err(AppendError::Full);
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

    fn require_unpoisoned(&self) -> Result<(), StoreRefusal> {
        match self.condition.now() {
            StoreState::Poisoned => Err(StoreRefusal::SyncFailed),
            _ => Ok(()),
        }
    }

    /// Passes a result on; after a failed sync the store takes nothing more.
    fn poisoning<T>(&self, result: Result<T, StoreRefusal>) -> Result<T, StoreRefusal> {
        if matches!(result, Err(StoreRefusal::SyncFailed)) {
            self.condition.enter(StoreState::Poisoned);
        }
        result
    }

    pub(super) fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    pub(super) fn place(&self, seq: u64) -> Result<FramePlace, StoreRefusal> {
        if let Some(place) = lock(&self.recent).get(&seq) {
            return Ok(*place);
        }
        let found = self.index.frame(seq).map_err(|_| StoreRefusal::Io)?;
        found.ok_or(StoreRefusal::Io)
    }

    /// A frame that is whole and the one that was acknowledged.
    fn frame_at(
        &self,
        seq: u64,
        place: FramePlace,
        open: &mut Option<(u64, SegmentReader)>,
    ) -> Result<Vec<u8>, StoreRefusal> {
        let length = usize::try_from(place.length).map_err(|_| StoreRefusal::Io)?;
        let frame = self.front_of(place, length, open).ok().map(CheckedFrame::parse);
        match frame {
            Some(Ok(frame)) if frame.digest() == place.digest && frame.seq() == seq => {
                Ok(frame.bytes().to_vec())
            }
            _ => Err(refuse(&self.damage, &self.condition, seq)),
        }
    }

    /// Checks one frame for the scrub; returns its length, if it is known.
    pub(super) fn check_frame(&self, seq: u64) -> Option<usize> {
        let place = self.place(seq).ok()?;
        let _ = self.frame_at(seq, place, &mut None);
        usize::try_from(place.length).ok()
    }

    pub(super) fn log_folder(&self) -> &Path {
        &self.log
    }

    pub(super) fn syncer(&self) -> &dyn Syncer {
        &*self.syncer
    }

    /// Where the stored frames begin.
    pub(crate) fn base(&self) -> LogBase {
        self.pruned.as_ref().map_or(LogBase::WHOLE, Pruned::base)
    }

    /// The first frame that is stored: those before it were pruned.
    pub fn first_frame(&self) -> u64 {
        self.base().head.next_seq
    }

    /// The digest of a frame of the log, stored or pruned; `None` if it is broken.
    pub(crate) fn digest_of(&self, seq: u64) -> io::Result<Option<FrameDigest>> {
        match self.pruned.as_ref().filter(|pruned| seq < pruned.base().head.next_seq) {
            Some(pruned) => Ok(pruned.leaf(seq)?.map(|leaf| leaf.digest)),
            None => Ok(self.place(seq).ok().map(|place| place.digest)),
        }
    }

    /// Frames below this are checked by the scrub.
    pub(super) fn scrub_end(&self) -> u64 {
        self.head().next_seq
    }

    /// The first stored frame that is known to be damaged, and the number of such frames.
    pub fn broken_frames(&self) -> Option<(u64, usize)> {
        self.damage.summary()
    }

    /// The bytes of a leaf, stored or pruned; `None` if it is broken.
    fn leaf_at(
        &self,
        seq: u64,
        open: &mut Option<(u64, SegmentReader)>,
    ) -> Result<Option<Vec<u8>>, StoreRefusal> {
        if let Some(pruned) = self.pruned.as_ref().filter(|_| seq < self.first_frame()) {
            let leaf = pruned.leaf(seq).map_err(|_| StoreRefusal::Io)?;
            return Ok(leaf.map(|leaf| leaf.bytes.to_vec()));
        }
        let place = self.place(seq)?;
        let leaf = self.front_of(place, LEAF_BYTES, open);
        // Only the digest of the place covers a leaf: the rest of the frame is not read.
        let is_whole = |leaf: &Vec<u8>| leaf_digest(leaf) == Some((seq, place.digest));
        Ok(leaf.ok().filter(is_whole))
    }

    /// The first bytes of a frame. Keeps the segment in `open` for the next frame.
    pub(super) fn front_of(
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

/// What is known of bytes after the last whole frame that nothing claims.
pub(crate) const WIPED: &str = "wiped bytes after the last whole frame: nothing on this disk shows \
    that a frame there was acknowledged. If the disk lost writes that it had confirmed, only a \
    newer receipt, a copy or a witness can show that";

/// Returns true when a segment of the log was ever used. A segment that cannot be read counts.
pub(crate) fn log_has_frames(log: &Path) -> io::Result<bool> {
    let has_frames = |path: &PathBuf| {
        SegmentReader::open(path).map_or(true, |reader| reader.first_seq().is_some())
    };
    Ok(segment_files(log)?.iter().any(|(_, path)| has_frames(path)))
}

/// Makes every missing copy of each sealed value from a whole one, and names what it cannot.
fn reconcile_values(
    sealed: &SealedFiles,
    index: &Index,
    syncer: &dyn Syncer,
) -> Result<(), OpenError> {
    let mut names = sealed.names()?;
    names.extend(index.blobs()?.into_iter().map(|(name, _)| name));
    for name in names {
        let copies = copies_of(&name, sealed, index);
        match agreed(&copies) {
            Ok(Some(bytes)) => {
                for path in sealed.complete(&name, bytes, syncer)? {
                    tracing::warn!(path = %path.display(), "made a copy of a sealed value again");
                }
                if copies[2] == SealedCopy::Absent {
                    tracing::warn!(name, "put a sealed value into the index again");
                    index.put_blob(&name, bytes)?;
                }
            }
            Ok(None) => {}
            Err(refusal) => tracing::error!(name, %refusal, "{}", refusal_name(refusal)),
        }
    }
    Ok(())
}

fn refusal_name(refusal: StoreRefusal) -> &'static str {
    if refusal == StoreRefusal::BlobBroken { "BLOB_BROKEN" } else { "BLOB_CONFLICT" }
}

/// The three copies of a value; the last is the one in the index.
fn copies_of(name: &str, sealed: &SealedFiles, index: &Index) -> [SealedCopy; 3] {
    let [one, other] = sealed.read(name);
    let indexed = match index.blob(name) {
        Ok(Some(bytes)) => SealedCopy::Whole(bytes),
        Ok(None) => SealedCopy::Absent,
        Err(_) => SealedCopy::Broken,
    };
    [one, other, indexed]
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
        let result = self.append_in_room(frames);
        self.condition.enter(match &result {
            Ok(()) => StoreState::Appending,
            Err(AppendError::Full) => StoreState::Full,
            Err(AppendError::Failed(_)) => StoreState::Poisoned,
        });
        result
    }

    fn read(&self, from_seq: u64, bytes_max: usize) -> Result<Vec<Vec<u8>>, StoreRefusal> {
        let first = self.first_frame();
        if from_seq < first {
            let boot = self.pruned.as_ref().map(Pruned::boot);
            let boot = boot.filter(|boot| boot.seq() == from_seq);
            return match boot {
                Some(boot) => Ok(vec![boot.bytes().to_vec()]),
                None => Err(StoreRefusal::FramePruned { first }),
            };
        }
        let mut frames = Vec::new();
        let mut total = 0;
        let mut open = None;
        for seq in from_seq..self.head().next_seq {
            let frame = self.place(seq).and_then(|place| {
                total += place.length as usize;
                let is_over = total > bytes_max && !frames.is_empty();
                if is_over { Ok(None) } else { self.frame_at(seq, place, &mut open).map(Some) }
            });
            match frame {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                // What is whole before a damaged frame is served; the damage has its own answer.
                Err(_) if !frames.is_empty() => break,
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(frames)
    }

    fn leaves(&self, from_seq: u64, count: usize) -> Result<Vec<u8>, StoreRefusal> {
        let mut leaves = Vec::new();
        let mut open = None;
        for seq in (from_seq..self.head().next_seq).take(count) {
            match self.leaf_at(seq, &mut open)? {
                Some(leaf) => leaves.extend(leaf),
                None if !leaves.is_empty() => {
                    self.damage.found(seq);
                    break;
                }
                None => return Err(refuse(&self.damage, &self.condition, seq)),
            }
        }
        Ok(leaves)
    }

    fn snapshot_put(&self, part: SnapshotPart) -> Result<bool, StoreRefusal> {
        self.require_unpoisoned()?;
        self.poisoning(self.snapshots.put(part, &self.index))
    }

    fn snapshots(&self) -> Result<Vec<SnapshotInfo>, StoreRefusal> {
        self.snapshots.list(&self.index)
    }

    fn snapshot_read(&self, seq: u64, part: u32) -> Result<Vec<u8>, StoreRefusal> {
        let info = self.index.snapshot(seq).map_err(|_| StoreRefusal::Io)?;
        self.snapshots.read(&info.ok_or(StoreRefusal::SnapshotUnknown)?, part)
    }

    fn blob_put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreRefusal> {
        if !blob_name_is_valid(name) {
            return Err(StoreRefusal::BlobName);
        }
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(StoreRefusal::TooLarge);
        }
        self.require_unpoisoned()?;
        let _one_at_a_time = lock(&self.blobs);
        let copies = copies_of(name, &self.sealed, &self.index);
        if agreed(&copies)?.is_some_and(|kept| kept != bytes) {
            return Err(StoreRefusal::BlobExists);
        }
        if !self.room.admits_index() {
            return Err(StoreRefusal::Full);
        }
        // The files first: a crash in between leaves fewer copies, never a mixture. The index gets
        // an equal value again too: its first sync may have failed before a restart.
        let kept = match self.sealed.complete(name, bytes, &*self.syncer) {
            Ok(_) => self.index.put_blob(name, bytes).map_err(|_| StoreRefusal::SyncFailed),
            Err(error) if is_full(&error) => Err(StoreRefusal::Full),
            Err(_) => Err(StoreRefusal::SyncFailed),
        };
        self.poisoning(kept)
    }

    fn blob_get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreRefusal> {
        if !blob_name_is_valid(name) {
            return Err(StoreRefusal::BlobName);
        }
        let copies = copies_of(name, &self.sealed, &self.index);
        Ok(agreed(&copies)?.map(<[u8]>::to_vec))
    }
}

/// The seq and digest of a leaf that decodes.
fn leaf_digest(bytes: &[u8]) -> Option<(u64, FrameDigest)> {
    let leaf = FrameLeaf::decode(bytes).ok()?;
    Some((leaf.header.seq, leaf.digest()))
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
    if is_full(&error) { AppendError::Full } else { AppendError::Failed(error) }
}
