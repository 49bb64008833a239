//! Snapshots are never ahead of the log and never wrong.

use super::Story;
use mortise_engine::pipeline::Settings;
use mortise_format::command::CancelForm;
use mortise_format::event::Event;
use mortise_testkit::driver::{Driver, Response};
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{plain_terms, request, terms};

fn driver(snapshot_frames: u64, seed: u64) -> Driver {
    let settings = Settings { snapshot_frames };
    let mut driver = Driver::new(seed, settings);
    driver.boot().expect("an empty disk boots");
    driver.settle();
    driver
}

fn grant(driver: &mut Driver, n: u64) -> Response {
    let asked = driver.signer().commit(Party::Owner, &terms(Party::Owner, n, 1), request(n));
    Response::of(&driver.answer(&asked))
}

#[test]
fn snapshot_leaves_after_its_last_frame_is_durable_and_its_digest_is_logged() {
    let mut driver = driver(2, 1);
    for n in 0..60 {
        let draft = plain_terms(Party::Owner, n, 1);
        let asked = driver.signer().cancel_draft(Party::Owner, &draft, CancelForm::Text);
        driver.answer(&asked);
        driver.now_ms += 10_000;
    }
    let snapshots = driver.disk.edit(|content| content.snapshots.clone());
    assert!(snapshots.len() >= 2);
    let frames = driver.disk.frames();
    let events = frames.iter().flat_map(|frame| driver.events(frame));
    let taken: Vec<_> = events
        .filter_map(|event| match event {
            Event::SnapshotTaken { seq, digest } => Some((seq, digest)),
            _ => None,
        })
        .collect();
    for (seq, digest) in taken {
        assert_eq!(snapshots.get(&seq).map(|(found, _)| *found), Some(digest));
    }
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
    let snapshot = story.driver.pipeline_mut().final_snapshot().expect("it is idle");
    let frames = story.driver.disk.frames().len();
    assert_eq!(snapshot.seq + 1, u64::try_from(frames).expect("few frames"));
    let bytes = snapshot.bytes.to_vec();
    story.driver.disk.edit(|content| {
        content.snapshots.insert(snapshot.seq, (snapshot.digest, bytes));
    });
    story.driver.restart();
    assert_eq!(story.repeat_first(), story.first_answer);
}

#[test]
fn snapshot_with_any_byte_changed_is_not_used() {
    let mut driver = driver(2, 4);
    for n in 0..2 {
        grant(&mut driver, n);
    }
    let (_, bytes) = driver
        .disk
        .edit(|content| content.snapshots.last_key_value().map(|(_, snapshot)| snapshot.clone()))
        .expect("there is a snapshot");
    let root = driver.replay(&driver.disk.copy()).expect("the log follows").machine.state_root();
    for at in (0..bytes.len()).step_by(37).chain([bytes.len() - 1]) {
        let disk = driver.disk.copy();
        disk.edit(|content| {
            let mut newest = content.snapshots.last_entry().expect("there is a snapshot");
            newest.get_mut().1[at] ^= 1;
        });
        let start = driver.replay(&disk).expect("the log follows");
        assert_eq!((start.covered, start.machine.state_root()), (0, root), "byte {at}");
    }
}
