//! Audit of a whole log by replay. `cargo bench -p mortise-benches --bench audit`
//!
//! Writes a log of a million events (set `MORTISE_AUDIT_EVENTS` for another number) as an engine
//! would. Of 8 commands, 4 are commits of one lock, 1 is a release, 1 a claim of the whole lock, 1
//! a commit that the state refuses and the log records, 1 an extension. The other locks expire and
//! are settled and pruned by time. Each eighth of the log starts a new epoch. The bench then audits
//! the log from memory with all keys: every core prepares, one core replays. Then it plants a wrong
//! refusal, a wrong state root and a wrong epoch, and audits again: it must find and name each one.
//!
//! Orders of magnitude, written before measuring. Preparing a command recovers a signature (about
//! 60 us with precomputed tables) and hashes and decrypts 900 bytes (2 us). Replaying decides,
//! applies and updates the state tree: 5 to 10 us.
//!
//! | cores | expected |
//! |---|---|
//! | 1 | 13 k events/s |
//! | 2 | 28 k events/s, limited by signatures; replay alone allows 150 k |

mod policy;

use mortise_audit::{AuditKeys, Auditor, Prepared, Report, Subject, prepare};
use mortise_core::body::{Boot, BootRecord, CarriedStatement, ClearBody, document_digest};
use mortise_core::keys::{EpochKeys, LogKeys};
use mortise_core::machine::{Executed, OpenFrame};
use mortise_core::{Admitted, Machine, admit, seal};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::binding::BoundKeys;
use mortise_format::command::{Command, SignedIntent};
use mortise_format::domains::{LOG_SECRET_COMMITMENT, sha256};
use mortise_format::eip712::{self, Claim, Domain, Request};
use mortise_format::event::{Event, RequestKey};
use mortise_format::frame::Frame;
use mortise_format::genesis::{Genesis, GenesisKeys, engine_id};
use mortise_format::ids::{Address, Bytes32, EngineId, LockId, RequestId};
use mortise_format::lock::{LegTerms, LockTerms};
use mortise_format::nonce::{hour_at, nonce_of};
use mortise_format::reject::Reject;
use mortise_format::rules::RuleSet;
use mortise_format::secp256k1::Signer;
use mortise_format::secret::Secret;
use mortise_format::witness::Origin;
use policy::policy;
use std::sync::OnceLock;
use std::time::Instant;

const START_MS: u64 = 1_800_000_000_000;
const OWNERS: u64 = 2000;
/// Commands that are signed and admitted together and fill a frame.
const GROUP: u64 = 400;
const EPOCHS: u64 = 8;
/// Engine time between two frames.
const FRAME_MS: u64 = 500;

fn main() {
    let requested = std::env::var("MORTISE_AUDIT_EVENTS").ok().and_then(|text| text.parse().ok());
    let events: u64 = requested.unwrap_or(1_000_000);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let started = Instant::now();
    let mut writer = Writer::new();
    while writer.events < events {
        writer.step(events / EPOCHS + 1, threads);
    }
    let bytes: usize = writer.log.iter().map(Vec::len).sum();
    println!(
        "{} events, {} frames, {} MiB, written in {:.1?}",
        writer.events,
        writer.log.len(),
        bytes >> 20,
        started.elapsed()
    );
    let report = timed("a clean log", &writer, &writer.log, threads);
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!(report.replayed_to, report.frames);
    println!(
        "  {} commands replayed, {} refusals reproduced, {} changes by time, {} statements checked",
        report.commands, report.refusals, report.timed, report.statements
    );
    let (last, before) = writer.log.split_last().expect("a log");
    for (name, change) in [("StateRoot", 0), ("Epoch", 1)] {
        let changed = writer.resealed(last, change);
        let log = [before, &[changed]].concat();
        found(name, &timed(&format!("with a wrong {name}"), &writer, &log, threads));
    }
    writer.refuse_wrongly();
    found("WrongRefusal", &timed("with a wrong refusal", &writer, &writer.log, threads));
}

fn found(name: &str, report: &Report) {
    for finding in &report.findings {
        println!("  found: {finding}");
    }
    assert!(report.findings.iter().any(|f| f.fact.name() == name), "{name} was not found");
    assert_eq!(report.finding_count, 1);
}

fn timed(what: &str, writer: &Writer, log: &[Vec<u8>], threads: usize) -> Report {
    let started = Instant::now();
    let report = audit(writer, log, threads);
    let spent = started.elapsed();
    let events = u32::try_from(report.events).expect("a log of less than 2^32 events");
    println!(
        "verify::replay/events={events} threads={threads}: {:.0} events/s ({what}, {spent:.1?})",
        f64::from(events) / spent.as_secs_f64()
    );
    report
}

/// Prepares groups of frames in parallel and replays them in order.
fn audit(writer: &Writer, log: &[Vec<u8>], threads: usize) -> Report {
    let keys = writer.audit_keys();
    let subject = Subject {
        engine_id: Some(writer.engine_id),
        genesis: Some(writer.genesis.clone()),
        genesis_keys: Some(writer.genesis_keys),
        ..Subject::default()
    };
    let mut auditor = Auditor::new(subject, Some(keys.clone()), 42);
    let group = |frames: &[Vec<u8>]| -> Vec<Prepared> {
        frames.iter().map(|bytes| prepare(bytes, Some(&keys))).collect()
    };
    // Replays one group while the next ones are prepared.
    let mut ready: Vec<Prepared> = Vec::new();
    for wave in log.chunks(16 * threads) {
        let share = wave.len().div_ceil(threads);
        ready = std::thread::scope(|scope| {
            let parts: Vec<_> =
                wave.chunks(share).map(|part| scope.spawn(|| group(part))).collect();
            ready.into_iter().for_each(|prepared| auditor.follow(prepared));
            let joined = parts.into_iter().map(|part| part.join().expect("nothing panics"));
            joined.flatten().collect()
        });
    }
    ready.into_iter().for_each(|prepared| auditor.follow(prepared));
    auditor.finish()
}

/// An engine that writes a log as fast as it can.
struct Writer {
    engine_id: EngineId,
    genesis: Genesis,
    genesis_keys: (GenesisKeys, Bytes32),
    signer: Signer,
    log_keys: LogKeys,
    machine: Machine,
    epochs: Vec<EpochKeys>,
    log: Vec<Vec<u8>>,
    to_carry: Vec<CarriedStatement>,
    events: u64,
    commands: u64,
    now_ms: u64,
}

impl Writer {
    fn new() -> Self {
        let signer = key(b"engine", 0);
        let genesis = Genesis {
            name: "bench".into(),
            salt: Bytes32([1; 32]),
            policy: policy(60, 60),
            origin: Origin::Sigsum,
            predecessor: None,
        };
        let secret = Secret::new([0x5e; 32]);
        let keys = GenesisKeys { signing: signer.public_key(), checkpoint: [3; 32] };
        let commitment = secret.commitment(LOG_SECRET_COMMITMENT);
        let engine_id = engine_id(&keys, &commitment, &genesis.hash());
        let log_keys = LogKeys::new(secret, &engine_id);
        let machine = Machine::new(engine_id, genesis.policy.clone(), &log_keys, 1);
        Self {
            engine_id,
            genesis,
            genesis_keys: (keys, commitment),
            signer,
            log_keys,
            machine,
            epochs: Vec::new(),
            log: Vec::new(),
            to_carry: Vec::new(),
            events: 0,
            commands: 0,
            now_ms: START_MS,
        }
    }

    fn audit_keys(&self) -> AuditKeys {
        let keys = AuditKeys::new(self.engine_id, self.log_keys.state_salt().clone());
        let numbered = (1..).zip(&self.epochs);
        numbered.fold(keys, |keys, (n, epoch)| keys.with_epoch(n, epoch.content_root().clone()))
    }

    /// Writes a boot if the epoch is over, then a group of commands.
    fn step(&mut self, epoch_events: u64, threads: usize) {
        let epochs = u64::try_from(self.epochs.len()).expect("few epochs");
        if self.events >= epochs * epoch_events {
            self.boot(epochs + 1);
        }
        let group = admitted(self.engine_id, self.commands, self.now_ms / 1000, threads);
        self.commands += GROUP;
        let mut frame = self.machine.open(self.now_ms).expect("time fits");
        for command in &group {
            let done = self.machine.execute(&mut frame, command).expect("it fits");
            assert!(matches!(done, Executed::Logged(..)), "{done:?}");
            if frame.is_full() {
                self.close(frame, None);
                frame = self.machine.open(self.now_ms).expect("time fits");
            }
        }
        self.close(frame, None);
    }

    fn boot(&mut self, epoch: u64) {
        let data_key = Secret::new(hash(b"data key", epoch));
        self.epochs.push(self.log_keys.epoch(&data_key, &self.engine_id, epoch));
        let keys = BoundKeys { signing: self.signer.public_key(), checkpoint: None, channel: None };
        let record = BootRecord {
            keys,
            wrapped_key: Vec::new(),
            key_commitment: Bytes32::ZERO,
            document_digest: document_digest(&[]),
            fresh: Bytes32(hash(b"fresh", epoch)),
        };
        let frame = self
            .machine
            .open_boot(epoch, RuleSet::NEWEST, self.now_ms, "bench")
            .expect("time fits");
        self.close(
            frame,
            Some(Boot { record, document: Vec::new(), genesis_document: Vec::new() }),
        );
    }

    fn close(&mut self, frame: OpenFrame, boot: Option<Boot>) {
        let statements = std::mem::take(&mut self.to_carry);
        let clear = ClearBody { boot, statements };
        let keys = self.epochs.last().expect("it booted");
        let (frame, stated, body) = self.machine.close(frame, keys, &clear).expect("it seals");
        let signature = self.signer.sign(&stated.statement.digest());
        self.to_carry.push(stated.signed(signature));
        self.events += u64::try_from(body.count()).expect("few events");
        self.now_ms += FRAME_MS;
        self.log.push(frame.encode());
    }

    /// Seals a frame again with a wrong state root (0) or epoch (1), under the engine's own keys.
    fn resealed(&self, bytes: &[u8], change: u8) -> Vec<u8> {
        let keys = self.epochs.last().expect("it booted");
        let frame = Frame::decode(bytes).expect("a frame");
        let plain = seal::open(keys, &frame).expect("it is ours");
        let mut header = frame.header().clone();
        match change {
            0 => header.state_root.0[0] ^= 1,
            _ => header.epoch += 1,
        }
        let clear = frame.clear().to_vec();
        seal::seal(keys, header, clear, &plain).expect("it seals").encode()
    }

    /// Writes a frame that refuses a valid commit, and a correct frame after it.
    fn refuse_wrongly(&mut self) {
        let now_s = self.now_ms / 1000;
        let command = command(self.engine_id, self.commands, now_s);
        let good = admit(RuleSet::NEWEST, &self.engine_id, command.clone()).expect("it is signed");
        let decided = mortise_core::decide(self.machine.state(), self.now_ms, &good);
        let mortise_core::Decision::Event(Event::LocksGranted { request_keys, .. }) = decided
        else {
            panic!("it would be granted")
        };
        let request_key: RequestKey = request_keys[0];
        let (reject, command) = (Reject::NonceUsed, Box::new(command));
        let mut frame = self.machine.open(self.now_ms).expect("time fits");
        let wrong = Event::CommandRefused { request_key, reject, command };
        self.machine.log(&mut frame, &wrong).expect("the wrong refusal fits the state");
        self.close(frame, None);
        self.commands += 8;
        self.step(u64::MAX / EPOCHS / 2, 1);
    }
}

fn hash(kind: &[u8], n: u64) -> [u8; 32] {
    sha256(&[kind, &n.to_le_bytes()])
}

fn key(kind: &[u8], n: u64) -> Signer {
    Signer::from_bytes(&hash(kind, n)).expect("a hash is a key")
}

/// The terms of lock `which` of block `n / 8`, with its owner's agreement.
fn terms(n: u64, which: u64, now_s: u64) -> (&'static Signer, LockTerms) {
    static OWNER_KEYS: OnceLock<Vec<Signer>> = OnceLock::new();
    let keys = OWNER_KEYS.get_or_init(|| (0..OWNERS).map(|n| key(b"owner", n)).collect());
    let block = n / 8;
    let owner = &keys[usize::try_from(block % OWNERS).expect("few owners")];
    let solver = solver().address();
    let terms = LockTerms {
        owner: owner.address(),
        beneficiary: solver,
        arbiter: solver,
        nonce: nonce_of(hour_at(now_s), 0) + block / OWNERS * 4 + which,
        expires: now_s + 60,
        condition: Condition {
            target_chain_id: 10,
            target_asset: Asset::native(10),
            target_amount: U256::from(block),
            recipient: Address([1; 20]),
            execution_data: None,
        },
        legs: vec![LegTerms { asset: Asset::native(1), amount: U256::from(1_000u64) }],
    };
    (owner, terms)
}

fn solver() -> &'static Signer {
    static SOLVER_KEY: OnceLock<Signer> = OnceLock::new();
    SOLVER_KEY.get_or_init(|| key(b"solver", 0))
}

/// Command `n`: of each 8, four commits, a follow-up of three of them, and a refused commit.
fn command(engine_id: EngineId, n: u64, now_s: u64) -> Command {
    let domain = Domain::of_engine(&engine_id);
    let request = Request { id: RequestId(hash(b"request", n)), valid_until: now_s + 600 };
    let lock_id = |which| -> LockId { terms(n, which, now_s).1.lock_id(&engine_id) };
    match n % 8 {
        4 => {
            let hash = eip712::release_consent(&lock_id(0), &request);
            let signature = solver().sign(&domain.digest(&hash));
            Command::Release { lock_id: lock_id(0), request, signature }
        }
        5 => {
            let claim = Claim {
                lock_id: lock_id(1),
                claim_index: 0,
                claimant: solver().address(),
                amounts: vec![U256::from(1_000u64)],
                evidence: Bytes32::ZERO,
                request,
            };
            let signature = solver().sign(&domain.digest(&claim.hash()));
            Command::Claim { claim, signature }
        }
        6 => {
            let (owner, new_expires) = (terms(n, 2, now_s).0, now_s + 90);
            let hash = eip712::extend_consent(&lock_id(2), new_expires, &request);
            let signature = owner.sign(&domain.digest(&hash));
            Command::Extend { lock_id: lock_id(2), new_expires, request, signature }
        }
        which => {
            let (owner, mut terms) = terms(n, which % 4, now_s);
            if which == 7 {
                // Reuses the nonce of the last lock, with another amount.
                terms.legs[0].amount = U256::ONE;
            }
            let hash = eip712::lock_intent(&terms, &Bytes32::ZERO, &request);
            let signature = owner.sign(&domain.digest(&hash));
            Command::Commit { intents: vec![SignedIntent { terms, request, signature }] }
        }
    }
}

/// Makes and admits a group of commands on all cores.
fn admitted(engine_id: EngineId, from: u64, now_s: u64, threads: usize) -> Vec<Admitted> {
    let numbers: Vec<u64> = (from..from + GROUP).collect();
    let share = numbers.len().div_ceil(threads);
    let make = |numbers: &[u64]| -> Vec<Admitted> {
        let one = |n: &u64| {
            admit(RuleSet::NEWEST, &engine_id, command(engine_id, *n, now_s)).expect("it is good")
        };
        numbers.iter().map(one).collect()
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = numbers.chunks(share).map(|part| scope.spawn(|| make(part))).collect();
        parts.into_iter().flat_map(|part| part.join().expect("nothing panics")).collect()
    })
}
