//! Work before admission: signatures are recovered and channel messages opened, in fair order
//! between callers.
//!
//! What it is for: this is the costly work that any caller can cause without a right to anything. A
//! command costs its recoveries, so a batch of 64 signatures that is refused again and again waits
//! for 64 turns, and a single commit for one. It is recovered in parts, and another caller waits
//! for a part.
//!
//! What it does not do: bound how much waits (the permits of the handle do), or touch the workers
//! that sign frames, which are others.
//!
//! ```text
//! handle --add--> FairQueue --chunks, few at once--> Crypto pool --admitted--> Ledger
//! ```
//! Invariant: few chunks are with the pool, because its queue is in order of arrival: a newcomer
//! waits for the chunks that run, not for those of a flood. While the chunks with the pool are
//! small, each worker has one more that waits for it; behind a large channel message none waits.

use crate::actors::{Admit, Crypto, Ledger, OpenMessage, Recover, Submit, Submitted};
use crate::api::{NotDone, Rejected, Replied, ShareKey, Stopped, Submission};
use crate::channel::OpenedRequest;
use actix::Addr;
use mortise_channel::OpenError;
use mortise_core::Admitting;
use mortise_core::admit::Step;
use mortise_format::command::Command;
use mortise_format::ids::Address;
use mortise_format::limits::SHARE_KEYS_MAX;
use mortise_format::secp256k1::SignatureError;
use mortise_transport::FairQueue;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The queue before the pool. See the module.
#[derive(Debug)]
pub struct Admission {
    crypto: Addr<Crypto>,
    ledger: Addr<Ledger>,
    workers: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    waiting: FairQueue<Job>,
    /// Chunks with the pool.
    running: usize,
    /// Their recoveries.
    units: u32,
    /// True while a task that starts the next chunks is scheduled.
    is_scheduled: bool,
}

#[derive(Debug)]
enum Job {
    Admit(ShareKey, Admitting, oneshot::Sender<Replied>),
    Open(OpenMessage, oneshot::Sender<Result<OpenedRequest, OpenError>>),
    Recover(Recover, oneshot::Sender<Result<Address, SignatureError>>),
}

impl Admission {
    /// A queue before a pool of `workers`.
    pub fn new(crypto: Addr<Crypto>, workers: usize, ledger: Addr<Ledger>) -> Self {
        Self { crypto, ledger, workers: workers.max(1), state: Mutex::default() }
    }

    /// Authenticates a command, submits it to the writer and waits for its answer.
    pub async fn command(self: &Arc<Self>, caller: ShareKey, command: Command) -> Replied {
        let (responder, answer) = oneshot::channel();
        self.add(caller, Job::Admit(caller, Admitting::new(command), responder));
        // An actor that stops drops its responders: the answer is not durable.
        answer.await.unwrap_or(Err(NotDone::Stopped(Stopped::NotDurable)))
    }

    /// Opens a channel message. `None` if the pool has stopped, which it does with the process.
    pub async fn open(
        self: &Arc<Self>,
        caller: ShareKey,
        message: OpenMessage,
    ) -> Option<Result<OpenedRequest, OpenError>> {
        let (sender, opened) = oneshot::channel();
        self.add(caller, Job::Open(message, sender));
        opened.await.ok()
    }

    /// Recovers the signer of a read, which has no other cost that a stranger would meet. `None` if
    /// the pool has stopped, which it does with the process.
    pub async fn recover(
        self: &Arc<Self>,
        caller: ShareKey,
        asked: Recover,
    ) -> Option<Result<Address, SignatureError>> {
        let (sender, recovered) = oneshot::channel();
        self.add(caller, Job::Recover(asked, sender));
        recovered.await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(self: &Arc<Self>, caller: ShareKey, job: Job) {
        let is_first = {
            let mut state = self.lock();
            state.add(caller, job);
            !std::mem::replace(&mut state.is_scheduled, true)
        };
        if is_first {
            let admission = Arc::clone(self);
            actix::spawn(async move {
                // Other sessions that are ready join the chunk.
                tokio::task::yield_now().await;
                admission.lock().is_scheduled = false;
                admission.start();
            });
        }
    }

    /// Hands chunks to the pool while there is room.
    fn start(self: &Arc<Self>) {
        while let Some((units, chunk)) = self.take_chunk() {
            let admission = Arc::clone(self);
            actix::spawn(async move {
                admission.run(chunk).await;
                admission.lock().ended(units);
                admission.start();
            });
        }
    }

    fn take_chunk(&self) -> Option<(u32, Vec<Job>)> {
        self.lock().next_chunk(self.workers)
    }

    async fn run(&self, chunk: Vec<Job>) {
        let (mut commands, mut callers) = (Vec::with_capacity(chunk.len()), Vec::new());
        for job in chunk {
            match job {
                Job::Admit(caller, command, responder) => {
                    commands.push(command);
                    callers.push((caller, responder));
                }
                Job::Open(message, sender) => {
                    if let Ok(opened) = self.crypto.send(message).await {
                        // The caller may have hung up.
                        drop(sender.send(opened));
                    }
                }
                Job::Recover(asked, sender) => {
                    if let Ok(recovered) = self.crypto.send(asked).await {
                        let _ = sender.send(recovered);
                    }
                }
            }
        }
        if commands.is_empty() {
            return;
        }
        let Ok(steps) = self.crypto.send(Admit { commands, signatures: PART }).await else {
            return;
        };
        let mut ready: Vec<Submitted> = Vec::with_capacity(steps.len());
        for (step, (caller, responder)) in steps.into_iter().zip(callers) {
            match step {
                Step::Done(Ok(admitted)) => {
                    ready.push((caller, Submission::Command(admitted, responder)));
                }
                // The caller may have hung up.
                Step::Done(Err(reject)) => {
                    drop(responder.send(Err(Rejected::from(reject).into())));
                }
                // What the caller sent later stays behind it.
                Step::More(rest) => self.lock().go_on(caller, Job::Admit(caller, rest, responder)),
            }
        }
        if !ready.is_empty() {
            // A stopped ledger drops the responders: their callers get NOT_DURABLE.
            let _ = self.ledger.send(Submit(ready)).await;
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self { waiting: FairQueue::new(SHARE_KEYS_MAX), running: 0, units: 0, is_scheduled: false }
    }
}

impl State {
    fn add(&mut self, caller: ShareKey, job: Job) {
        self.waiting.push(caller, job.cost(), job);
    }

    /// Adds the rest of a job before the others of its caller.
    fn go_on(&mut self, caller: ShareKey, job: Job) {
        self.waiting.push_front(caller, job.cost(), job);
    }

    /// The next jobs for one of `workers`, with their recoveries, unless enough are with the pool.
    fn next_chunk(&mut self, workers: usize) -> Option<(u32, Vec<Job>)> {
        let chunks_max = CHUNKS_PER_WORKER * workers;
        let others = u32::try_from(chunks_max - 1).unwrap_or(u32::MAX);
        let are_small = self.units <= others.saturating_mul(CHUNK_UNITS);
        let has_room = self.running < workers || self.running < chunks_max && are_small;
        if !has_room || self.waiting.is_empty() {
            return None;
        }
        self.running += 1;
        let (mut units, mut chunk) = (0u32, Vec::new());
        while units < CHUNK_UNITS
            && let Some(job) = self.waiting.pop()
        {
            units = units.saturating_add(job.cost());
            chunk.push(job);
        }
        self.units = self.units.saturating_add(units);
        Some((units, chunk))
    }

    /// The pool is done with a chunk.
    fn ended(&mut self, units: u32) {
        self.running -= 1;
        self.units = self.units.saturating_sub(units);
    }
}

impl Job {
    fn cost(&self) -> u32 {
        match self {
            // The cost of the next part.
            Self::Admit(_, command, _) => {
                u32::try_from(command.left()).unwrap_or(u32::MAX).min(CHUNK_UNITS)
            }
            Self::Open(open, _) => {
                let parts = u32::try_from(open.message.len() / BYTES_PER_UNIT);
                parts.unwrap_or(u32::MAX).saturating_add(1)
            }
            Self::Recover(..) => 1,
        }
    }
}

/// Recoveries after which a worker takes no more jobs in its chunk.
const CHUNK_UNITS: u32 = 8;
/// Signatures of a batch that are recovered in one part.
const PART: usize = 8;
/// One runs, the next one waits for the worker, so that it does not wait itself.
const CHUNKS_PER_WORKER: usize = 2;
/// Bytes of a channel message that count as one recovery.
const BYTES_PER_UNIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::U256;
    use mortise_format::asset::{Asset, Condition};
    use mortise_format::command::SignedIntent;
    use mortise_format::eip712::Request;
    use mortise_format::ids::{RequestId, Signature};
    use mortise_format::lock::LockTerms;

    fn caller(connection: u64) -> ShareKey {
        ShareKey { connection, hint: 0 }
    }

    fn intent() -> SignedIntent {
        let condition = Condition {
            target_chain_id: 10,
            target_asset: Asset::native(10),
            target_amount: U256::from(1u64),
            recipient: Address([1; 20]),
            execution_data: None,
        };
        let terms = LockTerms {
            owner: Address([2; 20]),
            beneficiary: Address::ZERO,
            arbiter: Address::ZERO,
            nonce: 0,
            expires: 0,
            condition,
            legs: Vec::new(),
        };
        let request = Request { id: RequestId([3; 32]), valid_until: 0 };
        SignedIntent { terms, request, signature: Signature::ZERO }
    }

    /// A command with this many signatures.
    fn job(connection: u64, signatures: usize) -> Job {
        let command = Command::Commit { intents: vec![intent(); signatures] };
        Job::Admit(caller(connection), Admitting::new(command), oneshot::channel().0)
    }

    fn from(job: &Job) -> u64 {
        match job {
            Job::Admit(caller, ..) => caller.connection,
            Job::Open(..) | Job::Recover(..) => 0,
        }
    }

    /// FAULTS B7, B12: commits beside refused batches of 64 signatures, or beside a thousand
    /// others. Goal: the commit of a newcomer is in the next chunk, whatever the flood has queued.
    #[test]
    fn newcomer_is_in_the_next_chunk_beside_a_flood() {
        for signatures in [1, 64u32] {
            let mut state = State::default();
            for _ in 0..1024 {
                state.add(caller(1), job(1, usize::try_from(signatures).unwrap()));
            }
            let mut chunks: Vec<u32> =
                std::iter::from_fn(|| state.next_chunk(2)).map(|(units, _)| units).collect();
            let with_pool: u32 = chunks.iter().sum();
            assert!(with_pool <= 4 * CHUNK_UNITS, "{chunks:?}: parts of the first batches");
            state.add(caller(2), job(2, 1));
            assert!(state.next_chunk(2).is_none(), "no more chunks than the pool works on");
            let mut next = None;
            while next.is_none() {
                state.ended(chunks.remove(0));
                next = state.next_chunk(2);
            }
            let (_, next) = next.unwrap();
            assert!(next.iter().any(|job| from(job) == 2), "{signatures} signatures");
            assert!(!chunks.is_empty(), "no worker is idle");
        }
    }

    #[test]
    fn small_commands_share_a_chunk_and_a_part_of_a_large_one_fills_it() {
        let mut state = State::default();
        (0..20).for_each(|_| state.add(caller(1), job(1, 1)));
        assert_eq!(state.next_chunk(4).unwrap().1.len(), 8);
        let mut state = State::default();
        (0..20).for_each(|_| state.add(caller(1), job(1, 64)));
        let (units, chunk) = state.next_chunk(4).unwrap();
        assert_eq!((units, chunk.len()), (CHUNK_UNITS, 1));
    }

    /// Goal: a batch is not overtaken by what its caller sent later, and another caller has its
    /// turn between two parts.
    #[test]
    fn rest_of_a_batch_is_before_later_jobs_of_its_caller() {
        let mut state = State::default();
        state.add(caller(1), job(1, 64));
        state.add(caller(1), job(1, 1));
        let (units, mut chunk) = state.next_chunk(1).unwrap();
        state.add(caller(2), job(2, 1));
        state.go_on(caller(1), chunk.remove(0));
        state.ended(units);
        let (_, next) = state.next_chunk(1).unwrap();
        let signatures = |job: &Job| match job {
            Job::Admit(caller, command, _) => (caller.connection, command.left()),
            _ => (0, 0),
        };
        let next: Vec<_> = next.iter().map(signatures).collect();
        assert_eq!(next, [(2, 1), (1, 64)]);
        assert_eq!(state.waiting.len(), 1);
    }

    #[test]
    fn callers_with_a_share_of_their_own_are_bounded() {
        let mut state = State::default();
        let callers = u64::try_from(SHARE_KEYS_MAX).unwrap() + 10;
        (1..=callers).for_each(|n| state.add(caller(n), job(n, 1)));
        assert_eq!(state.waiting.keys(), SHARE_KEYS_MAX + 1, "those above share one");
    }
}
