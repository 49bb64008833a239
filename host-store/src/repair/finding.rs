//! The findings of a repair, by stable name, with their remedies.

use serde_json::{Value, json};
use std::path::PathBuf;

const ADVICE_FORK: &str = "nothing is changed. Two logs of one engine are a fork: keep both and \
    compare their newest frames with receipts or with a cosigned checkpoint";
const ADVICE_SEALED: &str = "nothing is changed. Without the sealed keys no engine starts on this \
    log. Name a copy that has them: --from FOLDER, or an export made --with-sealed-keys";
const ADVICE_CONFLICT: &str = "nothing is changed, and nothing is chosen. Find out which copy is \
    of this engine, and move the files of the others away: sealed, sealed.copy, index";
const ADVICE_LOST: &str = "nothing of the log is changed. Every event in them was answered with a \
    signed receipt that clients hold, so dropping them would make this log contradict what was \
    promised. Bring a copy that has them: --from FOLDER (another data folder or its backup) or \
    --from FILE (mortise-host export); more than one may be named. If there is none, keep this \
    folder and see specs/durability-and-recovery.md, \"When the newest frames are lost\"";
const ADVICE_UNPROVEN: &str = "nothing of the log is changed. Bring a copy of the index folder, \
    or a copy of the log that has the frame: --from FOLDER or --from FILE";
const ADVICE_NOT_ONE_LOG: &str = "nothing of the log is changed. Restore the folder from a copy \
    that mortise-host verify calls good";

/// One thing that is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Bytes after the last frame that were not acknowledged.
    TornTail {
        /// The seq after the last frame.
        seq: u64,
    },
    /// Bytes after the last frame, and no index that shows whether a frame there was acknowledged.
    UnprovenTail {
        /// The seq after the last frame.
        seq: u64,
        /// The copy that has it.
        copy: Option<PathBuf>,
    },
    /// Acknowledged frames are broken or missing.
    FramesLost {
        /// The first of them.
        from: u64,
        /// The seq after the last of them.
        until: u64,
        /// The copy that has them.
        copy: Option<PathBuf>,
    },
    /// A copy has frames after the last one here.
    CopyIsLonger {
        /// The first of them.
        from: u64,
        /// The seq after the last of them.
        until: u64,
        copy: PathBuf,
    },
    /// This log and a copy have different frames with one seq; it is unknown which was
    /// acknowledged.
    CopyDiverges { seq: u64, copy: PathBuf },
    /// The first block of a segment, or the space between its frames, does not match the frames.
    Layout {
        /// The number of the segment.
        segment: u64,
    },
    /// The frames do not form one log, and no single frame of a copy could repair that.
    NotOneLog {
        /// The first frame that cannot follow.
        seq: u64,
        why: String,
    },
    /// The index is missing, unreadable or empty.
    IndexLost {
        why: String,
        /// True when there is no frame, so that no value was sealed.
        is_new: bool,
    },
    /// The index has other locations than the log.
    IndexStale,
    /// A listed snapshot is missing or has another size.
    SnapshotBroken {
        /// Seq of the last frame in the snapshot.
        seq: u64,
    },
    /// A complete snapshot that the index does not list.
    SnapshotUnlisted {
        /// Seq of the last frame in the snapshot.
        seq: u64,
    },
    /// One of the copies of a sealed value is missing or broken; another is whole.
    SealedCopy {
        /// Name of the value.
        name: String,
    },
    /// No copy of a sealed value is whole.
    SealedLost {
        /// Name of the value.
        name: String,
        /// The copy of the folder that has it.
        copy: Option<PathBuf>,
    },
    /// Whole copies of a sealed value differ.
    BlobConflict {
        /// Name of the value.
        name: String,
    },
    /// The file system is too full for the host to start.
    DiskFull {
        /// Bytes free.
        free: u64,
        /// Bytes missing.
        missing: u64,
    },
    /// A file that no index lists and nothing reads.
    Leftover {
        /// The file, relative to the data folder.
        file: PathBuf,
    },
}

/// The remedy of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It is dropped: it was never acknowledged, or can be made again.
    Dropped,
    /// It is rebuilt from the log.
    MadeAgain,
    /// It is taken from a copy.
    FromCopy,
    /// There is none.
    None,
}

impl Finding {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TornTail { .. } => "TORN_TAIL",
            Self::UnprovenTail { .. } => "UNPROVEN_TAIL",
            Self::FramesLost { .. } => "FRAMES_LOST",
            Self::CopyIsLonger { .. } => "COPY_IS_LONGER",
            Self::CopyDiverges { .. } => "COPY_DIVERGES",
            Self::Layout { .. } => "LAYOUT",
            Self::NotOneLog { .. } => "NOT_ONE_LOG",
            Self::IndexLost { .. } => "INDEX_LOST",
            Self::IndexStale => "INDEX_STALE",
            Self::SnapshotBroken { .. } => "SNAPSHOT_BROKEN",
            Self::SnapshotUnlisted { .. } => "SNAPSHOT_UNLISTED",
            Self::SealedCopy { .. } => "SEALED_COPY",
            Self::SealedLost { .. } => "KEYS_LOST",
            Self::BlobConflict { .. } => "BLOB_CONFLICT",
            Self::DiskFull { .. } => "DISK_FULL",
            Self::Leftover { .. } => "LEFTOVER",
        }
    }

    pub fn remedy(&self) -> Remedy {
        match self {
            Self::TornTail { .. } | Self::SnapshotBroken { .. } | Self::Leftover { .. } => {
                Remedy::Dropped
            }
            Self::Layout { .. }
            | Self::IndexStale
            | Self::IndexLost { .. }
            | Self::SnapshotUnlisted { .. }
            | Self::SealedCopy { .. } => Remedy::MadeAgain,
            Self::UnprovenTail { copy: Some(_), .. }
            | Self::FramesLost { copy: Some(_), .. }
            | Self::SealedLost { copy: Some(_), .. }
            | Self::CopyIsLonger { .. } => Remedy::FromCopy,
            _ => Remedy::None,
        }
    }

    /// What is wrong, in one line.
    pub fn text(&self) -> String {
        match self {
            Self::TornTail { seq } => {
                format!(
                    "bytes after frame {} are no whole frame; nothing on this disk shows that a \
                     frame there was acknowledged",
                    before(*seq)
                )
            }
            Self::UnprovenTail { seq, .. } => format!(
                "frame {seq} is broken; without the index it is unknown whether it was acknowledged"
            ),
            Self::FramesLost { from, until, .. } => {
                format!("{} acknowledged and is broken or missing", were(*from, *until))
            }
            Self::CopyIsLonger { from, until, copy } => format!(
                "{} in {} but not here, after the last frame here",
                are(*from, *until),
                copy.display()
            ),
            Self::CopyDiverges { seq, copy } => {
                format!("{} is not a copy of this log: frame {seq} differs", copy.display())
            }
            Self::Layout { segment } => {
                format!("the layout of segment {segment} does not match its frames; they are whole")
            }
            Self::NotOneLog { seq, why } => format!("frame {seq} cannot follow in this log: {why}"),
            Self::IndexLost { why, is_new: true, .. } => {
                format!("the index is lost ({why}); it was empty")
            }
            Self::IndexLost { why, .. } => format!("the index is lost ({why})"),
            Self::SnapshotUnlisted { seq } => {
                format!("the snapshot after frame {seq} is there, and the index does not list it")
            }
            Self::SealedCopy { name } => {
                format!("a copy of the sealed value {name} is missing or broken; another is whole")
            }
            Self::SealedLost { name, .. } => {
                format!("no copy of the sealed value {name} is whole")
            }
            Self::BlobConflict { name } => {
                format!("whole copies of the sealed value {name} differ")
            }
            Self::DiskFull { free, missing } => format!(
                "the file system has {free} bytes free, {missing} too few for the host to start"
            ),
            Self::IndexStale => "the index has other locations than the log".into(),
            Self::SnapshotBroken { seq } => {
                format!("the snapshot after frame {seq} is listed, but its file is not whole")
            }
            Self::Leftover { file } => format!("{} is left over; nothing reads it", file.display()),
        }
    }

    /// What the operator must do, or what the repair does.
    pub fn advice(&self) -> String {
        match self {
            Self::TornTail { .. } => "they are wiped".into(),
            Self::CopyDiverges { .. } => ADVICE_FORK.into(),
            Self::Layout { .. } => "the segment is rewritten from its frames".into(),
            Self::IndexStale => "it is rebuilt from the log; sealed values are kept".into(),
            Self::IndexLost { .. } => "it is kept aside and made again from the log".into(),
            Self::SnapshotUnlisted { .. } => "it is listed again".into(),
            Self::SealedCopy { .. } => "it is made again; a broken file is kept aside".into(),
            Self::SealedLost { copy: Some(copy), .. } => {
                format!("taken from {}; the engine checks it", copy.display())
            }
            Self::SealedLost { .. } => ADVICE_SEALED.into(),
            Self::BlobConflict { .. } => ADVICE_CONFLICT.into(),
            Self::DiskFull { .. } => "nothing is changed. Make room, then start the host".into(),
            Self::SnapshotBroken { .. } => {
                "it is struck from the list and its file is kept aside: the engine replays from an \
                 older one, or from the start"
                    .into()
            }
            Self::Leftover { .. } => "it is removed".into(),
            Self::FramesLost { copy: Some(copy), .. }
            | Self::UnprovenTail { copy: Some(copy), .. } => {
                format!("taken from {}, whose frames chain to those here", copy.display())
            }
            Self::CopyIsLonger { .. } => "they are added".into(),
            Self::FramesLost { .. } => ADVICE_LOST.into(),
            Self::UnprovenTail { .. } => ADVICE_UNPROVEN.into(),
            Self::NotOneLog { .. } => ADVICE_NOT_ONE_LOG.into(),
        }
    }

    /// The finding as a JSON object.
    pub fn json(&self) -> Value {
        let mut object = json!({
            "name": self.name(), "what": self.text(), "next": self.advice(),
            "remedy": match self.remedy() {
                Remedy::Dropped => "dropped",
                Remedy::MadeAgain => "made again",
                Remedy::FromCopy => "from copy",
                Remedy::None => "none",
            },
        });
        let range = match self {
            Self::FramesLost { from, until, .. } | Self::CopyIsLonger { from, until, .. } => {
                Some((*from, until - 1))
            }
            Self::TornTail { seq }
            | Self::UnprovenTail { seq, .. }
            | Self::CopyDiverges { seq, .. }
            | Self::NotOneLog { seq, .. } => Some((*seq, *seq)),
            _ => None,
        };
        if let Some((first, last)) = range {
            object["firstFrame"] = first.into();
            object["lastFrame"] = last.into();
        }
        object
    }
}

fn before(seq: u64) -> String {
    seq.checked_sub(1).map_or_else(|| "the start".into(), |seq| seq.to_string())
}

fn were(from: u64, until: u64) -> String {
    match until - from {
        1 => format!("frame {from} was"),
        count => format!("each of the {count} frames {from} to {} was", until - 1),
    }
}

fn are(from: u64, until: u64) -> String {
    match until - from {
        1 => format!("frame {from} is"),
        count => format!("each of the {count} frames {from} to {} is", until - 1),
    }
}
