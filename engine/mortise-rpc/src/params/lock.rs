//! Parameters that make locks: createLock, signLock, commitLock, commitBatch, simulateLock.

use super::super::fields::{Fields, Item, ParamError};
use super::super::rows::{Object, ReadFields, WriteFields};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::command::{Command, SignedIntent};
use mortise_format::eip712::Request;
use mortise_format::ids::{Address, LockId, RequestId, Signature};
use mortise_format::limits::{BATCH_LOCKS_MAX, LOCK_LEGS_MAX};
use mortise_format::lock::{LegTerms, LockTerms};
use serde::ser::SerializeMap;

type Result<T> = core::result::Result<T, ParamError>;

params! {
    /// `createLock`: a draft with typed data for the owner's wallet.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CreateLock {
        /// Owner of the asset.
        owner: Address = required("owner", Item::address);
        /// The existing client sends the owner; the core rejects any other key.
        session_key: Option<Address> = optional("sessionKey", Item::address);
        /// The asset to hold.
        asset: Asset = required("asset", Item::object);
        /// The amount to hold.
        amount: U256 = required("amount", Item::amount);
        /// Seconds from now.
        expires_in: u64 = required("expiresIn", Item::number);
        /// The fill that a claim must prove.
        condition: Condition = required("fulfillmentCondition", Item::object);
        /// Names the call; a draft is not logged.
        request_id: Option<RequestId> = optional("requestId", Item::request_id);
    }
}

impl CreateLock {
    /// The terms of the draft: no beneficiary and no arbiter, so that only checked evidence claims.
    pub fn terms(&self, nonce: u64, expires: u64) -> LockTerms {
        LockTerms {
            owner: self.owner,
            beneficiary: Address::ZERO,
            arbiter: Address::ZERO,
            nonce,
            expires,
            condition: self.condition.clone(),
            legs: vec![LegTerms { asset: self.asset, amount: self.amount }],
        }
    }
}

params! {
    /// `signLock`: the owner's `LockApproval` of a draft.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SignLock {
        /// The draft.
        lock_id: LockId = required("lockId", Item::lock_id);
        /// The owner's signature.
        signature: Signature = required("signature", Item::signature);
        /// The terms of the draft. With them the engine needs no draft, so none can be lost.
        terms: Option<LockTerms> = optional("terms", Item::object, Object);
    }
}

fields! {
    impl LockTerms {
        owner: Address = required("owner", Item::address);
        beneficiary: Address = elided("beneficiary", Item::address, Address::ZERO);
        arbiter: Address = elided("arbiter", Item::address, Address::ZERO);
        legs: Vec<LegTerms> = required("assets", legs);
        nonce: u64 = required("nonce", Item::number, ToString::to_string);
        expires: u64 = required("expires", Item::number);
        condition: Condition = required("fulfillmentCondition", Item::object);
    }
}

fn legs(item: &Item<'_>) -> Result<Vec<LegTerms>> {
    item.list(LOCK_LEGS_MAX, Item::object)
}

fields! {
    impl SignedIntent {
        terms: LockTerms = flatten();
        request: Request = flatten();
        signature: Signature = required("signature", Item::signature);
    }
}

params! {
    /// `commitLock`: a lock in one step, by the owner's `LockIntent`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CommitLock {
        /// What the owner signed.
        intent: SignedIntent = flatten();
    }
}

impl CommitLock {
    /// The command.
    pub fn into_command(self) -> Command {
        Command::Commit { intents: vec![self.intent] }
    }
}

params! {
    /// `commitBatch`: locks of one or many owners, all or none; each intent signs the batch hash.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CommitBatch {
        /// 1 to `BATCH_LOCKS_MAX` intents.
        intents: Vec<SignedIntent> =
            required("locks", |item| item.list(BATCH_LOCKS_MAX, Item::object), objects);
    }
}

fn objects(intents: &[SignedIntent]) -> Vec<Object<'_, SignedIntent>> {
    intents.iter().map(Object).collect()
}

impl CommitBatch {
    /// The command.
    pub fn into_command(self) -> Command {
        Command::Commit { intents: self.intents }
    }
}

/// When a simulated lock expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// `expires`: at this time, whole seconds since the Unix epoch.
    At(u64),
    /// `expiresIn`: this many seconds from now.
    In(u64),
}

impl ReadFields for Expiry {
    fn knows(name: &str) -> bool {
        matches!(name, "expires" | "expiresIn")
    }

    fn read(fields: &Fields<'_>) -> Result<Self> {
        let expires = fields.optional("expires", Item::number)?;
        match (expires, fields.optional("expiresIn", Item::number)?) {
            (Some(at), None) => Ok(Self::At(at)),
            (None, Some(from_now)) => Ok(Self::In(from_now)),
            (None, None) => Err(fields.missing("expires")),
            (Some(_), Some(_)) => Err(fields.wrong("expiresIn", "absent beside expires")),
        }
    }
}

impl WriteFields for Expiry {
    fn write<M: SerializeMap>(&self, map: &mut M) -> core::result::Result<(), M::Error> {
        match self {
            Self::At(at) => map.serialize_entry("expires", at),
            Self::In(from_now) => map.serialize_entry("expiresIn", from_now),
        }
    }
}

params! {
    /// `simulateLock`: every check of a commit, without a signature and without effect.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SimulateLock {
        /// Owner of the assets.
        owner: Address = required("owner", Item::address);
        /// The account the lock is for; absent or zero: open-taker.
        beneficiary: Option<Address> = optional("beneficiary", Item::address);
        /// The account whose signature claims; absent or zero: none.
        arbiter: Option<Address> = optional("arbiter", Item::address);
        /// The assets and amounts to hold.
        legs: Vec<LegTerms> = required("assets", legs);
        /// The next free nonce when absent.
        nonce: Option<u64> = optional("nonce", Item::number);
        /// The time before which a fill counts.
        expiry: Expiry = flatten();
        /// The fill that a claim must prove.
        condition: Condition = required("fulfillmentCondition", Item::object);
    }
}

impl SimulateLock {
    /// The terms with this nonce, unless one was named, and the expiry relative to `now_s`.
    /// `None` when the expiry does not fit 64 bits.
    pub fn terms(&self, next_nonce: u64, now_s: u64) -> Option<LockTerms> {
        let expires = match self.expiry {
            Expiry::At(at) => at,
            Expiry::In(from_now) => now_s.checked_add(from_now)?,
        };
        Some(LockTerms {
            owner: self.owner,
            beneficiary: self.beneficiary.unwrap_or_default(),
            arbiter: self.arbiter.unwrap_or_default(),
            nonce: self.nonce.unwrap_or(next_nonce),
            expires,
            condition: self.condition.clone(),
            legs: self.legs.clone(),
        })
    }
}
