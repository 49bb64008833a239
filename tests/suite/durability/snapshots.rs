//! Snapshots are never ahead of the log and never wrong.

use super::Story;
use mortise_core::machine::SnapshotError;
use mortise_engine::api::{NotDone, Reply};
use mortise_engine::boot::{Skipped, WhySkipped};
use mortise_engine::pipeline::{Input, Settings, SnapshotPart};
use mortise_format::command::CancelForm;
use mortise_format::event::Event;
use mortise_format::ids::{Bytes32, Root};
use mortise_format::limits::{
    EXECUTION_DATA_BYTES_MAX, SNAPSHOT_PART_BYTES, SNAPSHOT_PARTS_IN_FLIGHT, SNAPSHOT_RETRY_MS,
    SNAPSHOT_SLICE_BYTES,
};
use mortise_testkit::driver::{Driver, Response};
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{plain_terms, request, terms};

fn driver(snapshot_frames: u64, seed: u64) -> Driver {
    let settings = Settings { snapshot_frames, ..Settings::default() };
    let mut driver = Driver::new(seed, settings);
    driver.boot().expect("an empty disk boots");
    driver.settle();
    driver
}

fn grant(driver: &mut Driver, n: u64) -> Response {
    let asked = driver.signer().commit(Party::Owner, &terms(Party::Owner, n, 1), request(n));
    Response::of(&driver.answer(&asked))
}

/// Cancels drafts with these nonces, each in a frame of its own.
fn lengthen(driver: &mut Driver, nonces: std::ops::Range<u64>) {
    for n in nonces {
        let draft = plain_terms(Party::Owner, n, 1);
        let asked = driver.signer().cancel_draft(Party::Owner, &draft, CancelForm::Text);
        drop(driver.answer(&asked));
        driver.now_ms += 10_000;
    }
}

/// The last frame and the digest of each snapshot that the log names, and the frame that does.
fn named(driver: &Driver) -> Vec<(u64, Bytes32, u64)> {
    let frames = driver.disk.frames();
    let events = frames.iter().flat_map(|frame| {
        let at = frame.header().seq;
        driver.events(frame).into_iter().map(move |event| (at, event))
    });
    let named = |(at, event)| match event {
        Event::SnapshotTaken { seq, digest } => Some((seq, digest, at)),
        _ => None,
    };
    events.filter_map(named).collect()
}

/// Last frames of the snapshots on the disk, newest first.
fn stored(driver: &Driver) -> Vec<u64> {
    driver.disk.edit(|content| content.snapshots.keys().rev().copied().collect())
}

#[test]
fn snapshot_leaves_after_its_last_frame_is_durable_and_its_digest_is_logged() {
    let mut driver = driver(2, 1);
    lengthen(&mut driver, 0..60);
    let snapshots = driver.disk.edit(|content| content.snapshots.clone());
    assert!(snapshots.len() >= 3);
    let named = named(&driver);
    assert!(named.len() >= 2);
    for (seq, digest, _) in &named {
        assert_eq!(snapshots.get(seq).map(|(found, _)| *found), Some(*digest));
    }
    // The next snapshot begins once the event of the last one is durable.
    for pair in named.windows(2) {
        assert!(pair[0].2 <= pair[1].0, "{named:?}");
    }
}

#[test]
fn snapshot_that_covers_the_whole_log_is_named_by_the_next_epoch() {
    let mut driver = driver(1000, 5);
    lengthen(&mut driver, 0..3);
    let seq = driver.store_last_snapshot().expect("frames were added");
    assert_eq!(named(&driver), []);
    driver.restart();
    assert_eq!(driver.store_last_snapshot(), None, "the log does not name the last one yet");
    lengthen(&mut driver, 3..5);
    let found: Vec<u64> = named(&driver).iter().map(|(seq, ..)| *seq).collect();
    assert_eq!(found, [seq]);
    assert!(driver.store_last_snapshot().is_some());
}

/// Goal: the engine of a snapshot that was taken while commands ran goes on as that of the log.
/// Method: random order of slices, parts, commands and acks; every snapshot of the run is loaded
/// with the rest of the log, whose frames check each root; then both engines get the same commands.
#[test]
fn engines_of_a_snapshot_and_of_the_log_answer_alike_and_with_equal_roots() {
    for seed in 0..8 {
        let mut driver = driver(2, seed);
        for n in 0..30 {
            // Some locks, then what lengthens the log without an end: refusals have small quotas.
            let signer = driver.signer();
            let asked = match n {
                0..6 => signer.commit(Party::Owner, &terms(Party::Owner, n, 1), request(n)),
                _ => {
                    let draft = plain_terms(Party::Owner, n, 1);
                    signer.cancel_draft(Party::Owner, &draft, CancelForm::Text)
                }
            };
            driver.ask(&[&asked]);
            for _ in 0..driver.rng.below(12) {
                driver.step();
            }
            driver.now_ms += 4_000;
        }
        driver.settle();
        let mut used = 0;
        for seq in stored(&driver) {
            let disk = driver.disk.copy();
            disk.edit(|content| content.snapshots.retain(|of, _| *of == seq));
            let replayed = driver.replayed(&disk).expect("the log follows");
            assert_eq!(replayed.covered, seq + 1);
            if replayed.unlogged.is_some() {
                // Its engine logs one event more, so the positions of later events differ.
                continue;
            }
            let beside = |disk| driver.beside(disk, seed).with_settings(Settings::default());
            let from_snapshot = beside(disk.copy());
            disk.edit(|content| content.snapshots.clear());
            let [a, b] = [from_snapshot, beside(disk)].map(|mut engine| {
                engine.boot().expect("the log follows");
                engine.settle();
                go_on(&mut engine)
            });
            assert_eq!(a, b, "seed {seed}, snapshot of frame {seq}");
            used += 1;
        }
        assert!(used > 1, "seed {seed}: {used} snapshots");
    }
}

/// Repeats, new grants, refusals and time: the answer to each and the root after it.
fn go_on(driver: &mut Driver) -> Vec<(String, Root)> {
    let mut answers = Vec::new();
    for n in 20..45 {
        let asked = driver.signer().commit(Party::Owner, &terms(Party::Owner, n, 1), request(n));
        let answer = match driver.answer(&asked) {
            Err(NotDone::Refused(reject)) => format!("{reject:?}"),
            Ok(Reply::Logged(frame, index)) => format!("{} {index}", frame.statement().seq),
            other => format!("{other:?}"),
        };
        driver.now_ms += 40_000;
        driver.tick();
        driver.settle();
        answers.push((answer, driver.pipeline().machine().state_root()));
    }
    assert!(answers.iter().any(|(answer, _)| answer.contains(' ')), "some are granted");
    answers
}

#[test]
fn snapshot_that_is_damaged_missing_or_another_is_skipped_by_name_for_the_older_one() {
    let mut driver = driver(2, 6);
    lengthen(&mut driver, 0..40);
    let seqs = stored(&driver);
    let (newest, older) = (seqs[0], seqs[1]);
    let whole = driver.replayed(&driver.disk.copy()).expect("the log follows");
    assert_eq!((whole.covered, whole.skipped.len()), (newest + 1, 0));
    let edit = |edit: &dyn Fn(&mut Vec<u8>)| {
        let disk = driver.disk.copy();
        disk.edit(|content| edit(&mut content.snapshots.get_mut(&newest).expect("it is there").1));
        disk
    };
    let older_bytes = driver.disk.edit(|content| content.snapshots[&older].1.clone());
    let broken = WhySkipped::Broken;
    let cases = [
        (edit(&|bytes| bytes.truncate(100)), broken(SnapshotError::Cipher)),
        (edit(&|bytes| bytes.truncate(3)), broken(SnapshotError::Layout)),
        (edit(&|bytes| bytes[4] -= 1), broken(SnapshotError::Layout)),
        (edit(&|bytes| bytes[50] ^= 1), broken(SnapshotError::Cipher)),
        (edit(&|bytes| bytes.clone_from(&older_bytes)), broken(SnapshotError::Cipher)),
    ];
    for (disk, why) in cases {
        let replayed = driver.replayed(&disk).expect("the log follows");
        assert_eq!(replayed.covered, older + 1, "{why}");
        assert_eq!(replayed.skipped, [Skipped { seq: newest, why }]);
        assert_eq!(replayed.machine.state_root(), whole.machine.state_root());
    }
    // Both are broken: the log.
    let disk = edit(&|bytes| bytes.truncate(3));
    disk.edit(|content| content.snapshots.get_mut(&older).expect("it is there").1.truncate(9));
    let replayed = driver.replayed(&disk).expect("the log follows");
    assert_eq!((replayed.covered, replayed.skipped.len()), (0, 2));
    assert_eq!(replayed.machine.state_root(), whole.machine.state_root());
}

#[test]
fn damaged_frame_above_the_newest_snapshot_is_covered_at_once() {
    let mut driver = driver(1000, 7);
    lengthen(&mut driver, 0..8);
    driver.disk.edit(|content| content.frames[5].last_mut().map(|byte| *byte ^= 1));
    assert!(driver.replayed(&driver.disk.copy()).is_err(), "the next boot needs the frame");
    driver.handle(Input::Damaged(u64::MAX));
    assert!(!driver.pipeline().is_snapshotting(), "there is no such frame");
    driver.handle(Input::Damaged(5));
    assert!(driver.pipeline().is_snapshotting());
    driver.settle();
    assert_eq!(stored(&driver).len(), 1);
    let replayed = driver.replayed(&driver.disk.copy()).expect("the frame is not needed");
    assert!(replayed.covered > 5);
    lengthen(&mut driver, 8..12);
    assert_eq!(stored(&driver).len(), 1, "one is enough");
    driver.handle(Input::Damaged(5));
    driver.settle();
    assert_eq!(stored(&driver).len(), 1, "the frame is covered");
}

#[test]
fn snapshot_that_outgrows_its_memory_is_given_up_and_tried_later() {
    let settings = Settings { snapshot_frames: 1, snapshot_bytes_max: 0 };
    let mut driver = Driver::new(8, settings);
    driver.boot().expect("an empty disk boots");
    driver.settle();
    let began = |driver: &mut Driver| {
        driver.tick();
        let began = driver.pipeline().is_snapshotting();
        driver.settle();
        driver.tick();
        assert!(!driver.pipeline().is_snapshotting(), "it is given up");
        began
    };
    driver.now_ms += SNAPSHOT_RETRY_MS;
    assert!(began(&mut driver));
    driver.now_ms += SNAPSHOT_RETRY_MS - 1;
    assert!(!began(&mut driver), "too early");
    driver.now_ms += 1;
    assert!(began(&mut driver));
    grant(&mut driver, 1);
    assert_eq!((stored(&driver), driver.pipeline().fault()), (vec![], None));
}

/// Bytes that are encoded for a snapshot and not in flight.
fn held(driver: &Driver) -> usize {
    driver.pipeline().machine().snapshot().map_or(0, |taking| taking.bytes_held())
}

#[test]
fn snapshot_at_its_bound_of_memory_goes_on_and_one_byte_below_it_does_not() {
    let begun = |snapshot_bytes_max: usize| {
        let settings = Settings { snapshot_frames: u64::MAX, snapshot_bytes_max };
        let mut driver = Driver::new(8, settings);
        driver.boot().expect("an empty disk boots");
        driver.settle();
        driver.pipeline_mut().begin_last_snapshot();
        let begun = held(&driver);
        driver.tick();
        (begun, driver.pipeline().is_snapshotting())
    };
    let (bytes, goes_on) = begun(usize::MAX);
    assert!(bytes > 0 && goes_on);
    assert_eq!(begun(bytes), (bytes, true));
    assert_eq!(begun(bytes - 1), (bytes, false));
}

/// Goal: the memory of a snapshot beside the state. Method: a state of several parts, of which none
/// is stored: slices end at their bytes, and at the bound of parts in flight nothing is encoded.
#[test]
fn slices_and_parts_in_flight_of_a_snapshot_are_bounded() {
    let mut driver = Driver::new(9, Settings { snapshot_frames: u64::MAX, ..Settings::default() });
    let policy = &mut driver.genesis_mut().policy;
    (policy.concurrent_max, policy.commands_per_minute_max) = (10_000, 10_000);
    policy.requests_max = 10_000;
    driver.boot().expect("an empty disk boots");
    driver.settle();
    for part in 0..SNAPSHOT_PARTS_IN_FLIGHT as u64 + 3 {
        let numbers = part * LOCKS_PER_PART..(part + 1) * LOCKS_PER_PART;
        let asked: Vec<_> = numbers
            .map(|n| {
                let mut terms = terms(Party::Owner, n, 1);
                terms.condition.execution_data = Some(vec![7; EXECUTION_DATA_BYTES_MAX]);
                driver.signer().commit(Party::Owner, &terms, request(n))
            })
            .collect();
        let tokens = driver.ask(&asked.iter().collect::<Vec<_>>());
        driver.settle();
        let granted = tokens.iter().map(|token| driver.replies.get(token));
        assert!(
            granted.clone().all(|reply| matches!(reply, Some(Ok(Reply::Logged(..))))),
            "{part}"
        );
    }
    driver.pipeline_mut().begin_last_snapshot();
    let mut parts = Vec::new();
    while driver.pipeline().wants_slice() {
        let before = held(&driver) + bytes_of(&parts);
        driver.handle(Input::SnapshotSlice);
        parts.extend(std::iter::from_fn(|| driver.take_part()));
        let slice = held(&driver) + bytes_of(&parts) - before;
        assert!(slice < SNAPSHOT_SLICE_BYTES + CHUNK_BYTES, "{slice} bytes in a slice");
        assert!(parts.len() <= SNAPSHOT_PARTS_IN_FLIGHT);
    }
    assert_eq!(parts.len(), SNAPSHOT_PARTS_IN_FLIGHT);
    driver.handle(Input::SnapshotSlice);
    assert!(driver.take_part().is_none(), "nothing is encoded while they are in flight");
    let stored = driver.put_part(parts.remove(0));
    driver.handle(Input::SnapshotPart(stored));
    assert!(driver.pipeline().wants_slice() || driver.take_part().is_some(), "one more may leave");
}

/// Locks with the largest execution data of which a part has about one part's worth.
const LOCKS_PER_PART: u64 = (SNAPSHOT_PART_BYTES / EXECUTION_DATA_BYTES_MAX) as u64;
/// More than the values that are encoded together take.
const CHUNK_BYTES: usize = 64 * (EXECUTION_DATA_BYTES_MAX + 1024);

fn bytes_of(parts: &[SnapshotPart]) -> usize {
    parts.iter().map(|part| part.plain.len()).sum()
}

#[test]
fn start_from_a_snapshot_and_its_tail_equals_a_start_from_the_whole_log() {
    let mut driver = driver(3, 2);
    for n in 0..5 {
        grant(&mut driver, n);
    }
    let with = driver.replay(&driver.disk.copy()).expect("the log follows");
    assert!(with.covered > 0, "a snapshot was used");
    let disk = driver.disk.copy();
    disk.edit(|content| content.snapshots.clear());
    let without = driver.replay(&disk).expect("the log follows");
    assert_eq!(without.covered, 0);
    assert_eq!(with.machine.state().snapshot(), without.machine.state().snapshot());
    assert_eq!(with.machine.state_root(), without.machine.state_root());
    assert_eq!(with.machine.head(), without.machine.head());
    assert_eq!(with.machine.history().root(), without.machine.history().root());
    assert_eq!(with.to_carry, without.to_carry);
}

#[test]
fn snapshot_at_a_graceful_stop_covers_the_whole_log() {
    let mut story = Story::new(3);
    let seq = story.driver.store_last_snapshot().expect("it is idle");
    let frames = story.driver.disk.frames().len();
    assert_eq!(seq + 1, u64::try_from(frames).expect("few frames"));
    story.driver.restart();
    assert_eq!(story.repeat_first(), story.first_answer);
}

#[test]
fn snapshot_with_any_byte_changed_is_not_used() {
    let mut driver = driver(2, 4);
    for n in 0..2 {
        grant(&mut driver, n);
    }
    let whole = driver.replayed(&driver.disk.copy()).expect("the log follows");
    let bytes = driver
        .disk
        .edit(|content| content.snapshots.last_key_value().map(|(_, found)| found.1.len()))
        .expect("there is a snapshot");
    for at in (0..bytes).step_by(37).chain([bytes - 1]) {
        let disk = driver.disk.copy();
        disk.edit(|content| {
            let mut newest = content.snapshots.last_entry().expect("there is a snapshot");
            newest.get_mut().1[at] ^= 1;
        });
        let replayed = driver.replayed(&disk).expect("the log follows");
        assert!(replayed.covered < whole.covered, "byte {at}");
        assert_eq!(replayed.skipped.len(), 1, "byte {at}");
        assert_eq!(replayed.machine.state_root(), whole.machine.state_root(), "byte {at}");
    }
}
