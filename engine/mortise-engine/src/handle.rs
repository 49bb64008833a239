//! The handle through which sessions reach the writer: bounds, admission, submission.
//!
//! What it is for: a session holds this handle and no other part of the engine.
//!
//! What it does not do: decide. A caller that hangs up does not cancel its request.
//!
//! Invariant: the handle takes a permit before it queues a request. Memory stays bounded although
//! actix mailboxes have no hard bound.

use crate::actors::{Admit, Attest, Attestor, Crypto, Ledger, OpenMessage, Submit};
use crate::api::{Query, Reply, Submission};
use crate::app::App;
use crate::attest::{AttestError, BootDocument};
use crate::channel::{ChannelKey, OpenedRequest};
use crate::keyring::Identity;
use crate::lease::Lease;
use crate::phase::{Bounds, Phase, PhaseCell};
use crate::ports::AttestRequest;
use crate::reader::{Reader, Readers};
use crate::session::Budgets;
use crate::throttle::Throttle;
use actix::Addr;
use bytes::Bytes;
use mortise_channel::OpenError;
use mortise_format::binding::KeyBinding;
use mortise_format::command::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};

/// The request was not submitted, and nothing happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitError {
    /// Too many requests are in flight.
    Overloaded,
    /// The engine is in this phase and does not serve.
    NotReady(&'static str),
    /// The engine is in a fault that a restart does not mend.
    Fault,
}

/// The serving side of an engine, present once the boot is done.
#[derive(Debug, Clone)]
pub struct Serving {
    pub ledger: Addr<Ledger>,
    /// The pool of signature workers.
    pub crypto: Addr<Crypto>,
    pub identity: Arc<Identity>,
    /// Engine time of the boot, milliseconds.
    pub boot_ms: u64,
    pub proof: Proof,
    /// The read plane.
    pub readers: Arc<Readers>,
    /// The lease of answers about now, if the policy has witnesses.
    pub lease: Option<Arc<Lease>>,
}

/// What a boot can prove about itself.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The binding of the boot. Without a security module no document contains it.
    pub binding: KeyBinding,
    /// The document of the boot; empty in an unattested engine.
    pub boot: Arc<BootDocument>,
    /// The channel key. The binding contains its public half.
    pub channel: Arc<ChannelKey>,
    /// The actor that calls the security module; `None` in an unattested engine.
    pub attestor: Option<Addr<Attestor>>,
}

/// No attestation document was made for a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDocument {
    /// The engine runs without a security module.
    Unattested,
    /// Callers asked for too many documents; retry after this time.
    TooMany(Duration),
    /// The security module failed or refused.
    Failed(AttestError),
}

/// The entry point of every request. See the module.
#[derive(Debug)]
pub struct EngineHandle {
    phase: Arc<PhaseCell>,
    permits: Semaphore,
    bounds: Bounds,
    serving: OnceLock<Serving>,
    queue: Arc<Mutex<Queue>>,
    documents: Mutex<Throttle>,
    mode: &'static str,
    app: Option<App>,
    budgets: Budgets,
}

impl EngineHandle {
    /// A handle that refuses everything until [`EngineHandle::open`]. `mode` is that of
    /// [`crate::attest::Attestation::mode`].
    pub fn new(phase: Arc<PhaseCell>, bounds: Bounds, mode: &'static str) -> Self {
        let permits = Semaphore::new(bounds.in_flight);
        let (serving, queue) = (OnceLock::new(), Arc::default());
        let documents = Mutex::new(Throttle::new(Instant::now()));
        Self {
            phase,
            permits,
            bounds,
            serving,
            queue,
            documents,
            mode,
            app: None,
            budgets: Budgets::default(),
        }
    }

    #[must_use]
    pub fn with_app(self, app: Option<App>) -> Self {
        Self { app, ..self }
    }

    /// The bytes that all sessions hold.
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// The application, if the engine runs with one.
    pub fn app(&self) -> Option<&App> {
        self.app.as_ref()
    }

    /// The attestation mode, as the wire names it.
    pub fn mode(&self) -> &'static str {
        self.mode
    }

    /// Makes an attestation document for a caller, within the rate limit.
    ///
    /// # Errors
    /// `Unattested` without a security module; `TooMany` above the rate; `Failed` by the module.
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

    /// Starts to accept requests. The boot calls this once.
    pub fn open(&self, serving: Serving) {
        // A second call would be a second boot: it changes nothing.
        let _ = self.serving.set(serving);
    }

    pub fn phase(&self) -> Phase {
        self.phase.now()
    }

    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The serving side; `None` until the boot is done.
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

    /// Submits a request to the writer and waits for the answer.
    ///
    /// # Errors
    /// [`SubmitError`]: the request was not submitted.
    pub async fn submit(&self, submission: Submission) -> Result<Reply, SubmitError> {
        let serving = self.ready()?;
        let _permit = self.permits.try_acquire().map_err(|_| SubmitError::Overloaded)?;
        Ok(self
            .enqueue(serving, |queue, responder| queue.ready.push((submission, responder)))
            .await)
    }

    /// Submits a read and waits for the answer.
    ///
    /// # Errors
    /// [`SubmitError`]: the read was not submitted.
    pub async fn query(&self, query: Query) -> Result<Reply, SubmitError> {
        self.submit(Submission::Query(query)).await
    }

    /// Runs a read of the released log on a thread of the read plane.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was read.
    pub async fn read_log<T, F>(
        &self,
        work: impl FnOnce(Arc<Reader>) -> F + Send + 'static,
    ) -> Result<T, SubmitError>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let serving = self.ready()?;
        let _permit = self.permits.try_acquire().map_err(|_| SubmitError::Overloaded)?;
        // The threads stop only with the process.
        serving.readers.run(work).await.ok_or(SubmitError::NotReady("stopping"))
    }

    /// Authenticates a command on the pool, submits it to the writer and waits for the answer.
    ///
    /// # Errors
    /// [`SubmitError`]: the command was not submitted.
    pub async fn command(&self, command: Command) -> Result<Reply, SubmitError> {
        let serving = self.ready()?;
        let _permit = self.permits.try_acquire().map_err(|_| SubmitError::Overloaded)?;
        let reply =
            self.enqueue(serving, |queue, responder| queue.unverified.push((command, responder)));
        Ok(reply.await)
    }

    /// Opens a channel message on the pool. Returns the id of this boot's channel key, and the
    /// opened request or the reason why it does not open. Works in every phase after the boot: the
    /// request inside meets the same phase check as a request in clear.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was opened.
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
        // The pool stops only with the process.
        let opened = opened.map_err(|_| SubmitError::NotReady("stopping"))?;
        Ok((key_id, opened))
    }

    /// Adds a request to the next batch and waits for its answer.
    async fn enqueue(&self, serving: &Serving, push: impl FnOnce(&mut Queue, Responder)) -> Reply {
        let (responder, answer) = oneshot::channel();
        let is_first = {
            let mut queue = lock(&self.queue);
            push(&mut queue, responder);
            !std::mem::replace(&mut queue.flush_scheduled, true)
        };
        if is_first {
            actix::spawn(flush(serving.clone(), Arc::clone(&self.queue)));
        }
        // An actor that stops drops its responders: the answer is not durable.
        answer.await.unwrap_or(Reply::NotDurable)
    }
}

/// The sending half of one answer.
type Responder = oneshot::Sender<Reply>;

/// The next batch of requests. One message for all requests of one socket read costs a hundredth
/// of one message for each.
#[derive(Debug, Default)]
struct Queue {
    /// Commands that a worker authenticates first.
    unverified: Vec<(Command, Responder)>,
    /// Requests for the writer.
    ready: Vec<(Submission, Responder)>,
    /// True while a task that sends the batch is scheduled.
    flush_scheduled: bool,
}

/// Commands that one worker authenticates in a row. Small, so that all workers get a share.
const ADMIT_CHUNK: usize = 8;

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().expect("no holder of the queue panics")
}

/// Yields once so that other ready sessions join the batch, then sends it.
async fn flush(serving: Serving, queue: Arc<Mutex<Queue>>) {
    tokio::task::yield_now().await;
    let Queue { unverified, ready, .. } = std::mem::take(&mut *lock(&queue));
    let mut commands = unverified.into_iter().peekable();
    while commands.peek().is_some() {
        let chunk = commands.by_ref().take(ADMIT_CHUNK).unzip();
        actix::spawn(admit(serving.clone(), chunk));
    }
    submit(&serving, ready).await;
}

/// Authenticates commands and submits those that pass to the writer.
async fn admit(serving: Serving, (commands, responders): (Vec<Command>, Vec<Responder>)) {
    let Ok(admitted) = serving.crypto.send(Admit(commands)).await else { return };
    let mut ready = Vec::with_capacity(admitted.len());
    for (admitted, responder) in admitted.into_iter().zip(responders) {
        match admitted {
            Ok(admitted) => ready.push((Submission::Command(admitted), responder)),
            // The caller may have hung up.
            Err(reject) => drop(responder.send(Reply::Refused(reject.into()))),
        }
    }
    submit(&serving, ready).await;
}

async fn submit(serving: &Serving, ready: Vec<(Submission, Responder)>) {
    if !ready.is_empty() {
        // A stopped ledger drops the responders: their callers get NOT_DURABLE.
        let _ = serving.ledger.send(Submit(ready)).await;
    }
}
