//! A reader beside the owners: every kind of read, about locks that were acknowledged.
//!
//! A read may find no connection while a process is down, and may be refused by name while the
//! engine is not ready. It may not be refused otherwise, and it finds every lock that was
//! acknowledged before it was asked.

use super::super::line::Line;
use super::worker::Shared;
use mortise_format::asset::Asset;
use mortise_format::errors::Code;
use mortise_format::ids::{Address, LockId};
use mortise_sim::rng::Rng;
use mortise_transport::Address as SocketAddress;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the readers of a run saw.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Answered with what was asked.
    pub answered: AtomicU64,
    /// Refused to be asked again, by name.
    later: Mutex<BTreeMap<&'static str, u64>>,
    /// No connection, or a lost one.
    pub lost: AtomicU64,
}

impl Reads {
    /// Refusals of reads that a later read does not get, by name.
    pub fn later(&self) -> BTreeMap<&'static str, u64> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refused(&self, code: Code) {
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        *later.entry(code.name()).or_default() += 1;
    }
}

/// One connection that reads.
#[derive(Debug)]
pub(super) struct Reader {
    line: Line,
    rng: Rng,
    next_id: u64,
    /// The newest frame whose statement an answer had.
    seq: u64,
}

/// Pause between two reads of one reader.
const PACE: Duration = Duration::from_millis(4);
/// Pause after a lost connection.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The reads, with the parameters for a lock of an owner and a frame that exists.
type Params = fn(Address, LockId, u64) -> Value;
const KINDS: [(&str, Params); 19] = [
    ("health", |_, _, _| json!({})),
    ("getEngineInfo", |_, _, _| json!({})),
    ("getPolicy", |_, _, _| json!({})),
    ("getLock", |_, lock, _| json!({ "lockId": lock })),
    ("getLockHistory", |_, lock, _| json!({ "lockId": lock })),
    ("listLocks", |owner, _, _| json!({"owner": owner, "limit": 64})),
    ("getActiveLocks", |owner, _, _| json!({ "owner": owner })),
    ("getBalance", |owner, _, _| json!({"owner": owner, "asset": Asset::native(1)})),
    ("getLockedBalance", |owner, _, _| json!({"owner": owner, "asset": Asset::native(1)})),
    ("suggestNonce", |owner, _, _| json!({ "owner": owner })),
    ("getStateRoot", |_, _, _| json!({ "signed": true })),
    ("getStateRoot", |_, _, seq| json!({"atSeq": seq, "signed": true})),
    ("getProof", |_, lock, _| json!({ "lockId": lock })),
    ("getProof", |owner, _, seq| json!({"owner": owner, "seq": seq})),
    ("getReceipt", |_, lock, _| json!({ "lockId": lock })),
    ("getEvents", |_, _, seq| json!({"from": seq.saturating_sub(16), "count": 16})),
    ("getCheckpoint", |_, _, _| json!({})),
    ("getConsistencyProof", |_, _, seq| json!({"from": 1, "to": seq})),
    ("getEvents", |_, _, seq| json!({"from": seq + 2, "count": 1, "waitMs": 500})),
];

impl Reader {
    pub fn new(engine: SocketAddress, rng: Rng) -> Self {
        Self { line: Line::new(engine), rng, next_id: 0, seq: 1 }
    }

    /// Reads until aborted, or until an answer is not what it must be.
    pub async fn run(mut self, shared: Arc<Shared>, reads: Arc<Reads>) {
        loop {
            tokio::time::sleep(PACE).await;
            let Some((owner, lock_id)) = shared.record().any_lock(&mut self.rng) else { continue };
            let (method, params) = KINDS[self.rng.index(KINDS.len())];
            let params = params(owner, lock_id, self.seq);
            match self.ask(method, &params).await {
                Ok(()) => drop(reads.answered.fetch_add(1, Ordering::Relaxed)),
                Err(Failed::Later(code)) => reads.refused(code),
                Err(Failed::Lost) => {
                    reads.lost.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Err(Failed::Wrong(why)) => {
                    return shared.violated(format!("{method} {params}: {why}"));
                }
            }
        }
    }

    async fn ask(&mut self, method: &str, params: &Value) -> Result<(), Failed> {
        self.next_id += 1;
        let request =
            json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params});
        let answer = self.line.ask(request.to_string().as_bytes()).await;
        let answer: Value = serde_json::from_slice(&answer.map_err(|_| Failed::Lost)?)
            .map_err(|error| Failed::Wrong(error.to_string()))?;
        if let Some(code) = answer["error"]["code"].as_i64() {
            let code = i32::try_from(code).ok().and_then(Code::by_code);
            return match code {
                Some(code) if LATER.contains(&code) => Err(Failed::Later(code)),
                _ => Err(Failed::Wrong(answer["error"].to_string())),
            };
        }
        let result = &answer["result"];
        if result.is_null() {
            return Err(Failed::Wrong("nothing, about what was acknowledged".into()));
        }
        if let Some(seq) = result["statement"]["seq"].as_u64() {
            self.seq = seq;
        }
        Ok(())
    }
}

/// Why a read of what exists may be refused while processes are killed and a disk stalls.
const LATER: [Code; 6] = [
    Code::NotReady,
    Code::NotDurable,
    Code::Overloaded,
    Code::Fault,
    Code::ReadFailed,
    Code::RootNotKept,
];

enum Failed {
    /// Refused; a later read is not.
    Later(Code),
    /// No connection, or a lost one.
    Lost,
    Wrong(String),
}
