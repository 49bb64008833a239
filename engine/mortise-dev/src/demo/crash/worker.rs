//! One owner under load: commits, claims, releases. It sends each request until it is answered.

use super::super::line::Line;
use super::super::requests::LoadRequests;
use super::record::{Expected, Record};
use bytes::Bytes;
use mortise_client::Signer;
use mortise_format::errors::Code;
use mortise_format::ids::LockId;
use mortise_format::lock::Status;
use mortise_sim::rng::Rng;
use mortise_transport::Address;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::RwLock;

/// State that workers and checks share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// A worker holds the read lock during a request; a check takes the write lock, so that no
    /// request is in flight.
    pub requests: RwLock<()>,
    record: Mutex<Record>,
    violation: Mutex<Option<String>>,
}

impl Shared {
    /// The acknowledged requests.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer that no worker may get, if there was one.
    pub fn violation(&self) -> Option<String> {
        self.violation.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the run with this violation, unless there was one before.
    pub fn violated(&self, text: String) {
        let mut violation = self.violation.lock().unwrap_or_else(PoisonError::into_inner);
        violation.get_or_insert(text);
    }
}

/// A lock in an open status.
#[derive(Debug, Clone, Copy)]
struct Open {
    lock_id: LockId,
    remaining: u64,
    claims: u32,
}

/// An owner with the keys of its counterparties.
#[derive(Debug)]
pub(super) struct Worker {
    requests: LoadRequests,
    owner: Signer,
    line: Line,
    rng: Rng,
    nonce: u64,
    open: Vec<Open>,
}

/// A request, and the expected state of its lock afterwards.
struct Step {
    request: Bytes,
    lock_id: LockId,
    then: Expected,
}

/// Timeout of a request, over all attempts.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// Pause between two attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Maximum amount of a lock.
const AMOUNT_MAX: u64 = 1_000_000;

impl Worker {
    pub fn new(requests: LoadRequests, engine: Address, rng: Rng) -> Self {
        let (owner, line) = (Signer::random(), Line::new(engine));
        Self { requests, owner, line, rng, nonce: 0, open: Vec::new() }
    }

    /// Sends requests until aborted, or until an answer violates the promises.
    pub async fn run(mut self, shared: Arc<Shared>, pace: Duration) {
        loop {
            let passed = shared.requests.read().await;
            let step = self.next();
            match self.send(&step.request).await {
                Ok((answer, history_size)) => self.done(&shared, step, &answer, history_size),
                Err(violation) => return shared.violated(violation),
            }
            drop(passed);
            tokio::time::sleep(pace).await;
        }
    }

    fn next(&mut self) -> Step {
        let wanted = self.rng.below(10);
        if wanted < 6 || self.open.is_empty() {
            return self.commit();
        }
        let at = self.rng.index(self.open.len());
        let Open { lock_id, remaining, claims } = self.open.swap_remove(at);
        if wanted < 8 {
            let request = self.requests.release(lock_id);
            // a released lock keeps its remaining amount, so that the parts of a leg add up
            let then = Expected { status: Status::Released, remaining, claims };
            return Step { request, lock_id, then };
        }
        let amount = 1 + self.rng.below(remaining);
        let request = self.requests.claim(lock_id, claims, amount);
        let (remaining, claims) = (remaining - amount, claims + 1);
        let status = if remaining == 0 { Status::Fulfilled } else { Status::Partial };
        Step { request, lock_id, then: Expected { status, remaining, claims } }
    }

    fn commit(&mut self) -> Step {
        let amount = 1 + self.rng.below(AMOUNT_MAX);
        let commit = self.requests.commit(&self.owner, self.nonce, amount);
        self.nonce += 1;
        let then = Expected { status: Status::Active, remaining: amount, claims: 0 };
        Step { request: commit.bytes, lock_id: commit.lock_id, then }
    }

    fn done(&mut self, shared: &Shared, step: Step, answer: &[u8], history_size: u64) {
        let Step { request, lock_id, then } = step;
        if matches!(then.status, Status::Active | Status::Partial) {
            let (remaining, claims) = (then.remaining, then.claims);
            self.open.push(Open { lock_id, remaining, claims });
        }
        let mut record = shared.record();
        record.acked(request, answer, history_size);
        record.expect(self.owner.address(), lock_id, then);
    }

    /// Sends the same bytes until they are granted. Every request here must be granted.
    async fn send(&mut self, request: &[u8]) -> Result<(Bytes, u64), String> {
        let begun = Instant::now();
        while begun.elapsed() < ANSWER_MAX {
            if let Ok(answer) = self.line.ask(request).await {
                match read(&answer) {
                    Answer::Granted { history_size } => return Ok((answer, history_size)),
                    Answer::Later => {}
                    Answer::Wrong => {
                        let answer = String::from_utf8_lossy(&answer);
                        return Err(format!("a valid request was rejected: {answer}"));
                    }
                }
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        Err(format!("no answer within {ANSWER_MAX:?}"))
    }
}

/// The meaning of an answer.
enum Answer {
    Granted {
        history_size: u64,
    },
    /// A retry of the same bytes can succeed.
    Later,
    Wrong,
}

fn read(answer: &[u8]) -> Answer {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let size = &answer["result"]["receipt"]["statement"]["historySize"];
    let size = size.as_u64().or_else(|| size.as_str().and_then(|text| text.parse().ok()));
    if let Some(history_size) = size {
        return Answer::Granted { history_size };
    }
    let code = answer["error"]["code"].as_i64().and_then(|code| i32::try_from(code).ok());
    match code.and_then(Code::by_code) {
        // The supervisor restarts a faulted engine.
        Some(Code::NotDurable | Code::NotReady | Code::Overloaded | Code::Fault) => Answer::Later,
        _ => Answer::Wrong,
    }
}
