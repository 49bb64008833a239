//! Answers waiting queries, and turns waiting commands into frames.

use super::inbox::{Asked, Change, Share, Staged};
use super::inflight::{InFlight, Pending};
use super::{Fault, Output, Pipeline, SignJob, Ticket};
use crate::api::{DecisionTime, Rejected, Replied, Reply, Swept, Token};
use crate::query::{Context, Responder};
use mortise_core::Admitted;
use mortise_core::body::{Boot, ClearBody};
use mortise_core::decide::prefetch;
use mortise_core::machine::{Executed, OpenFrame};
use mortise_format::event::{Event, LogPosition};
use mortise_format::limits::{FRAME_STATEMENTS_MAX, FRAMES_IN_FLIGHT_MAX};
use mortise_format::reject::Reject;
use mortise_format::rules::RuleSet;
use std::collections::VecDeque;

/// A frame under construction, with the answers that wait for it.
#[derive(Debug)]
pub(super) struct Building {
    frame: OpenFrame,
    answers: Vec<Pending>,
    events: Vec<(u32, Event)>,
    /// What the commands of these events have of their callers' windows.
    shares: Vec<Share>,
}

impl Building {
    fn new(frame: OpenFrame) -> Self {
        Self { frame, answers: Vec::new(), events: Vec::new(), shares: Vec::new() }
    }
}

/// Waiting commands that justify another frame while others are in flight. Fewer commands wait for
/// an ack, so that frames grow with the load (group commit).
const EAGER_WORK: usize = 256;
/// Units of queries that are answered before the next frame is built.
const QUERY_UNITS_PER_TURN: u32 = 256;

impl Pipeline {
    /// Does one turn: answers some queries, then builds a frame if commands wait and there is room.
    /// Asks for another turn while more can be done.
    pub(super) fn pump(&mut self, now_ms: u64, out: &mut Vec<Output>) -> Result<(), Fault> {
        self.answer_queries(now_ms, out);
        if self.can_build() {
            self.build(now_ms, out)?;
        }
        if !self.is_continued && (self.inbox.queries() > 0 || self.can_build()) {
            self.is_continued = true;
            out.push(Output::NextTurn);
        }
        Ok(())
    }

    fn can_build(&self) -> bool {
        self.inbox.has_command() && self.has_room()
    }

    /// Answers some queries on the state and root of the last closed frame. No frame is open here.
    fn answer_queries(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        let mut units = 0;
        while units < QUERY_UNITS_PER_TURN
            && let Some((Asked { token, caller, query }, cost)) = self.inbox.next_query()
        {
            units += cost;
            let now_ms = now_ms.max(self.machine.head().time_ms);
            let (machine, drafts) = (&self.machine, &mut self.drafts);
            let held = query.read(Context { machine, drafts, caller, now_ms });
            self.answer(Pending::Answer(token, held), &mut None, out);
        }
    }

    /// Builds at most one frame from waiting commands.
    fn build(&mut self, now_ms: u64, out: &mut Vec<Output>) -> Result<(), Fault> {
        let mut building = None;
        loop {
            if let Some(staged) = self.inbox.stage(now_ms) {
                // Their rows are loaded together. A single command gains nothing.
                prefetch(self.machine.state(), staged);
            }
            let Some(Staged { share, change }) = self.inbox.next_command() else { break };
            let is_logged = match change {
                Change::Command(ticket, admitted) => {
                    self.command(now_ms, ticket, &admitted, &mut building, out)?
                }
                Change::Sweep(token, responder) => {
                    self.sweep(now_ms, token, responder, &mut building, out)?;
                    // It has no event of its own.
                    false
                }
            };
            match building.as_mut().filter(|_| is_logged) {
                Some(building) => building.shares.push(share),
                None => self.inbox.give_back(share),
            }
            if building.as_ref().is_some_and(|b: &Building| b.frame.is_full()) {
                break;
            }
        }
        match building {
            Some(building) => self.ship(building, ClearBody::default(), out),
            None => Ok(()),
        }
    }

    /// True if another frame may be in flight. Every frame of commands is built behind this check;
    /// the boot frame and a frame for expiries are shipped only while none is in flight.
    fn has_room(&self) -> bool {
        match self.in_flight.len() {
            0 | 1 => true,
            n => n < FRAMES_IN_FLIGHT_MAX && self.inbox.commands() >= EAGER_WORK,
        }
    }

    /// Executes a command. True if it has an event in the open frame.
    fn command(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        admitted: &Admitted,
        building: &mut Option<Building>,
        out: &mut Vec<Output>,
    ) -> Result<bool, Fault> {
        if building.is_none() {
            // Open a frame only for an event: refusals and repeats must not grow the log.
            match self.machine.preview(now_ms, admitted) {
                Some(Executed::Refused { reject, logged }) => {
                    let refusal = self.refusal(now_ms, reject, logged);
                    self.answer(Pending::Reply(ticket, refusal), building, out);
                    return Ok(false);
                }
                Some(Executed::Repeated(at)) => {
                    self.repeat(ticket, at, building, out);
                    return Ok(false);
                }
                _ => *building = Some(self.open(now_ms)?),
            }
        }
        let Some(open) = building.as_mut() else { return Ok(false) };
        match self.machine.execute(&mut open.frame, admitted)? {
            Executed::Logged(at, event) => {
                self.forget_draft(&event);
                open.answers.push(match &event {
                    Event::CommandRefused { reject, .. } => {
                        Pending::Reply(ticket, self.refusal(now_ms, *reject, Some(at)))
                    }
                    _ => Pending::Event(ticket, at.index),
                });
                open.events.push((at.index, event));
                return Ok(true);
            }
            Executed::Repeated(at) => self.repeat(ticket, at, building, out),
            Executed::Refused { reject, logged } => {
                let refusal = self.refusal(now_ms, reject, logged);
                self.answer(Pending::Reply(ticket, refusal), building, out);
            }
        }
        Ok(false)
    }

    fn refusal(&self, now_ms: u64, reject: Reject, logged: Option<LogPosition>) -> Replied {
        let (rules, time) = (self.machine.state().rules(), DecisionTime::of(&self.machine, now_ms));
        Err(Rejected::decided(rules, reject, logged, time).into())
    }

    fn forget_draft(&mut self, event: &Event) {
        match event {
            Event::LocksGranted { locks, .. } => {
                locks.iter().for_each(|lock| self.drafts.remove(&lock.lock_id));
            }
            Event::DraftCancelled { lock_id, .. } => self.drafts.remove(lock_id),
            _ => {}
        }
    }

    /// Answers a repeat from the open frame, from a frame in flight, or from the log.
    fn repeat(
        &mut self,
        ticket: Ticket,
        at: LogPosition,
        building: &mut Option<Building>,
        out: &mut Vec<Output>,
    ) {
        if let Some(open) = building.as_mut().filter(|b| b.frame.seq() == at.seq) {
            let known = open.events.iter().find(|(index, _)| *index == at.index);
            open.answers.push(pending_event(ticket, at, known.map(|(_, e)| e)));
            return;
        }
        match self.in_flight.iter_mut().find(|frame| frame.seq == at.seq) {
            Some(frame) => {
                let event = decoded(&frame.body, at.index);
                frame.answers.push(pending_event(ticket, at, event.as_ref()));
            }
            None => self.answer(Pending::Reply(ticket, Ok(Reply::Recall(at))), building, out),
        }
    }

    /// Attaches an answer to the open frame, or to the last frame in flight. Without either, the
    /// answer leaves at once.
    fn answer(&mut self, pending: Pending, building: &mut Option<Building>, out: &mut Vec<Output>) {
        if let Some(open) = building {
            open.answers.push(pending);
        } else if let Some(last) = self.in_flight.back_mut() {
            last.answers.push(pending);
        } else {
            out.push(pending.at_once(self.newest.as_ref()));
        }
    }

    fn open(&mut self, now_ms: u64) -> Result<Building, Fault> {
        let mut frame = self.machine.open(now_ms)?;
        if let Some((seq, digest)) = self.snapshots.log_in(frame.seq()) {
            self.machine.log(&mut frame, &Event::SnapshotTaken { seq, digest })?;
        }
        Ok(Building::new(frame))
    }

    /// Makes a frame for expiries alone, if some are due and no frame is in flight.
    pub(super) fn advance_time(&mut self, now_ms: u64, out: &mut Vec<Output>) -> Result<(), Fault> {
        if self.in_flight.is_empty() && self.machine.has_due(now_ms) {
            let building = self.open(now_ms)?;
            self.ship(building, ClearBody::default(), out)?;
        }
        Ok(())
    }

    /// Does what a tick would do. Makes no frame if nothing is due, so that callers cannot grow the
    /// log.
    fn sweep(
        &mut self,
        now_ms: u64,
        token: Token,
        responder: Responder<Swept>,
        building: &mut Option<Building>,
        out: &mut Vec<Output>,
    ) -> Result<(), Fault> {
        if building.is_none() && self.machine.has_due(now_ms) {
            *building = Some(self.open(now_ms)?);
        }
        let swept = building.as_ref().map_or(0, |open| open.frame.due_count());
        let held = responder.hold(Swept(swept));
        self.answer(Pending::Answer(token, held), building, out);
        Ok(())
    }

    pub(super) fn boot_frame(
        &mut self,
        boot: Boot,
        rules: RuleSet,
        now_ms: u64,
        version: &str,
        out: &mut Vec<Output>,
    ) -> Result<(), Fault> {
        // Every replay checks this.
        assert!(boot.is_consistent(), "a boot names its own document");
        let epoch = self.machine.head().epoch + 1;
        let frame = self.machine.open_boot(epoch, rules, now_ms, version)?;
        let building = Building::new(frame);
        self.ship(building, ClearBody { boot: Some(boot), ..ClearBody::default() }, out)
    }

    /// Ships the frame that ends the epoch.
    pub(super) fn last_frame(&mut self, now_ms: u64, out: &mut Vec<Output>) -> Result<(), Fault> {
        let mut building = self.open(now_ms)?;
        let epoch = self.machine.head().epoch;
        self.machine.log(&mut building.frame, &Event::EpochEnded { epoch })?;
        self.ship(building, ClearBody::default(), out)
    }

    fn ship(
        &mut self,
        building: Building,
        mut clear: ClearBody,
        out: &mut Vec<Output>,
    ) -> Result<(), Fault> {
        clear.statements = next_to_carry(&mut self.to_carry);
        let (frame, stated, body) = self.machine.close(building.frame, &self.keys, &clear)?;
        let seq = stated.statement.seq;
        out.push(Output::Sign(SignJob { statement: stated.clone(), events: building.events }));
        self.in_flight.push_back(InFlight {
            seq,
            digest: stated.statement.frame_digest,
            stated,
            leaf: frame.leaf().clone(),
            body,
            answers: building.answers,
            shares: building.shares,
            is_acked: false,
            signed: None,
        });
        let sizes = frame.clear().len() + frame.cipher().len();
        self.snapshots.frame_shipped(sizes);
        out.push(Output::Ship(frame));
        Ok(())
    }
}

/// Takes what one frame carries: the oldest.
fn next_to_carry<T>(to_carry: &mut VecDeque<T>) -> Vec<T> {
    let count = to_carry.len().min(FRAME_STATEMENTS_MAX);
    to_carry.drain(..count).collect()
}

fn pending_event(ticket: Ticket, at: LogPosition, event: Option<&Event>) -> Pending {
    match event {
        Some(Event::CommandRefused { reject, .. }) => {
            Pending::Reply(ticket, Err(Rejected::repeated(*reject, at).into()))
        }
        _ => Pending::Event(ticket, at.index),
    }
}

fn decoded(body: &mortise_core::body::SealedBody, index: u32) -> Option<Event> {
    let at = usize::try_from(index).ok()?;
    mortise_format::codec::decode(body.events().nth(at)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_carries_the_oldest_statements_up_to_its_bound() {
        for (waiting, left) in
            [(FRAME_STATEMENTS_MAX, 0), (FRAME_STATEMENTS_MAX + 1, 1), (3, 0), (0, 0)]
        {
            let mut to_carry: VecDeque<usize> = (0..waiting).collect();
            let carried = next_to_carry(&mut to_carry);
            assert_eq!(carried, (0..waiting - left).collect::<Vec<_>>());
            assert_eq!(to_carry.len(), left);
        }
    }
}
