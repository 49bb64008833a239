//! The threads of the abusive callers, at the lowest priority of the scheduler.

use mortise_cli::failure::Failure;
use tokio::runtime::{Builder, Handle, Runtime};

/// Threads of their own. Dropping them ends what runs there.
pub(super) struct Others {
    pub handle: Handle,
    threads: Option<Runtime>,
}

impl Others {
    pub fn start() -> Result<Self, Failure> {
        let mut threads = Builder::new_multi_thread();
        // On Linux this is the priority of the calling thread. Without it the run is harder on
        // the engine, not wrong.
        threads.on_thread_start(|| {
            let _ = rustix::process::setpriority_process(None, LOWEST);
        });
        let threads = threads.enable_all().build().map_err(Failure::system)?;
        Ok(Self { handle: threads.handle().clone(), threads: Some(threads) })
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        // A runtime must not wait for its threads where it is dropped, inside another one.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// The lowest priority (setpriority(2)).
const LOWEST: i32 = 19;
