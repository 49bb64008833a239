//! The parameters of every method, parsed strictly and printed back.
//!
//! Each type has `parse(&Value)`, which rejects a field that the method does not know, and
//! serialises to parameters that parse to the same value.

mod app;
mod change;
mod history;
mod images;
mod lock;
mod query;
mod reading;

pub use app::{
    KmsDecrypt, KmsEncrypt, KmsGenerateDataKey, KmsGenerateRandom, PlainText, SealedText,
};
pub use change::{CancelLock, CancelSignedAs, ClaimLock, ExtendLock, ReleaseLock};
pub use history::{GetConsistencyProof, GetReceipt};
pub use images::ApproveImages;
pub use lock::{CommitBatch, CommitLock, CreateLock, Expiry, SignLock, SimulateLock};
pub use query::{
    BalanceFactView, FulfillmentProof, GetActiveLocks, GetAttestation, GetBalance,
    GetBootAttestation, GetLock, GetLockHistory, GetLockedBalance, GetProof, GetStateRoot,
    ListLocks, NoParams, ProofKey, SubmitChainFact, SuggestNonce, VerifyFulfillment,
};
pub use reading::{GetEvents, GetReadingKeys, GrantReading, Subscribe};

use super::fields::{Item, ParamError};
use alloc::vec::Vec;
use mortise_format::eip712::Request;
use mortise_format::ids::{RequestId, Signature};
use mortise_format::limits::OBSERVERS_MAX;

fields! {
    impl Request {
        id: RequestId = required("requestId", Item::request_id);
        valid_until: u64 = required("validUntil", Item::number);
    }
}

/// Signatures of operators or observers.
fn signatures(item: &Item<'_>) -> Result<Vec<Signature>, ParamError> {
    item.list(OBSERVERS_MAX, Item::signature)
}

#[cfg(test)]
mod tests;
