//! Following frames: restart and audit.

use super::{Machine, live};
use crate::apply::Corruption;
use crate::body::{ClearBody, SealedBody, Statement};
use crate::keys::EpochKeys;
use crate::seal::{self, SealError};
use crate::signature::recover;
use mortise_format::codec::{self, CodecError};
use mortise_format::event::{Event, Position};
use mortise_format::frame::{Frame, FrameKind};
use mortise_format::ids::Address;

/// Why a frame does not follow. The log is then not the one that this engine wrote.
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
    /// A carried statement is not the one that its frame calls for.
    #[error("the carried statement about frame {seq} is not the one that the frame calls for")]
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
    #[error("a boot record stands in boot frames and nowhere else")]
    BootRecord,
    /// A boot frame's attestation document is over its limit, or another than its record names.
    #[error("the boot frame's attestation document is not the one that it names")]
    BootDocument,
}

impl Machine {
    /// Checks the place of a frame in the chain: engine, seq, predecessor, epoch, time.
    ///
    /// # Errors
    /// The first of these facts that is wrong.
    pub fn check_place(&self, frame: &Frame) -> Result<(), FollowError> {
        let (header, head) = (frame.header(), &self.head);
        if header.engine_id != *self.state.engine_id() {
            return Err(FollowError::ForeignEngine);
        }
        if header.seq != head.next_seq {
            return Err(FollowError::Seq { expected: head.next_seq, found: header.seq });
        }
        if header.previous != head.digest {
            return Err(FollowError::Previous);
        }
        let epoch = match header.kind() {
            Some(FrameKind::Boot) => head.epoch.saturating_add(1),
            _ => head.epoch,
        };
        if header.epoch != epoch {
            return Err(FollowError::Epoch { last: head.epoch, found: header.epoch });
        }
        if header.time_ms < head.time_ms {
            return Err(FollowError::TimeBack);
        }
        Ok(())
    }

    /// Follows a frame: place, MAC, events, roots. Returns the statement about it and its events.
    ///
    /// `engine` is the address that signs statements.
    ///
    /// A success proves that this engine made the frame, that it stands here in the log, and that
    /// its events lead to its roots. It does not prove that the log ends here.
    ///
    /// # Errors
    /// The first fact that is wrong; the machine is then undefined and must be dropped.
    pub fn follow(
        &mut self,
        frame: &Frame,
        keys: &EpochKeys,
        engine: &Address,
    ) -> Result<(Statement, ClearBody, SealedBody), FollowError> {
        self.check_place(frame)?;
        let header = frame.header();
        let body = SealedBody::parse(seal::open(keys, frame)?)?;
        let clear: ClearBody = codec::decode(frame.clear())?;
        if clear.boot.is_some() != (header.kind() == Some(FrameKind::Boot)) {
            return Err(FollowError::BootRecord);
        }
        if clear.boot.as_ref().is_some_and(|boot| !boot.is_consistent()) {
            return Err(FollowError::BootDocument);
        }
        self.follow_statements(&clear, engine)?;
        if usize::try_from(header.event_count).ok() != Some(body.count())
            || live::event_root(keys, header.seq, &body) != header.event_root
        {
            return Err(FollowError::EventRoot);
        }
        self.follow_events(frame, &body)?;
        self.update_tree();
        if self.tree.root() != header.state_root {
            return Err(FollowError::StateRoot);
        }
        if self.state.policy_hash() != header.policy_hash {
            return Err(FollowError::PolicyHash);
        }
        Ok((self.advance(frame, &clear), clear, body))
    }

    /// Carried statements are the oldest uncarried ones, in order, each signed by the engine.
    fn follow_statements(&self, clear: &ClearBody, engine: &Address) -> Result<(), FollowError> {
        let mut expected = self.uncarried.iter();
        for carried in &clear.statements {
            let seq = carried.stated.statement.seq;
            if expected.next() != Some(&carried.stated) {
                return Err(FollowError::Statement { seq });
            }
            let signer = recover(&carried.stated.statement.digest(), &carried.signature);
            if signer != Ok(*engine) {
                return Err(FollowError::StatementSignature { seq });
            }
        }
        Ok(())
    }

    fn follow_events(&mut self, frame: &Frame, body: &SealedBody) -> Result<(), FollowError> {
        let header = frame.header();
        for (index, bytes) in (0..).zip(body.events()) {
            let event: Event = codec::decode(bytes)?;
            let fits = match (&event, index) {
                (Event::EpochStarted { epoch, .. }, 0) => {
                    header.kind() == Some(FrameKind::Boot) && *epoch == header.epoch
                }
                (Event::TimeAdvanced { time_ms }, 0) => {
                    header.kind() == Some(FrameKind::Events) && *time_ms == header.time_ms
                }
                (_, 0) => false,
                _ => true,
            };
            if !fits {
                return Err(FollowError::FirstEvent);
            }
            let at = Position { seq: header.seq, index };
            self.state
                .apply(at, &event)
                .map_err(|corruption| FollowError::Corruption { index, corruption })?;
        }
        Ok(())
    }
}
