//! The order of effects, without effects.
//!
//! What it is for: one struct that says what happens in which order - decide, apply, roots, seal,
//! ship; sign meanwhile; release when durable - as a function from inputs to outputs. The actors
//! around it only carry its outputs out; tests run it in one thread with every failure placed
//! where they want it.
//!
//! What it does not do: I/O, threads, clocks, signing. Time comes in with every input.
//!
//! ```text
//! Work ----> waiting --> open frame -> close --> Ship(frame) ------> Acked ---+
//!                                        |                                    +--> Release
//!                                        +-----> Sign(statement, events) --> Signed -+
//!                                        Acked -> Witness(head) -> Cosigned ---------+  (when the
//!                                                                            policy has witnesses)
//! ```
//! Invariants:
//! - INV-09: an answer leaves only after its frame, and every frame before it, was acked; a
//!   statement is never in the frame that it is about, nor in one shipped before its release.
//! - A head is shown to witnesses only when its frames were acked: durable before witnessed. When
//!   the policy has witnesses, a frame is released only when a quorum cosigned a head that has it.
//! - A query answers after the last frame in flight when it was asked, so that a read never shows
//!   what a crash can undo.
//! - An append whose outcome is unknown is a [`Fault`]: nothing is released any more.

mod inflight;
mod log_proof;
mod pump;
mod query;

pub use inflight::SignedFrame;
pub use log_proof::LogProofJob;

use crate::api::{Reply, Token, Work};
use crate::drafts::Drafts;
use crate::ports::ClockError;
use crate::store::Ack;
use crate::witness::WitnessReject;
use inflight::InFlight;
use mortise_core::Machine;
use mortise_core::body::{Boot, CarriedStatement, FrameStatement};
use mortise_core::keys::{EpochKeys, LogKeys};
use mortise_core::machine::CloseError;
use mortise_core::state::Corruption;
use mortise_format::event::{Event, LogPosition};
use mortise_format::frame::Frame;
use mortise_format::ids::{Bytes32, FrameDigest};
use mortise_format::limits::SNAPSHOT_FRAMES;
use mortise_format::merkle::history::TreeHead;
use std::collections::VecDeque;
use std::sync::Arc;

pub use crate::released::ReleasedFrame;

/// What happens to the pipeline.
#[derive(Debug)]
pub enum Input {
    /// New work.
    Work(Vec<Work>),
    /// The store synced a frame.
    Acked(Ack),
    /// The store failed, or its answer to an append cannot be known.
    StoreFailed,
    /// A frame's statement and promises are signed.
    Signed(SignedFrame),
    /// A quorum of witnesses cosigned the head of this size.
    Cosigned(u64),
    /// So many witnesses refused that no quorum is left.
    WitnessRefused(WitnessReject),
    /// A snapshot is stored, or failed to be (then it is forgotten).
    SnapshotStored(bool),
    /// Time passed.
    Tick,
    /// There is no time any more: nothing can be decided.
    ClockFailed(ClockError),
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Append this frame to the store.
    Ship(Frame),
    /// Sign this statement and the promises of these events.
    Sign(SignJob),
    /// Have this head cosigned by a quorum: its frames are durable. One is under way at a time.
    Witness(TreeHead),
    /// Answer.
    Reply(Token, Reply),
    /// Answer from the log: the event at this position, which is durable. The statement about its
    /// frame, if it is recent; else a later frame carries it.
    Recall(Token, LogPosition, Option<CarriedStatement>),
    /// Fetch what this needs from the store and answer with [`Reply::LogProof`].
    LogProof(Token, Box<LogProofJob>),
    /// Store this snapshot, taken after frame `seq`, which is durable.
    Snapshot(Snapshot),
    /// Stop.
    Fault(Fault),
}

/// What is to be signed about a frame.
#[derive(Debug)]
pub struct SignJob {
    /// About the frame as a whole.
    pub statement: FrameStatement,
    /// The events that somebody waits for, by index.
    pub events: Vec<(u32, Event)>,
}

/// A sealed snapshot.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The last frame in it.
    pub seq: u64,
    /// Its digest.
    pub digest: Bytes32,
    /// The sealed bytes.
    pub bytes: Arc<Vec<u8>>,
}

/// Why the engine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The store failed, or the outcome of an append is unknown.
    #[error("the outcome of a ship is unknown: restart and replay")]
    ShipUnknown,
    /// The store acked another frame than the one that was shipped.
    #[error("the store acked frame {seq} with another digest")]
    AckDigest {
        /// The frame.
        seq: u64,
        /// What it said.
        digest: FrameDigest,
    },
    /// The store acked a frame out of order.
    #[error("the store acked frame {seq} out of order")]
    AckOrder {
        /// The frame.
        seq: u64,
    },
    /// Witnesses cosigned a larger history: this engine is on an older copy of the log, or another
    /// one writes on.
    #[error("witnesses cosigned a history of {newest} frames: another engine went on")]
    WitnessAhead {
        /// What one of them says that it cosigned last.
        newest: u64,
    },
    /// What witnesses cosigned is no beginning of this log.
    #[error("what witnesses cosigned is no beginning of this log")]
    WitnessFork,
    /// There is no trusted time.
    #[error("there is no trusted time: {0}")]
    Clock(#[from] ClockError),
    /// An event of our own does not fit the state.
    #[error("an event of our own does not fit the state: {0}")]
    Corruption(#[from] Corruption),
    /// A frame could not be closed.
    #[error("a frame could not be closed: {0}")]
    Close(#[from] CloseError),
}

/// Settings of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Frames between two snapshots.
    pub snapshot_frames: u64,
    /// Drives the eviction of drafts.
    pub draft_seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { snapshot_frames: SNAPSHOT_FRAMES, draft_seed: 1 }
    }
}

/// The order of effects. See the module.
#[derive(Debug)]
pub struct Pipeline {
    machine: Machine,
    log_keys: LogKeys,
    keys: EpochKeys,
    settings: Settings,
    drafts: Drafts,
    waiting: VecDeque<Work>,
    in_flight: VecDeque<InFlight>,
    /// Statements of released frames that no frame carries yet.
    to_carry: VecDeque<CarriedStatement>,
    /// Statements of the last released frames, newest last.
    recent: VecDeque<CarriedStatement>,
    snapshot: SnapshotState,
    witnessing: Witnessing,
    /// True once the boot frame is released.
    is_open: bool,
    fault: Option<Fault>,
}

/// Where the cosigning stands.
#[derive(Debug, Default)]
struct Witnessing {
    /// True when the policy has witnesses: frames wait for a quorum of them.
    is_asked_for: bool,
    /// The size that is under way.
    asked: Option<u64>,
    /// The largest size that a quorum cosigned.
    cosigned: u64,
}

impl Witnessing {
    /// True when a frame may be released as far as witnesses go.
    fn covers(&self, seq: u64) -> bool {
        !self.is_asked_for || seq < self.cosigned
    }
}

/// Where the making of snapshots stands.
#[derive(Debug, Default)]
struct SnapshotState {
    /// Frames covered by the last snapshot.
    covered: u64,
    /// Its size.
    image_bytes: usize,
    /// Bytes of frames since.
    log_bytes: usize,
    /// Sealed, waiting for its last frame to be durable.
    sealed: Option<Snapshot>,
    /// Handed out, not yet stored.
    storing: Option<(u64, Bytes32)>,
    /// Stored, its event not yet logged.
    stored: Option<(u64, Bytes32)>,
}

/// What a pipeline starts from, after boot replayed the log.
#[derive(Debug)]
pub struct Start {
    /// The machine at the end of the log.
    pub machine: Machine,
    /// Keys of the log.
    pub log_keys: LogKeys,
    /// Keys of the new epoch.
    pub keys: EpochKeys,
    /// What the boot frame says in clear.
    pub boot: Boot,
    /// Statements about the last frames of the log that no frame carries, signed again.
    pub to_carry: Vec<CarriedStatement>,
    /// Frames covered by the snapshot that the start came from.
    pub covered: u64,
}

impl Pipeline {
    /// Starts an epoch: makes its boot frame, which is the first output.
    ///
    /// # Errors
    /// A [`Fault`] when the boot frame cannot be made.
    pub fn start(
        start: Start,
        now_ms: u64,
        version: &str,
        settings: Settings,
        out: &mut Vec<Output>,
    ) -> Result<Self, Fault> {
        let snapshot = SnapshotState { covered: start.covered, ..SnapshotState::default() };
        let is_asked_for = !start.machine.state().policy().witnesses.is_empty();
        let witnessing = Witnessing { is_asked_for, ..Witnessing::default() };
        let mut pipeline = Self {
            machine: start.machine,
            log_keys: start.log_keys,
            keys: start.keys,
            settings,
            drafts: Drafts::new(settings.draft_seed),
            waiting: VecDeque::new(),
            in_flight: VecDeque::new(),
            recent: start.to_carry.iter().cloned().collect(),
            to_carry: start.to_carry.into(),
            snapshot,
            witnessing,
            is_open: false,
            fault: None,
        };
        pipeline.boot_frame(start.boot, now_ms, version, out)?;
        Ok(pipeline)
    }

    /// The machine, for reading.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Frames shipped and not yet released.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Work that waits for a frame.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The fault that stopped the pipeline, if one did.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// True once the boot frame is released: before, nothing is served.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// True when nothing waits and nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty()
    }

    /// Takes an input and appends what is to be done. After a fault, work is answered with
    /// [`Reply::Fault`] and everything else is ignored.
    pub fn handle(&mut self, now_ms: u64, input: Input, out: &mut Vec<Output>) {
        if self.fault.is_some() {
            if let Input::Work(work) = input {
                out.extend(work.into_iter().map(|w| Output::Reply(w.token, Reply::Fault)));
            }
            return;
        }
        if let Err(fault) = self.step(now_ms, input, out) {
            self.stop(fault, out);
        }
    }

    fn step(&mut self, now_ms: u64, input: Input, out: &mut Vec<Output>) -> Result<(), Fault> {
        match input {
            Input::Work(work) => self.waiting.extend(work),
            Input::Acked(ack) => self.acked(ack, out)?,
            Input::StoreFailed => return Err(Fault::ShipUnknown),
            Input::ClockFailed(error) => return Err(error.into()),
            Input::Signed(signed) => self.signed(signed, out),
            Input::Cosigned(size) => self.cosigned(size, out),
            Input::WitnessRefused(WitnessReject::Ahead { newest }) => {
                return Err(Fault::WitnessAhead { newest });
            }
            Input::WitnessRefused(WitnessReject::Fork) => return Err(Fault::WitnessFork),
            Input::SnapshotStored(is_stored) => {
                let storing = self.snapshot.storing.take();
                self.snapshot.stored = storing.filter(|_| is_stored);
            }
            Input::Tick => {
                self.drafts.forget(now_ms);
                self.advance_time(now_ms, out)?;
            }
        }
        self.pump(now_ms, out)
    }

    /// Ends everything: no answer that is not durable leaves, every responder is told.
    fn stop(&mut self, fault: Fault, out: &mut Vec<Output>) {
        self.fault = Some(fault);
        for frame in self.in_flight.drain(..) {
            out.extend(frame.into_tokens().map(|token| Output::Reply(token, Reply::NotDurable)));
        }
        let waiting = self.waiting.drain(..);
        out.extend(waiting.map(|work| Output::Reply(work.token, Reply::NotDurable)));
        out.push(Output::Fault(fault));
    }
}
