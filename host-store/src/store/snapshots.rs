//! Snapshots: received in parts, visible when complete; the newest few are kept.
//!
//! One snapshot is received at a time, into a file with a name that no reader uses. The engine
//! sends parts while it still makes the next ones: how many they are is known with the last one,
//! the manifest. When all are there the file is synced, renamed, and listed in the index, in this
//! order. Until then the older snapshots stay.

use super::index::{Index, IndexError};
use super::port::SnapshotPart;
use super::room::{Room, is_full};
use super::sealed::set_aside;
use super::sync::Syncer;
use mortise_format::domains;
use mortise_format::ids::Bytes32;
use mortise_format::limits::SNAPSHOT_PART_BYTES;
use mortise_format::store::{
    SNAPSHOT_PARTS_MAX, SNAPSHOTS_KEPT, SnapshotInfo, StoreRefusal, snapshot_part_is_valid,
};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Path of the file that is being received.
pub(crate) const RECEIVING: &str = "receiving";

/// The seq in the name of a complete snapshot's file.
pub(crate) fn snapshot_seq(name: &str) -> Option<u64> {
    let seq = name.strip_suffix(".snap")?.parse().ok()?;
    (snapshot_name(seq) == name).then_some(seq)
}

/// The entry of a snapshot by its file; `None` for a file that no snapshot can be.
fn info_of(seq: u64, path: &Path) -> io::Result<Option<SnapshotInfo>> {
    let file = std::fs::metadata(path)?;
    let parts = file.len().div_ceil(SNAPSHOT_PART_BYTES as u64);
    let parts = u32::try_from(parts).ok().filter(|parts| (1..=SNAPSHOT_PARTS_MAX).contains(parts));
    let Some(parts) = parts.filter(|_| file.is_file()) else { return Ok(None) };
    let start = u64::from(parts - 1) * SNAPSHOT_PART_BYTES as u64;
    let mut manifest = vec![0; usize::try_from(file.len() - start).map_err(io::Error::other)?];
    File::open(path)?.read_exact_at(&mut manifest, start)?;
    let digest = Bytes32(domains::blake3_in(domains::SNAPSHOT_DIGEST, &[&manifest]));
    Ok(Some(SnapshotInfo { seq, digest, parts, bytes: file.len() }))
}

/// Path of a complete snapshot.
pub(crate) fn snapshot_name(seq: u64) -> String {
    format!("{seq:020}.snap")
}

#[derive(Debug)]
pub(super) struct Snapshots {
    folder: PathBuf,
    syncer: Arc<dyn Syncer>,
    room: Room,
    receiving: Mutex<Option<Receiving>>,
}

/// The snapshot that is being received.
#[derive(Debug)]
struct Receiving {
    seq: u64,
    file: File,
    present: BTreeSet<u32>,
    last: Option<Last>,
}

/// The last part of a snapshot.
#[derive(Debug, Clone, Copy)]
struct Last {
    part: u32,
    digest: Bytes32,
    bytes: u64,
}

impl Snapshots {
    pub(super) fn open(folder: PathBuf, syncer: Arc<dyn Syncer>, room: Room) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder, syncer, room, receiving: Mutex::new(None) })
    }

    pub(super) fn put(&self, part: SnapshotPart, index: &Index) -> Result<bool, StoreRefusal> {
        if !snapshot_part_is_valid(part.part, part.manifest.is_some(), part.bytes.len()) {
            return Err(StoreRefusal::TooLarge);
        }
        let kept = index.snapshot(part.seq).map_err(|_| StoreRefusal::Io)?;
        if let Some(kept) = kept.filter(|kept| self.is_whole(kept)) {
            let is_last = part.part + 1 == kept.parts && part.manifest == Some(kept.digest);
            return if is_last { Ok(true) } else { Err(StoreRefusal::SnapshotConflict) };
        }
        let mut slot = self.receiving.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_none_or(|receiving| receiving.seq != part.seq) {
            // A restarted engine starts over; a late part of an older snapshot does not.
            let latest = index.snapshots().map_err(|_| StoreRefusal::Io)?.last().map(|s| s.seq);
            let unfinished = slot.as_ref().map(|r| r.seq);
            if latest.max(unfinished).is_some_and(|newest| newest > part.seq) {
                return Err(StoreRefusal::SnapshotConflict);
            }
            *slot = Some(Receiving::start(&self.folder, &part).map_err(|e| refusal(&e))?);
        }
        let Some(receiving) = slot.as_mut() else { return Err(StoreRefusal::SyncFailed) };
        let room = self.room.check(part.bytes.len() as u64);
        if let Err(error) = room.and_then(|()| receiving.write(&part)) {
            self.discard(&mut slot);
            return Err(refusal(&error));
        }
        if !receiving.is_whole() {
            return Ok(false);
        }
        if !self.room.admits_index() {
            self.discard(&mut slot);
            return Err(StoreRefusal::Full);
        }
        let complete = slot.take().ok_or(StoreRefusal::SyncFailed)?;
        self.finish(complete, index).map(|()| true)
    }

    /// Gives up an unfinished snapshot, and the room that it takes.
    fn discard(&self, slot: &mut Option<Receiving>) {
        *slot = None;
        let _ = std::fs::remove_file(self.folder.join(RECEIVING));
    }

    fn finish(&self, complete: Receiving, index: &Index) -> Result<(), StoreRefusal> {
        let Receiving { seq, file, last, .. } = complete;
        let failed = |_: io::Error| StoreRefusal::SyncFailed;
        let Last { part, digest, bytes } = last.ok_or(StoreRefusal::SyncFailed)?;
        let (parts, bytes) = (part + 1, u64::from(part) * SNAPSHOT_PART_BYTES as u64 + bytes);
        // What an unfinished snapshot of this seq left behind the manifest.
        file.set_len(bytes).map_err(failed)?;
        self.syncer.sync(&file).map_err(failed)?;
        if self.path(seq).is_dir() {
            set_aside(&self.path(seq), "broken").map_err(failed)?;
        }
        std::fs::rename(self.folder.join(RECEIVING), self.path(seq)).map_err(failed)?;
        self.syncer.sync_folder(&self.folder).map_err(failed)?;
        let failed = |_: IndexError| StoreRefusal::SyncFailed;
        let mut older = index.snapshots().map_err(failed)?;
        older.truncate(older.len().saturating_sub(SNAPSHOTS_KEPT - 1));
        let info = SnapshotInfo { seq, digest, parts, bytes };
        index.list_snapshot(&info, &older).map_err(failed)?;
        for old in &older {
            // A file that could not be removed is in no list; the operator may remove it.
            let _ = std::fs::remove_file(self.path(old.seq));
        }
        Ok(())
    }

    /// Makes list and files agree when the store opens: a listed snapshot without its file is
    /// struck and named, a file that no list has is listed. Removes nothing; what is not a whole
    /// snapshot is renamed.
    pub(super) fn reconcile(&self, index: &Index) -> Result<(), IndexError> {
        let mut struck = Vec::new();
        for info in index.snapshots()? {
            if !self.is_whole(&info) {
                tracing::warn!(seq = info.seq, "SNAPSHOT_BROKEN: its file is missing or not whole");
                if std::fs::symlink_metadata(self.path(info.seq)).is_ok() {
                    set_aside(&self.path(info.seq), "broken")?;
                }
                struck.push(info);
            }
        }
        index.strike_snapshots(&struck)?;
        for seq in self.unlisted(index)? {
            let Some(info) = info_of(seq, &self.path(seq))? else { continue };
            tracing::warn!(seq, "SNAPSHOT_UNLISTED: listed again from its file");
            index.list_snapshot(&info, &[])?;
        }
        Ok(())
    }

    /// Seqs of complete snapshots that the index does not list, oldest first.
    fn unlisted(&self, index: &Index) -> Result<Vec<u64>, IndexError> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let seq = name.to_str().and_then(snapshot_seq);
            if let Some(seq) = seq
                && index.snapshot(seq)?.is_none()
            {
                found.push(seq);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The snapshots whose file is whole, newest first.
    pub(super) fn list(&self, index: &Index) -> Result<Vec<SnapshotInfo>, StoreRefusal> {
        let mut all = index.snapshots().map_err(|_| StoreRefusal::Io)?;
        all.retain(|info| {
            let is_whole = self.is_whole(info);
            if !is_whole {
                tracing::warn!(seq = info.seq, "SNAPSHOT_BROKEN: its file is missing or not whole");
            }
            is_whole
        });
        all.reverse();
        all.truncate(SNAPSHOTS_KEPT);
        Ok(all)
    }

    fn is_whole(&self, info: &SnapshotInfo) -> bool {
        let file = std::fs::metadata(self.path(info.seq));
        file.is_ok_and(|file| file.is_file() && file.len() == info.bytes)
    }

    pub(super) fn read(&self, info: &SnapshotInfo, part: u32) -> Result<Vec<u8>, StoreRefusal> {
        let start = u64::from(part) * SNAPSHOT_PART_BYTES as u64;
        if part >= info.parts || start >= info.bytes {
            return Err(StoreRefusal::SnapshotUnknown);
        }
        let length = (info.bytes - start).min(SNAPSHOT_PART_BYTES as u64);
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| StoreRefusal::Io)?];
        let file = File::open(self.path(info.seq)).map_err(|_| StoreRefusal::Io)?;
        file.read_exact_at(&mut bytes, start).map_err(|_| StoreRefusal::Io)?;
        Ok(bytes)
    }

    fn path(&self, seq: u64) -> PathBuf {
        self.folder.join(snapshot_name(seq))
    }
}

impl Receiving {
    fn start(folder: &Path, part: &SnapshotPart) -> io::Result<Self> {
        let file = File::create(folder.join(RECEIVING))?;
        Ok(Self { seq: part.seq, file, present: BTreeSet::new(), last: None })
    }

    /// True when the manifest and every part before it are there.
    fn is_whole(&self) -> bool {
        let before = |last: Last| self.present.range(..last.part).count() as u64;
        self.last.is_some_and(|last| before(last) == u64::from(last.part))
    }

    fn write(&mut self, part: &SnapshotPart) -> io::Result<()> {
        let offset = u64::from(part.part) * SNAPSHOT_PART_BYTES as u64;
        self.file.write_all_at(&part.bytes, offset)?;
        self.present.insert(part.part);
        if let Some(digest) = part.manifest {
            self.last = Some(Last { part: part.part, digest, bytes: part.bytes.len() as u64 });
        }
        Ok(())
    }
}

fn refusal(error: &io::Error) -> StoreRefusal {
    if is_full(error) { StoreRefusal::Full } else { StoreRefusal::SyncFailed }
}
