//! A request of every method that a stranger can call, in turn.

use super::caller::{Target, call};
use crate::demo::requests::LoadRequests;
use bytes::Bytes;
use mortise_client::Signer;
use mortise_format::asset::Asset;
use mortise_format::limits::RPC_BATCH_MAX;
use mortise_rpc::Method;
use serde_json::{Value, json};

/// Parameters about an owner and a lock that the engine has.
type Params = fn(&Target) -> Value;

/// Methods with parameters that are answered, or refused for what a stranger cannot sign.
const CALLS: [(Method, Params); 31] = [
    (Method::Health, |_| json!({})),
    (Method::GetBootAttestation, |_| json!({})),
    (Method::GetAttestation, |_| json!({"nonce": "00"})),
    (Method::GetEnclaveId, |_| json!({})),
    (Method::GetEnclavePublicKey, |_| json!({})),
    (Method::GetEngineInfo, |_| json!({})),
    (Method::GetPolicy, |_| json!({})),
    (Method::GetLock, |of| json!({ "lockId": of.lock_id })),
    (Method::GetLockHistory, |of| json!({ "lockId": of.lock_id })),
    (Method::GetActiveLocks, |of| json!({ "owner": of.owner })),
    (Method::ListLocks, |of| json!({"owner": of.owner, "limit": 64})),
    (Method::GetBalance, |of| json!({"owner": of.owner, "asset": Asset::native(1)})),
    (Method::GetLockedBalance, |of| json!({"owner": of.owner, "asset": Asset::native(1)})),
    (Method::SuggestNonce, |of| json!({ "owner": of.owner })),
    (Method::SimulateLock, simulated),
    (Method::GetStateRoot, |_| json!({ "signed": true })),
    (Method::GetProof, |of| json!({ "lockId": of.lock_id })),
    (Method::GetProof, |of| json!({ "owner": of.owner })),
    (Method::CleanupExpiredLocks, |_| json!({})),
    (Method::GetReceipt, |of| json!({ "lockId": of.lock_id })),
    (Method::GetCheckpoint, |_| json!({})),
    (Method::GetConsistencyProof, |_| json!({ "from": 1 })),
    (Method::GetReadingKeys, |_| json!({"reader": format!("0x{}", "07".repeat(32))})),
    (Method::GetEvents, |_| json!({"from": 0, "count": 4})),
    (Method::KmsGenerateRandom, |_| json!({ "bytes": 32 })),
    (Method::KmsGenerateDataKey, |of| json!({ "owner": of.owner })),
    (Method::KmsDecrypt, |_| json!({})),
    (Method::VerifyFulfillment, |of| json!({ "lockId": of.lock_id })),
    (Method::ApproveImages, |_| json!({})),
    (Method::GrantReading, |_| json!({})),
    (Method::CancelLock, |of| json!({"lockId": of.lock_id, "signature": SIGNATURE})),
];

/// Bytes of a signature that no one made.
const SIGNATURE: &str = "0x1111111111111111111111111111111111111111111111111111111111111111\
                         11111111111111111111111111111111111111111111111111111111111111111b";

fn simulated(of: &Target) -> Value {
    json!({
        "owner": of.owner, "assets": [{"chainId": 1, "assetType": "native", "amount": "1"}],
        "expiresIn": 300, "fulfillmentCondition": {
            "targetChainId": 10, "targetAmount": "1", "recipient": of.owner,
            "targetAsset": Asset::native(10),
        },
    })
}

fn numbered(of: &Target, id: u64) -> Value {
    let at = usize::try_from(id).unwrap_or(0) % (CALLS.len() + SIGNED.len());
    if let Some((method, params)) = CALLS.get(at) {
        return call(id, method.name(), params(of));
    }
    let mut requests = LoadRequests::new(of.engine, id);
    let request = match at - CALLS.len() {
        0 => requests.release(of.lock_id),
        1 => requests.claim(of.lock_id, 0, 1),
        _ => requests.fact(&Signer::random(), of.owner),
    };
    serde_json::from_slice(&request).unwrap_or_default()
}

/// Commands that strangers signed: a signature to recover, then a refusal.
const SIGNED: [Method; 3] = [Method::ReleaseLock, Method::ClaimLock, Method::SubmitChainFact];

/// One call, of the next method each time.
pub(super) fn single(of: &Target, id: u64) -> Bytes {
    numbered(of, id).to_string().into()
}

/// A whole batch of them.
pub(super) fn batch(of: &Target, id: u64) -> Bytes {
    let first = id << 8;
    let calls = (0..RPC_BATCH_MAX as u64).map(|n| numbered(of, first + n));
    Value::from_iter(calls).to_string().into()
}

/// A text to encrypt for someone who does not exist: a key of the service for each.
pub(super) fn encrypt(_: &Target, id: u64) -> Bytes {
    let owner = Signer::random().address();
    call(id, Method::KmsEncrypt.name(), json!({"owner": owner, "text": "x"})).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of their own, or a stream for themselves.
    const ELSEWHERE: [Method; 7] = [
        Method::CommitLock,
        Method::CommitBatch,
        Method::CreateLock,
        Method::SignLock,
        Method::ExtendLock,
        Method::KmsEncrypt,
        Method::Subscribe,
    ];

    #[test]
    fn every_method_has_a_row() {
        for method in Method::ALL {
            let is_called = CALLS.iter().any(|(called, _)| called == method);
            let is_listed = SIGNED.contains(method) || ELSEWHERE.contains(method);
            assert!(is_called || is_listed, "{}", method.name());
        }
    }
}
