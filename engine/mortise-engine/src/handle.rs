//! The way into the writer: bounds, admission, submission.
//!
//! What it is for: sessions hold a handle and nothing else of the engine. It takes a permit before
//! anything is queued, so that memory is bounded whatever actix's mailboxes do.

use crate::actors::{Admit, Attest, Attestor, Crypto, Ledger, OpenMessage, Submit};
use crate::api::{Ask, Query, Reply};
use crate::app::App;
use crate::attest::{AttestError, BootDocument};
use crate::channel::{ChannelKey, OpenedRequest};
use crate::keyring::Identity;
use crate::log::ReleasedLog;
use crate::phase::{Bounds, Phase, PhaseCell};
use crate::ports::AttestRequest;
use crate::throttle::Throttle;
use crate::witness::WitnessQuorum;
use actix::Addr;
use bytes::Bytes;
use mortise_channel::OpenError;
use mortise_format::binding::KeyBinding;
use mortise_format::command::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};

/// Why nothing was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitError {
    /// Too much is under way.
    Overloaded,
    /// Not serving.
    NotReady(&'static str),
    /// In a fault.
    Fault,
}

/// The serving side of an engine, present once the boot is done.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The single writer.
    pub ledger: Addr<Ledger>,
    /// The pool.
    pub crypto: Addr<Crypto>,
    /// Who the engine is.
    pub identity: Arc<Identity>,
    /// Engine time of the boot, milliseconds.
    pub boot_ms: u64,
    /// What this boot can prove of itself.
    pub proof: Proof,
    /// The witnesses, when the policy has some: the newest cosigned checkpoint.
    pub quorum: Option<Arc<WitnessQuorum>>,
    /// The released log, for readers.
    pub log: Arc<ReleasedLog>,
}

/// What a boot can prove of itself.
#[derive(Debug, Clone)]
pub struct Proof {
    /// What it bound, or would bind if a security module stood behind it.
    pub binding: KeyBinding,
    /// The document of the boot; empty while unattested.
    pub boot: Arc<BootDocument>,
    /// The key of the channel, whose public half is bound.
    pub channel: Arc<ChannelKey>,
    /// Asks the security module; none while unattested.
    pub attestor: Option<Addr<Attestor>>,
}

/// Why no document was made for a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDocument {
    /// No security module stands behind this engine.
    Unattested,
    /// Too many were asked for; more are made after this time.
    TooMany(Duration),
    /// The module did not make one.
    Failed(AttestError),
}

/// The way in.
#[derive(Debug)]
pub struct EngineHandle {
    phase: Arc<PhaseCell>,
    permits: Semaphore,
    bounds: Bounds,
    serving: OnceLock<Serving>,
    waiting: Arc<Mutex<Waiting>>,
    documents: Mutex<Throttle>,
    mode: &'static str,
    app: Option<App>,
}

impl EngineHandle {
    /// A handle that is closed until [`EngineHandle::open`], of an engine in this mode
    /// ([`crate::attest::Attestation::mode`]).
    pub fn new(phase: Arc<PhaseCell>, bounds: Bounds, mode: &'static str) -> Self {
        let permits = Semaphore::new(bounds.in_flight);
        let (serving, waiting) = (OnceLock::new(), Arc::default());
        let documents = Mutex::new(Throttle::new(Instant::now()));
        Self { phase, permits, bounds, serving, waiting, documents, mode, app: None }
    }

    /// With the application.
    #[must_use]
    pub fn with_app(self, app: Option<App>) -> Self {
        Self { app, ..self }
    }

    /// The application, if this engine has one.
    pub fn app(&self) -> Option<&App> {
        self.app.as_ref()
    }

    /// Whether a security module stands behind the engine, as the wire names it.
    pub fn mode(&self) -> &'static str {
        self.mode
    }

    /// A document of the security module for a caller.
    ///
    /// # Errors
    /// [`NoDocument`].
    pub async fn document(
        &self,
        proof: &Proof,
        request: AttestRequest,
    ) -> Result<Vec<u8>, NoDocument> {
        let attestor = proof.attestor.as_ref().ok_or(NoDocument::Unattested)?;
        let taken = {
            let mut documents = self.documents.lock().expect("no holder of the throttle panics");
            documents.take(Instant::now())
        };
        taken.map_err(NoDocument::TooMany)?;
        let made = attestor.send(Attest(request)).await;
        made.unwrap_or(Err(AttestError::Stopped)).map_err(NoDocument::Failed)
    }

    /// Opens the handle.
    pub fn open(&self, serving: Serving) {
        // Opened once, by the boot; a second call would be a second boot.
        let _ = self.serving.set(serving);
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        self.phase.now()
    }

    /// The bounds.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The engine, once its boot is done.
    pub fn serving(&self) -> Option<&Serving> {
        self.serving.get()
    }

    fn ready(&self) -> Result<&Serving, SubmitError> {
        match self.phase() {
            Phase::Ready => self.serving.get().ok_or(SubmitError::NotReady("starting")),
            Phase::Fault { .. } => Err(SubmitError::Fault),
            phase => Err(SubmitError::NotReady(phase.name())),
        }
    }

    /// Asks the writer and waits for the answer.
    ///
    /// # Errors
    /// [`SubmitError`]: then nothing was asked.
    pub async fn ask(&self, ask: Ask) -> Result<Reply, SubmitError> {
        let serving = self.ready()?;
        let _permit = self.permits.try_acquire().map_err(|_| SubmitError::Overloaded)?;
        Ok(self.enqueue(serving, |waiting, responder| waiting.asks.push((ask, responder))).await)
    }

    /// Reads.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn query(&self, query: Query) -> Result<Reply, SubmitError> {
        self.ask(Ask::Query(query)).await
    }

    /// Authenticates a command on the pool, then asks the writer.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn command(&self, command: Command) -> Result<Reply, SubmitError> {
        let serving = self.ready()?;
        let _permit = self.permits.try_acquire().map_err(|_| SubmitError::Overloaded)?;
        let reply =
            self.enqueue(serving, |waiting, responder| waiting.commands.push((command, responder)));
        Ok(reply.await)
    }

    /// Opens a message of the channel on the pool, with the key of this boot. In every phase in
    /// which the boot is done: what is inside is judged as a text in clear is.
    ///
    /// # Errors
    /// [`SubmitError`]: then nothing was opened. Inside: the id of the key, and what it opened.
    pub async fn open_message(
        &self,
        message: Bytes,
    ) -> Result<(u64, Result<OpenedRequest, OpenError>), SubmitError> {
        let serving = self.serving.get().ok_or_else(|| match self.phase() {
            Phase::Fault { .. } => SubmitError::Fault,
            phase => SubmitError::NotReady(phase.name()),
        })?;
        let _permit = self.permits.try_acquire().map_err(|_| SubmitError::Overloaded)?;
        let (key, key_id) = (Arc::clone(&serving.proof.channel), serving.proof.binding.epoch);
        let opened = serving.crypto.send(OpenMessage { key, key_id, message }).await;
        // The pool ends with the process.
        let opened = opened.map_err(|_| SubmitError::NotReady("stopping"))?;
        Ok((key_id, opened))
    }

    /// Queues a question for the next message to the actors and waits for its answer.
    async fn enqueue(
        &self,
        serving: &Serving,
        queue: impl FnOnce(&mut Waiting, Responder),
    ) -> Reply {
        let (responder, answer) = oneshot::channel();
        let is_first = {
            let mut waiting = lock(&self.waiting);
            queue(&mut waiting, responder);
            !std::mem::replace(&mut waiting.flush_scheduled, true)
        };
        if is_first {
            actix::spawn(flush(serving.clone(), Arc::clone(&self.waiting)));
        }
        // A dropped responder is an actor that stopped with the answer not durable.
        answer.await.unwrap_or(Reply::NotDurable)
    }
}

/// Who waits for an answer.
type Responder = oneshot::Sender<Reply>;

/// Questions that go with the next message: one message for all that came with one read of a
/// socket costs a hundredth of one message each.
#[derive(Debug, Default)]
struct Waiting {
    commands: Vec<(Command, Responder)>,
    asks: Vec<(Ask, Responder)>,
    /// A task that takes them is under way.
    flush_scheduled: bool,
}

/// Commands that one worker authenticates in a row: few, so that the workers share them.
const ADMIT_CHUNK: usize = 8;

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().expect("no holder of the queue panics")
}

/// Lets the other sessions that are awake queue theirs, then sends everything.
async fn flush(serving: Serving, waiting: Arc<Mutex<Waiting>>) {
    tokio::task::yield_now().await;
    let Waiting { commands, asks, .. } = std::mem::take(&mut *lock(&waiting));
    let mut commands = commands.into_iter().peekable();
    while commands.peek().is_some() {
        let chunk = commands.by_ref().take(ADMIT_CHUNK).unzip();
        actix::spawn(admit(serving.clone(), chunk));
    }
    submit(&serving, asks).await;
}

/// Authenticates commands and hands those that pass to the writer.
async fn admit(serving: Serving, (commands, responders): (Vec<Command>, Vec<Responder>)) {
    let Ok(admitted) = serving.crypto.send(Admit(commands)).await else { return };
    let mut asks = Vec::with_capacity(admitted.len());
    for (admitted, responder) in admitted.into_iter().zip(responders) {
        match admitted {
            Ok(admitted) => asks.push((Ask::Command(admitted), responder)),
            // Whoever asked may have gone.
            Err(reject) => drop(responder.send(Reply::Refused(reject))),
        }
    }
    submit(&serving, asks).await;
}

async fn submit(serving: &Serving, asks: Vec<(Ask, Responder)>) {
    if !asks.is_empty() {
        // A ledger that has stopped drops the responders, which says so.
        let _ = serving.ledger.send(Submit(asks)).await;
    }
}
