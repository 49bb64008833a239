//! The findings of a repair, by stable name, with their remedies.

use serde_json::{Value, json};
use std::path::PathBuf;

const ADVICE_FORK: &str = "nothing is changed. Two logs of one engine are a fork: keep both and \
    compare their newest frames with receipts or with a cosigned checkpoint";
const ADVICE_INDEX: &str = "restore the index folder from a backup, or name a copy that has the \
    sealed values: --from FOLDER, or an export made --with-sealed-keys";
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
    /// The index is missing or unreadable, and the sealed values with it.
    IndexLost {
        why: String,
        /// Names of the sealed values that a copy has.
        sealed_values: Vec<String>,
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
            Self::Leftover { .. } => "LEFTOVER",
        }
    }

    pub fn remedy(&self) -> Remedy {
        match self {
            Self::TornTail { .. } | Self::SnapshotBroken { .. } | Self::Leftover { .. } => {
                Remedy::Dropped
            }
            Self::Layout { .. } | Self::IndexStale | Self::IndexLost { is_new: true, .. } => {
                Remedy::MadeAgain
            }
            Self::UnprovenTail { copy: Some(_), .. }
            | Self::FramesLost { copy: Some(_), .. }
            | Self::CopyIsLonger { .. } => Remedy::FromCopy,
            Self::IndexLost { sealed_values, .. } if !sealed_values.is_empty() => Remedy::FromCopy,
            _ => Remedy::None,
        }
    }

    /// What is wrong, in one line.
    pub fn text(&self) -> String {
        match self {
            Self::TornTail { seq } => {
                format!(
                    "a write after frame {} was cut short; it was never acknowledged",
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
            Self::IndexLost { why, .. } => {
                format!("the index is lost ({why}), and with it the sealed values that it held")
            }
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
            Self::TornTail { .. } => "it is wiped".into(),
            Self::CopyDiverges { .. } => ADVICE_FORK.into(),
            Self::Layout { .. } => "the segment is rewritten from its frames".into(),
            Self::IndexStale => "it is rebuilt from the log; sealed values are kept".into(),
            Self::IndexLost { is_new: true, .. } => "it is rebuilt".into(),
            Self::IndexLost { sealed_values, .. } if !sealed_values.is_empty() => format!(
                "it is rebuilt; a copy has these sealed values: {}. An engine whose keys are not \
                 among them stops with KEYS_LOST",
                sealed_values.join(", ")
            ),
            Self::IndexLost { .. } => ADVICE_INDEX.into(),
            Self::SnapshotBroken { .. } => {
                "it is dropped: the engine replays from an older one, or from the start".into()
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
