//! The thread that writes locations of frames to the index, off the path of an ack.
//!
//! It collects locations and writes many at once, because each batch of sled is a write to the disk
//! that the frames share. It writes nothing while the disk is full: the locations wait in memory,
//! and what a restart finds behind the index is read from the log again.

use super::condition::{Condition, StoreState};
use super::disk::lock;
use super::index::{CHECKPOINT_ENTRIES, FramePlace, Index, IndexError};
use super::room::Room;
use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most groups of entries that wait for the index. Above that, appends wait.
const QUEUE: usize = 1024;
/// Time from the last append to the checkpoint of the index.
const IDLE: Duration = Duration::from_millis(100);

/// Locations of durable frames that may not be in the index yet.
pub(super) type Recent = Arc<Mutex<BTreeMap<u64, FramePlace>>>;

/// A handle to the thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Indexer {
    queue: Option<SyncSender<Vec<(u64, FramePlace)>>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works with.
pub(super) struct Indexing {
    pub(super) index: Arc<Index>,
    pub(super) recent: Recent,
    pub(super) room: Room,
    pub(super) condition: Condition,
}

impl Indexer {
    pub(super) fn start(indexing: Indexing) -> io::Result<Self> {
        let (queue, queued) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("mortise-index".into()).spawn(move || {
            if let Err(error) = indexing.run(&queued) {
                tracing::error!(%error, "the index failed; the store accepts no more frames");
                indexing.condition.enter(StoreState::Poisoned);
            }
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub(super) fn add(&self, places: Vec<(u64, FramePlace)>) {
        if let Some(queue) = &self.queue {
            // The thread ends before its queue only on a failure, which the next append reports.
            let _ = queue.send(places);
        }
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Indexing {
    fn run(&self, queued: &Receiver<Vec<(u64, FramePlace)>>) -> Result<(), IndexError> {
        let mut collected = Vec::new();
        loop {
            let is_open = match queued.recv_timeout(IDLE) {
                Ok(places) => {
                    collected.extend(places);
                    if collected.len() < CHECKPOINT_ENTRIES {
                        continue;
                    }
                    true
                }
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            if !collected.is_empty() {
                self.write(&mut collected)?;
            }
            if !is_open {
                return Ok(());
            }
        }
    }

    /// Writes what was collected and clears it, or leaves it while the disk is full.
    fn write(&self, collected: &mut Vec<(u64, FramePlace)>) -> Result<(), IndexError> {
        for places in collected.chunks(CHECKPOINT_ENTRIES) {
            if !self.room.admits_index() {
                self.condition.enter(StoreState::Full);
                return Ok(());
            }
            self.index.add_frames(places)?;
            self.index.checkpoint()?;
        }
        let mut recent = lock(&self.recent);
        for (seq, _) in collected.drain(..) {
            recent.remove(&seq);
        }
        Ok(())
    }
}
