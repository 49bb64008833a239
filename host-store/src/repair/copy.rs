//! Copies to repair from: an exported log, or the data folder of another host that is stopped.
//!
//! A copy is read and never changed. Its frames are used up to its first fault, and only where they
//! chain to frames of this log.

use super::index::IndexState;
use super::{Probe, RepairError};
use crate::export::{ExportError, ExportReader};
use crate::store::{CheckedFrame, LOG_FOLDER, RecordError, SegmentReader, segment_files};
use mortise_format::blobs::PUBLIC_KEYS_PART;
use mortise_format::store::LogHead;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

/// Size of the read buffer of a file.
const BUFFER_BYTES: usize = 1024 * 1024;

/// The frames of a copy, from its first stored one, each chained to the one before.
pub(super) struct CopyFrames {
    from: From,
    head: LogHead,
}

enum From {
    Export(Box<ExportReader<BufReader<File>>>),
    Folder { files: std::vec::IntoIter<(u64, PathBuf)>, open: Option<(SegmentReader, u64)> },
}

impl CopyFrames {
    /// Opens a copy.
    pub(super) fn open(path: &Path) -> Result<Self, RepairError> {
        let wrong = |why: String| RepairError::Copy { copy: path.to_owned(), why };
        let mut head = LogHead::EMPTY;
        let from = if path.is_dir() {
            let log = path.join(LOG_FOLDER);
            let files = segment_files(&log).map_err(|e| wrong(e.to_string()))?;
            head = first_head(&files);
            From::Folder { files: files.into_iter(), open: None }
        } else {
            let file = File::open(path).map_err(|e| wrong(e.to_string()))?;
            let reader = ExportReader::new(BufReader::with_capacity(BUFFER_BYTES, file));
            From::Export(Box::new(reader.map_err(|e| wrong(e.to_string()))?))
        };
        Ok(Self { from, head })
    }

    /// The seq of the next frame.
    pub(super) fn position(&self) -> u64 {
        self.head.next_seq
    }

    /// The next frame; `None` at the end of the copy and at its first fault. Nothing after a fault
    /// is used.
    pub(super) fn next(&mut self) -> io::Result<Option<CheckedFrame>> {
        let frame = match &mut self.from {
            From::Export(reader) => match reader.next_frame() {
                Ok(frame) => frame,
                Err(ExportError::Io(error)) => return Err(error),
                Err(_) => None,
            },
            From::Folder { files, open } => next_of_folder(files, open, self.head.next_seq)?,
        };
        let LogHead { next_seq, digest } = self.head;
        let follows = |f: &CheckedFrame| f.seq() == next_seq && f.previous() == digest;
        let frame = frame.filter(follows);
        if let Some(frame) = &frame {
            self.head = LogHead { next_seq: next_seq + 1, digest: frame.digest() };
        }
        Ok(frame)
    }
}

/// The head before the first stored frame. What was pruned before it is not asked: this log, which
/// the frames must follow, says whether it fits.
fn first_head(files: &[(u64, PathBuf)]) -> LogHead {
    let first = || {
        let reader = SegmentReader::open(&files.first()?.1).ok()?;
        let next_seq = reader.first_seq()?;
        let record = reader.record(reader.start(), next_seq).ok()??;
        Some(LogHead { next_seq, digest: record.frame.previous() })
    };
    first().unwrap_or(LogHead::EMPTY)
}

fn next_of_folder(
    files: &mut std::vec::IntoIter<(u64, PathBuf)>,
    open: &mut Option<(SegmentReader, u64)>,
    seq: u64,
) -> io::Result<Option<CheckedFrame>> {
    loop {
        if let Some((reader, at)) = open {
            match reader.record(*at, seq) {
                Ok(Some(record)) => {
                    *at = record.next;
                    return Ok(Some(record.frame));
                }
                Err(RecordError::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                    return Err(error);
                }
                _ => {}
            }
        }
        let Some((_, path)) = files.next() else { return Ok(None) };
        match SegmentReader::open(&path) {
            Ok(reader) if reader.first_seq() == Some(seq) => {
                let start = reader.start();
                *open = Some((reader, start));
            }
            Err(RecordError::Io(error)) => return Err(error),
            _ => return Ok(None),
        }
    }
}

/// The sealed values of a copy, by name.
pub(super) fn sealed_values(
    path: &Path,
    probe: &Probe<'_>,
) -> Result<Vec<(String, Vec<u8>)>, RepairError> {
    if path.is_dir() {
        let index = IndexState::inspect(path, probe)?;
        return Ok(super::values::of_folder(path, &index)?.values);
    }
    let wrong = |error: &dyn std::fmt::Display| RepairError::Copy {
        copy: path.to_owned(),
        why: error.to_string(),
    };
    let file = File::open(path).map_err(|e| wrong(&e))?;
    let reader = ExportReader::new(BufReader::with_capacity(BUFFER_BYTES, file));
    let parts = reader.map_err(|e| wrong(&e))?.parts().clone();
    Ok(parts.into_iter().filter(|(name, _)| name != PUBLIC_KEYS_PART).collect())
}
