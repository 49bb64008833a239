//! From the frames of a store to the bytes of an export.

use super::{ExportError, ExportWriter, FolderError, Parts};
use crate::store::{CheckedFrame, LogStore};
use mortise_format::store::StoreRefusal;
use std::io::Write;

/// Bytes of frames that are read from the store, or written to it, at once.
pub(super) const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// The frames of a store up to a fixed end. Holds one group of frames at a time.
pub(super) struct StoreFrames<'a> {
    store: &'a dyn LogStore,
    group: std::vec::IntoIter<Vec<u8>>,
    next_seq: u64,
    end: u64,
}

impl<'a> StoreFrames<'a> {
    /// The frames before `end`, which must not be beyond the head of the store.
    pub(super) fn new(store: &'a dyn LogStore, end: u64) -> Self {
        Self { store, group: Vec::new().into_iter(), next_seq: 0, end }
    }

    /// The next frame, with its digests checked; `None` at the end.
    pub(super) fn next_frame(&mut self) -> Result<Option<CheckedFrame>, FolderError> {
        let seq = self.next_seq;
        if seq == self.end {
            return Ok(None);
        }
        let bytes = match self.group.next() {
            Some(bytes) => bytes,
            None => {
                let group = self.store.read(seq, GROUP_BYTES).map_err(FolderError::Store)?;
                self.group = group.into_iter();
                // A store returns at least one frame below its head.
                self.group.next().ok_or(FolderError::Store(StoreRefusal::Io))?
            }
        };
        self.next_seq += 1;
        let frame = CheckedFrame::parse(bytes);
        Ok(Some(frame.map_err(|error| ExportError::Frame { seq, error })?))
    }
}

/// Writes an export of `parts` and the frames that `next_frame` gives; returns their number and the
/// flushed writer. Calls `progress` with the number of frames written so far.
pub(super) fn write<W: Write>(
    out: W,
    parts: &Parts,
    mut next_frame: impl FnMut() -> Result<Option<CheckedFrame>, FolderError>,
    mut progress: impl FnMut(u64),
) -> Result<(u64, W), FolderError> {
    let mut writer = ExportWriter::new(out, parts)?;
    let mut count = 0;
    while let Some(frame) = next_frame()? {
        writer.frame(&frame)?;
        count += 1;
        progress(count);
    }
    Ok((count, writer.finish()?))
}
