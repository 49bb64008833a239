//! Waits for the parent's store, because an enclave may start before the host's services.

use crate::stop::Stop;
use mortise_transport::{Address, connect};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Longest wait for the store to listen.
pub const PARENT_WAIT_MAX: Duration = Duration::from_secs(60);

/// Returns when the store accepts a connection. The engine checks what it answers.
///
/// # Errors
/// `Parent` when the timeout passes.
pub async fn wait(store: &Address, wait_max: Duration) -> Result<(), Stop> {
    let until = Instant::now() + wait_max;
    let mut is_logged = false;
    loop {
        let why = match timeout_at(until, connect(store)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.kind(),
            Err(_) => std::io::ErrorKind::TimedOut,
        };
        if Instant::now() + RETRY_EVERY >= until {
            let waited_ms = u64::try_from(wait_max.as_millis()).unwrap_or(u64::MAX);
            return Err(Stop::Parent { address: store.clone(), waited_ms, why });
        }
        if !is_logged {
            is_logged = true;
            tracing::info!(%store, %why, "waiting for the parent's store");
        }
        sleep(RETRY_EVERY).await;
    }
}

const RETRY_EVERY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_transport::Listener;

    #[tokio::test]
    async fn store_that_starts_late_is_awaited() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("5001"));
        let waiting = tokio::spawn({
            let address = address.clone();
            async move { wait(&address, PARENT_WAIT_MAX).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        let _late = Listener::bind(&address).await.unwrap();
        assert!(waiting.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn absent_parent_is_a_named_stop_after_the_timeout() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("5001"));
        let stop = wait(&address, Duration::from_millis(1)).await.unwrap_err();
        assert!(matches!(&stop, Stop::Parent { waited_ms: 1, address: at, .. } if *at == address));
        assert_eq!((stop.name(), stop.exit()), ("PARENT", 75));
    }
}
