//! `mortise-host prune`: removes the oldest segments of a stopped store, once they are elsewhere.
//!
//! What it is for: the log grows for ever, and the disk does not. A segment may go when an export
//! has its frames, when the snapshots are newer, so that no start needs them, and when it is older
//! than what people ask for.
//!
//! What it does not do: run beside a host; decide by itself; forget a frame. The leaf of each frame
//! stays, so that proofs about the history go on; the frames are in the export.
//!
//! Invariants: a frame is removed only if the export at hand is whole and has exactly this frame,
//! and two complete snapshots are behind it. Without `write` nothing changes.

use crate::export::{ExportError, ExportReader};
use crate::store::{
    DiskStore, LOG_FOLDER, LogBase, LogStore as _, OpenError, RecordError, SegmentReader,
    StoreOptions, segment_files,
};
use mortise_format::frame::FrameLeaf;
use mortise_format::store::{LogHead, SNAPSHOTS_KEPT, StoreRefusal};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Size of the buffer in front of the export.
const BUFFER_BYTES: usize = 1024 * 1024;

/// What to prune.
#[derive(Debug)]
pub struct Options {
    /// The data folder.
    pub data_dir: PathBuf,
    /// An export that has the frames.
    pub export: PathBuf,
    /// Frames that are younger than this, by the times of the frames, stay.
    pub keep: Duration,
    /// Whether to remove anything.
    pub write: bool,
    /// How to open the store.
    pub store: StoreOptions,
}

/// What can be removed, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Frames that can go, or went.
    pub frames: u64,
    /// Bytes of their segments.
    pub bytes: u64,
    /// The first frame that stays.
    pub first_frame: u64,
    /// Frames of the export.
    pub exported: u64,
    /// The frame of the older snapshot.
    pub snapshot: u64,
    /// Whether they are removed.
    pub is_written: bool,
}

/// Why nothing was removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// There is no log in the folder.
    #[error("there is no log in {}", .0.display())]
    NoLog(PathBuf),
    /// A host has it open.
    #[error("{} is in use by a mortise-host: stop it first", .0.display())]
    InUse(PathBuf),
    /// The store does not open.
    #[error(transparent)]
    Open(OpenError),
    /// The export is not whole.
    #[error("{}: {error}", file.display())]
    Export {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: ExportError,
    },
    /// The export has another frame.
    #[error(
        "{} has another frame {seq} than this log, or this log does not have it: it is not an \
         export of this log, and nothing was removed", file.display()
    )]
    OtherLog {
        /// The file.
        file: PathBuf,
        /// The frame.
        seq: u64,
    },
    /// There are too few snapshots.
    #[error(
        "the store has {found} complete snapshots of {SNAPSHOTS_KEPT}: without them the engine \
         starts from the frames. It takes one every few thousand frames and at each stop in order"
    )]
    Snapshots {
        /// Complete snapshots.
        found: usize,
    },
    /// A segment is damaged.
    #[error("a segment is damaged: {0}; run mortise-host repair first")]
    Segment(#[from] RecordError),
    /// The store cannot be read.
    #[error("the store cannot be read: {0}; run mortise-host repair first")]
    Store(StoreRefusal),
    /// The file system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Looks what can be removed and, with `write`, removes it. `progress` hears checked bytes of the
/// export and all.
///
/// # Errors
/// See [`PruneError`].
pub fn prune(options: &Options, progress: impl FnMut(u64, u64)) -> Result<Report, PruneError> {
    let log = options.data_dir.join(LOG_FOLDER);
    if !log.is_dir() {
        return Err(PruneError::NoLog(options.data_dir.clone()));
    }
    let store = match DiskStore::open(&options.data_dir, options.store.clone()) {
        Err(OpenError::InUse { folder }) => return Err(PruneError::InUse(folder)),
        other => other.map_err(PruneError::Open)?,
    };
    let snapshot = older_snapshot(&store)?;
    let exported = exported(&store, &options.export, progress)?;
    let covered = exported.min(snapshot + 1);
    let found = whole_segments(&store, &log, covered, options.keep)?;
    let first = store.first_frame();
    let report = Report {
        frames: found.base.head.next_seq.saturating_sub(first),
        bytes: found.bytes,
        first_frame: found.base.head.next_seq,
        exported,
        snapshot,
        is_written: options.write && found.base.head.next_seq > first,
    };
    if report.is_written {
        store.drop_before(&found.base)?;
    }
    Ok(report)
}

/// The frame of the oldest complete snapshot, when all that a store keeps are there.
fn older_snapshot(store: &DiskStore) -> Result<u64, PruneError> {
    let snapshots = store.snapshots().map_err(PruneError::Store)?;
    match snapshots.iter().map(|info| info.seq).min() {
        Some(oldest) if snapshots.len() >= SNAPSHOTS_KEPT => Ok(oldest),
        _ => Err(PruneError::Snapshots { found: snapshots.len() }),
    }
}

/// The number of frames of a whole export, each of which is the one of this log.
fn exported(
    store: &DiskStore,
    path: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, PruneError> {
    let wrong = |error| PruneError::Export { file: path.to_owned(), error };
    let file = File::open(path).map_err(|error| wrong(error.into()))?;
    let of = file.metadata()?.len();
    let reader = ExportReader::new(BufReader::with_capacity(BUFFER_BYTES, file));
    let mut reader = reader.map_err(wrong)?;
    while let Some(frame) = reader.next_frame().map_err(wrong)? {
        let seq = frame.seq();
        if store.digest_of(seq)? != Some(frame.digest()) {
            return Err(PruneError::OtherLog { file: path.to_owned(), seq });
        }
        progress(reader.read_bytes(), of);
    }
    Ok(reader.head().next_seq)
}

/// Segments that can go.
struct Removable {
    /// Where the log begins without them.
    base: LogBase,
    bytes: u64,
}

/// The first segments whose frames are all before `covered` and older than `keep`.
fn whole_segments(
    store: &DiskStore,
    log: &Path,
    covered: u64,
    keep: Duration,
) -> Result<Removable, PruneError> {
    let mut found = Removable { base: store.base(), bytes: 0 };
    let Some(last) = store.head().next_seq.checked_sub(1) else { return Ok(found) };
    let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    let until_ms = leaf(store, last)?.header.time_ms.saturating_sub(keep_ms);
    let files = segment_files(log)?;
    for pair in files.windows(2) {
        let [(_, path), (next_number, next)] = pair else { break };
        let Some(next_seq) = SegmentReader::open(next)?.first_seq() else { break };
        let last = leaf(store, next_seq.saturating_sub(1))?;
        if next_seq > covered || last.header.time_ms >= until_ms {
            break;
        }
        found.bytes += std::fs::metadata(path)?.len();
        found.base = LogBase {
            head: LogHead { next_seq, digest: last.digest() },
            engine_id: Some(last.header.engine_id),
            segment: *next_number,
        };
    }
    Ok(found)
}

fn leaf(store: &DiskStore, seq: u64) -> Result<FrameLeaf, PruneError> {
    let bytes = store.leaves(seq, 1).map_err(PruneError::Store)?;
    FrameLeaf::decode(&bytes).map_err(|_| PruneError::Store(StoreRefusal::FrameBroken { seq }))
}

#[cfg(test)]
mod tests;
