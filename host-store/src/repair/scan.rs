//! Finds all whole frames in the segments, at any offset.
//!
//! A run is the longest series of records in one segment that follow one another, in the file and
//! in the chain. A good segment is one run. Memory grows with the damage, not with the log.

use crate::store::{BLOCK_BYTES, Record, RecordError, SegmentReader};
use mortise_format::ids::{EngineId, FrameDigest};
use std::io;
use std::path::Path;

/// Frames that follow one another in one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Number of the segment.
    pub(super) segment: u64,
    /// Offset of the first record.
    pub(super) start: u64,
    /// Offset after the last record.
    pub(super) end: u64,
    /// Seq of the first frame.
    pub(super) first: u64,
    /// Seq after the last frame.
    pub(super) next: u64,
    /// Digest that the first frame follows.
    pub(super) previous: FrameDigest,
    /// Digest of the last frame.
    pub(super) digest: FrameDigest,
    /// Offset of the last record, and the digest that its frame follows.
    last: (u64, FrameDigest),
    /// The engine of the frames.
    pub(super) engine_id: EngineId,
}

impl Run {
    fn of(segment: u64, record: &Record) -> Self {
        let frame = &record.frame;
        Self {
            segment,
            start: record.offset,
            end: record.next,
            first: frame.seq(),
            next: frame.seq() + 1,
            previous: frame.previous(),
            digest: frame.digest(),
            last: (record.offset, frame.previous()),
            engine_id: frame.engine_id(),
        }
    }

    fn is_continued_by(&self, record: &Record) -> bool {
        let frame = &record.frame;
        record.offset == self.end
            && frame.seq() == self.next
            && frame.previous() == self.digest
            && frame.engine_id() == self.engine_id
    }

    fn add(&mut self, record: &Record) {
        self.last = (record.offset, record.frame.previous());
        self.end = record.next;
        self.next += 1;
        self.digest = record.frame.digest();
    }

    /// The run without its last frame; `None` for a run of one frame.
    pub(super) fn without_last(&self) -> Option<Self> {
        let (start, previous) = self.last;
        let last = self.next - 1;
        let shorter = Self { end: start, next: last, digest: previous, ..self.clone() };
        (last > self.first).then_some(shorter)
    }
}

/// The first block of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    /// All zero: it is not in use.
    Unused,
    /// It names its first seq.
    First(u64),
    /// Neither.
    Broken,
}

/// The contents of a segment file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) bytes: u64,
    pub(super) front: Front,
    pub(super) runs: Vec<Run>,
    /// Frames below this seq were durable when some record here was written.
    pub(super) durable: u64,
    /// The last offset with bytes that are not a whole record.
    pub(super) junk: Option<u64>,
}

impl Segment {
    /// Nothing but zeros.
    pub(super) fn is_clean_spare(&self) -> bool {
        self.front == Front::Unused && self.runs.is_empty() && self.junk.is_none()
    }

    /// Returns true when anything is at `end` or after it.
    pub(super) fn has_more_behind(&self, end: u64) -> bool {
        self.junk.is_some_and(|at| at >= end) || self.runs.iter().any(|run| run.start >= end)
    }
}

/// Reads a segment to its end. `is_known` returns whether a frame may be the one with its seq.
pub(super) fn scan(
    number: u64,
    path: &Path,
    mut is_known: impl FnMut(u64, &Record) -> io::Result<bool>,
) -> io::Result<Segment> {
    let (reader, front) = match SegmentReader::open(path) {
        Ok(reader) => {
            let front = reader.first_seq().map_or(Front::Unused, Front::First);
            (reader, front)
        }
        Err(RecordError::Io(error)) => return Err(error),
        Err(_) => (SegmentReader::open_unchecked(path)?, Front::Broken),
    };
    let mut segment =
        Segment { number, bytes: reader.bytes(), front, runs: Vec::new(), durable: 0, junk: None };
    let mut at = BLOCK_BYTES;
    while let Some(is_used) = reader.is_used(at)? {
        let found = if is_used { reader.any_record(at)? } else { None };
        match found {
            Some((record, durable)) => {
                at = record.next;
                segment.durable = segment.durable.max(durable);
                if is_known(number, &record)? {
                    segment.add(&record);
                } else {
                    segment.junk = Some(record.offset);
                }
            }
            None => {
                if is_used {
                    segment.junk = Some(at);
                    segment.durable = segment.durable.max(reader.durable_at(at)?);
                }
                at += BLOCK_BYTES;
            }
        }
    }
    // A truncated last block is not a block.
    if reader.bytes() > at {
        segment.junk.get_or_insert(at);
    }
    Ok(segment)
}

impl Segment {
    fn add(&mut self, record: &Record) {
        match self.runs.last_mut() {
            Some(run) if run.is_continued_by(record) => run.add(record),
            _ => self.runs.push(Run::of(self.number, record)),
        }
    }
}
