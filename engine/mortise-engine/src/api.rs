//! What sessions ask the writer and what it answers: the inside of the wire.
//!
//! Commands come admitted; queries are small; answers to logged commands are shared frames from
//! which the session builds its JSON on its own thread.

use crate::drafts::Draft;
use mortise_core::Admitted;
use mortise_core::body::SignedStatement;
use mortise_core::state::locks::Lock;
use mortise_core::state::{Balance, LeafKey, LeafValue};
use mortise_core::tree::StateProof;
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::event::Position;
use mortise_format::ids::{Address, EngineId, LockId, PolicyHash, RequestId, Root};
use mortise_format::lock::{LockTerms, Status};
use mortise_format::policy::Policy;
use mortise_format::reject::Reject;
use std::sync::Arc;

pub use crate::released::ReleasedFrame;

/// Names a question until it is answered; unique per process.
pub type Token = u64;

/// Something for the writer to do.
#[derive(Debug)]
pub struct Work {
    /// Whose answer it will be.
    pub token: Token,
    /// What is asked.
    pub ask: Ask,
}

/// A question.
#[derive(Debug)]
pub enum Ask {
    /// Change the state.
    Command(Admitted),
    /// Read it.
    Query(Query),
}

/// A read.
#[derive(Debug, Clone)]
pub enum Query {
    /// Identity, head and state root.
    Status,
    /// One lock, or draft.
    Lock(LockId),
    /// The terms behind a lock id, as first signed; of a draft or a lock.
    Terms(LockId),
    /// Locks, in order of their grant.
    Locks(LockFilter),
    /// Balance of an account.
    Balance(Address, Asset),
    /// The newest signed statement.
    Statement,
    /// A nonce that is free and not drafted.
    SuggestNonce(Address),
    /// Make a draft.
    Draft(DraftRequest),
    /// What would become of a command.
    Simulate(Box<Admitted>),
    /// The policy.
    Policy,
    /// Presence or absence of a leaf.
    Proof(LeafKey),
    /// Expire and prune what is due now.
    Sweep,
}

impl Query {
    /// True when the answer holds a root, a seq or a proof.
    pub fn needs_roots(&self) -> bool {
        matches!(self, Self::Status | Self::Proof(_) | Self::Statement)
    }
}

/// Which locks.
#[derive(Debug, Clone, Default)]
pub struct LockFilter {
    /// Of this owner; of all when absent.
    pub owner: Option<Address>,
    /// In this status.
    pub status: Option<Status>,
    /// Open ones only.
    pub open_only: bool,
    /// After this grant and id.
    pub after: Option<(Position, LockId)>,
    /// At most so many.
    pub limit: usize,
}

/// A draft to make.
#[derive(Debug, Clone)]
pub struct DraftRequest {
    /// Owner.
    pub owner: Address,
    /// Asset.
    pub asset: Asset,
    /// Amount.
    pub amount: U256,
    /// Seconds from now.
    pub expires_in: u64,
    /// Condition.
    pub condition: Condition,
    /// So that a repeated request finds the same draft.
    pub request_id: Option<RequestId>,
}

/// An answer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The command is this event of this frame.
    Logged(Arc<ReleasedFrame>, u32),
    /// The command was refused and nothing is logged.
    Refused(Reject),
    /// What was read.
    Read(Answer),
    /// The outcome is unknown: the engine stopped before the answer was durable.
    NotDurable,
    /// The engine is in a fault.
    Fault,
}

/// What was read.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Identity, head and state root.
    Status(StatusAnswer),
    /// A lock.
    Lock(Box<Lock>),
    /// A draft.
    Draft(Box<Draft>),
    /// Nothing under this id.
    None,
    /// Terms.
    Terms(Box<LockTerms>, TermsOf),
    /// Locks, and where to go on.
    Locks(Vec<Lock>, Option<(Position, LockId)>),
    /// A balance with the open locks behind it.
    Balance(Balance, Vec<Lock>),
    /// A signed statement; none before the first frame is released.
    Statement(Option<SignedStatement>),
    /// A nonce.
    Nonce(u64),
    /// The policy.
    Policy(Box<Policy>),
    /// Every check of a simulated command that failed; none when it would be granted.
    Simulated(Vec<Reject>),
    /// A proof at a state root.
    Proof(Box<ProofAnswer>),
    /// How many locks time ended.
    Swept(usize),
}

/// What terms belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermsOf {
    /// A draft.
    Draft,
    /// A lock in the state.
    Lock,
}

/// Identity, head and state root.
#[derive(Debug, Clone)]
pub struct StatusAnswer {
    /// The engine.
    pub engine_id: EngineId,
    /// Epoch.
    pub epoch: u64,
    /// Last frame.
    pub seq: u64,
    /// State root after it.
    pub state_root: Root,
    /// Policy in force.
    pub policy_hash: PolicyHash,
    /// Engine time, milliseconds.
    pub time_ms: u64,
    /// Locks in the state.
    pub lock_count: usize,
    /// Drafts.
    pub draft_count: usize,
}

/// A proof and what it proves.
#[derive(Debug, Clone)]
pub struct ProofAnswer {
    /// The leaf.
    pub key: LeafKey,
    /// Its value and salt, when present.
    pub value: Option<(LeafValue, [u8; 32])>,
    /// The proof.
    pub proof: StateProof,
    /// The root that it proves against.
    pub state_root: Root,
    /// The frame after which that is the root.
    pub seq: u64,
}
