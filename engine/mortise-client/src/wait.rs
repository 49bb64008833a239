//! Waiting for a status.

use crate::client::Client;
use crate::error::ClientError;
use mortise_format::ids::LockId;
use mortise_rpc::results::{LockById, LockStatus};
use std::time::Duration;
use tokio::time::Instant;

const POLL_FIRST: Duration = Duration::from_millis(50);
const POLL_MAX: Duration = Duration::from_secs(1);

impl Client {
    /// Polls a lock until it has a status.
    ///
    /// # Errors
    /// `LockGone` when it is not in the state; `EndedOtherwise` when the status can no longer be
    /// reached; `WaitedInVain` on timeout; as any call.
    pub async fn wait_for_status(
        &self,
        lock_id: LockId,
        status: LockStatus,
        wait_max: Duration,
    ) -> Result<LockById, ClientError> {
        let end = Instant::now() + wait_max;
        let mut pause = POLL_FIRST;
        loop {
            let lock = self.lock_by_id(lock_id).await?.ok_or(ClientError::LockGone)?;
            let found = lock.status;
            if found == status {
                return Ok(lock);
            }
            if matches!(found, LockStatus::Held(held) if held.is_terminal()) {
                return Err(ClientError::EndedOtherwise { found });
            }
            if Instant::now() + pause > end {
                return Err(ClientError::WaitedInVain { found });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(POLL_MAX);
        }
    }
}
