//! One thread around the pipeline: executes its outputs against a [`Disk`], in an order that a seed
//! chooses, and restarts as the engine does.
//!
//! Frames reach the disk in order, and acks return in order. Signatures, snapshots and recalls come
//! in any order. On every output it asserts INV-09: no answer leaves before every frame that it
//! rests on is synced, and no frame carries a statement that was not released.

mod asking;
mod checks;
mod code;
mod faults;
mod lease;
mod response;

pub use asking::Asking;
pub use code::Code;
pub use faults::AppendFault;
pub use lease::AnsweredNow;
pub use response::Response;

use crate::keys::TestSigner;
use crate::scenario::{START_MS, genesis};
use crate::store::{Disk, now};
use crate::vault::{TestEntropy, TestVault};
use crate::witness::{Bench, WitnessBehaviour};
use mortise_core::body::CarriedStatement;
use mortise_core::keys::EpochKeys;
use mortise_core::machine::EpochRecord;
use mortise_engine::api::{NotDone, Replied, Reply, ShareKey, Token};
use mortise_engine::boot::{self, BootError, NewEpoch, Replayed};
use mortise_engine::channel::ChannelKey;
use mortise_engine::keyring::{Identity, IdentityError, KeyRing};
use mortise_engine::pipeline::{
    Input, Output, Pipeline, Settings, SignJob, SignedFrame, SnapshotPart, Start, StoredPart,
};
use mortise_engine::ports::{Clock, ClockError, Witnesses};
use mortise_engine::reader::{ReadStore, Reader, ReaderParts, ReleasedView};
use mortise_engine::reading::ReadingKeys;
use mortise_engine::released::CommitmentSigner;
use mortise_engine::store::{Ack, LogStore};
use mortise_engine::witness::{WitnessQuorum, consistency, gather};
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

    /// Starts the engine as the product does: identity, replay, a new epoch.
    ///
    /// # Errors
    /// What the engine's boot refuses.
    pub fn boot(&mut self) -> Result<(), BootError> {
        assert!(self.engine.is_none(), "one engine at a time");
        let identity =
            now(boot::identity(&self.disk, &*self.vault, &self.entropy, Some(&self.genesis)))?;
        let vault: Arc<dyn mortise_engine::ports::Vault> = self.vault.clone();
        let ring = KeyRing::new(vault, &identity);
        self.set_clocks();
        let quorum = self.quorum(&identity).map(Arc::new);
        let start =
            begin(&self.disk, &identity, &ring, &self.entropy, quorum.as_deref(), &self.code)?;
        let cosigned = start.machine.archive().size();
        for signed in &start.to_carry {
            self.statements.insert(signed.statement.seq, signed.clone());
        }
        let root_at_boot = start.machine.state_root();
        let view = Arc::new(ReleasedView::new(start.machine.archive().clone()));
        let mut out = Vec::new();
        let pipeline =
            Pipeline::start(start, self.now_ms, self.code.version, self.settings, &mut out);
        let pipeline = pipeline.expect("an empty boot frame can be made");
        let last_shipped = pipeline.machine().head().next_seq - 1;
        let (identity, ring) = (Arc::new(identity), Arc::new(ring));
        let reader = Reader::new(ReaderParts {
            store: ReadStore::Open(Arc::new(self.disk.clone())),
            identity: Arc::clone(&identity),
            ring: Arc::clone(&ring),
            view,
            epochs: pipeline.machine().epochs().to_vec(),
            quorum: None,
            reading: ReadingKeys::new(
                Arc::clone(&ring),
                Arc::clone(&identity),
                Arc::new(TestEntropy::new(1)),
            ),
        });
        self.engine = Some(Engine {
            identity,
            ring,
            reader,
            pipeline,
            waiting_commands: VecDeque::new(),
            waiting_queries: VecDeque::new(),
            ships: VecDeque::new(),
            signs: Vec::new(),
            heads: VecDeque::new(),
            renewals: VecDeque::new(),
            quorum,
            cosigned,
            parts: VecDeque::new(),
            recalls: Vec::new(),
            last_shipped,
            root_at_boot,
        });
        self.take_outputs(out, Vec::new(), Vec::new());
        Ok(())
    }

    /// Replays another disk with this engine's identity, as a boot would, and starts nothing.
    ///
    /// # Errors
    /// What the engine's boot refuses.
    pub fn replay(&self, disk: &Disk) -> Result<Start, BootError> {
        let identity = self.identity();
        let vault: Arc<dyn mortise_engine::ports::Vault> = self.vault.clone();
        let ring = KeyRing::new(vault, identity);
        begin(disk, identity, &ring, &self.entropy, None, &Code::default())
    }

    /// The same before a new epoch is made: what the boot loaded, and why it skipped snapshots.
    ///
    /// # Errors
    /// What the engine's boot refuses.
    pub fn replayed(&self, disk: &Disk) -> Result<Replayed, BootError> {
        let identity = self.identity();
        let vault: Arc<dyn mortise_engine::ports::Vault> = self.vault.clone();
        let ring = KeyRing::new(vault, identity);
        now(boot::replay(disk, identity, &ring, &self.entropy, &|_, _| {}))
    }

    /// The witnesses, who know the log of this engine from now on.
    fn quorum(&self, identity: &Identity) -> Option<WitnessQuorum> {
        let bench = self.bench.as_ref()?;
        bench.know(identity.log_key().expect("an origin is a name"));
        let ports: (Arc<dyn Witnesses>, Arc<dyn Clock>) =
            (Arc::new(bench.clone()), Arc::new(self.clock.clone()));
        WitnessQuorum::new(identity, &self.genesis.policy, ports).expect("names of witnesses")
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

    /// Does one thing that is to be done, chosen by the seed. False when there is nothing.
    pub fn step(&mut self) -> bool {
        let mut choices = self.choices();
        choices.extend(self.has_renewal().then_some(Choice::Renew));
        self.choose(&choices)
    }

    /// The same, but for renewals of the lease.
    pub fn step_but_renewals(&mut self) -> bool {
        let choices = self.choices();
        self.choose(&choices)
    }

    fn choose(&mut self, choices: &[Choice]) -> bool {
        if choices.is_empty() {
            return false;
        }
        let choice = *self.rng.pick(choices);
        self.carry_out(choice);
        true
    }

    fn choices(&self) -> Vec<Choice> {
        let engine = self.engine();
        let mut choices = Vec::new();
        let in_order = |state| {
            let at = engine.ships.iter().position(|(_, s)| *s == state);
            at.filter(|at| engine.ships.iter().take(*at).all(|(_, s)| *s != state))
        };
        choices.extend(in_order(Shipped::Handed).map(Choice::Write));
        choices.extend(in_order(Shipped::Written).map(|_| Choice::Sync));
        let front = engine.ships.front().filter(|(_, s)| *s == Shipped::Synced);
        choices.extend(front.map(|_| Choice::Ack));
        choices.extend((0..engine.signs.len()).map(Choice::Sign));
        choices.extend(engine.parts.front().map(|_| Choice::StorePart));
        choices.extend(engine.pipeline.wants_slice().then_some(Choice::Slice));
        choices.extend(engine.heads.front().map(|_| Choice::Witness));
        choices.extend(engine.recalls.first().map(|_| Choice::Recall));
        choices
    }

    fn carry_out(&mut self, choice: Choice) {
        match choice {
            Choice::Write(at) => {
                let engine = self.engine.as_mut().expect("the engine runs");
                self.disk.write(&engine.ships[at].0);
                engine.ships[at].1 = Shipped::Written;
            }
            Choice::Sync => {
                self.disk.sync();
                let ships = self.engine_mut().ships.iter_mut();
                ships.filter(|(_, s)| *s == Shipped::Written).for_each(|(_, s)| {
                    *s = Shipped::Synced;
                });
            }
            Choice::Ack => {
                let (frame, _) = self.engine_mut().ships.pop_front().expect("it was chosen");
                let (seq, digest) = (frame.header().seq, frame.digest());
                self.handle(Input::Acked(Ack { seq, digest }));
            }
            Choice::Sign(at) => {
                let job = self.engine_mut().signs.remove(at);
                let signed = self.sign(&job);
                self.handle(Input::Signed(signed));
            }
            Choice::Slice => self.handle(Input::SnapshotSlice),
            Choice::StorePart => self.store_part(),
            Choice::Witness => self.ask_witnesses(),
            Choice::Renew => self.renew(),
            Choice::Recall => self.recall(),
        }
    }

    /// Does the next thing of a kind only, if there is one: for tests that place failures.
    pub fn step_sign(&mut self) -> bool {
        let found = !self.engine().signs.is_empty();
        if found {
            self.carry_out(Choice::Sign(0));
        }
        found
    }

    /// Events whose promises are to be signed.
    pub fn unsigned(&self) -> usize {
        self.engine().signs.iter().map(|job| job.events.len()).sum()
    }

    /// Takes the oldest frame that was handed over and not written.
    pub fn take_ship(&mut self) -> Option<Frame> {
        let engine = self.engine_mut();
        let at = engine.ships.iter().position(|(_, state)| *state == Shipped::Handed)?;
        engine.ships.remove(at).map(|(frame, _)| frame)
    }

    /// Removes the oldest part of a snapshot that the pipeline handed over.
    pub fn take_part(&mut self) -> Option<SnapshotPart> {
        self.engine_mut().parts.pop_front()
    }

    /// Executes all outputs except requests to witnesses.
    pub fn settle_but_witnesses(&mut self) {
        let heads = |driver: &mut Self| std::mem::take(&mut driver.engine_mut().heads);
        let mut held = heads(self);
        while self.step() {
            held.append(&mut heads(self));
        }
        self.engine_mut().heads = held;
    }

    /// Executes all outputs.
    pub fn settle(&mut self) {
        while self.step() {}
    }

    fn sign(&mut self, job: &SignJob) -> SignedFrame {
        let promiser = CommitmentSigner::new(self.identity());
        let statement = &job.statement.statement;
        let promise = |(index, event): &(u32, _)| (*index, promiser.sign(statement, *index, event));
        let promises = job.events.iter().map(promise).collect();
        let signature = promiser.sign_statement(statement);
        let stated = job.statement.clone();
        self.statements.insert(statement.seq, stated.signed(signature));
        SignedFrame { seq: statement.seq, signature, promises }
    }

    /// True when a head waits for witnesses.
    pub fn has_head(&self) -> bool {
        !self.engine().heads.is_empty()
    }

    /// Sends the pending head to witnesses whose answers are all lost.
    ///
    /// # Panics
    /// When no head is pending.
    pub fn lose_cosignatures(&mut self) {
        let head = self.engine_mut().heads.pop_front().expect("a head is under way");
        let bench = self.bench.clone().expect("the policy has witnesses");
        bench.set_all(WitnessBehaviour::AnswerLost);
        let (disk, engine) = (Arc::new(self.disk.clone()) as Arc<dyn LogStore>, self.engine());
        let archive = engine.pipeline.machine().archive();
        let paths = |earlier| consistency(&disk, archive.consistency(earlier, head.size));
        let quorum = engine.quorum.as_ref().expect("the policy has witnesses");
        assert_eq!(timed(gather(quorum, head, &paths)), None, "an answer came all the same");
        bench.set_all(WitnessBehaviour::Open);
    }

    /// Seals the oldest part of a snapshot that was handed over, stores it, and reports that.
    fn store_part(&mut self) {
        let part = self.engine_mut().parts.pop_front().expect("it was chosen");
        let stored = self.put_part(part);
        self.handle(Input::SnapshotPart(stored));
    }

    /// Seals and stores a part, as the actors do.
    pub fn put_part(&self, part: SnapshotPart) -> StoredPart {
        self.check_durable(part.seq);
        let SnapshotPart { attempt, seq, part, is_manifest, keys, plain } = part;
        let sealed = match is_manifest {
            true => keys.seal_manifest(plain),
            false => keys.seal_part(part, plain),
        };
        let sealed = sealed.expect("a part fits its bounds");
        let manifest = is_manifest.then_some(sealed.digest);
        let stored = now(LogStore::snapshot_put(&self.disk, seq, part, manifest, sealed.bytes));
        assert_eq!(stored, Ok(is_manifest), "the manifest comes last");
        StoredPart { attempt, part, digest: Some(sealed.digest) }
    }

    /// Takes and stores the snapshot of a graceful stop. Returns its last frame, or none when there
    /// was nothing new.
    ///
    /// # Panics
    /// When it comes to no end.
    pub fn store_last_snapshot(&mut self) -> Option<u64> {
        self.engine_mut().pipeline.begin_last_snapshot();
        let is_new = self.pipeline().is_snapshotting();
        for _ in 0..SNAPSHOT_STEPS_MAX {
            if !self.pipeline().is_snapshotting() {
                break;
            }
            match self.engine().parts.is_empty() {
                true => self.handle(Input::SnapshotSlice),
                false => self.store_part(),
            }
        }
        assert!(!self.pipeline().is_snapshotting(), "the snapshot comes to no end");
        is_new.then(|| self.pipeline().machine().head().next_seq - 1)
    }

    /// The reader of the released log.
    pub fn reader(&self) -> &Reader {
        &self.engine().reader
    }

    fn recall(&mut self) {
        let (token, at) = self.engine_mut().recalls.remove(0);
        let recalled = now(self.reader().recall(at)).expect("what was answered is in the log");
        let logged = recalled.map(|(frame, index)| Reply::Logged(frame, index));
        self.leave(token, logged.map_err(NotDone::from));
    }
}

/// The result of a future with timers; `None` when it waits longer than an answer takes here.
fn timed<T>(future: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime can be made");
    runtime.block_on(async { tokio::time::timeout(ANSWER_TIME, future).await.ok() })
}

/// More than a snapshot of a test takes.
const SNAPSHOT_STEPS_MAX: usize = 10_000;
/// Less than the first pause of an engine between two requests.
const ANSWER_TIME: Duration = Duration::from_millis(30);

/// Replays the log and opens a new epoch, unattested.
fn begin(
    disk: &Disk,
    identity: &Identity,
    ring: &KeyRing,
    entropy: &TestEntropy,
    quorum: Option<&WitnessQuorum>,
    code: &Code,
) -> Result<Start, BootError> {
    let replayed = now(boot::replay(disk, identity, ring, entropy, &|_, _| {}))?;
    let rules = code.check(&replayed)?;
    if let Some(quorum) = quorum {
        let store = Arc::new(disk.clone()) as Arc<dyn LogStore>;
        timed(boot::check_newest(&store, &replayed, quorum)).expect("witnesses answer")?;
    }
    let channel = ChannelKey::generate(entropy);
    let epoch = now(NewEpoch::prepare(&replayed, identity, ring, &channel))?;
    let document = code.document(&epoch)?;
    Ok(epoch.start(replayed, rules, document, identity, entropy))
}

#[derive(Debug, Clone, Copy)]
enum Choice {
    Write(usize),
    Sync,
    Ack,
    Sign(usize),
    Slice,
    StorePart,
    Witness,
    Renew,
    Recall,
}
