//! The events of a lock on the wire.
//!
//! An event shows what it says of this lock, its status, times and amounts, and nothing of other
//! locks, requests or signatures. Its position names it to `getReceipt`, which proves it.

use super::lock::LockStatus;
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::ids::LockId;
use serde::{Deserialize, Serialize};

/// What an event did to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LockEventKind {
    /// It was granted.
    Granted,
    /// Its owner set a later expiry.
    Extended,
    /// Its arbiter claimed.
    Claimed,
    /// It was released.
    Released,
    /// It was cancelled.
    Cancelled,
    /// Time ended its unclaimed part.
    Expired,
    /// Time settled its claimed part.
    Settled,
}

impl LockEventKind {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Extended => "extended",
            Self::Claimed => "claimed",
            Self::Released => "released",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Settled => "settled",
        }
    }
}

/// One event of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockEventView {
    /// The frame.
    pub seq: u64,
    /// The event in it.
    pub index: u32,
    /// What it did.
    pub event: LockEventKind,
    /// Engine time of the frame, whole seconds.
    pub time: u64,
    /// Status of the lock after it.
    pub status: LockStatus,
    /// Granted or extended: end of fills, whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Granted or extended: end of claims, whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_by: Option<u64>,
    /// Granted or extended: end of the hold for claims, whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_by: Option<u64>,
    /// Claimed: the number of claims before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_index: Option<u32>,
    /// One amount for each leg: granted, claimed, or free again by a release or a cancellation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amounts: Vec<U256>,
}

/// `getLockHistory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockHistory {
    /// The lock.
    pub lock_id: LockId,
    /// Its status now.
    pub status: LockStatus,
    /// Its events, in the order of the log; the first one granted it.
    pub events: Vec<LockEventView>,
    /// How many events after the grant are left out; the newest are there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
