//! The heartbeat: one byte to the parent, which tells `nitro-cli run-enclave` that this boots.
//!
//! As the init of Amazon's images does it. Nothing depends on the answer: where nobody listens - an
//! emulator, a parent that was restarted - the enclave goes on; where `nitro-cli` misses it, the
//! parent ends the enclave.

use mortise_transport::{Address, connect};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// The byte that is sent, and that comes back.
pub const HEARTBEAT: u8 = 0xb7;
/// Most time for all of it.
pub const HEARTBEAT_TIME_MAX: Duration = Duration::from_secs(5);

/// Why there was no heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeartbeatError {
    /// Nobody took the byte, or nobody gave one back.
    #[error("the parent does not answer: {0}")]
    Unreachable(ErrorKind),
    /// The time passed.
    #[error("the parent says nothing in time")]
    Silent,
    /// Another byte came back.
    #[error("the parent answers {found:#04x}")]
    Garbage {
        /// That byte.
        found: u8,
    },
}

/// Sends a heartbeat and waits for its answer, at most so long.
///
/// # Errors
/// [`HeartbeatError`].
pub async fn beat(parent: &Address, time_max: Duration) -> Result<(), HeartbeatError> {
    let answer = timeout(time_max, exchange(parent)).await.map_err(|_| HeartbeatError::Silent)?;
    match answer.map_err(|error| HeartbeatError::Unreachable(error.kind()))? {
        HEARTBEAT => Ok(()),
        found => Err(HeartbeatError::Garbage { found }),
    }
}

async fn exchange(parent: &Address) -> std::io::Result<u8> {
    let mut stream = connect(parent).await?;
    stream.write_all(&[HEARTBEAT]).await?;
    stream.flush().await?;
    stream.read_u8().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_transport::Listener;

    /// What a parent that answers so makes of a heartbeat; without bytes it hangs up.
    async fn answered(answer: &'static [u8]) -> Result<(), HeartbeatError> {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("9000"));
        let listener = Listener::bind(&address).await.unwrap();
        let parent = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), HEARTBEAT);
            stream.write_all(answer).await.unwrap();
        });
        let beaten = beat(&address, HEARTBEAT_TIME_MAX).await;
        parent.await.unwrap();
        beaten
    }

    #[tokio::test]
    async fn answer_is_the_byte_that_was_sent() {
        assert_eq!(answered(&[HEARTBEAT]).await, Ok(()));
        assert_eq!(answered(&[0xb8]).await, Err(HeartbeatError::Garbage { found: 0xb8 }));
        let gone = HeartbeatError::Unreachable(ErrorKind::UnexpectedEof);
        assert_eq!(answered(&[]).await, Err(gone));
    }

    #[tokio::test]
    async fn parent_that_is_not_there_or_says_nothing_is_named_in_bounded_time() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("9000"));
        let gone = HeartbeatError::Unreachable(ErrorKind::NotFound);
        assert_eq!(beat(&address, HEARTBEAT_TIME_MAX).await, Err(gone));
        let _silent = Listener::bind(&address).await.unwrap();
        assert_eq!(beat(&address, Duration::from_millis(1)).await, Err(HeartbeatError::Silent));
    }
}
