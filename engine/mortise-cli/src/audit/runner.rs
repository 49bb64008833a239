//! Prepares frames on all cores and follows them on one.
//!
//! ```text
//! reader --batches--> workers: prepare --prepared--> this thread: in order, Auditor::follow
//!    ^------------------- one token for each followed batch ------------'
//! ```
//! Invariants: frames are followed in log order; at most `IN_FLIGHT` batches for each worker are in
//! memory, even if one worker is slow.

use super::source::Source;
use crate::failure::Failure;
use indicatif::ProgressBar;
use mortise_audit::{AuditKeys, Auditor, Prepared, prepare};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

/// Frames of a batch: enough to make the cost of the channel negligible.
const BATCH_FRAMES: usize = 64;
/// Approximate bytes of a batch.
const BATCH_BYTES: usize = 512 * 1024;
/// Batches per worker that are read but not yet followed.
const IN_FLIGHT: usize = 4;

/// Frames in log order, as read.
struct Batch {
    number: u64,
    frames: Vec<Vec<u8>>,
    /// Bytes of the source read so far.
    done: u64,
}

/// A prepared batch.
struct Done {
    number: u64,
    frames: Vec<Prepared>,
    done: u64,
}

/// Audits a source. Returns the auditor at the end of the log, or at the frame that broke it.
pub(super) fn run(
    mut source: Source,
    keys: Option<&AuditKeys>,
    mut auditor: Auditor,
    threads: usize,
    bar: &ProgressBar,
) -> Result<Auditor, Failure> {
    let window = threads * IN_FLIGHT;
    let (tokens, free) = sync_channel::<()>(window);
    let (to_workers, batches) = sync_channel::<Batch>(window);
    let (to_follower, prepared) = sync_channel::<Done>(window);
    let batches = Mutex::new(batches);
    bar.set_length(source.bytes());
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read(&mut source, &tokens, &to_workers));
        for _ in 0..threads {
            let (batches, out) = (&batches, to_follower.clone());
            scope.spawn(move || work(batches, keys, &out));
        }
        drop(to_follower);
        follow(&mut auditor, &prepared, &free, bar);
        // closes the channels, which ends the reader and the workers
        drop((prepared, free));
        reader.join().unwrap_or_else(|_| Err(Failure::check("the reader of the log failed")))
    })?;
    Ok(auditor)
}

/// Reads until the log ends or the follower stops.
fn read(
    source: &mut Source,
    tokens: &SyncSender<()>,
    out: &SyncSender<Batch>,
) -> Result<(), Failure> {
    for number in 0.. {
        let (mut frames, mut bytes) = (Vec::with_capacity(BATCH_FRAMES), 0);
        while frames.len() < BATCH_FRAMES && bytes < BATCH_BYTES {
            let Some(frame) = source.next()? else { break };
            bytes += frame.len();
            frames.push(frame);
        }
        let batch = Batch { number, frames, done: source.read_bytes() };
        if batch.frames.is_empty() || tokens.send(()).is_err() || out.send(batch).is_err() {
            break;
        }
    }
    Ok(())
}

fn work(batches: &Mutex<Receiver<Batch>>, keys: Option<&AuditKeys>, out: &SyncSender<Done>) {
    loop {
        let next = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Batch { number, frames, done }) = next else { return };
        let frames = frames.iter().map(|bytes| prepare(bytes, keys)).collect();
        if out.send(Done { number, frames, done }).is_err() {
            return;
        }
    }
}

fn follow(
    auditor: &mut Auditor,
    prepared: &Receiver<Done>,
    free: &Receiver<()>,
    bar: &ProgressBar,
) {
    let (mut early, mut next) = (BTreeMap::new(), 0);
    for batch in prepared {
        early.insert(batch.number, batch);
        while let Some(Done { frames, done, .. }) = early.remove(&next) {
            frames.into_iter().for_each(|frame| auditor.follow(frame));
            next += 1;
            bar.set_position(done);
            // one batch fewer in memory: the reader may continue
            free.recv().ok();
        }
        if auditor.is_broken() {
            return;
        }
    }
}
