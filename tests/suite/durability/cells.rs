//! Runs the cells of the table.

use super::table::{Failure, Outcome};
use super::{Story, is_not_durable};
use mortise_engine::api::{NotDone, Stopped};
use mortise_engine::boot::BootError;
use mortise_engine::pipeline::{Fault, Input, Settings, StoredPart};
use mortise_engine::store::{Garbage, StoreError};
use mortise_engine::witness::WitnessReject;
use mortise_format::ids::{Bytes32, FrameDigest};
use mortise_format::store::LogHead;
use mortise_testkit::driver::{AppendFault, Driver, Response};
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{request, terms};

/// Runs the story with this failure and returns its outcome.
pub fn run(seed: u64, failure: Failure, happened: bool) -> Outcome {
    let mut story = match failure {
        Failure::KilledUnwitnessed
        | Failure::PowerLostWitnessed
        | Failure::WitnessedRewound
        | Failure::WitnessedForked => Story::witnessed(seed),
        _ => Story::new(seed),
    };
    match failure {
        Failure::Append(fault) => fail_append(&mut story, fault, happened),
        Failure::Killed => kill(&mut story, happened),
        Failure::PowerLost | Failure::PowerLostWitnessed => lose_power(&mut story, happened),
        Failure::HostForgets => forget(&mut story, happened),
        Failure::SnapshotFails => fail_snapshot(&mut story, happened),
        Failure::SnapshotBroken => break_snapshot(&mut story, happened),
        Failure::SnapshotOld => age_snapshot(&mut story, happened),
        Failure::SnapshotAhead => outrun_log(&mut story, happened),
        Failure::HeadLies => lie_about_head(&mut story, happened),
        Failure::KilledUnwitnessed => kill_unwitnessed(&mut story, happened),
        Failure::WitnessedRewound => rewind_witnessed(&mut story, happened),
        Failure::WitnessedForked => fork_witnessed(&mut story, happened),
    }
    start(story)
}

/// Starts again and checks what every cell guarantees.
fn start(mut story: Story) -> Outcome {
    let before = story.driver.disk.edit(|content| content.frames.clone());
    if let Err(error) = story.driver.boot() {
        let after = story.driver.disk.edit(|content| content.frames.clone());
        assert_eq!(before, after, "a refused start changes nothing");
        return match error {
            BootError::Store(StoreError::Garbage(Garbage::NotAFrame { seq, .. })) => {
                assert_eq!(seq + 1, u64::try_from(before.len()).expect("few frames"));
                Outcome::RefusesBrokenFrame
            }
            BootError::SnapshotAhead { .. } => Outcome::RefusesSnapshotAhead,
            BootError::HeadMismatch { .. } => Outcome::RefusesHead,
            BootError::Witness { refusal: WitnessReject::Ahead { .. }, .. } => {
                Outcome::RefusesWitnessAhead
            }
            BootError::Witness { refusal: WitnessReject::Fork, .. } => Outcome::RefusesWitnessFork,
            other => panic!("an outcome that the table does not have: {other}"),
        };
    }
    let had_second = story.has_second();
    story.driver.settle();
    assert_eq!(story.repeat_first(), story.first_answer, "the first answer, byte for byte");
    let second = story.second.clone();
    let frames = story.driver.disk.frames().len();
    let second_answer = Response::of(&story.driver.answer(&second));
    let grew = story.driver.disk.frames().len() > frames;
    assert_eq!(grew, !had_second, "the second request is executed once");
    assert!(story.has_second());
    assert_eq!(Response::of(&story.driver.answer(&second)), second_answer);
    if had_second { Outcome::StartsWith } else { Outcome::StartsWithout }
}

fn fail_append(story: &mut Story, fault: AppendFault, happened: bool) {
    let token = story.ask_second();
    // The statement is already signed, but must not leave.
    story.driver.step_sign();
    story.driver.fail_ship(fault, happened);
    let expected = match fault {
        AppendFault::WrongDigest => {
            matches!(story.driver.pipeline().fault(), Some(Fault::AckDigest { .. }))
        }
        AppendFault::OutOfOrder => {
            matches!(story.driver.pipeline().fault(), Some(Fault::AckOrder { .. }))
        }
        _ => story.driver.pipeline().fault() == Some(Fault::ShipUnknown),
    };
    assert!(expected, "{:?}", story.driver.pipeline().fault());
    assert!(is_not_durable(story.driver.replies.get(&token)));
    // From here on the process answers with the fault alone.
    let second = story.second.clone();
    let later = story.driver.ask(&[&second])[0];
    assert!(matches!(
        story.driver.replies.get(&later),
        Some(Err(NotDone::Stopped(Stopped::Fault)))
    ));
    story.driver.crash(0);
}

fn kill(story: &mut Story, happened: bool) {
    story.ask_second();
    if happened {
        let frame = story.driver.take_ship().expect("it is on its way");
        story.driver.disk.write(&frame);
        story.driver.disk.sync();
    }
    story.driver.crash(0);
}

fn lose_power(story: &mut Story, happened: bool) {
    story.ask_second();
    let frame = story.driver.take_ship().expect("it is on its way");
    story.driver.disk.write(&frame);
    story.driver.crash(usize::from(happened));
}

/// The host acks the second lock without storing it, or stores it only until the engine has
/// stopped. The answer that left proves the loss, see `order`.
fn forget(story: &mut Story, happened: bool) {
    story.ask_second();
    if happened {
        story.driver.settle();
        story.driver.disk.edit(|content| {
            content.frames.pop();
            content.synced = content.frames.len();
        });
    } else {
        story.driver.ack_without_storing();
        story.driver.settle();
    }
    story.driver.crash(0);
    story.driver.host_lies = false;
}

/// A story with a snapshot after every frame, and the second lock durable.
fn with_snapshots(story: &mut Story, settle: bool) {
    let settings = Settings { snapshot_frames: 1, ..Settings::default() };
    let mut driver = Driver::new(77, settings);
    driver.boot().expect("an empty disk boots");
    driver.settle();
    story.driver = driver;
    let signer = story.driver.signer();
    story.first = signer.commit(Party::Owner, &terms(Party::Owner, 0, 100), request(1));
    story.second = signer.commit(Party::Owner, &terms(Party::Owner, 1, 200), request(2));
    let (first, second) = (story.first.clone(), story.second.clone());
    story.first_answer = Response::of(&story.driver.answer(&first));
    story.driver.ask(&[&second]);
    if settle {
        story.driver.settle();
        // One snapshot exists already; the last one covers the whole log.
        story.driver.store_last_snapshot();
        let stored = story.driver.disk.edit(|content| content.snapshots.len());
        assert!(stored > 1, "{stored} snapshots");
    }
}

fn fail_snapshot(story: &mut Story, happened: bool) {
    with_snapshots(story, false);
    story.driver.settle();
    story.driver.pipeline_mut().begin_last_snapshot();
    story.driver.handle(Input::SnapshotSlice);
    let part = story.driver.take_part().expect("a snapshot follows the second lock");
    let (attempt, number) = (part.attempt, part.part);
    assert!(part.is_manifest, "a small snapshot is its manifest");
    let digest = match happened {
        true => story.driver.put_part(part).digest,
        false => Some(Bytes32([7; 32])),
    };
    // The store answers the opposite of what it did.
    let digest = digest.filter(|_| !happened);
    story.driver.handle(Input::SnapshotPart(StoredPart { attempt, part: number, digest }));
    story.driver.settle();
    story.driver.crash(0);
}

fn break_snapshot(story: &mut Story, happened: bool) {
    with_snapshots(story, true);
    let mut other = Driver::new(78, Settings { snapshot_frames: 1, ..Settings::default() });
    other.boot().expect("an empty disk boots");
    other.settle();
    let foreign =
        other.disk.edit(|content| content.snapshots.last_key_value().map(|s| s.1.clone()));
    story.driver.disk.edit(|content| {
        let mut newest = content.snapshots.last_entry().expect("there is a snapshot");
        if happened {
            *newest.get_mut() = foreign.expect("it made one too");
        } else {
            let half = newest.get().1.len() / 2;
            newest.get_mut().1.truncate(half);
        }
    });
    story.driver.crash(0);
}

fn age_snapshot(story: &mut Story, happened: bool) {
    with_snapshots(story, true);
    story.driver.disk.edit(|content| {
        if happened {
            content.snapshots.pop_last();
            assert!(!content.snapshots.is_empty(), "an older one is left");
        } else {
            content.snapshots.clear();
        }
    });
    story.driver.crash(0);
}

fn outrun_log(story: &mut Story, happened: bool) {
    with_snapshots(story, true);
    story.driver.disk.edit(|content| {
        let last = content.snapshots.last_key_value().map_or(0, |(seq, _)| *seq);
        let kept = usize::try_from(last).expect("few frames") + 1;
        let kept = if happened { 0 } else { kept - 1 };
        content.frames.truncate(kept);
        content.synced = kept;
    });
    story.driver.crash(0);
}

/// Did not happen: the head is beyond the frames. Happened: a consistent, shorter log, which no
/// engine can distinguish from an earlier state of the same log.
fn lie_about_head(story: &mut Story, happened: bool) {
    story.ask_second();
    story.driver.settle();
    story.driver.crash(0);
    story.driver.disk.edit(|content| {
        if happened {
            content.frames.pop();
            content.synced = content.frames.len();
        } else {
            let next_seq = u64::try_from(content.frames.len()).expect("few frames") + 1;
            content.head = Some(LogHead { next_seq, digest: FrameDigest([9; 32]) });
        }
    });
}

/// The frame is durable. Did not happen: no witness saw it. Happened: the witnesses cosigned it and
/// their answers were lost.
fn kill_unwitnessed(story: &mut Story, happened: bool) {
    story.second_unwitnessed();
    if happened {
        story.driver.lose_cosignatures();
    }
    story.driver.crash(0);
}

/// The log is restored without its last frame. Happened: the answer about that frame had left.
fn rewind_witnessed(story: &mut Story, happened: bool) {
    story.second_unwitnessed();
    match happened {
        true => story.driver.settle(),
        false => story.driver.lose_cosignatures(),
    }
    story.driver.crash(0);
    story.driver.disk.edit(|content| {
        content.frames.pop();
        content.synced = content.frames.len();
    });
}

/// A second engine runs on a copy that the witnesses never see. Then its log, of the same length or
/// longer, replaces the log that the witnesses know.
fn fork_witnessed(story: &mut Story, happened: bool) {
    let copy = story.driver.disk.copy();
    let mut second = story.driver.beside(copy.clone(), 99);
    second.boot().expect("it follows the copy");
    second.settle_but_witnesses();
    story.second_unwitnessed();
    story.driver.settle();
    story.driver.crash(0);
    if happened {
        let other = second.signer().commit(Party::Owner, &terms(Party::Owner, 1, 300), request(3));
        second.ask(&[&other]);
        second.settle_but_witnesses();
    }
    story.driver.disk.edit(|content| *content = copy.edit(|content| content.clone()));
}
