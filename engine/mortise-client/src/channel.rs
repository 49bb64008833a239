//! The channel to the attested engine. A relay can neither read nor change what it carries
//! (`specs/channel.md`).
//!
//! What it is for: a client with a [`Trust`] attests the engine before it sends anything else,
//! encrypts every call to the attested key, and accepts only answers that open. When the engine
//! refuses a message because it rebooted, the client attests it again, once, and sends the same
//! call to the new key.
//!
//! What it does not do: authenticate the caller to the engine. Signatures in the calls do.
//!
//! Invariants: only the attestation request is sent in clear. A clear response to an encrypted call
//! proves nothing, because the relay may have forged it; the client treats it as a missing answer.

use crate::attestation::{Proven, Trust};
use crate::retry::{RetryReason, worth_waiting};
use crate::signer::random_bytes;
use bytes::Bytes;
use mortise_channel::{AnswerOpener, OpenError, SealError, seal_request};
use mortise_format::channel::is_channel;
use mortise_format::errors::Code;
use mortise_rpc::envelope;
use std::sync::Arc;
use tokio::sync::Mutex;

/// How calls are sent after the engine is attested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Channel {
    /// Encrypted to the attested key. A relay sees only sizes and times.
    #[default]
    Sealed,
    /// In clear. A relay reads everything and can forge every answer that is not signed.
    Off,
}

/// Why a call did not pass through the channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The attestation binds no channel key.
    #[error("the attestation binds no channel key")]
    NoKey,
    /// The request does not fit a message, or the key is invalid.
    #[error("the request was not sealed: {0}")]
    Seal(#[from] SealError),
    /// The answer does not open: changed in transit, or of another request.
    #[error("the answer does not open: {0}")]
    Open(#[from] OpenError),
    /// Messages to the key that was just attested are refused: the relay does not forward them to
    /// the engine that attested it.
    #[error("messages to the key that was just attested are refused")]
    Refused,
    /// The answer came in clear. The relay may have forged it.
    #[error("the answer came in clear, with error {code}")]
    InClear {
        /// The error code in it; 0 when it is not an error.
        code: i32,
    },
}

/// State of a client that requires attestation.
#[derive(Debug)]
pub(crate) struct Attested {
    pub(crate) trust: Trust,
    pub(crate) channel: Channel,
    pub(crate) peer: Mutex<Option<Arc<Peer>>>,
}

/// An attested boot of the engine.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) proven: Proven,
    pub(crate) key: [u8; 32],
}

impl Attested {
    pub fn new(trust: Trust, channel: Channel) -> Self {
        Self { trust, channel, peer: Mutex::new(None) }
    }
}

impl Peer {
    /// Seals a request text.
    pub fn seal(&self, text: &[u8]) -> Result<(Bytes, AnswerOpener), ChannelError> {
        let ephemeral = random_bytes();
        let key_id = self.proven.binding().epoch;
        let (message, opener) = seal_request(&self.key, key_id, &ephemeral, text)?;
        Ok((message.into(), opener))
    }
}

/// The text of an answer to a sealed request.
pub(crate) fn open(
    opener: &AnswerOpener,
    answer: &Bytes,
) -> Result<Result<Bytes, ChannelError>, RetryReason> {
    if is_channel(answer) {
        return Ok(opener.open(answer).map(Bytes::from).map_err(ChannelError::from));
    }
    let outcome = envelope::parse_response(answer).map(|response| response.outcome);
    let Ok(Err(error)) = outcome else { return Ok(Err(ChannelError::InClear { code: 0 })) };
    match (error.entry(), worth_waiting(&error)) {
        (Some(Code::ChannelRefused), _) => Err(RetryReason::OtherBoot),
        (Some(Code::NotReady | Code::Overloaded), Some(wait)) => {
            Err(RetryReason::Refused(error, wait))
        }
        _ => Ok(Err(ChannelError::InClear { code: error.code })),
    }
}
