//! Group commit: one thread takes all waiting appends, stores them together and answers.
//!
//! Every append and every query for the head goes through this one queue. Each is checked against a
//! head that is durable and cannot change meanwhile. This is the compare-and-swap that keeps two
//! engines from writing one log.
//!
//! When the disk fails, every request fails until the host restarts: the contents of the disk are
//! unknown then, and a later successful sync proves nothing.

use super::port::{AppendError, CheckedFrame, LogStore};
use crate::metrics::Metrics;
use mortise_format::ids::FrameDigest;
use mortise_format::store::{LogHead, StoreRefusal};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::mpsc;

/// Most jobs in the queue. Further callers wait for room.
const QUEUE: usize = 64;
/// A group is closed at this many frames ...
const GROUP_FRAMES_MAX: usize = 64;
/// ... or at this many bytes.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// The frame is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acked {
    pub seq: u64,
    pub digest: FrameDigest,
}

/// The writer has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store is closed")]
pub struct WriterClosed;

type Reply<T> = Box<dyn FnOnce(Result<T, StoreRefusal>) + Send>;

enum Job {
    Append(CheckedFrame, Reply<Acked>),
    Head(Reply<LogHead>),
}

/// A handle to the writing thread, which ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system cannot start a thread.
    pub fn start(
        store: Arc<dyn LogStore>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (jobs, queued) = mpsc::channel(QUEUE);
        let thread =
            std::thread::Builder::new().name("mortise-writer".into()).spawn(move || {
                metrics.next_seq(store.head().next_seq);
                Committer { store, metrics, failed: false }.run(queued);
            })?;
        Ok((Self { jobs }, thread))
    }

    /// Queues an append. `reply` is called once, from the writing thread, in the order of seqs. It
    /// must not block.
    ///
    /// # Errors
    /// When the writer has ended; `reply` is then dropped.
    pub async fn append(
        &self,
        frame: CheckedFrame,
        reply: impl FnOnce(Result<Acked, StoreRefusal>) + Send + 'static,
    ) -> Result<(), WriterClosed> {
        let job = Job::Append(frame, Box::new(reply));
        self.jobs.send(job).await.map_err(|_| WriterClosed)
    }

    /// Queues a query for the head, answered after every append queued before.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub async fn head(
        &self,
        reply: impl FnOnce(Result<LogHead, StoreRefusal>) + Send + 'static,
    ) -> Result<(), WriterClosed> {
        self.jobs.send(Job::Head(Box::new(reply))).await.map_err(|_| WriterClosed)
    }
}

struct Committer {
    store: Arc<dyn LogStore>,
    metrics: Arc<Metrics>,
    failed: bool,
}

/// Admitted frames, each following the one before, and the callers that wait for them.
#[derive(Default)]
struct Group {
    frames: Vec<CheckedFrame>,
    replies: Vec<Reply<Acked>>,
}

impl Committer {
    fn run(mut self, mut queued: mpsc::Receiver<Job>) {
        while let Some(first) = queued.blocking_recv() {
            let mut jobs = vec![first];
            let mut bytes = 0;
            while jobs.len() < GROUP_FRAMES_MAX && bytes < GROUP_BYTES {
                let Ok(job) = queued.try_recv() else { break };
                if let Job::Append(frame, _) = &job {
                    bytes += frame.bytes().len();
                }
                jobs.push(job);
            }
            self.handle(jobs);
        }
    }

    fn handle(&mut self, jobs: Vec<Job>) {
        let mut group = Group::default();
        for job in jobs {
            match job {
                Job::Append(frame, reply) => match self.admit(&frame, group.frames.last()) {
                    Ok(()) => {
                        group.frames.push(frame);
                        group.replies.push(reply);
                    }
                    Err(refusal) => {
                        self.metrics.append_refused(refusal);
                        reply(Err(refusal));
                    }
                },
                Job::Head(reply) => {
                    self.commit(std::mem::take(&mut group));
                    let failed = self.failed.then_some(StoreRefusal::SyncFailed);
                    reply(failed.map_or_else(|| Ok(self.store.head()), Err));
                }
            }
        }
        self.commit(group);
    }

    /// Checks that the frame follows `last`, or the head when the group is empty.
    fn admit(&self, frame: &CheckedFrame, last: Option<&CheckedFrame>) -> Result<(), StoreRefusal> {
        if self.failed {
            return Err(StoreRefusal::SyncFailed);
        }
        let head = match last {
            Some(last) => LogHead { next_seq: last.seq() + 1, digest: last.digest() },
            None => self.store.head(),
        };
        let engine_id = last.map(CheckedFrame::engine_id).or_else(|| self.store.engine_id());
        let expected = head.next_seq;
        match frame.seq() {
            seq if seq < expected => return Err(StoreRefusal::SeqTaken { expected }),
            seq if seq > expected => return Err(StoreRefusal::Gap { expected }),
            _ => {}
        }
        if engine_id.is_some_and(|id| id != frame.engine_id()) {
            return Err(StoreRefusal::ForeignEngine);
        }
        if frame.previous() != head.digest {
            return Err(StoreRefusal::PreviousMismatch { expected: head.digest });
        }
        Ok(())
    }

    fn commit(&mut self, group: Group) {
        let Group { frames, replies } = group;
        let Some(last) = frames.last() else { return };
        let start = Instant::now();
        let refusal = match self.store.append_group(&frames) {
            Ok(()) => None,
            Err(AppendError::Full) => Some(StoreRefusal::Full),
            Err(AppendError::Failed(error)) => {
                tracing::error!(%error, seq = last.seq(), "a frame could not be made durable");
                self.failed = true;
                Some(StoreRefusal::SyncFailed)
            }
        };
        match refusal {
            None => {
                let bytes = frames.iter().map(|f| f.bytes().len() as u64).sum();
                self.metrics.committed(frames.len(), bytes, start.elapsed());
                self.metrics.next_seq(last.seq() + 1);
            }
            Some(refusal) => self.metrics.append_refused(refusal),
        }
        for (frame, reply) in frames.iter().zip(replies) {
            let acked = Acked { seq: frame.seq(), digest: frame.digest() };
            reply(refusal.map_or(Ok(acked), Err));
        }
    }
}
