//! What was acknowledged, and the checks that all of it is still there.

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

/// What an acknowledged lock must look like.
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
    acked: Vec<Acked>,
    /// The longest history that any answer spoke of.
    history_size: u64,
    /// How many of `acked` were there at the last sample.
    sampled: usize,
}

impl Record {
    /// Takes an acknowledged request in.
    pub fn acked(&mut self, request: Bytes, answer: &[u8], history_size: u64) {
        self.acked.push(Acked { request, answer: sha256(&[answer]) });
        self.history_size = self.history_size.max(history_size);
    }

    /// Notes what a lock must look like from now on.
    pub fn expect(&mut self, owner: Address, lock_id: LockId, expected: Expected) {
        self.locks.entry(owner).or_default().insert(lock_id, expected);
    }

    /// What every lock must look like.
    pub fn locks(&self) -> Locks {
        self.locks.clone()
    }

    /// How many locks were acknowledged.
    pub fn lock_count(&self) -> usize {
        self.locks.values().map(BTreeMap::len).sum()
    }

    /// How many requests were acknowledged.
    pub fn acked_count(&self) -> usize {
        self.acked.len()
    }

    /// Requests to send again: half of those since the last sample, half of all.
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

    /// The newest statement covers all that was acknowledged.
    pub fn check_newest(&self, newest: &SignedStatementView) -> Result<(), Failure> {
        let size = newest.statement.history_size;
        if size >= self.history_size {
            return Ok(());
        }
        let acked = self.history_size;
        Err(Failure::check(format!("the newest history has {size} frames, {acked} were shown")))
    }
}

/// The statement that was given out before the crash is given again, byte for byte.
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
    Err(Failure::check(format!("frame {seq} had root {root}, now another statement: {found}")))
}

/// Every lock is there as expected, and no other of these owners. Returns how many were looked at.
pub(super) async fn check_locks(client: &Client, locks: &Locks) -> Result<u64, Failure> {
    let mut checked = 0;
    for (owner, expected) in locks {
        let mut left = expected.clone();
        let mut cursor = None;
        loop {
            let limit = u32::try_from(PAGE_LOCKS_MAX).expect("a page is small");
            let params = ListLocks { owner: Some(*owner), status: None, cursor, limit };
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
    // Every request is sent until it is answered: what the engine holds was acknowledged.
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

/// Acknowledged requests sent again are answered with the same bytes. Returns how many were sent.
pub(super) async fn check_repeats(engine: SocketAddress, sample: &[Acked]) -> Result<u64, Failure> {
    let mut line = Line::new(engine);
    let mut repeated = 0;
    for acked in sample {
        let answer = line.ask(&acked.request).await.map_err(Failure::system)?;
        if sha256(&[&answer]) != acked.answer {
            let answer = String::from_utf8_lossy(&answer).into_owned();
            return Err(Failure::check(format!("another answer to the same request: {answer}")));
        }
        repeated += 1;
    }
    Ok(repeated)
}
