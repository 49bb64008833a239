//! Messages: an object or a batch in, the answers out.

use super::batch::{Planned, in_order};
use super::bound::answer_bytes_max;
use super::methods;
use super::reply::{Json, closed, to_text};
use crate::handle::{EngineHandle, SubmitError};
use crate::room::MadeAnswer;
use futures_util::future::FutureExt as _;
use mortise_format::errors::Code;
use mortise_format::limits::RESPONSE_BYTES_MAX;
use mortise_rpc::envelope::{self, Id, Item, Message, Request};
use mortise_rpc::{Asked, ErrorObject};

/// Answers one message: an object or a batch. `None` when nothing is to be answered, which is so
/// for notifications only.
pub async fn answer(handle: &EngineHandle, bytes: &[u8]) -> Option<MadeAnswer> {
    answer_message(handle, envelope::parse(bytes)).await
}

/// As [`answer`], to a message that was read already.
pub async fn answer_message(handle: &EngineHandle, message: Message) -> Option<MadeAnswer> {
    match message {
        Message::Single(item) => (planned(handle, item).begin)().await,
        Message::Batch(items) => {
            let place = |_| handle.budgets().messages.take(handle.caller());
            let places: Option<Vec<_>> = items.iter().map(place).collect();
            let Some(_places) = places else {
                return joined(items.iter().filter_map(|item| overloaded(handle, item)).collect());
            };
            let calls = items.into_iter().map(|item| planned(handle, item)).collect();
            joined(in_order(calls, RESPONSE_BYTES_MAX).await)
        }
    }
}

/// The answers of a batch as one, with all that is reserved for them.
fn joined(answers: Vec<MadeAnswer>) -> Option<MadeAnswer> {
    let (texts, reserved): (Vec<_>, Vec<_>) =
        answers.into_iter().map(|made| (made.bytes, made.reserved)).unzip();
    let bytes = envelope::batch(&texts)?;
    Some(MadeAnswer { bytes, reserved: reserved.into_iter().flatten().collect() })
}

/// A call that is parsed and not begun.
fn planned(handle: &EngineHandle, item: Item) -> Planned<'_> {
    let (id, call) = match item {
        Item::Refused { id, error } => (Some(id), Err(error)),
        // A parsed text takes many times its bytes: it does not wait for the answer.
        Item::Request(Request { id, method, params }) => (id, Asked::by_name(&method, params)),
    };
    let bytes = match &call {
        Ok(asked) => answer_bytes_max(&asked.call, handle.has_witnesses()),
        Err(error) => ERROR_BYTES + to_text(error).len(),
    };
    let bytes = bytes + id.as_ref().map_or(0, |id| id.to_json().len());
    let begun = (handle, id.clone());
    let begin = move || answer_call(begun.0, begun.1, call, bytes).boxed_local();
    Planned { id, bytes, begin: Box::new(begin) }
}

/// The answer to an entry of a batch that finds no places for its calls.
fn overloaded(handle: &EngineHandle, item: &Item) -> Option<MadeAnswer> {
    let id = match item {
        Item::Refused { id, .. } => id,
        Item::Request(request) => request.id.as_ref()?,
    };
    let id = if id.to_json().len() > ERROR_BYTES { &Id::Null } else { id };
    let error = closed(SubmitError::Overloaded);
    Some(handle.room(0).made(envelope::failure(id, &error)))
}

/// What is around an error.
const ERROR_BYTES: usize = 512;

async fn answer_call(
    handle: &EngineHandle,
    id: Option<Id>,
    call: Result<Asked, ErrorObject>,
    bytes_max: usize,
) -> Option<MadeAnswer> {
    let room = handle.room(bytes_max);
    let answered = match call {
        Ok(call) => methods::call(&handle.within(&room), call).await,
        // The error is made. It is as large as what the caller sent.
        Err(error) => Err(room.reserve().map_err(closed).err().unwrap_or(error)),
    };
    let id = id?;
    let bytes = match answered {
        Ok(Json { result, freshness, .. }) => {
            envelope::success_written(&id, &result, freshness.as_deref())
        }
        Err(error) => {
            // An id can be as long as a request.
            let is_long = id.to_json().len() > ERROR_BYTES;
            let id = if is_long && room.reserve().is_err() { &Id::Null } else { &id };
            envelope::failure(id, &error)
        }
    };
    Some(room.made(match bytes.len() {
        0..=RESPONSE_BYTES_MAX => bytes,
        _ => envelope::failure(&id, &over_its_limit()),
    }))
}

/// The answer to a message that is over its limit, before it was read.
pub fn too_large() -> Vec<u8> {
    let error =
        ErrorObject::new(Code::InvalidRequest).with_message("the request is over its size limit");
    envelope::failure(&Id::Null, &error)
}

/// The answer when the real one is over its limit.
pub fn answer_too_large() -> Vec<u8> {
    envelope::failure(&Id::Null, &over_its_limit())
}

fn over_its_limit() -> ErrorObject {
    ErrorObject::new(Code::InvalidRequest)
        .with_message("the answer is over its size limit: ask for less")
}
