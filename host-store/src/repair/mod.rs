//! `mortise-host repair`: reports what is wrong with a stopped store, and repairs what it can.
//!
//! What it is for: the host does not start, or `verify` reports a bad frame. `repair` reports what
//! is wrong, what is lost and how to recover it, and repairs what can be repaired without a loss.
//!
//! What it does not do: truncate a log. An acknowledged frame is replaced by the same frame from a
//! copy, or it is reported and nothing changes.
//!
//! Invariants: without `write` nothing in the data folder changes; with it everything that is
//! replaced or removed is in the backup first, durably; it drops only what was never acknowledged
//! or can be rebuilt; it writes nothing while any finding has no remedy; the result is checked by
//! `verify` and by opening the store.
//!
//! ```text
//! lock -> index (a copy of it) -> segments -> plan <- copies
//!      -> findings -> [new segments beside -> backup -> rename -> new index] -> open, verify
//! ```

mod copy;
mod finding;
mod index;
mod plan;
mod rewrite;
mod scan;
mod values;

pub use finding::{Finding, Remedy};
pub use index::read_whole_index;

use crate::store::{
    DiskStore, INDEX_BYTES, IndexError, LOG_FOLDER, LogBase, LogStore as _, OpenError, PrunedError,
    SNAPSHOTS_FOLDER, StoreOptions, lock_exclusive, lock_shared, segment_files, segment_path,
    set_aside, snapshot_name, snapshot_seq,
};
use crate::verify::{Fault, Summary, VerifyError, verify};
use copy::CopyFrames;
use index::IndexState;
use mortise_format::ids::FrameDigest;
use mortise_format::store::SnapshotInfo;
use plan::Plan;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Returns true when the index in a folder opens and reads completely. It may write to the folder.
pub type Probe<'a> = dyn Fn(&Path) -> bool + 'a;
/// Called with the current step, the amount done and the total.
pub type Progress<'a> = dyn FnMut(&str, u64, u64) + 'a;

/// Options of a repair.
pub struct Options<'a> {
    /// Data folder of the store.
    pub data_dir: PathBuf,
    /// Logs to take missing frames from, in this order: data folders or exported files.
    pub copies: Vec<PathBuf>,
    /// A new or empty folder for everything that is replaced or removed. Without one nothing
    /// changes.
    pub backup: Option<PathBuf>,
    /// How to open the repaired store.
    pub store: StoreOptions,
    /// Probes the index. [`read_whole_index`] may panic on a damaged one.
    pub probe: &'a Probe<'a>,
}

/// The result of a repair.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// What is wrong, or was wrong before the repair.
    pub findings: Vec<Finding>,
    /// True when all of it was repaired.
    pub is_written: bool,
    /// Summary of the log now, if it is good.
    pub log: Option<Summary>,
}

impl Report {
    /// Returns true when nothing was wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Returns true when every finding has a remedy with the given copies.
    pub fn is_repairable(&self) -> bool {
        self.findings.iter().all(|finding| finding.remedy() != Remedy::None)
    }
}

/// Why a repair did not start, or was aborted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The folder has no log.
    #[error(
        "there is no log in {}; an exported one goes into a new folder: mortise-host import",
        .0.display()
    )]
    NoLog(PathBuf),
    /// A host has it open.
    #[error("{} is in use by a mortise-host: stop it first", .0.display())]
    InUse(PathBuf),
    /// The folder for the backup is not empty.
    #[error("{} is not a new or empty folder: a backup overwrites nothing", .0.display())]
    BackupNotEmpty(PathBuf),
    /// A copy cannot be used.
    #[error("{} cannot be repaired from: {why}", copy.display())]
    Copy { copy: PathBuf, why: String },
    /// The leaves of pruned frames are broken.
    #[error(transparent)]
    Pruned(#[from] PrunedError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The new index cannot be created.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The repaired store does not open. What was replaced is in the backup.
    #[error("the store does not open after the repair: {0}")]
    Open(#[from] OpenError),
    /// The repaired log is bad. What was replaced is in the backup.
    #[error("the log is not good after the repair: {0}")]
    StillBad(VerifyError),
    /// The repaired log is not the planned one. What was replaced is in the backup.
    #[error("the log after the repair has {found} frames, not {planned}")]
    OtherLog {
        /// Frames in the log.
        found: u64,
        /// Frames in the plan.
        planned: u64,
    },
}

/// Examines a stopped store and, with a backup folder, repairs what it can.
///
/// # Errors
/// See [`RepairError`]. The backup has the original of everything that was changed by then.
pub fn repair(options: &Options<'_>, progress: &mut Progress<'_>) -> Result<Report, RepairError> {
    let data_dir = options.data_dir.as_path();
    if !index::has_log(data_dir) {
        return Err(RepairError::NoLog(data_dir.to_owned()));
    }
    let lock = take_lock(data_dir, options.backup.is_some())?;
    let found = look(options, progress)?;
    let is_repairable = found.findings.iter().all(|finding| finding.remedy() != Remedy::None);
    let backup = options.backup.as_deref().filter(|_| is_repairable && !found.findings.is_empty());
    if let Some(backup) = backup {
        apply(options, &found, backup, progress)?;
    }
    let planned = found.next_seq();
    let Found { findings, .. } = found;
    drop(lock);
    let log = match backup {
        Some(_) => Some(check(options, planned)?),
        None if findings.is_empty() => verify(data_dir, |_, _, _| ()).ok(),
        None => None,
    };
    Ok(Report { findings, is_written: backup.is_some(), log })
}

fn take_lock(data_dir: &Path, is_writing: bool) -> Result<File, RepairError> {
    if is_writing {
        return match lock_exclusive(data_dir) {
            Err(OpenError::InUse { folder }) => Err(RepairError::InUse(folder)),
            other => Ok(other?),
        };
    }
    lock_shared(data_dir)?.ok_or_else(|| RepairError::InUse(data_dir.to_owned()))
}

/// Everything that is known before anything changes.
struct Found {
    index: IndexState,
    plan: Plan,
    findings: Vec<Finding>,
    /// Snapshots that stay.
    snapshots: Vec<SnapshotInfo>,
    /// Files to remove, from the data folder.
    leftovers: Vec<PathBuf>,
    blobs: Vec<(String, Vec<u8>)>,
    is_index_stale: bool,
}

impl Found {
    fn next_seq(&self) -> u64 {
        self.plan.tail.copy.map_or(self.plan.tail.from, |(_, until)| until)
    }
}

fn look(options: &Options<'_>, progress: &mut Progress<'_>) -> Result<Found, RepairError> {
    let data_dir = options.data_dir.as_path();
    let index = IndexState::inspect(data_dir, options.probe)?;
    let base = LogBase::of(&data_dir.join(LOG_FOLDER))?;
    let (segments, mut is_index_stale) = read_segments(data_dir, &index, &base, progress)?;
    let files = snapshot_files(data_dir)?;
    let newest_snapshot = files.iter().copied().max();
    let listed = index.snapshots().iter().map(|info| info.seq).max();
    let by_snapshots = newest_snapshot.max(listed).map_or(0, |seq| seq + 1);
    let mut plan = Plan::new(segments, &index, index.next_seq().max(by_snapshots), &base);
    for (n, copy) in options.copies.iter().enumerate() {
        plan.fill(n, &mut CopyFrames::open(copy)?, &index)?;
        progress("reading copies", n as u64 + 1, options.copies.len() as u64);
    }
    let mut findings = plan.findings(&options.copies);
    findings.extend(not_one_log(data_dir, &plan)?);
    let is_log_changed = !plan.dirty().is_empty();
    if is_index_stale && !is_log_changed {
        findings.push(Finding::IndexStale);
    }
    is_index_stale |= is_log_changed;
    if let IndexState::Lost { why } = &index {
        let is_new = plan.tail.from == 0 && plan.pieces.is_empty() && by_snapshots == 0;
        findings.push(Finding::IndexLost { why: why.clone(), is_new });
    }
    let has_frames = plan.tail.from > 0 || !plan.pieces.is_empty();
    let (blobs, of_values) = values::examine(options, &index, has_frames)?;
    findings.extend(of_values);
    findings.extend(no_room(options)?);
    let (snapshots, leftovers) = sort_snapshots(data_dir, &index, files, &mut findings)?;
    Ok(Found { index, plan, findings, snapshots, leftovers, blobs, is_index_stale })
}

fn read_segments(
    data_dir: &Path,
    index: &IndexState,
    base: &LogBase,
    progress: &mut Progress<'_>,
) -> Result<(Vec<scan::Segment>, bool), RepairError> {
    let mut files = segment_files(&data_dir.join(LOG_FOLDER))?;
    // A prune that was cut short left them; the next start removes them.
    files.retain(|(number, _)| *number >= base.segment);
    let mut segments = Vec::with_capacity(files.len());
    let mut is_stale = false;
    let known_until = index.next_seq();
    for (n, (number, path)) in files.iter().enumerate() {
        let segment = scan::scan(*number, path, |segment, record| {
            let place = index.frame(record.frame.seq())?;
            let Some(place) = place else {
                is_stale |= record.frame.seq() < known_until;
                return Ok(true);
            };
            is_stale |= (place.segment, place.offset) != (segment, record.offset);
            Ok(place.digest == record.frame.digest())
        });
        segments.push(segment?);
        progress("reading segments", n as u64 + 1, files.len() as u64);
    }
    Ok((segments, is_stale))
}

/// Frames that are whole and chained, but break another rule of a log: no copy can replace them.
fn not_one_log(data_dir: &Path, plan: &Plan) -> Result<Option<Finding>, RepairError> {
    let (seq, fault) = match verify(data_dir, |_, _, _| ()) {
        Ok(_) => return Ok(None),
        Err(VerifyError::Io(error)) => return Err(error.into()),
        Err(VerifyError::Pruned(error)) => return Err(error.into()),
        Err(VerifyError::Frame { seq, fault }) => (seq, fault),
    };
    let is_of_place = matches!(fault, Fault::Record(_) | Fault::SegmentGone | Fault::Chain);
    let is_explained = plan.gaps().any(|gap| (gap.from..=gap.until).contains(&seq));
    let is_of_tail = seq + 1 >= plan.tail.from && plan.tail.copy.is_some();
    let is_explained = is_of_place || is_explained || is_of_tail;
    Ok((!is_explained).then(|| Finding::NotOneLog { seq, why: fault.to_string() }))
}

/// A disk that is too full for the host to start.
fn no_room(options: &Options<'_>) -> io::Result<Option<Finding>> {
    let free = options.store.syncer.free_bytes(&options.data_dir)?;
    let missing = INDEX_BYTES.saturating_sub(free);
    Ok((missing > 0).then_some(Finding::DiskFull { free, missing }))
}

/// The seqs of the files of complete snapshots. Other files are not understood, and stay.
fn snapshot_files(data_dir: &Path) -> io::Result<Vec<u64>> {
    let mut files = Vec::new();
    let entries = match std::fs::read_dir(data_dir.join(SNAPSHOTS_FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        other => other?,
    };
    for entry in entries {
        files.extend(entry?.file_name().to_str().and_then(snapshot_seq));
    }
    files.sort();
    Ok(files)
}

/// Which snapshots stay listed and which files are removed. No file of a snapshot is: the store
/// lists what is whole again, and renames the rest.
fn sort_snapshots(
    data_dir: &Path,
    index: &IndexState,
    files: Vec<u64>,
    findings: &mut Vec<Finding>,
) -> io::Result<(Vec<SnapshotInfo>, Vec<PathBuf>)> {
    let mut stay = Vec::new();
    for info in index.snapshots() {
        let path = data_dir.join(SNAPSHOTS_FOLDER).join(snapshot_name(info.seq));
        if std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == info.bytes) {
            stay.push(*info);
        } else {
            findings.push(Finding::SnapshotBroken { seq: info.seq });
        }
    }
    let is_listed = |seq: &u64| index.snapshots().iter().any(|info| info.seq == *seq);
    let unlisted = files.into_iter().filter(|seq| !is_listed(seq));
    findings.extend(unlisted.map(|seq| Finding::SnapshotUnlisted { seq }));
    let mut leftovers: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(data_dir.join(LOG_FOLDER))? {
        let file = Path::new(LOG_FOLDER).join(entry?.file_name());
        if file.extension().is_some_and(|extension| extension == rewrite::EXTENSION) {
            findings.push(Finding::Leftover { file: file.clone() });
            leftovers.push(file);
        }
    }
    Ok((stay, leftovers))
}

fn apply(
    options: &Options<'_>,
    found: &Found,
    backup: &Path,
    progress: &mut Progress<'_>,
) -> Result<(), RepairError> {
    let data_dir = options.data_dir.as_path();
    let log = data_dir.join(LOG_FOLDER);
    make_backup_folder(backup)?;
    for file in &found.leftovers {
        save(data_dir, file, backup)?;
        std::fs::remove_file(data_dir.join(file))?;
    }
    for info in found.index.snapshots() {
        let file = data_dir.join(SNAPSHOTS_FOLDER).join(snapshot_name(info.seq));
        let stays = found.snapshots.contains(info);
        if !stays && std::fs::symlink_metadata(&file).is_ok() {
            set_aside(&file, "broken")?;
        }
    }
    let change = rewrite::write(&found.plan, &log, &options.copies, progress)?;
    for number in change.written.iter().chain(&change.gone) {
        let path = segment_path(&log, *number);
        if let (true, Some(name)) = (path.exists(), path.file_name()) {
            save(data_dir, &Path::new(LOG_FOLDER).join(name), backup)?;
        }
    }
    let is_listed_otherwise = found.snapshots.len() != found.index.snapshots().len();
    let is_index_lost = matches!(found.index, IndexState::Lost { .. });
    let replaces_index = found.is_index_stale || is_listed_otherwise || is_index_lost;
    if replaces_index {
        index::back_up(data_dir, backup)?;
    }
    File::open(backup)?.sync_all()?;
    change.apply(&log)?;
    if replaces_index {
        index::replace(data_dir, &found.blobs, &found.snapshots)?;
    }
    Ok(())
}

fn make_backup_folder(backup: &Path) -> Result<(), RepairError> {
    std::fs::create_dir_all(backup)?;
    match std::fs::read_dir(backup)?.next() {
        None => Ok(()),
        Some(_) => Err(RepairError::BackupNotEmpty(backup.to_owned())),
    }
}

/// Copies a file of the data folder to the backup, durably.
fn save(data_dir: &Path, file: &Path, backup: &Path) -> io::Result<()> {
    let target = backup.join(file);
    let folder = target.parent().unwrap_or(backup);
    std::fs::create_dir_all(folder)?;
    std::fs::copy(data_dir.join(file), &target)?;
    File::open(&target)?.sync_all()?;
    File::open(folder)?.sync_all()
}

/// Opens the store, which adds the frames to the index, then verifies the log.
fn check(options: &Options<'_>, planned: u64) -> Result<Summary, RepairError> {
    let store = DiskStore::open(&options.data_dir, options.store.clone())?;
    let head = store.head();
    drop(store);
    let summary = verify(&options.data_dir, |_, _, _| ()).map_err(RepairError::StillBad)?;
    let digest = if summary.frames == 0 { FrameDigest::ZERO } else { summary.digest };
    if (summary.frames, digest) != (head.next_seq, head.digest) || summary.frames != planned {
        return Err(RepairError::OtherLog { found: summary.frames, planned });
    }
    Ok(summary)
}

#[cfg(test)]
mod tests;
