//! What sessions ask the writer and what it answers: the inside of the wire.
//!
//! Commands come admitted; queries are small; answers to logged commands are shared frames from
//! which the session builds its JSON on its own thread.

use crate::drafts::Draft;
use mortise_core::Admitted;
use mortise_core::body::CarriedStatement;
use mortise_core::machine::EpochRecord;
use mortise_core::machine::RootNotKept;
use mortise_core::state::locks::Lock;
use mortise_core::state::{ApprovedImages, Balance, GrantedReading, LeafKey, LeafValue};
use mortise_core::tree::StateProof;
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::ids::{Address, Bytes32, EngineId, LockId, PolicyHash, RequestId, Root};
use mortise_format::lock::{Custody, LockTerms, Status};
use mortise_format::policy::Policy;
use mortise_format::reject::Reject;
use mortise_rpc::params::SimulateLock;
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
    /// Locks, in order of their ids.
    Locks(LockFilter),
    /// Balance of an account.
    Balance(Address, Asset),
    /// The newest signed statement.
    Statement,
    /// The signed statement about a released frame.
    StatementAt(u64),
    /// A nonce that is free and not drafted.
    SuggestNonce(Address),
    /// Make a draft.
    Draft(DraftRequest),
    /// What would become of a commit.
    Simulate(Box<SimulateLock>),
    /// The policy.
    Policy,
    /// Presence or absence of a leaf.
    Proof(LeafKey),
    /// Presence or absence of a leaf after a recent frame.
    ProofAt(LeafKey, u64),
    /// The receipt of an event, in the newest checkpoint.
    Receipt(ReceiptOf),
    /// The newest checkpoint.
    Checkpoint,
    /// That the log of the first frames begins that of the first `to`, or of the newest checkpoint.
    Consistency {
        /// Frames of the earlier log.
        from: u64,
        /// Frames of the later one.
        to: Option<u64>,
    },
    /// Expire and prune what is due now.
    Sweep,
    /// The reading rights of an X25519 key.
    Readings(Bytes32),
}

impl Query {
    /// True when the answer holds a root, a seq or a proof.
    pub fn needs_roots(&self) -> bool {
        matches!(
            self,
            Self::Status | Self::Balance(..) | Self::Proof(_) | Self::ProofAt(..) | Self::Statement
        )
    }
}

/// Whose receipt.
pub type ReceiptOf = mortise_rpc::params::GetReceipt;

/// Which locks.
#[derive(Debug, Clone, Default)]
pub struct LockFilter {
    /// Of this owner; of all when absent.
    pub owner: Option<Address>,
    /// In this status.
    pub status: Option<Status>,
    /// Open ones only.
    pub open_only: bool,
    /// After this id.
    pub after: Option<LockId>,
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
    /// What was read at the state of a frame, and the statement about that frame.
    Rooted(Answer, Box<CarriedStatement>),
    /// What is shown of the log.
    LogProof(Box<LogProof>),
    /// The outcome is unknown: the engine stopped before the answer was durable.
    NotDurable,
    /// The engine is in a fault.
    Fault,
}

/// What is shown of the log, in the history of its newest released frame.
#[derive(Debug, Clone)]
pub struct LogProof {
    /// The statement about that frame.
    pub newest: CarriedStatement,
    /// Paths and roots, as the query asks for them.
    pub paths: Vec<Vec<[u8; 32]>>,
    /// The event whose receipt was asked for.
    pub event: Option<(Arc<ReleasedFrame>, u32)>,
    /// The proof that was asked for, under the root that the statement of that event names.
    pub proof: Option<Box<ProofAnswer>>,
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
    /// The released log, of this many frames, has no such frame, event or size.
    NotInLog {
        /// Frames of the released log.
        size: u64,
    },
    /// The state after that frame cannot be proven: these frames can be asked for.
    RootNotKept(RootNotKept),
    /// Terms.
    Terms(Box<LockTerms>, TermsOf),
    /// Locks, and where to go on.
    Locks(Vec<Lock>, Option<LockId>),
    /// A balance.
    Balance(Box<BalanceAnswer>),
    /// Nothing but the statement that comes with the reply.
    Statement,
    /// A nonce.
    Nonce(u64),
    /// The policy.
    Policy(Box<Policy>),
    /// What would become of a commit; `None` when its expiry does not fit 64 bits.
    Simulated(Option<Box<Simulated>>),
    /// A proof at a state root.
    Proof(Box<ProofAnswer>),
    /// How many locks time ended.
    Swept(usize),
    /// Reading rights.
    Readings(Box<ReadingsAnswer>),
}

/// The reading rights of one reader.
#[derive(Debug, Clone)]
pub struct ReadingsAnswer {
    /// The rights, in the order of their events.
    pub readings: Vec<GrantedReading>,
    /// The epochs that one of them covers.
    pub epochs: Vec<EpochRecord>,
}

/// A balance with the locks behind it.
#[derive(Debug, Clone)]
pub struct BalanceAnswer {
    /// The parts.
    pub balance: Balance,
    /// Locks that hold something of it.
    pub locks: Vec<Lock>,
    /// Custody class; none when the chain is not served.
    pub custody: Option<Custody>,
    /// Time of the head of the last fact, seconds.
    pub head_time: Option<u64>,
}

/// What would become of a commit.
#[derive(Debug, Clone)]
pub struct Simulated {
    /// The id that the lock would have.
    pub lock_id: LockId,
    /// The whole terms, nonce and expiry filled in.
    pub terms: LockTerms,
    /// Every check that fails; none when it would be granted.
    pub failures: Vec<Reject>,
    /// `claimBy` and `settleBy`, when the chain of the fill is served.
    pub times: Option<(u64, u64)>,
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
    /// The oldest frame under whose state root entries can be proven.
    pub oldest_root_seq: u64,
    /// The approval of images in force.
    pub approved_images: Option<ApprovedImages>,
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
}
