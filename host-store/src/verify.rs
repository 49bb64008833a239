//! `mortise-host verify`: reads the whole log and checks what can be checked without a key.
//!
//! What a success proves: every frame is whole (its digests match its leaf), the frames form one
//! chain from seq 0, all of one engine, time and epochs never decrease, and each epoch starts with
//! a boot frame. What it does not prove: that the engine made a frame (its MAC), what a frame
//! contains, or that no newer frames are missing at the end. `mortise audit` replays what a content
//! key opens.
//!
//! It only reads. A running host may be writing at the end, so an incomplete frame there is
//! ignored.

use crate::store::{
    LOG_FOLDER, Pruned, PrunedError, RecordError, SegmentReader, lock_shared, segment_files,
};
use mortise_format::frame::{Frame, FrameHeader, FrameKind, FrameLeaf};
use mortise_format::ids::{EngineId, FrameDigest};
use std::io;
use std::path::Path;

/// Summary of a good log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The engine; `None` without a frame.
    pub engine_id: Option<EngineId>,
    /// Number of frames, pruned ones included.
    pub frames: u64,
    /// Number of pruned frames, the first ones: their leaves are here, and were checked.
    pub pruned: u64,
    /// Number of boot frames.
    pub boots: u64,
    /// Number of events, by the frames' headers.
    pub events: u64,
    /// Bytes of stored frames.
    pub bytes: u64,
    /// Number of segment files.
    pub segments: usize,
    /// The epoch of the last frame.
    pub epoch: u64,
    /// Engine time of the first frame, milliseconds.
    pub first_time_ms: u64,
    /// Engine time of the last frame, milliseconds.
    pub last_time_ms: u64,
    /// The digest of the last frame.
    pub digest: FrameDigest,
    /// A host had the folder open.
    pub in_use: bool,
}

/// What is wrong with a frame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// There is no whole frame at its position.
    #[error("{0}")]
    Record(RecordError),
    /// The segment of the frame is missing.
    #[error("its segment is missing")]
    SegmentGone,
    /// It was pruned, and its leaf is broken.
    #[error("it was pruned, and its leaf is broken")]
    Leaf,
    /// Its `previous` is not the digest of the frame before it.
    #[error("it does not follow the frame before it")]
    Chain,
    /// It is of another engine than the first frame.
    #[error("it is of engine {found}")]
    Engine { found: EngineId },
    /// Its time is before that of the frame before it.
    #[error("its time {found} is before {last}, the time of the frame before it")]
    Time {
        found: u64,
        /// The time before it.
        last: u64,
    },
    /// Its epoch cannot follow.
    #[error("its epoch is {found} after {last}")]
    Epoch {
        found: u64,
        /// The epoch before it.
        last: u64,
    },
    /// It is the first of an epoch and is not a boot frame.
    #[error("it is the first of epoch {epoch} and not a boot frame")]
    NoBoot { epoch: u64 },
    /// It is a boot frame inside an epoch.
    #[error("it is a boot frame inside epoch {epoch}")]
    StrayBoot { epoch: u64 },
}

/// Why a log is bad.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The folder cannot be read, or has no log.
    #[error("the log cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The leaves of pruned frames are broken.
    #[error(transparent)]
    Pruned(#[from] PrunedError),
    /// A frame is bad; all before it are good.
    #[error("frame {seq}: {fault}")]
    Frame {
        /// Seq of the frame.
        seq: u64,
        fault: Fault,
    },
}

/// Checks the log in a data folder. Calls `progress` after each segment with the number of checked
/// frames, of checked segments and of all segments.
///
/// # Errors
/// `Io` when it cannot be read; `Frame` with the first bad frame.
pub fn verify(
    data_dir: &Path,
    mut progress: impl FnMut(u64, usize, usize),
) -> Result<Summary, VerifyError> {
    let lock = lock_shared(data_dir)?;
    let log = data_dir.join(LOG_FOLDER);
    let mut files = segment_files(&log)?;
    let mut walk = Walk::new(lock.is_none());
    let mut first_segment = 0;
    if let Some(pruned) = Pruned::open(&log)? {
        walk.leaves(&pruned)?;
        first_segment = pruned.base().segment;
        // What a prune that was cut short left is removed at the next start.
        files.retain(|(number, _)| *number >= first_segment);
    }
    for (i, (number, path)) in files.iter().enumerate() {
        let reader = SegmentReader::open(path).map_err(|e| walk.bad(Fault::Record(e)))?;
        match reader.first_seq() {
            _ if *number != first_segment + i as u64 => return Err(walk.bad(Fault::SegmentGone)),
            Some(first_seq) if first_seq == walk.summary.frames => walk.segment(&reader)?,
            // A spare segment, filled in advance.
            None if i + 1 == files.len() => walk.end(&reader, 0, RecordError::NoRecord)?,
            _ => return Err(walk.bad(Fault::SegmentGone)),
        }
        progress(walk.summary.frames, i + 1, files.len());
    }
    Ok(walk.summary)
}

struct Walk {
    summary: Summary,
}

impl Walk {
    fn new(in_use: bool) -> Self {
        let summary = Summary {
            engine_id: None,
            frames: 0,
            pruned: 0,
            boots: 0,
            events: 0,
            bytes: 0,
            segments: 0,
            epoch: 0,
            first_time_ms: 0,
            last_time_ms: 0,
            digest: FrameDigest::ZERO,
            in_use,
        };
        Self { summary }
    }

    /// The next frame is bad.
    fn bad(&self, fault: Fault) -> VerifyError {
        VerifyError::Frame { seq: self.summary.frames, fault }
    }

    /// The leaves of pruned frames: all that a header says is checked, and the chain.
    fn leaves(&mut self, pruned: &Pruned) -> Result<(), VerifyError> {
        for leaf in pruned.all()? {
            let leaf = leaf?.ok_or_else(|| self.bad(Fault::Leaf))?;
            self.leaf(&leaf).map_err(|fault| self.bad(fault))?;
            self.summary.pruned += 1;
        }
        match self.summary.digest == pruned.base().head.digest {
            true => Ok(()),
            false => Err(self.bad(Fault::Chain)),
        }
    }

    fn segment(&mut self, reader: &SegmentReader) -> Result<(), VerifyError> {
        self.summary.segments += 1;
        let mut offset = reader.start();
        loop {
            let record = match reader.record(offset, self.summary.frames) {
                Ok(Some(record)) => record,
                Ok(None) => return self.end(reader, offset, RecordError::NoRecord),
                Err(RecordError::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                    return Err(error.into());
                }
                // also a frame that extends over the end of a truncated file
                Err(reason) => return self.end(reader, offset, reason),
            };
            let bytes = record.frame.bytes();
            let frame = Frame::decode(bytes).map_err(|e| self.bad(Fault::Record(e.into())))?;
            self.frame(&frame, bytes.len() as u64).map_err(|fault| self.bad(fault))?;
            offset = record.next;
        }
    }

    /// Fails if anything follows the last whole record, unless a host is writing there and no later
    /// record states that the frame is durable.
    fn end(
        &self,
        reader: &SegmentReader,
        offset: u64,
        reason: RecordError,
    ) -> Result<(), VerifyError> {
        let beyond = reader.beyond(offset)?;
        let writing = self.summary.in_use && beyond.durable <= self.summary.frames;
        if writing || !beyond.anything { Ok(()) } else { Err(self.bad(Fault::Record(reason))) }
    }

    fn frame(&mut self, frame: &Frame, bytes: u64) -> Result<(), Fault> {
        self.leaf(frame.leaf())?;
        self.summary.bytes += bytes;
        Ok(())
    }

    fn leaf(&mut self, leaf: &FrameLeaf) -> Result<(), Fault> {
        let header = &leaf.header;
        if header.previous != self.summary.digest {
            return Err(Fault::Chain);
        }
        self.place(header)?;
        let summary = &mut self.summary;
        if summary.frames == 0 {
            summary.engine_id = Some(header.engine_id);
            summary.first_time_ms = header.time_ms;
        }
        summary.boots += u64::from(header.kind() == Some(FrameKind::Boot));
        summary.events += u64::from(header.event_count);
        summary.frames += 1;
        summary.epoch = header.epoch;
        summary.last_time_ms = header.time_ms;
        summary.digest = leaf.digest();
        Ok(())
    }

    /// Checks engine, time and epoch against the frame before.
    fn place(&self, header: &FrameHeader) -> Result<(), Fault> {
        let summary = &self.summary;
        if summary.engine_id.is_some_and(|id| id != header.engine_id) {
            return Err(Fault::Engine { found: header.engine_id });
        }
        let (found, last) = (header.time_ms, summary.last_time_ms);
        if found < last {
            return Err(Fault::Time { found, last });
        }
        let (found, last) = (header.epoch, summary.epoch);
        if found < last {
            return Err(Fault::Epoch { found, last });
        }
        let opens = found > last;
        let boot = header.kind() == Some(FrameKind::Boot);
        match (opens, boot) {
            (true, false) => Err(Fault::NoBoot { epoch: found }),
            (false, true) => Err(Fault::StrayBoot { epoch: found }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Store, chain, foreign, frame};
    use crate::store::{CheckedFrame, LogStore as _};
    use std::os::unix::fs::FileExt as _;

    fn kept(frames: &[CheckedFrame]) -> Store {
        let store = Store::new();
        store.open().unwrap().append_group(frames).unwrap();
        store
    }

    fn fault(store: &Store) -> (u64, String) {
        match verify(store.folder.path(), |_, _, _| ()).unwrap_err() {
            VerifyError::Frame { seq, fault } => (seq, fault.to_string()),
            error => panic!("{error}"),
        }
    }

    #[test]
    fn a_good_log_is_summed_up() {
        let frames = chain(60, 100_000);
        let store = kept(&frames);
        let mut seen = Vec::new();
        let summary = verify(store.folder.path(), |frames, _, _| seen.push(frames)).unwrap();
        assert_eq!(summary.frames, 60);
        assert_eq!((summary.boots, summary.events, summary.epoch), (1, 60, 1));
        assert_eq!(summary.digest, frames[59].digest());
        assert_eq!(summary.engine_id, Some(EngineId([7; 32])));
        assert_eq!(summary.last_time_ms - summary.first_time_ms, 59);
        assert!(!summary.in_use);
        assert!(seen.len() >= summary.segments);
        assert_eq!(seen.last(), Some(&60));
    }

    #[test]
    fn every_flipped_byte_of_a_stored_frame_is_found() {
        let frames = chain(3, 200);
        let store = kept(&frames);
        let path = segment_files(&store.log()).unwrap()[0].1.clone();
        let file = std::fs::File::options().write(true).read(true).open(path).unwrap();
        let second = 512 + (24 + frames[0].bytes().len() as u64).next_multiple_of(512);
        for offset in second..second + 24 + frames[1].bytes().len() as u64 {
            let mut byte = [0];
            file.read_exact_at(&mut byte, offset).unwrap();
            file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
            let result = verify(store.folder.path(), |_, _, _| ());
            let durable = (16..24).contains(&(offset - second));
            match result {
                // what the record states about earlier frames is not part of the frame
                Ok(_) => assert!(durable, "byte {} of the record", offset - second),
                // the MAC and fields that only the chain covers show in the next frame
                Err(VerifyError::Frame { seq, .. }) => assert!(seq == 1 || seq == 2),
                Err(error) => panic!("{error}"),
            }
            file.write_all_at(&byte, offset).unwrap();
        }
    }

    #[test]
    fn a_torn_frame_at_the_end_is_named() {
        let store = kept(&chain(3, 2000));
        let path = segment_files(&store.log()).unwrap()[0].1.clone();
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.write_all_at(&[0; 512], 512 + 2 * 2560 + 1024).unwrap();
        assert_eq!(fault(&store).0, 2);
    }

    #[test]
    fn frames_that_do_not_form_one_log_are_found_by_name() {
        use FrameKind::{Boot, Events};
        let first = chain(1, 10).remove(0);
        let (time, previous) = (1_700_000_000_000, first.digest());
        let cases = [
            (frame(Events, 1, 1, time - 1, previous, 10), "its time"),
            (frame(Events, 0, 1, time, previous, 10), "its epoch is 0 after 1"),
            (frame(Events, 2, 1, time, previous, 10), "the first of epoch 2 and not a boot frame"),
            (frame(Boot, 1, 1, time, previous, 10), "a boot frame inside epoch 1"),
            (frame(Events, 1, 1, time, FrameDigest([1; 32]), 10), "does not follow"),
            (foreign(&frame(Events, 1, 1, time, previous, 10)), "it is of engine 0x0808"),
        ];
        for (second, expected) in cases {
            let (seq, text) = fault(&kept(&[first.clone(), second]));
            assert_eq!(seq, 1);
            assert!(text.contains(expected), "{text:?} does not say {expected:?}");
        }
        let (seq, text) = fault(&kept(&[frame(Events, 1, 0, time, FrameDigest::ZERO, 10)]));
        assert_eq!((seq, text.contains("not a boot frame")), (0, true));
    }

    #[test]
    fn a_missing_segment_is_found() {
        let store = kept(&chain(60, 100_000));
        let files = segment_files(&store.log()).unwrap();
        let expected = SegmentReader::open(&files[1].1).unwrap().first_seq().unwrap();
        std::fs::remove_file(&files[1].1).unwrap();
        assert_eq!(fault(&store), (expected, "its segment is missing".to_owned()));
    }

    #[test]
    fn a_log_is_checked_while_a_host_has_it_open() {
        let store = Store::new();
        let open = store.open().unwrap();
        open.append_group(&chain(3, 100)).unwrap();
        let summary = verify(store.folder.path(), |_, _, _| ()).unwrap();
        assert_eq!((summary.frames, summary.in_use), (3, true));
    }
}
