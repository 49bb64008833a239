//! Messages of the channel: opened, answered as any text is, sealed.
//!
//! What does not open gets one named error in clear, which says which key would: a caller that
//! holds the key of an earlier boot asks for a new attestation. Nothing of what was inside, and not
//! at which step it failed, is in that error.

use super::ask::closed;
use super::message::{answer, answer_too_large};
use crate::channel::OpenedRequest;
use crate::handle::EngineHandle;
use bytes::Bytes;
use mortise_format::errors::Code;
use mortise_rpc::ErrorObject;
use mortise_rpc::envelope::{Id, failure};

/// Answers a message of the channel. What is owed no answer, notifications, gets an empty one that
/// is sealed like any other.
pub async fn answer_sealed(handle: &EngineHandle, message: Bytes) -> Vec<u8> {
    let (key_id, opened) = match handle.open_message(message).await {
        Ok(opened) => opened,
        Err(error) => return failure(&Id::Null, &closed(error)),
    };
    match opened {
        Ok(OpenedRequest { text, sealer, nonce }) => {
            let answer = answer(handle, &text).await.unwrap_or_default();
            sealer.seal(&nonce, &answer).unwrap_or_else(|_| {
                // Nothing was sealed under the nonce yet.
                let sealed = sealer.seal(&nonce, &answer_too_large());
                sealed.expect("an answer of one error is below the bound")
            })
        }
        Err(error) => {
            tracing::debug!(%error, "a message of the channel does not open");
            let refused = ErrorObject::new(Code::ChannelRefused).with("keyId", key_id);
            failure(&Id::Null, &refused)
        }
    }
}
