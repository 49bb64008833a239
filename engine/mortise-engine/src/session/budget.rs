//! The bytes that all sessions hold: requests that are being read or answered, and answers from
//! before they are made until they are written.
//!
//! What it does not do: bound what a request makes the engine do. Queues and quotas do that.

use mortise_format::limits::{ANSWER_BYTES_HELD_MAX, IN_FLIGHT_MAX, REQUEST_BYTES_HELD_MAX};
use mortise_transport::{ByteBudget, FairBytes, FairPool};

/// The sums over all sessions.
#[derive(Debug)]
pub struct Budgets {
    pub requests: ByteBudget,
    pub answers: FairBytes,
    /// Numbered messages from when they are read until their answer is written, and the calls of
    /// batches until they are answered.
    pub messages: FairPool,
}

impl Default for Budgets {
    fn default() -> Self {
        Self::new(REQUEST_BYTES_HELD_MAX, ANSWER_BYTES_HELD_MAX, IN_FLIGHT_MAX)
    }
}

impl Budgets {
    pub fn new(requests: usize, answers: usize, messages: usize) -> Self {
        Self {
            requests: ByteBudget::new(requests),
            answers: FairBytes::new(answers),
            messages: FairPool::new(messages),
        }
    }
}

/// The wait that an OVERLOADED error asks for.
pub(super) const RETRY_AFTER_MS: u64 = 200;
