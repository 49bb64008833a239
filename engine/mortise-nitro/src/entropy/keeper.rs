//! The generator in use, and the thread that brings it fresh seeds.

use super::generator::{EntropyError, Generator, Seed, Sources};
use mortise_engine::ports::{Entropy, Nsm};
use mortise_format::limits::{
    ENTROPY_RESEED_BYTES, ENTROPY_SEED_GIVES_BYTES_MAX, ENTROPY_WAIT_MS_MAX,
};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Entropy from a module and the kernel. See the [module](super).
///
/// Drawing is a lock and a hash; the module is asked on the entropy's own thread. Dropping it ends
/// that thread and waits for it: for one call of the module at most.
pub struct NsmEntropy {
    shared: Arc<Shared>,
    /// Wakes the thread; its drop ends it. `None` while dropping only.
    wanted: Option<SyncSender<()>>,
    /// `None` while dropping only.
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for NsmEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NsmEntropy [redacted]")
    }
}

struct Shared {
    state: Mutex<State>,
    /// Signalled when a seed was mixed in, and when there will be none.
    changed: Condvar,
    /// Longest that a draw waits for a seed.
    timeouts: Duration,
}

struct State {
    generator: Generator,
    /// True from the question for a seed until the seed is in: at most one is asked for at a time.
    is_asked: bool,
    /// Why there will be no further seed. Stays.
    failed: Option<EntropyError>,
}

impl NsmEntropy {
    /// Seeds a generator, on the caller's thread: one blocking call. Later ones are made on a
    /// thread of its own.
    ///
    /// # Errors
    /// [`EntropyError`], but for `Late`.
    pub fn new(nsm: Arc<dyn Nsm>) -> Result<Self, EntropyError> {
        Self::patient(nsm, Duration::from_millis(ENTROPY_WAIT_MS_MAX))
    }

    pub(super) fn patient(nsm: Arc<dyn Nsm>, timeouts: Duration) -> Result<Self, EntropyError> {
        let mut sources = Sources::new(nsm);
        let generator = Generator::seeded(&sources.seed()?);
        let state = State { generator, is_asked: false, failed: None };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), timeouts });
        // One place: the question is asked once until it is answered.
        let (wanted, questions) = sync_channel(1);
        let keeper = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(String::from("mortise-entropy"))
            .spawn(move || keep(&keeper, sources, &questions))
            .map_err(|error| EntropyError::Thread(error.to_string()))?;
        Ok(Self { shared, wanted: Some(wanted), thread: Some(thread) })
    }

    /// At most [`ENTROPY_RESEED_BYTES`], and a question for the next seed when this one gave as
    /// much.
    fn draw(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        let mut state = self.shared.with_room(out.len())?;
        state.generator.fill(out);
        if state.generator.given() >= ENTROPY_RESEED_BYTES && !state.is_asked {
            state.is_asked = true;
            if let Some(wanted) = &self.wanted {
                // Refused only when the thread died; then no seed comes and a draw says `Late`.
                let _ = wanted.try_send(());
            }
        }
        Ok(())
    }
}

impl Entropy for NsmEntropy {
    /// Never calls the module. Waits for it only when the seed in use has given
    /// [`ENTROPY_SEED_GIVES_BYTES_MAX`] and the next is still not there, and then no longer than
    /// [`ENTROPY_WAIT_MS_MAX`].
    ///
    /// # Panics
    /// When the module or the kernel gave nothing, or nothing in time: nothing secret can be made
    /// then, and the engine must not go on. The log names the reason.
    fn fill(&self, out: &mut [u8]) {
        for part in out.chunks_mut(ENTROPY_RESEED_BYTES) {
            if let Err(error) = self.draw(part) {
                // Before the panic: the enclave's own line about a panic has its place only.
                tracing::error!(%error, "no secret can be made without entropy");
                panic!("no secret can be made without entropy: {error:?}");
            }
        }
    }
}

impl Drop for NsmEntropy {
    fn drop(&mut self) {
        self.wanted = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the module's was on that thread and is no reason for another here.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// No holder of the lock can panic half-way: filling, mixing and setting do not.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, once its seed may give so many bytes more.
    fn with_room(&self, bytes: usize) -> Result<MutexGuard<'_, State>, EntropyError> {
        let is_spent = |state: &mut State| {
            let given = state.generator.given().saturating_add(bytes);
            state.failed.is_none() && given > ENTROPY_SEED_GIVES_BYTES_MAX
        };
        let (state, waited) = self
            .changed
            .wait_timeout_while(self.state(), self.timeouts, is_spent)
            .unwrap_or_else(PoisonError::into_inner);
        match &state.failed {
            Some(error) => Err(error.clone()),
            None if waited.timed_out() => Err(EntropyError::Late { waited: self.timeouts }),
            None => Ok(state),
        }
    }

    fn mix(&self, seed: &Seed) {
        let mut state = self.state();
        state.generator.mix(seed);
        state.is_asked = false;
        drop(state);
        self.changed.notify_all();
    }

    fn fail(&self, error: EntropyError) {
        self.state().failed = Some(error);
        self.changed.notify_all();
    }
}

/// Fetches a seed for each question, until the entropy is dropped or a source fails.
fn keep(shared: &Shared, mut sources: Sources, questions: &Receiver<()>) {
    while questions.recv().is_ok() {
        match sources.seed() {
            Ok(seed) => shared.mix(&seed),
            Err(error) => {
                tracing::error!(%error, "the entropy has no fresh seed: the next draw stops");
                return shared.fail(error);
            }
        }
    }
}
