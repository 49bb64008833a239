//! Invariants of the threads and the seeds. No test checks that bytes *look* random, which proves
//! nothing. No test sleeps: the test holds the module in its call, or a draw waits for it.

use super::*;
use crate::logged::Logged;
use mortise_engine::ports::PcrState;
use mortise_engine::ports::{AttestRequest, Entropy as _, ModuleDescription, Nsm, NsmError};
use mortise_format::limits::{ENTROPY_RESEED_BYTES, ENTROPY_SEED_GIVES_BYTES_MAX};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

/// Longer than any test: reaching this timeout is a failure.
const LONG: Duration = Duration::from_secs(120);

/// A module that gives these answers in turn, and then fails.
struct Answers {
    answers: Mutex<Box<dyn Iterator<Item = Vec<u8>> + Send>>,
    /// The threads that requested random bytes.
    callers: Mutex<Vec<(ThreadId, Option<String>)>>,
    /// When set, a call reports its arrival and waits for its turn.
    held: Mutex<Option<Hold>>,
}

struct Hold {
    arrived: Sender<()>,
    turns: Receiver<()>,
}

/// The test's side of a held module.
struct HeldModule {
    arrived: Receiver<()>,
    turns: Sender<()>,
}

fn answers<I>(given: I) -> Arc<Answers>
where
    I: IntoIterator<Item = Vec<u8>>,
    I::IntoIter: Send + 'static,
{
    let answers = Mutex::new(Box::new(given.into_iter()) as Box<_>);
    Arc::new(Answers { answers, callers: Mutex::default(), held: Mutex::default() })
}

/// A module with `count` different answers.
fn many(count: u64) -> Arc<Answers> {
    answers((0..count).map(|number| number.to_le_bytes().repeat(8)))
}

impl Answers {
    /// Holds all further calls.
    fn hold(&self) -> HeldModule {
        let ((arrive, arrived), (turn, turns)) = (channel(), channel());
        *self.held.lock().unwrap() = Some(Hold { arrived: arrive, turns });
        HeldModule { arrived, turns: turn }
    }
}

impl Nsm for Answers {
    fn describe(&self) -> Result<ModuleDescription, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn describe_pcr(&self, _: u16) -> Result<PcrState, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn extend_pcr(&self, _: u16, _: &[u8]) -> Result<Vec<u8>, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn lock_pcr(&self, _: u16) -> Result<(), NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn random(&self) -> Result<Vec<u8>, NsmError> {
        let thread = std::thread::current();
        let caller = (thread.id(), thread.name().map(str::to_owned));
        self.callers.lock().unwrap().push(caller);
        if let Some(hold) = self.held.lock().unwrap().as_ref() {
            hold.arrived.send(()).unwrap();
            hold.turns.recv().unwrap();
        }
        self.answers.lock().unwrap().next().ok_or(NsmError::InternalError)
    }

    fn attest(&self, _: &AttestRequest) -> Result<Vec<u8>, NsmError> {
        Err(NsmError::InvalidOperation)
    }
}

fn over(nsm: &Arc<Answers>, wait_max: Duration) -> NsmEntropy {
    NsmEntropy::with_wait_max(Arc::clone(nsm) as Arc<dyn Nsm>, wait_max).unwrap()
}

fn refusal(nsm: Arc<Answers>) -> EntropyError {
    NsmEntropy::new(nsm).unwrap_err()
}

/// Held while a draw fails: a subscriber that starts while another thread reaches the log line for
/// the first time may miss it.
static LINE: Mutex<()> = Mutex::new(());

/// The message of the panic that this draw causes.
fn panic_of(entropy: &NsmEntropy, out: &mut [u8]) -> String {
    let _line = LINE.lock().unwrap();
    panic_at_the_line(entropy, out)
}

fn panic_at_the_line(entropy: &NsmEntropy, out: &mut [u8]) -> String {
    let ended = catch_unwind(AssertUnwindSafe(|| entropy.fill(out)));
    *ended.unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn two_generators_over_the_same_module_bytes_differ_by_the_kernel() {
    let (mut one, mut other) = ([0; 32], [0; 32]);
    over(&many(1), LONG).fill(&mut one);
    over(&many(1), LONG).fill(&mut other);
    assert_ne!(one, other);
}

#[test]
fn module_may_give_single_bytes_but_not_none() {
    let dribble = (0..64u8).map(|byte| vec![byte]);
    assert!(NsmEntropy::new(answers(dribble)).is_ok());
    let refused = refusal(answers((0..63u8).map(|byte| vec![byte])));
    assert_eq!(refused, EntropyError::Module(NsmError::InternalError));
    let nothing = refusal(answers(vec![Vec::new(); 64]));
    assert_eq!(nothing, EntropyError::TooLittle { given: 0, needed: SEED_BYTES });
}

/// Method: several threads draw more than two seeds allow, so that the module is called at least
/// twice after the start.
#[test]
fn only_the_entropy_s_own_thread_calls_the_module() {
    let nsm = many(u64::MAX);
    let entropy = over(&nsm, LONG);
    let here = std::thread::current().id();
    let mut drawing = vec![here];
    std::thread::scope(|scope| {
        let draw = || entropy.fill(&mut vec![0; ENTROPY_SEED_GIVES_BYTES_MAX]);
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(draw)).collect();
        drawing.extend(threads.iter().map(|thread| thread.thread().id()));
    });
    entropy.fill(&mut [0; 32]);
    drop(entropy);
    let callers = nsm.callers.lock().unwrap();
    let (start, later) = callers.split_first().unwrap();
    assert_eq!(start.0, here, "the first seed is fetched on the thread that makes the entropy");
    assert!(later.len() >= 2, "{}", later.len());
    for (id, name) in later {
        assert_eq!((id, name.as_deref()), (&later[0].0, Some("mortise-entropy")));
        assert!(!drawing.contains(id), "a drawing thread called the module");
    }
}

#[test]
fn module_is_not_called_again_before_the_seed_gave_its_share() {
    let nsm = many(2);
    let entropy = over(&nsm, LONG);
    entropy.fill(&mut vec![0; ENTROPY_RESEED_BYTES - 1]);
    // The drop joins the thread, so all requests are done.
    drop(entropy);
    assert_eq!(nsm.callers.lock().unwrap().len(), 1);
    let entropy = over(&nsm, LONG);
    entropy.fill(&mut vec![0; ENTROPY_RESEED_BYTES]);
    drop(entropy);
    assert_eq!(nsm.callers.lock().unwrap().len(), 3);
}

/// Method: the module stays in its call. Draws up to the bound do not wait, because with a timeout
/// of zero a wait would fail.
#[test]
fn slow_module_delays_no_draw_below_the_bound_and_is_then_named() {
    let nsm = many(3);
    let entropy = over(&nsm, Duration::ZERO);
    let gate = nsm.hold();
    entropy.fill(&mut vec![0; ENTROPY_RESEED_BYTES]);
    gate.arrived.recv_timeout(LONG).unwrap();
    entropy.fill(&mut vec![0; ENTROPY_SEED_GIVES_BYTES_MAX - ENTROPY_RESEED_BYTES]);
    let mut out = [0; 64];
    let why = panic_of(&entropy, &mut out);
    assert!(why.contains("Late"), "{why}");
    assert_eq!(out, [0; 64], "there is output past the bound");
    gate.turns.send(()).unwrap();
}

#[test]
fn draw_at_the_bound_waits_for_the_seed_and_continues() {
    let nsm = many(2);
    let entropy = over(&nsm, LONG);
    let gate = nsm.hold();
    entropy.fill(&mut vec![0; ENTROPY_SEED_GIVES_BYTES_MAX]);
    gate.arrived.recv_timeout(LONG).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut out = [0; 64];
            entropy.fill(&mut out);
            out
        });
        gate.turns.send(()).unwrap();
        assert_ne!(waiting.join().unwrap(), [0; 64]);
    });
}

/// The panic of a draw of more bytes than one seed allows. The draw requests a seed, and its
/// last part waits for it.
fn stopped_by(nsm: Arc<Answers>) -> String {
    let entropy = over(&nsm, LONG);
    let mut out = vec![0; ENTROPY_SEED_GIVES_BYTES_MAX + ENTROPY_RESEED_BYTES];
    let why = panic_of(&entropy, &mut out);
    let past = &out[ENTROPY_SEED_GIVES_BYTES_MAX..];
    assert!(past.iter().all(|byte| *byte == 0), "there is output after the failure");
    let mut out = [0; 64];
    assert_eq!(panic_of(&entropy, &mut out), why, "a failure stays");
    assert_eq!(out, [0; 64], "there is output after the failure");
    why
}

#[test]
fn failed_module_stops_the_next_draw_by_name() {
    let why = stopped_by(many(1));
    assert!(why.contains("Module(InternalError)"), "{why}");
}

#[test]
fn repeating_module_stops_the_next_draw_by_name() {
    let why = stopped_by(answers([vec![7; 64], vec![7; 64], vec![8; 64]]));
    assert!(why.contains("Repeated"), "{why}");
}

#[test]
fn module_that_gives_too_little_stops_the_next_draw_by_name() {
    let nothing = std::iter::repeat_n(Vec::new(), 64);
    let why = stopped_by(answers(std::iter::once(vec![7; 64]).chain(nothing)));
    assert!(why.contains("TooLittle { given: 0, needed: 64 }"), "{why}");
}

/// Goal: the enclave's panic line has no message, so the reason gets its own line.
#[test]
fn reason_is_logged_before_the_panic() {
    let _line = LINE.lock().unwrap();
    let entropy = over(&many(1), LONG);
    let mut out = vec![0; ENTROPY_SEED_GIVES_BYTES_MAX + 1];
    let logged = Logged::start();
    let why = panic_at_the_line(&entropy, &mut out);
    assert!(why.contains("InternalError"), "{why}");
    let logged = logged.take();
    let reason = "the module gives no randomness: the module failed inside";
    assert!(logged.contains(reason), "{logged}");
}

/// Method: the thread owns a handle of the module; when only the test's is left, the thread is
/// gone.
#[test]
fn dropping_ends_the_thread_and_waits_for_it() {
    let idle = many(1);
    drop(over(&idle, LONG));
    assert_eq!(Arc::strong_count(&idle), 1, "the idle thread still runs");
    let busy = many(2);
    let entropy = over(&busy, LONG);
    let gate = busy.hold();
    entropy.fill(&mut vec![0; ENTROPY_RESEED_BYTES]);
    gate.arrived.recv_timeout(LONG).unwrap();
    gate.turns.send(()).unwrap();
    drop(entropy);
    assert_eq!(Arc::strong_count(&busy), 1, "the busy thread still runs");
}

#[test]
fn dropping_after_a_failure_ends_the_thread_too() {
    let nsm = many(1);
    let entropy = over(&nsm, LONG);
    let mut out = vec![0; ENTROPY_SEED_GIVES_BYTES_MAX + 1];
    assert!(panic_of(&entropy, &mut out).contains("InternalError"));
    drop(entropy);
    assert_eq!(Arc::strong_count(&nsm), 1);
}
