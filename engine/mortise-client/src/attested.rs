//! A client that attests its engine: before the first call, and again after each reboot.

use crate::attestation::{Proven, Trust, now_ms, verify};
use crate::channel::{Attested, Channel, ChannelError, Peer};
use crate::client::Client;
use crate::error::ClientError;
use crate::retry::OnLoss;
use crate::signer::random_bytes;
use crate::statements::{ShownAs, SignedStatementView};
use mortise_format::ids::Bytes32;
use mortise_rpc::Method;
use mortise_rpc::params::GetAttestation;
use mortise_rpc::results::{Attestation, FreshnessView};
use std::sync::Arc;

/// What an attestation shows about its age.
fn freshness_of(answer: &Attestation) -> FreshnessView {
    let lease = answer.lease.as_ref();
    FreshnessView {
        statement: answer.statement.clone(),
        statement_signature: answer.statement_signature,
        checkpoint: lease.map(|lease| lease.checkpoint.clone()),
        history_path: lease.map(|lease| lease.history_path.clone()).unwrap_or_default(),
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
        if let Some(freshness) = self.freshness() {
            let shown = freshness_of(&answer);
            freshness.check(&proven.identity(), &shown, now_ms() / 1000)?;
        }
        let statement = answer.statement;
        // By the document this was the newest statement when it was made, which was after `kept`.
        let is_behind = kept.is_some_and(|k| k.statement.history_size > statement.history_size);
        let how = if is_behind { ShownAs::AsNewest } else { ShownAs::WithAnswer };
        let shown = SignedStatementView { statement, signature: answer.statement_signature };
        self.take_proven(shown, how)?;
        let key = proven.keys().channel.ok_or(ChannelError::NoKey)?;
        Ok(Peer { proven, key })
    }

    /// Requests a fresh attestation of the engine's keys and verifies it.
    ///
    /// # Errors
    /// `Refused` with UNATTESTED or OVERLOADED; `Proof`; what every call can fail with.
    pub async fn prove(&self, trust: &Trust) -> Result<Proven, ClientError> {
        let nonce = Bytes32(random_bytes());
        let answer = self.attestation(nonce).await?;
        Ok(verify(&answer, &nonce, now_ms(), trust)?)
    }
}
