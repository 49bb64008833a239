//! The order in which threads get the processor.
//!
//! What it is for: an enclave has few processors, and callers can keep more threads busy than there
//! are. What strangers can ask for (signatures to recover, reads of the log, documents) and the
//! sealing of snapshots give way to what every promise waits for: sessions, writer and signers.
//!
//! What it does not do: bound the work. Queues and shares do; without other work, these threads
//! have the processors for themselves.

use rustix::process::setpriority_process;
use tokio::task::{JoinHandle, spawn_blocking};

/// Puts the calling thread behind the others (setpriority(2): on Linux, of the thread alone).
pub fn give_way() {
    if let Err(error) = setpriority_process(None, BEHIND) {
        // Slower for others under load, and right all the same.
        tracing::warn!(%error, "the priority of a thread was not lowered");
    }
}

/// Runs work on a blocking thread, behind the others: RSA keys and documents for the key service,
/// texts of callers.
pub fn spawn_behind<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    spawn_blocking(move || {
        // The thread keeps it. Nothing that a promise waits for runs in this pool.
        give_way();
        work()
    })
}

/// A ninth of the time of a thread of normal priority, when both want the processor.
const BEHIND: i32 = 10;
