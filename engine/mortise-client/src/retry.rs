//! Retries: when a call is sent again, and after how long.

use crate::link::LinkError;
use mortise_format::errors::Code;
use mortise_rpc::ErrorObject;
use std::time::Duration;

/// Number of attempts, waits and timeout of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Most attempts per call.
    pub attempts_max: u32,
    /// Wait before the second attempt. Doubles for each further one.
    pub wait_first: Duration,
    /// Longest wait.
    pub wait_max: Duration,
    /// Timeout for one answer.
    pub answer_max: Duration,
}

impl Default for RetryPolicy {
    /// Eight attempts, from 50 ms to 2 s apart, 30 s timeout.
    fn default() -> Self {
        Self {
            attempts_max: 8,
            wait_first: Duration::from_millis(50),
            wait_max: Duration::from_secs(2),
            answer_max: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// One attempt.
    pub fn once() -> Self {
        Self { attempts_max: 1, ..Self::default() }
    }

    /// The wait before attempt `attempt` (from 1), not shorter than the engine asked for.
    pub(crate) fn wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.wait_first.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        doubled.max(asked.unwrap_or_default()).min(self.wait_max)
    }
}

/// Whether a call may be sent again after the connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnLoss {
    /// The call changes nothing, or is idempotent.
    SendAgain,
    /// A second attempt could have another result, so the caller decides.
    GiveUp,
}

/// Why to send the same text again.
pub(crate) enum RetryReason {
    /// A transient error, by the engine, or by the relay for an encrypted call.
    Refused(ErrorObject, Duration),
    /// No answer.
    Lost(LinkError),
    /// The request was encrypted to a key that the engine no longer has.
    OtherBoot,
}

/// The wait that an error asks for, if the same bytes should be sent again automatically.
pub(crate) fn worth_waiting(error: &ErrorObject) -> Option<Duration> {
    match error.entry()? {
        Code::Overloaded => {
            Some(Duration::from_millis(error.number("retryAfterMs").unwrap_or_default()))
        }
        Code::NotReady | Code::NotDurable => Some(Duration::ZERO),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_follow_the_engine() {
        let policy = RetryPolicy::default();
        let waits: Vec<u128> = (1..=8).map(|n| policy.wait(n, None).as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        let asked = Some(Duration::from_millis(700));
        assert_eq!(policy.wait(1, asked).as_millis(), 700);
        assert_eq!(policy.wait(u32::MAX, None), policy.wait_max);
    }

    #[test]
    fn only_transient_refusals_are_worth_waiting_for() {
        let waiting: Vec<Code> = Code::all()
            .iter()
            .copied()
            .filter(|code| worth_waiting(&ErrorObject::new(*code)).is_some())
            .collect();
        assert_eq!(waiting, [Code::NotDurable, Code::NotReady, Code::Overloaded]);
        let busy = ErrorObject::overloaded(30);
        assert_eq!(worth_waiting(&busy), Some(Duration::from_millis(30)));
    }
}
