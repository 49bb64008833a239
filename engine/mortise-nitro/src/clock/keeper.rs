//! The clock on a module: asks it at start, then from a thread of its own.

use super::emulated::{NotEmulated, read_unsigned};
use super::state::{AnchorRefused, ClockHealth, ClockRules, ClockState, Reading};
use mortise_engine::ports::{AttestRequest, Clock, ClockError, Nsm, NsmError};
use mortise_verify::attestation::{AttestationError, Unverified, read_unverified};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Why there is no (further) anchor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClockStartError {
    /// The module made no document.
    #[error("the module made no document: {0}")]
    Module(#[from] NsmError),
    /// What it made cannot be read: an emulator's documents are of this kind.
    #[error("the module's document cannot be read: {0}")]
    Document(#[from] AttestationError),
    /// An image for an emulated module asks a module that is none.
    #[error("the document is none of an emulated module: {0}")]
    NotEmulated(#[from] NotEmulated),
    /// The document is not the answer to this question.
    #[error("the module's document has another nonce")]
    NonceMismatch,
    /// Its time is no anchor.
    #[error(transparent)]
    Refused(#[from] AnchorRefused),
    /// The thread that anchors cannot be started.
    #[error("no thread for the clock: {0}")]
    Thread(std::io::Error),
}

/// Which documents give the time.
#[derive(Debug, Clone, Copy)]
enum DocumentForm {
    /// Those in the form of the real module.
    Signed,
    /// Those of an emulated one.
    Unsigned,
}

/// The trusted clock over a module. See the [module](super).
///
/// Reading it is a lock and an addition; the module is asked on the clock's own thread, which ends
/// when the clock is dropped.
#[derive(Debug)]
pub struct NsmClock {
    shared: Arc<Shared>,
    /// Its drop wakes and ends the thread.
    _running: Sender<()>,
}

struct Shared {
    nsm: Arc<dyn Nsm>,
    form: DocumentForm,
    origin: Instant,
    state: Mutex<ClockState>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("state", &self.state).finish_non_exhaustive()
    }
}

impl NsmClock {
    /// Asks the module once, on the caller's thread, and then from a thread of its own.
    ///
    /// # Errors
    /// [`ClockStartError`].
    pub fn start(nsm: Arc<dyn Nsm>, rules: ClockRules) -> Result<Self, ClockStartError> {
        Self::start_on(nsm, rules, DocumentForm::Signed)
    }

    /// The same on an emulated module, whose documents nobody signs: a time that whoever runs the
    /// emulator sets.
    ///
    /// # Errors
    /// [`ClockStartError`]; `NotEmulated` on a real module.
    pub fn start_emulated(nsm: Arc<dyn Nsm>, rules: ClockRules) -> Result<Self, ClockStartError> {
        Self::start_on(nsm, rules, DocumentForm::Unsigned)
    }

    fn start_on(
        nsm: Arc<dyn Nsm>,
        rules: ClockRules,
        form: DocumentForm,
    ) -> Result<Self, ClockStartError> {
        let origin = Instant::now();
        let state = ClockState::start(rules, read(nsm.as_ref(), form, origin, 0)?)?;
        let shared = Arc::new(Shared { nsm, form, origin, state: Mutex::new(state) });
        let (running, ended) = channel();
        let keeper = Arc::clone(&shared);
        std::thread::Builder::new()
            .name(String::from("mortise-clock"))
            .spawn(move || keep(&keeper, &ended, rules.anchor_every))
            .map_err(ClockStartError::Thread)?;
        Ok(Self { shared, _running: running })
    }

    /// Asks the module now, on the caller's thread.
    ///
    /// # Errors
    /// [`ClockStartError`]; the anchor in use stays.
    pub fn anchor(&self) -> Result<(), ClockStartError> {
        self.shared.anchor()
    }

    /// How the clock is.
    pub fn health(&self) -> ClockHealth {
        self.shared.state().health(self.shared.origin.elapsed())
    }
}

impl Clock for NsmClock {
    fn now_ms(&self) -> Result<u64, ClockError> {
        self.shared.state().now_ms(self.shared.origin.elapsed())
    }
}

impl Shared {
    /// No holder of the lock can panic half-way: each change is one assignment of the state's own.
    fn state(&self) -> MutexGuard<'_, ClockState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn anchor(&self) -> Result<(), ClockStartError> {
        let number = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        match read(self.nsm.as_ref(), self.form, self.origin, number) {
            Ok(reading) => Ok(self.state().anchor(reading)?),
            Err(error) => {
                self.state().fail();
                Err(error)
            }
        }
    }
}

/// Anchors every `every` until the clock is dropped.
fn keep(shared: &Shared, ended: &Receiver<()>, every: Duration) {
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(every) {
        match shared.anchor() {
            Err(error) => tracing::warn!(%error, "the trusted clock has no new anchor"),
            Ok(()) => tell_step(shared.state().health(Duration::ZERO).last_step_ms),
        }
    }
}

/// A step is what the monotonic clock lost or gained since the anchor before: a paused enclave, or
/// a clock source that drifts.
fn tell_step(step_ms: i64) {
    if step_ms.unsigned_abs() >= TOLD_STEP_MS {
        tracing::warn!(
            step_ms,
            "the trusted clock jumped: the enclave was paused, or counts badly"
        );
    }
}

/// Steps from this size on are told; emulators count in whole seconds.
const TOLD_STEP_MS: u64 = 2000;

/// A document's time. `number` tells this question from others: a module that repeats an old answer
/// is noticed.
fn read(
    nsm: &dyn Nsm,
    form: DocumentForm,
    origin: Instant,
    number: u64,
) -> Result<Reading, ClockStartError> {
    let nonce = Some(number.to_le_bytes().to_vec());
    let request = AttestRequest { nonce: nonce.clone(), ..AttestRequest::default() };
    let sent = origin.elapsed();
    let document = nsm.attest(&request)?;
    let received = origin.elapsed();
    let said: Unverified = match form {
        DocumentForm::Signed => read_unverified(&document)?,
        DocumentForm::Unsigned => read_unsigned(&document)?,
    };
    if said.nonce != nonce {
        return Err(ClockStartError::NonceMismatch);
    }
    Ok(Reading { sent, received, document_ms: said.timestamp_ms })
}
