//! How fast the log grows, from the frames' own times: a restart changes nothing of it.

use super::disk::DiskStore;
use super::port::LogStore as _;
use mortise_format::frame::{FrameLeaf, LEAF_BYTES};

const HOUR_MS: u64 = 60 * 60 * 1000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// The growth is measured over this time, or over all that is stored of a younger log.
const WINDOW_MS: u64 = 7 * DAY_MS;

/// Engine time of a frame, and its place as bytes from the start of the log.
#[derive(Debug, Clone, Copy)]
struct Mark {
    time_ms: u64,
    bytes: u64,
}

impl DiskStore {
    /// Bytes that the log grows by in a day; `None` for a log of less than an hour, or while a
    /// frame that it takes cannot be read.
    pub fn bytes_per_day(&self) -> Option<u64> {
        let last_seq = self.head().next_seq.checked_sub(1)?;
        let last = self.mark(last_seq)?;
        let from_ms = last.time_ms.saturating_sub(WINDOW_MS);
        // The first frame of the window. Times never decrease along a log.
        let (mut low, mut high) = (self.first_frame(), last_seq);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.mark(middle)?.time_ms < from_ms {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let first = self.mark(low)?;
        let ms = last.time_ms.checked_sub(first.time_ms).filter(|ms| *ms >= HOUR_MS)?;
        let bytes = u128::from(last.bytes.saturating_sub(first.bytes)) * u128::from(DAY_MS);
        u64::try_from(bytes / u128::from(ms)).ok()
    }

    fn mark(&self, seq: u64) -> Option<Mark> {
        let place = self.place(seq).ok()?;
        let leaf = self.front_of(place, LEAF_BYTES, &mut None).ok()?;
        let leaf = FrameLeaf::decode(&leaf).ok()?;
        let bytes = place.segment.checked_mul(self.segment_bytes())?.checked_add(place.offset)?;
        Some(Mark { time_ms: leaf.header.time_ms, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::super::segment::record_bytes;
    use super::super::testing::{Store, frame};
    use super::*;
    use crate::store::CheckedFrame;
    use mortise_format::frame::FrameKind;
    use mortise_format::ids::FrameDigest;

    /// One frame at each of these times.
    fn chain_at(times: impl Iterator<Item = u64>) -> Vec<CheckedFrame> {
        let mut frames: Vec<CheckedFrame> = Vec::new();
        for (seq, time_ms) in (0..).zip(times) {
            let previous = frames.last().map_or(FrameDigest::ZERO, CheckedFrame::digest);
            let kind = if seq == 0 { FrameKind::Boot } else { FrameKind::Events };
            frames.push(frame(kind, 1, seq, time_ms, previous, 1000));
        }
        frames
    }

    #[test]
    fn growth_is_that_of_the_last_week_and_unknown_for_a_young_log() {
        let store = Store::new();
        let open = store.open().unwrap();
        assert_eq!(open.bytes_per_day(), None);
        // A year without much traffic, then ten days with a frame an hour.
        let start = 1_700_000_000_000;
        let quiet = (0..12).map(|month| start + month * 30 * DAY_MS);
        let busy = (1..=240).map(|hour| start + 360 * DAY_MS + hour * HOUR_MS);
        let frames = chain_at(quiet.chain(busy));
        open.append(&frames[..1]);
        assert_eq!(open.bytes_per_day(), None);
        for group in frames[1..].chunks(50) {
            open.append(group);
        }
        let record = record_bytes(frames[1].bytes().len());
        let found = open.bytes_per_day().unwrap();
        // Within the space that the segments do not use.
        assert!((24 * record..25 * record).contains(&found), "{found}, a record has {record}");
        drop(open);
        assert_eq!(store.open().unwrap().bytes_per_day(), Some(found));
    }
}
