//! The beginning of the log that was pruned: the leaves of its frames, in one file.
//!
//! What it is for: `mortise-host prune` removes segments that an export and a snapshot cover. What
//! the engine needs of every frame for ever, its leaf (proofs about the history), stays here.
//!
//! ```text
//! file = block 0: magic (8) | frames u64 | next segment u64 | digest of the last frame (32)
//!                 | length of the boot frame u32
//!        leaves: LEAF_BYTES for each frame, from seq 0
//!        the newest of the frames that is a boot frame
//! ```
//! The newest boot frame stays whole: every start reads it, to know in which mode the log was
//! written.
//!
//! What it does not do: hold other frames. They are in the export that covered them.
//!
//! Invariants: the frames are the first ones of the log, whole segments of them, and the first
//! segment that stays follows them. A leaf is served only when the next one, or the file's first
//! block, names its digest.

use super::disk::DiskStore;
use super::port::{CheckedFrame, LogStore as _};
use super::segment::{BLOCK_BYTES, segment_files};
use super::sync::Syncer;
use mortise_format::frame::{FrameKind, FrameLeaf, LEAF_BYTES};
use mortise_format::ids::{EngineId, FrameDigest};
use mortise_format::store::LogHead;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Name of the file in the folder of the log.
const FILE: &str = "pruned.leaves";
/// Name of a file that is being written.
const UNFINISHED: &str = "pruned.unfinished";
const MAGIC: [u8; 8] = *b"MRTPRUN1";
const LEAF: u64 = LEAF_BYTES as u64;

/// The file of pruned leaves is not whole.
#[derive(Debug, thiserror::Error)]
#[error(
    "the leaves of pruned frames, {FILE}, are broken: {0}. Import the export that covers them into \
     a new folder, then repair that folder with --from this one"
)]
pub struct PrunedError(String);

impl From<io::Error> for PrunedError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Where the stored frames of a log begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogBase {
    /// The head before the first stored frame.
    pub(crate) head: LogHead,
    /// The engine of the frames before it.
    pub(crate) engine_id: Option<EngineId>,
    /// Number of the first segment.
    pub(crate) segment: u64,
}

impl LogBase {
    /// A log with all its frames.
    pub(crate) const WHOLE: Self = Self { head: LogHead::EMPTY, engine_id: None, segment: 0 };

    /// The base of the log in a folder.
    pub(crate) fn of(log: &Path) -> Result<Self, PrunedError> {
        Ok(Pruned::open(log)?.as_ref().map_or(Self::WHOLE, Pruned::base))
    }
}

/// The pruned beginning of a log.
#[derive(Debug)]
pub(crate) struct Pruned {
    file: File,
    base: LogBase,
    /// The newest boot frame before the base.
    boot: CheckedFrame,
}

impl Pruned {
    /// Opens the file in the folder of a log; `None` for a log with all its frames.
    pub(crate) fn open(log: &Path) -> Result<Option<Self>, PrunedError> {
        let file = match File::open(log.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut block = [0; BLOCK_BYTES as usize];
        file.read_exact_at(&mut block, 0)?;
        let (magic, rest) = block.split_at(MAGIC.len());
        let (frames, rest) = rest.split_at(8);
        let (segment, rest) = rest.split_at(8);
        let (digest, rest) = rest.split_at(32);
        let (boot, zeros) = rest.split_at(4);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        let head = LogHead {
            next_seq: number(frames),
            digest: FrameDigest(digest.try_into().unwrap_or_default()),
        };
        let boot_bytes = boot.try_into().map_or(0, u32::from_le_bytes);
        let leaves_end = head.next_seq.checked_mul(LEAF).and_then(|b| b.checked_add(BLOCK_BYTES));
        let bytes = leaves_end.and_then(|end| end.checked_add(u64::from(boot_bytes)));
        let is_sound = magic == MAGIC && zeros.iter().all(|b| *b == 0) && head.next_seq > 0;
        if !is_sound || Some(file.metadata()?.len()) != bytes {
            return Err(PrunedError("its first block or its size is wrong".into()));
        }
        let last = read_leaf(&file, head.next_seq - 1)?;
        match last.filter(|(last, _)| last.digest() == head.digest) {
            Some((last, _)) => {
                let engine_id = Some(last.header.engine_id);
                let base = LogBase { head, engine_id, segment: number(segment) };
                let mut boot = vec![0; boot_bytes as usize];
                file.read_exact_at(&mut boot, BLOCK_BYTES + head.next_seq * LEAF)?;
                let broken = |_| PrunedError("its boot frame is broken".into());
                let boot = CheckedFrame::parse(boot).map_err(broken)?;
                let found = Self { file, base, boot };
                let is_named = |leaf: PrunedLeaf| leaf.digest == found.boot.digest();
                match found.leaf(found.boot.seq())?.is_some_and(is_named) {
                    true => Ok(Some(found)),
                    false => Err(PrunedError("its boot frame is another one".into())),
                }
            }
            None => Err(PrunedError("its last leaf is not the one that it names".into())),
        }
    }

    /// Where the stored frames begin.
    pub(crate) fn base(&self) -> LogBase {
        self.base
    }

    /// The newest boot frame before the base: the one frame of them that is whole.
    pub(super) fn boot(&self) -> &CheckedFrame {
        &self.boot
    }

    /// A leaf that is the one of its frame; `None` if it is broken.
    pub(crate) fn leaf(&self, seq: u64) -> io::Result<Option<PrunedLeaf>> {
        if seq >= self.base.head.next_seq {
            return Ok(None);
        }
        let digest = match seq + 1 {
            next if next == self.base.head.next_seq => Some(self.base.head.digest),
            next => read_leaf(&self.file, next)?.map(|(leaf, _)| leaf.header.previous),
        };
        let found = read_leaf(&self.file, seq)?;
        let found = found.map(|(leaf, bytes)| (leaf.header.seq, leaf.digest(), bytes));
        let found = found.filter(|(found, of, _)| *found == seq && Some(*of) == digest);
        Ok(found.map(|(_, digest, bytes)| PrunedLeaf { digest, bytes }))
    }

    /// Every leaf in order, unchecked, for who checks the chain.
    pub(crate) fn all(&self) -> io::Result<impl Iterator<Item = io::Result<Option<FrameLeaf>>>> {
        let mut file = BufReader::new(self.file.try_clone()?);
        io::Seek::seek(&mut file, io::SeekFrom::Start(BLOCK_BYTES))?;
        Ok((0..self.base.head.next_seq).map(move |_| {
            let mut bytes = [0; LEAF_BYTES];
            file.read_exact(&mut bytes)?;
            Ok(FrameLeaf::decode(&bytes).ok())
        }))
    }
}

/// A leaf that is the one of its frame.
#[derive(Debug)]
pub(crate) struct PrunedLeaf {
    /// Digest of the frame.
    pub(crate) digest: FrameDigest,
    pub(crate) bytes: [u8; LEAF_BYTES],
}

fn read_leaf(file: &File, seq: u64) -> io::Result<Option<(FrameLeaf, [u8; LEAF_BYTES])>> {
    let mut bytes = [0; LEAF_BYTES];
    file.read_exact_at(&mut bytes, BLOCK_BYTES + seq * LEAF)?;
    Ok(FrameLeaf::decode(&bytes).ok().map(|leaf| (leaf, bytes)))
}

/// Writes a file with the leaves of `before` and then `leaves`, and the boot frame, in the place of
/// the one that was there; it is on the disk when this returns.
pub(crate) fn write(
    log: &Path,
    before: Option<&Pruned>,
    leaves: impl Iterator<Item = io::Result<[u8; LEAF_BYTES]>>,
    base: &LogBase,
    boot: &CheckedFrame,
    syncer: &dyn Syncer,
) -> io::Result<()> {
    let unfinished = log.join(UNFINISHED);
    let mut out = BufWriter::new(File::create(&unfinished)?);
    let mut block = MAGIC.to_vec();
    block.extend_from_slice(&base.head.next_seq.to_le_bytes());
    block.extend_from_slice(&base.segment.to_le_bytes());
    block.extend_from_slice(&base.head.digest.0);
    let boot_bytes = u32::try_from(boot.bytes().len()).map_err(io::Error::other)?;
    block.extend_from_slice(&boot_bytes.to_le_bytes());
    block.resize(BLOCK_BYTES as usize, 0);
    out.write_all(&block)?;
    if let Some(before) = before {
        let mut old = before.file.try_clone()?;
        io::Seek::seek(&mut old, io::SeekFrom::Start(BLOCK_BYTES))?;
        let leaves = before.base.head.next_seq * LEAF;
        io::copy(&mut io::Read::take(&mut old, leaves), &mut out)?;
    }
    for leaf in leaves {
        out.write_all(&leaf?)?;
    }
    out.write_all(boot.bytes())?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    syncer.sync(&file)?;
    std::fs::rename(&unfinished, log.join(FILE))?;
    syncer.sync_folder(log)
}

impl DiskStore {
    /// The pruned beginning, if there is one.
    pub(super) fn pruned(&self) -> Option<&Pruned> {
        self.pruned.as_ref()
    }

    /// Drops the stored frames before `base`: writes their leaves, then removes their segments. The
    /// caller has looked that they are whole segments and elsewhere.
    ///
    /// # Errors
    /// The disk's. Before the file of leaves is in place nothing has changed; after it the next
    /// start removes what is left of the segments.
    pub(crate) fn drop_before(self, base: &LogBase) -> io::Result<()> {
        let log = self.log_folder();
        let first = self.first_frame();
        let leaves = (first..base.head.next_seq).map(|seq| self.whole_leaf(seq));
        let boot = self.newest_boot(base.head.next_seq)?;
        write(log, self.pruned(), leaves, base, &boot, self.syncer())?;
        for (number, path) in segment_files(log)? {
            if number < base.segment {
                std::fs::remove_file(path)?;
            }
        }
        self.syncer().sync_folder(log)
    }

    /// The newest boot frame before `until`, stored or of an earlier prune.
    fn newest_boot(&self, until: u64) -> io::Result<CheckedFrame> {
        for seq in (self.first_frame()..until).rev() {
            let leaf = FrameLeaf::decode(&self.whole_leaf(seq)?).map_err(io::Error::other)?;
            if leaf.header.kind() == Some(FrameKind::Boot) {
                let frames = self.read(seq, 1).map_err(io::Error::other)?;
                let bytes = frames.into_iter().next().ok_or(io::ErrorKind::NotFound)?;
                return CheckedFrame::parse(bytes).map_err(io::Error::other);
            }
        }
        let before = self.pruned().map(|pruned| pruned.boot().clone());
        before.ok_or_else(|| io::Error::other("the log begins with no boot frame"))
    }

    fn whole_leaf(&self, seq: u64) -> io::Result<[u8; LEAF_BYTES]> {
        let found = self.leaves(seq, 1).map_err(io::Error::other)?;
        found.try_into().map_err(|_| io::Error::other(format!("frame {seq} has no whole leaf")))
    }
}
