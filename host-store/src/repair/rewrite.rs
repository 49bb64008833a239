//! Rewrites segments, beside the old ones, from frames of this log and of copies.
//!
//! Unchanged segments are left alone: writing starts at the first dirty one and ends where the next
//! clean one begins, if the numbers still fit. Nothing here replaces a file.

use super::copy::CopyFrames;
use super::plan::{Piece, Plan};
use super::scan::Run;
use super::{Progress, RepairError};
use crate::store::{
    BLOCK_BYTES, CheckedFrame, SegmentReader, encode_record, encode_segment_header, record_bytes,
    segment_path,
};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// Extension of a segment that is being written. A store ignores it.
pub(super) const EXTENSION: &str = "repaired";
const BUFFER_BYTES: usize = 1024 * 1024;
const ZERO_BYTES: usize = 64 * 1024;

/// The changes to the folder of the log.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Numbers of the segments that were written.
    pub(super) written: Vec<u64>,
    /// Numbers of the segments that are no longer needed.
    pub(super) gone: Vec<u64>,
}

impl Change {
    /// Replaces the old files by the new ones, lower numbers first. A repair that stops half-way
    /// leaves the log no worse than it was, and can be started again.
    pub(super) fn apply(&self, folder: &Path) -> io::Result<()> {
        for number in &self.written {
            let path = segment_path(folder, *number);
            std::fs::rename(path.with_extension(EXTENSION), path)?;
        }
        for number in &self.gone {
            std::fs::remove_file(segment_path(folder, *number))?;
        }
        File::open(folder)?.sync_all()
    }
}

/// Writes every segment that the plan changes.
pub(super) fn write(
    plan: &Plan,
    folder: &Path,
    copies: &[PathBuf],
    progress: &mut Progress<'_>,
) -> Result<Change, RepairError> {
    let segment_bytes = plan.segments.iter().map(|segment| segment.bytes).max().unwrap_or(0);
    let mut rewriting = Rewriting {
        plan,
        folder,
        segment_bytes,
        sources: copies.iter().map(|_| None).collect(),
        copies,
        writer: None,
        last: None,
        change: Change::default(),
    };
    let dirty = plan.dirty();
    let (mut done, of) = (0, plan.pieces.len() as u64);
    for piece in &plan.pieces {
        match piece {
            Piece::Ours(run) => rewriting.ours(run, dirty.contains(&run.segment))?,
            Piece::Gap(gap) => rewriting.theirs(gap.copy, gap.from, gap.until)?,
        }
        done += 1;
        progress("writing pieces", done, of);
    }
    if let Some((copy, until)) = plan.tail.copy {
        rewriting.theirs(Some(copy), plan.tail.from, until)?;
    }
    rewriting.finish()
}

struct Rewriting<'a> {
    plan: &'a Plan,
    folder: &'a Path,
    segment_bytes: u64,
    copies: &'a [PathBuf],
    /// The copies, each read as far as needed.
    sources: Vec<Option<CopyFrames>>,
    writer: Option<SegmentWriter>,
    /// The number of the last segment that stays or was written.
    last: Option<u64>,
    change: Change,
}

impl Rewriting<'_> {
    fn next_number(&self) -> u64 {
        self.last.map_or(self.plan.first_segment, |last| last + 1)
    }

    fn ours(&mut self, run: &Run, is_dirty: bool) -> Result<(), RepairError> {
        let begins_segment = run.start == BLOCK_BYTES;
        if begins_segment && self.next_number() == run.segment {
            self.close()?;
        }
        if self.writer.is_none() && !is_dirty {
            self.last = Some(run.segment);
            return Ok(());
        }
        let path = segment_path(self.folder, run.segment);
        let reader = SegmentReader::open_unchecked(&path)?;
        let mut at = run.start;
        while at < run.end {
            let found = reader.any_record(at)?;
            let (record, _) = found.ok_or_else(|| io::Error::other("a frame changed meanwhile"))?;
            at = record.next;
            self.add(&record.frame)?;
        }
        Ok(())
    }

    fn theirs(&mut self, copy: Option<usize>, from: u64, until: u64) -> Result<(), RepairError> {
        let copy = copy.ok_or_else(|| io::Error::other("a gap that no copy fills"))?;
        let mut frames = match self.sources[copy].take() {
            Some(frames) => frames,
            None => CopyFrames::open(&self.copies[copy])?,
        };
        // The frames of a gap are after all frames that were read for earlier gaps.
        for _ in frames.position()..until {
            let frame = frames.next()?;
            let frame = frame.ok_or_else(|| io::Error::other("a copy changed meanwhile"))?;
            if frame.seq() >= from {
                self.add(&frame)?;
            }
        }
        self.sources[copy] = Some(frames);
        Ok(())
    }

    fn add(&mut self, frame: &CheckedFrame) -> io::Result<()> {
        let is_full = |w: &SegmentWriter| !w.fits(frame, self.segment_bytes);
        if self.writer.as_ref().is_some_and(is_full) {
            self.close()?;
        }
        if self.writer.is_none() {
            let number = self.next_number();
            let path = segment_path(self.folder, number).with_extension(EXTENSION);
            self.writer = Some(SegmentWriter::create(path, frame.seq())?);
            self.last = Some(number);
        }
        match &mut self.writer {
            Some(writer) => writer.add(frame),
            None => Ok(()),
        }
    }

    fn close(&mut self) -> io::Result<()> {
        if let (Some(writer), Some(number)) = (self.writer.take(), self.last) {
            writer.finish(self.segment_bytes)?;
            self.change.written.push(number);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Change, RepairError> {
        self.close()?;
        let next = self.next_number();
        let behind = self.plan.segments.iter().filter(|segment| segment.number >= next);
        let is_gone = |n: u64, clean: bool| !clean || n > next;
        let gone = behind.filter(|s| is_gone(s.number, s.is_clean_spare()));
        self.change.gone = gone.map(|segment| segment.number).collect();
        File::open(self.folder)?.sync_all()?;
        Ok(self.change)
    }
}

/// A segment that is being written.
struct SegmentWriter {
    out: BufWriter<File>,
    offset: u64,
    record: Vec<u8>,
}

impl SegmentWriter {
    fn create(path: PathBuf, first_seq: u64) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, File::create(path)?);
        out.write_all(&encode_segment_header(first_seq))?;
        Ok(Self { out, offset: BLOCK_BYTES, record: Vec::new() })
    }

    fn fits(&self, frame: &CheckedFrame, segment_bytes: u64) -> bool {
        self.offset + record_bytes(frame.bytes().len()) <= segment_bytes
    }

    /// Everything before a frame is durable when its segment is used.
    fn add(&mut self, frame: &CheckedFrame) -> io::Result<()> {
        self.record.clear();
        encode_record(frame, frame.seq(), &mut self.record);
        self.offset += self.record.len() as u64;
        self.out.write_all(&self.record)
    }

    /// Fills the rest with zeros; durable when it returns.
    fn finish(mut self, segment_bytes: u64) -> io::Result<()> {
        let zeros = [0; ZERO_BYTES];
        while self.offset < segment_bytes {
            let left = segment_bytes - self.offset;
            let step = usize::try_from(left).unwrap_or(ZERO_BYTES).min(ZERO_BYTES);
            self.out.write_all(&zeros[..step])?;
            self.offset += step as u64;
        }
        self.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}
