//! Messages: an object or a batch in, the answers out.

use super::batch::{Planned, in_order};
use super::methods;
use super::reply::Json;
use crate::handle::EngineHandle;
use futures_util::future::FutureExt as _;
use mortise_format::errors::Code;
use mortise_format::limits::RESPONSE_BYTES_MAX;
use mortise_rpc::envelope::{self, Id, Item, Message, Request};
use mortise_rpc::{Call, ErrorObject, Tense};

/// Answers one message: an object or a batch. `None` when nothing is to be answered, which is so
/// for notifications only.
pub async fn answer(handle: &EngineHandle, bytes: &[u8]) -> Option<Vec<u8>> {
    answer_message(handle, envelope::parse(bytes)).await
}

/// As [`answer`], to a message that was read already.
pub async fn answer_message(handle: &EngineHandle, message: Message) -> Option<Vec<u8>> {
    match message {
        Message::Single(item) => answer_item(handle, item).await,
        Message::Batch(items) => {
            let calls = items.into_iter().map(|item| planned(handle, item)).collect();
            envelope::batch(&in_order(calls, RESPONSE_BYTES_MAX).await)
        }
    }
}

/// A call that is parsed and not begun.
fn planned(handle: &EngineHandle, item: Item) -> Planned<'_> {
    let (id, call) = match item {
        Item::Refused { id, error } => (Some(id), Err(error)),
        // A parsed text takes many times its bytes: it does not wait for the answer.
        Item::Request(Request { id, method, params }) => (id, Call::by_name(&method, &params)),
    };
    let bytes = call.as_ref().map_or(0, answer_bytes);
    let answer = answer_call(handle, id.clone(), call).boxed_local();
    Planned { id, bytes, answer }
}

async fn answer_item(handle: &EngineHandle, item: Item) -> Option<Vec<u8>> {
    planned(handle, item).answer.await
}

/// The bytes to set aside for the answer to a call: what it has at most, except for commands with
/// much execution data.
fn answer_bytes(call: &Call) -> usize {
    let freshness = if call.tense() == Tense::Now { FRESHNESS_BYTES } else { 0 };
    freshness + result_bytes(call)
}

/// A statement, a note with the cosignatures of a quorum, and a path, as JSON text.
const FRESHNESS_BYTES: usize = 16 * 1024;

fn result_bytes(call: &Call) -> usize {
    match call {
        Call::GetEvents(_) | Call::GetActiveLocks(_) | Call::ListLocks(_) => 3 * 1024 * 1024,
        Call::GetReceipt(_) | Call::CommitBatch(_) | Call::GetLockedBalance(_) => 1024 * 1024,
        Call::KmsEncrypt(_) | Call::KmsDecrypt(_) => 3 * 1024 * 1024,
        Call::GetBootAttestation(_) | Call::GetAttestation(_) => 64 * 1024,
        Call::GetBalance(_) | Call::GetPolicy(_) | Call::GetReadingKeys(_) => 128 * 1024,
        _ => 12 * 1024,
    }
}

async fn answer_call(
    handle: &EngineHandle,
    id: Option<Id>,
    call: Result<Call, ErrorObject>,
) -> Option<Vec<u8>> {
    let answered = match call {
        Ok(call) => methods::call(handle, call).await,
        Err(error) => Err(error),
    };
    let id = id?;
    Some(match answered {
        Ok(Json { result, freshness, .. }) => {
            envelope::success_written(&id, &result, freshness.as_deref())
        }
        Err(error) => envelope::failure(&id, &error),
    })
}

/// The answer to a message that is over its limit, before it was read.
pub fn too_large() -> Vec<u8> {
    let error =
        ErrorObject::new(Code::InvalidRequest).with_message("the request is over its size limit");
    envelope::failure(&Id::Null, &error)
}

/// The answer when the real one is over its limit.
pub fn answer_too_large() -> Vec<u8> {
    let error = ErrorObject::new(Code::InvalidRequest)
        .with_message("the answer is over its size limit: ask for less");
    envelope::failure(&Id::Null, &error)
}
