//! From the frames of a store to the bytes of an export.

use super::{ExportError, ExportWriter, FolderError, Parts};
use crate::store::{CheckedFrame, LogStore};
use mortise_format::frame::FrameLeaf;
use mortise_format::store::{LogHead, StoreRefusal};
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
    /// The frames from `from` and before `end`, which must not be beyond the head of the store.
    pub(super) fn new(store: &'a dyn LogStore, from: u64, end: u64) -> Self {
        Self { store, group: Vec::new().into_iter(), next_seq: from, end }
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

/// Checks that the store goes on from `after`: a beginning of its log, with no pruned frame behind.
pub(super) fn check_base(
    store: &dyn LogStore,
    after: LogHead,
    end: u64,
) -> Result<(), FolderError> {
    if after.next_seq > 0 {
        let leaf = store.leaves(after.next_seq - 1, 1).map_err(FolderError::Store)?;
        let is_ours = FrameLeaf::decode(&leaf).is_ok_and(|leaf| leaf.digest() == after.digest);
        if !is_ours || after.next_seq > end {
            return Err(FolderError::OtherBase);
        }
    }
    // The frame behind a boot frame that stayed may be pruned too.
    let probed = [after.next_seq, after.next_seq + 1].into_iter().filter(|seq| *seq < end);
    let pruned = probed.map(|seq| store.read(seq, 1)).find(Result::is_err);
    match pruned.unwrap_or(Ok(Vec::new())) {
        Err(StoreRefusal::FramePruned { first }) => Err(FolderError::Pruned { first }),
        _ => Ok(()),
    }
}

/// Writes an export of `parts` and the frames that `next_frame` gives, those after `after`; returns
/// the number of frames and the
/// flushed writer. Calls `progress` with the number of frames written so far.
pub(super) fn write<W: Write>(
    out: W,
    parts: &Parts,
    after: LogHead,
    mut next_frame: impl FnMut() -> Result<Option<CheckedFrame>, FolderError>,
    mut progress: impl FnMut(u64),
) -> Result<(u64, W), FolderError> {
    let mut writer = ExportWriter::continuing(out, parts, after)?;
    let mut count = after.next_seq;
    while let Some(frame) = next_frame()? {
        writer.frame(&frame)?;
        count += 1;
        progress(count);
    }
    Ok((count, writer.finish()?))
}
