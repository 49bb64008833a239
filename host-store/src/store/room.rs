//! Room on the disk: what is measured before a write, and what is reserved for the index.
//!
//! sled does not survive a write that the disk refuses. So the index never meets a full disk: the
//! file `DIR/reserve` holds room for it. When others fill the disk, the reserve is given up before
//! the index writes, and frames are refused until it can be made again.
//!
//! What it does not do: guarantee room. Between a measurement and a write another program may take
//! it. A write that fails then is a failed write, like any other.

use super::disk::OpenError;
use super::sync::Syncer;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Size of the reserve.
pub(super) const RESERVE_BYTES: u64 = 8 * 1024 * 1024;
/// Room that the index needs between two checkpoints, several of sled's segments of 512 KiB.
/// Nothing else of this host takes the last of it.
pub(crate) const INDEX_BYTES: u64 = 4 * 1024 * 1024;
/// Name of the reserve in the data folder.
const RESERVE: &str = "reserve";

/// The room in the file system of a data folder.
#[derive(Debug, Clone)]
pub(super) struct Room {
    folder: PathBuf,
    syncer: Arc<dyn Syncer>,
    is_reserved: Arc<Mutex<bool>>,
}

impl Room {
    /// Measures the room for opening a store whose first writes take `bytes` beside the index, and
    /// makes the reserve if it fits.
    ///
    /// # Errors
    /// `DiskFull` when there is too little; `Io`.
    pub(super) fn open(
        folder: &Path,
        syncer: Arc<dyn Syncer>,
        bytes: u64,
    ) -> Result<Self, OpenError> {
        let reserve = std::fs::metadata(folder.join(RESERVE));
        let is_reserved = reserve.is_ok_and(|file| file.is_file() && file.len() == RESERVE_BYTES);
        let is_reserved = Arc::new(Mutex::new(is_reserved));
        let room = Self { folder: folder.to_owned(), syncer, is_reserved };
        let needed = bytes + INDEX_BYTES;
        if room.free()? < needed {
            room.give_up_reserve();
        }
        room.require(needed)?;
        room.reserve();
        Ok(room)
    }

    /// As [`Room::admits_index`], for a store that is being opened.
    ///
    /// # Errors
    /// `DiskFull`, `Io`.
    pub(super) fn require_index(&self) -> Result<(), OpenError> {
        if self.admits_index() { Ok(()) } else { self.require(INDEX_BYTES) }
    }

    fn require(&self, needed: u64) -> Result<(), OpenError> {
        let free = self.free()?;
        if free < needed {
            let folder = self.folder.clone();
            return Err(OpenError::DiskFull { folder, free, missing: needed - free });
        }
        Ok(())
    }

    pub(super) fn free(&self) -> io::Result<u64> {
        self.syncer.free_bytes(&self.folder)
    }

    /// Fails with `StorageFull` when `bytes` more would take what the index needs.
    pub(super) fn check(&self, bytes: u64) -> io::Result<()> {
        if self.free()? < bytes + INDEX_BYTES {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Returns true when the index may write, for which the reserve may be given up.
    pub(super) fn admits_index(&self) -> bool {
        let is_enough = || self.free().is_ok_and(|free| free >= INDEX_BYTES);
        if !is_enough() {
            self.give_up_reserve();
        }
        is_enough()
    }

    /// Returns true when the reserve is there; makes it if it fits.
    pub(super) fn reserve(&self) -> bool {
        let mut is_reserved = self.is_reserved.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_reserved && self.check(RESERVE_BYTES).is_ok() {
            let made = make_file(&self.folder.join(RESERVE), RESERVE_BYTES);
            *is_reserved = made.is_ok();
        }
        *is_reserved
    }

    fn give_up_reserve(&self) {
        let mut is_reserved = self.is_reserved.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that stays takes room, and the next measurement shows it.
        let _ = std::fs::remove_file(self.folder.join(RESERVE));
        *is_reserved = false;
    }
}

/// Makes a file whose bytes take room on the disk; leaves none if that fails.
fn make_file(path: &Path, bytes: u64) -> io::Result<()> {
    let made = File::create(path).and_then(|file| fill(file, bytes));
    if made.is_err() {
        let _ = std::fs::remove_file(path);
    }
    made
}

fn fill(mut file: File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        Err(rustix::io::Errno::OPNOTSUPP) => {
            // A file system without fallocate: zeros take room too.
            let zeros = [0; 64 * 1024];
            let mut left = bytes;
            while left > 0 {
                let step = left.min(zeros.len() as u64);
                file.write_all(&zeros[..step as usize])?;
                left -= step;
            }
            Ok(())
        }
        other => Ok(other?),
    }
}

/// Returns true for the errors of a full disk or quota.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
