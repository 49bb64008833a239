//! Events: what happened, complete, in the past tense. The log is a sequence of these.
//!
//! An event holds all that `apply` needs and all that an auditor needs to decide it again:
//! full terms, signatures, times. The order of variants is frozen by golden vectors.

use crate::amount::U256;
use crate::claim::Claim;
use crate::command::{Command, SignedCancel};

use crate::fact::BalanceFact;
use crate::ids::{Address, Bytes32, FrameDigest, LockId, RequestId, Signature};
use crate::images::ImageApproval;
use crate::lock::{Custody, LockTerms, Status};
use crate::reading::ReadingGrant;
use crate::reject::Reject;
use crate::request::Request;
use crate::rules::RuleSet;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bincode::{Decode, Encode};

pub use crate::log_position::LogPosition;

/// How an owner agreed to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Authority {
    /// EIP-712 `LockIntent`.
    Intent(Request),
    /// The existing client's `LockApproval`, over a draft.
    Approval,
}

/// A lock that was granted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GrantedLock {
    /// Its identity.
    pub lock_id: LockId,
    /// Its terms, shared by command, event and state.
    pub terms: Arc<LockTerms>,
    /// How its owner agreed.
    pub authority: Authority,
    /// The owner's signature.
    pub signature: Signature,
    /// End of claims, seconds.
    pub claim_by: u64,
    /// End of the hold for claims, seconds.
    pub settle_by: u64,
    /// Custody class.
    pub custody: Custody,
}

/// The digest of a request's content, with a short tag per field so that a reused id can name
/// the field that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Content {
    /// BLAKE3 over the whole content.
    pub digest: Bytes32,
    /// First two bytes of the digest of each field, in the order of the command's fields.
    pub tags: [u16; 8],
}

/// Idempotency key of a request: names it in the table of answered requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct RequestKey {
    /// The signer of the request.
    pub principal: Address,
    /// Its id.
    pub id: RequestId,
    /// Forgotten after this time, seconds.
    pub valid_until: u64,
    /// Digest of the content. A repetition must match it.
    pub content: Content,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    /// An epoch began; first event of a boot frame.
    EpochStarted {
        /// The epoch.
        epoch: u64,
        /// Version of the engine's code.
        version: String,
        /// Digest of the frame before, zero at genesis.
        previous: FrameDigest,
        /// The rules of the epoch.
        rules: RuleSet,
    },
    /// Engine time moved; first event of every other frame.
    TimeAdvanced {
        /// Milliseconds since the Unix epoch.
        time_ms: u64,
    },
    /// Locks were granted, all by one command.
    LocksGranted {
        /// The locks in the order of the command.
        locks: Vec<GrantedLock>,
        /// The batch hash that intents of a batch signed; zero for one lock.
        batch: Bytes32,
        /// The requests that are now answered: one per intent; none for an approval.
        request_keys: Arc<[RequestKey]>,
    },
    /// The arbiter claimed.
    LockClaimed {
        /// What was signed.
        claim: Claim,
        /// By the arbiter.
        signature: Signature,
        /// The request.
        request_key: RequestKey,
        /// Status after the claim.
        status: Status,
    },
    /// The beneficiary released the lock.
    LockReleased {
        /// The lock.
        lock_id: LockId,
        /// By the beneficiary, or the arbiter of an open-taker lock.
        signature: Signature,
        /// The request.
        request_key: RequestKey,
        /// What is free again, one amount per leg.
        freed: Vec<U256>,
    },
    /// Owner and beneficiary cancelled the lock.
    LockCancelled {
        /// The lock.
        lock_id: LockId,
        /// Every consent.
        consents: Vec<SignedCancel>,
        /// The owner.
        principal: Address,
        /// The requests that are now answered: those that the consents named. Rules 1 remember the
        /// owner's alone.
        request_keys: Vec<RequestKey>,
        /// What is free again, one amount per leg.
        freed: Vec<U256>,
    },
    /// The owner cancelled a draft.
    DraftCancelled {
        /// Its identity.
        lock_id: LockId,
        /// Its terms.
        terms: Box<LockTerms>,
        /// The owner's consent.
        consent: SignedCancel,
        /// The request, if the consent named one.
        request_key: Option<RequestKey>,
    },
    /// The owner extended the lock.
    LockExtended {
        /// The lock.
        lock_id: LockId,
        /// Its terms, with the new end of fills.
        terms: Box<LockTerms>,
        /// New end of claims, seconds.
        claim_by: u64,
        /// New end of the hold for claims, seconds.
        settle_by: u64,
        /// Custody class.
        custody: Custody,
        /// By the owner.
        signature: Signature,
        /// The request.
        request_key: RequestKey,
        /// Status, unchanged.
        status: Status,
    },
    /// Time ended the unclaimed part of locks.
    LocksExpired {
        /// The locks.
        lock_ids: Vec<LockId>,
    },
    /// Time settled the claimed part of `open` locks.
    LocksSettled {
        /// The locks.
        lock_ids: Vec<LockId>,
    },
    /// Ended locks left the state.
    LocksPruned {
        /// The locks.
        lock_ids: Vec<LockId>,
    },
    /// Observers reported a balance.
    FactRecorded {
        /// The balance and withdrawal status that they attest.
        fact: BalanceFact,
        /// One per observer.
        signatures: Vec<Signature>,
    },
    /// A command was refused because of the state, and the refusal is remembered.
    CommandRefused {
        /// The request.
        request_key: RequestKey,
        /// Why.
        reject: Reject,
        /// The command, so that an auditor can decide the refusal again.
        command: Box<Command>,
    },
    /// A snapshot of the state after frame `seq` was made.
    SnapshotTaken {
        /// The frame.
        seq: u64,
        /// BLAKE3 digest of the sealed snapshot.
        digest: Bytes32,
    },
    /// Operators granted a right to read the log.
    ReadingGranted {
        /// Who may read what.
        grant: ReadingGrant,
        /// One per operator.
        signatures: Vec<Signature>,
    },
    /// Operators named the images that may boot on the log.
    ImagesApproved {
        /// The images, and the lowest version that may boot.
        approval: ImageApproval,
        /// One per operator.
        signatures: Vec<Signature>,
    },
    /// The engine stopped in order: it answers nothing any more, and no event of its epoch follows.
    /// From rules 3 on.
    EpochEnded {
        /// The epoch.
        epoch: u64,
    },
}
