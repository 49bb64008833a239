//! Queries: what a session asks of the writer, each with the type of its answer.
//!
//! What it is for: a query is a value that reads the state, or the drafts, in its turn. Its type
//! names the type of its answer, so no caller can be answered with that of another query.
//!
//! What it does not do: change the state, make a frame (commands and sweeps do), read the log (the
//! read plane does), send (the pipeline hands answers out, and its actor sends them).
//!
//! ```text
//! session --AskedQuery--> pipeline: read in its turn --> HeldAnswer, with a frame in flight
//!    ^                                                        | the frame is released
//!    '------------- Rooted<Answer> <--- Leaving <-------------'
//! ```
//! Invariants:
//! - INV-09: the content of a [`HeldAnswer`] can only be had together with the statement about the
//!   released frame that it rests on.
//! - The type of an answer is erased between submission and sending, and is never asked for.

mod accounts;
mod drafts;
mod engine;
mod leaving;
mod locks;
mod proofs;

pub use accounts::{
    BalanceAnswer, FindBalance, FindHolds, FindReadings, HoldsAnswer, SuggestNonce,
};
pub use drafts::{CreateDraft, DraftLooksAt, DraftRefused, Simulate, Simulated};
pub use engine::{EngineStatus, NewestStatement, PolicyInForce, StatusAnswer};
pub use leaving::{AskedQuery, HeldAnswer, Leaving, Responder, Response, Stop, Waiting, asked};
pub use locks::{
    FindGrant, FindHistory, FindLock, FindRequest, FindTerms, FoundTerms, HistoryAnswer, ListOpen,
    ListPage, LockOrDraft, LockPage, TermsOf,
};
pub use proofs::{ProofAnswer, ProveEntry, ProveEntryAt};

use crate::api::{DecisionTime, ShareKey};
use crate::drafts::Drafts;
use mortise_core::Machine;
use mortise_core::body::CarriedStatement;
use mortise_core::state::State;
use std::fmt::Debug;
use std::sync::Arc;

/// A read of the state of the last closed frame.
pub trait Query: Debug + Send + 'static {
    type Answer: Debug + Send + 'static;

    /// What it copies or hashes on the writer, in units (see `specs/limits.md`).
    const COST: u32 = 1;

    /// Reads the answer. It is bounded work: the writer does nothing else meanwhile.
    fn read(self, context: Context<'_>) -> Self::Answer;
}

/// What a query reads.
#[derive(Debug)]
pub struct Context<'a> {
    /// The state and root of the last closed frame. No frame is open.
    pub machine: &'a Machine,
    pub drafts: &'a mut Drafts,
    /// Who asks: drafts are of their callers.
    pub caller: ShareKey,
    /// Engine time, milliseconds; never before the last frame.
    pub now_ms: u64,
}

impl Context<'_> {
    fn state(&self) -> &State {
        self.machine.state()
    }

    fn decision_time(&self) -> DecisionTime {
        DecisionTime::of(self.machine, self.now_ms)
    }
}

/// An answer with the statement about the released frame that it rests on.
#[derive(Debug, Clone)]
pub struct Rooted<A> {
    pub answer: A,
    pub signed: Arc<CarriedStatement>,
}
