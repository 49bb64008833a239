//! The trusted clock requests documents, reads their time, and refuses wrong ones.

use mortise_engine::ports::{
    AttestRequest, Clock as _, ClockError, ModuleDescription, Nsm, NsmError, PcrState,
};
use mortise_nitro::clock::{AnchorRefused, ClockRules, ClockStartError, NsmClock};
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// 2026-01-01.
const START_MS: u64 = 1_767_225_600_000;

/// The module's fault.
#[derive(Debug, Clone)]
enum Mood {
    Honest,
    Broken,
    /// Answers every request with this document.
    Repeats(Vec<u8>),
}

/// A software module whose time and fault the test sets.
struct Module {
    nsm: SoftwareNsm,
    now_ms: Arc<AtomicU64>,
    mood: Mutex<Mood>,
    _folder: TempDir,
}

impl Module {
    fn start() -> Arc<Self> {
        let (folder, now_ms) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(START_MS)));
        let time = Arc::clone(&now_ms);
        let measured = Measurements::dev("engine");
        let boot =
            SoftwareNsm::boot_at(folder.path(), &measured, move || time.load(Ordering::SeqCst));
        let (nsm, mood) = (boot.unwrap(), Mutex::new(Mood::Honest));
        Arc::new(Self { nsm, now_ms, mood, _folder: folder })
    }

    fn set(&self, now_ms: u64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }

    fn turn(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

impl Nsm for Module {
    fn describe(&self) -> Result<ModuleDescription, NsmError> {
        self.nsm.describe()
    }

    fn describe_pcr(&self, index: u16) -> Result<PcrState, NsmError> {
        self.nsm.describe_pcr(index)
    }

    fn extend_pcr(&self, index: u16, data: &[u8]) -> Result<Vec<u8>, NsmError> {
        self.nsm.extend_pcr(index, data)
    }

    fn lock_pcr(&self, index: u16) -> Result<(), NsmError> {
        self.nsm.lock_pcr(index)
    }

    fn random(&self) -> Result<Vec<u8>, NsmError> {
        self.nsm.random()
    }

    fn attest(&self, request: &AttestRequest) -> Result<Vec<u8>, NsmError> {
        match self.mood.lock().unwrap().clone() {
            Mood::Honest => self.nsm.attest(request),
            Mood::Broken => Err(NsmError::InternalError),
            Mood::Repeats(document) => Ok(document),
        }
    }
}

/// Settings with which the thread sends no request during a test and a slow machine is accepted.
fn rules() -> ClockRules {
    let hour = Duration::from_secs(3600);
    ClockRules {
        anchor_every: hour,
        anchor_age_max: hour,
        round_trip_max: hour,
        // A larger step needs several readings: the tests of the rules are beside them.
        forward_max: hour,
        ..Default::default()
    }
}

fn start(module: &Arc<Module>, rules: ClockRules) -> Result<NsmClock, ClockStartError> {
    NsmClock::start(Arc::clone(module) as Arc<dyn Nsm>, rules)
}

/// Goal: between documents, the clock's time advances by the real time that passes.
#[test]
fn clock_has_the_time_of_the_documents_and_advances() {
    let module = Module::start();
    let before = Instant::now();
    let clock = start(&module, rules()).unwrap();
    let first = clock.now_ms().unwrap();
    assert!(first >= START_MS);
    module.set(START_MS + 600_000);
    clock.anchor().unwrap();
    let second = clock.now_ms().unwrap();
    let took = u64::try_from(before.elapsed().as_millis()).unwrap();
    assert!((START_MS + 600_000..=START_MS + 600_000 + took + 1).contains(&second), "{second}");
    assert!(clock.health().last_step_ms > 600_000 - 1 - i64::try_from(took).unwrap());
}

#[test]
fn module_that_breaks_goes_back_or_repeats_itself_leaves_the_last_anchor() {
    let module = Module::start();
    let clock = start(&module, ClockRules { round_trip_max: Duration::from_secs(60), ..rules() });
    let clock = clock.unwrap();
    let old = module.nsm.attest(&AttestRequest::default()).unwrap();
    module.turn(Mood::Repeats(old));
    assert!(matches!(clock.anchor(), Err(ClockStartError::NonceMismatch)));
    module.turn(Mood::Broken);
    assert!(matches!(clock.anchor(), Err(ClockStartError::Module(NsmError::InternalError))));
    module.turn(Mood::Repeats(b"no document".to_vec()));
    assert!(matches!(clock.anchor(), Err(ClockStartError::Document(_))));
    module.turn(Mood::Honest);
    module.set(START_MS - 3_600_000);
    let back = clock.anchor();
    assert!(matches!(back, Err(ClockStartError::Refused(AnchorRefused::WentBack { .. }))));
    assert!(clock.now_ms().unwrap() >= START_MS);
    assert_eq!(clock.health().failures, 4);
}

#[test]
fn without_a_first_anchor_there_is_no_clock() {
    let module = Module::start();
    module.turn(Mood::Broken);
    assert!(matches!(start(&module, rules()), Err(ClockStartError::Module(_))));
}

/// With a maximum age of zero, every anchor is too old.
#[test]
fn anchor_that_is_too_old_gives_no_time() {
    let module = Module::start();
    let clock = start(&module, ClockRules { anchor_age_max: Duration::ZERO, ..rules() }).unwrap();
    assert!(matches!(clock.now_ms(), Err(ClockError::Stale { .. })));
}

/// Method: the test waits for the thread's request instead of sleeping.
#[test]
fn thread_of_the_clock_anchors_and_ends_with_the_clock() {
    let module = Module::start();
    let often = ClockRules { anchor_every: Duration::from_millis(1), ..rules() };
    let clock = start(&module, often).unwrap();
    module.set(START_MS + 600_000);
    while clock.now_ms().unwrap() < START_MS + 600_000 {
        std::thread::yield_now();
    }
    drop(clock);
    while Arc::strong_count(&module) > 1 {
        std::thread::yield_now();
    }
}
