//! The routes of the gateway.

use super::GatewayLimits;
use super::access::{Access, Refused};
use super::answer::{GatewayError, empty, json_body, relayed, with_cors};
use super::body::{self, BodyError};
use super::engine::{EngineError, EngineLinks};
use super::peer::{PeerIp, Peers};
use crate::metrics::{DiskFacts, Metrics, Outcome};
use crate::store::StoreState;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::routing::get;
use bytes::Bytes;
use mortise_format::errors::Code;
use mortise_transport::{ByteBudget, FairPool, begin_with_hint};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// `Retry-After` of a caller for which there is no room.
const RETRY_AFTER_MS: u64 = 100;
/// Timeout of the readiness check of the engine.
const READY_TIME: Duration = Duration::from_secs(2);
/// The share of readiness checks. No peer has it.
const READY_HINT: u64 = 0;
const HEALTH_CALL: &[u8] = br#"{"jsonrpc":"2.0","id":"readyz","method":"health","params":{}}"#;

/// The state that all requests share.
#[derive(Debug)]
pub(crate) struct Gateway {
    engine: EngineLinks,
    metrics: Arc<Metrics>,
    store: watch::Receiver<StoreState>,
    limits: GatewayLimits,
    in_flight: FairPool,
    peers: Peers,
    memory: Arc<Semaphore>,
    answers: ByteBudget,
    access: Access,
    pages: Pages,
}

/// What an address serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    /// Calls, and metrics for this machine.
    All,
    /// Calls alone.
    Calls,
    /// Metrics alone.
    Metrics,
}

impl Gateway {
    /// A gateway that serves all pages.
    pub(crate) fn new(
        engine: EngineLinks,
        metrics: Arc<Metrics>,
        store: watch::Receiver<StoreState>,
        limits: GatewayLimits,
        access: Access,
    ) -> Self {
        let in_flight = FairPool::new(limits.in_flight_max);
        let peers = Peers::new(access.trusted_proxies().to_vec());
        let memory = Arc::new(Semaphore::new(limits.body_kib_max));
        let answers = ByteBudget::new(limits.answer_kib_max.saturating_mul(1024));
        let pages = Pages::All;
        Self { engine, metrics, store, limits, in_flight, peers, memory, answers, access, pages }
    }

    /// The same with other pages.
    pub(crate) fn with_pages(self, pages: Pages) -> Self {
        Self { pages, ..self }
    }

    /// True for the address of calls.
    pub(super) fn takes_calls(&self) -> bool {
        self.pages != Pages::Metrics
    }

    pub(super) fn limits(&self) -> &GatewayLimits {
        &self.limits
    }

    pub(super) fn peers(&self) -> &Peers {
        &self.peers
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Every path except three goes to the engine.
    pub(super) fn router(self: &Arc<Self>) -> Router {
        let mut router = Router::new();
        if self.takes_calls() {
            router = router
                .route("/healthz", get(healthz))
                .route("/readyz", get(readyz))
                .fallback(relay);
        }
        // What the metrics tell is the operator's: an address for others does not serve them.
        let is_private = self.pages == Pages::All && self.access.is_loopback();
        if is_private || self.pages == Pages::Metrics {
            router = router.route("/metrics", get(metrics));
        }
        let checked = from_fn_with_state(Arc::clone(self), check_access);
        router.layer(checked).with_state(Arc::clone(self))
    }

    async fn post(&self, request: Request) -> (Response<Body>, Outcome) {
        let waits = request.headers().contains_key(header::EXPECT);
        let hint = self.hint(&request);
        let mut unread = request.into_body();
        let body = match body::read(&mut unread, hint, &self.memory, self.limits.body_time).await {
            Ok(body) => body,
            Err(error) => {
                // Who expects "100 Continue" has sent nothing yet, unless it was read already.
                let is_announced = error == BodyError::TooLarge && body::is_too_large(&unread);
                if error != BodyError::Incomplete && !(waits && is_announced) {
                    body::drain(&mut unread, self.limits.body_time).await;
                }
                return refuse_body(error);
            }
        };
        let Some(_permit) = self.in_flight.take(EngineLinks::key(hint)) else {
            return (overloaded().answer(body.body()), Outcome::Overloaded);
        };
        self.metrics.gateway_in_flight(1.0);
        let answer = self.engine.ask(hint, body.message.clone(), self.limits.answer_time).await;
        self.metrics.gateway_in_flight(-1.0);
        match answer {
            Ok(answer) if answer.is_empty() => (empty(StatusCode::NO_CONTENT), Outcome::Empty),
            Ok(answer) => match self.answers.hold(answer.len()) {
                Some(held) => (relayed(answer, held), Outcome::Relayed),
                // Other callers do not read theirs. What the engine did is done.
                None => {
                    drop(answer);
                    let unknown = overloaded().with("outcome", "unknown");
                    (unknown.answer(body.body()), Outcome::Overloaded)
                }
            },
            Err(EngineError::Busy) => (overloaded().answer(body.body()), Outcome::Overloaded),
            Err(error) => (not_ready(error).answer(body.body()), Outcome::Unreachable),
        }
    }

    /// The hint of the peer that sent a request.
    fn hint(&self, request: &Request) -> u64 {
        let peer = request.extensions().get::<PeerIp>();
        peer.map_or(0, |peer| self.peers.hint(*peer, request.headers()))
    }
}

/// Refuses a request that its [`Access`] does not allow, and adds the headers for its page.
async fn check_access(
    State(gateway): State<Arc<Gateway>>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let (status, header) = match gateway.access.check(request.uri(), request.headers()) {
        Ok(origin) => return with_cors(next.run(request).await, origin),
        Err(Refused::Host) => (StatusCode::MISDIRECTED_REQUEST, "Host"),
        Err(Refused::Origin) => (StatusCode::FORBIDDEN, "Origin"),
    };
    body::drain(request.body_mut(), gateway.limits.body_time).await;
    gateway.metrics.gateway_request(Outcome::Refused, Duration::ZERO);
    GatewayError::new(Code::InvalidRequest).with("header", header).answer_unread(status)
}

async fn relay(State(gateway): State<Arc<Gateway>>, mut request: Request) -> Response<Body> {
    let start = Instant::now();
    let (response, outcome) = match *request.method() {
        Method::POST => gateway.post(request).await,
        Method::OPTIONS => return empty(StatusCode::NO_CONTENT),
        _ => {
            body::drain(request.body_mut(), gateway.limits.body_time).await;
            let mut refused = empty(StatusCode::METHOD_NOT_ALLOWED);
            let allowed = HeaderValue::from_static("POST, OPTIONS");
            refused.headers_mut().insert(header::ALLOW, allowed);
            (refused, Outcome::Method)
        }
    };
    gateway.metrics.gateway_request(outcome, start.elapsed());
    response
}

fn refuse_body(error: BodyError) -> (Response<Body>, Outcome) {
    match error {
        BodyError::TooLarge => {
            let refused = GatewayError::new(Code::InvalidRequest);
            (refused.answer_unread(StatusCode::PAYLOAD_TOO_LARGE), Outcome::TooLarge)
        }
        BodyError::Incomplete => {
            let refused = GatewayError::new(Code::InvalidRequest);
            (refused.answer_unread(StatusCode::REQUEST_TIMEOUT), Outcome::Incomplete)
        }
        BodyError::NoMemory => (overloaded().answer_unread(StatusCode::OK), Outcome::Overloaded),
    }
}

fn overloaded() -> GatewayError {
    GatewayError::new(Code::Overloaded).with("retryAfterMs", RETRY_AFTER_MS)
}

/// The error for an engine that did not answer. Sending the same bytes again is safe even when the
/// outcome is unknown: a call that changes state is idempotent by its request id, lock id or
/// signature.
fn not_ready(error: EngineError) -> GatewayError {
    let not_ready = GatewayError::new(Code::NotReady).with("phase", error.to_string());
    if error.outcome_unknown() { not_ready.with("outcome", "unknown") } else { not_ready }
}

/// Whether this host does its work: it answers, and its store takes frames. Then also how long the
/// disk lasts, and which frames are damaged.
async fn healthz(State(gateway): State<Arc<Gateway>>) -> (StatusCode, String) {
    let full = "DISK_FULL: the store takes frames again when there is room\n";
    let poisoned = "STORE_POISONED: a write failed; this host ends and has to be started again\n";
    let state = *gateway.store.borrow();
    match state {
        StoreState::Appending => (StatusCode::OK, healthy_text(gateway.metrics.disk_facts())),
        StoreState::Full => (StatusCode::SERVICE_UNAVAILABLE, full.to_owned()),
        StoreState::Poisoned => (StatusCode::SERVICE_UNAVAILABLE, poisoned.to_owned()),
    }
}

fn healthy_text(disk: DiskFacts) -> String {
    let mut text = "ok".to_owned();
    if let Some(days) = disk.free_days {
        text += &format!("; the disk of the log lasts {days} days");
    }
    if let Some((first, count)) = disk.broken_frames {
        text += &format!("; FRAME_BROKEN: {count} stored frames are damaged, the first is {first}");
    }
    text + "\n"
}

/// Asks the engine for its health.
async fn health(gateway: &Gateway) -> Result<Bytes, EngineError> {
    let mut message = begin_with_hint(READY_HINT);
    message.extend_from_slice(HEALTH_CALL);
    gateway.engine.ask(READY_HINT, message.freeze(), READY_TIME).await
}

async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response<Body> {
    match health(&gateway).await {
        Ok(answer) if is_healthy(&answer) => json_body(StatusCode::OK, answer),
        Ok(answer) => json_body(StatusCode::SERVICE_UNAVAILABLE, answer),
        Err(error) => not_ready(error).answer_unread(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn is_healthy(answer: &[u8]) -> bool {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    answer["result"]["status"] == "healthy"
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response<Body> {
    let answer = health(&gateway).await.unwrap_or_default();
    gateway.metrics.engine_health(&serde_json::from_slice(&answer).unwrap_or_default());
    let mut response = Response::new(Body::from(gateway.metrics.render()));
    let text = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn healthz_tells_how_long_the_disk_lasts_and_what_is_damaged() {
        assert_eq!(healthy_text(DiskFacts::default()), "ok\n");
        let disk =
            DiskFacts { free_days: Some(12), broken_frames: Some((5, 2)), ..DiskFacts::default() };
        assert_eq!(
            healthy_text(disk),
            "ok; the disk of the log lasts 12 days; FRAME_BROKEN: 2 stored frames are damaged, the \
             first is 5\n"
        );
    }
}
