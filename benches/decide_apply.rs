//! Decide, apply, encode. `cargo bench -p mortise-benches --bench decide_apply`
//!
//! 70 % commits of one lock, 20 % claims of the whole lock, 10 % releases, each of another owner or
//! lock, over 10^5 owners. Every command is already admitted (its signature recovered) and has an
//! idempotency key that the state records. Its event is encoded into the body of a frame, which
//! ends at the engine's limit of 256 KiB, about 450 commands.
//!
//! As in the engine, the commands of a frame are in cache, because the cores have just admitted
//! them, and the state is not. As in an engine that has run for a while, new locks reuse the memory
//! of old ones: the bench first builds and drops a state larger than the largest one. A growing
//! process also pays the kernel for new pages, 0.2 to 2 us for each 4 KiB.
//!
//! The bench uses pages of 2 MiB, as the enclave's init configures them: with 4 KiB pages the TLB
//! does not cover a state of a million locks. To measure with 4 KiB pages, set `GLIBC_TUNABLES` to
//! any value, including the empty one.
//!
//! Orders of magnitude, one thread, written before measuring. A commit looks up the request, the
//! owner, the account and the asset, and inserts lock, request, timer and index entries. At 10^6
//! locks these are about a dozen cache misses of 60 to 100 ns each where they do not overlap. It
//! encodes 700 bytes.
//!
//! | locks | expected |
//! |---|---|
//! | 10^4 | 0.5 us a command: 2 M/s |
//! | 10^5 | 0.7 us: 1.4 M/s |
//! | 10^6 | 1 us: 1 M/s |

mod policy;

use mortise_core::body::SealedBody;
use mortise_core::decide::{PREFETCH_BATCH, prefetch};
use mortise_core::state::State;
use mortise_core::{Admitted, Decision, admit, decide};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::command::{Command, SignedIntent};
use mortise_format::domains::sha256;
use mortise_format::eip712::{self, Claim, Domain, Request};
use mortise_format::event::{Authority, Content, Event, GrantedLock, LogPosition, RequestKey};
use mortise_format::ids::{Address, Bytes32, EngineId, LockId, RequestId, Signature};
use mortise_format::limits::FRAME_BYTES_TARGET;
use mortise_format::lock::{Custody, LegTerms, LockTerms};
use mortise_format::nonce::{hour_at, nonce_of};
use mortise_format::rules::RuleSet;
use mortise_format::secp256k1::Signer;
use mortise_format::secret::Secret;
use policy::policy;
use std::os::unix::process::CommandExt as _;
use std::time::{Duration, Instant};

const ENGINE: EngineId = EngineId([7; 32]);
const OWNERS: u64 = 100_000;
const SOLVERS: u64 = 16;
/// Commands of one run; 70 % of them need their own key and signature.
const COMMANDS: u64 = 64 * 1024;
/// More commands than fill a frame.
const FRAME_MAX: usize = 512;
const RUNS: usize = 5;
const NOW_S: u64 = 1_800_000_000;
/// Locks of the state that is built and dropped first.
const PAST: u64 = 1_200_000;
const SIZES: [u64; 3] = [10_000, 100_000, 1_000_000];

fn main() {
    let is_restarted = std::env::var_os(TUNABLES).is_some();
    if !is_restarted {
        let error = restart_with_huge_pages();
        println!("measuring with 4 KiB pages: {error}");
    }
    let started = Instant::now();
    let commands = commands();
    println!("{} commands admitted in {:.1?}", commands.len(), started.elapsed());
    let parties = Parties::new();
    let before = resident_bytes();
    let past = filled(PAST, &parties);
    let bytes = resident_bytes().saturating_sub(before) / PAST;
    println!("about {bytes} resident bytes per lock");
    // Is after the dropped state on the heap, so that the allocator keeps the memory before it.
    let pin = vec![1_u8; 4096];
    drop(past);
    for size in SIZES {
        // Built for each run: the lists of a clone have no spare capacity, which would slow the
        // commands.
        let run = |_| measure(filled(size, &parties), &commands);
        let mut rates: Vec<f64> = (0..RUNS).map(run).collect();
        rates.sort_by(f64::total_cmp);
        println!(
            "core::decide_apply/locks={size}: {:.3} M commands/s \
             (median of {RUNS}; {:.3} to {:.3})",
            rates[RUNS / 2],
            rates[0],
            rates[RUNS - 1]
        );
    }
    drop(pin);
}

/// glibc reads this variable when a process starts.
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Replaces this process with itself on huge pages; returns the error if it cannot.
fn restart_with_huge_pages() -> std::io::Error {
    let program = std::env::current_exe();
    let exec = |program| {
        let mut again = std::process::Command::new(program);
        again.args(std::env::args_os().skip(1)).env(TUNABLES, "glibc.malloc.hugetlb=1").exec()
    };
    program.map_or_else(|error| error, exec)
}

/// Returns millions of commands per second; measures decide, apply and encoding only.
fn measure(mut state: State, commands: &[Admitted]) -> f64 {
    let mut spent = Duration::ZERO;
    let mut events = 0;
    let mut rest = commands;
    for seq in 1_000_000.. {
        if rest.is_empty() {
            break;
        }
        rest.iter().take(FRAME_MAX).for_each(look_at);
        let started = Instant::now();
        let mut body = SealedBody::default();
        let mut at = LogPosition { seq, index: 0 };
        for (n, command) in rest.iter().enumerate() {
            if n % PREFETCH_BATCH == 0 {
                prefetch(&state, rest.iter().skip(n));
            }
            let Decision::Event(event) = decide(&state, NOW_S * 1000, command) else {
                panic!("every command is granted")
            };
            state.apply(at, &event).expect("an event of our own fits");
            body.push(&event);
            at.index += 1;
            if body.byte_count() >= FRAME_BYTES_TARGET {
                break;
            }
        }
        spent += started.elapsed();
        events += body.count();
        rest = &rest[body.count()..];
        // The engine passes the changes to the tree, which has its own bench.
        state.take_leaves();
    }
    assert_eq!(events, commands.len());
    let count = u32::try_from(events).expect("few commands");
    f64::from(count) / spent.as_secs_f64() / 1e6
}

/// Reads every byte of a command, as its admission does.
fn look_at(command: &Admitted) {
    std::hint::black_box(format!("{command:?}"));
}

fn hash(kind: &[u8], n: u64) -> [u8; 32] {
    sha256(&[kind, &n.to_le_bytes()])
}

fn signer(kind: &[u8], n: u64) -> Signer {
    Signer::from_bytes(&hash(kind, n)).expect("a hash is a key")
}

/// Owners that commit have keys; the others have only addresses.
fn owner(n: u64) -> Address {
    if is_commit(n) {
        return signer(b"owner", n).address();
    }
    let mut address = Address::ZERO;
    address.0.copy_from_slice(&hash(b"owner", n)[..20]);
    address
}

/// Command `n` is a commit by owner `n`, or uses prefilled lock `n % 10^4` or a later one.
fn is_commit(n: u64) -> bool {
    n < COMMANDS && n % 10 < 7
}

fn request(kind: &[u8], n: u64) -> Request {
    Request { id: RequestId(hash(kind, n)), valid_until: NOW_S + 3600 + n % 600 }
}

fn terms(owner: Address, n: u64, nonce: u64) -> LockTerms {
    let solver = |n: u64| signer(b"solver", n % SOLVERS).address();
    let address = solver(n);
    terms_for(owner, address, n, nonce)
}

fn terms_for(owner: Address, solver: Address, n: u64, nonce: u64) -> LockTerms {
    LockTerms {
        owner,
        beneficiary: solver,
        arbiter: solver,
        nonce: nonce_of(hour_at(NOW_S), 0) + nonce,
        expires: NOW_S + 600 + n % 600,
        condition: Condition {
            target_chain_id: 10,
            target_asset: Asset::native(10),
            target_amount: U256::from(n),
            recipient: Address([1; 20]),
            execution_data: None,
        },
        legs: vec![LegTerms { asset: Asset::native(1), amount: U256::from(1_000_000u64) }],
    }
}

fn lock_id(n: u64) -> LockId {
    LockId(hash(b"lock", n))
}

/// Admits the commands, in mixed order, on two cores.
fn commands() -> Vec<Admitted> {
    let half = COMMANDS / 2;
    std::thread::scope(|scope| {
        let first = scope.spawn(move || (0..half).map(command).collect::<Vec<_>>());
        let second: Vec<_> = (half..COMMANDS).map(command).collect();
        let mut all = first.join().expect("no command panics");
        all.extend(second);
        all
    })
}

fn command(n: u64) -> Admitted {
    let domain = Domain::of_engine(&ENGINE);
    let request = request(b"command", n);
    let solver = || signer(b"solver", target(n) % SOLVERS);
    let command = if is_commit(n) {
        let key = signer(b"owner", n);
        let terms = terms(key.address(), n, 100);
        let hash = eip712::lock_intent(&terms, &Bytes32::ZERO, &request);
        let signature = key.sign(&domain.digest(&hash));
        Command::Commit { intents: vec![SignedIntent { terms, request, signature }] }
    } else if n % 10 < 9 {
        let claim = Claim {
            lock_id: lock_id(target(n)),
            claim_index: 0,
            claimant: solver().address(),
            amounts: vec![U256::from(1_000_000u64)],
            evidence: Bytes32::ZERO,
            request,
        };
        let signature = solver().sign(&domain.digest(&claim.hash()));
        Command::Claim { claim, signature }
    } else {
        let lock_id = lock_id(target(n));
        let hash = eip712::release_consent(&lock_id, &request);
        let signature = solver().sign(&domain.digest(&hash));
        Command::Release { lock_id, request, signature }
    };
    admit(RuleSet::NEWEST, &ENGINE, command).expect("the command is good")
}

/// The prefilled lock of a claim or release, a different one for each.
fn target(n: u64) -> u64 {
    n / 10 * 3 + n % 10 - 7
}

/// Addresses of all parties, made in advance: deriving one from a key costs more than a lock.
struct Parties {
    owners: Vec<Address>,
    solvers: Vec<Address>,
}

impl Parties {
    fn new() -> Self {
        let owners = (0..OWNERS).map(owner).collect();
        let solvers = (0..SOLVERS).map(|n| signer(b"solver", n).address()).collect();
        Self { owners, solvers }
    }
}

/// A state with this many live locks over all owners, and as many recorded requests. It always has
/// the locks that claims and releases need: for 10^4 locks it has 19,661.
fn filled(size: u64, parties: &Parties) -> State {
    let mut state = State::new(ENGINE, policy(300, 600), Secret::new([1; 32]), 42);
    let time_ms = NOW_S * 1000;
    let at = LogPosition { seq: 0, index: 0 };
    state.apply(at, &Event::TimeAdvanced { time_ms }).expect("time moves");
    let Parties { owners, solvers } = parties;
    let count = size.max(COMMANDS / 10 * 3 + 3);
    for start in (0..count).step_by(64) {
        let mut locks = Vec::new();
        let mut request_keys = Vec::new();
        for n in start..(start + 64).min(count) {
            let pick =
                |all: &[Address], n: u64| all[usize::try_from(n).expect("small") % all.len()];
            let (owner, solver) = (pick(owners, n), pick(solvers, n));
            let terms = terms_for(owner, solver, n, n / OWNERS);
            let Request { id, valid_until } = request(b"prefill", n);
            let content = Content { digest: Bytes32(hash(b"content", n)), tags: [0; 8] };
            request_keys.push(RequestKey { principal: owner, id, valid_until, content });
            locks.push(GrantedLock {
                lock_id: lock_id(n),
                claim_by: terms.expires + 60,
                settle_by: terms.expires + 360,
                authority: Authority::Intent(Request { id, valid_until }),
                signature: Signature::ZERO,
                custody: Custody::Open,
                terms: terms.into(),
            });
        }
        let event =
            Event::LocksGranted { locks, batch: Bytes32::ZERO, request_keys: request_keys.into() };
        state.apply(LogPosition { seq: start, index: 0 }, &event).expect("the lock fits");
        // Takes the changes per frame, as an engine does; otherwise their list would grow.
        state.take_leaves();
    }
    state
}

/// Resident memory of this process, bytes.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
