//! A lock on the wire.

use super::super::typed_data::TypedData;
use alloc::string::String;
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::cursor::ListCursor;
use mortise_format::event::LogPosition;
use mortise_format::ids::{Address, LockId, Signature};
use mortise_format::json::decimal;
use mortise_format::lock::{Custody, LegTerms, LockTerms, Status};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The status of a lock or a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockStatus {
    /// A draft: holds nothing.
    Pending,
    /// A lock in the state.
    Held(Status),
}

impl LockStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Held(Status::Active),
        Self::Held(Status::Partial),
        Self::Held(Status::Fulfilled),
        Self::Held(Status::Settled),
        Self::Held(Status::Released),
        Self::Held(Status::Cancelled),
        Self::Held(Status::Expired),
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Held(status) => status.name(),
        }
    }

    /// The status of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl From<Status> for LockStatus {
    fn from(status: Status) -> Self {
        Self::Held(status)
    }
}

impl Serialize for LockStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for LockStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| D::Error::custom("not the name of a status"))
    }
}

/// The log position of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionView {
    /// The frame.
    pub seq: u64,
    /// The event in it.
    pub index: u32,
}

impl From<LogPosition> for PositionView {
    fn from(position: LogPosition) -> Self {
        Self { seq: position.seq, index: position.index }
    }
}

/// One asset of a lock; the three parts sum to the amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LegView {
    /// The asset.
    #[serde(flatten)]
    pub asset: Asset,
    /// The amount of the terms.
    pub amount: U256,
    /// Not claimed.
    pub remaining: U256,
    /// Claimed and not paid yet.
    pub claimed_unsettled: U256,
    /// Paid.
    pub settled: U256,
}

impl LegView {
    /// A leg of which nothing is claimed.
    pub fn whole(leg: &LegTerms) -> Self {
        Self {
            asset: leg.asset,
            amount: leg.amount,
            remaining: leg.amount,
            claimed_unsettled: U256::ZERO,
            settled: U256::ZERO,
        }
    }
}

/// A lock: the existing client's `ResourceLock`, and more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockView {
    /// The lock id.
    pub id: LockId,
    /// Owner.
    pub owner: Address,
    /// Asset of the first leg.
    pub asset: Asset,
    /// Amount of the first leg.
    pub amount: U256,
    /// Engine time of the grant or draft, whole seconds.
    pub locked_at: u64,
    /// End of fills, whole seconds.
    pub expires_at: u64,
    /// Nonce of the owner.
    #[serde(with = "decimal")]
    pub nonce: u64,
    /// The fill that a claim must prove.
    #[serde(rename = "fulfillmentCondition")]
    pub condition: Condition,
    /// Its status.
    pub status: LockStatus,
    /// The owner's signature; absent for a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_signature: Option<Signature>,
    /// The engine's signature over the commitment, when the engine still has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ccm_signature: Option<Signature>,
    /// The account that the lock is for; zero for an open-taker lock.
    pub beneficiary: Address,
    /// The account whose signature claims; zero for none.
    pub arbiter: Address,
    /// Every leg.
    pub legs: Vec<LegView>,
    /// End of claims, whole seconds; absent for a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_by: Option<u64>,
    /// End of the hold for claims, whole seconds; absent for a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_by: Option<u64>,
    /// Custody class; absent for a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custody: Option<Custody>,
    /// Claims so far: the index of the next one.
    pub claim_index: u32,
    /// The log position of the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted_at: Option<PositionView>,
    /// The log position of the last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<PositionView>,
    /// Engine time at which the status became final, whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
}

impl LockView {
    /// A lock of which nothing is claimed, or a draft. The caller sets the other fields that it
    /// knows. Terms always have a leg; without one, the asset is the coin of chain 0 and the amount
    /// is zero.
    pub fn of_terms(lock_id: LockId, terms: &LockTerms, status: LockStatus, at_s: u64) -> Self {
        let nothing = LegTerms { asset: Asset::native(0), amount: U256::ZERO };
        let first = terms.legs.first().unwrap_or(&nothing);
        Self {
            id: lock_id,
            owner: terms.owner,
            asset: first.asset,
            amount: first.amount,
            locked_at: at_s,
            expires_at: terms.expires,
            nonce: terms.nonce,
            condition: terms.condition.clone(),
            status,
            user_signature: None,
            ccm_signature: None,
            beneficiary: terms.beneficiary,
            arbiter: terms.arbiter,
            legs: terms.legs.iter().map(LegView::whole).collect(),
            claim_by: None,
            settle_by: None,
            custody: None,
            claim_index: 0,
            granted_at: None,
            changed_at: None,
            ended_at: None,
        }
    }
}

/// What a lock id shows to anyone who knows it, where reads are for parties: status, times and
/// legs. Each field is one of [`LockView`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of LockView")]
pub struct LockById {
    pub id: LockId,
    pub asset: Asset,
    pub amount: U256,
    pub locked_at: u64,
    pub expires_at: u64,
    pub status: LockStatus,
    pub legs: Vec<LegView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_by: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_by: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custody: Option<Custody>,
    pub claim_index: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
}

impl From<LockView> for LockById {
    fn from(lock: LockView) -> Self {
        let LockView { id, asset, amount, locked_at, expires_at, status, legs, .. } = lock;
        let LockView { claim_by, settle_by, custody, claim_index, ended_at, .. } = lock;
        Self {
            id,
            asset,
            amount,
            locked_at,
            expires_at,
            status,
            legs,
            claim_by,
            settle_by,
            custody,
            claim_index,
            ended_at,
        }
    }
}

/// `createLock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateLockResult {
    /// The draft.
    pub lock: LockView,
    /// What the owner signs.
    pub typed_data_to_sign: TypedData,
    /// When the draft is dropped, whole seconds.
    pub expiration_timestamp: u64,
}

/// `listLocks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockList {
    /// The page, in the order of grants. It may be short and still have a next one.
    pub locks: Vec<LockView>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<ListCursor>,
}
