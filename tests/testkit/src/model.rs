//! The expected answer: a second implementation of the rules of `specs/locks.md`, slow and simple.
//!
//! Locks, facts, nonces and requests are in ordered maps, and every sum is computed over all locks
//! each time. It shares no decision with `mortise-core`, only the types of `mortise-format` and the
//! names of decisions.
//!
//! Signers are given, not recovered: see [`Asked`].

mod decide;
mod memory;
mod nonces;
mod room;
mod shape;
mod sums;
mod time;

pub use time::Due;

use crate::keys::Asked;
use mortise_core::Decision;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::command::Command;
use mortise_format::eip712::Request;
use mortise_format::errors::Code;
use mortise_format::event::{Event, LogPosition};
use mortise_format::fact::BalanceFact;
use mortise_format::ids::{Address, EngineId, LockId, RequestId, Signature};
use mortise_format::images::ImageApproval;
use mortise_format::lock::{Custody, LockTerms, Status};
use mortise_format::policy::Policy;
use mortise_format::reading::ReadingGrant;
use mortise_format::reject::{Field, Reject};
use mortise_format::rules::RuleSet;
use std::collections::{BTreeMap, BTreeSet};

/// A lock, as far as the model knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLock {
    /// The terms as signed.
    pub terms: LockTerms,
    /// End of fills now.
    pub expires: u64,
    /// End of claims.
    pub claim_by: u64,
    /// End of the hold for claims.
    pub settle_by: u64,
    /// Custody class.
    pub custody: Custody,
    /// Its status.
    pub status: Status,
    /// Remaining, claimed and settled of each leg.
    pub parts: Vec<[U256; 3]>,
    /// Claims so far.
    pub claims: u32,
    /// When it ended, seconds.
    pub ended_at: u64,
    granted_at: LogPosition,
    approved_with: Option<Signature>,
}

/// The answer to a command, without the parts that only the engine can make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Locks were granted: claimBy, settleBy and custody of each.
    Granted(Vec<(LockId, u64, u64, Custody)>),
    /// A claim was granted; the status after it.
    Claimed(Status),
    /// Released by the beneficiary.
    Released(Vec<U256>),
    /// Cancelled by owner and beneficiary.
    Cancelled(Vec<U256>),
    /// A draft's nonce was burned.
    DraftCancelled,
    /// Extended: claimBy, settleBy.
    Extended(u64, u64),
    /// A balance was recorded.
    FactRecorded,
    /// A reader got a right to read the log.
    ReadingGranted,
    /// These images may boot on the log.
    ImagesApproved,
    /// Refused, and the refusal is remembered.
    Remembered(Reject),
    /// Refused, and nothing is logged.
    Refused(Reject),
    /// Refused as the event at this position was, for the same reason. Nothing is logged again.
    RefusedBefore(Reject, LogPosition),
    /// Answered before, at this position.
    Repeated(LogPosition),
}

impl Answer {
    /// The answer of a decision of the core.
    ///
    /// # Panics
    /// For events that answer no command.
    pub fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Event(event) => Self::of_event(event),
            Decision::Repeat(at) => Self::Repeated(*at),
            Decision::Refuse { reject, logged: None } => Self::Refused(*reject),
            Decision::Refuse { reject, logged: Some(at) } => Self::RefusedBefore(*reject, *at),
        }
    }

    /// The answer of an event.
    ///
    /// # Panics
    /// For events that answer no command.
    pub fn of_event(event: &Event) -> Self {
        match event {
            Event::LocksGranted { locks, .. } => {
                let one = |l: &mortise_format::event::GrantedLock| {
                    (l.lock_id, l.claim_by, l.settle_by, l.custody)
                };
                Self::Granted(locks.iter().map(one).collect())
            }
            Event::LockClaimed { status, .. } => Self::Claimed(*status),
            Event::LockReleased { freed, .. } => Self::Released(freed.clone()),
            Event::LockCancelled { freed, .. } => Self::Cancelled(freed.clone()),
            Event::DraftCancelled { .. } => Self::DraftCancelled,
            Event::LockExtended { claim_by, settle_by, .. } => {
                Self::Extended(*claim_by, *settle_by)
            }
            Event::FactRecorded { .. } => Self::FactRecorded,
            Event::ReadingGranted { .. } => Self::ReadingGranted,
            Event::ImagesApproved { .. } => Self::ImagesApproved,
            Event::CommandRefused { reject, .. } => Self::Remembered(*reject),
            other => panic!("{other:?} answers no command"),
        }
    }

    /// True when this answer adds an event to the log.
    pub fn is_logged(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::RefusedBefore(..) | Self::Repeated(_))
    }
}

/// The content of a request id: every field by its name.
type Content = Vec<(Field, Vec<u8>)>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Remembered {
    content: Content,
    valid_until: u64,
    at: LogPosition,
    quota: Quota,
    /// The logged refusals of a request that can still be granted.
    refusals: Vec<(Code, LogPosition)>,
}

/// What an answer counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Quota {
    Grants,
    Endings,
    Refusals,
}

/// A request with its principal and content.
#[derive(Debug, Clone)]
struct SignedRequest {
    principal: Address,
    request: Request,
    content: Content,
}

/// Locks, facts, nonces, requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    engine_id: EngineId,
    policy: Policy,
    /// Engine time, milliseconds.
    pub time_ms: u64,
    /// Every lock that is in the state.
    pub locks: BTreeMap<LockId, ModelLock>,
    facts: BTreeMap<(Address, Asset), (BalanceFact, LogPosition)>,
    used_nonces: BTreeMap<Address, BTreeSet<u64>>,
    /// The principals with a record, each with the class that it counts in.
    known: BTreeMap<Address, Custody>,
    /// The accounts that are in the state.
    accounts: BTreeSet<(Address, Asset)>,
    /// The minute and how many owners were new in it.
    newcomers: (u64, u32),
    rates: BTreeMap<(Address, Quota), (u64, u32)>,
    requests: BTreeMap<(Address, RequestId), Remembered>,
    /// Reading rights, each by its request.
    pub readings: BTreeMap<RequestId, (ReadingGrant, LogPosition)>,
    /// The approval of images in force.
    pub approved: Option<(ImageApproval, LogPosition)>,
    /// The rules that it follows.
    pub rules: RuleSet,
}

impl Model {
    /// An empty model.
    pub fn new(engine_id: EngineId, policy: Policy) -> Self {
        Self {
            engine_id,
            policy,
            time_ms: 0,
            locks: BTreeMap::new(),
            facts: BTreeMap::new(),
            used_nonces: BTreeMap::new(),
            known: BTreeMap::new(),
            accounts: BTreeSet::new(),
            newcomers: (0, 0),
            rates: BTreeMap::new(),
            requests: BTreeMap::new(),
            readings: BTreeMap::new(),
            approved: None,
            rules: RuleSet::NEWEST,
        }
    }

    /// The engine.
    pub fn engine_id(&self) -> EngineId {
        self.engine_id
    }

    /// The answer to a command at `now_ms`. Changes nothing.
    pub fn answer(&self, now_ms: u64, asked: &Asked) -> Answer {
        if let Err(reject) = shape::check(self.rules, asked) {
            return Answer::Refused(reject);
        }
        match self.recall(now_ms / 1000, asked) {
            Ok(Some(at)) => return Answer::Repeated(at),
            Ok(None) => {}
            Err(reject) => return Answer::Refused(reject),
        }
        match self.decide(now_ms, asked) {
            Ok(answer) => answer,
            Err(reject) => match self.refused_before(now_ms / 1000, asked, reject) {
                Some(Some(at)) => Answer::RefusedBefore(reject, at),
                Some(None) => Answer::Refused(reject),
                None if self.remembers(now_ms, asked, reject) => Answer::Remembered(reject),
                None => Answer::Refused(reject),
            },
        }
    }

    /// Applies a logged answer at its position in the log.
    pub fn apply(&mut self, at: LogPosition, asked: &Asked, answer: &Answer) {
        match (answer, &asked.command) {
            (Answer::Granted(granted), command) => self.apply_grants(at, command, granted),
            (Answer::Claimed(status), Command::Claim { claim, .. }) => {
                let lock = self.locks.get_mut(&claim.lock_id).expect("the lock was there");
                for (part, amount) in lock.parts.iter_mut().zip(&claim.amounts) {
                    part[0] = part[0].checked_sub(*amount).expect("it was checked");
                    part[1] = part[1].checked_add(*amount).expect("it was checked");
                }
                lock.claims += 1;
                lock.status = *status;
            }
            (Answer::Released(_), Command::Release { lock_id, .. }) => {
                self.end(lock_id, Status::Released);
            }
            (Answer::Cancelled(_), Command::Cancel { lock_id, .. }) => {
                self.end(lock_id, Status::Cancelled);
            }
            (Answer::DraftCancelled, Command::CancelDraft { terms, .. }) => {
                let custody = self.class_of_draft(terms);
                let has_fact = self.has_fact(terms);
                self.use_nonce(&terms.owner, terms.nonce, custody, has_fact);
            }
            (
                Answer::Extended(claim_by, settle_by),
                Command::Extend { lock_id, new_expires, .. },
            ) => {
                let lock = self.locks.get_mut(lock_id).expect("the lock was there");
                (lock.expires, lock.claim_by, lock.settle_by) =
                    (*new_expires, *claim_by, *settle_by);
            }
            (Answer::FactRecorded, Command::RecordFact { fact, .. }) => {
                self.facts.insert((fact.account, fact.asset), (*fact, at));
                self.accounts.insert((fact.account, fact.asset));
            }
            (Answer::ReadingGranted, Command::GrantReading { grant, .. }) => {
                self.readings.insert(grant.request.id, (*grant, at));
            }
            (Answer::ImagesApproved, Command::ApproveImages { approval, .. }) => {
                self.approved = Some((approval.clone(), at));
            }
            (
                Answer::Remembered(_)
                | Answer::Refused(_)
                | Answer::RefusedBefore(..)
                | Answer::Repeated(_),
                _,
            ) => {}
            (answer, command) => panic!("{answer:?} answers no {command:?}"),
        }
        if answer.is_logged() {
            self.remember(at, asked, answer);
        }
    }

    fn apply_grants(
        &mut self,
        at: LogPosition,
        command: &Command,
        granted: &[(LockId, u64, u64, Custody)],
    ) {
        let all: Vec<(LockTerms, Option<Signature>)> = match command {
            Command::Commit { intents } => {
                intents.iter().map(|i| (i.terms.clone(), None)).collect()
            }
            Command::Approve { terms, signature } => vec![(terms.clone(), Some(*signature))],
            other => panic!("{other:?} grants nothing"),
        };
        for ((terms, approved_with), (lock_id, claim_by, settle_by, custody)) in
            all.into_iter().zip(granted)
        {
            let has_fact = *custody == Custody::Escrow;
            self.use_nonce(&terms.owner, terms.nonce, *custody, has_fact);
            self.accounts.extend(terms.legs.iter().map(|leg| (terms.owner, leg.asset)));
            let parts = terms.legs.iter().map(|l| [l.amount, U256::ZERO, U256::ZERO]).collect();
            let lock = ModelLock {
                expires: terms.expires,
                claim_by: *claim_by,
                settle_by: *settle_by,
                custody: *custody,
                status: Status::Active,
                parts,
                claims: 0,
                ended_at: 0,
                granted_at: at,
                approved_with,
                terms,
            };
            self.locks.insert(*lock_id, lock);
        }
    }

    fn end(&mut self, lock_id: &LockId, status: Status) {
        let now_s = self.time_ms / 1000;
        let lock = self.locks.get_mut(lock_id).expect("the lock was there");
        (lock.status, lock.ended_at) = (status, now_s);
    }

    fn use_nonce(&mut self, owner: &Address, nonce: u64, custody: Custody, has_fact: bool) {
        let is_new = self.used_nonces.entry(*owner).or_default().insert(nonce);
        assert!(is_new, "a nonce was used twice");
        if !self.known.contains_key(owner) {
            self.known.insert(*owner, custody);
            self.count_newcomer(has_fact);
        }
    }
}
