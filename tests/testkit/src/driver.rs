//! One thread around the pipeline: executes its outputs against a [`Disk`], in an order that a seed
//! chooses, and restarts as the engine does.
//!
//! Frames reach the disk in order, and acks return in order. Signatures, snapshots and recalls come
//! in any order. On every output it asserts INV-09: no answer leaves before every frame that it
//! rests on is synced, and no frame carries a statement that was not released.

mod asking;
mod boot;
mod checks;
mod code;
mod faults;
mod lease;
mod response;
mod steps;

pub use asking::Asking;
pub use code::Code;
pub use faults::AppendFault;
pub use lease::AnsweredNow;
pub use response::Response;

use crate::keys::TestSigner;
use crate::scenario::{START_MS, genesis};
use crate::store::{Disk, now};
use crate::vault::{TestEntropy, TestVault};
use crate::witness::Bench;
use mortise_core::body::CarriedStatement;
use mortise_core::keys::EpochKeys;
use mortise_core::machine::EpochRecord;
use mortise_engine::api::{Replied, Reply, ShareKey, Token};
use mortise_engine::keyring::{Identity, IdentityError, KeyRing};
use mortise_engine::pipeline::{Input, Output, Pipeline, Settings, SignJob, SnapshotPart};
use mortise_engine::ports::{Clock, ClockError};
use mortise_engine::reader::Reader;
use mortise_engine::witness::WitnessQuorum;
use mortise_format::event::LogPosition;
use mortise_format::frame::Frame;
use mortise_format::genesis::Genesis;
use mortise_format::ids::Root;
use mortise_format::merkle::history::TreeHead;
use mortise_sim::rng::Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far a frame is on its way to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shipped {
    /// Shipped, not written.
    Handed,
    /// Written, not synced.
    Written,
    /// Synced, not acked.
    Synced,
}

/// An engine on one thread.
#[derive(Debug)]
pub struct Driver {
    /// The disk.
    pub disk: Disk,
    /// Chooses the next step.
    pub rng: Rng,
    /// The clock, milliseconds.
    pub now_ms: u64,
    /// Every reply to a command that left, and every notice that none will come.
    pub replies: BTreeMap<Token, Replied>,
    /// What each call of the pipeline did since the test last emptied this list.
    pub turns: Vec<Turn>,
    /// The host acks frames that it does not store, so answers are not durable.
    pub host_lies: bool,
    /// The witnesses of the policy, if it has some.
    pub bench: Option<Bench>,
    /// The code of the next boot.
    pub code: Code,
    /// Whose share the next requests count against.
    pub caller: ShareKey,
    genesis: Genesis,
    vault: Arc<TestVault>,
    entropy: TestEntropy,
    settings: Settings,
    engine: Option<Engine>,
    next_token: Token,
    statements: BTreeMap<u64, CarriedStatement>,
    rests_on: BTreeMap<Token, u64>,
    answered: BTreeSet<Token>,
    clock: TestClock,
}

/// The clock of an engine, as its witnesses and its lease see it.
#[derive(Debug, Clone, Default)]
struct TestClock(Arc<AtomicU64>);

impl Clock for TestClock {
    fn now_ms(&self) -> Result<u64, ClockError> {
        Ok(self.0.load(Ordering::Relaxed))
    }
}

/// One boot of the engine.
#[derive(Debug)]
struct Engine {
    identity: Arc<Identity>,
    ring: Arc<KeyRing>,
    reader: Reader,
    pipeline: Pipeline,
    waiting_commands: VecDeque<Token>,
    waiting_queries: VecDeque<Token>,
    ships: VecDeque<(Frame, Shipped)>,
    signs: Vec<SignJob>,
    heads: VecDeque<TreeHead>,
    renewals: VecDeque<TreeHead>,
    quorum: Option<Arc<WitnessQuorum>>,
    cosigned: u64,
    parts: VecDeque<SnapshotPart>,
    recalls: Vec<(Token, LogPosition)>,
    last_shipped: u64,
    root_at_boot: Root,
}

/// What one call of the pipeline did.
#[derive(Debug)]
pub struct Turn {
    /// The clock.
    pub now_ms: u64,
    /// Queries that were read, before the commands.
    pub read: Vec<Token>,
    /// Commands that started, in order.
    pub taken: Vec<Token>,
    /// Frames that were shipped, in order.
    pub shipped: Vec<Frame>,
    /// True when it ended in a fault.
    pub is_fault: bool,
}

impl Driver {
    /// An engine on an empty disk, not booted.
    pub fn new(seed: u64, settings: Settings) -> Self {
        Self {
            disk: Disk::default(),
            rng: Rng::new(seed),
            now_ms: START_MS,
            replies: BTreeMap::new(),
            turns: Vec::new(),
            host_lies: false,
            bench: None,
            code: Code::default(),
            genesis: genesis(),
            vault: Arc::new(TestVault::new(seed)),
            entropy: TestEntropy::new(seed),
            settings,
            engine: None,
            caller: ShareKey::default(),
            next_token: 1,
            statements: BTreeMap::new(),
            rests_on: BTreeMap::new(),
            answered: BTreeSet::new(),
            clock: TestClock::default(),
        }
    }

    /// A booted engine whose boot frame is durable.
    ///
    /// # Panics
    /// When the boot fails.
    pub fn booted(seed: u64) -> Self {
        let mut driver = Self::new(seed, Settings::default());
        driver.boot().expect("an empty disk boots");
        driver.settle();
        driver
    }

    /// An engine on an empty disk under a policy of these witnesses, not booted.
    pub fn witnessed(seed: u64, settings: Settings, bench: &Bench, min: u32, faulty: u32) -> Self {
        let mut driver = Self::new(seed, settings);
        bench.enter(&mut driver.genesis.policy, min, faulty);
        driver.bench = Some(bench.clone());
        driver
    }

    /// A second engine with the same keys on a disk, as a copied folder has it; not booted.
    pub fn beside(&self, disk: Disk, seed: u64) -> Self {
        Self {
            disk,
            now_ms: self.now_ms,
            bench: self.bench.clone(),
            genesis: self.genesis.clone(),
            vault: Arc::clone(&self.vault),
            ..Self::new(seed, self.settings)
        }
    }

    /// The same engine with other settings from its next boot on.
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// An engine of another genesis on an empty disk, under the same witnesses; not booted.
    pub fn successor(&self, genesis: Genesis, seed: u64) -> Self {
        Self { genesis, ..self.beside(Disk::default(), seed) }
    }

    /// The genesis.
    pub fn genesis_mut(&mut self) -> &mut Genesis {
        &mut self.genesis
    }

    /// The newest checkpoint that a quorum of the witnesses cosigned, since this boot.
    pub fn cosigned(&self) -> Option<String> {
        Some(self.engine().quorum.as_ref()?.newest()?.note.clone())
    }

    /// Kills the engine and cuts the power: of the frames that were written and not synced, the
    /// first `kept` survive. Who waits for an answer gets none.
    pub fn crash(&mut self, kept: usize) {
        self.engine = None;
        self.disk.crash(kept);
        self.rests_on.clear();
    }

    /// Crashes and boots.
    ///
    /// # Panics
    /// When the boot fails.
    pub fn restart(&mut self) {
        self.crash(0);
        self.boot().expect("the log follows");
        self.settle();
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("the engine runs")
    }

    fn engine_mut(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("the engine runs")
    }

    /// The pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.engine().pipeline
    }

    /// The pipeline, for a graceful stop.
    pub fn pipeline_mut(&mut self) -> &mut Pipeline {
        &mut self.engine_mut().pipeline
    }

    /// The state root that the replay of this boot ended at.
    pub fn root_at_boot(&self) -> Root {
        self.engine().root_at_boot
    }

    /// The identity of the engine.
    pub fn identity(&self) -> &Identity {
        &self.engine().identity
    }

    /// The key service.
    pub fn vault(&self) -> &TestVault {
        &self.vault
    }

    /// The keys of an epoch.
    ///
    /// # Errors
    /// What the vault or the boot frame's commitment refuses.
    pub fn keys_of(&self, record: &EpochRecord) -> Result<EpochKeys, IdentityError> {
        now(self.engine().ring.keys_of(record))
    }

    /// Signs for the engine's callers.
    pub fn signer(&self) -> TestSigner {
        TestSigner::new(self.identity().engine_id)
    }

    /// The released statement about a frame.
    pub fn statement(&self, seq: u64) -> Option<&CarriedStatement> {
        self.statements.get(&seq)
    }

    /// Lets the pipeline see the clock.
    pub fn tick(&mut self) {
        self.handle(Input::Tick);
    }

    /// Gives the pipeline an input, and the turns that it asks for.
    pub fn handle(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            next = self.handle_once(input).then_some(Input::NextTurn);
        }
    }

    /// True if the pipeline asks for another turn.
    fn handle_once(&mut self, input: Input) -> bool {
        let now_ms = self.now_ms;
        let engine = self.engine_mut();
        let mut out = Vec::new();
        engine.pipeline.handle(now_ms, input, &mut out);
        let started = |waiting: &mut VecDeque<Token>, left: usize| -> Vec<Token> {
            waiting.drain(..waiting.len() - left).collect()
        };
        let read = started(&mut engine.waiting_queries, engine.pipeline.waiting_queries());
        let taken = started(&mut engine.waiting_commands, engine.pipeline.waiting_commands());
        let asks_again = out.iter().any(|output| matches!(output, Output::NextTurn));
        self.take_outputs(out, read, taken);
        asks_again
    }

    fn take_outputs(&mut self, out: Vec<Output>, read: Vec<Token>, taken: Vec<Token>) {
        let now_ms = self.now_ms;
        let mut turn = Turn { now_ms, read, taken, shipped: Vec::new(), is_fault: false };
        for output in out {
            match output {
                Output::Ship(frame) => {
                    self.check_carried(&frame);
                    let engine = self.engine_mut();
                    engine.last_shipped = frame.header().seq;
                    engine.ships.push_back((frame.clone(), Shipped::Handed));
                    turn.shipped.push(frame);
                }
                Output::Sign(job) => self.engine_mut().signs.push(job),
                Output::Witness(head) => {
                    self.check_durable(head.size - 1);
                    let engine = self.engine_mut();
                    engine.heads.push_back(head);
                }
                Output::Renew(head) => {
                    self.check_durable(head.size - 1);
                    self.engine_mut().renewals.push_back(head);
                }
                Output::Released(released) => {
                    self.check_durable(released.statement.statement.seq);
                    self.engine().reader.view().publish(*released);
                }
                Output::Reply(ticket, Ok(Reply::Recall(at))) => {
                    self.check_durable(at.seq);
                    self.engine_mut().recalls.push((ticket.token, at));
                }
                Output::Reply(ticket, replied) => self.leave(ticket.token, replied),
                Output::Answer(token, leaving) => {
                    self.check_answer(token, &leaving);
                    self.leaves(token);
                    leaving.send();
                }
                Output::SnapshotPart(part) => {
                    self.check_durable(part.seq);
                    self.engine_mut().parts.push_back(part);
                }
                Output::NextTurn => {}
                Output::Fault(_) => turn.is_fault = true,
            }
        }
        self.turns.push(turn);
    }

    fn leave(&mut self, token: Token, replied: Replied) {
        self.check_reply(token, &replied);
        if let Ok(Reply::Logged(frame, _)) = &replied {
            self.statements.insert(frame.statement().seq, frame.signed().clone());
        }
        self.leaves(token);
        self.replies.insert(token, replied);
    }

    fn leaves(&mut self, token: Token) {
        assert!(self.answered.insert(token), "token {token} was answered twice");
    }

    /// The reader of the released log.
    pub fn reader(&self) -> &Reader {
        &self.engine().reader
    }
}

/// The result of a future with timers; `None` when it waits longer than an answer takes here.
fn timed<T>(future: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime can be made");
    runtime.block_on(async { tokio::time::timeout(ANSWER_TIME, future).await.ok() })
}

/// Less than the first pause of an engine between two requests.
const ANSWER_TIME: Duration = Duration::from_millis(30);
