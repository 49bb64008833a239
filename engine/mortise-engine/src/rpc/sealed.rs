//! Channel messages: opens the request, answers it like any text, seals the answer.
//!
//! A message that does not open gets one named error in clear. The error names the current key, so
//! a caller with the key of an earlier boot can request a new attestation. It reveals neither the
//! content nor the step that failed.

use super::message::{answer, answer_too_large};
use super::reply::closed;
use crate::channel::OpenedRequest;
use crate::handle::EngineHandle;
use crate::room::MadeAnswer;
use bytes::Bytes;
use mortise_format::errors::Code;
use mortise_rpc::ErrorObject;
use mortise_rpc::envelope::{Id, failure};

/// Answers a channel message. Notifications get an empty answer, sealed like any other.
pub async fn answer_sealed(handle: &EngineHandle, message: Bytes) -> MadeAnswer {
    let in_clear = |error: &ErrorObject| handle.room(0).made(failure(&Id::Null, error));
    let (key_id, opened) = match handle.open_message(message).await {
        Ok(opened) => opened,
        Err(error) => return in_clear(&closed(error)),
    };
    match opened {
        Ok(OpenedRequest { text, sealer, nonce }) => {
            let answer = answer(&handle.inside_channel(), &text).await.unwrap_or_default();
            let sealed = sealer.seal(&nonce, &answer.bytes).unwrap_or_else(|_| {
                // The nonce is still unused: the first seal failed.
                let sealed = sealer.seal(&nonce, &answer_too_large());
                sealed.expect("an answer of one error is below the bound")
            });
            // It takes the place of the answer.
            drop(answer);
            handle.room(0).made(sealed)
        }
        Err(error) => {
            tracing::debug!(%error, "a channel message does not open");
            let refused = ErrorObject::new(Code::ChannelRefused).with("keyId", key_id);
            in_clear(&refused)
        }
    }
}
