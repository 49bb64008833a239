//! Making frames.

use super::Machine;
use crate::admit::Admitted;
use crate::body::{ClearBody, FrameStatement, SealedBody};
use crate::decide::{Decision, decide};
use crate::event_tree;
use crate::keys::EpochKeys;
use crate::seal::{self, SealError};
use crate::state::Corruption;
use alloc::vec::Vec;
use mortise_format::content_key::event_salt;
use mortise_format::event::{Event, LogPosition};
use mortise_format::frame::{FRAME_VERSION, Frame, FrameHeader, FrameKind};
use mortise_format::ids::Root;
use mortise_format::limits::{FRAME_BYTES_TARGET, FRAME_EVENTS_MAX, FRAME_EXPIRIES_MAX};
use mortise_format::reject::Reject;
use mortise_format::rules::RuleSet;

/// A frame under construction. Its events are applied; it must be closed.
#[derive(Debug)]
pub struct OpenFrame {
    seq: u64,
    epoch: u64,
    rules: RuleSet,
    kind: FrameKind,
    time_ms: u64,
    body: SealedBody,
    due_count: usize,
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Executed {
    /// Decided: this event of the open frame.
    Logged(LogPosition, Event),
    /// A repetition: answered before, at this position.
    Repeated(LogPosition),
    /// Rejected; nothing is logged now.
    Refused {
        /// Why.
        reject: Reject,
        /// The event that refused the same request for the same reason before.
        logged: Option<LogPosition>,
    },
}

/// Why a frame was not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// The frame could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl OpenFrame {
    /// The frame's seq.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Engine time of the frame, milliseconds.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// How many locks time ended, settled or pruned in this frame.
    pub fn due_count(&self) -> usize {
        self.due_count
    }

    /// How many events.
    pub fn event_count(&self) -> usize {
        self.body.count()
    }

    /// True when the frame should take no further command.
    pub fn is_full(&self) -> bool {
        self.body.byte_count() >= FRAME_BYTES_TARGET || self.body.count() >= FRAME_EVENTS_MAX
    }
}

impl Machine {
    /// Opens an events frame at `now_ms` and applies what is due: expiries, settlements of `open`
    /// locks, pruning, up to a bound. If the clock went back, engine time does not move.
    ///
    /// # Errors
    /// A [`Corruption`] when an event of our own does not fit.
    pub fn open(&mut self, now_ms: u64) -> Result<OpenFrame, Corruption> {
        let (epoch, rules) = (self.chain.head.epoch, self.chain.head.rules);
        let mut frame = self.new_frame(FrameKind::Events, epoch, rules, now_ms);
        let time_ms = frame.time_ms;
        self.log(&mut frame, &Event::TimeAdvanced { time_ms })?;
        let due = self.state.take_due(frame.time_ms / 1000, FRAME_EXPIRIES_MAX);
        frame.due_count = due.expired.len() + due.settled.len() + due.pruned.len();
        for event in [
            Event::LocksExpired { lock_ids: due.expired },
            Event::LocksSettled { lock_ids: due.settled },
            Event::LocksPruned { lock_ids: due.pruned },
        ] {
            let is_empty = match &event {
                Event::LocksExpired { lock_ids }
                | Event::LocksSettled { lock_ids }
                | Event::LocksPruned { lock_ids } => lock_ids.is_empty(),
                _ => true,
            };
            if !is_empty {
                self.log(&mut frame, &event)?;
            }
        }
        Ok(frame)
    }

    /// Opens the boot frame of epoch `epoch` under `rules`, which hold for the whole epoch.
    ///
    /// # Errors
    /// A [`Corruption`] when an event of our own does not fit.
    pub fn open_boot(
        &mut self,
        epoch: u64,
        rules: RuleSet,
        now_ms: u64,
        version: &str,
    ) -> Result<OpenFrame, Corruption> {
        let mut frame = self.new_frame(FrameKind::Boot, epoch, rules, now_ms);
        let (version, previous) = (version.into(), self.chain.head.digest);
        self.log(&mut frame, &Event::EpochStarted { epoch, version, previous, rules })?;
        let time_ms = frame.time_ms;
        self.log(&mut frame, &Event::TimeAdvanced { time_ms })?;
        Ok(frame)
    }

    fn new_frame(&self, kind: FrameKind, epoch: u64, rules: RuleSet, now_ms: u64) -> OpenFrame {
        let time_ms = now_ms.max(self.chain.head.time_ms);
        let (seq, body) = (self.chain.head.next_seq, SealedBody::default());
        OpenFrame { seq, epoch, rules, kind, time_ms, body, due_count: 0 }
    }

    /// The result of a command at `now_ms` if it needs no frame: a reject or a repetition. `None`
    /// when it needs a frame.
    pub fn preview(&self, now_ms: u64, admitted: &Admitted) -> Option<Executed> {
        match decide(&self.state, now_ms.max(self.chain.head.time_ms), admitted) {
            Decision::Event(_) => None,
            Decision::Repeat(at) => Some(Executed::Repeated(at)),
            Decision::Refuse { reject, logged } => Some(Executed::Refused { reject, logged }),
        }
    }

    /// True when something is due at `now_ms`.
    pub fn has_due(&mut self, now_ms: u64) -> bool {
        self.state.has_due(now_ms / 1000)
    }

    /// Decides a command and applies its event.
    ///
    /// # Errors
    /// A [`Corruption`] when the event does not fit the state it was decided on.
    pub fn execute(
        &mut self,
        frame: &mut OpenFrame,
        admitted: &Admitted,
    ) -> Result<Executed, Corruption> {
        match decide(&self.state, frame.time_ms, admitted) {
            Decision::Event(event) => {
                let at = self.log(frame, &event)?;
                Ok(Executed::Logged(at, event))
            }
            Decision::Repeat(at) => Ok(Executed::Repeated(at)),
            Decision::Refuse { reject, logged } => Ok(Executed::Refused { reject, logged }),
        }
    }

    /// Applies an event and puts it into the frame.
    ///
    /// # Errors
    /// A [`Corruption`] when it does not fit.
    pub fn log(&mut self, frame: &mut OpenFrame, event: &Event) -> Result<LogPosition, Corruption> {
        let index = u32::try_from(frame.body.count()).map_err(|_| Corruption::Amount)?;
        let at = LogPosition { seq: frame.seq, index };
        self.state.apply(at, event)?;
        frame.body.push(event);
        Ok(at)
    }

    /// Closes a frame: roots, seal, history. Returns it with the statement about it, which is
    /// signed elsewhere and is never in its own frame. `clear` carries the signed statements of
    /// earlier frames, the oldest uncarried ones first.
    ///
    /// # Errors
    /// [`CloseError`] when the bodies are over the frame's limit; the machine is then undefined.
    pub fn close(
        &mut self,
        mut frame: OpenFrame,
        keys: &EpochKeys,
        clear: &ClearBody,
    ) -> Result<(Frame, FrameStatement, SealedBody), CloseError> {
        self.update_tree();
        frame.body.close();
        let header = FrameHeader {
            version: FRAME_VERSION,
            rules: frame.rules,
            kind: FrameHeader::kind_byte(frame.kind),
            engine_id: *self.state.engine_id(),
            epoch: frame.epoch,
            seq: frame.seq,
            time_ms: frame.time_ms,
            previous: self.chain.head.digest,
            event_count: u32::try_from(frame.body.count()).unwrap_or(u32::MAX),
            event_root: event_root(keys, frame.seq, &frame.body),
            state_root: self.tree.root(),
            policy_hash: self.state.policy_hash(),
            clear_bytes: 0,
            cipher_bytes: 0,
        };
        let sealed = seal::seal(keys, header, clear.encode(frame.rules), frame.body.bytes())?;
        let statement = self.advance(&sealed, clear);
        Ok((sealed, statement, frame.body))
    }
}

/// Leaf hashes of a frame's events.
pub fn event_leaves(keys: &EpochKeys, seq: u64, body: &SealedBody) -> Vec<[u8; 32]> {
    let content_key = keys.content(seq);
    let leaf = |(index, bytes): (u32, &[u8])| {
        event_tree::leaf_hash(&event_salt(&content_key, index), bytes)
    };
    (0..).zip(body.events()).map(leaf).collect()
}

pub(super) fn event_root(keys: &EpochKeys, seq: u64, body: &SealedBody) -> Root {
    event_tree::root(&event_leaves(keys, seq, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with events of its size that are not applied.
    fn frame_of(bytes: usize, count: usize) -> OpenFrame {
        // A frame is filled from the form in which an opened one is read.
        let event_bytes = bytes / count;
        let last = bytes - event_bytes * (count - 1);
        let mut body = Vec::new();
        for n in 1..=count {
            let size = if n == count { last } else { event_bytes } - 4;
            body.extend_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
            body.resize(body.len() + size, 7);
        }
        let body = SealedBody::parse(body).unwrap();
        assert_eq!((body.byte_count(), body.count()), (bytes, count));
        let kind = FrameKind::Events;
        OpenFrame { seq: 1, epoch: 1, rules: RuleSet(1), kind, time_ms: 1, body, due_count: 0 }
    }

    #[test]
    fn frame_is_full_at_its_target_of_bytes_or_events_and_not_one_before() {
        for (bytes, is_full) in [(FRAME_BYTES_TARGET - 1, false), (FRAME_BYTES_TARGET, true)] {
            assert_eq!(frame_of(bytes, 2).is_full(), is_full, "{bytes} bytes");
        }
        for (count, is_full) in [(FRAME_EVENTS_MAX - 1, false), (FRAME_EVENTS_MAX, true)] {
            assert_eq!(frame_of(8 * count, count).is_full(), is_full, "{count} events");
        }
    }
}
