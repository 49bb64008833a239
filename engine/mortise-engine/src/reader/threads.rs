//! The threads of the reader.
//!
//! Work is bounded twice: a slot bounds what runs at once, and so the memory of frames that are
//! being read; the permits of the handle bound what waits for a slot.

use super::Reader;
use actix::{Arbiter, ArbiterHandle};
use mortise_format::limits::{EVENTS_WAITERS_MAX, READS_AT_ONCE_MAX};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

/// Threads that read, and what they read from.
#[derive(Debug)]
pub struct Readers {
    reader: Arc<Reader>,
    arbiters: Vec<ArbiterHandle>,
    next: AtomicUsize,
    slots: Arc<Semaphore>,
    waiters: Semaphore,
}

impl Readers {
    /// Starts `threads` threads, at least one.
    pub fn start(reader: Arc<Reader>, threads: usize) -> Self {
        let arbiters = (0..threads.max(1)).map(|_| Arbiter::new().handle()).collect();
        let slots = Arc::new(Semaphore::new(READS_AT_ONCE_MAX));
        let waiters = Semaphore::new(EVENTS_WAITERS_MAX);
        Self { reader, arbiters, next: AtomicUsize::new(0), slots, waiters }
    }

    /// The reader, for what needs no thread.
    pub fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    /// A permit to wait for a release; `None` if too many callers wait.
    pub fn waiter(&self) -> Option<SemaphorePermit<'_>> {
        self.waiters.try_acquire().ok()
    }

    /// Runs work on a thread of the reader as soon as there is a slot. `None` if the threads have
    /// stopped, which they do with the process.
    pub async fn run<T, F>(&self, work: impl FnOnce(Arc<Reader>) -> F + Send + 'static) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        let (sender, result) = oneshot::channel();
        let reader = Arc::clone(&self.reader);
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.arbiters.len();
        self.arbiters[at].spawn_fn(move || {
            let done = work(reader);
            actix::spawn(async move {
                // The caller may have hung up.
                let _ = sender.send(done.await);
                drop(slot);
            });
        });
        result.await.ok()
    }
}
