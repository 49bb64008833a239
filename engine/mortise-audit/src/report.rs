//! What an audit comes to.

use crate::checkpoints::{CheckpointReport, CheckpointVerdict, Recovery};
use crate::finding::Finding;
use alloc::string::String;
use alloc::vec::Vec;
use mortise_format::ids::{Address, EngineId, FrameDigest, PolicyHash, Root};
use mortise_format::lock::Durability;
use mortise_format::pcr::Pcr;

/// What shows that the signing key belongs to the engine id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineIdBasis {
    /// The genesis and the genesis keys hash to the engine id.
    Proven,
    /// The log came without them: the key is the one that the boot frames name.
    BootFrames,
}

/// How deep a frame was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// Without a key.
    Outside,
    /// Opened: events decode and hash to the event root; the state they meet is not known.
    Opened,
    /// Every event decided again, every root reproduced.
    Replayed,
}

/// What is known of the image of a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootAttestation {
    /// The boot frame has no document: any software may have held the keys.
    Unattested,
    /// It has one, and no root was given to check it under.
    NotChecked,
    /// It verifies at its own time, for the keys, the epoch and the log up to it.
    Verified {
        /// Instance and enclave.
        module_id: String,
        /// When it was made, milliseconds since 1970.
        timestamp_ms: u64,
        /// The image.
        pcr0: Option<Pcr>,
        /// No image was named: this one was shown, not approved.
        any_image: bool,
    },
    /// It was refused; the finding says why.
    Refused,
}

/// One boot of the engine and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochReport {
    /// Its number.
    pub epoch: u64,
    /// Its boot frame.
    pub first_seq: u64,
    /// Its frames.
    pub frames: u64,
    /// Their events.
    pub events: u64,
    /// Engine time of its boot frame, milliseconds.
    pub from_ms: u64,
    /// Engine time of its last frame, milliseconds.
    pub to_ms: u64,
    /// Version of the code, where the boot frame was opened.
    pub version: Option<String>,
    /// Its image.
    pub attestation: BootAttestation,
}

/// Time between two epochs in which the engine wrote nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The epoch before.
    pub after_epoch: u64,
    /// Engine time of its last frame, milliseconds.
    pub from_ms: u64,
    /// Engine time of the next boot, milliseconds.
    pub to_ms: u64,
}

/// Most findings that a report spells out; all are counted.
pub(crate) const FINDINGS_KEPT: usize = 1000;

/// What an audit found out about a log.
///
/// What a report without findings proves, and what it does not, says `specs/audit.md`; the fields
/// `level`, `replayed_to`, `signed_to` and the attestation of each epoch say how far it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose log; none for an empty one.
    pub engine_id: Option<EngineId>,
    /// The address of its signing key.
    pub engine: Option<Address>,
    /// What shows that the address belongs to the engine id.
    pub engine_id_basis: EngineIdBasis,
    /// The engine that this one took the place of in a recovery, as its genesis says.
    pub recovery: Option<Recovery>,
    /// Kept checkpoints, in the order in which they were given.
    pub checkpoints: Vec<CheckpointReport>,
    /// The mode of its answers, as its genesis says. Cosignatures are not part of a log.
    pub durability: Option<Durability>,
    /// Frames that stand in the chain.
    pub frames: u64,
    /// Events that they count.
    pub events: u64,
    /// Frames that were opened.
    pub opened_frames: u64,
    /// Frames before this one were replayed: every event decided again.
    pub replayed_to: u64,
    /// Events of those frames.
    pub replayed_events: u64,
    /// Commands decided again.
    pub commands: u64,
    /// Refusals that came out the same.
    pub refusals: u64,
    /// Changes by time that were called for.
    pub timed: u64,
    /// Snapshots that the log records.
    pub snapshots: u64,
    /// Carried and kept statements that are as they must be.
    pub statements: u64,
    /// Frames before this one are under a signature of the engine that this log carries, or that
    /// was kept: the rest whoever holds the content keys could have written.
    pub signed_to: u64,
    /// Each boot.
    pub epochs: Vec<EpochReport>,
    /// Each time between boots.
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
    /// What is wrong; the first ones of very many.
    pub findings: Vec<Finding>,
    /// How many findings there are.
    pub finding_count: u64,
    /// The chain broke here: nothing from this frame on was judged.
    pub broken_at: Option<u64>,
}

impl Report {
    /// True when nothing is wrong with what was judged.
    pub fn is_clean(&self) -> bool {
        self.finding_count == 0
    }

    /// The depth to which the whole log was judged.
    pub fn level(&self) -> Level {
        if self.frames > 0 && self.replayed_to == self.frames && self.broken_at.is_none() {
            Level::Replayed
        } else if self.frames > 0 && self.opened_frames == self.frames {
            Level::Opened
        } else {
            Level::Outside
        }
    }

    /// Frames before this one are under a checkpoint that was kept and that a quorum cosigned.
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
