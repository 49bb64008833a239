//! The result of an audit.

use crate::checkpoints::{CheckpointReport, CheckpointVerdict, Recovery};
use crate::finding::Finding;
use crate::verdict::Asked;
use alloc::string::String;
use alloc::vec::Vec;
use mortise_format::ids::{Address, EngineId, FrameDigest, PolicyHash, Root};
use mortise_format::lock::Durability;
use mortise_format::pcr::Pcr;
use mortise_format::rules::RuleSet;

/// What shows that the signing key belongs to the engine id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineIdBasis {
    /// The genesis and the genesis keys hash to the engine id.
    Proven,
    /// The log came without them: the key is the one that the boot frames name.
    BootFrames,
}

/// How deep a frame was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// Without a key.
    Outside,
    /// Opened: events decode and hash to the event root; the state before them is not known.
    Opened,
    /// Every decision replayed, every root reproduced.
    Replayed,
}

/// What the audit found out about the image of a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootAttestation {
    /// The boot frame has no document: any software may have held the keys.
    Unattested,
    /// It has one, and the auditor was given no root to check it under.
    NotChecked,
    /// It verifies at its own time, for the keys, the epoch and the log up to the boot.
    Verified {
        /// Name of the module: instance and enclave.
        module_id: String,
        /// When it was made, milliseconds since 1970.
        timestamp_ms: u64,
        /// Measurement of the image.
        pcr0: Option<Pcr>,
        /// True when the auditor approved no image by name: any image passed.
        any_image: bool,
    },
    /// It was rejected; the finding says why.
    Refused,
}

/// What the audit found out about where the keys of the engine were drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GenesisAttestation {
    /// The first frame has no genesis document: the keys may have been made outside.
    Missing,
    /// It has one, and the auditor was given no root to check it under.
    NotChecked,
    /// It verifies at its own time: an enclave of that image drew the keys.
    Verified {
        /// Name of the module: instance and enclave.
        module_id: String,
        /// When it was made, milliseconds since 1970.
        timestamp_ms: u64,
        /// Measurement of the image.
        pcr0: Option<Pcr>,
        /// True when the auditor approved no image by name: any image passed.
        any_image: bool,
    },
    /// It was rejected; the finding says why.
    Refused,
}

/// One boot of the engine and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochReport {
    /// Number of the epoch.
    pub epoch: u64,
    /// Seq of its boot frame.
    pub first_seq: u64,
    /// Number of its frames.
    pub frames: u64,
    /// Number of their events.
    pub events: u64,
    /// Engine time of its boot frame, milliseconds.
    pub from_ms: u64,
    /// Engine time of its last frame, milliseconds.
    pub to_ms: u64,
    /// The rules of the epoch.
    pub rules: RuleSet,
    /// Version of the code; `None` when the boot frame was not opened.
    pub version: Option<String>,
    /// The image that booted.
    pub attestation: BootAttestation,
}

/// Time between two epochs in which the engine wrote nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The epoch before the gap.
    pub after_epoch: u64,
    /// Engine time of the last frame of that epoch, milliseconds.
    pub from_ms: u64,
    /// Engine time of the next boot, milliseconds.
    pub to_ms: u64,
}

/// Most findings that a report lists; all are counted.
pub(crate) const FINDINGS_KEPT: usize = 1000;

/// The result of an audit.
///
/// `specs/audit.md` lists what a report without findings proves and what it does not. The fields
/// `level`, `replayed_to`, `signed_to` and the attestation of each epoch show how far it reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What the caller asked for.
    pub asked: Asked,
    /// Whether the genesis came with the log.
    pub has_genesis: bool,
    /// Kept statements that the log has.
    pub kept_found: u64,
    /// Kept statements that were not judged, because the log broke before their frame.
    pub kept_unjudged: u64,
    /// The engine whose log it is; `None` for an empty log.
    pub engine_id: Option<EngineId>,
    /// The address of its signing key.
    pub engine: Option<Address>,
    /// What shows that the address belongs to the engine id.
    pub engine_id_basis: EngineIdBasis,
    /// The engine that this one replaced in a recovery, as its genesis says.
    pub recovery: Option<Recovery>,
    /// Kept checkpoints, in the order in which they were given.
    pub checkpoints: Vec<CheckpointReport>,
    /// The mode of its answers, as its genesis says. Cosignatures are not part of a log.
    pub durability: Option<Durability>,
    /// Frames that are in the chain.
    pub frames: u64,
    /// Events, by the counts in those frames.
    pub events: u64,
    /// Frames that were opened.
    pub opened_frames: u64,
    /// Every frame before this one was replayed.
    pub replayed_to: u64,
    /// Events of those frames.
    pub replayed_events: u64,
    /// Commands whose decision was replayed.
    pub commands: u64,
    /// Recorded rejects that the replay reproduced.
    pub refusals: u64,
    /// Changes by time: expiries, settlements, prunes.
    pub timed: u64,
    /// Snapshots that the log records.
    pub snapshots: u64,
    /// Carried and kept statements that are correct.
    pub statements: u64,
    /// Every frame before this one is covered by a signature of the engine that this log carries or
    /// that was kept. A holder of the content keys could have written the frames from here on.
    pub signed_to: u64,
    /// Where the keys were drawn.
    pub genesis: GenesisAttestation,
    /// One entry for each boot.
    pub epochs: Vec<EpochReport>,
    /// One entry for each time between boots.
    pub gaps: Vec<Gap>,
    /// Digest of the last frame.
    pub digest: FrameDigest,
    /// Root of the history over all frames.
    pub history_root: Root,
    /// State root of the last frame, as its header says.
    pub state_root: Root,
    /// Policy hash of the last frame, as its header says.
    pub policy_hash: PolicyHash,
    /// Engine time of the last frame, milliseconds.
    pub time_ms: u64,
    /// What is wrong. A report lists at most the first 1,000 findings.
    pub findings: Vec<Finding>,
    /// How many findings there are.
    pub finding_count: u64,
    /// The chain broke at this frame: nothing from here on was checked.
    pub broken_at: Option<u64>,
}

impl Report {
    /// Returns true when nothing that was checked is wrong.
    pub fn is_clean(&self) -> bool {
        self.finding_count == 0
    }

    /// The depth to which the whole log was checked.
    pub fn level(&self) -> Level {
        if self.frames > 0 && self.replayed_to == self.frames && self.broken_at.is_none() {
            Level::Replayed
        } else if self.frames > 0 && self.opened_frames == self.frames {
            Level::Opened
        } else {
            Level::Outside
        }
    }

    /// Every frame before this one is covered by a kept checkpoint that a quorum cosigned.
    pub fn cosigned_to(&self) -> u64 {
        let good = |c: &&CheckpointReport| c.verdict == CheckpointVerdict::Cosigned;
        let sizes = self.checkpoints.iter().filter(good).filter_map(|c| c.head);
        sizes.map(|head| head.size).max().unwrap_or_default()
    }

    /// Epochs whose boot frame has no attestation document.
    pub fn unattested(&self) -> impl Iterator<Item = u64> {
        let none = |e: &&EpochReport| e.attestation == BootAttestation::Unattested;
        self.epochs.iter().filter(none).map(|e| e.epoch)
    }
}
