//! The honest client: one commit after the other at a moderate rate.

use crate::demo::line::Line;
use crate::demo::requests::LoadRequests;
use mortise_client::Signer;
use mortise_transport::Address;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// Time between two commits.
const PACE: Duration = Duration::from_millis(50);

pub(super) struct Honest {
    line: Line,
    requests: LoadRequests,
    owner: Signer,
    nonce: u64,
}

/// What the honest client saw in one row.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub times: Vec<Duration>,
    pub errors: u32,
}

impl Honest {
    pub fn new(engine: Address, requests: LoadRequests, owner: Signer) -> Self {
        Self { line: Line::new(engine), requests, owner, nonce: 0 }
    }

    /// Commits for this long. An answer that is no result, or no answer, is an error.
    pub async fn run(&mut self, length: Duration) -> Seen {
        let (begun, mut seen) = (Instant::now(), Seen::default());
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while begun.elapsed() < length {
            pace.tick().await;
            let commit = self.requests.commit(&self.owner, self.nonce, 1);
            self.nonce += 1;
            let asked = Instant::now();
            match self.line.ask(&commit.bytes).await {
                Ok(answer) if answer.starts_with(br#"{"jsonrpc":"2.0","result":"#) => {
                    seen.times.push(asked.elapsed());
                }
                _ => seen.errors += 1,
            }
        }
        seen
    }
}
