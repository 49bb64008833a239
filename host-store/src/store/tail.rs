//! The segment that is being written, and the spare segment that follows it.
//!
//! Segments are filled with zeros and synced before use: overwriting existing blocks takes one
//! flush of the disk, while growing a file also takes a journal commit. Zeros are written 64 KiB at
//! a time, because the kernel uses the size of a write as its unit of writeback.
//!
//! A thread fills the spare at the pace of the appends, twice as far as the segment in use. Filled
//! all at once, it would delay the syncs of the frames.

use super::room::{Room, is_full};
use super::segment::{BLOCK_BYTES, encode_segment_header, segment_path};
use super::sync::Syncer;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

const ZERO_BYTES: usize = 64 * 1024;
/// Zeros written between two syncs of a spare.
const STEP_BYTES: u64 = 1024 * 1024;

/// Creates segments in a folder.
#[derive(Debug, Clone)]
pub(super) struct SegmentAllocator {
    pub(super) folder: PathBuf,
    pub(super) segment_bytes: u64,
    pub(super) syncer: Arc<dyn Syncer>,
    pub(super) room: Room,
}

impl SegmentAllocator {
    /// Fills a segment with zeros, as far as `pace` allows at each moment. The file and its name
    /// are durable when this returns. A segment that the disk has no room for gives back what it
    /// took.
    fn make_spare(&self, number: u64, pace: &Pace) -> io::Result<File> {
        let path = segment_path(&self.folder, number);
        let made = self.fill_spare(&path, pace);
        if made.as_ref().is_err_and(is_full) {
            let _ = std::fs::remove_file(path);
        }
        made
    }

    fn fill_spare(&self, path: &Path, pace: &Pace) -> io::Result<File> {
        let mut file =
            File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        let mut filled = 0;
        while filled < self.segment_bytes {
            let allowed = pace.wait_beyond(filled)?;
            let end = allowed.min(filled + STEP_BYTES).min(self.segment_bytes);
            self.room.check(end - filled)?;
            write_zeros(&mut file, end - filled)?;
            self.syncer.sync(&file)?;
            filled = end;
        }
        self.syncer.sync_folder(&self.folder)?;
        Ok(file)
    }
}

fn write_zeros(file: &mut File, mut bytes: u64) -> io::Result<()> {
    let zeros = [0; ZERO_BYTES];
    while bytes > 0 {
        let step = bytes.min(ZERO_BYTES as u64);
        file.write_all(&zeros[..step as usize])?;
        bytes -= step;
    }
    Ok(())
}

/// How far a spare may be filled; `None` when it is no longer wanted.
#[derive(Debug)]
struct Pace {
    allowed: Mutex<Option<u64>>,
    changed: Condvar,
}

impl Pace {
    fn new(allowed: u64) -> Arc<Self> {
        Arc::new(Self { allowed: Mutex::new(Some(allowed)), changed: Condvar::new() })
    }

    fn set(&self, allowed: Option<u64>) {
        let mut current = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != allowed {
            *current = allowed;
            self.changed.notify_one();
        }
    }

    /// Waits until more than `filled` is allowed.
    fn wait_beyond(&self, filled: u64) -> io::Result<u64> {
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = |allowed: &mut Option<u64>| allowed.is_some_and(|bytes| bytes <= filled);
        let allowed = self.changed.wait_while(allowed, enough);
        let allowed = *allowed.unwrap_or_else(PoisonError::into_inner);
        allowed.ok_or_else(|| io::Error::from(io::ErrorKind::Interrupted))
    }
}

/// The end of the log: an open segment, written from `offset` on.
#[derive(Debug)]
pub(super) struct Tail {
    allocator: SegmentAllocator,
    number: u64,
    file: File,
    offset: u64,
    /// True while the first block is still zero.
    unused: bool,
    spare: Spare,
}

#[derive(Debug)]
enum Spare {
    None,
    Making(Arc<Pace>, JoinHandle<io::Result<File>>),
    Ready(File),
}

impl Tail {
    /// Continues in a segment that is in use.
    pub(super) fn resume(
        allocator: SegmentAllocator,
        number: u64,
        offset: u64,
    ) -> io::Result<Self> {
        let path = segment_path(&allocator.folder, number);
        let file = File::options().read(true).write(true).open(path)?;
        Ok(Self { allocator, number, file, offset, unused: false, spare: Spare::None })
    }

    /// Creates the first segment.
    pub(super) fn create(allocator: SegmentAllocator) -> io::Result<Self> {
        let number = 0;
        let file = allocator.make_spare(number, &Pace::new(u64::MAX))?;
        let offset = BLOCK_BYTES;
        Ok(Self { allocator, number, file, offset, unused: true, spare: Spare::None })
    }

    /// Number of the segment.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Offset of the next record.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns true when `bytes` more fit in this segment.
    pub(super) fn fits(&self, bytes: u64) -> bool {
        self.offset + bytes <= self.allocator.segment_bytes
    }

    /// Writes whole records, starting with that of frame `first_seq`. Durable after [`Tail::sync`].
    pub(super) fn write(&mut self, first_seq: u64, records: &[u8]) -> io::Result<()> {
        if self.unused {
            self.file.write_all_at(&encode_segment_header(first_seq), 0)?;
            self.unused = false;
        }
        self.file.write_all_at(records, self.offset)?;
        self.offset += records.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.allocator.syncer.sync(&self.file)
    }

    /// Makes sure that a next segment exists: waits for the thread that fills it, or creates it.
    pub(super) fn ensure_spare(&mut self) -> io::Result<()> {
        let ready = match std::mem::replace(&mut self.spare, Spare::None) {
            Spare::Ready(file) => file,
            Spare::Making(pace, thread) => {
                pace.set(Some(u64::MAX));
                thread.join().unwrap_or_else(|_| {
                    Err(io::Error::other("the thread that made the next segment panicked"))
                })?
            }
            Spare::None => {
                // Before the first byte: a retry on a full disk costs nothing.
                self.allocator.room.check(self.allocator.segment_bytes)?;
                self.allocator.make_spare(self.number + 1, &Pace::new(u64::MAX))?
            }
        };
        self.spare = Spare::Ready(ready);
        Ok(())
    }

    /// Lets a thread fill the next segment twice as far as this one.
    pub(super) fn prepare_spare(&mut self) {
        // In whole steps: the thread wakes and syncs once per step, not once per append.
        let allowed = (2 * self.offset).next_multiple_of(STEP_BYTES);
        match &self.spare {
            Spare::Ready(_) => {}
            Spare::Making(pace, _) => pace.set(Some(allowed)),
            Spare::None => {
                let pace = Pace::new(allowed);
                let (allocator, told) = (self.allocator.clone(), Arc::clone(&pace));
                let number = self.number + 1;
                let thread = std::thread::Builder::new().name("mortise-spare".into());
                // Without a thread, the segment is created when it is needed.
                if let Ok(thread) = thread.spawn(move || allocator.make_spare(number, &told)) {
                    self.spare = Spare::Making(pace, thread);
                }
            }
        }
    }

    /// Switches to the next segment. Everything written so far must be synced: a segment is in use
    /// only when all before it is durable.
    pub(super) fn roll(&mut self) -> io::Result<()> {
        self.ensure_spare()?;
        if let Spare::Ready(file) = std::mem::replace(&mut self.spare, Spare::None) {
            self.file = file;
            self.number += 1;
            self.offset = BLOCK_BYTES;
            self.unused = true;
        }
        Ok(())
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // The thread writes into the folder, which its owner may remove next.
        if let Spare::Making(pace, thread) = std::mem::replace(&mut self.spare, Spare::None) {
            pace.set(None);
            let _ = thread.join();
        }
    }
}
