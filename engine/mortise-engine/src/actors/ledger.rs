//! The single writer: owns the pipeline, carries its outputs out.

use super::crypto::{Crypto, SignFrame};
use super::shipper::{Ship, Shipper};
use crate::api::{Ask, Reply, Token, Work};
use crate::keyring::{Identity, KeyRing};
use crate::phase::{Phase, PhaseCell};
use crate::pipeline::{
    Fault, Input, LogProofJob, Output, Pipeline, SignJob, SignedFrame, Snapshot,
};
use crate::ports::{Clock, PortFuture};
use crate::proofs;
use crate::recall::recall;
use crate::store::{Ack, LogStore, StoreError};
use crate::witness::{Outcome, WitnessQuorum, gather};
use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message,
    ResponseActFuture, WrapFuture,
};
use mortise_core::body::CarriedStatement;
use mortise_core::history::archive::Plan;
use mortise_format::event::LogPosition;
use mortise_format::merkle::history::TreeHead;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// What a ledger is made of.
pub struct LedgerParts {
    /// The pipeline after boot, its first outputs not yet carried out.
    pub pipeline: Pipeline,
    /// Those outputs.
    pub outputs: Vec<Output>,
    /// The store.
    pub store: Arc<dyn LogStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who the engine is.
    pub identity: Arc<Identity>,
    /// Epoch keys, for recalls.
    pub ring: Arc<KeyRing>,
    /// The pool.
    pub crypto: Addr<Crypto>,
    /// The phase: ready when the boot frame is released.
    pub phase: Arc<PhaseCell>,
    /// The witnesses, when the policy has some.
    pub quorum: Option<Arc<WitnessQuorum>>,
    /// Told how many frames are released.
    pub released: watch::Sender<u64>,
}

/// The single writer.
pub struct Ledger {
    parts: LedgerParts,
    shipper: Option<Addr<Shipper>>,
    responders: HashMap<Token, oneshot::Sender<Reply>>,
    next_token: Token,
    /// True once the boot frame is released.
    is_open: bool,
    /// Told when everything acked is answered and the last snapshot is stored.
    stopping: Option<oneshot::Sender<()>>,
}

impl Ledger {
    /// From its parts.
    pub fn new(parts: LedgerParts) -> Self {
        let responders = HashMap::new();
        Self { parts, shipper: None, responders, next_token: 0, is_open: false, stopping: None }
    }

    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        let mut outputs = Vec::new();
        let pipeline = &mut self.parts.pipeline;
        let now_ms = self.parts.clock.now_ms().unwrap_or_else(|error| {
            pipeline.handle(0, Input::ClockFailed(error), &mut outputs);
            // It is stopped now: no time is read any more, and the input only tells its responders so.
            0
        });
        pipeline.handle(now_ms, input, &mut outputs);
        self.tell_released();
        self.carry(outputs, context);
        if !self.is_open && self.parts.pipeline.is_open() {
            self.is_open = true;
            self.parts.phase.enter(Phase::Ready);
        }
    }

    /// Before the answers leave: whoever has one finds its frame among the released.
    fn tell_released(&self) {
        let Some(now) = self.parts.pipeline.released() else { return };
        self.parts.released.send_if_modified(|known| std::mem::replace(known, now) != now);
    }

    fn carry(&mut self, outputs: Vec<Output>, context: &mut Context<Self>) {
        for output in outputs {
            match output {
                Output::Ship(frame) => {
                    let ack = self.parts.store.append(&frame);
                    let sent = self.shipper.as_ref().map(|shipper| shipper.try_send(Ship(ack)));
                    // Never more frames are in flight than its mailbox holds.
                    assert!(
                        matches!(sent, Some(Ok(()))),
                        "the shipper takes every frame in flight"
                    );
                }
                Output::Sign(job) => self.sign(job, context),
                Output::Reply(token, reply) => self.reply(token, reply),
                Output::Recall(token, at, statement) => self.recall(token, at, statement, context),
                Output::LogProof(token, job) => self.log_proof(token, *job, context),
                Output::Snapshot(snapshot) => self.store_snapshot(snapshot, context),
                Output::Witness(head) => self.witness(head, context),
                Output::Fault(fault) => {
                    tracing::error!(%fault, "stopped");
                    self.parts.phase.enter(phase_of(fault, self.is_open));
                }
            }
        }
        self.finish_stop(context);
    }

    fn reply(&mut self, token: Token, reply: Reply) {
        if let Some(responder) = self.responders.remove(&token) {
            // The responder may have hung up: its answer is in the log.
            let _ = responder.send(reply);
        }
    }

    /// Splits a large job over the pool and puts the parts together.
    fn sign(&mut self, job: SignJob, context: &mut Context<Self>) {
        let SignJob { statement, mut events } = job;
        let mut parts = Vec::new();
        loop {
            let rest = events.split_off(events.len().min(SIGN_CHUNK));
            let part = SignJob { statement: statement.clone(), events };
            parts.push(self.parts.crypto.send(SignFrame(part)));
            if rest.is_empty() {
                break;
            }
            events = rest;
        }
        let joined = async move {
            let mut whole: Option<SignedFrame> = None;
            for part in parts {
                let part = part.await.ok()?;
                match &mut whole {
                    Some(whole) => whole.promises.extend(part.promises),
                    None => whole = Some(part),
                }
            }
            whole
        };
        let done = joined.into_actor(self).map(|signed, ledger, context| match signed {
            Some(signed) => ledger.step(Input::Signed(signed), context),
            None => ledger.step(Input::StoreFailed, context),
        });
        context.spawn(done);
    }

    fn witness(&self, head: TreeHead, context: &mut Context<Self>) {
        let quorum = self.parts.quorum.as_ref().map(Arc::clone);
        let quorum = quorum.expect("a policy with witnesses is not booted without a way to them");
        let (store, ledger) = (Arc::clone(&self.parts.store), context.address());
        let gathering = async move {
            let paths = |earlier| {
                let (store, ledger) = (Arc::clone(&store), ledger.clone());
                let path = async move {
                    let plan = ledger.send(PlanPath { earlier, later: head.size }).await;
                    proofs::consistency(&store, plan.ok().flatten()).await
                };
                Box::pin(path) as PortFuture<'static, _>
            };
            gather(&quorum, head, &paths).await
        };
        let done = gathering.into_actor(self).map(move |outcome, ledger, context| {
            let input = match outcome {
                Outcome::Cosigned(cosigned) => Input::Cosigned(cosigned.head.size),
                Outcome::Refused(refusal) => Input::WitnessRefused(refusal),
            };
            ledger.step(input, context);
        });
        context.spawn(done);
    }

    fn recall(
        &mut self,
        token: Token,
        at: LogPosition,
        statement: Option<CarriedStatement>,
        context: &mut Context<Self>,
    ) {
        let (store, ring) = (Arc::clone(&self.parts.store), Arc::clone(&self.parts.ring));
        let identity = Arc::clone(&self.parts.identity);
        let epochs = self.parts.pipeline.machine().epochs().to_vec();
        let found =
            async move { recall(store.as_ref(), &identity, &ring, &epochs, at, statement).await };
        let done = found.into_actor(self).map(move |found, ledger, context| match found {
            Ok(reply) => ledger.reply(token, reply),
            Err(error) => {
                tracing::error!(seq = at.seq, %error, "an answer was not found in the log");
                ledger.reply(token, Reply::Fault);
                ledger.step(Input::StoreFailed, context);
            }
        });
        context.spawn(done);
    }

    fn log_proof(&mut self, token: Token, job: LogProofJob, context: &mut Context<Self>) {
        let (store, ring) = (Arc::clone(&self.parts.store), Arc::clone(&self.parts.ring));
        let identity = Arc::clone(&self.parts.identity);
        let epochs = self.parts.pipeline.machine().epochs().to_vec();
        let shown =
            async move { proofs::log_proof(store.as_ref(), &identity, &ring, &epochs, job).await };
        let done = shown.into_actor(self).map(move |shown, ledger, context| match shown {
            Ok(reply) => ledger.reply(token, reply),
            Err(error) => {
                tracing::error!(%error, "what was to be shown of the log was not found in it");
                ledger.reply(token, Reply::Fault);
                ledger.step(Input::StoreFailed, context);
            }
        });
        context.spawn(done);
    }

    fn store_snapshot(&mut self, snapshot: Snapshot, context: &mut Context<Self>) {
        let seq = snapshot.seq;
        let stored = put_snapshot(self.parts.store.as_ref(), snapshot);
        let done = stored.into_actor(self).map(move |stored, ledger, context| {
            if let Err(error) = &stored {
                tracing::warn!(seq, %error, "snapshot not stored");
            }
            ledger.step(Input::SnapshotStored(stored.is_ok()), context);
        });
        context.spawn(done);
    }

    /// A graceful stop ends when all that was taken is answered; a last snapshot makes the next
    /// start short.
    fn finish_stop(&mut self, context: &mut Context<Self>) {
        let is_over = self.parts.pipeline.is_idle() || self.parts.pipeline.fault().is_some();
        if !is_over || self.stopping.is_none() {
            return;
        }
        let Some(done) = self.stopping.take() else { return };
        let snapshot = self.parts.pipeline.final_snapshot();
        let store = Arc::clone(&self.parts.store);
        let store_it = async move {
            if let Some(snapshot) = snapshot
                && let Err(error) = put_snapshot(store.as_ref(), snapshot).await
            {
                tracing::warn!(%error, "last snapshot not stored");
            }
            let _ = done.send(());
        };
        let stop =
            store_it.into_actor(self).map(|(), _, context: &mut Context<Self>| context.stop());
        context.spawn(stop);
    }
}

/// What a fault means for whoever asks: witnesses that refuse a running engine have fenced it off;
/// everything else is mended by a replay.
fn phase_of(fault: Fault, is_open: bool) -> Phase {
    let why = fault.to_string();
    let name = match fault {
        Fault::WitnessAhead { .. } => "WITNESS_AHEAD",
        Fault::WitnessFork => "WITNESS_FORK",
        Fault::Clock(_) => return Phase::Restarting { name: "CLOCK", why },
        _ => return Phase::Restarting { name: "FAULT", why },
    };
    Phase::Fault { name: if is_open { "FENCED" } else { name }, why }
}

fn put_snapshot(store: &dyn LogStore, snapshot: Snapshot) -> crate::store::StoreFuture<()> {
    let bytes = Arc::unwrap_or_clone(snapshot.bytes);
    store.snapshot_put(snapshot.seq, snapshot.digest, bytes.into())
}

impl Actor for Ledger {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
        self.shipper = Some(Shipper::new(context.address()).start());
        let outputs = std::mem::take(&mut self.parts.outputs);
        self.carry(outputs, context);
        context.run_interval(TICK, |ledger, context| {
            // Without a store nothing can be promised: better found out now than by a request.
            let is_lost = ledger.parts.pipeline.fault().is_none() && !ledger.parts.store.is_alive();
            let input = if is_lost { Input::StoreFailed } else { Input::Tick };
            ledger.step(input, context);
        });
    }
}

/// New work, with where its answers go.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Submit(pub Vec<(Ask, oneshot::Sender<Reply>)>);

impl Handler<Submit> for Ledger {
    type Result = ();

    fn handle(&mut self, message: Submit, context: &mut Context<Self>) {
        let mut work = Vec::with_capacity(message.0.len());
        for (ask, responder) in message.0 {
            self.next_token += 1;
            let token = self.next_token;
            self.responders.insert(token, responder);
            work.push(Work { token, ask });
        }
        self.step(Input::Work(work), context);
    }
}

/// The outcome of an append.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Shipped(pub Result<Ack, StoreError>);

impl Handler<Shipped> for Ledger {
    type Result = ();

    fn handle(&mut self, message: Shipped, context: &mut Context<Self>) {
        match message.0 {
            Ok(ack) => self.step(Input::Acked(ack), context),
            Err(error) => {
                tracing::error!(%error, "append failed");
                self.step(Input::StoreFailed, context);
            }
        }
    }
}

/// Plan the path between two sizes of the history.
#[derive(Message)]
#[rtype(result = "Option<Plan>")]
struct PlanPath {
    earlier: u64,
    later: u64,
}

impl Handler<PlanPath> for Ledger {
    type Result = Option<Plan>;

    fn handle(&mut self, asked: PlanPath, _: &mut Context<Self>) -> Self::Result {
        self.parts.pipeline.machine().archive().consistency(asked.earlier, asked.later)
    }
}

/// Answer what was taken, then stop.
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

/// How often time is looked at when nothing else happens.
const TICK: Duration = Duration::from_millis(50);
/// Messages of sessions under way; permits bound what is in them.
const MAILBOX: usize = 1024;
/// Promises that one worker signs in a row.
const SIGN_CHUNK: usize = 64;
