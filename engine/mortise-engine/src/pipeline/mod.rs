//! The order of effects, without effects.
//!
//! What it is for: the order of effects as a function from inputs to outputs. Decide, apply,
//! compute roots, seal, ship; sign meanwhile; release when durable. The actors around it only
//! execute its outputs. Tests run it on one thread and inject a failure at every step.
//!
//! What it does not do: I/O, threads, clocks, signing. Every input carries the time.
//!
//! ```text
//! Work ----> waiting --> open frame -> close --> Ship(frame) ------> Acked ---+
//!                                        |                                    +--> Release
//!                                        +-----> Sign(statement, events) --> Signed -+
//!                                        Acked -> Witness(head) -> Cosigned ---------+  (when the
//!                                                                            policy has witnesses)
//! ```
//! Invariants:
//! - INV-09: an answer leaves only after its frame, and every frame before it, is acked. A
//!   statement is never in the frame that it is about, nor in a frame shipped before its release.
//! - Witnesses see a head only after its frames are acked: durable before witnessed. If the policy
//!   has witnesses, a frame is released only after a quorum cosigned a head that contains it.
//! - Queries and commands wait in two queues, each in fair order between its callers. One input
//!   does one turn of bounded work; [`Output::NextTurn`] asks for the next, so that what arrives
//!   meanwhile gets its turn.
//! - While several callers send commands, one has a bounded number of promises in frames that are
//!   not signed: so the answers of another wait for few signatures that are not their own.
//! - A query reads the state of the last closed frame and is answered after every frame that is in
//!   flight when it is read: a read never shows state that a crash can undo. It opens and closes no
//!   frame, so it waits for no room.
//! - The newest cosigned head is cosigned again at a third of the lease, while no newer head is on
//!   its way. A refusal stops the engine as one of a new head does, unless the witness refuses
//!   because it cosigned a later head of this engine.
//! - At most `FRAMES_IN_FLIGHT_MAX` frames are in flight, whatever is asked in whatever order.
//! - An append with an unknown outcome is a [`Fault`]. Afterwards nothing is released.

mod inbox;
mod inflight;
mod pump;
mod snapshot;
mod window;
mod witnessing;

pub use inflight::{SignedFrame, SignedPromises, Ticket};
pub use snapshot::{SnapshotPart, StoredPart};

use crate::api::{Replied, Stopped, Submission, Token, Work};
use crate::drafts::Drafts;
use crate::ports::ClockError;
use crate::query::Leaving;
use crate::store::Ack;
use crate::witness::WitnessReject;
use inbox::Inbox;
use inflight::InFlight;
use mortise_core::Machine;
use mortise_core::body::{Boot, CarriedStatement, FrameStatement};
use mortise_core::keys::{EpochKeys, LogKeys};
use mortise_core::machine::CloseError;
use mortise_core::state::Corruption;
use mortise_format::event::Event;
use mortise_format::frame::Frame;
use mortise_format::ids::{Bytes32, FrameDigest};
use mortise_format::limits::{SNAPSHOT_BYTES_HELD_MAX, SNAPSHOT_FRAMES};
use mortise_format::merkle::history::TreeHead;
use mortise_format::rules::RuleSet;
use snapshot::Snapshots;
use std::collections::VecDeque;
use std::sync::Arc;
use witnessing::Witnessing;

pub use crate::reader::Released;
pub use crate::released::ReleasedFrame;

/// An input of the pipeline.
#[derive(Debug)]
pub enum Input {
    Work(Vec<Work>),
    /// The store synced a frame.
    Acked(Ack),
    /// The store failed, or the outcome of an append is unknown.
    StoreFailed,
    /// The statement and the promises of a frame are signed.
    Signed(SignedFrame),
    /// The workers that sign have ended.
    SignersFailed,
    /// A quorum of witnesses cosigned the head of this size.
    Cosigned(u64),
    /// Too many witnesses refused: no quorum is possible.
    WitnessRefused(WitnessReject),
    /// A round that renews cosignatures ended, with these refusals or without.
    Renewed(Option<WitnessReject>),
    /// Encode a slice of the snapshot that is being taken.
    SnapshotSlice,
    /// A part of a snapshot is stored, or is not.
    SnapshotPart(StoredPart),
    /// A frame of the log was found damaged.
    Damaged(u64),
    Tick,
    /// The answer to [`Output::NextTurn`].
    NextTurn,
    /// There is no trusted time: nothing can be decided.
    ClockFailed(ClockError),
}

/// An effect for the actors to execute.
#[derive(Debug)]
pub enum Output {
    /// Append this frame to the store.
    Ship(Frame),
    /// Sign this statement and the promises of these events.
    Sign(SignJob),
    /// Have a quorum cosign this head, whose frames are durable. One such request at a time.
    Witness(TreeHead),
    /// Have a quorum cosign this head again: it was cosigned before, and none is newer. One such
    /// request at a time, beside a request for a newer head.
    Renew(TreeHead),
    /// What became of a command.
    Reply(Ticket, Replied),
    /// The answer to a query or to a sweep.
    Answer(Token, Leaving),
    /// This frame is released. Comes before the answers that rest on it.
    Released(Box<Released>),
    /// Seal and store this part of a snapshot. The last frame in the snapshot is released.
    SnapshotPart(SnapshotPart),
    /// More work waits: hand in [`Input::NextTurn`] after what else has arrived.
    NextTurn,
    /// Stop the engine.
    Fault(Fault),
}

/// The signatures to make for a frame.
#[derive(Debug)]
pub struct SignJob {
    /// The statement about the frame.
    pub statement: FrameStatement,
    /// The events that have a waiting caller, by index.
    pub events: Vec<(u32, Event)>,
}

/// The engine must stop. Only a restart with a replay continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The store failed, or the outcome of an append is unknown.
    #[error("the outcome of an append is unknown: restart and replay")]
    ShipUnknown,
    /// The workers that sign have ended.
    #[error("the workers that sign have ended: restart and replay")]
    Signers,
    /// The store acked a frame with another digest than the shipped one.
    #[error("the store acked frame {seq} with another digest")]
    AckDigest {
        seq: u64,
        /// The digest in the ack.
        digest: FrameDigest,
    },
    /// The store acked a frame out of order.
    #[error("the store acked frame {seq} out of order")]
    AckOrder { seq: u64 },
    /// Witnesses cosigned a longer history: this engine runs on an older copy of the log, or
    /// another engine extends it.
    #[error("witnesses cosigned a history of {newest} frames: another engine extends this log")]
    WitnessAhead {
        /// The size that one of them cosigned last.
        newest: u64,
    },
    /// The history that witnesses cosigned is not a prefix of this log.
    #[error("the history that witnesses cosigned is not a prefix of this log")]
    WitnessFork,
    /// There is no trusted time.
    #[error("there is no trusted time: {0}")]
    Clock(#[from] ClockError),
    /// An event of this engine does not fit the state.
    #[error("an event of this engine does not fit the state: {0}")]
    Corruption(#[from] Corruption),
    /// A frame could not be closed.
    #[error("a frame could not be closed: {0}")]
    Close(#[from] CloseError),
}

/// Settings of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub snapshot_frames: u64,
    /// Bytes that are encoded for a snapshot and not yet in flight. With more it is given up.
    pub snapshot_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { snapshot_frames: SNAPSHOT_FRAMES, snapshot_bytes_max: SNAPSHOT_BYTES_HELD_MAX }
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
    inbox: Inbox,
    /// True while an [`Output::NextTurn`] is not answered.
    is_continued: bool,
    in_flight: VecDeque<InFlight>,
    /// Statements about released frames that no frame carries yet.
    to_carry: VecDeque<CarriedStatement>,
    /// The statement about the newest released frame.
    newest: Option<Arc<CarriedStatement>>,
    snapshots: Snapshots,
    witnessing: Witnessing,
    /// True once the boot frame is released.
    is_open: bool,
    /// True once the frame that ends the epoch is shipped: no other frame follows.
    has_ended: bool,
    fault: Option<Fault>,
}

/// The start of a pipeline, after the boot replayed the log.
#[derive(Debug)]
pub struct Start {
    /// The machine at the end of the log.
    pub machine: Machine,
    /// The rules of the epoch.
    pub rules: RuleSet,
    pub log_keys: LogKeys,
    pub keys: EpochKeys,
    /// The clear part of the boot frame.
    pub boot: Boot,
    /// Statements about the last frames that no frame carries, signed again.
    pub to_carry: Vec<CarriedStatement>,
    /// Number of frames that the snapshot covers from which the replay began.
    pub covered: u64,
    /// The engine before this one ended its epoch in the log: it answers nothing any more.
    pub is_continued: bool,
    /// That snapshot, if it covers the whole log, so that no frame can name it yet.
    pub unlogged: Option<(u64, Bytes32)>,
}

impl Pipeline {
    /// Starts an epoch. Its boot frame is the first output.
    ///
    /// # Errors
    /// A [`Fault`] if the boot frame cannot be made.
    pub fn start(
        start: Start,
        now_ms: u64,
        version: &str,
        settings: Settings,
        out: &mut Vec<Output>,
    ) -> Result<Self, Fault> {
        let snapshots = Snapshots::after_boot(start.covered, start.unlogged);
        let witnessing = Witnessing::new(start.machine.state().policy(), start.is_continued);
        let mut pipeline = Self {
            machine: start.machine,
            log_keys: start.log_keys,
            keys: start.keys,
            settings,
            drafts: Drafts::default(),
            inbox: Inbox::default(),
            is_continued: false,
            in_flight: VecDeque::new(),
            newest: start.to_carry.last().cloned().map(Arc::new),
            to_carry: start.to_carry.into(),
            snapshots,
            witnessing,
            is_open: false,
            has_ended: false,
            fault: None,
        };
        pipeline.boot_frame(start.boot, start.rules, now_ms, version, out)?;
        Ok(pipeline)
    }

    /// The machine, for reading.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Number of frames that are shipped and not yet released.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Number of commands that wait for a frame.
    pub fn waiting_commands(&self) -> usize {
        self.inbox.commands()
    }

    /// Number of queries that wait for their turn.
    pub fn waiting_queries(&self) -> usize {
        self.inbox.queries()
    }

    /// The fault that stopped the pipeline.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// True once the boot frame is released. Before that the engine does not serve.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// True if no request waits and no frame is in flight.
    pub fn is_idle(&self) -> bool {
        self.inbox.commands() == 0 && self.inbox.queries() == 0 && self.in_flight.is_empty()
    }

    /// Handles an input and appends the resulting effects. After a fault, requests get
    /// [`Stopped::Fault`] and every other input is ignored. After the end of the epoch, requests
    /// get the same, and nothing makes a frame.
    pub fn handle(&mut self, now_ms: u64, input: Input, out: &mut Vec<Output>) {
        let is_over = self.fault.is_some() || self.has_ended;
        match input {
            Input::Work(work) if is_over => {
                out.extend(work.into_iter().map(|work| work.stopped(Stopped::Fault)));
            }
            Input::Tick if is_over => {}
            _ if self.fault.is_some() => {}
            input => self.take(now_ms, input, out),
        }
    }

    fn take(&mut self, now_ms: u64, input: Input, out: &mut Vec<Output>) {
        if let Err(fault) = self.step(now_ms, input, out) {
            self.stop(fault, out);
        }
    }

    fn step(&mut self, now_ms: u64, input: Input, out: &mut Vec<Output>) -> Result<(), Fault> {
        match input {
            Input::Work(work) => work.into_iter().for_each(|work| self.inbox.add(now_ms, work)),
            Input::Acked(ack) => self.acked(ack, out)?,
            Input::NextTurn => self.is_continued = false,
            Input::StoreFailed => return Err(Fault::ShipUnknown),
            Input::SignersFailed => return Err(Fault::Signers),
            Input::ClockFailed(error) => return Err(error.into()),
            Input::Signed(signed) => self.signed(signed, out),
            Input::Cosigned(size) => self.cosigned(now_ms, size, out),
            Input::WitnessRefused(refusal) => return Err(refusal.into()),
            Input::Renewed(refusal) => self.renewed(refusal)?,
            Input::SnapshotSlice => self.encode_slice(),
            Input::SnapshotPart(stored) => self.part_stored(now_ms, stored),
            Input::Damaged(seq) => {
                self.snapshots.frame_damaged(seq, self.machine.head().next_seq);
            }
            Input::Tick => {
                self.drafts.forget(now_ms);
                self.advance_time(now_ms, out)?;
                self.renew(now_ms, out);
                self.end_hold(now_ms, out);
            }
        }
        self.pump(now_ms, out)?;
        self.snapshot_turn(now_ms, out);
        Ok(())
    }

    /// Stops the pipeline. Every caller that waits gets [`Stopped::NotDurable`].
    fn stop(&mut self, fault: Fault, out: &mut Vec<Output>) {
        self.fault = Some(fault);
        let in_flight = self.in_flight.drain(..).flat_map(|frame| frame.answers);
        out.extend(in_flight.map(|pending| pending.stopped(Stopped::NotDurable)));
        out.extend(self.inbox.drain(Stopped::NotDurable));
        out.push(Output::Fault(fault));
    }
}

impl Work {
    /// No answer will come.
    fn stopped(self, why: Stopped) -> Output {
        let token = self.token;
        match self.submission {
            Submission::Command(_, responder) => Ticket { token, responder }.stopped(why),
            Submission::Sweep(responder) => Output::stopped(token, Box::new(responder), why),
            Submission::Query(asked) => Output::stopped(token, asked, why),
        }
    }
}
