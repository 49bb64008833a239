//! Requests of sessions to the writer, and its answers.
//!
//! Commands arrive admitted and queries are small. The answer to a logged command is a shared
//! frame; the session renders its JSON from it on its own thread. Each query has an answer of its
//! own type ([`crate::query`]).

use crate::query::{AskedQuery, Responder};
use mortise_core::{Admitted, Machine};
use mortise_format::event::LogPosition;
use mortise_format::reject::Reject;
use mortise_format::rules::RuleSet;
use std::sync::Arc;
use tokio::sync::oneshot;

pub use crate::released::ReleasedFrame;
pub use mortise_core::state::lists::LockFilter;
pub use mortise_transport::ShareKey;

/// Names a request in the outputs of the pipeline. Unique per process.
pub type Token = u64;

/// A submission with its token.
#[derive(Debug)]
pub struct Work {
    pub token: Token,
    /// Whose share it counts against.
    pub caller: ShareKey,
    pub submission: Submission,
}

/// What a session submits to the writer, with the channel of its answer.
#[derive(Debug)]
pub enum Submission {
    /// Changes the state, if the decision grants it.
    Command(Admitted, oneshot::Sender<Replied>),
    /// Expires and prunes the locks that are due now.
    Sweep(Responder<Swept>),
    /// Changes nothing in the log.
    Query(Box<dyn AskedQuery>),
}

/// Number of locks that a sweep expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept(pub usize);

/// A refusal, and what it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected {
    /// Why.
    pub reject: Reject,
    /// True when the same bytes can never be granted.
    pub is_final: bool,
    /// The event in the log. Only its receipt proves that the engine refused, and not the parent.
    pub logged: Option<LogPosition>,
    /// Engine time of the decision, if it was made now.
    pub decided: Option<DecisionTime>,
}

/// When something was decided. The clock goes on while the log stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionTime {
    /// Engine time, Unix milliseconds.
    pub now_ms: u64,
    /// Time of the last frame before, Unix milliseconds.
    pub head_ms: u64,
}

impl DecisionTime {
    /// What is decided now on the state of the last closed frame.
    pub fn of(machine: &Machine, now_ms: u64) -> Self {
        let head_ms = machine.head().time_ms;
        Self { now_ms: now_ms.max(head_ms), head_ms }
    }
}

impl Rejected {
    /// A refusal of a command that was decided under these rules. Before rule set 3 each logged
    /// refusal is final.
    pub fn decided(
        rules: RuleSet,
        reject: Reject,
        logged: Option<LogPosition>,
        time: DecisionTime,
    ) -> Self {
        let is_sticky = logged.is_some() && !rules.has_final_refusals();
        let is_final = reject.is_final() || is_sticky;
        Self { reject, is_final, logged, decided: Some(time) }
    }

    /// A refusal that is the answer to its request for good.
    pub fn repeated(reject: Reject, at: LogPosition) -> Self {
        Self { reject, is_final: true, logged: Some(at), decided: None }
    }
}

impl From<Reject> for Rejected {
    fn from(reject: Reject) -> Self {
        Self { reject, is_final: reject.is_final(), logged: None, decided: None }
    }
}

/// What a caller learns of its command.
pub type Replied = Result<Reply, NotDone>;

/// Where the event that answers a command is.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The event of this command: its frame and its index there.
    Logged(Arc<ReleasedFrame>, u32),
    /// The answer is the event at this position of the released log. The reader makes it.
    Recall(LogPosition),
}

/// A command was not executed, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotDone {
    Refused(Box<Rejected>),
    Stopped(Stopped),
}

impl From<Rejected> for NotDone {
    fn from(rejected: Rejected) -> Self {
        Self::Refused(Box::new(rejected))
    }
}

/// The engine stopped before it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The engine stopped before the answer was durable: the outcome is unknown.
    NotDurable,
    /// The writer has stopped: nothing was done.
    Fault,
}
