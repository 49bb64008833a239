//! The segment that is being written, and the spare that follows it.
//!
//! Segments are filled with zeros and synced before they are used: overwriting blocks that exist
//! takes one flush of the disk, growing a file takes a journal commit as well. Zeros are written
//! 64 KiB at a time, because the kernel keeps the size of a write as its unit of writing back.

use super::segment::{BLOCK_BYTES, encode_segment_header, segment_path};
use super::sync::Syncer;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

const ZERO_BYTES: usize = 64 * 1024;
const SPARE: &str = "spare";

/// Where segments are made.
#[derive(Debug, Clone)]
pub(super) struct Workshop {
    pub(super) folder: PathBuf,
    pub(super) segment_bytes: u64,
    pub(super) syncer: Arc<dyn Syncer>,
}

impl Workshop {
    /// Writes and syncs a spare segment of zeros.
    fn make_spare(&self) -> io::Result<PathBuf> {
        let path = self.folder.join(SPARE);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        let zeros = [0; ZERO_BYTES];
        let mut left = self.segment_bytes;
        while left > 0 {
            let step = left.min(ZERO_BYTES as u64);
            file.write_all(&zeros[..step as usize])?;
            left -= step;
        }
        self.syncer.sync(&file)?;
        Ok(path)
    }
}

/// The end of the log: an open segment, written from `offset` on.
#[derive(Debug)]
pub(super) struct Tail {
    workshop: Workshop,
    file: Arc<File>,
    first_seq: u64,
    offset: u64,
    spare: Spare,
}

#[derive(Debug)]
enum Spare {
    None,
    Making(JoinHandle<io::Result<PathBuf>>),
    Ready(PathBuf),
}

impl Tail {
    /// Goes on in an existing segment.
    pub(super) fn resume(workshop: Workshop, first_seq: u64, offset: u64) -> io::Result<Self> {
        let path = segment_path(&workshop.folder, first_seq);
        let file = Arc::new(OpenOptions::new().read(true).write(true).open(path)?);
        Ok(Self { workshop, file, first_seq, offset, spare: Spare::None })
    }

    /// Starts the segment of `first_seq` in a new file.
    pub(super) fn create(workshop: Workshop, first_seq: u64) -> io::Result<Self> {
        let spare = workshop.make_spare()?;
        let file = install(&workshop, &spare, first_seq)?;
        let offset = BLOCK_BYTES;
        Ok(Self { workshop, file, first_seq, offset, spare: Spare::None })
    }

    /// The seq that the segment starts with.
    pub(super) fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// Where the next record goes.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// True when `bytes` more fit this segment.
    pub(super) fn fits(&self, bytes: u64) -> bool {
        self.offset + bytes <= self.workshop.segment_bytes
    }

    /// Writes whole records at the end; durable after [`Tail::sync`].
    pub(super) fn write(&mut self, records: &[u8]) -> io::Result<()> {
        self.file.write_all_at(records, self.offset)?;
        self.offset += records.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.workshop.syncer.sync(&self.file)
    }

    /// Makes sure that a next segment exists: waits for the one being made, or makes it.
    pub(super) fn ensure_spare(&mut self) -> io::Result<()> {
        let ready = match std::mem::replace(&mut self.spare, Spare::None) {
            Spare::Ready(path) => path,
            Spare::Making(thread) => thread.join().unwrap_or_else(|_| {
                Err(io::Error::other("the thread that made the next segment panicked"))
            })?,
            Spare::None => self.workshop.make_spare()?,
        };
        self.spare = Spare::Ready(ready);
        Ok(())
    }

    /// Lets a thread make the next segment once this one is half full.
    pub(super) fn prepare_spare(&mut self) {
        let half_full = self.offset > self.workshop.segment_bytes / 2;
        if half_full && matches!(self.spare, Spare::None) {
            let workshop = self.workshop.clone();
            let thread = std::thread::Builder::new().name("mortise-spare".into());
            // Without a thread the segment is made when it is needed.
            if let Ok(thread) = thread.spawn(move || workshop.make_spare()) {
                self.spare = Spare::Making(thread);
            }
        }
    }

    /// Goes over to the next segment. Everything written so far must be synced: a segment exists
    /// only when all before it is durable.
    pub(super) fn roll(&mut self, first_seq: u64) -> io::Result<()> {
        self.ensure_spare()?;
        if let Spare::Ready(spare) = std::mem::replace(&mut self.spare, Spare::None) {
            self.file = install(&self.workshop, &spare, first_seq)?;
            self.first_seq = first_seq;
            self.offset = BLOCK_BYTES;
        }
        Ok(())
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // The thread writes into the folder, which its owner may want to remove next.
        if let Spare::Making(thread) = std::mem::replace(&mut self.spare, Spare::None) {
            let _ = thread.join();
        }
    }
}

/// Turns a spare into the segment of `first_seq`; its name is durable when this returns, its first
/// block with the first sync of the segment.
fn install(workshop: &Workshop, spare: &Path, first_seq: u64) -> io::Result<Arc<File>> {
    let path = segment_path(&workshop.folder, first_seq);
    std::fs::rename(spare, &path)?;
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    file.write_all_at(&encode_segment_header(first_seq), 0)?;
    workshop.syncer.sync_folder(&workshop.folder)?;
    Ok(Arc::new(file))
}
