//! The most bytes that the answer to a call can have.
//!
//! What it is for: this much is reserved before the answer is made ([`crate::room`]). A bound that
//! is too small would be memory that no one counted, so each is what the limits allow, and a debug
//! build asserts it for every answer.
//!
//! What it does not do: count the id, which is the caller's text, or bound errors, which are small.

use mortise_format::asset::Condition;
use mortise_format::limits::{
    APPROVED_IMAGES_MAX, ATTESTATION_BYTES_MAX, BATCH_LOCKS_MAX, CHAINS_MAX, CHARTER_BYTES_MAX,
    EVENTS_BYTES_MAX, EVENTS_FRAMES_MAX, EXECUTION_DATA_BYTES_MAX, FRAME_BYTES_MAX,
    KMS_RANDOM_BYTES_MAX, KMS_WRAPPED_KEY_BYTES_MAX, LOCK_CHANGES_MAX, LOCK_LEGS_MAX,
    OBSERVERS_MAX, OWNER_LOCKS_MAX, PAGE_LOCKS_MAX, PROOF_HASHES_MAX, READING_EPOCHS_MAX,
    READING_GRANTS_MAX, RESPONSE_BYTES_MAX, TLOG_PROOF_BYTES_MAX, WITNESS_NAME_BYTES_MAX,
    WITNESSES_MAX,
};
use mortise_rpc::params::GetReceipt;
use mortise_rpc::{Call, Tense};

/// The most bytes of the answer to a call, without its id. No larger answer is sent.
/// `has_witnesses` is true if answers about now carry a cosigned checkpoint.
pub(super) fn answer_bytes_max(call: &Call, has_witnesses: bool) -> usize {
    let freshness = match call.tense() {
        Tense::Now if has_witnesses => COSIGNED_BYTES + PROOF_BYTES,
        Tense::Now => STATEMENT_BYTES,
        Tense::Past | Tense::Change | Tense::Timeless => 0,
    };
    (ENVELOPE_BYTES + result_bytes_max(call) + freshness).min(RESPONSE_BYTES_MAX)
}

/// The most bytes of a notification with frames.
pub const FRAMES_BYTES_MAX: usize = ENVELOPE_BYTES
    + base64(if FRAME_BYTES_MAX > EVENTS_BYTES_MAX { FRAME_BYTES_MAX } else { EVENTS_BYTES_MAX })
    // what is around each frame, and its key for a reader
    + EVENTS_FRAMES_MAX * (FRAME_JSON_BYTES + 2 * FRAME_KEY_BYTES);

/// No wildcard: a new method has to say how large its answer can be.
fn result_bytes_max(call: &Call) -> usize {
    match call {
        Call::Health(_)
        | Call::GetEnclaveId(_)
        | Call::GetEnclavePublicKey(_)
        | Call::CleanupExpiredLocks(_)
        | Call::SuggestNonce(_)
        | Call::VerifyFulfillment(_)
        | Call::GetStateRoot(_)
        | Call::GetBalance(_)
        | Call::Subscribe(_) => STATEMENT_BYTES,
        Call::GetEngineInfo(_) => 2 * STATEMENT_BYTES + (CHAINS_MAX + APPROVED_IMAGES_MAX) * 128,
        // In hex: the document, and the one that was made when the keys were drawn.
        Call::GetBootAttestation(_) => 4 * ATTESTATION_BYTES_MAX + 2 * STATEMENT_BYTES,
        Call::GetAttestation(_) => {
            4 * ATTESTATION_BYTES_MAX + 2 * STATEMENT_BYTES + COSIGNED_BYTES + PROOF_BYTES
        }
        // the policy is a part of the charter, and its fields have names of this length at most
        Call::GetPolicy(_) => 4 * CHARTER_BYTES_MAX,
        Call::CreateLock(params) => {
            TYPED_DATA_BYTES + 2 * lock_bytes(LOCK_LEGS_MAX, data_bytes(&params.condition))
        }
        Call::SimulateLock(params) => {
            2 * STATEMENT_BYTES + lock_bytes(params.legs.len(), data_bytes(&params.condition))
        }
        Call::CommitLock(params) => {
            let terms = &params.intent.terms;
            RECEIPT_BYTES + granted_bytes(terms.legs.len(), data_bytes(&terms.condition))
        }
        Call::CommitBatch(params) => {
            let granted = params.intents.iter().map(|intent| {
                granted_bytes(intent.terms.legs.len(), data_bytes(&intent.terms.condition))
            });
            RECEIPT_BYTES + granted.sum::<usize>()
        }
        Call::SignLock(_) | Call::ExtendLock(_) => RECEIPT_BYTES + GRANTED_BYTES_MAX,
        // the event of a cancelled draft has the terms
        Call::CancelLock(_) => RECEIPT_BYTES + GRANTED_BYTES_MAX,
        Call::ClaimLock(_) | Call::ReleaseLock(_) => RECEIPT_BYTES + LOCK_LEGS_MAX * LEG_BYTES,
        Call::SubmitChainFact(_) | Call::GrantReading(_) => RECEIPT_BYTES + SIGNATURES_BYTES,
        Call::ApproveImages(_) => RECEIPT_BYTES + SIGNATURES_BYTES + APPROVED_IMAGES_MAX * 128,
        Call::GetLock(_) => LOCK_BYTES_MAX,
        Call::GetLockHistory(_) => STATEMENT_BYTES + (1 + LOCK_CHANGES_MAX) * LOCK_EVENT_BYTES,
        Call::GetActiveLocks(_) | Call::GetLockedBalance(_) => {
            STATEMENT_BYTES + OWNER_LOCKS_MAX * LOCK_BYTES_MAX
        }
        Call::ListLocks(params) => {
            let limit = usize::try_from(params.limit).unwrap_or(PAGE_LOCKS_MAX);
            STATEMENT_BYTES + limit * LOCK_BYTES_MAX
        }
        // the value of a leaf in hex, its path, and the statement
        Call::GetProof(_) => 2 * LEAF_BYTES_MAX + PROOF_HASHES_MAX * HASH_BYTES + PROOF_BYTES,
        // for a reader with a right it is sealed
        Call::GetReceipt(GetReceipt::ForReader { .. }) => base64(RECEIPT_ANSWER_BYTES + 16) + 256,
        Call::GetReceipt(_) => RECEIPT_ANSWER_BYTES,
        Call::GetCheckpoint(_) => COSIGNED_BYTES + PROOF_BYTES,
        Call::GetConsistencyProof(_) => PROOF_BYTES,
        Call::GetReadingKeys(_) => {
            STATEMENT_BYTES
                + READING_EPOCHS_MAX * EPOCH_KEY_BYTES
                + READING_GRANTS_MAX * GRANT_BYTES
        }
        Call::GetEvents(_) => FRAMES_BYTES_MAX,
        // the encrypted text, and the wrapped key
        Call::KmsEncrypt(params) => {
            base64(params.text.as_str().len() + 64 + KMS_WRAPPED_KEY_BYTES_MAX) + 256
        }
        // a text of control characters has six bytes of JSON for each
        Call::KmsDecrypt(params) => {
            let text = params.message.as_ref().map_or(0, |message| message.encrypted.0.len());
            6 * text + STATEMENT_BYTES
        }
        Call::KmsGenerateDataKey(_) => base64(KMS_WRAPPED_KEY_BYTES_MAX) + 256,
        Call::KmsGenerateRandom(_) => base64(KMS_RANDOM_BYTES_MAX) + 256,
    }
}

/// A lock, or its terms, with the names of all fields.
const fn lock_bytes(legs: usize, data: usize) -> usize {
    1792 + legs * LEG_BYTES + 2 * data
}

/// A granted lock: its commitment, and its part of the event in hex.
const fn granted_bytes(legs: usize, data: usize) -> usize {
    lock_bytes(legs, data) + 2 * event_lock_bytes(legs, data)
}

/// The part of a lock in an event: its terms, a signature, times and a request.
const fn event_lock_bytes(legs: usize, data: usize) -> usize {
    512 + legs * 128 + data
}

fn data_bytes(condition: &Condition) -> usize {
    condition.execution_data.as_ref().map_or(0, Vec::len)
}

const fn base64(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// What is around a result: the names of the envelope.
const ENVELOPE_BYTES: usize = 128;
/// A hash in hex, with quotes and a comma.
const HASH_BYTES: usize = 69;
/// A statement and its signature, or an answer of a few fields, or an error with its data.
const STATEMENT_BYTES: usize = 1536;
/// A checkpoint with the cosignatures of all witnesses: their names, and base64 of 76 bytes.
const COSIGNED_BYTES: usize = 1024 + WITNESSES_MAX * (WITNESS_NAME_BYTES_MAX + 128);
/// A path in a history of 2^40 frames, and a statement.
const PROOF_BYTES: usize = 2 * 40 * HASH_BYTES + STATEMENT_BYTES;
/// A receipt without its event: statement, leaf, a path in the frame and one in the history.
const RECEIPT_BYTES: usize = STATEMENT_BYTES + 1024 + (13 + 40) * HASH_BYTES;
/// The answer about the event with most bytes.
const RECEIPT_ANSWER_BYTES: usize =
    RECEIPT_BYTES + BATCH_LOCKS_MAX * EVENT_LOCK_BYTES_MAX + TLOG_PROOF_BYTES_MAX;
/// One leg of a lock: an asset and four amounts.
const LEG_BYTES: usize = 704;
/// An event of a lock: names, times, and an amount for each leg.
const LOCK_EVENT_BYTES: usize = 448 + LOCK_LEGS_MAX * 82;
/// Signatures of all observers in an event, in hex, and what they signed.
const SIGNATURES_BYTES: usize = OBSERVERS_MAX * 2 * 68 + 1024;
/// The types and the domain of what a wallet signs.
const TYPED_DATA_BYTES: usize = 4096;
/// The largest lock.
const LOCK_BYTES_MAX: usize = lock_bytes(LOCK_LEGS_MAX, EXECUTION_DATA_BYTES_MAX);
const GRANTED_BYTES_MAX: usize = granted_bytes(LOCK_LEGS_MAX, EXECUTION_DATA_BYTES_MAX);
const EVENT_LOCK_BYTES_MAX: usize = 2 * event_lock_bytes(LOCK_LEGS_MAX, EXECUTION_DATA_BYTES_MAX);
/// The largest value of a leaf: a lock with its terms.
const LEAF_BYTES_MAX: usize = 2048 + LOCK_LEGS_MAX * 256 + EXECUTION_DATA_BYTES_MAX;
/// A leaf in hex, and the names of the fields of a frame.
const FRAME_JSON_BYTES: usize = 768;
/// Number and key of a frame.
const FRAME_KEY_BYTES: usize = 48;
/// A right to read.
const GRANT_BYTES: usize = 192;
/// Number and root of an epoch in hex, and its number in the list.
const EPOCH_KEY_BYTES: usize = 2 * 48 + 21;

const _: () = assert!(FRAMES_BYTES_MAX <= RESPONSE_BYTES_MAX);
// all locks of an owner that an answer names fit into it, whatever they hold
const _: () = assert!(
    ENVELOPE_BYTES
        + COSIGNED_BYTES
        + PROOF_BYTES
        + STATEMENT_BYTES
        + OWNER_LOCKS_MAX * LOCK_BYTES_MAX
        <= RESPONSE_BYTES_MAX
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drafts::Draft;
    use crate::rpc::render;
    use mortise_format::U256;
    use mortise_format::asset::{Asset, AssetType, TokenId};
    use mortise_format::ids::{Address, LockId};
    use mortise_format::lock::{LegTerms, LockTerms};
    use mortise_rpc::Method;
    use serde_json::json;

    /// The terms with most bytes.
    fn largest() -> LockTerms {
        let token = Address([0xff; 20]);
        let (chain_id, asset_type) = (u64::MAX, AssetType::Erc1155);
        let asset = Asset { chain_id, asset_type, token, token_id: TokenId([0xff; 32]) };
        LockTerms {
            owner: token,
            beneficiary: token,
            arbiter: token,
            nonce: u64::MAX,
            expires: u64::MAX,
            condition: Condition {
                target_chain_id: u64::MAX,
                target_asset: asset,
                target_amount: U256::MAX,
                recipient: token,
                execution_data: Some(vec![0xff; EXECUTION_DATA_BYTES_MAX]),
            },
            legs: vec![LegTerms { asset, amount: U256::MAX }; LOCK_LEGS_MAX],
        }
    }

    #[test]
    fn largest_lock_fits_its_bound_and_so_does_a_draft() {
        let mut draft = Draft {
            lock_id: LockId([0xff; 32]),
            terms: largest(),
            created_ms: u64::MAX,
            until_ms: u64::MAX,
            request_id: None,
        };
        let view = serde_json::to_vec(&render::draft(&draft)).unwrap();
        // what a draft does not have: signature, two amounts of each leg, deadlines, positions
        let rest = 512 + LOCK_LEGS_MAX * 2 * 100;
        assert!(view.len() + rest <= LOCK_BYTES_MAX, "{} bytes", view.len());
        draft.terms.legs.truncate(1);
        let created = render::created(&draft).unwrap().result.len();
        assert!(created <= TYPED_DATA_BYTES + 2 * LOCK_BYTES_MAX, "{created} bytes");
    }

    #[test]
    fn every_bound_is_above_an_error_and_no_more_than_an_answer() {
        for method in Method::ALL {
            let Ok(call) = Call::parse(*method, &json!({})) else { continue };
            for has_witnesses in [false, true] {
                let bytes = answer_bytes_max(&call, has_witnesses);
                assert!((1024..=RESPONSE_BYTES_MAX).contains(&bytes), "{method:?}: {bytes}");
            }
        }
    }
}
