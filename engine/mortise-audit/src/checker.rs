//! Checks the events of one frame: replays every decision and computes the changes that were due.

use crate::finding::{Fact, Finding};
use crate::prepare::AnsweredCommand;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use mortise_core::machine::Reviewer;
use mortise_core::state::{DueLocks, State};
use mortise_core::{Decision, decide};
use mortise_format::event::Event;
use mortise_format::frame::{FrameHeader, FrameKind};
use mortise_format::ids::{LockId, Measurement, PolicyHash, Root};
use mortise_format::images::Version;
use mortise_format::limits::FRAME_EXPIRIES_MAX;

/// How much was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Commands whose decision was replayed.
    pub commands: u64,
    /// Recorded rejects that the replay reproduced.
    pub refusals: u64,
    /// Locks that expired, settled or were pruned.
    pub timed: u64,
    /// Snapshots that the log records.
    pub snapshots: u64,
}

/// Checks one frame.
pub(crate) struct DecisionChecker<'a> {
    header: &'a FrameHeader,
    answered: &'a [AnsweredCommand],
    /// The measured image, when the document of the boot was verified.
    image: Option<Measurement>,
    stage: Stage,
    due: Due,
    pub counts: Counts,
    pub findings: Vec<Finding>,
}

/// The stages of a frame. A stage never follows a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Start,
    Boot,
    Time,
    Expired,
    Settled,
    Pruned,
    Snapshot,
    Commands,
}

/// The changes by time that are due in the frame, and how many of them were found.
#[derive(Debug, Default)]
struct Due {
    left: [BTreeSet<LockId>; 3],
    called: usize,
    found: usize,
}

/// The three changes that time causes, in their order.
const CHANGES: [&str; 3] = ["expiry", "settlement", "pruning"];

impl<'a> DecisionChecker<'a> {
    pub fn new(
        header: &'a FrameHeader,
        answered: &'a [AnsweredCommand],
        image: Option<Measurement>,
    ) -> Self {
        let (counts, findings) = (Counts::default(), Vec::new());
        Self { header, answered, image, stage: Stage::Start, due: Due::default(), counts, findings }
    }

    fn find(&mut self, index: Option<u32>, fact: Fact) {
        self.findings.push(Finding { seq: self.header.seq, index, fact });
    }

    /// Moves to a stage. An event in the wrong order is a finding and is still checked.
    fn stage(&mut self, index: u32, event: &'static str, stage: Stage) {
        let is_boot = self.header.kind() == Some(FrameKind::Boot);
        let fits = match stage {
            Stage::Start | Stage::Boot => is_boot && self.stage == Stage::Start,
            Stage::Time if is_boot => self.stage == Stage::Boot,
            Stage::Time => self.stage == Stage::Start,
            Stage::Commands => !is_boot && self.stage >= Stage::Time,
            _ => !is_boot && self.stage >= Stage::Time && self.stage < stage,
        };
        if !fits {
            self.find(Some(index), Fact::Misplaced { event });
        }
        self.stage = self.stage.max(stage);
    }

    /// Checks locks that time changed: each was due, and none is named twice.
    fn timed(&mut self, index: u32, which: usize, lock_ids: &[LockId]) {
        self.due.found = self.due.found.saturating_add(lock_ids.len());
        for lock_id in lock_ids {
            match self.due.left[which].remove(lock_id) {
                true => self.counts.timed += 1,
                false => {
                    let (change, lock_id) = (CHANGES[which], *lock_id);
                    self.find(Some(index), Fact::NotDue { change, lock_id });
                }
            }
        }
    }

    /// Called when no more changes by time can follow. Everything that was due is there, or as much
    /// as a frame can hold.
    fn close_due(&mut self) {
        let Due { left, called, found } = core::mem::take(&mut self.due);
        if called > FRAME_EXPIRIES_MAX {
            if found != FRAME_EXPIRIES_MAX {
                self.find(None, Fact::DueTooFew { due: called, found });
            }
            return;
        }
        for (change, left) in CHANGES.into_iter().zip(left) {
            for lock_id in left {
                self.find(None, Fact::DueOmitted { change, lock_id });
            }
        }
    }

    fn command(&mut self, state: &State, index: u32, event: &Event) {
        let answered = usize::try_from(index).ok().and_then(|at| self.answered.get(at));
        let admitted = match answered {
            Some(AnsweredCommand::Admitted(admitted)) => admitted,
            Some(AnsweredCommand::Inadmissible(reject)) => {
                return self.find(Some(index), Fact::Inadmissible(*reject));
            }
            Some(AnsweredCommand::Nothing) | None => {
                return self.find(Some(index), Fact::NoCommand);
            }
        };
        self.counts.commands += 1;
        let fact = match (decide(state, self.header.time_ms, admitted), event) {
            (Decision::Event(decided), recorded) if decided == *recorded => {
                self.counts.refusals += u64::from(is_refusal(recorded));
                return;
            }
            (Decision::Event(decided), recorded) => other_event(&decided, recorded),
            (Decision::Repeat(at), _) => Fact::AnsweredBefore { at },
            (Decision::Refuse { reject, logged }, Event::CommandRefused { reject: found, .. }) => {
                match (reject == *found, logged) {
                    (_, Some(at)) if reject.code() == found.code() => Fact::RefusedBefore { at },
                    // the reject reason holds, but such a reject is not remembered
                    (true, _) => Fact::OtherOutcome,
                    (false, _) => Fact::OtherReason { recorded: *found, expected: reject },
                }
            }
            (Decision::Refuse { reject, .. }, _) => Fact::WrongGrant { expected: reject },
        };
        self.find(Some(index), fact);
    }
}

fn is_refusal(event: &Event) -> bool {
    matches!(event, Event::CommandRefused { .. })
}

/// Names the difference between the decided and the recorded event of one command.
fn other_event(decided: &Event, recorded: &Event) -> Fact {
    match (decided, recorded) {
        (
            Event::CommandRefused { reject: expected, .. },
            Event::CommandRefused { reject: recorded, .. },
        ) if expected != recorded => Fact::OtherReason { recorded: *recorded, expected: *expected },
        (Event::CommandRefused { .. }, Event::CommandRefused { .. }) => Fact::OtherOutcome,
        (Event::CommandRefused { reject, .. }, _) => Fact::WrongGrant { expected: *reject },
        (_, Event::CommandRefused { reject, .. }) => Fact::WrongRefusal { recorded: *reject },
        _ => Fact::OtherOutcome,
    }
}

impl Reviewer for DecisionChecker<'_> {
    fn before(&mut self, state: &State, index: u32, event: &Event) {
        match event {
            Event::EpochStarted { previous, version, rules, .. } => {
                self.stage(index, "EpochStarted", Stage::Boot);
                let approved = state.approved_images().map(|a| a.approval.rules);
                if let Some(approved) = approved.filter(|approved| approved != rules) {
                    let found = *rules;
                    self.find(Some(index), Fact::RulesNotApproved { found, approved });
                }
                let running = Version::parse(version).unwrap_or_default();
                if let Err(refusal) = state.check_image(running, self.image.as_ref()) {
                    self.find(Some(index), Fact::Image(refusal));
                }
                if *previous != self.header.previous {
                    self.find(Some(index), Fact::FirstEvent);
                }
            }
            Event::TimeAdvanced { time_ms } => {
                self.stage(index, "TimeAdvanced", Stage::Time);
                // Only for boot frames. In any other frame it is event 0, which was checked before.
                if index > 0 && *time_ms != self.header.time_ms {
                    self.find(Some(index), Fact::Misplaced { event: "TimeAdvanced" });
                }
            }
            Event::LocksExpired { lock_ids } => {
                self.stage(index, "LocksExpired", Stage::Expired);
                self.timed(index, 0, lock_ids);
            }
            Event::LocksSettled { lock_ids } => {
                self.stage(index, "LocksSettled", Stage::Settled);
                self.timed(index, 1, lock_ids);
            }
            Event::LocksPruned { lock_ids } => {
                self.stage(index, "LocksPruned", Stage::Pruned);
                self.timed(index, 2, lock_ids);
            }
            Event::SnapshotTaken { seq, .. } => {
                self.stage(index, "SnapshotTaken", Stage::Snapshot);
                self.counts.snapshots += 1;
                if *seq >= self.header.seq {
                    self.find(Some(index), Fact::Misplaced { event: "SnapshotTaken" });
                }
            }
            // What follows it is refused by the state.
            Event::EpochEnded { epoch } => {
                self.stage(index, "EpochEnded", Stage::Commands);
                if *epoch != self.header.epoch {
                    self.find(Some(index), Fact::Misplaced { event: "EpochEnded" });
                }
            }
            _ => {
                self.stage(index, "a command", Stage::Commands);
                self.command(state, index, event);
            }
        }
    }

    fn due(&mut self, due: DueLocks) {
        self.due.called = due.count();
        self.due.left = [due.expired, due.settled, due.pruned].map(|ids| ids.into_iter().collect());
    }

    fn after(&mut self, state_root: Root, policy_hash: PolicyHash) {
        self.close_due();
        if state_root != self.header.state_root {
            self.find(None, Fact::StateRoot);
        }
        if policy_hash != self.header.policy_hash {
            self.find(None, Fact::PolicyHash);
        }
    }
}
