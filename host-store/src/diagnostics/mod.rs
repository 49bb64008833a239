//! Diagnostics of the enclave (port 5002): its log lines, kept to show why it stopped.
//!
//! ```text
//! enclave --lines--> connection --clean, within the rates--> collector --> log, target `enclave`
//!                                                                     --> DATA/diagnostics
//! ```
//! What it is for: an enclave has no console. It sends its log here, above all the last line of a
//! run (`specs/diagnostics.md`).
//!
//! What it does not do: answer, trust a line, act on one.
//!
//! Invariants: only the printable ASCII of a line is passed on; lines, their length, their rate,
//! the kept lines and connections are bounded; a stop is on the disk before the next line is read.

mod keep;
mod line;
mod rate;

use crate::metrics::Metrics;
use crate::port;
use keep::Keeper;
use line::{Line, LineCutter, Stop};
use mortise_transport::{AtBound, Listener, ServeOptions, Stream};
use rate::Rates;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{mpsc, watch};

/// Most connections at once. An enclave has one, and that of a dead enclave may stay open.
const CONNECTIONS_MAX: usize = 8;
/// Most lines that wait for the collector.
const QUEUE_MAX: usize = 256;
/// Bytes in one read.
const CHUNK_BYTES: usize = 16 * 1024;
/// Time between two reads of a connection whose lines are dropped.
const FLOOD_PAUSE: Duration = Duration::from_millis(10);
/// Time between two writes of the kept lines, if there are new ones.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// Configuration of the listener.
#[derive(Debug, Clone)]
pub(crate) struct Diagnostics {
    /// Folder of the kept lines. Created when missing.
    pub(crate) folder: PathBuf,
    pub(crate) metrics: Arc<Metrics>,
    /// The only context id that may connect.
    pub(crate) only_cid: Option<u32>,
}

/// State that all connections share.
#[derive(Debug, Clone)]
struct Intake {
    rates: Arc<Mutex<Rates>>,
    dropped: Arc<AtomicU64>,
    collected: mpsc::Sender<Accepted>,
    metrics: Arc<Metrics>,
}

/// A line within the rate limits.
#[derive(Debug)]
struct Accepted {
    received_ms: u64,
    line: Line,
    stop: Option<Stop>,
}

/// Accepts lines until `stop` changes. Everything that was accepted is on the disk when it returns.
pub(crate) async fn serve(listener: Listener, diagnostics: Diagnostics, stop: watch::Receiver<()>) {
    let Diagnostics { folder, metrics, only_cid } = diagnostics;
    let (collected, collecting) = mpsc::channel(QUEUE_MAX);
    let intake = Intake { rates: Arc::default(), dropped: Arc::default(), collected, metrics };
    let (dropped, metrics) = (Arc::clone(&intake.dropped), Arc::clone(&intake.metrics));
    let collector = tokio::spawn(collect(folder, metrics, dropped, collecting));
    let options =
        ServeOptions { at_bound: AtBound::CloseOldest, ..port::options(only_cid, CONNECTIONS_MAX) };
    let handler = move |stream| read_connection(stream, intake.clone());
    let report = |event| port::log_event("diagnostics", &event);
    mortise_transport::serve(listener, options, stop, handler, report).await;
    // No connection is left, so this ends after the last line is written.
    let _ = collector.await;
}

/// Reads one connection to its end. The bytes after the last newline are a line too: an enclave
/// that dies does not finish its last line.
async fn read_connection(mut stream: Stream, intake: Intake) {
    let _open = intake.metrics.diagnostics_opened();
    let mut cutter = LineCutter::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        let mut is_flood = false;
        for line in cutter.feed(&chunk[..count]) {
            is_flood |= !intake.take(line).await;
        }
        if is_flood {
            tokio::time::sleep(FLOOD_PAUSE).await;
        }
    }
    if let Some(line) = cutter.rest() {
        intake.take(line).await;
    }
}

impl Intake {
    /// Returns false when the line was dropped.
    async fn take(&self, line: Line) -> bool {
        let stop = Stop::parse(&line);
        let allowed = {
            let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
            rates.allow(stop.is_some(), Instant::now())
        };
        if !allowed {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.metrics.diagnostics_dropped();
            return false;
        }
        self.metrics.diagnostics_taken(line.is_cut);
        // The collector ends after every connection has ended.
        let _ = self.collected.send(Accepted { received_ms: now_ms(), line, stop }).await;
        true
    }
}

/// Logs and keeps the lines of all connections.
async fn collect(
    folder: PathBuf,
    metrics: Arc<Metrics>,
    dropped: Arc<AtomicU64>,
    mut collecting: mpsc::Receiver<Accepted>,
) {
    let mut keeper = Keeper::open(folder);
    if let Some((name, exit, at_ms)) = keeper.last_stop() {
        metrics.enclave_last_stop(&name, exit, at_ms);
    }
    let mut tick = tokio::time::interval(WRITE_EVERY);
    loop {
        let taken = tokio::select! {
            taken = collecting.recv() => taken,
            _ = tick.tick() => {
                say_dropped(&dropped);
                write_lines(&mut keeper).await;
                continue;
            }
        };
        let Some(Accepted { received_ms, line, stop }) = taken else { break };
        line.log();
        keeper.keep(received_ms, &line.text());
        if let Some(stop) = stop {
            stop.log();
            metrics.enclave_stopped(&stop.name, stop.exit, received_ms);
            write(keeper.stop_file(&stop, received_ms)).await;
            write_lines(&mut keeper).await;
        }
    }
    say_dropped(&dropped);
    write_lines(&mut keeper).await;
}

fn say_dropped(dropped: &AtomicU64) {
    let count = dropped.swap(0, Ordering::Relaxed);
    if count > 0 {
        tracing::warn!(count, "dropped lines of the enclave: above the rate limit");
    }
}

async fn write_lines(keeper: &mut Keeper) {
    if let Some(file) = keeper.lines_file() {
        write(file).await;
    }
}

/// Replaces a file on a blocking thread. A host that cannot keep lines still serves.
async fn write((path, bytes): (PathBuf, Vec<u8>)) {
    let shown = path.clone();
    let written = tokio::task::spawn_blocking(move || keep::replace(&path, &bytes)).await;
    if let Err(error) = written.unwrap_or_else(|panicked| Err(io::Error::other(panicked))) {
        tracing::warn!(path = %shown.display(), %error, "lines of the enclave are not kept");
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
