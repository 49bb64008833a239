//! Messages: an object or a batch in, the answers out.

use super::methods;
use crate::handle::EngineHandle;
use mortise_format::errors::Code;
use mortise_rpc::envelope::{self, Id, Item, Message, Request};
use mortise_rpc::{Call, ErrorObject};

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
            // Asked in order and answered in order; what is logged shares frames all the same,
            // because every call is asked before the first is awaited.
            let asked: Vec<_> = items.into_iter().map(|item| answer_item(handle, item)).collect();
            let answers = futures_util::future::join_all(asked).await;
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
    let call = Call::by_name(&method, &params);
    // A parsed text takes many times its bytes: it does not wait for the answer.
    drop(params);
    let answered = match call {
        Ok(call) => methods::call(handle, call).await,
        Err(error) => Err(error),
    };
    let id = id?;
    Some(match answered {
        Ok(result) => envelope::success_written(&id, &result.0),
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
