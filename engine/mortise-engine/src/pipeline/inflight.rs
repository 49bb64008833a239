//! Frames in flight: shipped and not yet released.

use super::inbox::Share;
use super::witnessing::Witnessing;
use super::{Fault, Output, Pipeline, Released};
use crate::api::{NotDone, ReleasedFrame, Replied, Reply, Stopped, Token};
use crate::query::{HeldAnswer, Leaving, Stop};
use crate::store::Ack;
use mortise_core::body::{CarriedStatement, FrameStatement, SealedBody};
use mortise_core::promise::Promise;
use mortise_format::frame::FrameLeaf;
use mortise_format::ids::{FrameDigest, Signature};
use mortise_format::merkle::history::TreeHead;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A shipped frame.
#[derive(Debug)]
pub(super) struct InFlight {
    pub seq: u64,
    pub digest: FrameDigest,
    pub stated: FrameStatement,
    pub leaf: FrameLeaf,
    pub body: SealedBody,
    pub answers: Vec<Pending>,
    /// What its commands have of their callers' windows until it is signed.
    pub shares: Vec<Share>,
    pub is_acked: bool,
    pub signed: Option<SignedFrame>,
}

/// A command's place in the outputs, and the channel of its reply.
#[derive(Debug)]
pub struct Ticket {
    pub token: Token,
    pub responder: oneshot::Sender<Replied>,
}

/// An answer that waits for its frame.
#[derive(Debug)]
pub(super) enum Pending {
    /// The event at this index of the frame.
    Event(Ticket, u32),
    /// A reply that was decided on the state of this frame.
    Reply(Ticket, Replied),
    /// To a query, or to a sweep.
    Answer(Token, Box<dyn HeldAnswer>),
}

impl Pending {
    /// The answer, after its frame is released.
    fn released(self, frame: &Arc<ReleasedFrame>) -> Output {
        match self {
            Self::Event(ticket, index) => {
                Output::Reply(ticket, Ok(Reply::Logged(Arc::clone(frame), index)))
            }
            other => other.at_once(Some(frame.shared_signed())),
        }
    }

    /// The answer without a frame of its own: it rests on those that are released, the newest of
    /// which this statement is about.
    pub fn at_once(self, newest: Option<&Arc<CarriedStatement>>) -> Output {
        match (self, newest) {
            (Self::Reply(ticket, replied), _) => Output::Reply(ticket, replied),
            (Self::Answer(token, held), Some(newest)) => {
                Output::Answer(token, Leaving::answer(held, Arc::clone(newest)))
            }
            // Unreachable unless the process is corrupt: an event always has a frame, and the boot
            // frame is in flight until there is a statement.
            (pending, _) => pending.stopped(Stopped::Fault),
        }
    }

    /// No answer will come.
    pub fn stopped(self, why: Stopped) -> Output {
        match self {
            Self::Event(ticket, _) | Self::Reply(ticket, _) => ticket.stopped(why),
            Self::Answer(token, held) => Output::stopped(token, held, why),
        }
    }
}

impl Ticket {
    pub fn stopped(self, why: Stopped) -> Output {
        Output::Reply(self, Err(NotDone::Stopped(why)))
    }
}

impl Output {
    pub(super) fn stopped(token: Token, who: Box<dyn Stop>, why: Stopped) -> Self {
        Self::Answer(token, Leaving::stopped(who, why))
    }
}

/// The signatures of a [`super::SignJob`].
#[derive(Debug)]
pub struct SignedFrame {
    pub seq: u64,
    /// Signature over the statement.
    pub signature: Signature,
    /// The signed promises of each event of the job, by index.
    pub promises: SignedPromises,
}

/// Signed promises of events, by the index of the event.
pub type SignedPromises = Vec<(u32, Vec<(Promise, Signature)>)>;

impl Pipeline {
    /// An ack must name the oldest frame that has none.
    pub(super) fn acked(&mut self, ack: Ack, out: &mut Vec<Output>) -> Result<(), Fault> {
        let waiting = self.in_flight.iter_mut().find(|frame| !frame.is_acked);
        let frame = waiting.filter(|frame| frame.seq == ack.seq);
        let frame = frame.ok_or(Fault::AckOrder { seq: ack.seq })?;
        if frame.digest != ack.digest {
            return Err(Fault::AckDigest { seq: ack.seq, digest: ack.digest });
        }
        frame.is_acked = true;
        self.request_cosignatures(out);
        self.release(out);
        Ok(())
    }

    /// Requests cosignatures for the newest durable head, one head at a time. Frames that are acked
    /// meanwhile go with the next request.
    pub(super) fn request_cosignatures(&mut self, out: &mut Vec<Output>) {
        let durable = self.in_flight.iter().take_while(|frame| frame.is_acked).last();
        let Some(durable) = durable else { return };
        let statement = &durable.stated.statement;
        let head = TreeHead { size: statement.history_size, root: statement.history_root };
        out.extend(self.witnessing.request(head).map(Output::Witness));
    }

    pub(super) fn signed(&mut self, signed: SignedFrame, out: &mut Vec<Output>) {
        let frame = self.in_flight.iter_mut().find(|frame| frame.seq == signed.seq);
        if let Some(frame) = frame {
            frame.signed = Some(signed);
            frame.shares.drain(..).for_each(|share| self.inbox.give_back(share));
            self.release(out);
        }
    }

    /// Releases, oldest first, every frame that is acked, signed and, if required, cosigned.
    pub(super) fn release(&mut self, out: &mut Vec<Output>) {
        let may_leave =
            |f: &InFlight, w: &Witnessing| f.is_acked && f.signed.is_some() && w.covers(f.seq);
        while self.in_flight.front().is_some_and(|f| may_leave(f, &self.witnessing)) {
            self.is_open = true;
            let Some(mut frame) = self.in_flight.pop_front() else { return };
            let Some(signed) = frame.signed.take() else { return };
            self.release_one(frame, signed, out);
        }
    }

    fn release_one(&mut self, frame: InFlight, signed: SignedFrame, out: &mut Vec<Output>) {
        let InFlight { seq, stated, leaf, body, answers, .. } = frame;
        let statement = stated.signed(signed.signature);
        self.to_carry.push_back(statement.clone());
        let published = Released { statement: statement.clone(), leaf: leaf.history_leaf() };
        out.push(Output::Released(Box::new(published)));
        let (statement, keys) = (Arc::new(statement), self.keys.clone());
        self.newest = Some(Arc::clone(&statement));
        let released = ReleasedFrame::new(statement, leaf, body, keys, signed.promises);
        let released = Arc::new(released);
        out.extend(answers.into_iter().map(|pending| pending.released(&released)));
        self.snapshots.frame_released(seq);
    }
}
