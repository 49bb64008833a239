//! The acknowledged requests, and the checks that none of them is lost.

use super::super::line::Line;
use bytes::Bytes;
use mortise_cli::failure::Failure;
use mortise_client::{Client, SignedStatementView};
use mortise_format::U256;
use mortise_format::domains::sha256;
use mortise_format::ids::{Address, LockId};
use mortise_format::limits::PAGE_LOCKS_MAX;
use mortise_format::lock::Status;
use mortise_rpc::params::{GetStateRoot, ListLocks};
use mortise_rpc::results::{LockStatus, LockView, StateRootResult};
use mortise_sim::rng::Rng;
use mortise_transport::Address as SocketAddress;
use std::collections::BTreeMap;

/// The expected state of an acknowledged lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    pub status: Status,
    pub remaining: u64,
    pub claims: u32,
}

/// Locks of each owner.
pub(super) type Locks = BTreeMap<Address, BTreeMap<LockId, Expected>>;

/// A request and the digest of the answer that acknowledged it.
#[derive(Debug, Clone)]
pub(super) struct Acked {
    request: Bytes,
    answer: [u8; 32],
}

/// Everything acknowledged so far.
#[derive(Debug, Default)]
pub(super) struct Record {
    locks: Locks,
    /// Every lock with its owner, to draw one.
    known: Vec<(Address, LockId)>,
    acked: Vec<Acked>,
    /// The largest history size in any answer.
    history_size: u64,
    /// Length of `acked` at the last sample.
    sampled: usize,
}

impl Record {
    /// Adds an acknowledged request.
    pub fn acked(&mut self, request: Bytes, answer: &[u8], history_size: u64) {
        self.acked.push(Acked { request, answer: sha256(&[answer]) });
        self.history_size = self.history_size.max(history_size);
    }

    /// Sets the expected state of a lock.
    pub fn expect(&mut self, owner: Address, lock_id: LockId, expected: Expected) {
        if self.locks.entry(owner).or_default().insert(lock_id, expected).is_none() {
            self.known.push((owner, lock_id));
        }
    }

    /// One of the acknowledged locks.
    pub fn any_lock(&self, rng: &mut Rng) -> Option<(Address, LockId)> {
        if self.known.is_empty() {
            return None;
        }
        Some(self.known[rng.index(self.known.len())])
    }

    /// The expected state of every lock.
    pub fn locks(&self) -> Locks {
        self.locks.clone()
    }

    /// Number of acknowledged locks.
    pub fn lock_count(&self) -> usize {
        self.locks.values().map(BTreeMap::len).sum()
    }

    /// Number of acknowledged requests.
    pub fn acked_count(&self) -> usize {
        self.acked.len()
    }

    /// Requests to retry: one half is new since the last sample, the other half is from all.
    pub fn sample(&mut self, rng: &mut Rng, count: usize) -> Vec<Acked> {
        let fresh = self.sampled..self.acked.len();
        self.sampled = self.acked.len();
        if self.acked.is_empty() {
            return Vec::new();
        }
        let old = (0..count / 2).map(|_| rng.index(self.acked.len()));
        let at: Vec<usize> = fresh.rev().take(count / 2).chain(old).collect();
        at.into_iter().map(|at| self.acked[at].clone()).collect()
    }

    /// Checks that the newest statement covers every acknowledged request.
    pub fn check_newest(&self, newest: &SignedStatementView) -> Result<(), Failure> {
        let size = newest.statement.history_size;
        if size >= self.history_size {
            return Ok(());
        }
        let acked = self.history_size;
        Err(Failure::check(format!(
            "the newest history has {size} frames, an earlier answer had {acked}"
        )))
    }
}

/// Checks that the engine returns the statement from before the crash, byte for byte.
pub(super) async fn check_kept(client: &Client, kept: &SignedStatementView) -> Result<(), Failure> {
    let seq = kept.statement.seq;
    let params = GetStateRoot { at_seq: Some(seq), signed: true };
    let again = match client.state_root(params).await? {
        StateRootResult::Signed { statement, signature } => {
            SignedStatementView { statement: *statement, signature }
        }
        StateRootResult::Root(_) => return Err(Failure::check("a root without its statement")),
    };
    if again == *kept {
        return Ok(());
    }
    let root = kept.statement.state_root;
    let found = again.statement.state_root;
    Err(Failure::check(format!(
        "the statement about frame {seq} changed: state root was {root}, is {found}"
    )))
}

/// Checks that these owners have exactly the expected locks. Returns the number of checked locks.
pub(super) async fn check_locks(client: &Client, locks: &Locks) -> Result<u64, Failure> {
    let mut checked = 0;
    for (owner, expected) in locks {
        let mut left = expected.clone();
        let mut cursor = None;
        loop {
            let limit = u32::try_from(PAGE_LOCKS_MAX).expect("a page is small");
            let params = ListLocks { owner: Some(*owner), cursor, limit, ..ListLocks::default() };
            let page = client.list_locks(params).await?;
            for lock in &page.locks {
                let expected = left.remove(&lock.id);
                let expected = expected.ok_or_else(|| unknown(lock))?;
                check_lock(lock, &expected)?;
                checked += 1;
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        if let Some(lost) = left.keys().next() {
            let count = left.len();
            return Err(Failure::check(format!("{count} acknowledged locks lost, one is {lost}")));
        }
    }
    Ok(checked)
}

fn unknown(lock: &LockView) -> Failure {
    // every request is sent until it is answered, so every lock was acknowledged
    Failure::check(format!("lock {} was never acknowledged", lock.id))
}

fn check_lock(lock: &LockView, expected: &Expected) -> Result<(), Failure> {
    let remaining = lock.legs.first().map(|leg| leg.remaining);
    let same = lock.status == LockStatus::from(expected.status)
        && remaining == Some(U256::from(expected.remaining))
        && lock.claim_index == expected.claims;
    if same {
        return Ok(());
    }
    let (id, found) = (lock.id, lock.status.name());
    Err(Failure::check(format!("lock {id} is {found} with {remaining:?}, not {expected:?}")))
}

/// Checks that retries of acknowledged requests return the same bytes. Returns their number.
pub(super) async fn check_repeats(engine: SocketAddress, sample: &[Acked]) -> Result<u64, Failure> {
    let mut line = Line::new(engine);
    let mut repeated = 0;
    for acked in sample {
        let answer = line.ask(&acked.request).await.map_err(Failure::system)?;
        if sha256(&[&answer]) != acked.answer {
            let answer = String::from_utf8_lossy(&answer).into_owned();
            return Err(Failure::check(format!("a retry returned a different answer: {answer}")));
        }
        repeated += 1;
    }
    Ok(repeated)
}
