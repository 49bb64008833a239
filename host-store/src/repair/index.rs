//! The index: read from a copy, and rebuilt.
//!
//! sled writes when it opens, and can panic on damaged files. So the index is opened on a copy,
//! after a probe, which the command runs in a separate process.

use super::{Probe, RepairError};
use crate::store::{
    DiskSyncer, FramePlace, INDEX_FOLDER, Index, LOG_FOLDER, is_blank, log_has_frames,
    segment_files,
};
use mortise_format::store::SnapshotInfo;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folder of the new index, before it replaces the old one.
const NEW_FOLDER: &str = "index.repaired";
/// Folder of the old index, until the new one replaces it.
const OLD_FOLDER: &str = "index.replaced";

/// The state of the index in a folder.
#[derive(Debug)]
pub(super) enum IndexState {
    /// It is readable.
    Good(Box<Found>),
    /// It is missing or unreadable.
    Lost { why: String },
}

#[derive(Debug)]
pub(super) struct Found {
    index: Index,
    pub(super) next_seq: u64,
    pub(super) snapshots: Vec<SnapshotInfo>,
    pub(super) blobs: Vec<(String, Vec<u8>)>,
    /// A store made it, and it has all of the log.
    is_of_a_log: bool,
    /// The opened copy. Dropping it removes the copy.
    _copy: tempfile::TempDir,
}

impl IndexState {
    /// Reads the index of a data folder without changing it.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub(super) fn inspect(data_dir: &Path, probe: &Probe<'_>) -> Result<Self, RepairError> {
        let Some(folder) = present(data_dir) else {
            return Ok(Self::Lost { why: "there is no index folder".into() });
        };
        let has_frames = log_has_frames(&data_dir.join(LOG_FOLDER)).unwrap_or(false);
        if has_frames && is_blank(&folder.join("db"))? {
            return Ok(Self::Lost { why: "its file is empty, or begins with zeros".into() });
        }
        let copy = tempfile::tempdir()?;
        for place in ["probed", "read"] {
            copy_folder(&folder, &copy.path().join(place))?;
        }
        if !probe(&copy.path().join("probed")) {
            return Ok(Self::Lost { why: "nothing can read it".into() });
        }
        Ok(match Found::open(copy) {
            Ok(found) if has_frames && !found.is_of_a_log => {
                Self::Lost { why: "it does not have the log, whose frames are here".into() }
            }
            Ok(found) => Self::Good(Box::new(found)),
            Err(error) => Self::Lost { why: error.to_string() },
        })
    }

    /// The location of a frame, if the index has it.
    pub(super) fn frame(&self, seq: u64) -> io::Result<Option<FramePlace>> {
        match self {
            Self::Good(found) => found.index.frame(seq).map_err(io::Error::other),
            Self::Lost { .. } => Ok(None),
        }
    }

    /// Frames below this seq were durable.
    pub(super) fn next_seq(&self) -> u64 {
        match self {
            Self::Good(found) => found.next_seq,
            Self::Lost { .. } => 0,
        }
    }

    /// The sealed values in it.
    pub(super) fn blobs(&self) -> &[(String, Vec<u8>)] {
        match self {
            Self::Good(found) => &found.blobs,
            Self::Lost { .. } => &[],
        }
    }

    /// The snapshots that it lists.
    pub(super) fn snapshots(&self) -> &[SnapshotInfo] {
        match self {
            Self::Good(found) => &found.snapshots,
            Self::Lost { .. } => &[],
        }
    }
}

impl Found {
    fn open(copy: tempfile::TempDir) -> Result<Self, crate::store::IndexError> {
        let index = Index::open(&copy.path().join("read"), Arc::new(DiskSyncer))?;
        let next_seq = index.last_frame()?.map_or(0, |(seq, _)| seq + 1);
        let (snapshots, blobs) = (index.snapshots()?, index.blobs()?);
        let is_of_a_log = (index.is_made()? || next_seq > 0) && !index.is_rebuilding()?;
        Ok(Self { index, next_seq, snapshots, blobs, is_of_a_log, _copy: copy })
    }
}

/// Opens the index in `folder` and reads it completely. For a probe: it writes to the folder and
/// may panic.
pub fn read_whole_index(folder: &Path) -> bool {
    let read = || {
        let index = Index::open(folder, Arc::new(DiskSyncer))?;
        let last = index.last_frame()?.map_or(0, |(seq, _)| seq);
        for seq in 0..=last {
            index.frame(seq)?;
        }
        index.snapshots()?;
        index.blobs()
    };
    folder.join("db").is_file() && read().is_ok()
}

/// The folder of the index. If a repair stopped between two renames, the folder of the old index.
fn present(data_dir: &Path) -> Option<PathBuf> {
    let places = [INDEX_FOLDER, OLD_FOLDER].map(|name| data_dir.join(name));
    places.into_iter().find(|folder| folder.join("db").is_file())
}

/// Copies the unchanged index to the backup, durably.
pub(super) fn back_up(data_dir: &Path, backup: &Path) -> io::Result<()> {
    let folders = [INDEX_FOLDER, OLD_FOLDER].map(|name| (data_dir.join(name), backup.join(name)));
    for (folder, copy) in folders {
        if folder.is_dir() {
            copy_folder(&folder, &copy)?;
        }
    }
    Ok(())
}

/// Makes a new index with sealed values and snapshots, but without frames, which the store adds
/// when it opens. When this returns, the new index has replaced the old one, durably.
pub(super) fn replace(
    data_dir: &Path,
    blobs: &[(String, Vec<u8>)],
    snapshots: &[SnapshotInfo],
) -> Result<(), RepairError> {
    let [new, old, place] = [NEW_FOLDER, OLD_FOLDER, INDEX_FOLDER].map(|name| data_dir.join(name));
    remove_if_there(&new)?;
    {
        let index = Index::open(&new, Arc::new(DiskSyncer))?;
        for (name, bytes) in blobs {
            index.put_blob(name, bytes)?;
        }
        for info in snapshots {
            index.list_snapshot(info, &[])?;
        }
        index.mark_made()?;
    }
    if place.exists() {
        remove_if_there(&old)?;
        std::fs::rename(&place, &old)?;
    }
    std::fs::rename(&new, &place)?;
    File::open(data_dir)?.sync_all()?;
    remove_if_there(&old)?;
    Ok(())
}

fn remove_if_there(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Copies a folder with its contents, synced.
pub(super) fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
            File::open(&target)?.sync_all()?;
        }
    }
    File::open(to)?.sync_all()
}

/// Returns true when the folder ever had a log.
pub(super) fn has_log(data_dir: &Path) -> bool {
    segment_files(&data_dir.join(LOG_FOLDER)).is_ok()
}
