//! The heartbeat: one byte to the parent, which tells `nitro-cli run-enclave` that the boot works.
//!
//! The init of Amazon's images sends the same one. The enclave ignores a missing answer: if nothing
//! listens (an emulator, a restarted parent) it goes on. If `nitro-cli` receives no heartbeat, it
//! ends the enclave.

use mortise_transport::{Address, connect};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// The byte that the enclave sends and the parent returns.
pub const HEARTBEAT: u8 = 0xb7;
/// Timeout of the whole exchange.
pub const HEARTBEAT_TIME_MAX: Duration = Duration::from_secs(5);

/// Why there was no heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeartbeatError {
    /// The connection failed, or closed before an answer.
    #[error("the parent does not answer: {0}")]
    Unreachable(ErrorKind),
    /// The timeout passed.
    #[error("the parent did not answer in time")]
    Silent,
    /// Another byte came back.
    #[error("the parent answers {found:#04x}")]
    Garbage { found: u8 },
}

/// Sends a heartbeat and waits for its answer, at most `time_max`.
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

    /// The result of a heartbeat when the parent answers with these bytes and closes.
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
    async fn only_the_sent_byte_is_an_answer() {
        assert_eq!(answered(&[HEARTBEAT]).await, Ok(()));
        assert_eq!(answered(&[0xb8]).await, Err(HeartbeatError::Garbage { found: 0xb8 }));
        let gone = HeartbeatError::Unreachable(ErrorKind::UnexpectedEof);
        assert_eq!(answered(&[]).await, Err(gone));
    }

    #[tokio::test]
    async fn absent_and_silent_parents_are_named_in_bounded_time() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("9000"));
        let gone = HeartbeatError::Unreachable(ErrorKind::NotFound);
        assert_eq!(beat(&address, HEARTBEAT_TIME_MAX).await, Err(gone));
        let _silent = Listener::bind(&address).await.unwrap();
        assert_eq!(beat(&address, Duration::from_millis(1)).await, Err(HeartbeatError::Silent));
    }
}
