//! The clock over a module: reads it at the start, then from its own thread.

use super::emulated::{NotEmulated, read_unsigned};
use super::state::{AnchorRefused, ClockHealth, ClockRules, ClockState, Reading};
use mortise_engine::ports::{AttestRequest, Clock, ClockError, Nsm, NsmError, PortFuture};
use mortise_verify::attestation::{AttestationError, Unverified, read_unverified};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Why there is no anchor, or no further one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClockStartError {
    /// The module made no document.
    #[error("the module made no document: {0}")]
    Module(#[from] NsmError),
    /// The module's document cannot be parsed. This is the case for an emulator's documents.
    #[error("the module's document cannot be read: {0}")]
    Document(#[from] AttestationError),
    /// An image for an emulated module runs with a real one.
    #[error("the document is not from an emulated module: {0}")]
    NotEmulated(#[from] NotEmulated),
    /// The document does not answer this request.
    #[error("the module's document has another nonce")]
    NonceMismatch,
    /// The document's time was refused as an anchor.
    #[error(transparent)]
    Refused(#[from] AnchorRefused),
    /// The thread that makes anchors cannot start.
    #[error("no thread for the clock: {0}")]
    Thread(std::io::Error),
}

/// The form of the documents that give the time.
#[derive(Debug, Clone, Copy)]
enum DocumentForm {
    /// The form of the real module.
    Signed,
    /// The form of an emulated module.
    Unsigned,
}

/// The trusted clock over a module. See the [module](super).
///
/// A read is a lock and an addition. The clock's own thread calls the module; it ends when the
/// clock is dropped.
#[derive(Debug)]
pub struct NsmClock {
    shared: Arc<Shared>,
    /// Dropping it wakes and ends the thread.
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
    /// Reads the module once on the caller's thread, and then regularly from its own thread.
    ///
    /// # Errors
    /// [`ClockStartError`].
    pub fn start(nsm: Arc<dyn Nsm>, rules: ClockRules) -> Result<Self, ClockStartError> {
        Self::start_on(nsm, rules, DocumentForm::Signed)
    }

    /// Starts on an emulated module, whose documents are unsigned: the operator of the emulator
    /// sets this time.
    ///
    /// # Errors
    /// [`ClockStartError`]; `NotEmulated` on a real module.
    pub fn start_emulated(
        nsm: Arc<dyn Nsm>,
        mut rules: ClockRules,
    ) -> Result<Self, ClockStartError> {
        rules.leap.agree += EMULATED_STEP;
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
            .spawn(move || keep(&keeper, &ended))
            .map_err(ClockStartError::Thread)?;
        Ok(Self { shared, _running: running })
    }

    /// Makes an anchor now, on the caller's thread.
    ///
    /// # Errors
    /// [`ClockStartError`]; the current anchor stays.
    pub fn anchor(&self) -> Result<(), ClockStartError> {
        self.shared.anchor()
    }

    /// The state of the clock, for health reports.
    pub fn health(&self) -> ClockHealth {
        self.shared.state().health(self.shared.origin.elapsed())
    }
}

impl Clock for NsmClock {
    fn now_ms(&self) -> Result<u64, ClockError> {
        self.shared.state().now_ms(self.shared.origin.elapsed())
    }

    /// Makes as many anchors as a step forward needs, at the same distance. Each must be accepted:
    /// then the first reading, from which the clock counts, agrees with all of them.
    fn confirm(&self) -> PortFuture<'_, Result<(), ClockError>> {
        let leap = self.shared.state().rules().leap;
        Box::pin(async move {
            for _ in 1..leap.readings {
                tokio::time::sleep(leap.every).await;
                self.anchor().map_err(|error| {
                    tracing::warn!(%error, "the time was not confirmed");
                    ClockError::Unconfirmed
                })?;
            }
            Ok(())
        })
    }
}

impl Shared {
    /// Ignores poisoning: no operation under the lock can leave the state half changed.
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

/// Makes anchors until the clock is dropped.
fn keep(shared: &Shared, ended: &Receiver<()>) {
    let next = || shared.state().next_reading();
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(next()) {
        match shared.anchor() {
            Err(error) => tracing::warn!(%error, "the trusted clock has no new anchor"),
            Ok(()) => log_step(shared.state().health(Duration::ZERO).last_step_ms),
        }
    }
}

/// Logs a large step. A step is what the monotonic clock lost or gained since the previous anchor,
/// because the enclave was paused or the clock source drifts.
fn log_step(step_ms: i64) {
    if step_ms.unsigned_abs() >= LOGGED_STEP_MS {
        tracing::warn!(
            step_ms,
            "the trusted clock jumped: the enclave was paused, or its clock source drifts"
        );
    }
}

/// Emulators count in whole seconds.
const EMULATED_STEP: Duration = Duration::from_secs(1);

/// Smallest step that is logged. Emulators count in whole seconds.
const LOGGED_STEP_MS: u64 = 2000;

/// Reads the time of a new document. The nonce `number` identifies the request, so that an old
/// answer is detected.
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
    let contents: Unverified = match form {
        DocumentForm::Signed => read_unverified(&document)?,
        DocumentForm::Unsigned => read_unsigned(&document)?,
    };
    if contents.nonce != nonce {
        return Err(ClockStartError::NonceMismatch);
    }
    Ok(Reading { sent, received, document_ms: contents.timestamp_ms })
}
