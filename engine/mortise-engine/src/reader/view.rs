//! What is released: the end of the log, and the history that proofs refer to.
//!
//! The writer publishes a frame before the answers that rest on it leave. A caller with an answer
//! therefore finds its frame in the view, on any connection and on any thread.

use mortise_core::body::CarriedStatement;
use mortise_core::history::archive::Archive;
use std::sync::{RwLock, RwLockReadGuard};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// A frame that was just released.
#[derive(Debug, Clone)]
pub struct Released {
    /// The statement about the frame.
    pub statement: CarriedStatement,
    /// The frame's leaf hash in the history.
    pub leaf: [u8; 32],
}

/// The released log: its history and the newest statement.
#[derive(Debug)]
pub struct ReleasedView {
    content: RwLock<Content>,
    size: watch::Sender<u64>,
}

#[derive(Debug)]
struct Content {
    archive: Archive,
    newest: Option<CarriedStatement>,
}

impl ReleasedView {
    /// The view at boot: every frame of the replayed log, but not yet the boot frame.
    pub fn new(archive: Archive) -> Self {
        let (size, _) = watch::channel(archive.size());
        Self { content: RwLock::new(Content { archive, newest: None }), size }
    }

    /// Adds the next frame. The writer calls this in the order of the log.
    pub fn publish(&self, released: Released) {
        let size = released.statement.statement.history_size;
        {
            let mut content = self.content.write().expect("no holder of the view panics");
            content.archive.append(released.leaf);
            content.newest = Some(released.statement);
        }
        self.size.send_replace(size);
    }

    fn content(&self) -> RwLockReadGuard<'_, Content> {
        self.content.read().expect("no holder of the view panics")
    }

    /// Number of released frames.
    pub fn size(&self) -> u64 {
        *self.size.borrow()
    }

    /// The statement about the newest released frame; `None` until the boot frame is released.
    pub fn newest(&self) -> Option<CarriedStatement> {
        self.content().newest.clone()
    }

    /// Plans a proof. Keep it short: the writer waits for it.
    pub fn archive<T>(&self, plan: impl FnOnce(&Archive) -> T) -> T {
        plan(&self.content().archive)
    }

    /// Notifies of every new release, and of the end of the view.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.size.subscribe()
    }

    /// Waits until frame `seq` is released or the timeout passes.
    pub async fn wait_for(&self, seq: u64, wait: Duration) {
        let mut size = self.watch();
        let arrived = size.wait_for(|size| *size > seq);
        // In every case the caller checks again.
        let _ = timeout(wait, arrived).await;
    }
}
