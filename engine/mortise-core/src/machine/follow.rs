//! Following frames: restart and audit.

use super::Machine;
use super::opened::{OpenedFrame, Opener, read_clear};
use crate::body::{ClearBody, FrameStatement, SealedBody};
use crate::keys::EpochKeys;
use crate::seal::SealError;
use crate::state::Corruption;
use crate::state::{DueLocks, State};
use mortise_format::codec::CodecError;
use mortise_format::event::{Event, LogPosition};
use mortise_format::frame::{Frame, FrameHeader};
use mortise_format::ids::{Address, PolicyHash, Root};
use mortise_format::rules::{RuleSet, RulesUnknown};

/// Why a frame does not follow the chain. The log is then not the one that this engine wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The frame belongs to another engine.
    #[error("the frame belongs to another engine")]
    ForeignEngine,
    /// The frame's seq is not the next one.
    #[error("expected frame {expected}, found {found}")]
    Seq {
        /// The next seq.
        expected: u64,
        /// The frame's.
        found: u64,
    },
    /// The frame names another predecessor.
    #[error("the frame names another predecessor")]
    Previous,
    /// The frame's epoch does not follow the last one.
    #[error("epoch {found} does not follow epoch {last}")]
    Epoch {
        /// Of the frame before.
        last: u64,
        /// Of the frame.
        found: u64,
    },
    /// Engine time went back.
    #[error("engine time went back")]
    TimeBack,
    /// The frame's rules are not those of its epoch, or below those of the epoch before.
    #[error("rule set {found} does not follow rule set {last}")]
    Rules {
        /// Of the frame before.
        last: RuleSet,
        /// Of the frame.
        found: RuleSet,
    },
    /// This code does not know the frame's rules.
    #[error(transparent)]
    RulesUnknown(#[from] RulesUnknown),
    /// The frame does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A body does not decode.
    #[error("a body does not decode: {0}")]
    Codec(#[from] CodecError),
    /// The events do not hash to the event root, or their number differs.
    #[error("the events do not hash to the event root")]
    EventRoot,
    /// An event does not fit the state.
    #[error("event {index}: {corruption}")]
    Corruption {
        /// The event.
        index: u32,
        /// Why.
        corruption: Corruption,
    },
    /// The frame does not begin with the event of its kind.
    #[error("the frame does not begin with the event of its kind")]
    FirstEvent,
    /// The state after the events has another root.
    #[error("the state after the frame has another root")]
    StateRoot,
    /// The policy in force has another hash.
    #[error("the policy in force has another hash")]
    PolicyHash,
    /// A carried statement is not the one that its frame requires.
    #[error("the carried statement about frame {seq} is not the one that the frame requires")]
    Statement {
        /// The frame that it is about.
        seq: u64,
    },
    /// A carried statement is not signed by the engine.
    #[error("the carried statement about frame {seq} is not signed by the engine")]
    StatementSignature {
        /// The frame that it is about.
        seq: u64,
    },
    /// A boot frame without boot record, or another frame with one.
    #[error("a boot frame without boot record, or a boot record in another frame")]
    BootRecord,
    /// A boot frame's attestation document is over its limit, or not the one that its record names.
    #[error("the boot frame's attestation document is not the one that its record names")]
    BootDocument,
    /// A frame other than the first one has a genesis document, or the first one has another than
    /// was made when the keys were drawn, or one over its limit.
    #[error("a genesis document outside the first frame, or another than that of the keys")]
    GenesisDocument,
}

impl Machine {
    /// Checks the position of a frame in the chain (engine, seq, predecessor, epoch, time, rules),
    /// then that this code knows its rules: nothing in a frame of other rules is read.
    ///
    /// # Errors
    /// The first of these facts that is wrong.
    pub fn check_place(&self, frame: &Frame) -> Result<(), FollowError> {
        self.chain.check_place(frame)?;
        frame.header().rules.check()?;
        Ok(())
    }

    /// Follows a frame: checks position, MAC, events and roots. Returns the statement about it and
    /// its events.
    ///
    /// `engine` is the address that signs statements.
    ///
    /// A success proves that this engine made the frame, that this is its position in the log, and
    /// that its events lead to its roots. It does not prove that the log ends here.
    ///
    /// # Errors
    /// The first fact that is wrong; the machine is then undefined and must be dropped.
    pub fn follow(
        &mut self,
        frame: &Frame,
        keys: &EpochKeys,
        engine: &Address,
    ) -> Result<(FrameStatement, ClearBody, SealedBody), FollowError> {
        self.check_place(frame)?;
        let opened = OpenedFrame::open(frame, Opener::Engine(keys))?;
        let clear = read_clear(frame)?;
        self.chain.check_statements(&clear, engine)?;
        opened.check_events(frame.header())?;
        self.follow_events(frame.header(), &opened)?;
        self.update_tree();
        if self.tree.root() != frame.header().state_root {
            return Err(FollowError::StateRoot);
        }
        if self.state.policy_hash() != frame.header().policy_hash {
            return Err(FollowError::PolicyHash);
        }
        let statement = self.advance(frame, &clear);
        Ok((statement, clear, opened.into_body()))
    }

    fn follow_events(
        &mut self,
        header: &FrameHeader,
        opened: &OpenedFrame,
    ) -> Result<(), FollowError> {
        for (index, event) in (0..).zip(opened.events()) {
            let at = LogPosition { seq: header.seq, index };
            self.state
                .apply(at, event)
                .map_err(|corruption| FollowError::Corruption { index, corruption })?;
        }
        Ok(())
    }

    /// Follows a frame for an auditor: the same `apply` in the same order, and `reviewer` sees the
    /// state on which each event was decided.
    ///
    /// The only error is an event that does not fit the state. The reviewer checks position,
    /// statements and roots: see [`check_place`](super::Chain::check_place) and
    /// [`Reviewer::after`].
    ///
    /// # Errors
    /// `Corruption`; the machine is then undefined and must be dropped.
    pub fn review(
        &mut self,
        frame: &Frame,
        clear: &ClearBody,
        opened: &OpenedFrame,
        reviewer: &mut impl Reviewer,
    ) -> Result<FrameStatement, FollowError> {
        let header = frame.header();
        for (index, event) in (0..).zip(opened.events()) {
            reviewer.before(&self.state, index, event);
            let at = LogPosition { seq: header.seq, index };
            self.state
                .apply(at, event)
                .map_err(|corruption| FollowError::Corruption { index, corruption })?;
            if index == 0 && matches!(event, Event::TimeAdvanced { .. }) {
                reviewer.due(self.state.due(header.time_ms / 1000));
            }
        }
        self.update_tree();
        reviewer.after(self.tree.root(), self.state.policy_hash());
        Ok(self.advance(frame, clear))
    }
}

/// Checks the events of a frame while a machine follows it.
pub trait Reviewer {
    /// The state on which event `index` was decided, before it is applied.
    fn before(&mut self, state: &State, index: u32, event: &Event);

    /// Every lock that is due now that engine time moved.
    fn due(&mut self, due: DueLocks);

    /// The machine after the events of the frame.
    fn after(&mut self, state_root: Root, policy_hash: PolicyHash);
}
