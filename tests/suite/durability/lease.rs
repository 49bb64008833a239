//! The lease of answers about now: an engine that another one superseded falls silent, and what it
//! said before fails the client's check. Everything in virtual time.

use super::is_not_durable;
use super::witnessed::{booted, commit};
use mortise_client::{Freshness, FreshnessError, Identity};
use mortise_engine::api::{NotDone, Reply, Stopped};
use mortise_engine::boot::BootError;
use mortise_engine::lease::LeaseExpired;
use mortise_engine::pipeline::{Fault, Settings};
use mortise_engine::query::NewestStatement;
use mortise_format::checkpoint::Checkpoint;
use mortise_format::note::{KeyUse, Note, NoteKey};
use mortise_format::policy::{Edition, Service};
use mortise_testkit::driver::{AnsweredNow, Driver};
use mortise_testkit::witness::{Bench, WitnessBehaviour};
use mortise_verify::checkpoint::Witnesses;
use mortise_verify::lease::{AgeLimit, LeaseError, LeaseGround, VerifiedLease};

const LEASE_S: u64 = Service::DEFAULT.lease_s as u64;
const SKEW_S: u64 = Service::DEFAULT.skew_s as u64;

/// A client of this engine, which trusts its key, its log and two of the witnesses.
struct Caller {
    identity: Identity,
    freshness: Freshness,
}

impl Caller {
    fn of(engine: &Driver, bench: &Bench, quorum: usize) -> Self {
        let identity = engine.identity();
        let key = |w: mortise_format::witness::WitnessKey| {
            NoteKey::new(KeyUse::Witness, &w.name, w.key).expect("a name of a witness")
        };
        let witnesses = bench.keys().into_iter().map(key).collect();
        let freshness = Freshness {
            origin: identity.origin(),
            log: identity.log_key().expect("an origin is a name"),
            witnesses: Witnesses::new(witnesses, quorum).expect("a quorum of them"),
            limit: AgeLimit::DEFAULT,
        };
        let (engine_id, address) = (identity.engine_id, identity.signer.address());
        Self { identity: Identity { engine_id, address }, freshness }
    }

    fn check(&self, answer: &AnsweredNow, now_ms: u64) -> Result<VerifiedLease, FreshnessError> {
        self.freshness.check(&self.identity, &answer.view, now_ms / 1000)
    }
}

/// An engine that committed a lock, and a caller who accepts its answers.
fn serving(bench: &Bench) -> (Driver, Caller) {
    let mut engine = booted(bench, 2, 0);
    assert!(matches!(commit(&mut engine, 0), Ok(Reply::Logged(..))));
    let caller = Caller::of(&engine, bench, 2);
    let answer = engine.answered_now();
    assert_eq!(answer.leave, Ok(()));
    let lease = caller.check(&answer, engine.now_ms).expect("it is new");
    assert_eq!((lease.as_of(), lease.ground()), (engine.now_ms / 1000, LeaseGround::Cosigned));
    (engine, caller)
}

fn is_old(checked: &Result<VerifiedLease, FreshnessError>) -> bool {
    matches!(checked, Err(FreshnessError::Lease(LeaseError::LeaseOld { .. })))
}

#[test]
fn idle_engine_keeps_its_lease_without_a_frame() {
    let bench = Bench::new(3);
    let (mut engine, caller) = serving(&bench);
    let frames = engine.disk.frames().len();
    for _ in 0..200 {
        engine.pass(3);
        let answer = engine.answered_now();
        assert_eq!(answer.leave, Ok(()));
        let lease = caller.check(&answer, engine.now_ms).expect("it is renewed");
        let age = engine.now_ms / 1000 - lease.as_of();
        assert!(age <= LEASE_S / 3, "{age} s: renewed at a third of the lease");
        assert_eq!(lease.ground(), LeaseGround::Cosigned);
    }
    assert_eq!(engine.disk.frames().len(), frames, "the same head, the same log");
}

/// The parent keeps the first engine alive: it starts a second one on a copy, carries no more
/// cosignatures to the first, or recorded ones, and holds its answers back.
#[test]
fn superseded_engine_falls_silent_and_what_it_said_fails_the_check_of_its_caller() {
    for replay in [WitnessBehaviour::Cut, WitnessBehaviour::AnswerLost, WitnessBehaviour::SaysLast]
    {
        let bench = Bench::new(3);
        let (mut first, caller) = serving(&bench);
        let mut second = first.beside(first.disk.copy(), 99);
        second.boot().expect("a copy of the newest log boots");
        second.settle();
        assert!(second.pipeline().is_open(), "nothing waits by default");
        let takeover_ms = second.now_ms;
        assert!(matches!(commit(&mut second, 1), Ok(Reply::Logged(..))));

        // From now on the first engine reaches no witness, only the parent.
        bench.set_all(replay);
        let held_back = first.answered_now();
        let mut last = None;
        for second_of in 1..=LEASE_S + SKEW_S {
            first.pass(1);
            let answer = first.answered_now();
            if answer.leave.is_ok() {
                last = Some(second_of);
                assert!(caller.check(&answer, first.now_ms).is_ok(), "{second_of} s");
            } else {
                let refused = caller.check(&answer, first.now_ms);
                assert!(is_old(&refused), "{second_of} s: {refused:?}");
            }
        }
        assert_eq!(last, Some(LEASE_S), "{replay:?}: it answers until its lease is over");
        assert_eq!(first.pipeline().fault(), None, "{replay:?}: it does not know better");
        let over_ms = takeover_ms + (LEASE_S + SKEW_S) * 1000;
        assert!(first.now_ms >= over_ms);
        assert!(is_old(&caller.check(&held_back, first.now_ms)), "an answer that was held back");
        let silent = first.answered_now();
        let as_of = Some(takeover_ms / 1000);
        assert_eq!(silent.leave, Err(LeaseExpired { as_of, max_age: LEASE_S }));

        // The newer engine is not affected, as soon as the parent carries for it.
        bench.set_all(WitnessBehaviour::Open);
        second.pass(LEASE_S + SKEW_S);
        let answer = second.answered_now();
        assert_eq!(answer.leave, Ok(()));
        assert!(caller.check(&answer, second.now_ms).is_ok());
    }
}

#[test]
fn renewal_of_a_superseded_engine_that_reaches_its_witnesses_fences_it() {
    let bench = Bench::new(3);
    let (mut first, _) = serving(&bench);
    let mut second = first.beside(first.disk.copy(), 99);
    second.boot().expect("a copy of the newest log boots");
    second.settle();
    first.pass(LEASE_S / 3);
    assert!(matches!(first.pipeline().fault(), Some(Fault::WitnessAhead { newest: 3 })));
    let refused = commit(&mut first, 1);
    assert!(
        matches!(refused, Err(NotDone::Stopped(Stopped::Fault))) || is_not_durable(Some(&refused)),
        "{refused:?}"
    );
}

#[test]
fn fork_verdict_on_a_renewal_fences_as_on_a_write() {
    let bench = Bench::new(3);
    let (mut engine, _) = serving(&bench);
    bench.set(0, WitnessBehaviour::SaysFork);
    engine.pass(LEASE_S / 3);
    assert_eq!(engine.pipeline().fault(), None, "one liar is not enough");
    bench.set(1, WitnessBehaviour::SaysFork);
    engine.pass(LEASE_S / 3);
    assert_eq!(engine.pipeline().fault(), Some(Fault::WitnessFork));
}

/// A renewal is under way when a commit comes: witnesses cosign the new head, and then refuse the
/// old one.
#[test]
fn renewal_that_a_new_head_overtakes_stops_nothing() {
    let bench = Bench::new(3);
    let (mut engine, caller) = serving(&bench);
    engine.now_ms += LEASE_S / 3 * 1000;
    engine.tick();
    assert!(engine.has_renewal());
    let terms = mortise_testkit::scenario::terms(mortise_testkit::keys::Party::Owner, 1, 100);
    let request = mortise_testkit::scenario::request(2);
    let asked = engine.signer().commit(mortise_testkit::keys::Party::Owner, &terms, request);
    let token = engine.ask(&[&asked])[0];
    while !engine.has_head() {
        assert!(engine.step_but_renewals(), "the frame becomes durable");
    }
    engine.ask_witnesses();
    engine.renew();
    engine.settle();
    assert_eq!(engine.pipeline().fault(), None);
    assert!(matches!(engine.replies.get(&token), Some(Ok(Reply::Logged(..)))));
    assert!(caller.check(&engine.answered_now(), engine.now_ms).is_ok());
    engine.pass(LEASE_S);
    assert_eq!(engine.answered_now().leave, Ok(()), "it renews again");
}

#[test]
fn clock_of_a_witness_that_is_ahead_gives_no_lease_and_is_counted() {
    let bench = Bench::new(3);
    let (mut engine, caller) = serving(&bench);
    let ahead = i64::try_from(SKEW_S).expect("seconds") + 1;
    bench.set_ahead(0, ahead);
    engine.pass(LEASE_S / 3);
    let answer = engine.answered_now();
    assert_eq!(answer.leave, Ok(()), "the other two are right");
    assert!(caller.check(&answer, engine.now_ms).is_ok());
    assert!(engine.lease().ahead() > 0);
    // Two are ahead: one is no quorum. The head stays cosigned, and writes go on.
    bench.set_ahead(1, ahead);
    engine.pass(LEASE_S + 1);
    assert!(engine.answered_now().leave.is_err());
    assert!(matches!(commit(&mut engine, 1), Ok(Reply::Logged(..))));
    // Right again, they give a lease at the next renewal, and what they said before gives none.
    bench.set_ahead(0, 0);
    engine.pass(LEASE_S / 3);
    assert_eq!(engine.answered_now().leave, Ok(()));
}

#[test]
fn clock_of_a_witness_that_is_behind_only_shortens_the_lease() {
    let bench = Bench::new(3);
    let (mut engine, caller) = serving(&bench);
    bench.set_ahead(0, -30);
    bench.set(1, WitnessBehaviour::Cut);
    engine.pass(LEASE_S / 3);
    let answer = engine.answered_now();
    let lease = caller.check(&answer, engine.now_ms).expect("30 s are within the lease");
    assert!(engine.now_ms / 1000 - lease.as_of() >= 20);
    bench.set(1, WitnessBehaviour::Open);
    engine.pass(LEASE_S / 3);
    let lease = caller.check(&engine.answered_now(), engine.now_ms).expect("it is new");
    assert!(engine.now_ms / 1000 - lease.as_of() <= LEASE_S / 3, "two right clocks decide");
}

/// Under load a read rests on a frame that is not the head that witnesses cosigned.
#[test]
fn answer_under_a_later_cosigned_head_is_as_old_as_its_own_statement() {
    let bench = Bench::new(3);
    let (mut engine, caller) = serving(&bench);
    let early = engine.reader().view().newest().expect("it serves");
    let early_ms = engine.now_ms;
    for nonce in 1..6 {
        engine.pass(4);
        assert!(matches!(commit(&mut engine, nonce), Ok(Reply::Logged(..))));
    }
    // the checkpoint of that head is not in memory any more
    let answer = engine.answered_as_of(&early);
    assert!(!answer.view.history_path.is_empty());
    assert_eq!(answer.leave, Ok(()));
    let lease = caller.check(&answer, engine.now_ms).expect("20 s old");
    assert_eq!((lease.as_of(), lease.ground()), (early_ms / 1000, LeaseGround::Contained));
    let note = answer.view.checkpoint.as_deref().expect("a checkpoint");
    let note = Note::parse(note.as_bytes()).expect("a note");
    let head = Checkpoint::parse(note.text()).expect("a checkpoint").head;
    assert!(head.size > early.statement.history_size);
    // yesterday's answer under today's cosignatures
    engine.pass(LEASE_S + 1);
    let old = engine.answered_as_of(&early);
    assert!(old.leave.is_err());
    assert!(is_old(&caller.check(&old, engine.now_ms)));
    // and without the path it is no evidence at all
    let mut cut = engine.answered_as_of(&early);
    cut.view.history_path.pop();
    let refused = caller.check(&cut, early_ms);
    assert!(matches!(refused, Err(FreshnessError::Lease(LeaseError::HeadMismatch { .. }))));
}

#[test]
fn engine_that_waits_out_the_lease_before_it_makes_reads_linear() {
    let bench = Bench::new(3);
    let mut first = waiting(&bench);
    let caller = Caller::of(&first, &bench, 2);
    // A new log has no engine before it, and waits all the same: it cannot know.
    assert!(!first.pipeline().is_open());
    first.pass(LEASE_S + SKEW_S);
    assert!(first.pipeline().is_open());
    assert!(matches!(commit(&mut first, 0), Ok(Reply::Logged(..))));
    first.pass(1);

    let mut second = first.beside(first.disk.copy(), 99);
    second.boot().expect("a copy of the newest log boots");
    second.settle();
    let mut read = second.query(NewestStatement);
    bench.set_all(WitnessBehaviour::Cut);
    for _ in 0..LEASE_S + SKEW_S {
        assert!(!second.pipeline().is_open(), "the first may still answer");
        assert!(!second.is_answered(read.token));
        first.pass(1);
        second.now_ms = first.now_ms - 1000;
        bench.set_all(WitnessBehaviour::Open);
        second.pass(1);
        bench.set_all(WitnessBehaviour::Cut);
    }
    assert!(second.pipeline().is_open());
    assert!(matches!(read.take(), Some(Ok(_))));
    assert!(first.answered_now().leave.is_err(), "the first is silent before the second speaks");
    let answer = second.answered_now();
    assert!(caller.check(&answer, second.now_ms).is_ok(), "renewed while it waited");
}

#[test]
fn orderly_stop_spares_the_next_engine_the_wait_and_nothing_follows_it() {
    let bench = Bench::new(3);
    let mut engine = waiting(&bench);
    let mut out = Vec::new();
    let now_ms = engine.now_ms;
    assert!(!engine.pipeline_mut().end_epoch(now_ms, &mut out), "it never served");
    engine.pass(LEASE_S + SKEW_S);
    assert!(matches!(commit(&mut engine, 0), Ok(Reply::Logged(..))));
    engine.end_epoch();
    assert!(engine.pipeline().machine().state().has_ended());
    assert!(
        matches!(commit(&mut engine, 1), Err(NotDone::Stopped(Stopped::Fault))),
        "it does nothing more"
    );
    let frames = engine.disk.frames().len();
    engine.pass(LEASE_S);
    assert_eq!(engine.disk.frames().len(), frames);

    engine.crash(0);
    engine.boot().expect("the log follows");
    engine.settle();
    assert!(engine.pipeline().is_open(), "it does not wait");
    assert!(!engine.pipeline().machine().state().has_ended());
    assert!(matches!(commit(&mut engine, 1), Ok(Reply::Logged(..))));

    // A stop without the event, as of a process that was killed.
    engine.crash(0);
    engine.boot().expect("the log follows");
    engine.settle();
    assert!(!engine.pipeline().is_open());
}

#[test]
fn epoch_ends_in_the_log_only_where_an_engine_would_wait() {
    let bench = Bench::new(3);
    let (mut engine, _) = serving(&bench);
    let (now_ms, mut out) = (engine.now_ms, Vec::new());
    assert!(!engine.pipeline_mut().end_epoch(now_ms, &mut out));
    assert!(out.is_empty());
    assert!(matches!(commit(&mut engine, 1), Ok(Reply::Logged(..))), "nothing ended");
}

#[test]
fn event_behind_the_end_of_its_epoch_does_not_fit() {
    use mortise_core::state::Corruption;
    use mortise_format::event::{Event, LogPosition};
    use mortise_format::ids::FrameDigest;
    use mortise_format::rules::RuleSet;
    let driver = booted(&Bench::new(3), 2, 0);
    let started = |rules| Event::EpochStarted {
        epoch: 1,
        version: "1.0.0".into(),
        previous: FrameDigest([0; 32]),
        rules: RuleSet(rules),
    };
    let run = |events: &[Event]| {
        let policy = driver.pipeline().machine().state().policy().clone();
        let salt = mortise_format::secret::Secret::new([1; 32]);
        let id = driver.identity().engine_id;
        let mut state = mortise_core::state::State::new(id, policy, salt, 1);
        events.iter().try_for_each(|event| state.apply(LogPosition::default(), event))
    };
    let (ended, time) = (Event::EpochEnded { epoch: 1 }, Event::TimeAdvanced { time_ms: 1 });
    assert_eq!(run(&[started(3), time.clone(), ended.clone(), started(3), time.clone()]), Ok(()));
    for follows in [time.clone(), ended.clone()] {
        let refused = run(&[started(3), ended.clone(), follows]);
        assert_eq!(refused, Err(Corruption::EpochEnded));
    }
    assert_eq!(run(&[started(2), ended]), Err(Corruption::Rules));
}

fn waiting(bench: &Bench) -> Driver {
    let mut engine = Driver::witnessed(7, Settings::default(), bench, 2, 0);
    let service = Service { lease_wait: true, ..Service::DEFAULT };
    engine.genesis_mut().policy.edition = Edition::Second(service);
    engine.boot().expect("an empty disk boots");
    engine.settle();
    engine
}

#[test]
fn boot_needs_witnesses_as_before() {
    let bench = Bench::new(3);
    let (mut first, _) = serving(&bench);
    let old = first.disk.copy();
    assert!(matches!(commit(&mut first, 1), Ok(Reply::Logged(..))));
    first.crash(0);
    let mut stale = first.beside(old, 99);
    assert!(matches!(stale.boot(), Err(BootError::Witness { .. })));
}
