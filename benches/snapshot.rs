//! A snapshot of a large state, taken while commands change it. `cargo bench -p mortise-benches
//! --bench snapshot`
//!
//! Builds a log of a million locks over 10^5 owners (set `MORTISE_SNAPSHOT_LOCKS` for another
//! number) on a temporary file. Then takes a snapshot as the engine does: in each turn the writer
//! encodes one slice and applies a frame that ends 64 random locks, while one thread seals the
//! parts and writes them to a file, four at a time. Then two processes of their own start from
//! that: one loads the snapshot, one follows the whole log.
//!
//! Orders of magnitude, written before measuring, for 10^6 locks. A lock with its request takes
//! about 600 bytes in a snapshot. A slice encodes 4096 values or 1 MiB: a millisecond. The barrier
//! encodes a lock, its account and its owner, 800 bytes in 2 us, for each lock that ends.
//!
//! | what | expected |
//! |---|---|
//! | longest hold of the writer by a slice | 2 to 5 ms |
//! | memory beside the state while taking | below 64 MiB |
//! | peak of a load over the state | 1.1 |
//! | start from the snapshot | 5 s |
//! | start from the log | 15 s |

mod policy;

use mortise_core::Machine;
use mortise_core::body::{Boot, BootRecord, ClearBody, document_digest};
use mortise_core::keys::{EpochKeys, LogKeys};
use mortise_core::machine::{OpenFrame, SealedPart, SnapshotKeys, SnapshotLoad};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::binding::BoundKeys;
use mortise_format::domains::sha256;
use mortise_format::eip712::Request;
use mortise_format::event::{Authority, Content, Event, GrantedLock, RequestKey};
use mortise_format::frame::Frame;
use mortise_format::ids::{Address, Bytes32, EngineId, LockId, RequestId, Signature};
use mortise_format::limits::{
    SNAPSHOT_PART_BYTES, SNAPSHOT_PARTS_IN_FLIGHT, SNAPSHOT_SLICE_BYTES, SNAPSHOT_SLICE_VALUES,
};
use mortise_format::lock::{Custody, LegTerms, LockTerms};
use mortise_format::nonce::{hour_at, nonce_of};
use mortise_format::rules::RuleSet;
use mortise_format::secp256k1::Signer;
use mortise_format::secret::Secret;
use policy::policy;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const ENGINE: EngineId = EngineId([7; 32]);
const OWNERS: u64 = 100_000;
const NOW_S: u64 = 1_800_000_000;
/// Locks that one frame grants.
const GRANTS: u64 = 400;
/// Random locks that end in one frame while the snapshot is taken.
const ENDS: usize = 64;
/// Parts of this file: the role of a process, and the folder of the files.
const ROLE: &str = "MORTISE_SNAPSHOT_ROLE";
const FOLDER: &str = "MORTISE_SNAPSHOT_FOLDER";

fn main() {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    match (std::env::var(ROLE).as_deref(), folder) {
        (Ok("load"), Some(folder)) => load(&folder),
        (Ok("follow"), Some(folder)) => follow(&folder),
        _ => measure(),
    }
}

fn measure() {
    let asked = std::env::var("MORTISE_SNAPSHOT_LOCKS").ok().and_then(|text| text.parse().ok());
    let locks: u64 = asked.unwrap_or(1_000_000);
    let folder = std::env::temp_dir().join(format!("mortise-snapshot-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
    let machine = build(&folder, locks);
    let machine = take(machine, locks, &folder);
    retention(machine);
    for role in ["load", "follow"] {
        let program = std::env::current_exe().expect("a process knows its program");
        let mut child = std::process::Command::new(program);
        let status = child.env(ROLE, role).env(FOLDER, &folder).status();
        assert!(status.expect("it starts").success());
    }
    std::fs::remove_dir_all(&folder).expect("it was made above");
}

fn log_keys() -> LogKeys {
    LogKeys::new(Secret::new([2; 32]), &ENGINE)
}

fn keys() -> EpochKeys {
    log_keys().epoch(&Secret::new([3; 32]), &ENGINE, 1)
}

fn signer() -> Signer {
    Signer::from_bytes(&[5; 32]).expect("a constant is a key")
}

fn hash(kind: &[u8], n: u64) -> [u8; 32] {
    sha256(&[kind, &n.to_le_bytes()])
}

fn lock_id(n: u64) -> LockId {
    LockId(hash(b"lock", n))
}

fn empty() -> Machine {
    Machine::new(ENGINE, policy(300, 1_000_000), &log_keys(), 42)
}

/// Grants the locks, 400 a frame, and writes the log.
fn build(folder: &Path, locks: u64) -> Machine {
    let started = Instant::now();
    let mut log = BufWriter::new(File::create(folder.join("log")).expect("it is ours"));
    let mut machine = empty();
    let bound = BoundKeys { signing: signer().public_key(), checkpoint: None, channel: None };
    let record = BootRecord {
        keys: bound,
        wrapped_key: Vec::new(),
        key_commitment: Bytes32::ZERO,
        document_digest: document_digest(&[]),
        fresh: Bytes32::ZERO,
    };
    let boot = Boot { record, document: Vec::new(), genesis_document: Vec::new() };
    let frame = machine.open_boot(1, RuleSet::NEWEST, NOW_S * 1000, "bench");
    write(&mut log, &close(&mut machine, frame.expect("time fits"), Some(boot)));
    for start in (0..locks).step_by(400) {
        let mut frame = machine.open(NOW_S * 1000).expect("time fits");
        for n in start..(start + GRANTS).min(locks) {
            machine.log(&mut frame, &grant(n)).expect("the lock fits");
        }
        write(&mut log, &close(&mut machine, frame, None));
    }
    log.flush().expect("the disk has room");
    println!("{locks} locks granted in {:.1?}", started.elapsed());
    machine
}

fn close(machine: &mut Machine, frame: OpenFrame, boot: Option<Boot>) -> Frame {
    let clear = ClearBody { boot, ..ClearBody::default() };
    machine.close(frame, &keys(), &clear).expect("it seals").0
}

fn write(log: &mut impl std::io::Write, frame: &Frame) {
    let bytes = frame.encode();
    let length = u32::try_from(bytes.len()).expect("frames are small");
    log.write_all(&length.to_le_bytes()).expect("the disk has room");
    log.write_all(&bytes).expect("the disk has room");
}

fn grant(n: u64) -> Event {
    let mut owner = Address::ZERO;
    owner.0.copy_from_slice(&hash(b"owner", n % OWNERS)[..20]);
    let expires = NOW_S + 600 + n % 600;
    let condition = Condition {
        target_chain_id: 10,
        target_asset: Asset::native(10),
        target_amount: U256::from(n),
        recipient: Address([1; 20]),
        execution_data: None,
    };
    let legs = vec![LegTerms { asset: Asset::native(1), amount: U256::from(1_000_000u64) }];
    let (beneficiary, arbiter) = (Address([8; 20]), Address([9; 20]));
    let nonce = nonce_of(hour_at(NOW_S), 0) + n / OWNERS;
    let terms = LockTerms { owner, beneficiary, arbiter, nonce, expires, condition, legs };
    let (id, valid_until) = (RequestId(hash(b"request", n)), NOW_S + 3600 + n % 600);
    let content = Content { digest: Bytes32(hash(b"content", n)), tags: [0; 8] };
    let lock = GrantedLock {
        lock_id: lock_id(n),
        claim_by: expires + 60,
        settle_by: expires + 360,
        authority: Authority::Intent(Request { id, valid_until }),
        signature: Signature::ZERO,
        custody: Custody::Open,
        terms: terms.into(),
    };
    let request_keys = [RequestKey { principal: owner, id, valid_until, content }].into();
    Event::LocksGranted { locks: vec![lock], batch: Bytes32::ZERO, request_keys }
}

/// Times of pieces of work of the writer: by the clock, and of the processor, which on a machine
/// with other work is what the piece itself takes.
#[derive(Debug, Default)]
struct Times {
    clock: Vec<Duration>,
    processor: Vec<Duration>,
}

impl Times {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (started, used) = (Instant::now(), processor_time());
        let result = work();
        self.processor.push(processor_time().saturating_sub(used));
        self.clock.push(started.elapsed());
        result
    }

    fn summary(&mut self) -> String {
        let [clock, processor] = [&mut self.clock, &mut self.processor].map(|times| {
            times.sort_unstable();
            let median = times.get(times.len() / 2).copied().unwrap_or_default();
            (median, times.last().copied().unwrap_or_default())
        });
        let ((median, longest), (of_processor, longest_of_processor)) = (clock, processor);
        format!(
            "{} of them, median {median:.1?}, longest {longest:.1?} \
             ({of_processor:.1?}, {longest_of_processor:.1?} of the processor)",
            self.clock.len()
        )
    }
}

/// Time that this thread had on a processor.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// The worker that seals parts and the store that keeps them, four parts at a time.
struct Worker {
    to_seal: mpsc::SyncSender<Vec<u8>>,
    stored: mpsc::Receiver<Bytes32>,
    waiting: VecDeque<Vec<u8>>,
    in_flight: usize,
    digests: Vec<Bytes32>,
}

impl Worker {
    fn start<'scope>(
        scope: &'scope std::thread::Scope<'scope, '_>,
        keys: SnapshotKeys,
        file: File,
    ) -> Self {
        let (to_seal, taken) = mpsc::sync_channel::<Vec<u8>>(0);
        let (done, stored) = mpsc::channel();
        scope.spawn(move || {
            let mut file = BufWriter::new(file);
            for (number, plain) in (0..).zip(taken) {
                let SealedPart { bytes, digest } = keys.seal_part(number, plain).expect("it fits");
                file.write_all(&bytes).expect("the disk has room");
                let _ = done.send(digest);
            }
        });
        Self { to_seal, stored, waiting: VecDeque::new(), in_flight: 0, digests: Vec::new() }
    }

    /// Takes parts while there is room, and notes what is stored.
    fn turn(&mut self, machine: &mut Machine) {
        while self.in_flight < SNAPSHOT_PARTS_IN_FLIGHT
            && let Some(part) = machine.take_snapshot_part()
        {
            self.waiting.push_back(part);
            self.in_flight += 1;
        }
        while let Some(part) = self.waiting.pop_front() {
            if let Err(mpsc::TrySendError::Full(part)) = self.to_seal.try_send(part) {
                self.waiting.push_front(part);
                break;
            }
        }
        while let Ok(digest) = self.stored.try_recv() {
            self.digests.push(digest);
            self.in_flight -= 1;
        }
    }
}

/// Takes the snapshot as the engine does.
fn take(mut machine: Machine, locks: u64, folder: &Path) -> Machine {
    // In an order that has nothing to do with their slots.
    let mut ends = (0..locks).map(|n| n * 48_271 % locks);
    let mut all = [(); 5].map(|()| Times::default());
    let [alone, beside, begin, slices, gathers] = &mut all;
    for _ in 0..100 {
        frame_of_ends(&mut machine, &mut ends, alone);
    }
    reset_peak();
    let (before, started) = (resident_bytes("VmRSS"), Instant::now());
    let mut held_max = 0;
    let next_seq = machine.head().next_seq;
    let keys = SnapshotKeys::new(ENGINE, next_seq, &log_keys());
    let digests = std::thread::scope(|scope| {
        let file = File::create(folder.join("snapshot")).expect("it is ours");
        let mut worker = Worker::start(scope, keys.clone(), file);
        begin.time(|| machine.begin_snapshot());
        loop {
            let taking = machine.snapshot().expect("it is being taken");
            held_max = held_max.max(taking.bytes_held());
            let (is_whole, waiting) = (taking.is_whole(), taking.parts_waiting());
            if is_whole && waiting == 0 && worker.in_flight == 0 {
                return worker.digests;
            }
            if waiting + worker.in_flight < SNAPSHOT_PARTS_IN_FLIGHT && !is_whole {
                slices
                    .time(|| machine.encode_snapshot(SNAPSHOT_SLICE_VALUES, SNAPSHOT_SLICE_BYTES));
            }
            frame_of_ends(&mut machine, &mut ends, beside);
            gathers.time(|| machine.gather_snapshot());
            worker.turn(&mut machine);
        }
    });
    let parts = digests.len();
    let manifest = begin.time(|| machine.finish_snapshot(digests)).expect("it is whole");
    let manifest = keys.seal_manifest(manifest).expect("it fits").bytes;
    std::fs::write(folder.join("manifest"), &manifest).expect("the disk has room");
    std::fs::write(folder.join("next_seq"), next_seq.to_string()).expect("the disk has room");
    println!("snapshot: {parts} parts of 1 MiB and the manifest, in {:.1?}", started.elapsed());
    println!("  begin and manifest: {}", begin.summary());
    println!("  slices on the writer: {}", slices.summary());
    println!("  records of the barrier moved to parts: {}", gathers.summary());
    println!("  frames of {ENDS} ended locks before it: {}", alone.summary());
    println!("  the same while it was taken: {}", beside.summary());
    let grown = resident_bytes("VmHWM").saturating_sub(before);
    println!("  memory: {} MiB, {} MiB more at the peak", before >> 20, grown >> 20);
    println!("  encoded and not in flight, at most: {} MiB", held_max >> 20);
    machine
}

/// Lets time pass until nothing is due, in frames as the engine makes them, and counts what stays.
fn retention(mut machine: Machine) {
    let (started, mut frames) = (Instant::now(), 0);
    let mut longest = Times::default();
    for hours in [1, 2, 300, 330, 400] {
        let now_ms = (NOW_S + hours * 3600) * 1000;
        while machine.has_due(now_ms) {
            longest.time(|| {
                let frame = machine.open(now_ms).expect("time fits");
                close(&mut machine, frame, None);
            });
            frames += 1;
        }
    }
    let state = machine.state();
    println!(
        "after retention: {frames} frames in {:.1?}, {}",
        started.elapsed(),
        longest.summary()
    );
    println!(
        "  left: {} locks, {} principals, {} accounts, {} totals, {} remembered requests; {} MiB",
        state.lock_count(),
        state.principal_count(),
        state.account_count(),
        state.total_count(),
        state.requests().count(),
        resident_bytes("VmRSS") >> 20
    );
}

fn frame_of_ends(machine: &mut Machine, ends: &mut impl Iterator<Item = u64>, times: &mut Times) {
    let lock_ids: Vec<LockId> = ends.take(ENDS).map(lock_id).collect();
    times.time(|| {
        let mut frame = machine.open(NOW_S * 1000).expect("time fits");
        if !lock_ids.is_empty() {
            machine.log(&mut frame, &Event::LocksExpired { lock_ids }).expect("they are open");
        }
        close(machine, frame, None);
    });
}

/// A process that starts from the snapshot.
fn load(folder: &Path) {
    let text = std::fs::read_to_string(folder.join("next_seq")).expect("it was written");
    let next_seq: u64 = text.parse().expect("it is a number");
    let manifest = std::fs::read(folder.join("manifest")).expect("it was written");
    let mut file = File::open(folder.join("snapshot")).expect("it was written");
    let size = file.metadata().expect("it has a size").len();
    let parts = size.div_ceil(SNAPSHOT_PART_BYTES as u64);
    let listed = u32::try_from(parts + 1).expect("few parts");
    let started = Instant::now();
    let keys = log_keys();
    let load = SnapshotLoad::begin(&ENGINE, next_seq, listed, manifest, &keys, 1);
    let mut load = load.expect("it is ours");
    for _ in 0..load.parts() {
        let mut part = vec![0; SNAPSHOT_PART_BYTES];
        file.read_exact(&mut part).expect("it is whole");
        load.part(part).expect("it is ours");
    }
    let machine = load.finish().expect("it is ours");
    report("start from the snapshot", started, &machine);
}

/// A process that starts from the log.
fn follow(folder: &Path) {
    let mut log = BufReader::new(File::open(folder.join("log")).expect("it was written"));
    let started = Instant::now();
    let (mut machine, keys, engine) = (empty(), keys(), signer().address());
    let mut length = [0; 4];
    while log.read_exact(&mut length).is_ok() {
        let length = usize::try_from(u32::from_le_bytes(length)).expect("32 bits fit");
        let mut bytes = vec![0; length];
        log.read_exact(&mut bytes).expect("it is whole");
        let frame = Frame::decode(&bytes).expect("it is a frame");
        machine.follow(&frame, &keys, &engine).expect("it follows");
    }
    report("start from the log", started, &machine);
}

fn report(what: &str, started: Instant, machine: &Machine) {
    let (took, now, peak) = (started.elapsed(), resident_bytes("VmRSS"), resident_bytes("VmHWM"));
    let percent = peak * 100 / now.max(1);
    println!(
        "{what}: {took:.1?}, {} locks; {} MiB, peak {} MiB ({percent} %)",
        machine.state().lock_count(),
        now >> 20,
        peak >> 20
    );
}

/// Resident memory of this process, now or at its peak, bytes.
fn resident_bytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// The peak counts from now on.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
