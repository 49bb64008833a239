//! The shared generator, and the thread that fetches new seeds for it.

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
/// A draw is a lock and a hash; the entropy's own thread calls the module. Dropping it ends that
/// thread and waits for it, for at most one call of the module.
pub struct NsmEntropy {
    shared: Arc<Shared>,
    /// Wakes the thread; dropping it ends the thread. `None` only while dropping.
    wanted: Option<SyncSender<()>>,
    /// `None` only while dropping.
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for NsmEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NsmEntropy [redacted]")
    }
}

struct Shared {
    state: Mutex<State>,
    /// Signalled when a seed is mixed in, and when a source has failed.
    changed: Condvar,
    /// Longest time that a draw waits for a seed.
    wait_max: Duration,
}

struct State {
    generator: Generator,
    /// True from the request for a seed until it is mixed in, so that only one is pending.
    is_requested: bool,
    /// Why there will be no further seed. Never cleared.
    failed: Option<EntropyError>,
}

impl NsmEntropy {
    /// Seeds a generator on the caller's thread, which blocks for it. Fetches later seeds on its
    /// own thread.
    ///
    /// # Errors
    /// [`EntropyError`], except `Late`.
    pub fn new(nsm: Arc<dyn Nsm>) -> Result<Self, EntropyError> {
        Self::with_wait_max(nsm, Duration::from_millis(ENTROPY_WAIT_MS_MAX))
    }

    pub(super) fn with_wait_max(
        nsm: Arc<dyn Nsm>,
        wait_max: Duration,
    ) -> Result<Self, EntropyError> {
        let mut sources = Sources::new(nsm);
        let generator = Generator::seeded(&sources.seed()?);
        let state = State { generator, is_requested: false, failed: None };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), wait_max });
        // One slot is enough: only one request is pending at a time.
        let (wanted, requests) = sync_channel(1);
        let keeper = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(String::from("mortise-entropy"))
            .spawn(move || keep(&keeper, sources, &requests))
            .map_err(|error| EntropyError::Thread(error.to_string()))?;
        Ok(Self { shared, wanted: Some(wanted), thread: Some(thread) })
    }

    /// Fills at most [`ENTROPY_RESEED_BYTES`], and requests the next seed once the current one has
    /// given as many.
    fn draw(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        let mut state = self.shared.with_room(out.len())?;
        state.generator.fill(out);
        if state.generator.given() >= ENTROPY_RESEED_BYTES && !state.is_requested {
            state.is_requested = true;
            if let Some(wanted) = &self.wanted {
                // Fails only if the thread has died. Then no seed arrives, and a draw fails as
                // `Late`.
                let _ = wanted.try_send(());
            }
        }
        Ok(())
    }
}

impl Entropy for NsmEntropy {
    /// Never calls the module. Waits for a seed only if the current one has given
    /// [`ENTROPY_SEED_GIVES_BYTES_MAX`], and at most [`ENTROPY_WAIT_MS_MAX`].
    ///
    /// # Panics
    /// When the module or the kernel fails or is late: without entropy there are no secrets, and
    /// the engine must stop. The log names the reason.
    fn fill(&self, out: &mut [u8]) {
        for part in out.chunks_mut(ENTROPY_RESEED_BYTES) {
            if let Err(error) = self.draw(part) {
                // Logged before the panic, because the enclave's panic line has only the location.
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
            // A panic on that thread must not cause a second one here.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Ignores poisoning: no operation under the lock can panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the state once its seed may give `bytes` more.
    fn with_room(&self, bytes: usize) -> Result<MutexGuard<'_, State>, EntropyError> {
        let is_spent = |state: &mut State| {
            let given = state.generator.given().saturating_add(bytes);
            state.failed.is_none() && given > ENTROPY_SEED_GIVES_BYTES_MAX
        };
        let (state, waited) = self
            .changed
            .wait_timeout_while(self.state(), self.wait_max, is_spent)
            .unwrap_or_else(PoisonError::into_inner);
        match &state.failed {
            Some(error) => Err(error.clone()),
            None if waited.timed_out() => Err(EntropyError::Late { waited: self.wait_max }),
            None => Ok(state),
        }
    }

    fn mix(&self, seed: &Seed) {
        let mut state = self.state();
        state.generator.mix(seed);
        state.is_requested = false;
        drop(state);
        self.changed.notify_all();
    }

    fn fail(&self, error: EntropyError) {
        self.state().failed = Some(error);
        self.changed.notify_all();
    }
}

/// Fetches a seed for each request, until the entropy is dropped or a source fails.
fn keep(shared: &Shared, mut sources: Sources, requests: &Receiver<()>) {
    while requests.recv().is_ok() {
        match sources.seed() {
            Ok(seed) => shared.mix(&seed),
            Err(error) => {
                tracing::error!(%error, "the entropy has no new seed: the next draw stops");
                return shared.fail(error);
            }
        }
    }
}
