//! The single writer: owns the pipeline and executes its outputs.

use super::appends::{Appends, Next};
use super::crypto::{Crypto, SignPart};
use super::sealer::{Seal, Sealer};
use crate::api::{ShareKey, Submission, Token, Work};
use crate::lease::Lease;
use crate::phase::{Phase, PhaseCell};
use crate::pipeline::{
    Fault, Input, Output, Pipeline, SignJob, SignedFrame, SnapshotPart, StoredPart,
};
use crate::ports::Clock;
use crate::reader::{Readers, ReleasedView};
use crate::store::{Ack, LogStore, StoreFuture};
use crate::witness::{Outcome, Paths, WitnessQuorum, consistency, gather, renew};
use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message,
    ResponseActFuture, WrapFuture,
};
use mortise_core::history::archive::Plan;
use mortise_core::machine::SealedPart;
use mortise_format::frame::Frame;
use mortise_format::limits::{SNAPSHOT_SLICE_MS, SNAPSHOT_STOP_MS_MAX};
use mortise_format::merkle::history::TreeHead;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The parts of a ledger.
pub struct LedgerParts {
    /// The pipeline after boot.
    pub pipeline: Pipeline,
    /// The first outputs of the pipeline, not yet executed.
    pub outputs: Vec<Output>,
    pub store: Arc<dyn LogStore>,
    pub clock: Arc<dyn Clock>,
    /// Workers that sign frames. Nothing else waits for them, so no caller's work delays a frame.
    pub signers: Addr<Crypto>,
    /// The shared phase: ready once the boot frame is released.
    pub phase: Arc<PhaseCell>,
    /// The witnesses, if the policy has any.
    pub quorum: Option<Arc<WitnessQuorum>>,
    /// The released log, which readers see.
    pub view: Arc<ReleasedView>,
    /// The lease of answers about now, if the policy has witnesses.
    pub lease: Option<Arc<Lease>>,
    /// The worker that seals the parts of snapshots.
    pub sealer: Addr<Sealer>,
    /// The readers, who find damaged frames.
    pub readers: Arc<Readers>,
}

pub struct Ledger {
    parts: LedgerParts,
    appends: Appends,
    next_token: Token,
    /// True once the boot frame is released.
    is_open: bool,
    /// Completes a graceful stop, once every request is answered.
    stopping: Option<oneshot::Sender<()>>,
    /// The same, once the last snapshot is stored or dropped.
    ending: Option<oneshot::Sender<()>>,
    /// The same, once the end of the epoch is in the log.
    closing: Option<oneshot::Sender<()>>,
    /// True while a slice of a snapshot is scheduled.
    has_slice: bool,
    /// The damaged frame that the pipeline knows of.
    damaged: Option<u64>,
}

impl Ledger {
    pub fn new(parts: LedgerParts) -> Self {
        Self {
            parts,
            appends: Appends::default(),
            next_token: 0,
            is_open: false,
            stopping: None,
            ending: None,
            closing: None,
            has_slice: false,
            damaged: None,
        }
    }

    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        let mut outputs = Vec::new();
        let pipeline = &mut self.parts.pipeline;
        let now_ms = self.parts.clock.now_ms().unwrap_or_else(|error| {
            pipeline.handle(0, Input::ClockFailed(error), &mut outputs);
            // The pipeline has stopped and reads no time: the input only answers its callers.
            0
        });
        pipeline.handle(now_ms, input, &mut outputs);
        self.execute(outputs, context);
        if !self.is_open && self.parts.pipeline.is_open() {
            self.is_open = true;
            self.parts.phase.enter(Phase::Ready);
        }
    }

    fn execute(&mut self, outputs: Vec<Output>, context: &mut Context<Self>) {
        for output in outputs {
            match output {
                Output::Ship(frame) => {
                    self.append(&frame, Duration::ZERO, context);
                    self.appends.appended(frame);
                }
                Output::Sign(job) => self.sign(job, context),
                // The caller may have hung up: its answer is in the log.
                Output::Reply(ticket, replied) => drop(ticket.responder.send(replied)),
                Output::Answer(_, leaving) => leaving.send(),
                Output::Released(released) => self.parts.view.publish(*released),
                Output::SnapshotPart(part) => self.store_part(part, context),
                Output::Witness(head) => self.witness(head, context),
                Output::Renew(head) => self.renew(head, context),
                Output::NextTurn => context.notify(NextTurn),
                Output::Fault(fault) => {
                    tracing::error!(%fault, "stopped");
                    self.parts.phase.enter(phase_of(fault, self.is_open));
                }
            }
        }
        self.schedule_slice(context);
        self.finish_stop(context);
    }

    /// Appends a frame, at once or after a pause, and waits for the result beside other work.
    fn append(&self, frame: &Frame, pause: Duration, context: &mut Context<Self>) {
        let seq = frame.header().seq;
        let appended: StoreFuture<Ack> = if pause.is_zero() {
            self.parts.store.append(frame)
        } else {
            let (store, frame) = (Arc::clone(&self.parts.store), frame.clone());
            Box::pin(async move {
                tokio::time::sleep(pause).await;
                store.append(&frame).await
            })
        };
        let done = appended.into_actor(self).map(move |result, ledger, context| {
            ledger.appends.arrived(seq, result);
            ledger.settle(context);
        });
        context.spawn(done);
    }

    /// Hands the results of appends to the pipeline, in the order of their frames.
    fn settle(&mut self, context: &mut Context<Self>) {
        if let Some(error) = self.appends.failure() {
            tracing::error!(%error, "append failed");
            self.step(Input::StoreFailed, context);
        }
        while let Some(next) = self.appends.next() {
            match next {
                Next::Acked(ack) => self.step(Input::Acked(ack), context),
                Next::Append(frame, pause) => self.append(&frame, pause, context),
                Next::Failed(error) => {
                    tracing::error!(%error, "append failed");
                    self.step(Input::StoreFailed, context);
                }
            }
        }
    }

    /// Splits a large job over the pool and joins the parts.
    fn sign(&mut self, job: SignJob, context: &mut Context<Self>) {
        let SignJob { statement, mut events } = job;
        let seq = statement.statement.seq;
        let mut parts = Vec::new();
        loop {
            let rest = events.split_off(events.len().min(SIGN_CHUNK));
            let job = SignJob { statement: statement.clone(), events };
            let with_statement = parts.is_empty();
            parts.push(self.parts.signers.send(SignPart { job, with_statement }));
            if rest.is_empty() {
                break;
            }
            events = rest;
        }
        let joined = async move {
            let (mut signature, mut promises) = (None, Vec::new());
            for part in parts {
                let part = part.await.ok()?;
                signature = signature.or(part.signature);
                promises.extend(part.promises);
            }
            Some(SignedFrame { seq, signature: signature?, promises })
        };
        let done = joined.into_actor(self).map(|signed, ledger, context| match signed {
            Some(signed) => ledger.step(Input::Signed(signed), context),
            None => ledger.step(Input::SignersFailed, context),
        });
        context.spawn(done);
    }

    fn witness(&self, head: TreeHead, context: &mut Context<Self>) {
        let (quorum, paths) = (self.quorum(), self.paths(head.size, context));
        let gathering = async move { gather(&quorum, head, &*paths).await };
        let done = gathering.into_actor(self).map(move |outcome, ledger, context| {
            let input = match outcome {
                Outcome::Refused(refusal) => Input::WitnessRefused(refusal),
                // One new head at a time: nothing is newer than it.
                Outcome::Cosigned(_) | Outcome::Overtaken => Input::Cosigned(head.size),
            };
            ledger.step(input, context);
        });
        context.spawn(done);
    }

    /// Renews the lease of a head. A round that takes too long is given up, and the next one asks
    /// every witness again.
    fn renew(&self, head: TreeHead, context: &mut Context<Self>) {
        let (quorum, paths) = (self.quorum(), self.paths(head.size, context));
        let limit = Duration::from_millis(quorum.terms().renew_ms());
        let renewing = async move {
            match tokio::time::timeout(limit, renew(&quorum, head, &*paths)).await {
                Ok(Outcome::Refused(refusal)) => Some(refusal),
                Ok(Outcome::Cosigned(_) | Outcome::Overtaken) => None,
                Err(_) => {
                    tracing::warn!("LEASE_NOT_RENEWED: too few witnesses answered");
                    None
                }
            }
        };
        let done = renewing.into_actor(self).map(move |refusal, ledger, context| {
            ledger.step(Input::Renewed(refusal), context);
        });
        context.spawn(done);
    }

    fn quorum(&self) -> Arc<WitnessQuorum> {
        let quorum = self.parts.quorum.as_ref().map(Arc::clone);
        quorum.expect("no policy with witnesses boots without a port to them")
    }

    /// Makes the consistency paths to a head for its witnesses.
    fn paths(&self, later: u64, context: &mut Context<Self>) -> Box<Paths<'static>> {
        let (store, ledger) = (Arc::clone(&self.parts.store), context.address());
        Box::new(move |earlier| {
            let (store, ledger) = (Arc::clone(&store), ledger.clone());
            Box::pin(async move {
                let plan = ledger.send(PlanPath { earlier, later }).await;
                consistency(&store, plan.ok().flatten()).await
            })
        })
    }

    /// Tells the pipeline of a frame that readers found damaged.
    fn look_for_damage(&mut self, context: &mut Context<Self>) {
        let found = self.parts.readers.reader().damaged();
        if let Some(seq) = found.filter(|_| found > self.damaged) {
            self.damaged = found;
            self.step(Input::Damaged(seq), context);
        }
    }

    /// Has a part of a snapshot sealed by a worker, and stores it beside other work.
    fn store_part(&self, part: SnapshotPart, context: &mut Context<Self>) {
        let SnapshotPart { attempt, seq, part: number, is_manifest, .. } = part;
        let (sealed, store) = (self.parts.sealer.send(Seal(part)), Arc::clone(&self.parts.store));
        let stored = async move {
            let Ok(Ok(SealedPart { bytes, digest })) = sealed.await else { return None };
            let manifest = is_manifest.then_some(digest);
            let stored = store.snapshot_put(seq, number, manifest, bytes).await;
            if let Err(error) = &stored {
                tracing::warn!(seq, part = number, %error, "snapshot not stored");
            }
            stored.ok().map(|_| digest)
        };
        let done = stored.into_actor(self).map(move |digest, ledger, context| {
            let stored = StoredPart { attempt, part: number, digest };
            ledger.step(Input::SnapshotPart(stored), context);
        });
        context.spawn(done);
    }

    /// Has the next slice of a snapshot encoded after a pause, in which the writer serves. At a
    /// stop there is nothing else to do.
    fn schedule_slice(&mut self, context: &mut Context<Self>) {
        if self.has_slice || !self.parts.pipeline.wants_slice() {
            return;
        }
        self.has_slice = true;
        let pause = if self.ending.is_some() { Duration::ZERO } else { SLICE_PAUSE };
        context.run_later(pause, |ledger, context| {
            ledger.has_slice = false;
            ledger.step(Input::SnapshotSlice, context);
        });
    }

    /// Ends a graceful stop once every accepted request is answered. A last snapshot makes the next
    /// start fast, and is dropped when it takes too long: the next start then has more to replay.
    /// The end of the epoch, where the policy wants it, follows in the log.
    fn finish_stop(&mut self, context: &mut Context<Self>) {
        let is_over = self.parts.pipeline.is_idle() || self.parts.pipeline.fault().is_some();
        if is_over && let Some(done) = self.stopping.take() {
            self.ending = Some(done);
            self.parts.pipeline.begin_last_snapshot();
            context.notify_later(EndStop, STOP_SNAPSHOT_MAX);
            // A snapshot that just began has no part yet: a slice or this input moves it on.
            self.step(Input::SnapshotSlice, context);
            return;
        }
        if self.ending.is_some() && !self.parts.pipeline.is_snapshotting() {
            return self.end_stop(context);
        }
        if is_over && let Some(done) = self.closing.take() {
            let _ = done.send(());
            context.stop();
        }
    }

    /// Ends the lease, then the epoch: from then on the next engine may answer at once.
    fn end_stop(&mut self, context: &mut Context<Self>) {
        let Some(done) = self.ending.take() else { return };
        if self.parts.pipeline.is_snapshotting() {
            tracing::info!("last snapshot dropped: it takes too long");
        }
        self.closing = Some(done);
        if let Some(lease) = &self.parts.lease {
            lease.end();
        }
        let mut outputs = Vec::new();
        // Without a time nothing can be logged, and the next engine waits.
        if let Ok(now_ms) = self.parts.clock.now_ms() {
            self.parts.pipeline.end_epoch(now_ms, &mut outputs);
        }
        self.execute(outputs, context);
    }
}

/// The phase that callers see after a fault. A refusal by witnesses ends the engine for good, as
/// `FENCED` if it has served before. A restart with a replay mends every other fault.
fn phase_of(fault: Fault, is_open: bool) -> Phase {
    let why = fault.to_string();
    let name = match fault {
        Fault::WitnessAhead { .. } => "WITNESS_AHEAD",
        Fault::WitnessFork => "WITNESS_FORK",
        Fault::Clock(error) => return Phase::Restarting { name: error.name(), why },
        _ => return Phase::Restarting { name: "FAULT", why },
    };
    Phase::Fault { name: if is_open { "FENCED" } else { name }, why }
}

impl Actor for Ledger {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
        let outputs = std::mem::take(&mut self.parts.outputs);
        self.execute(outputs, context);
        context.run_interval(TICK, |ledger, context| {
            // Detect a lost store here, before a request waits for it.
            let is_lost = ledger.parts.pipeline.fault().is_none() && !ledger.parts.store.is_alive();
            let input = if is_lost { Input::StoreFailed } else { Input::Tick };
            ledger.step(input, context);
            ledger.look_for_damage(context);
        });
    }
}

/// A request with its caller.
pub type Submitted = (ShareKey, Submission);

/// Requests, in one message.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Submit(pub Vec<Submitted>);

impl Handler<Submit> for Ledger {
    type Result = ();

    fn handle(&mut self, message: Submit, context: &mut Context<Self>) {
        let work = message.0.into_iter().map(|(caller, submission)| {
            self.next_token += 1;
            Work { token: self.next_token, caller, submission }
        });
        let work = work.collect();
        self.step(Input::Work(work), context);
    }
}

/// Does the next turn of the pipeline, behind what has arrived.
#[derive(Message)]
#[rtype(result = "()")]
struct NextTurn;

impl Handler<NextTurn> for Ledger {
    type Result = ();

    fn handle(&mut self, _: NextTurn, context: &mut Context<Self>) {
        self.step(Input::NextTurn, context);
    }
}

/// Plans the consistency path between two sizes of the history.
#[derive(Message)]
#[rtype(result = "Option<Plan>")]
struct PlanPath {
    earlier: u64,
    later: u64,
}

impl Handler<PlanPath> for Ledger {
    type Result = Option<Plan>;

    fn handle(&mut self, path: PlanPath, _: &mut Context<Self>) -> Self::Result {
        self.parts.pipeline.machine().archive().consistency(path.earlier, path.later)
    }
}

/// Answers every accepted request, then stops.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Stop;

impl Handler<Stop> for Ledger {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Stop, context: &mut Context<Self>) -> Self::Result {
        let (done, stopped) = oneshot::channel();
        self.stopping = Some(done);
        self.finish_stop(context);
        let wait = async move { drop(stopped.await) };
        Box::pin(wait.into_actor(self))
    }
}

/// Ends a graceful stop, whatever the last snapshot does.
#[derive(Message)]
#[rtype(result = "()")]
struct EndStop;

impl Handler<EndStop> for Ledger {
    type Result = ();

    fn handle(&mut self, _: EndStop, context: &mut Context<Self>) {
        self.end_stop(context);
    }
}

/// Pause between two slices of a snapshot.
const SLICE_PAUSE: Duration = Duration::from_millis(SNAPSHOT_SLICE_MS);
/// Longest that a graceful stop waits for the last snapshot.
const STOP_SNAPSHOT_MAX: Duration = Duration::from_millis(SNAPSHOT_STOP_MS_MAX);
/// Interval at which the clock is read when no other input arrives.
const TICK: Duration = Duration::from_millis(50);
/// Capacity of the mailbox, messages. Permits bound the requests in them.
const MAILBOX: usize = 1024;
/// Events whose promises one worker signs in a row.
const SIGN_CHUNK: usize = 64;
