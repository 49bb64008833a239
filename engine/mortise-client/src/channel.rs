//! The channel to the attested engine: what the carrier neither reads nor changes
//! (`specs/channel.md`).
//!
//! What it is for: a client that was given a [`Trust`] asks the engine to prove itself before
//! anything else is said, seals every call to the key that was proven, and accepts no answer but
//! those that open. When the engine refuses a message because it has booted again, it proves itself
//! again, once, and the same call is sent to its new key.
//!
//! What it does not do: authenticate the caller to the engine - signatures in the calls do.
//!
//! Invariants: but for the question for the attestation nothing is said in clear; what comes in
//! clear is believed about nothing but that no answer comes (INV: a refusal in clear is the
//! carrier's word).

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

/// How calls travel after the engine has proven itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Channel {
    /// Sealed to the proven key: whoever carries them sees sizes and times.
    #[default]
    Sealed,
    /// In clear: whoever carries them reads all and may answer what is not signed in the engine's
    /// place.
    Off,
}

/// Why a call did not pass through the channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The attestation binds no channel key.
    #[error("the attestation binds no channel key")]
    NoKey,
    /// The request does not fit a message, or the key is none.
    #[error("the request was not sealed: {0}")]
    Seal(#[from] SealError),
    /// The answer does not open: changed on its way, or of another request.
    #[error("the answer does not open: {0}")]
    Open(#[from] OpenError),
    /// Messages to the key that was proven a moment ago are refused: whoever answers does not pass
    /// them to the engine that proved it.
    #[error("messages to the key that was just proven are refused")]
    Refused,
    /// An answer in clear that nobody may give: it would be the carrier's word for the engine's.
    #[error("the answer came in clear, with error {code}")]
    InClear {
        /// The error code it names; 0 when it is no error.
        code: i32,
    },
}

/// What a client that believes proofs only keeps.
#[derive(Debug)]
pub(crate) struct Attested {
    trust: Trust,
    channel: Channel,
    peer: Mutex<Option<Arc<Peer>>>,
}

/// A boot of the engine that has proven itself.
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
    /// A client of an engine that proves itself now: an enclave of an approved image holds its
    /// keys. All calls travel sealed to it ([`Channel::Sealed`]).
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

    /// Believes the engine only after it has proven itself, which it is asked for before the first
    /// call and again after it has booted anew.
    #[must_use]
    pub fn attested(mut self, trust: Trust, channel: Channel) -> Self {
        self.attested = Some(Attested::new(trust, channel));
        self
    }

    /// What the engine has proven; asks it when it has not yet. `None` when this client was not
    /// told to ask ([`Client::attested`]).
    ///
    /// # Errors
    /// `Proof` when the proof does not stand; `Channel` with `NoKey`; `Identity` when it is another
    /// engine than the one pinned or met before; `Contradiction` when its newest statement
    /// contradicts one that is kept; `Refused` with UNATTESTED when it says itself that it can
    /// prove nothing, or OVERLOADED; as any call.
    pub async fn proven(&self) -> Result<Option<Proven>, ClientError> {
        let peer = self.peer().await?;
        Ok(peer.map(|peer| peer.proven.clone()))
    }

    /// The boot that calls are sealed to; `None` when they travel in clear.
    pub(crate) async fn sealed_to(&self) -> Result<Option<Arc<Peer>>, ClientError> {
        let peer = self.peer().await?;
        let is_sealed = self.attested.as_ref().is_some_and(|a| a.channel == Channel::Sealed);
        Ok(peer.filter(|_| is_sealed))
    }

    async fn peer(&self) -> Result<Option<Arc<Peer>>, ClientError> {
        let Some(attested) = &self.attested else { return Ok(None) };
        // Held while asking: calls that come meanwhile wait for the same proof.
        let mut kept = attested.peer.lock().await;
        if kept.is_none() {
            *kept = Some(Arc::new(self.ask_proof(&attested.trust).await?));
        }
        Ok(kept.clone())
    }

    /// The engine has booted anew since this proof.
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
        // Boxed: a call asks for a proof, and the proof is asked for by a call.
        let asked = Box::pin(self.call_in_clear(method, &params, OnLoss::SendAgain));
        let answer: Attestation = asked.await?;
        let proven = verify(&answer, &nonce, now_ms(), trust)?;
        self.expect_identity(proven.identity())?;
        let statement = answer.statement;
        // The document says that this was the newest when it was made, which is after `kept` was.
        let is_behind = kept.is_some_and(|k| k.statement.history_size > statement.history_size);
        let how = if is_behind { ShownAs::AsNewest } else { ShownAs::WithAnswer };
        let shown = SignedStatementView { statement, signature: answer.statement_signature };
        self.take_proven(shown, how)?;
        let key = proven.keys().channel.ok_or(ChannelError::NoKey)?;
        Ok(Peer { proven, key })
    }
}
