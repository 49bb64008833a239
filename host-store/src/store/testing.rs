//! Shared code of this crate's tests: chained frames, a store in a temporary folder, a disk whose
//! syncs fail on demand.

use super::disk::{DiskStore, OpenError, StoreOptions};
use super::port::{CheckedFrame, LogStore as _};
use super::sync::{DiskSyncer, Syncer};
use mortise_format::frame::{
    FRAME_VERSION, Frame, FrameHeader, FrameKind, FrameLeaf, cipher_digest, clear_digest,
};
use mortise_format::ids::{Bytes32, EngineId, FrameDigest, PolicyHash, Root};
use mortise_format::rules::RuleSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Small enough that a few large frames fill it.
const TEST_SEGMENT_BYTES: u64 = 5 << 19;

/// A frame of a given kind and position with `bytes` bytes of body.
pub(crate) fn frame(
    kind: FrameKind,
    epoch: u64,
    seq: u64,
    time_ms: u64,
    previous: FrameDigest,
    bytes: usize,
) -> CheckedFrame {
    let cipher: Vec<u8> = (0..bytes).map(|i| (i as u64 ^ seq) as u8 | 1).collect();
    let header = FrameHeader {
        version: FRAME_VERSION,
        rules: RuleSet::NEWEST,
        kind: FrameHeader::kind_byte(kind),
        engine_id: EngineId([7; 32]),
        epoch,
        seq,
        time_ms,
        previous,
        event_count: 1,
        event_root: Root([1; 32]),
        state_root: Root([2; 32]),
        policy_hash: PolicyHash([3; 32]),
        clear_bytes: 0,
        cipher_bytes: u32::try_from(bytes).unwrap(),
    };
    let leaf = FrameLeaf {
        header,
        clear_digest: clear_digest(&[]),
        cipher_digest: cipher_digest(&cipher),
        mac: Bytes32([5; 32]),
    };
    CheckedFrame::parse(Frame::new(leaf, vec![], cipher).unwrap().encode()).unwrap()
}

/// The first `count` frames of a log: a boot frame, then event frames.
pub(crate) fn chain(count: u64, bytes: usize) -> Vec<CheckedFrame> {
    let mut frames: Vec<CheckedFrame> = Vec::new();
    for seq in 0..count {
        let previous = frames.last().map_or(FrameDigest::ZERO, CheckedFrame::digest);
        let kind = if seq == 0 { FrameKind::Boot } else { FrameKind::Events };
        frames.push(frame(kind, 1, seq, 1_700_000_000_000 + seq, previous, bytes));
    }
    frames
}

/// As a frame of `chain`, but of another engine.
pub(crate) fn foreign(original: &CheckedFrame) -> CheckedFrame {
    let old = Frame::decode(original.bytes()).unwrap();
    let mut leaf = old.leaf().clone();
    leaf.header.engine_id = EngineId([8; 32]);
    let (clear, cipher) = (old.clear().to_vec(), old.cipher().to_vec());
    CheckedFrame::parse(Frame::new(leaf, clear, cipher).unwrap().encode()).unwrap()
}

/// A disk that counts successful syncs, and whose syncs fail or hang and whose room ends once the
/// test says so.
#[derive(Debug, Default)]
pub(crate) struct FailingSyncer {
    pub(crate) fails: AtomicBool,
    pub(crate) synced: AtomicU64,
    /// No room is left.
    pub(crate) is_full: AtomicBool,
    /// The disk does not answer any more. What waits for it waits for ever.
    pub(crate) hangs: AtomicBool,
    /// Syncs that wait.
    pub(crate) waiting: AtomicU64,
}

impl Syncer for FailingSyncer {
    fn sync(&self, file: &File) -> io::Result<()> {
        if self.hangs.load(Ordering::SeqCst) {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            loop {
                std::thread::park();
            }
        }
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the test disk fails"));
        }
        self.synced.fetch_add(1, Ordering::SeqCst);
        DiskSyncer.sync(file)
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        if self.is_full.load(Ordering::SeqCst) { Ok(0) } else { DiskSyncer.free_bytes(folder) }
    }
}

/// A folder for a store, with its syncer.
pub(crate) struct Store {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) syncer: Arc<FailingSyncer>,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), syncer: Arc::default() }
    }

    pub(crate) fn options(&self) -> StoreOptions {
        let syncer: Arc<dyn Syncer> = Arc::<FailingSyncer>::clone(&self.syncer);
        StoreOptions { segment_bytes: TEST_SEGMENT_BYTES, syncer }
    }

    pub(crate) fn open(&self) -> Result<DiskStore, OpenError> {
        DiskStore::open(self.folder.path(), self.options())
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join(super::disk::LOG_FOLDER)
    }

    pub(crate) fn forget_index(&self) {
        std::fs::remove_dir_all(self.folder.path().join("index")).unwrap();
    }
}

impl DiskStore {
    /// Appends frames that follow the head, as one group.
    pub(crate) fn append(&self, frames: &[CheckedFrame]) {
        self.append_group(frames).unwrap();
    }
}
