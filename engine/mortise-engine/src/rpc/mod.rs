//! JSON-RPC 2.0, the same over the socket and the gateway.
//!
//! What it is for: turns request bytes into answer bytes. Parses with `mortise_rpc`, submits
//! through the handle, renders the reply.
//!
//! What it does not do: split streams into messages, listen, decide.

mod application;
mod attestation;
mod history;
mod methods;
mod reading;
mod render;
mod sealed;

pub use methods::subscribe_elsewhere;
pub use sealed::answer_sealed;

use crate::handle::EngineHandle;
use crate::log::ReleasedLog;
use crate::phase::Phase;
use mortise_format::errors::Code;
use mortise_format::limits::EVENTS_FRAMES_MAX;
use mortise_rpc::envelope::{self, Id, Item, Message, Request};
use mortise_rpc::results::EventsResult;
use mortise_rpc::{Call, ErrorObject};

/// Answers one message: an object or a batch. `None` for a message of notifications only, which
/// gets no answer.
pub async fn answer(handle: &EngineHandle, bytes: &[u8]) -> Option<Vec<u8>> {
    answer_message(handle, envelope::parse(bytes)).await
}

/// Like [`answer`], for a parsed message.
pub async fn answer_message(handle: &EngineHandle, message: Message) -> Option<Vec<u8>> {
    match message {
        Message::Single(item) => answer_item(handle, item).await,
        Message::Batch(items) => {
            // Answers keep the order of the calls. All calls are submitted before the first is
            // awaited, so that logged commands of a batch share frames.
            let calls: Vec<_> = items.into_iter().map(|item| answer_item(handle, item)).collect();
            let answers = futures_util::future::join_all(calls).await;
            envelope::batch(&answers.into_iter().flatten().collect::<Vec<_>>())
        }
    }
}

async fn answer_item(handle: &EngineHandle, item: Item) -> Option<Vec<u8>> {
    let request = match item {
        Item::Refused { id, error } => return Some(envelope::failure(&id, &error)),
        Item::Request(request) => request,
    };
    let Request { id, method, params } = request;
    let answered = match Call::by_name(&method, &params) {
        Ok(call) => methods::call(handle, call).await,
        Err(error) => Err(error),
    };
    let id = id?;
    Some(match answered {
        Ok(result) => success(&id, &result),
        Err(error) => envelope::failure(&id, &error),
    })
}

/// A serialized result. Large results are serialized once and never parsed again.
#[derive(Debug)]
struct Json(Vec<u8>);

/// Like `envelope::success`, for a serialized result.
fn success(id: &Id, result: &Json) -> Vec<u8> {
    let id = serde_json::to_vec(id).expect("an id is a text, a number or null");
    let parts: [&[u8]; 5] = [br#"{"jsonrpc":"2.0","result":"#, &result.0, br#","id":"#, &id, b"}"];
    parts.concat()
}

/// The released log, while the engine serves.
///
/// # Errors
/// FAULT in a fault; NOT_READY in every other phase that does not serve.
pub fn log(handle: &EngineHandle) -> Result<&ReleasedLog, ErrorObject> {
    match handle.phase() {
        Phase::Ready => methods::serving(handle).map(|serving| &*serving.log),
        Phase::Fault { .. } => Err(ErrorObject::new(Code::Fault)),
        phase => Err(ErrorObject::not_ready(phase.name())),
    }
}

/// Reads the frames of one notification.
///
/// # Errors
/// As `getEvents`.
pub async fn notified_frames(log: &ReleasedLog, from: u64) -> Result<EventsResult, ErrorObject> {
    let frames = reading::frames(log, from, EVENTS_FRAMES_MAX).await?;
    Ok(reading::result(from, log.released(), &frames, None))
}

/// The answer to a request that exceeds its size limit. The request is not parsed.
pub fn too_large() -> Vec<u8> {
    let error = ErrorObject::new(Code::InvalidRequest).saying("the request is over its size limit");
    envelope::failure(&Id::Null, &error)
}

/// Replaces an answer that exceeds its size limit.
pub fn answer_too_large() -> Vec<u8> {
    let error = ErrorObject::new(Code::InvalidRequest)
        .saying("the answer is over its size limit: request less");
    envelope::failure(&Id::Null, &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_equals_that_of_the_envelope_byte_for_byte() {
        let result = serde_json::json!({ "a": [1, "two", null] });
        let json = Json(serde_json::to_vec(&result).unwrap());
        for id in [Id::Null, Id::from(7), Id::Text("x\"\n".into())] {
            assert_eq!(success(&id, &json), envelope::success(&id, &result));
        }
    }
}
