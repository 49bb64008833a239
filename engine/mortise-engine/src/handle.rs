//! The handle through which sessions reach the writer: bounds, admission, submission.
//!
//! What it is for: a session holds this handle and no other part of the engine.
//!
//! What it does not do: decide. A caller that hangs up does not cancel its request.
//!
//! Invariant: the handle takes a permit before it queues a request. Memory stays bounded although
//! actix mailboxes have no hard bound. Each permit counts against the share of the handle's caller.

use crate::actors::{Attest, Attestor, Ledger, OpenMessage, Recover, Submit, Submitted};
use crate::admission::Admission;
use crate::api::{Replied, ShareKey, Stopped, Submission, Swept};
use crate::app::App;
use crate::attest::{AttestError, BootDocument};
use crate::channel::{ChannelKey, OpenedRequest};
use crate::keyring::Identity;
use crate::lease::Lease;
use crate::phase::{Bounds, Phase, PhaseCell};
use crate::ports::{AttestRequest, Clock};
use crate::query::{Query, Responder, Response, Waiting, asked};
use crate::reader::{Reader, Readers};
use crate::room::AnswerRoom;
use crate::session::Budgets;
use crate::throttle::Throttle;
use actix::Addr;
use bytes::Bytes;
use mortise_channel::OpenError;
use mortise_format::binding::KeyBinding;
use mortise_format::command::Command;
use mortise_format::eip712::Digest;
use mortise_format::ids::{Address, Signature};
use mortise_format::secp256k1::SignatureError;
use mortise_transport::{FairPool, PoolPermit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

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
#[derive(Clone)]
pub struct Serving {
    pub ledger: Addr<Ledger>,
    /// The queue before the pool of signature workers.
    pub admission: Arc<Admission>,
    pub identity: Arc<Identity>,
    /// Engine time.
    pub clock: Arc<dyn Clock>,
    /// Engine time of the boot, milliseconds.
    pub boot_ms: u64,
    pub proof: Proof,
    /// The read plane.
    pub readers: Arc<Readers>,
    /// The lease of answers about now, if the policy has witnesses.
    pub lease: Option<Arc<Lease>>,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Serving({})", self.identity.engine_id)
    }
}

/// What a boot can prove about itself.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The binding of the boot. Without a security module no document contains it.
    pub binding: KeyBinding,
    /// The document of the boot; empty in an unattested engine.
    pub boot: Arc<BootDocument>,
    /// The answer with that document, as JSON text, once a caller asked for it.
    pub boot_answer: OnceLock<Vec<u8>>,
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

/// The entry point of every request, for one caller. See the module.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    shared: Arc<Shared>,
    app: Option<Arc<App>>,
    caller: ShareKey,
    /// Of the call that the handle serves, if its answer is to be reserved.
    room: Option<Arc<AnswerRoom>>,
    is_inside_channel: bool,
}

/// What the handles of all callers share.
#[derive(Debug)]
struct Shared {
    phase: Arc<PhaseCell>,
    permits: FairPool,
    bounds: Bounds,
    serving: OnceLock<Serving>,
    queue: Arc<Mutex<Queue>>,
    documents: Mutex<Throttle>,
    mode: &'static str,
    budgets: Budgets,
    connections: AtomicU64,
}

impl EngineHandle {
    /// A handle that refuses everything until [`EngineHandle::open`]. `mode` is that of
    /// [`crate::attest::Attestation::mode`].
    pub fn new(phase: Arc<PhaseCell>, bounds: Bounds, mode: &'static str) -> Self {
        let shared = Shared {
            phase,
            permits: FairPool::new(bounds.in_flight),
            bounds,
            serving: OnceLock::new(),
            queue: Arc::default(),
            documents: Mutex::new(Throttle::new(Instant::now())),
            mode,
            budgets: Budgets::default(),
            connections: AtomicU64::new(1),
        };
        let (shared, caller) = (Arc::new(shared), ShareKey::default());
        Self { shared, app: None, caller, room: None, is_inside_channel: false }
    }

    #[must_use]
    pub fn with_app(self, app: Option<App>) -> Self {
        Self { app: app.map(Arc::new), ..self }
    }

    /// The handle of a new connection. Its requests count against its own share.
    #[must_use]
    pub fn for_connection(&self) -> Self {
        let connection = self.shared.connections.fetch_add(1, Ordering::Relaxed);
        Self { caller: ShareKey { connection, hint: 0 }, ..self.clone() }
    }

    /// The handle of one peer behind a connection. The hint is not trusted: it orders, and refuses
    /// no one.
    #[must_use]
    pub fn for_peer(&self, hint: u64) -> Self {
        Self { caller: ShareKey { hint, ..self.caller }, ..self.clone() }
    }

    /// Room for an answer to this caller. Nothing is reserved yet.
    pub fn room(&self, bytes_max: usize) -> Arc<AnswerRoom> {
        let pool = self.shared.budgets.answers.clone();
        Arc::new(AnswerRoom::new(pool, self.caller, bytes_max))
    }

    /// The handle of one call. A read of the log reserves its room when it has its turn.
    #[must_use]
    pub fn within(&self, room: &Arc<AnswerRoom>) -> Self {
        Self { room: Some(Arc::clone(room)), ..self.clone() }
    }

    /// Reserves the room of the call.
    ///
    /// # Errors
    /// `Overloaded`.
    pub fn reserve(&self) -> Result<(), SubmitError> {
        self.room.as_ref().map_or(Ok(()), |room| room.reserve())
    }

    /// True if answers about now carry a cosigned checkpoint.
    pub fn has_witnesses(&self) -> bool {
        self.serving().is_some_and(|serving| serving.lease.is_some())
    }

    /// The handle of the text inside a channel message: no carrier can read it.
    #[must_use]
    pub fn inside_channel(&self) -> Self {
        Self { is_inside_channel: true, ..self.clone() }
    }

    /// Whether the request came inside the channel.
    pub fn is_inside_channel(&self) -> bool {
        self.is_inside_channel
    }

    /// Whose share the requests of this handle count against.
    pub fn caller(&self) -> ShareKey {
        self.caller
    }

    /// The bytes that all sessions hold.
    pub fn budgets(&self) -> &Budgets {
        &self.shared.budgets
    }

    /// The application, if the engine runs with one.
    pub fn app(&self) -> Option<&App> {
        self.app.as_deref()
    }

    /// The attestation mode, as the wire names it.
    pub fn mode(&self) -> &'static str {
        self.shared.mode
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
            let mut documents =
                self.shared.documents.lock().expect("no holder of the throttle panics");
            documents.take(self.caller, Instant::now())
        };
        taken.map_err(NoDocument::TooMany)?;
        let made = attestor.send(Attest(request)).await;
        made.unwrap_or(Err(AttestError::Stopped)).map_err(NoDocument::Failed)
    }

    /// Starts to accept requests. The boot calls this once.
    pub fn open(&self, serving: Serving) {
        // A second call would be a second boot: it changes nothing.
        let _ = self.shared.serving.set(serving);
    }

    pub fn phase(&self) -> Phase {
        self.shared.phase.now()
    }

    pub fn bounds(&self) -> Bounds {
        self.shared.bounds
    }

    /// The serving side; `None` until the boot is done.
    pub fn serving(&self) -> Option<&Serving> {
        self.shared.serving.get()
    }

    fn ready(&self) -> Result<&Serving, SubmitError> {
        match self.phase() {
            Phase::Ready => self.serving().ok_or(SubmitError::NotReady("starting")),
            Phase::Fault { .. } => Err(SubmitError::Fault),
            phase => Err(SubmitError::NotReady(phase.name())),
        }
    }

    /// A place among the requests in flight. One caller cannot have them all.
    fn permit(&self) -> Result<PoolPermit, SubmitError> {
        self.shared.permits.take(self.caller).ok_or(SubmitError::Overloaded)
    }

    /// Submits a query to the writer and waits for its answer.
    ///
    /// # Errors
    /// [`SubmitError`]: the query was not submitted.
    pub async fn query<Q: Query>(&self, query: Q) -> Result<Response<Q::Answer>, SubmitError> {
        let (query, waiting) = asked(query);
        self.submit(Submission::Query(query), waiting).await
    }

    /// Has the writer expire and prune what is due, and waits for its answer.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was submitted.
    pub async fn sweep(&self) -> Result<Response<Swept>, SubmitError> {
        let (responder, waiting) = Responder::new();
        self.submit(Submission::Sweep(responder), waiting).await
    }

    async fn submit<A>(
        &self,
        submission: Submission,
        waiting: Waiting<A>,
    ) -> Result<Response<A>, SubmitError> {
        let serving = self.ready()?;
        let _permit = self.permit()?;
        self.enqueue(serving, submission);
        // An actor that stops drops its responders: the answer is not durable.
        Ok(waiting.await.unwrap_or(Err(Stopped::NotDurable)))
    }

    /// Runs a read of the released log on a thread of the read plane, when it is the caller's turn.
    /// `cost` is what it takes, in units (see `specs/limits.md`).
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was read.
    pub async fn read_log<T, F>(
        &self,
        cost: u32,
        work: impl FnOnce(Arc<Reader>) -> F + Send + 'static,
    ) -> Result<T, SubmitError>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let serving = self.ready()?;
        let _permit = self.permit()?;
        let turn = serving.readers.turn(self.caller, cost).await;
        self.reserve()?;
        // The threads stop only with the process.
        let done = serving.readers.run(turn, work).await;
        done.ok_or(SubmitError::NotReady("stopping"))
    }

    /// Authenticates a command on the pool, submits it to the writer and waits for the answer.
    ///
    /// # Errors
    /// [`SubmitError`]: the command was not submitted.
    pub async fn command(&self, command: Command) -> Result<Replied, SubmitError> {
        let serving = self.ready()?;
        let _permit = self.permit()?;
        Ok(serving.admission.command(self.caller, command).await)
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
        let serving = self.serving().ok_or_else(|| match self.phase() {
            Phase::Fault { .. } => SubmitError::Fault,
            phase => SubmitError::NotReady(phase.name()),
        })?;
        let _permit = self.permit()?;
        let (key, key_id) = (Arc::clone(&serving.proof.channel), serving.proof.binding.epoch);
        let message = OpenMessage { key, key_id, message };
        let opened = serving.admission.open(self.caller, message).await;
        // The pool stops only with the process.
        Ok((key_id, opened.ok_or(SubmitError::NotReady("stopping"))?))
    }

    /// Recovers the signer of a digest on the pool, when it is the caller's turn.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was recovered.
    pub async fn recover(
        &self,
        digest: Digest,
        signature: Signature,
    ) -> Result<Result<Address, SignatureError>, SubmitError> {
        let serving = self.ready()?;
        let _permit = self.permit()?;
        let recovered = serving.admission.recover(self.caller, Recover { digest, signature }).await;
        // The pool stops only with the process.
        recovered.ok_or(SubmitError::NotReady("stopping"))
    }

    /// Adds a request to the next batch.
    fn enqueue(&self, serving: &Serving, submission: Submission) {
        let is_first = {
            let mut queue = lock(&self.shared.queue);
            queue.push((self.caller, submission));
            queue.len() == 1
        };
        if is_first {
            actix::spawn(flush(serving.clone(), Arc::clone(&self.shared.queue)));
        }
    }
}

/// The next batch of requests for the writer. One message for all requests of one socket read costs
/// a hundredth of one message for each. A task that sends the batch is scheduled while it is not
/// empty.
type Queue = Vec<Submitted>;

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().expect("no holder of the queue panics")
}

/// Yields once so that other ready sessions join the batch, then sends it.
async fn flush(serving: Serving, queue: Arc<Mutex<Queue>>) {
    tokio::task::yield_now().await;
    let ready = std::mem::take(&mut *lock(&queue));
    // A stopped ledger drops the responders: their callers get NOT_DURABLE.
    let _ = serving.ledger.send(Submit(ready)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::limits::IN_FLIGHT_MAX;

    /// Takes with the handles of many peers until none gets one more.
    fn all<T>(handle: &EngineHandle, take: impl Fn(&EngineHandle) -> Option<T>) -> Vec<T> {
        let mut held = Vec::new();
        for peer in 0.. {
            let peer = handle.for_peer(peer);
            let before = held.len();
            held.extend(std::iter::from_fn(|| take(&peer)));
            if held.len() == before {
                break;
            }
        }
        held
    }

    #[test]
    fn requests_and_messages_in_flight_of_all_callers_are_bounded() {
        let handle = EngineHandle::new(Arc::default(), Bounds::default(), "attested");
        let handle = handle.for_connection();
        let requests = all(&handle, |peer| peer.permit().ok());
        assert_eq!(requests.len(), IN_FLIGHT_MAX);
        assert!(matches!(handle.for_connection().permit(), Err(SubmitError::Overloaded)));
        let take = |peer: &EngineHandle| peer.budgets().messages.take(peer.caller());
        let messages = all(&handle, take);
        assert_eq!(messages.len(), IN_FLIGHT_MAX);
        assert!(take(&handle.for_connection()).is_none());
        drop((requests, messages));
        assert!(handle.permit().is_ok() && take(&handle).is_some());
    }
}
