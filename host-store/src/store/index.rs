//! sled: the location of each frame, the list of complete snapshots, and the sealed values.
//!
//! sled's `flush` ends in `sync_file_range`, which neither flushes the disk's cache nor commits
//! metadata, and sled reuses the space of pages that it moved as soon as such a flush has returned.
//! Two rules make it sound here:
//! - [`Index::checkpoint`] follows every flush with a real sync of sled's own files;
//! - between two checkpoints the host writes far less than one of sled's segments (512 KiB). sled
//!   frees a segment only when the replacements of its pages are at least one whole segment back,
//!   so they are really synced by then.
//!
//! The entry of a frame is written only after the frame is durable, so the last entry is a lower
//! bound of the log: a log that ends before it was damaged.

use super::sync::Syncer;
use mortise_format::codec;
use mortise_format::ids::FrameDigest;
use mortise_format::store::SnapshotInfo;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most frame entries between two checkpoints. With some 300 bytes each and sled's rewriting of
/// pages, this is well below half a segment of sled.
pub(super) const CHECKPOINT_ENTRIES: usize = 512;

/// Key that every index has.
const MADE: &[u8] = b"made";
/// Key that an index has while it is made again.
const REBUILDING: &[u8] = b"rebuilding";
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Location of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(crate) struct FramePlace {
    /// Number of the segment.
    pub(crate) segment: u64,
    /// Offset of the record in the segment.
    pub(crate) offset: u64,
    /// Length of the frame.
    pub(crate) length: u32,
    /// Digest of the frame.
    pub(crate) digest: FrameDigest,
}

/// Why an operation of the index failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// sled failed.
    #[error("the index failed: {0}")]
    Sled(#[from] sled::Error),
    /// A file of sled could not be synced.
    #[error("the index could not be synced: {0}")]
    Sync(#[from] io::Error),
    /// It failed before and accepts nothing until a restart.
    #[error("the index failed before; restart the host")]
    FailedBefore,
    /// A stored value does not decode.
    #[error("the index holds a value that does not decode")]
    Undecodable,
}

#[derive(Debug)]
pub(crate) struct Index {
    db: sled::Db,
    frames: sled::Tree,
    snapshots: sled::Tree,
    blobs: sled::Tree,
    about: sled::Tree,
    files: Mutex<Files>,
}

impl Index {
    pub(crate) fn open(folder: &Path, syncer: Arc<dyn Syncer>) -> Result<Self, IndexError> {
        let db = open_sled(folder)?;
        let index = Self {
            frames: db.open_tree("frames")?,
            snapshots: db.open_tree("snapshots")?,
            blobs: db.open_tree("blobs")?,
            about: db.open_tree("about")?,
            files: Mutex::new(Files::open(folder, syncer)?),
            db,
        };
        index.checkpoint()?;
        Ok(index)
    }

    /// Returns true when a store has made this index, even if it has no entries. Without this, an
    /// index whose first bytes were lost would look like a new one.
    pub(crate) fn is_made(&self) -> Result<bool, IndexError> {
        Ok(self.about.get(MADE)?.is_some())
    }

    /// See [`Index::is_made`]; durable when it returns.
    pub(crate) fn mark_made(&self) -> Result<(), IndexError> {
        if self.is_made()? {
            return Ok(());
        }
        self.about.insert(MADE, b"")?;
        self.checkpoint()
    }

    /// Returns true from when a lost index is made again until all of the log is in it. Until then
    /// its last entry does not show what was acknowledged.
    pub(crate) fn is_rebuilding(&self) -> Result<bool, IndexError> {
        Ok(self.about.get(REBUILDING)?.is_some())
    }

    /// See [`Index::is_rebuilding`]; durable when it returns.
    pub(super) fn mark_rebuilding(&self) -> Result<(), IndexError> {
        self.about.insert(REBUILDING, b"")?;
        self.checkpoint()
    }

    /// See [`Index::is_rebuilding`]; durable when it returns.
    pub(super) fn mark_rebuilt(&self) -> Result<(), IndexError> {
        if !self.is_rebuilding()? {
            return Ok(());
        }
        self.about.remove(REBUILDING)?;
        self.checkpoint()
    }

    /// Makes everything that was written so far durable.
    ///
    /// After one failure all later calls fail: a later successful sync would prove nothing about
    /// the earlier writes.
    pub(crate) fn checkpoint(&self) -> Result<(), IndexError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.failed {
            return Err(IndexError::FailedBefore);
        }
        files.failed = true;
        self.db.flush()?;
        files.sync()?;
        files.failed = false;
        Ok(())
    }

    /// Adds entries of frames. They are durable after the next checkpoint.
    pub(super) fn add_frames(&self, places: &[(u64, FramePlace)]) -> Result<(), IndexError> {
        let mut batch = sled::Batch::default();
        for (seq, place) in places {
            batch.insert(&seq.to_be_bytes(), codec::encode(place));
        }
        Ok(self.frames.apply_batch(batch)?)
    }

    pub(crate) fn frame(&self, seq: u64) -> Result<Option<FramePlace>, IndexError> {
        self.frames.get(seq.to_be_bytes())?.map(|v| decode(&v)).transpose()
    }

    pub(crate) fn last_frame(&self) -> Result<Option<(u64, FramePlace)>, IndexError> {
        let Some((key, value)) = self.frames.last()? else { return Ok(None) };
        Ok(Some((seq_of(&key)?, decode(&value)?)))
    }

    /// All complete snapshots, oldest first.
    pub(crate) fn snapshots(&self) -> Result<Vec<SnapshotInfo>, IndexError> {
        self.snapshots.iter().values().map(|value| decode(&value?)).collect()
    }

    pub(super) fn snapshot(&self, seq: u64) -> Result<Option<SnapshotInfo>, IndexError> {
        self.snapshots.get(seq.to_be_bytes())?.map(|v| decode(&v)).transpose()
    }

    /// Adds a complete snapshot to the list and removes others; durable when it returns.
    pub(crate) fn list_snapshot(
        &self,
        info: &SnapshotInfo,
        struck: &[SnapshotInfo],
    ) -> Result<(), IndexError> {
        let mut batch = sled::Batch::default();
        batch.insert(&info.seq.to_be_bytes(), codec::encode(info));
        for old in struck {
            batch.remove(&old.seq.to_be_bytes());
        }
        self.snapshots.apply_batch(batch)?;
        self.checkpoint()
    }

    pub(super) fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.blobs.get(name)?.map(|v| v.to_vec()))
    }

    /// All values with their names.
    pub(crate) fn blobs(&self) -> Result<Vec<(String, Vec<u8>)>, IndexError> {
        let named = |entry: Result<(sled::IVec, sled::IVec), sled::Error>| {
            let (name, bytes) = entry?;
            let name = String::from_utf8(name.to_vec()).map_err(|_| IndexError::Undecodable)?;
            Ok((name, bytes.to_vec()))
        };
        self.blobs.iter().map(named).collect()
    }

    /// Removes snapshots from the list; durable when it returns.
    pub(super) fn strike_snapshots(&self, struck: &[SnapshotInfo]) -> Result<(), IndexError> {
        for info in struck {
            self.snapshots.remove(info.seq.to_be_bytes())?;
        }
        if struck.is_empty() { Ok(()) } else { self.checkpoint() }
    }

    /// Stores a value; durable when it returns.
    pub(crate) fn put_blob(&self, name: &str, bytes: &[u8]) -> Result<(), IndexError> {
        self.blobs.insert(name, bytes)?;
        self.checkpoint()
    }
}

/// Opens sled. Waits briefly for its lock, which threads of a store that this process has just
/// closed may still hold. The lock of the whole folder excludes other processes.
fn open_sled(folder: &Path) -> Result<sled::Db, sled::Error> {
    let mut tries = 0;
    loop {
        let config = sled::Config::new().path(folder);
        let config = config.cache_capacity(CACHE_BYTES).flush_every_ms(None);
        match config.open() {
            Err(sled::Error::Io(e)) if e.kind() == io::ErrorKind::Other && tries < LOCK_TRIES => {
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            other => return other,
        }
    }
}

fn seq_of(key: &[u8]) -> Result<u64, IndexError> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| IndexError::Undecodable)
}

fn decode<T: bincode::Decode<()>>(value: &[u8]) -> Result<T, IndexError> {
    codec::decode(value).map_err(|_| IndexError::Undecodable)
}

/// sled's files: `db` is its log, `blobs/` has the values over 128 KiB, and it writes `conf` and
/// `snap.*` when it opens.
#[derive(Debug)]
struct Files {
    db: File,
    folder: PathBuf,
    synced: BTreeSet<PathBuf>,
    syncer: Arc<dyn Syncer>,
    failed: bool,
}

impl Files {
    fn open(folder: &Path, syncer: Arc<dyn Syncer>) -> io::Result<Self> {
        let db = File::open(folder.join("db"))?;
        let folder = folder.to_owned();
        Ok(Self { db, folder, synced: BTreeSet::new(), syncer, failed: false })
    }

    /// Syncs the log, every other new file (sled never changes one), then the file names.
    fn sync(&mut self) -> io::Result<()> {
        self.syncer.sync(&self.db)?;
        let blobs = self.folder.join("blobs");
        let mut present = files_of(&blobs)?;
        present.extend(files_of(&self.folder)?);
        let mut changed = false;
        for path in present.difference(&self.synced) {
            match File::open(path) {
                Ok(file) => self.syncer.sync(&file)?,
                // sled has removed it since the listing
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
            changed = true;
        }
        if changed {
            self.syncer.sync_folder(&blobs)?;
            self.syncer.sync_folder(&self.folder)?;
        }
        self.synced = present;
        Ok(())
    }
}

/// The plain files of a folder, except sled's log.
fn files_of(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name() != "db" {
            found.insert(entry.path());
        }
    }
    Ok(found)
}
