//! Frames in flight: shipped and not yet released.

use super::inbox::Share;
use super::witnessing::Witnessing;
use super::{Fault, Output, Pipeline, Released};
use crate::api::{Answer, ReleasedFrame, Reply, Token};
use crate::store::Ack;
use mortise_core::body::{FrameStatement, SealedBody};
use mortise_core::promise::Promise;
use mortise_format::event::LogPosition;
use mortise_format::frame::FrameLeaf;
use mortise_format::ids::{FrameDigest, Signature};
use mortise_format::merkle::history::TreeHead;
use std::sync::Arc;

/// A shipped frame.
#[derive(Debug)]
pub(super) struct InFlight {
    pub seq: u64,
    pub digest: FrameDigest,
    pub stated: FrameStatement,
    pub leaf: FrameLeaf,
    pub body: SealedBody,
    pub replies: Vec<(Token, Pending)>,
    /// What its commands have of their callers' windows until it is signed.
    pub shares: Vec<Share>,
    pub is_acked: bool,
    pub signed: Option<SignedFrame>,
}

/// An answer that waits for its frame.
#[derive(Debug)]
pub(super) enum Pending {
    /// The event at this index of the frame.
    Event(u32),
    /// The result of a read.
    Read(Answer),
    /// The result of a read, answered with the statement about this frame.
    Rooted(Answer),
    /// A reply that was decided on the state of this frame.
    Reply(Reply),
    /// An answer from an earlier frame of the log.
    Recall(LogPosition),
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

impl InFlight {
    pub fn into_tokens(self) -> impl Iterator<Item = Token> {
        self.replies.into_iter().map(|(token, _)| token)
    }
}

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
        let InFlight { seq, stated, leaf, body, replies, .. } = frame;
        let statement = stated.signed(signed.signature);
        self.to_carry.push_back(statement.clone());
        self.newest = Some(statement.clone());
        let leaf_hash = leaf.history_leaf();
        let published = Released { statement: statement.clone(), leaf: leaf_hash };
        out.push(Output::Released(Box::new(published)));
        let keys = self.keys.clone();
        let released = ReleasedFrame::new(statement.clone(), leaf, body, keys, signed.promises);
        let released = Arc::new(released);
        for (token, pending) in replies {
            out.push(match pending {
                Pending::Event(index) => {
                    Output::Reply(token, Reply::Logged(Arc::clone(&released), index))
                }
                Pending::Read(answer) => Output::Reply(token, Reply::Read(answer)),
                Pending::Rooted(answer) => {
                    Output::Reply(token, Reply::Rooted(answer, Box::new(statement.clone())))
                }
                Pending::Reply(reply) => Output::Reply(token, reply),
                Pending::Recall(at) => Output::Reply(token, Reply::Recall(at)),
            });
        }
        self.snapshots.frame_released(seq);
    }
}
