//! Sends the lines of the log to the parent, over vsock.
//!
//! What it is for: an enclave outside debug mode has no console. Each line of the log, the stop
//! line included, also goes to the parent (`specs/diagnostics.md`).
//!
//! ```text
//! log --> bounded queue, drops the oldest --> thread: connect, write; retry after a delay
//! ```
//! What it does not do: wait for the parent (except briefly at the end), read anything from it,
//! keep the part of a line beyond the bound.
//!
//! Invariants: a write never blocks and never fails; dropped lines are counted, and the count is
//! sent before the next line. A line can arrive twice, on two connections.

use mortise_format::limits::DIAGNOSTICS_LINE_BYTES_MAX;
use mortise_transport::{Address, connect};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes queued for the parent.
pub const QUEUE_BYTES_MAX: usize = 256 * 1024;

/// A handle that the log writes lines to.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Notify,
    emptied: Condvar,
}

impl Diagnostics {
    /// Starts the thread that writes to the parent. If no thread can start, lines are dropped.
    pub fn start(parent: Address) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        // A machine without memory for a thread has only the console.
        let _ = std::thread::Builder::new().name("mortise-diagnostics".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(write_forever(&parent, &writer));
            }
        });
        Self { shared }
    }

    /// Waits until everything is written to the parent, at most `wait_max`.
    pub fn flush(&self, wait_max: Duration) {
        let queue = self.shared.lock();
        let is_behind = |queue: &mut Queue| !queue.is_empty();
        drop(self.shared.emptied.wait_timeout_while(queue, wait_max, is_behind));
    }
}

impl io::Write for &Diagnostics {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.shared.lock().push(bytes);
        self.shared.filled.notify_one();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Diagnostics {
    type Writer = &'a Diagnostics;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Shared {
    /// A panic while the lock is held cannot leave half a line behind.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and takes them.
    async fn next(&self) -> Vec<u8> {
        loop {
            if let Some(batch) = self.lock().take() {
                return batch;
            }
            self.filled.notified().await;
        }
    }

    fn written(&self) {
        self.lock().is_sending = false;
        self.emptied.notify_all();
    }
}

/// Lines that are not written yet.
#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: u64,
    /// True while taken lines are not yet written.
    is_sending: bool,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && !self.is_sending
    }

    /// Adds a line, cut at its bound, and drops the oldest lines to make room.
    fn push(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut line = line[..line.len().min(DIAGNOSTICS_LINE_BYTES_MAX - 1)].to_vec();
        line.push(b'\n');
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.bytes > QUEUE_BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len();
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Takes all lines, after a line with the number of dropped ones.
    fn take(&mut self) -> Option<Vec<u8>> {
        if self.lines.is_empty() {
            return None;
        }
        let mut batch = Vec::with_capacity(self.bytes);
        if self.dropped > 0 {
            let dropped = self.dropped;
            let (level, message) = ("WARN", "lines were dropped");
            batch.extend(
                format!(
                    "{{\"level\":\"{level}\",\"fields\":{{\"message\":\"{message}\",\
                     \"dropped\":{dropped}}},\"target\":\"mortise_enclave::diagnostics\"}}\n"
                )
                .into_bytes(),
            );
        }
        batch.extend(self.lines.drain(..).flatten());
        (self.bytes, self.dropped, self.is_sending) = (0, 0, true);
        Some(batch)
    }
}

/// Writes to the parent, and reconnects after a delay when a connection ends.
async fn write_forever(parent: &Address, shared: &Shared) {
    let mut batch = Vec::new();
    let mut wait = WAIT_MIN;
    loop {
        if batch.is_empty() {
            batch = shared.next().await;
        }
        let has_written = write_until_closed(parent, shared, &mut batch).await;
        wait = if has_written { WAIT_MIN } else { (wait * 2).min(WAIT_MAX) };
        sleep(wait).await;
    }
}

/// Serves one connection; true when it wrote something. Unwritten lines stay in `batch`.
async fn write_until_closed(parent: &Address, shared: &Shared, batch: &mut Vec<u8>) -> bool {
    let Ok(Ok(stream)) = timeout(CONNECT_TIME_MAX, connect(parent)).await else { return false };
    let (mut read, mut write) = tokio::io::split(stream);
    let mut has_written = false;
    let mut never = [0];
    loop {
        if batch.is_empty() {
            tokio::select! {
                lines = shared.next() => *batch = lines,
                // The parent never sends anything: a read returns only when the connection ends.
                _ = read.read(&mut never) => return has_written,
            }
        }
        let written = async {
            write.write_all(batch).await?;
            write.flush().await
        };
        let Ok(Ok(())) = timeout(WRITE_TIME_MAX, written).await else { return has_written };
        batch.clear();
        has_written = true;
        shared.written();
    }
}

const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
const WRITE_TIME_MAX: Duration = Duration::from_secs(5);
/// Delay before the next connection; it doubles while nothing is written.
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;

    #[test]
    fn full_queue_drops_its_oldest_lines_and_counts_them() {
        let mut queue = Queue::default();
        let line = |number: usize| format!("{number:01023}\n").into_bytes();
        let count = QUEUE_BYTES_MAX / 1024 + 3;
        (0..count).for_each(|number| queue.push(&line(number)));
        assert!(queue.bytes <= QUEUE_BYTES_MAX);
        let batch = String::from_utf8(queue.take().unwrap()).unwrap();
        let mut lines = batch.lines();
        assert!(lines.next().unwrap().contains("\"dropped\":3}"));
        assert_eq!(lines.next(), Some(format!("{:01023}", 3).as_str()));
        assert_eq!(lines.next_back(), Some(format!("{:01023}", count - 1).as_str()));
        assert_eq!((queue.take(), queue.dropped, queue.bytes), (None, 0, 0));
    }

    #[test]
    fn long_line_is_cut_at_its_bound() {
        let mut queue = Queue::default();
        queue.push(&[b'x'; 2 * DIAGNOSTICS_LINE_BYTES_MAX]);
        let cut = queue.take().unwrap();
        assert_eq!((cut.len(), cut.last()), (DIAGNOSTICS_LINE_BYTES_MAX, Some(&b'\n')));
    }

    #[test]
    fn lines_reach_a_parent_that_starts_late_or_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("5002");
        let diagnostics = Diagnostics::start(Address::Unix(path.clone()));
        writeln!(&diagnostics, "one").unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        let received = || {
            let (stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).unwrap();
            line
        };
        assert_eq!(received(), "one\n");
        // that connection is closed by now
        (&diagnostics).write_all(b"two\n").unwrap();
        assert_eq!(received(), "two\n");
    }

    #[test]
    fn missing_listener_blocks_no_writer() {
        let folder = tempfile::tempdir().unwrap();
        let diagnostics = Diagnostics::start(Address::Unix(folder.path().join("5002")));
        for _ in 0..1000 {
            (&diagnostics).write_all(&[b'x'; 1000]).unwrap();
        }
        diagnostics.flush(Duration::from_millis(1));
        assert!(diagnostics.shared.lock().bytes <= QUEUE_BYTES_MAX);
    }
}
