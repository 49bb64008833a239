//! Faults that only an audit with keys detects: in decisions, time and state.

use super::liar::{Liar, Parts, with_last_changed};
use super::{audit, keys_of, log_of, named, subject};
use mortise_audit::{Fact, Level};
use mortise_engine::pipeline::Settings;
use mortise_format::event::{Event, GrantedLock, RequestKey};
use mortise_format::ids::LockId;
use mortise_format::limits::{BATCH_LOCKS_MAX, FRAME_EXPIRIES_MAX};
use mortise_format::lock::{Custody, LockTerms};
use mortise_format::reject::{Limit, Reject};
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::{Asked, Party};
use mortise_testkit::scenario::{self, request, terms};
use std::sync::Arc;

/// An engine with one lock of ten minutes, claimable for another minute.
fn engine() -> Driver {
    let mut driver = Driver::booted(60);
    let commit = driver.signer().commit(Party::Owner, &terms(Party::Owner, 0, 10), request(1));
    drop(driver.answer(&commit));
    driver
}

fn commit(driver: &Driver, terms: &LockTerms, id: u64) -> Asked {
    driver.signer().commit(Party::Owner, terms, request(id))
}

/// Goal: one fault is one finding, at its frame and event. Honest events after it are checked
/// against the state that the log leads to.
#[track_caller]
fn assert_found(liar: &mut Liar<'_>, driver: &Driver, lie: &Event, fact: &Fact) {
    let seq = liar.write(std::slice::from_ref(lie));
    let honest = liar.decided(&commit(driver, &terms(Party::Owner, 200, 1), 200));
    liar.write(&[honest]);
    let report = liar.report();
    assert_eq!(named(&report), [(seq, Some(1), fact.name())]);
    assert_eq!(&report.findings[0].fact, fact);
    assert_eq!(report.level(), Level::Replayed);
    assert_eq!(named(&liar.report_outside()), [], "an audit without keys does not detect it");
}

fn request_key_of(event: &Event) -> RequestKey {
    match event {
        Event::LocksGranted { request_keys, .. } => request_keys[0],
        Event::CommandRefused { request_key, .. } => *request_key,
        other => panic!("{other:?} has no request key of its own"),
    }
}

fn refusal(asked: &Asked, granted: &Event, reject: Reject) -> Event {
    let (request_key, command) = (request_key_of(granted), Box::new(asked.command.clone()));
    Event::CommandRefused { request_key, reject, command }
}

#[test]
fn wrong_reject_is_reported() {
    let driver = engine();
    let mut liar = Liar::new(&driver);
    let asked = commit(&driver, &terms(Party::Owner, 1, 10), 2);
    let lie = refusal(&asked, &liar.decided(&asked), scenario::nonce_used(1));
    let fact = Fact::WrongRefusal { recorded: scenario::nonce_used(1) };
    assert_found(&mut liar, &driver, &lie, &fact);
}

#[test]
fn reject_with_another_reason_is_reported() {
    let driver = engine();
    let mut liar = Liar::new(&driver);
    let asked = commit(&driver, &terms(Party::Owner, 0, 10), 2);
    let honest = liar.decided(&asked);
    let recorded = Reject::Limit(Limit::Single, mortise_format::U256::ONE);
    let lie = refusal(&asked, &honest, recorded);
    let fact = Fact::OtherReason { recorded, expected: scenario::nonce_used(1) };
    assert_found(&mut liar, &driver, &lie, &fact);
}

/// A grant that the state does not allow, in the form of a valid one.
fn granted(driver: &Driver, liar: &Liar<'_>, terms: &LockTerms, id: u64) -> (Event, Reject) {
    let asked = commit(driver, terms, id);
    let Event::CommandRefused { request_key, reject, command } = liar.decided(&asked) else {
        panic!("it is refused")
    };
    let mortise_format::command::Command::Commit { intents } = *command else { panic!() };
    let lock = GrantedLock {
        lock_id: driver.signer().lock_id(terms),
        terms: Arc::new(terms.clone()),
        authority: mortise_format::event::Authority::Intent(intents[0].request),
        signature: intents[0].signature,
        claim_by: terms.expires + scenario::CLAIM_WINDOW_S,
        settle_by: terms.expires + scenario::CLAIM_WINDOW_S + scenario::BUFFER_S,
        custody: Custody::Open,
    };
    let batch = mortise_format::ids::Bytes32::ZERO;
    (
        Event::LocksGranted { locks: vec![lock], batch, request_keys: Arc::from([request_key]) },
        reject,
    )
}

#[test]
fn grant_that_the_state_does_not_allow_is_reported() {
    let driver = engine();
    let mut liar = Liar::new(&driver);
    let far = scenario::START_S + scenario::LOCK_S_MAX + 1000;
    let terms = LockTerms { expires: far, ..terms(Party::Owner, 1, 10) };
    let (lie, expected) = granted(&driver, &liar, &terms, 2);
    assert!(matches!(expected, Reject::ExpiryWindow { .. }));
    assert_found(&mut liar, &driver, &lie, &Fact::WrongGrant { expected });
}

#[test]
fn unsigned_grant_is_reported() {
    let driver = engine();
    let mut liar = Liar::new(&driver);
    let mut lie = liar.decided(&commit(&driver, &terms(Party::Owner, 1, 10), 2));
    if let Event::LocksGranted { locks, .. } = &mut lie {
        locks[0].signature = Party::Stranger.signer().sign(&mortise_testkit::keys::FOREIGN_DIGEST);
    }
    let fact = Fact::Inadmissible(Reject::InvalidSignature);
    assert_found(&mut liar, &driver, &lie, &fact);
}

#[test]
fn grant_with_other_times_is_reported() {
    let driver = engine();
    let mut liar = Liar::new(&driver);
    let mut lie = liar.decided(&commit(&driver, &terms(Party::Owner, 1, 10), 2));
    if let Event::LocksGranted { locks, .. } = &mut lie {
        locks[0].claim_by += 1;
    }
    assert_found(&mut liar, &driver, &lie, &Fact::OtherOutcome);
}

#[test]
fn event_that_cannot_be_applied_ends_the_replay_and_not_the_chain() {
    let driver = engine();
    let mut liar = Liar::new(&driver);
    let honest = liar.decided(&commit(&driver, &terms(Party::Owner, 1, 10), 2));
    let seq = liar.write(&[honest]);
    let log = with_last_changed(&liar.log, &driver, |parts| {
        let again = parts.events[1].clone();
        parts.events.push(again);
        true
    });
    let report = audit(&log, subject(&driver), Some(&keys_of(&driver)));
    let found = [(seq, Some(2), "AnsweredBefore"), (seq, Some(2), "DoesNotFit")];
    assert_eq!(named(&report), found);
    assert_eq!((report.frames, report.replayed_to), (seq + 1, seq));
}

#[test]
fn refusal_that_is_logged_twice_for_one_reason_is_reported() {
    let driver = engine();
    let mut liar = Liar::new(&driver);
    let far = scenario::START_S + scenario::LOCK_S_MAX + 1000;
    let terms = LockTerms { expires: far, ..terms(Party::Owner, 1, 10) };
    let refused = liar.decided(&commit(&driver, &terms, 2));
    assert!(matches!(refused, Event::CommandRefused { .. }));
    let seq = liar.write(&[refused]);
    assert_eq!(named(&liar.report()), [], "once is right");
    let log = with_last_changed(&liar.log, &driver, |parts| {
        let again = parts.events[1].clone();
        parts.events.push(again);
        true
    });
    let report = audit(&log, subject(&driver), Some(&keys_of(&driver)));
    let found = [(seq, Some(2), "RefusedBefore"), (seq, Some(2), "DoesNotFit")];
    assert_eq!(named(&report), found);
}

/// The last frame, written after the lock was due, with its events changed.
fn due(
    driver: &Driver,
    change: impl FnOnce(&mut Parts) -> bool,
) -> Vec<(u64, Option<u32>, String)> {
    let mut liar = Liar::new(driver);
    liar.now_ms = (scenario::START_S + 600 + scenario::CLAIM_WINDOW_S) * 1000;
    let seq = liar.write(&[]);
    assert_eq!(named(&liar.report()), [], "all due events are there");
    let log = with_last_changed(&liar.log, driver, change);
    let report = audit(&log, subject(driver), Some(&keys_of(driver)));
    assert!(report.findings.iter().all(|f| f.seq == seq));
    report.findings.iter().map(|f| (f.seq - seq, f.index, f.fact.to_string())).collect()
}

#[test]
fn omitted_early_and_repeated_expiries_are_reported() {
    let driver = engine();
    let lock_id = driver.signer().lock_id(&terms(Party::Owner, 0, 10));
    let found = due(&driver, |parts| {
        assert!(
            matches!(&parts.events[1], Event::LocksExpired { lock_ids } if *lock_ids == [lock_id])
        );
        parts.events.truncate(1);
        true
    });
    let text = format!("expiry of lock {lock_id} was due, and it is missing");
    assert_eq!(found, [(0, None, text)]);
    let mut liar = Liar::new(&driver);
    let seq = liar.write(&[Event::LocksExpired { lock_ids: vec![lock_id] }]);
    let report = liar.report();
    assert_eq!(named(&report), [(seq, Some(1), "NotDue")]);
    let prune = due(&driver, |parts| {
        parts.events.push(Event::LocksPruned { lock_ids: vec![lock_id] });
        true
    });
    let text = format!("pruning of lock {lock_id} is not due");
    assert_eq!(prune, [(0, Some(2), text)]);
    let unknown = LockId([9; 32]);
    let other = due(&driver, |parts| {
        parts.events[1] = Event::LocksExpired { lock_ids: vec![lock_id, unknown] };
        true
    });
    assert_eq!(other.len(), 2, "it is not due, and no such lock exists: {other:?}");
}

/// An engine where more locks expire at once than one frame can change.
fn crowded() -> Driver {
    let mut driver = Driver::new(61, Settings::default());
    let policy = &mut driver.genesis_mut().policy;
    (policy.concurrent_max, policy.requests_max) = (4000, 4000);
    policy.commands_per_minute_max = 4000;
    driver.boot().expect("an empty disk boots");
    driver.settle();
    let count = u64::try_from(FRAME_EXPIRIES_MAX).unwrap() + 40;
    let nonces: Vec<u64> = (0..count).collect();
    for batch in nonces.chunks(BATCH_LOCKS_MAX) {
        let part = |nonce: &u64| (Party::Owner, terms(Party::Owner, *nonce, 1), request(*nonce));
        let asked = driver.signer().commit_all(&batch.iter().map(part).collect::<Vec<_>>());
        drop(driver.answer(&asked));
    }
    assert_eq!(driver.pipeline().machine().state().lock_count(), nonces.len());
    driver
}

#[test]
fn frame_that_leaves_out_due_locks_is_reported() {
    let driver = crowded();
    let mut left = 0;
    let found = due(&driver, |parts| {
        let Event::LocksExpired { lock_ids } = &mut parts.events[1] else { panic!("they expire") };
        assert_eq!(lock_ids.len(), FRAME_EXPIRIES_MAX, "the frame is full");
        lock_ids.pop();
        left = lock_ids.len();
        true
    });
    let fact = Fact::DueTooFew { due: FRAME_EXPIRIES_MAX + 40, found: left };
    assert_eq!(found, [(0, None, fact.to_string())]);
}

#[test]
fn event_out_of_order_is_reported() {
    let driver = engine();
    let mut liar = Liar::new(&driver);
    let time_ms = liar.now_ms;
    let seq = liar.write(&[Event::TimeAdvanced { time_ms }]);
    assert_eq!(named(&liar.report()), [(seq, Some(1), "Misplaced")]);
    let mut liar = Liar::new(&driver);
    let honest = liar.decided(&commit(&driver, &terms(Party::Owner, 1, 10), 2));
    let digest = mortise_format::ids::Bytes32::ZERO;
    let seq = liar.write(&[honest, Event::SnapshotTaken { seq: 0, digest }]);
    assert_eq!(named(&liar.report()), [(seq, Some(2), "Misplaced")]);
    let log = with_last_changed(&liar.log, &driver, |parts| {
        parts.events.remove(0);
        true
    });
    let report = audit(&log, subject(&driver), Some(&keys_of(&driver)));
    assert_eq!(named(&report)[0], (seq, Some(0), "FirstEvent"));
}

#[test]
fn roots_that_differ_from_those_of_the_events_are_reported() {
    let driver = engine();
    let (log, keys) = (log_of(&driver), keys_of(&driver));
    let last = u64::try_from(log.len()).unwrap() - 1;
    let found = |change: &dyn Fn(&mut Parts)| {
        let log = with_last_changed(&log, &driver, |parts| {
            change(parts);
            false
        });
        let report = audit(&log, subject(&driver), Some(&keys));
        let outside = audit(&log, subject(&driver), None);
        assert_eq!(named(&outside), [], "an audit without keys does not detect it");
        named(&report)
    };
    assert_eq!(found(&|p| p.header.state_root.0[0] ^= 1), [(last, None, "StateRoot")]);
    assert_eq!(found(&|p| p.header.event_root.0[0] ^= 1), [(last, None, "EventRoot")]);
    assert_eq!(found(&|p| p.header.event_count += 1), [(last, None, "EventRoot")]);
    assert_eq!(found(&|p| p.header.policy_hash.0[0] ^= 1), [(last, None, "PolicyHash")]);
    assert_eq!(
        found(&|p| drop(p.events.pop())),
        [(last, None, "EventRoot"), (last, None, "StateRoot")]
    );
}

#[test]
fn frame_that_does_not_decrypt_is_reported_and_the_chain_continues() {
    let driver = engine();
    let (log, keys) = (log_of(&driver), keys_of(&driver));
    let wrong = mortise_audit::AuditKeys::new(*keys.engine_id(), keys.state_salt().clone());
    let root =
        mortise_format::content_key::ContentRoot::new(mortise_format::secret::Secret::new([9; 32]));
    let report = audit(&log, subject(&driver), Some(&wrong.with_epoch(1, root)));
    let expected: Vec<_> = (0..report.frames).map(|seq| (seq, None, "Cipher")).collect();
    assert_eq!(named(&report), expected);
    assert_eq!(report.frames, u64::try_from(log.len()).unwrap());
}
