//! The parameters of every method, parsed strictly and printed back.
//!
//! Each type has `parse(&Value)`, which refuses what the method does not know, and serialises to
//! the parameters that it parses from.

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
    GetBootAttestation, GetLock, GetLockedBalance, GetProof, GetStateRoot, ListLocks, NoParams,
    ProofKey, SubmitChainFact, SuggestNonce, VerifyFulfillment,
};
pub use reading::{GetEvents, GetReadingKeys, GrantReading, Subscribe};

use super::fields::{Fields, ParamError};
use mortise_format::eip712::Request;
use mortise_format::ids::{Address, RequestId};
use serde::Serialize;

/// The request of a signed struct: both fields are required.
fn request(fields: &Fields<'_>) -> Result<Request, ParamError> {
    Ok(Request {
        id: fields.required("requestId")?.request_id()?,
        valid_until: fields.required("validUntil")?.number()?,
    })
}

/// Prints a [`Request`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestJson {
    request_id: RequestId,
    valid_until: u64,
}

impl From<&Request> for RequestJson {
    fn from(request: &Request) -> Self {
        Self { request_id: request.id, valid_until: request.valid_until }
    }
}

/// `None` for the zero address, which stands for nobody.
fn nonzero(address: &Address) -> Option<Address> {
    (!address.is_zero()).then_some(*address)
}

#[cfg(test)]
mod tests;
