//! The threads of the reader.
//!
//! Work is bounded twice: a turn bounds what runs at once, and so the memory of frames that are
//! being read; the permits of the handle bound what waits for a turn. Turns go round between the
//! callers, and one caller has at most a quarter of them: a read may wait long for the store or the
//! key service.

use super::Reader;
use crate::priority::give_way;
use actix::{Arbiter, ArbiterHandle};
use mortise_format::limits::{
    EVENTS_WAITERS_MAX, READS_AT_ONCE_MAX, RELAYED_WAITERS_MAX, SHARE_KEYS_MAX,
};
use mortise_transport::{FairPool, PoolPermit, ShareKey, Turn, Turns};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::oneshot;

/// Threads that read, and what they read from.
#[derive(Debug)]
pub struct Readers {
    reader: Arc<Reader>,
    arbiters: Vec<ArbiterHandle>,
    next: AtomicUsize,
    turns: Turns,
    waiters: FairPool,
}

impl Readers {
    /// Starts `threads` threads, at least one.
    pub fn start(reader: Arc<Reader>, threads: usize) -> Self {
        let arbiters: Vec<_> = (0..threads.max(1)).map(|_| Arbiter::new().handle()).collect();
        for arbiter in &arbiters {
            arbiter.spawn_fn(give_way);
        }
        let turns = Turns::new(READS_AT_ONCE_MAX, READS_AT_ONCE_MAX / 4, SHARE_KEYS_MAX);
        let waiters = FairPool::new(EVENTS_WAITERS_MAX);
        Self { reader, arbiters, next: AtomicUsize::new(0), turns, waiters }
    }

    /// The reader, for what needs no thread.
    pub fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    /// A permit to wait for a release; `None` if this caller waits too often already. A relay hands
    /// on few requests of a peer at once, so waits must not take all of them.
    pub fn waiter(&self, caller: ShareKey) -> Option<PoolPermit> {
        let is_relayed = caller.hint != 0;
        let held = if is_relayed { self.waiters.held_by(caller) } else { 0 };
        (held < RELAYED_WAITERS_MAX).then(|| self.waiters.take(caller)).flatten()
    }

    /// Waits until it is the caller's turn.
    pub async fn turn(&self, caller: ShareKey, cost: u32) -> Turn {
        self.turns.turn(caller, cost).await
    }

    /// Runs work on a thread of the reader. `None` if the threads have stopped, which they do with
    /// the process.
    pub async fn run<T, F>(
        &self,
        turn: Turn,
        work: impl FnOnce(Arc<Reader>) -> F + Send + 'static,
    ) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let (sender, result) = oneshot::channel();
        let reader = Arc::clone(&self.reader);
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.arbiters.len();
        self.arbiters[at].spawn_fn(move || {
            let done = work(reader);
            actix::spawn(async move {
                // The caller may have hung up.
                let _ = sender.send(done.await);
                drop(turn);
            });
        });
        result.await.ok()
    }
}
