//! What the engine waits for, done step by step in an order that a seed chooses.

use super::{Driver, Shipped, timed};
use crate::store::now;
use crate::witness::WitnessBehaviour;
use mortise_engine::api::{NotDone, Reply};
use mortise_engine::pipeline::{Input, SignJob, SignedFrame, SnapshotPart, StoredPart};
use mortise_engine::released::CommitmentSigner;
use mortise_engine::store::{Ack, LogStore};
use mortise_engine::witness::{consistency, gather};
use mortise_format::frame::Frame;
use std::sync::Arc;

#[derive(Debug, Clone, Copy)]
enum Choice {
    Write(usize),
    Sync,
    Ack,
    Sign(usize),
    Slice,
    StorePart,
    Witness,
    Renew,
    Recall,
}

impl Driver {
    /// Does one thing that is to be done, chosen by the seed. False when there is nothing.
    pub fn step(&mut self) -> bool {
        let mut choices = self.choices();
        choices.extend(self.has_renewal().then_some(Choice::Renew));
        self.choose(&choices)
    }

    /// The same, but for renewals of the lease.
    pub fn step_but_renewals(&mut self) -> bool {
        let choices = self.choices();
        self.choose(&choices)
    }

    fn choose(&mut self, choices: &[Choice]) -> bool {
        if choices.is_empty() {
            return false;
        }
        let choice = *self.rng.pick(choices);
        self.carry_out(choice);
        true
    }

    fn choices(&self) -> Vec<Choice> {
        let engine = self.engine();
        let mut choices = Vec::new();
        let in_order = |state| {
            let at = engine.ships.iter().position(|(_, s)| *s == state);
            at.filter(|at| engine.ships.iter().take(*at).all(|(_, s)| *s != state))
        };
        choices.extend(in_order(Shipped::Handed).map(Choice::Write));
        choices.extend(in_order(Shipped::Written).map(|_| Choice::Sync));
        let front = engine.ships.front().filter(|(_, s)| *s == Shipped::Synced);
        choices.extend(front.map(|_| Choice::Ack));
        choices.extend((0..engine.signs.len()).map(Choice::Sign));
        choices.extend(engine.parts.front().map(|_| Choice::StorePart));
        choices.extend(engine.pipeline.wants_slice().then_some(Choice::Slice));
        choices.extend(engine.heads.front().map(|_| Choice::Witness));
        choices.extend(engine.recalls.first().map(|_| Choice::Recall));
        choices
    }

    fn carry_out(&mut self, choice: Choice) {
        match choice {
            Choice::Write(at) => {
                let engine = self.engine.as_mut().expect("the engine runs");
                self.disk.write(&engine.ships[at].0);
                engine.ships[at].1 = Shipped::Written;
            }
            Choice::Sync => {
                self.disk.sync();
                let ships = self.engine_mut().ships.iter_mut();
                ships.filter(|(_, s)| *s == Shipped::Written).for_each(|(_, s)| {
                    *s = Shipped::Synced;
                });
            }
            Choice::Ack => {
                let (frame, _) = self.engine_mut().ships.pop_front().expect("it was chosen");
                let (seq, digest) = (frame.header().seq, frame.digest());
                self.handle(Input::Acked(Ack { seq, digest }));
            }
            Choice::Sign(at) => {
                let job = self.engine_mut().signs.remove(at);
                let signed = self.sign(&job);
                self.handle(Input::Signed(signed));
            }
            Choice::Slice => self.handle(Input::SnapshotSlice),
            Choice::StorePart => self.store_part(),
            Choice::Witness => self.ask_witnesses(),
            Choice::Renew => self.renew(),
            Choice::Recall => self.recall(),
        }
    }

    /// Does the next thing of a kind only, if there is one: for tests that place failures.
    pub fn step_sign(&mut self) -> bool {
        let found = !self.engine().signs.is_empty();
        if found {
            self.carry_out(Choice::Sign(0));
        }
        found
    }

    /// Events whose promises are to be signed.
    pub fn unsigned(&self) -> usize {
        self.engine().signs.iter().map(|job| job.events.len()).sum()
    }

    /// Takes the oldest frame that was handed over and not written.
    pub fn take_ship(&mut self) -> Option<Frame> {
        let engine = self.engine_mut();
        let at = engine.ships.iter().position(|(_, state)| *state == Shipped::Handed)?;
        engine.ships.remove(at).map(|(frame, _)| frame)
    }

    /// Removes the oldest part of a snapshot that the pipeline handed over.
    pub fn take_part(&mut self) -> Option<SnapshotPart> {
        self.engine_mut().parts.pop_front()
    }

    /// Executes all outputs except requests to witnesses.
    pub fn settle_but_witnesses(&mut self) {
        let heads = |driver: &mut Self| std::mem::take(&mut driver.engine_mut().heads);
        let mut held = heads(self);
        while self.step() {
            held.append(&mut heads(self));
        }
        self.engine_mut().heads = held;
    }

    /// Executes all outputs.
    pub fn settle(&mut self) {
        while self.step() {}
    }

    fn sign(&mut self, job: &SignJob) -> SignedFrame {
        let promiser = CommitmentSigner::new(self.identity());
        let statement = &job.statement.statement;
        let promise = |(index, event): &(u32, _)| (*index, promiser.sign(statement, *index, event));
        let promises = job.events.iter().map(promise).collect();
        let signature = promiser.sign_statement(statement);
        let stated = job.statement.clone();
        self.statements.insert(statement.seq, stated.signed(signature));
        SignedFrame { seq: statement.seq, signature, promises }
    }

    /// True when a head waits for witnesses.
    pub fn has_head(&self) -> bool {
        !self.engine().heads.is_empty()
    }

    /// Sends the pending head to witnesses whose answers are all lost.
    ///
    /// # Panics
    /// When no head is pending.
    pub fn lose_cosignatures(&mut self) {
        let head = self.engine_mut().heads.pop_front().expect("a head is under way");
        let bench = self.bench.clone().expect("the policy has witnesses");
        bench.set_all(WitnessBehaviour::AnswerLost);
        let (disk, engine) = (Arc::new(self.disk.clone()) as Arc<dyn LogStore>, self.engine());
        let archive = engine.pipeline.machine().archive();
        let paths = |earlier| consistency(&disk, archive.consistency(earlier, head.size));
        let quorum = engine.quorum.as_ref().expect("the policy has witnesses");
        assert_eq!(timed(gather(quorum, head, &paths)), None, "an answer came all the same");
        bench.set_all(WitnessBehaviour::Open);
    }

    /// Seals the oldest part of a snapshot that was handed over, stores it, and reports that.
    fn store_part(&mut self) {
        let part = self.engine_mut().parts.pop_front().expect("it was chosen");
        let stored = self.put_part(part);
        self.handle(Input::SnapshotPart(stored));
    }

    /// Seals and stores a part, as the actors do.
    pub fn put_part(&self, part: SnapshotPart) -> StoredPart {
        self.check_durable(part.seq);
        let SnapshotPart { attempt, seq, part, is_manifest, keys, plain } = part;
        let sealed = match is_manifest {
            true => keys.seal_manifest(plain),
            false => keys.seal_part(part, plain),
        };
        let sealed = sealed.expect("a part fits its bounds");
        let manifest = is_manifest.then_some(sealed.digest);
        let stored = now(LogStore::snapshot_put(&self.disk, seq, part, manifest, sealed.bytes));
        assert_eq!(stored, Ok(is_manifest), "the manifest comes last");
        StoredPart { attempt, part, digest: Some(sealed.digest) }
    }

    /// Takes and stores the snapshot of a graceful stop. Returns its last frame, or none when there
    /// was nothing new.
    ///
    /// # Panics
    /// When it comes to no end.
    pub fn store_last_snapshot(&mut self) -> Option<u64> {
        self.engine_mut().pipeline.begin_last_snapshot();
        let is_new = self.pipeline().is_snapshotting();
        for _ in 0..SNAPSHOT_STEPS_MAX {
            if !self.pipeline().is_snapshotting() {
                break;
            }
            match self.engine().parts.is_empty() {
                true => self.handle(Input::SnapshotSlice),
                false => self.store_part(),
            }
        }
        assert!(!self.pipeline().is_snapshotting(), "the snapshot comes to no end");
        is_new.then(|| self.pipeline().machine().head().next_seq - 1)
    }

    fn recall(&mut self) {
        let (token, at) = self.engine_mut().recalls.remove(0);
        let recalled = now(self.reader().recall(at)).expect("what was answered is in the log");
        let logged = recalled.map(|(frame, index)| Reply::Logged(frame, index));
        self.leave(token, logged.map_err(NotDone::from));
    }
}

/// More than a snapshot of a test takes.
const SNAPSHOT_STEPS_MAX: usize = 10_000;
