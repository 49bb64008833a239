//! Requests of sessions to the writer, and its answers.
//!
//! Commands arrive admitted and queries are small. The answer to a logged command is a shared
//! frame; the session renders its JSON from it on its own thread.

use crate::drafts::Draft;
use mortise_core::Admitted;
use mortise_core::body::CarriedStatement;
use mortise_core::machine::EpochRecord;
use mortise_core::machine::RootNotKept;
use mortise_core::state::changes::Changes;
use mortise_core::state::locks::Lock;
use mortise_core::state::{ApprovedImages, Balance, GrantedReading, LeafKey, LeafValue};
use mortise_core::tree::StateProof;
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::cursor::ListCursor;
use mortise_format::event::LogPosition;
use mortise_format::ids::{Address, Bytes32, EngineId, LockId, PolicyHash, RequestId, Root};
use mortise_format::lock::{Custody, LockTerms, Status};
use mortise_format::policy::Policy;
use mortise_format::reject::Reject;
use mortise_format::rules::RuleSet;
use mortise_rpc::params::SimulateLock;
use std::sync::Arc;

pub use crate::released::ReleasedFrame;
pub use mortise_core::state::lists::LockFilter;
pub use mortise_transport::ShareKey;

/// Identifies a request until it is answered. Unique per process.
pub type Token = u64;

/// A submission with the token of its answer.
#[derive(Debug)]
pub struct Work {
    pub token: Token,
    /// Whose share it counts against.
    pub caller: ShareKey,
    pub submission: Submission,
}

/// What a session submits to the writer.
#[derive(Debug)]
pub enum Submission {
    /// Changes the state, if the decision grants it.
    Command(Admitted),
    /// Changes nothing in the log, except [`Query::Sweep`].
    Query(Query),
}

#[derive(Debug, Clone)]
pub enum Query {
    /// Identity, head and state root.
    Status,
    /// One lock or draft.
    Lock(LockId),
    /// The positions of the events of a lock.
    History(LockId),
    /// The terms of a lock or draft, as first signed.
    Terms(LockId),
    /// A page of locks, in the order of their grants.
    Locks(LockFilter),
    /// The open locks of an owner, at most `OWNER_LOCKS_MAX`.
    OpenLocks(Address),
    /// Balance of an account.
    Balance(Address, Asset),
    /// Balance of an account with the locks that hold it, at most `OWNER_LOCKS_MAX`.
    Holds(Address, Asset),
    /// The newest signed statement.
    Statement,
    /// A nonce that no lock and no draft of the owner uses.
    SuggestNonce(Address),
    /// Creates a draft.
    Draft(DraftRequest),
    /// The checks of a commit, without the commit.
    Simulate(Box<SimulateLock>),
    Policy,
    /// Presence or absence of a leaf.
    Proof(LeafKey),
    /// Presence or absence of a leaf after a recent frame.
    ProofAt(LeafKey, u64),
    /// The position of an event.
    Locate(ReceiptOf),
    /// Expires and prunes the locks that are due now.
    Sweep,
    /// The reading rights of an X25519 key.
    Readings(Bytes32),
}

/// Names an event.
pub type ReceiptOf = mortise_rpc::params::GetReceipt;

/// A draft to create.
#[derive(Debug, Clone)]
pub struct DraftRequest {
    pub owner: Address,
    pub asset: Asset,
    pub amount: U256,
    /// Seconds from now.
    pub expires_in: u64,
    pub condition: Condition,
    /// The id of the request: a repeat returns the same draft.
    pub request_id: Option<RequestId>,
    pub looks_at: DraftLooksAt,
}

/// What a draft is checked against, and what its nonce is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftLooksAt {
    /// The owner's balance, locks and nonces. The answer tells of them.
    Account,
    /// The terms and the policy alone: anyone may have the answer.
    Terms,
}

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

#[derive(Debug, Clone)]
pub enum Reply {
    /// The event of this command: its frame and its index there.
    Logged(Arc<ReleasedFrame>, u32),
    /// The command or query was refused.
    Refused(Rejected),
    /// The result of a read.
    Read(Answer),
    /// The result of a read after a frame, and the statement about that frame.
    Rooted(Answer, Box<CarriedStatement>),
    /// The answer is the event at this position of the released log. The reader makes it.
    Recall(LogPosition),
    /// The engine stopped before the answer was durable: the outcome is unknown.
    NotDurable,
    /// The writer has stopped: nothing was done.
    Fault,
}

/// A proof about the log, in the history of the newest released frame.
#[derive(Debug, Clone)]
pub struct LogProof {
    /// The statement about the newest released frame.
    pub newest: CarriedStatement,
    /// Paths and roots, in the order that the query needs.
    pub paths: Vec<Vec<[u8; 32]>>,
    /// The event to prove: its frame and its index there.
    pub event: Option<(Arc<ReleasedFrame>, u32)>,
}

/// The result of a read.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Identity, head and state root.
    Status(StatusAnswer),
    Lock(Box<Lock>),
    Draft(Box<Draft>),
    /// No draft was made: the pool is full of others that may not be evicted yet.
    DraftsFull,
    /// There is no lock or draft with this id.
    None,
    /// The position of an event; `None` if the engine remembers no such request.
    Located(Option<LogPosition>),
    /// The state after that frame is not kept. Contains the range of frames that can be proven.
    RootNotKept(RootNotKept),
    Terms(Box<LockTerms>, TermsOf),
    History(Box<HistoryAnswer>),
    /// Locks, and the cursor of the next page.
    Locks(Vec<Lock>, Option<ListCursor>),
    Balance(Box<BalanceAnswer>),
    Holds(Box<HoldsAnswer>),
    /// The reply contains the statement; there is no other content.
    Statement,
    Nonce(u64),
    Policy(Box<Policy>),
    /// The result of a simulation; `None` if the expiry does not fit into 64 bits.
    Simulated(Option<Box<Simulated>>),
    /// A proof under a state root.
    Proof(Box<ProofAnswer>),
    /// Number of locks that expired.
    Swept(usize),
    Readings(Box<ReadingsAnswer>),
}

/// The reading rights of one reader.
#[derive(Debug, Clone)]
pub struct ReadingsAnswer {
    /// The rights, in the order of their events.
    pub readings: Vec<GrantedReading>,
    /// The epochs that at least one right covers.
    pub epochs: Vec<EpochRecord>,
}

/// Where the events of a lock are.
#[derive(Debug, Clone)]
pub struct HistoryAnswer {
    /// Status now.
    pub status: Status,
    pub granted_at: LogPosition,
    pub changes: Changes,
}

/// A balance with the locks that make it up.
#[derive(Debug, Clone)]
pub struct HoldsAnswer {
    pub balance: Balance,
    /// Locks that hold a part of the balance, the oldest first.
    pub locks: Vec<Lock>,
    /// False when others hold a part too.
    pub is_whole: bool,
}

/// A balance.
#[derive(Debug, Clone)]
pub struct BalanceAnswer {
    pub balance: Balance,
    /// Custody class; `None` if the policy does not have the chain.
    pub custody: Option<Custody>,
    /// Time of the chain head in the last fact, seconds.
    pub head_time: Option<u64>,
}

/// The result of a simulated commit.
#[derive(Debug, Clone)]
pub struct Simulated {
    /// The id that the lock would have.
    pub lock_id: LockId,
    /// The complete terms, with nonce and expiry filled in.
    pub terms: LockTerms,
    /// Every check that fails; empty if the lock would be granted.
    pub failures: Vec<Reject>,
    /// `claimBy` and `settleBy`, if the policy has the target chain.
    pub times: Option<(u64, u64)>,
}

/// The object that terms belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermsOf {
    Draft,
    Lock,
}

/// Identity, head and state root.
#[derive(Debug, Clone)]
pub struct StatusAnswer {
    pub engine_id: EngineId,
    pub epoch: u64,
    /// Rules of the epoch.
    pub rules: RuleSet,
    /// Last frame.
    pub seq: u64,
    /// State root after the last frame.
    pub state_root: Root,
    /// Policy in force.
    pub policy_hash: PolicyHash,
    /// Engine time now, milliseconds.
    pub now_ms: u64,
    /// Engine time of the last frame, milliseconds.
    pub head_time_ms: u64,
    pub lock_count: usize,
    pub draft_count: usize,
    /// The oldest frame whose state root can still prove entries.
    pub oldest_root_seq: u64,
    /// The approval of images that is in force.
    pub approved_images: Option<ApprovedImages>,
}

/// A proof and what it proves.
#[derive(Debug, Clone)]
pub struct ProofAnswer {
    pub key: LeafKey,
    /// Value and salt of the leaf, if it is present.
    pub value: Option<(LeafValue, [u8; 32])>,
    pub proof: StateProof,
}
