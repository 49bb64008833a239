//! The client: one engine, its identity, calls with retries.

use crate::attestation::now_ms;
use crate::channel::{self, Attested, ChannelError, Peer};
use crate::check;
use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::freshness::Freshness;
use crate::identity::Identity;
use crate::link::{Link, LinkError};
use crate::read_as::ReadAs;
use crate::retry::{OnLoss, RetryPolicy, RetryReason, worth_waiting};
use crate::statements::{ShownAs, SignedStatementView, Statements};
use bytes::Bytes;
use mortise_format::ids::EngineId;
use mortise_format::insecure_mode::InsecureMode;
use mortise_rpc::results::{Health, ReceiptView, StateRootResult};
use mortise_rpc::{Call, ErrorObject, Method, Tense, envelope, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A client of one engine. Cheap calls on `&self`; share it behind an `Arc`.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    link: Link,
    retry: RetryPolicy,
    identity: OnceLock<Identity>,
    is_pinned: bool,
    statements: Statements,
    pub(crate) attested: Option<Attested>,
    pub(crate) allowed: Option<InsecureMode>,
    freshness: Option<Box<Freshness>>,
    pub(crate) read_as: Option<ReadAs>,
    next_id: AtomicU64,
}

impl Client {
    /// A client that trusts the first engine that answers and sends in clear. See
    /// [`Client::attested`] for a client that does neither.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            link: Link::new(&endpoint),
            endpoint,
            retry: RetryPolicy::default(),
            identity: OnceLock::new(),
            is_pinned: false,
            statements: Statements::default(),
            attested: None,
            allowed: None,
            freshness: None,
            read_as: None,
            next_id: AtomicU64::new(1),
        }
    }

    /// Trusts this engine only.
    #[must_use]
    pub fn pinned(mut self, identity: Identity) -> Self {
        self.identity = OnceLock::from(identity);
        self.is_pinned = true;
        self
    }

    /// Trusts only the engine with this id, which opens it with its genesis keys.
    ///
    /// # Errors
    /// As [`Client::check_engine_id`].
    pub async fn pinned_by_id(mut self, expected: EngineId) -> Result<Self, ClientError> {
        self.check_engine_id(expected).await?;
        self.is_pinned = true;
        Ok(self)
    }

    /// Asks the engine for the keys that its id is made of, and compares both.
    ///
    /// # Errors
    /// `EngineId` when another engine answers; `Identity` when another one is pinned; NOT_READY
    /// while the engine has no identity yet; as any call.
    pub async fn check_engine_id(&self, expected: EngineId) -> Result<Identity, ClientError> {
        let info = self.engine_info().await?;
        let (found, identity) = (info.engine_id, Identity::opened(&info));
        match identity.filter(|identity| identity.engine_id == expected) {
            Some(identity) => {
                self.expect_identity(identity)?;
                Ok(identity)
            }
            None => {
                let opened = if identity.is_some() { "that id" } else { "another id" };
                Err(ClientError::EngineId { expected, found, opened })
            }
        }
    }

    /// Whether the caller named the engine, or it is the first one that answered.
    pub(crate) fn is_pinned(&self) -> bool {
        self.is_pinned
    }

    /// Sets retries and timeouts.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Refuses answers about now that are too old when they arrive, or do not show their age.
    /// Without this call their age is not checked: a superseded engine passes for the newest.
    #[must_use]
    pub fn fresh(mut self, freshness: Freshness) -> Self {
        self.freshness = Some(Box::new(freshness));
        self
    }

    /// Also accepts promises in this insecure mode, which bind no one. For tests against such an
    /// engine. The mode stays in the answers. Without this call they are refused
    /// ([`mortise_verify::insecure::InsecureModeError`]).
    #[must_use]
    pub fn allow_insecure(mut self, mode: InsecureMode) -> Self {
        self.allowed = Some(mode);
        self
    }

    /// Starts from a statement that was kept elsewhere, so that the client detects a rollback
    /// since.
    ///
    /// # Errors
    /// `Check` unless the pinned engine signed it. Makes no call, so pin the engine first.
    pub fn with_statement(self, kept: SignedStatementView) -> Result<Self, ClientError> {
        let identity = self.identity.get().copied();
        let identity = identity.ok_or(check::CheckError::NotPinned)?;
        check::statement(&identity, &kept)?;
        self.statements.take(kept, ShownAs::WithAnswer).map_err(ClientError::Contradiction)?;
        Ok(self)
    }

    /// The endpoint of the engine.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The checked statement with the longest history so far.
    pub fn last_statement(&self) -> Option<SignedStatementView> {
        self.statements.kept()
    }

    /// The identity of the engine: pinned, or the first one that it answered with.
    ///
    /// # Errors
    /// As any call; NOT_READY while the engine has no identity yet.
    pub async fn identity(&self) -> Result<Identity, ClientError> {
        if let Some(identity) = self.identity.get() {
            return Ok(*identity);
        }
        if let Some(proven) = self.proven().await? {
            return Ok(proven.identity());
        }
        let health = self.health().await?;
        if health.enclave_id.is_zero() || health.public_key.is_zero() {
            return Err(ErrorObject::not_ready(&health.phase).into());
        }
        let met = Identity { engine_id: health.enclave_id, address: health.public_key };
        self.expect_identity(met)?;
        Ok(met)
    }

    /// Keeps the first identity, or compares with it.
    pub(crate) fn expect_identity(&self, met: Identity) -> Result<(), ClientError> {
        expect_same(*self.identity.get_or_init(|| met), met)
    }

    /// Asks the engine for its identity and compares it with the pinned or first one.
    ///
    /// # Errors
    /// `Identity` when it is another engine or key; as any call.
    pub async fn check_identity(&self) -> Result<Identity, ClientError> {
        let expected = self.identity().await?;
        let health = self.health().await?;
        let found = Identity { engine_id: health.enclave_id, address: health.public_key };
        expect_same(expected, found)?;
        Ok(expected)
    }

    /// Fetches and checks the newest statement; it must not be behind the one kept.
    ///
    /// # Errors
    /// `Contradiction` with both statements on a fork or rollback; as any call.
    pub async fn check_root(&self) -> Result<SignedStatementView, ClientError> {
        let params = params::GetStateRoot { at_seq: None, signed: true };
        let newest = self.state_root(params).await?;
        let StateRootResult::Signed { statement, signature } = newest else {
            return Err(protocol(Method::GetStateRoot, "a bare root instead of a statement"));
        };
        let shown = SignedStatementView { statement: *statement, signature };
        self.take_statement(shown.clone(), ShownAs::AsNewest).await?;
        Ok(shown)
    }

    /// Keeps the statement of a checked receipt when it is the newest.
    pub(crate) fn take_receipt(&self, receipt: &ReceiptView) -> Result<(), ClientError> {
        let statement = receipt.statement.clone();
        let shown = SignedStatementView { statement, signature: receipt.statement_signature };
        self.take_proven(shown, ShownAs::WithAnswer)
    }

    async fn take_statement(
        &self,
        shown: SignedStatementView,
        how: ShownAs,
    ) -> Result<(), ClientError> {
        let identity = self.identity().await?;
        check::statement(&identity, &shown)?;
        self.take_proven(shown, how)
    }

    /// Keeps a statement whose signature was checked.
    pub(crate) fn take_proven(
        &self,
        shown: SignedStatementView,
        how: ShownAs,
    ) -> Result<(), ClientError> {
        self.statements.take(shown, how).map_err(ClientError::Contradiction)
    }

    /// Sends a call until it is answered, refused for good, or the attempts are used up; through
    /// the channel, if this client has one. After a reboot of the engine the client attests it
    /// again, once, and encrypts the same text to the new key.
    pub(crate) async fn call<P: Serialize, R: DeserializeOwned>(
        &self,
        method: Method,
        params: &P,
        on_loss: OnLoss,
    ) -> Result<R, ClientError> {
        self.call_as(self.read_as.as_ref(), method, params, on_loss).await
    }

    /// As [`Client::call`], reading as this party.
    pub(crate) async fn call_as<P: Serialize, R: DeserializeOwned>(
        &self,
        read_as: Option<&ReadAs>,
        method: Method,
        params: &P,
        on_loss: OnLoss,
    ) -> Result<R, ClientError> {
        let mut call = self.written(method, params);
        for _ in 0..BOOTS_MAX {
            let peer = self.sealed_to().await?;
            if let Some(params) = self.with_read(method, params, read_as, peer.as_deref()).await? {
                call.text = Bytes::from(envelope::request(call.id, method.name(), &params));
            }
            match self.send(&call, peer.as_deref(), on_loss).await? {
                Sent::Answered(answered) => return self.taken(&call, answered).await,
                Sent::ToOtherBoot => {
                    if let Some(peer) = peer {
                        self.forget(&peer).await;
                    }
                }
            }
        }
        Err(ChannelError::Refused.into())
    }

    /// As [`Client::call`], always in clear: for calls before the attestation.
    pub(crate) async fn call_in_clear<P: Serialize, R: DeserializeOwned>(
        &self,
        method: Method,
        params: &P,
        on_loss: OnLoss,
    ) -> Result<R, ClientError> {
        let call = self.written(method, params);
        match self.send(&call, None, on_loss).await? {
            Sent::Answered(answered) => parsed(method, answered.result),
            Sent::ToOtherBoot => Err(ChannelError::Refused.into()),
        }
    }

    fn written<P: Serialize>(&self, method: Method, params: &P) -> Written {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let text = Bytes::from(envelope::request(id, method.name(), params));
        let tense = self.freshness.as_ref().and_then(|_| tense_of(method, params));
        Written { method, id, text, tense }
    }

    /// The check of answers about now, if there is one.
    pub(crate) fn freshness(&self) -> Option<&Freshness> {
        self.freshness.as_deref()
    }

    /// Checks the age of an answer about now, by the time at which it arrived.
    async fn taken<R: DeserializeOwned>(
        &self,
        call: &Written,
        answered: Answered,
    ) -> Result<R, ClientError> {
        if let Some(freshness) = &self.freshness
            && call.is_about_now(&answered.result)
        {
            let identity = self.identity_in(call.method, &answered.result).await?;
            let Answered { result, freshness: shown, now } = &answered;
            freshness.check_answer(&identity, result, shown.clone(), *now)?;
        }
        parsed(call.method, answered.result)
    }

    /// The identity of the engine that signs: pinned, met before, or that of this answer of
    /// `health`, by which clients meet an engine.
    async fn identity_in(&self, method: Method, result: &Value) -> Result<Identity, ClientError> {
        match (self.identity.get(), method) {
            (Some(identity), _) => Ok(*identity),
            (None, Method::Health) => {
                let health: Health = parsed(method, result.clone())?;
                Ok(Identity { engine_id: health.enclave_id, address: health.public_key })
            }
            // Boxed: the identity of an engine that is not pinned is asked for by a call.
            (None, _) => Box::pin(self.identity()).await,
        }
    }

    async fn send(
        &self,
        call: &Written,
        peer: Option<&Peer>,
        on_loss: OnLoss,
    ) -> Result<Sent, ClientError> {
        let mut attempt = 1;
        loop {
            let (error, wait) = match self.attempt(call, peer).await {
                Ok(outcome) => return outcome.map(Sent::Answered),
                Err(RetryReason::OtherBoot) => return Ok(Sent::ToOtherBoot),
                Err(RetryReason::Refused(error, wait)) => (ClientError::from(error), Some(wait)),
                Err(RetryReason::Lost(error)) if error.sent && on_loss == OnLoss::GiveUp => {
                    return Err(self.unreachable(error));
                }
                Err(RetryReason::Lost(error)) => (self.unreachable(error), None),
            };
            if attempt >= self.retry.attempts_max {
                return Err(error);
            }
            tokio::time::sleep(self.retry.wait(attempt, wait)).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        call: &Written,
        peer: Option<&Peer>,
    ) -> Result<Result<Answered, ClientError>, RetryReason> {
        let answer = match peer.map(|peer| peer.seal(&call.text)) {
            None => self.exchange(call.text.clone()).await?,
            Some(Err(error)) => return Ok(Err(error.into())),
            Some(Ok((message, opener))) => {
                match channel::open(&opener, &self.exchange(message).await?)? {
                    Ok(text) => text,
                    Err(error) => return Ok(Err(error.into())),
                }
            }
        };
        match read_answer(call.method, call.id, &answer) {
            Err(ClientError::Refused(error)) => match worth_waiting(&error) {
                Some(wait) => Err(RetryReason::Refused(*error, wait)),
                None => Ok(Err(ClientError::Refused(error))),
            },
            outcome => Ok(outcome),
        }
    }

    async fn exchange(&self, message: Bytes) -> Result<Bytes, RetryReason> {
        let exchange = tokio::time::timeout(self.retry.answer_max, self.link.exchange(message));
        match exchange.await {
            Ok(answer) => answer.map_err(RetryReason::Lost),
            Err(_) => {
                let reason = format!("no answer within {:?}", self.retry.answer_max);
                Err(RetryReason::Lost(LinkError { reason, sent: true }))
            }
        }
    }

    fn unreachable(&self, error: LinkError) -> ClientError {
        ClientError::Unreachable { endpoint: self.endpoint.to_string(), reason: error.reason }
    }
}

/// Compares an identity with the pinned or first one.
fn expect_same(expected: Identity, found: Identity) -> Result<(), ClientError> {
    if expected == found {
        return Ok(());
    }
    Err(ClientError::Identity {
        expected_id: expected.engine_id,
        expected: expected.address,
        found_id: found.engine_id,
        found: found.address,
    })
}

fn tense_of<P: Serialize>(method: Method, params: &P) -> Option<Tense> {
    let params = serde_json::to_value(params).ok()?;
    Call::parse(method, &params).ok().map(|call| call.tense())
}

/// A call as text: the same bytes for every attempt and route, except for who reads, which is
/// signed for each route.
struct Written {
    method: Method,
    id: u64,
    text: Bytes,
    tense: Option<Tense>,
}

impl Written {
    /// Whether the answer speaks of now. `health` does so only when it says that all is well.
    fn is_about_now(&self, result: &Value) -> bool {
        match self.method {
            Method::Health => result.get("status").is_some_and(|status| status == "healthy"),
            _ => self.tense == Some(Tense::Now),
        }
    }
}

/// An answer, and when it arrived.
struct Answered {
    result: Value,
    freshness: Option<Value>,
    /// Seconds since the Unix epoch.
    now: u64,
}

/// The result of one attempt.
enum Sent {
    /// The answer to the call.
    Answered(Answered),
    /// The engine rebooted and cannot read the request.
    ToOtherBoot,
}

/// Boots that one call is encrypted to. A second attestation means a restart; a third would mean a
/// relay that forwards attestations and nothing else.
const BOOTS_MAX: u32 = 2;

fn read_answer(method: Method, id: u64, answer: &[u8]) -> Result<Answered, ClientError> {
    let response = envelope::parse_response(answer).map_err(|why| protocol(method, why))?;
    let result = response.outcome?;
    if response.id != id.into() {
        return Err(protocol(method, "it has the id of another call"));
    }
    Ok(Answered { result, freshness: response.freshness, now: now_ms() / 1000 })
}

pub(crate) fn parsed<R: DeserializeOwned>(method: Method, result: Value) -> Result<R, ClientError> {
    serde_json::from_value(result).map_err(|error| protocol(method, error))
}

fn protocol(method: Method, reason: impl ToString) -> ClientError {
    ClientError::Protocol { method: method.name(), reason: reason.to_string() }
}
