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

use crate::attestation::{Proven, Trust, now_ms, verify};
use crate::client::{Client, RetryReason};
use crate::error::ClientError;
use crate::retry::{OnLoss, worth_waiting};
use crate::signer::random_bytes;
use crate::statements::{ShownAs, SignedStatementView};
use bytes::Bytes;
use mortise_channel::{AnswerOpener, OpenError, SealError, seal_request};
use mortise_format::channel::is_channel;
use mortise_format::errors::Code;
use mortise_format::ids::Bytes32;
use mortise_rpc::params::GetAttestation;
use mortise_rpc::results::Attestation;
use mortise_rpc::{Method, envelope};
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
    trust: Trust,
    channel: Channel,
    peer: Mutex<Option<Arc<Peer>>>,
}

/// An attested boot of the engine.
#[derive(Debug)]
pub(crate) struct Peer {
    proven: Proven,
    key: [u8; 32],
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

impl Client {
    /// A client of an engine that is attested now: an enclave of an approved image holds its keys.
    /// All calls are encrypted to it ([`Channel::Sealed`]).
    ///
    /// # Errors
    /// As [`Client::proven`].
    pub async fn connect_attested(
        endpoint: crate::Endpoint,
        trust: Trust,
    ) -> Result<Self, ClientError> {
        let client = Self::new(endpoint).attested(trust, Channel::Sealed);
        client.proven().await?;
        Ok(client)
    }

    /// Attests the engine before the first call, and again after the engine rebooted. Trusts no
    /// answer before that.
    #[must_use]
    pub fn attested(mut self, trust: Trust, channel: Channel) -> Self {
        self.attested = Some(Attested::new(trust, channel));
        self
    }

    /// The attestation of the engine; requests it if there is none yet. `None` for a client without
    /// [`Client::attested`].
    ///
    /// # Errors
    /// `Proof` when verification fails; `Channel` with `NoKey`; `Identity` when it is another
    /// engine than the pinned or first one; `Contradiction` when its newest statement contradicts
    /// the kept one; `Refused` with UNATTESTED when the engine has no security module, or
    /// OVERLOADED; as any call.
    pub async fn proven(&self) -> Result<Option<Proven>, ClientError> {
        let peer = self.peer().await?;
        Ok(peer.map(|peer| peer.proven.clone()))
    }

    /// The boot that calls are encrypted to; `None` when they are sent in clear.
    pub(crate) async fn sealed_to(&self) -> Result<Option<Arc<Peer>>, ClientError> {
        let peer = self.peer().await?;
        let is_sealed = self.attested.as_ref().is_some_and(|a| a.channel == Channel::Sealed);
        Ok(peer.filter(|_| is_sealed))
    }

    async fn peer(&self) -> Result<Option<Arc<Peer>>, ClientError> {
        let Some(attested) = &self.attested else { return Ok(None) };
        // Held during the request: concurrent calls wait for the same attestation.
        let mut kept = attested.peer.lock().await;
        if kept.is_none() {
            *kept = Some(Arc::new(self.ask_proof(&attested.trust).await?));
        }
        Ok(kept.clone())
    }

    /// Drops an attestation because the engine rebooted since.
    pub(crate) async fn forget(&self, peer: &Arc<Peer>) {
        let Some(attested) = &self.attested else { return };
        let mut kept = attested.peer.lock().await;
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, peer)) {
            *kept = None;
        }
    }

    async fn ask_proof(&self, trust: &Trust) -> Result<Peer, ClientError> {
        let kept = self.last_statement();
        let nonce = Bytes32(random_bytes());
        let params = GetAttestation { nonce };
        let method = Method::GetAttestation;
        // Boxed: a call requests an attestation, and that request is a call.
        let asked = Box::pin(self.call_in_clear(method, &params, OnLoss::SendAgain));
        let answer: Attestation = asked.await?;
        let proven = verify(&answer, &nonce, now_ms(), trust)?;
        self.expect_identity(proven.identity())?;
        let statement = answer.statement;
        // By the document this was the newest statement when it was made, which was after `kept`.
        let is_behind = kept.is_some_and(|k| k.statement.history_size > statement.history_size);
        let how = if is_behind { ShownAs::AsNewest } else { ShownAs::WithAnswer };
        let shown = SignedStatementView { statement, signature: answer.statement_signature };
        self.take_proven(shown, how)?;
        let key = proven.keys().channel.ok_or(ChannelError::NoKey)?;
        Ok(Peer { proven, key })
    }
}
