//! Assertions on every output (INV-09).

use super::Driver;
use mortise_core::body::{ClearBody, SealedBody};
use mortise_core::seal;
use mortise_engine::api::{NotDone, Replied, Reply, Token};
use mortise_engine::query::Leaving;
use mortise_format::codec;
use mortise_format::eip712::RootStatement;
use mortise_format::event::Event;
use mortise_format::frame::Frame;

impl Driver {
    /// A frame carries statements of earlier frames only, and these are durable.
    pub(super) fn check_carried(&self, frame: &Frame) {
        let clear = ClearBody::of(frame).expect("a clear body decodes");
        for carried in &clear.statements {
            let statement = &carried.statement;
            assert!(statement.seq < frame.header().seq, "a statement travels with its frame");
            self.check_witnessed(statement.seq);
            assert!(
                self.host_lies || self.disk.holds(statement.seq, &statement.frame_digest),
                "frame {} carries a statement about frame {}, which is not durable",
                frame.header().seq,
                statement.seq
            );
        }
    }

    /// A reply to a command leaves only when everything that it rests on is durable.
    pub(super) fn check_reply(&mut self, token: Token, replied: &Replied) {
        match replied {
            Err(NotDone::Stopped(_)) => drop(self.rests_on.remove(&token)),
            Ok(Reply::Logged(frame, _)) => self.check_leaving(token, Some(frame.statement())),
            Err(NotDone::Refused(_)) | Ok(Reply::Recall(_)) => self.check_leaving(token, None),
        }
    }

    /// The same for the answer to a query or a sweep, and for the statement that it carries.
    pub(super) fn check_answer(&mut self, token: Token, leaving: &Leaving) {
        match leaving.statement() {
            Err(_) => drop(self.rests_on.remove(&token)),
            Ok(signed) => self.check_leaving(token, Some(&signed.statement)),
        }
    }

    fn check_leaving(&mut self, token: Token, about: Option<&RootStatement>) {
        let rests_on = self.rests_on.remove(&token);
        if self.host_lies {
            return;
        }
        if let Some(statement) = about {
            let durable = self.disk.holds(statement.seq, &statement.frame_digest);
            assert!(durable, "an answer about frame {} left before it", statement.seq);
            self.check_witnessed(statement.seq);
        }
        if let Some(seq) = rests_on {
            self.check_durable(seq);
            self.check_witnessed(seq);
        }
    }

    /// A quorum cosigned a history that has frame `seq`, when the policy asks for it.
    fn check_witnessed(&self, seq: u64) {
        let engine = self.engine();
        if engine.quorum.is_some() {
            assert!(seq < engine.cosigned, "frame {seq} left, {} are cosigned", engine.cosigned);
        }
    }

    /// Frame `seq` and all before it are synced.
    pub(super) fn check_durable(&self, seq: u64) {
        let synced = u64::try_from(self.disk.synced()).expect("few frames");
        assert!(self.host_lies || seq < synced, "frame {seq} is not durable; {synced} frames are");
    }

    /// The events of a frame of this engine.
    ///
    /// # Panics
    /// When the frame does not open under the keys of its epoch.
    pub fn events(&self, frame: &Frame) -> Vec<Event> {
        let epochs = self.pipeline().machine().epochs();
        let record = epochs.iter().find(|record| record.epoch == frame.header().epoch);
        let keys = self.keys_of(record.expect("the epoch has a boot frame"));
        let plain = seal::open(&keys.expect("the vault is there"), frame).expect("it is ours");
        let body = SealedBody::parse(plain).expect("a sealed body parses");
        body.events().map(|bytes| codec::decode(bytes).expect("an event decodes")).collect()
    }
}
