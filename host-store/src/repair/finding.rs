//! What a repair finds, by name, and what becomes of each.

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
    /// Bytes behind the last frame that were not acknowledged.
    TornTail {
        /// The frame that they would have been.
        seq: u64,
    },
    /// Bytes behind the last frame, and no index that says whether a frame there was acknowledged.
    UnprovenTail {
        /// The frame that they were.
        seq: u64,
        /// The copy that has it.
        copy: Option<PathBuf>,
    },
    /// Frames that were acknowledged are broken or gone.
    FramesLost {
        /// The first of them.
        from: u64,
        /// The frame behind the last of them.
        until: u64,
        /// The copy that has them.
        copy: Option<PathBuf>,
    },
    /// A copy has frames behind the last one here.
    CopyIsLonger {
        /// The first of them.
        from: u64,
        /// The frame behind the last of them.
        until: u64,
        /// The copy.
        copy: PathBuf,
    },
    /// This log and a copy have two frames of one seq, and nothing says which was acknowledged.
    CopyDiverges {
        /// The frame.
        seq: u64,
        /// The copy.
        copy: PathBuf,
    },
    /// A segment's first block, or what stands between its frames, is not what the frames say.
    Layout {
        /// The number of the segment.
        segment: u64,
    },
    /// The frames do not form one log, and no frame is to blame that a copy could replace.
    NotOneLog {
        /// The first one that cannot follow.
        seq: u64,
        /// Why.
        why: String,
    },
    /// The index is gone or cannot be read, and the sealed values with it.
    IndexLost {
        /// Why.
        why: String,
        /// The names of sealed values that a copy gives back.
        sealed_values: Vec<String>,
        /// There is no frame, so that there was nothing to seal.
        is_new: bool,
    },
    /// The index has other places than the log.
    IndexStale,
    /// A listed snapshot is gone, or has another size.
    SnapshotBroken {
        /// The frame after which it was taken.
        seq: u64,
    },
    /// A file that no index lists and nothing reads.
    Leftover {
        /// The file, from the data folder.
        file: PathBuf,
    },
}

/// What becomes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It is dropped: it was never acknowledged, or can be made again.
    Dropped,
    /// It is made again from the log.
    MadeAgain,
    /// It is taken from a copy.
    FromCopy,
    /// Nothing here mends it.
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

    /// What becomes of it.
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

    /// What it is, in one line.
    pub fn text(&self) -> String {
        match self {
            Self::TornTail { seq } => {
                format!(
                    "a write behind frame {} was cut short; it was never acknowledged",
                    before(*seq)
                )
            }
            Self::UnprovenTail { seq, .. } => format!(
                "frame {seq} is broken; without the index nothing says whether it was acknowledged"
            ),
            Self::FramesLost { from, until, .. } => {
                format!("{} acknowledged and is broken or gone", were(*from, *until))
            }
            Self::CopyIsLonger { from, until, copy } => format!(
                "{} in {} and not here, and follows the last one here",
                are(*from, *until),
                copy.display()
            ),
            Self::CopyDiverges { seq, copy } => {
                format!(
                    "{} is no copy of this log: at frame {seq} it goes another way",
                    copy.display()
                )
            }
            Self::Layout { segment } => {
                format!("segment {segment} is not laid out as its frames say; the frames are whole")
            }
            Self::NotOneLog { seq, why } => format!("frame {seq} cannot follow in this log: {why}"),
            Self::IndexLost { why, is_new: true, .. } => {
                format!("the index is lost ({why}); it was empty")
            }
            Self::IndexLost { why, .. } => {
                format!("the index is lost ({why}), and with it the sealed values that it held")
            }
            Self::IndexStale => "the index has other places than the log".into(),
            Self::SnapshotBroken { seq } => {
                format!("the snapshot after frame {seq} is listed and its file is not whole")
            }
            Self::Leftover { file } => format!("{} is left over; nothing reads it", file.display()),
        }
    }

    /// What to do, or what is done.
    pub fn advice(&self) -> String {
        match self {
            Self::TornTail { .. } => "it is wiped".into(),
            Self::CopyDiverges { .. } => ADVICE_FORK.into(),
            Self::Layout { .. } => "the segment is rewritten from its frames".into(),
            Self::IndexStale => "it is made again from the log; sealed values are kept".into(),
            Self::IndexLost { is_new: true, .. } => "it is made again".into(),
            Self::IndexLost { sealed_values, .. } if !sealed_values.is_empty() => format!(
                "it is made again; a copy gives back: {}. An engine whose keys are not among them \
                 refuses with KEYS_LOST",
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

    /// The finding as an object.
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
