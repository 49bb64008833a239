//! Finds the end of the log when a store opens.
//!
//! The index names the last frame that was known to be durable. From there on, recovery reads the
//! segments frame by frame, and checks each frame and its chaining. Bytes after the last whole
//! frame are a torn write, and are wiped, if nothing shows that a frame there was ever durable.
//! Otherwise they are damage to an acknowledged frame, and the store does not open.
//!
//! Recovery writes and syncs the kept frames again: after a failed sync the kernel may treat pages
//! as clean that never reached the disk.

use super::index::{FramePlace, Index, IndexError};
use super::pruned::{LogBase, PrunedError};
use super::segment::{BLOCK_BYTES, RecordError, SegmentReader, segment_files, segment_path};
use super::tail::{SegmentAllocator, Tail};
use mortise_format::frame::FrameError;
use mortise_format::ids::EngineId;
use mortise_format::store::LogHead;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// A frame that was acknowledged is damaged or missing.
    #[error("frame {seq} was stored and is damaged or gone: {reason}")]
    FrameLost {
        /// The first missing frame.
        seq: u64,
        /// What was found there.
        reason: RecordError,
    },
    /// A frame does not follow the one before it.
    #[error("frame {seq} does not follow the frame before it")]
    BrokenChain { seq: u64 },
    /// A segment does not start where the one before it ends.
    #[error("the segment of frame {expected} is missing")]
    SegmentGone {
        /// The frame that the segment would start with.
        expected: u64,
    },
    /// Bytes that are no whole frame follow the last one, and the index is lost: nothing shows
    /// whether a frame there was acknowledged.
    #[error("frame {seq} is broken; without the index it is unknown whether it was acknowledged")]
    UnprovenTail {
        /// The seq after the last whole frame.
        seq: u64,
    },
    /// The leaves of the pruned frames are not whole.
    #[error(transparent)]
    Pruned(#[from] PrunedError),
    /// The files cannot be read or written.
    #[error("the log cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// A log that was read to its end.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) tail: Tail,
    pub(super) head: LogHead,
    pub(super) engine_id: Option<EngineId>,
    /// Frames after the last index entry.
    pub(super) unindexed: Vec<(u64, FramePlace)>,
    /// True when torn writes were wiped.
    pub(super) wiped: bool,
}

/// A position in the log: the next frame and its required predecessor.
struct Cursor {
    /// False when the index is lost, which would show what was acknowledged.
    is_proven: bool,
    head: LogHead,
    engine_id: Option<EngineId>,
    segment: u64,
    offset: u64,
}

/// Reads the log in `allocator` to its end and opens it for writing.
pub(super) fn recover(
    allocator: &SegmentAllocator,
    index: &Index,
    is_index_lost: bool,
    base: &LogBase,
) -> Result<Recovered, RecoveryError> {
    remove_pruned(&allocator.folder, base)?;
    let mut cursor = start(&allocator.folder, index, base)?;
    cursor.is_proven = !is_index_lost;
    let checked_from = (cursor.segment, cursor.offset);
    let mut files = segment_files(&allocator.folder)?;
    files.retain(|(number, _)| *number >= cursor.segment);
    let mut entered = false;
    let mut unindexed = Vec::new();
    let mut wiped = false;
    for (i, (number, path)) in files.iter().enumerate() {
        let next_seq = cursor.head.next_seq;
        let Some(first_seq) = first_seq_of(path, next_seq)? else {
            remove_unused(path, next_seq)?;
            continue;
        };
        if entered {
            (cursor.segment, cursor.offset) = (cursor.segment + 1, BLOCK_BYTES);
        }
        // The index has an entry in the first segment; reading starts after that frame.
        let resumed = !entered && cursor.offset > BLOCK_BYTES;
        if *number != cursor.segment || !(resumed || first_seq == next_seq) {
            return Err(RecoveryError::SegmentGone { expected: next_seq });
        }
        entered = true;
        let following = files.get(i + 1).map(|(_, path)| first_seq_of(path, next_seq));
        let next_first = following.transpose()?.flatten();
        wiped |= read_segment(path, next_first, &mut cursor, &mut unindexed)?;
    }
    let tail = match (entered, cursor.head) {
        (false, LogHead::EMPTY) => Tail::create(allocator.clone())?,
        (false, head) => return Err(RecoveryError::SegmentGone { expected: head.next_seq }),
        (true, _) => {
            rewrite(allocator, checked_from, &cursor)?;
            Tail::resume(allocator.clone(), cursor.segment, cursor.offset)?
        }
    };
    let Cursor { head, engine_id, .. } = cursor;
    Ok(Recovered { tail, head, engine_id, unindexed, wiped })
}

/// The first frame of a segment; `None` when the segment is not in use.
fn first_seq_of(path: &Path, next_seq: u64) -> Result<Option<u64>, RecoveryError> {
    let lost = |reason| RecoveryError::FrameLost { seq: next_seq, reason };
    Ok(SegmentReader::open(path).map_err(lost)?.first_seq())
}

/// Removes a segment that is not in use, which a crash may have left half filled. Records in a
/// segment whose first block never reached the disk belong to a group that was never acknowledged.
fn remove_unused(path: &Path, next_seq: u64) -> Result<(), RecoveryError> {
    let lost = |reason| RecoveryError::FrameLost { seq: next_seq, reason };
    let reader = SegmentReader::open(path).map_err(lost)?;
    if reader.beyond(0)?.durable > next_seq {
        return Err(lost(RecordError::NoRecord));
    }
    Ok(std::fs::remove_file(path)?)
}

/// Removes segments whose leaves are in the file of pruned ones: a prune was cut short.
fn remove_pruned(folder: &Path, base: &LogBase) -> io::Result<()> {
    for (number, path) in segment_files(folder)? {
        if number < base.segment {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The position after the last indexed frame, which must still exist.
fn start(folder: &Path, index: &Index, base: &LogBase) -> Result<Cursor, RecoveryError> {
    let last = index.last_frame()?.filter(|(seq, _)| *seq >= base.head.next_seq);
    let Some((seq, place)) = last else {
        let LogBase { head, engine_id, segment } = *base;
        return Ok(Cursor { is_proven: true, head, engine_id, segment, offset: BLOCK_BYTES });
    };
    let lost = |reason| RecoveryError::FrameLost { seq, reason };
    let reader = SegmentReader::open(&segment_path(folder, place.segment));
    let record = reader.and_then(|r| r.record(place.offset, seq)).map_err(lost)?;
    let record = record.ok_or_else(|| lost(RecordError::NoRecord))?;
    if record.frame.digest() != place.digest {
        return Err(lost(RecordError::NoRecord));
    }
    Ok(Cursor {
        is_proven: true,
        head: LogHead { next_seq: seq + 1, digest: place.digest },
        engine_id: Some(record.frame.engine_id()),
        segment: place.segment,
        offset: record.next,
    })
}

/// Moves the cursor over every whole frame of a segment. Returns true when a torn write was wiped.
fn read_segment(
    path: &Path,
    next_first: Option<u64>,
    cursor: &mut Cursor,
    found: &mut Vec<(u64, FramePlace)>,
) -> Result<bool, RecoveryError> {
    let seq_at_start = cursor.head.next_seq;
    let lost = |seq, reason| RecoveryError::FrameLost { seq, reason };
    let reader = SegmentReader::open(path).map_err(|reason| lost(seq_at_start, reason))?;
    loop {
        let seq = cursor.head.next_seq;
        let record = match reader.record(cursor.offset, seq) {
            Ok(Some(record)) => record,
            Err(RecordError::Io(error)) => return Err(error.into()),
            // No torn write has another version: this is a log of another build, which stays.
            Err(reason @ RecordError::Frame(FrameError::Version { .. })) => {
                return Err(lost(seq, reason));
            }
            other => {
                let beyond = reader.beyond(cursor.offset)?;
                // A later segment is used only when all of this one is durable.
                let cut_short = beyond.anything && next_first.is_some_and(|next| next > seq);
                if beyond.durable > seq || cut_short {
                    return Err(lost(seq, other.err().unwrap_or(RecordError::NoRecord)));
                }
                let torn = beyond.anything && next_first.is_none();
                if torn && !cursor.is_proven {
                    return Err(RecoveryError::UnprovenTail { seq });
                }
                return if torn { wipe(path, cursor.offset) } else { Ok(false) };
            }
        };
        let frame = &record.frame;
        let foreign = cursor.engine_id.is_some_and(|id| id != frame.engine_id());
        if foreign || frame.previous() != cursor.head.digest {
            return Err(RecoveryError::BrokenChain { seq });
        }
        let length = u32::try_from(frame.bytes().len()).map_err(io::Error::other)?;
        let digest = frame.digest();
        let place = FramePlace { segment: cursor.segment, offset: record.offset, length, digest };
        found.push((seq, place));
        cursor.engine_id = Some(frame.engine_id());
        cursor.head = LogHead { next_seq: seq + 1, digest };
        cursor.offset = record.next;
    }
}

/// Zeroes a segment from `offset` on and syncs it.
fn wipe(path: &Path, offset: u64) -> Result<bool, RecoveryError> {
    let file = OpenOptions::new().write(true).open(path)?;
    let bytes = file.metadata()?.len();
    let zeros = [0; 64 * 1024];
    let mut at = offset;
    while at < bytes {
        let step = usize::try_from(bytes - at).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all_at(&zeros[..step], at)?;
        at += step as u64;
    }
    file.sync_data()?;
    Ok(true)
}

/// Writes the frames after the last index entry again, byte for byte, and syncs them.
fn rewrite(
    allocator: &SegmentAllocator,
    from: (u64, u64),
    cursor: &Cursor,
) -> Result<(), RecoveryError> {
    let (segment, offset) = from;
    for number in segment..=cursor.segment {
        let path = segment_path(&allocator.folder, number);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let start = if number == segment { offset } else { 0 };
        let bytes = file.metadata()?.len();
        let end = if number == cursor.segment { cursor.offset.min(bytes) } else { bytes };
        rewrite_file(&file, start, end)?;
        allocator.syncer.sync(&file)?;
    }
    allocator.syncer.sync_folder(&allocator.folder)?;
    Ok(())
}

fn rewrite_file(file: &File, start: u64, end: u64) -> io::Result<()> {
    let mut chunk = vec![0; 1 << 20];
    let mut at = start;
    while at < end {
        let step = usize::try_from(end - at).unwrap_or(usize::MAX).min(chunk.len());
        file.read_exact_at(&mut chunk[..step], at)?;
        file.write_all_at(&chunk[..step], at)?;
        at += step as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::port::CheckedFrame;
    use super::super::testing::{Store, chain};
    use super::*;
    use crate::store::segment::{RECORD_HEADER_BYTES, record_bytes};
    use crate::store::{LogStore as _, OpenError};

    /// Overwrites bytes of the log's first segment.
    fn damage(store: &Store, offset: u64, bytes: &[u8]) {
        let path = segment_path(&store.log(), 0);
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }

    fn offset_of(n: u64, frame_bytes: usize) -> u64 {
        BLOCK_BYTES + n * record_bytes(frame_bytes)
    }

    #[test]
    fn a_torn_write_that_was_not_acknowledged_is_wiped() {
        let store = Store::new();
        let frames = chain(4, 1000);
        let length = frames[0].bytes().len();
        store.open().unwrap().append(&frames[..3]);
        // A crash left the front of frame 3 and, out of order, all of a frame 4.
        let mut torn = Vec::new();
        super::super::segment::encode_record(&frames[3], 3, &mut torn);
        damage(&store, offset_of(3, length), &torn[..512]);
        let mut stray = Vec::new();
        super::super::segment::encode_record(&chain(5, 1000)[4], 3, &mut stray);
        damage(&store, offset_of(4, length), &stray);
        let open = store.open().unwrap();
        assert_eq!(open.head().next_seq, 3);
        open.append(&frames[3..]);
        drop(open);
        assert_eq!(store.open().unwrap().head().next_seq, 4);
    }

    #[test]
    fn a_log_of_another_frame_version_is_refused_and_kept() {
        let store = Store::new();
        let frames = chain(1, 1000);
        store.open().unwrap().append(&frames);
        damage(&store, BLOCK_BYTES + RECORD_HEADER_BYTES as u64, &[1, 0]);
        store.forget_index();
        let kept = std::fs::read(segment_path(&store.log(), 0)).unwrap();
        let error = store.open().map(drop).unwrap_err();
        assert!(error.to_string().contains("version 1"), "{error}");
        assert_eq!(std::fs::read(segment_path(&store.log(), 0)).unwrap(), kept);
    }

    #[track_caller]
    fn damaged_second_frame_is_lost(store: &Store, frames: &[CheckedFrame]) {
        damage(store, offset_of(1, frames[0].bytes().len()) + 600, &[0xff]);
        let error = store.open().map(drop).unwrap_err();
        assert!(
            matches!(error, OpenError::Recovery(RecoveryError::FrameLost { seq: 1, .. })),
            "{error}"
        );
    }

    #[test]
    fn a_damaged_frame_that_a_later_record_knows_durable_is_refused_by_name() {
        let store = Store::new();
        let frames = chain(3, 1000);
        for frame in &frames {
            store.open().unwrap().append(std::slice::from_ref(frame));
        }
        store.forget_index();
        damaged_second_frame_is_lost(&store, &frames);
    }

    #[test]
    fn a_damaged_last_frame_is_refused_because_the_index_knows_it() {
        let store = Store::new();
        let frames = chain(2, 1000);
        store.open().unwrap().append(&frames);
        damaged_second_frame_is_lost(&store, &frames);
    }

    #[test]
    fn a_lost_index_is_rebuilt_from_the_segments() {
        let store = Store::new();
        let frames = chain(40, 100_000);
        let open = store.open().unwrap();
        open.append(&frames);
        drop(open);
        assert!(segment_files(&store.log()).unwrap().len() > 1);
        store.forget_index();
        let open = store.open().unwrap();
        assert_eq!(open.head().next_seq, 40);
        assert_eq!(open.read(17, 1).unwrap(), vec![frames[17].bytes().to_vec()]);
    }

    #[test]
    fn what_follows_the_last_frame_is_not_wiped_while_the_index_is_lost() {
        let store = Store::new();
        let frames = chain(3, 1000);
        store.open().unwrap().append(&frames);
        // The last frame was acknowledged; only the index shows it.
        damage(&store, offset_of(2, frames[0].bytes().len()) + 600, &[0xff]);
        store.forget_index();
        for _ in 0..2 {
            let error = store.open().map(drop).unwrap_err();
            let unproven = RecoveryError::UnprovenTail { seq: 2 };
            assert_eq!(error.to_string(), OpenError::from(unproven).to_string());
        }
    }

    #[test]
    fn a_missing_segment_is_refused_by_name() {
        let store = Store::new();
        store.open().unwrap().append(&chain(60, 100_000));
        store.forget_index();
        let files = segment_files(&store.log()).unwrap();
        let expected = SegmentReader::open(&files[1].1).unwrap().first_seq().unwrap();
        std::fs::remove_file(&files[1].1).unwrap();
        let error = store.open().map(drop).unwrap_err();
        let OpenError::Recovery(RecoveryError::SegmentGone { expected: found }) = error else {
            panic!("{error}")
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_half_prepared_segment_is_recreated() {
        let store = Store::new();
        let frames = chain(60, 100_000);
        store.open().unwrap().append(&frames[..20]);
        let next = segment_path(&store.log(), 1);
        assert!(next.exists());
        // half filled, and with what a group left that was cut off before its first sync
        std::fs::write(&next, [&[0; 1024][..], &[1; 600]].concat()).unwrap();
        let open = store.open().unwrap();
        open.append(&frames[20..]);
        drop(open);
        store.forget_index();
        assert_eq!(store.open().unwrap().head().next_seq, 60);
    }

    #[test]
    fn a_wiped_first_block_of_a_segment_that_was_used_is_refused() {
        let store = Store::new();
        for frame in &chain(60, 100_000) {
            store.open().unwrap().append(std::slice::from_ref(frame));
        }
        store.forget_index();
        let second = segment_path(&store.log(), 1);
        let first_seq = SegmentReader::open(&second).unwrap().first_seq().unwrap();
        let file = OpenOptions::new().write(true).open(second).unwrap();
        file.write_all_at(&[0; 512], 0).unwrap();
        let error = store.open().map(drop).unwrap_err();
        let OpenError::Recovery(RecoveryError::FrameLost { seq, .. }) = error else {
            panic!("{error}")
        };
        assert_eq!(seq, first_seq);
    }
}
