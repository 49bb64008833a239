//! Goal: a read of the log that fails, fails alone: no fault, no effect on commits or on other
//! reads, and a name for the caller. An answer never rests on another log than the engine's own.
//!
//! Method: the pipeline and the reader on a disk in memory, one frame per command.

use mortise_engine::api::Reply;
use mortise_engine::pipeline::Settings;
use mortise_engine::reader::ReadError;
use mortise_format::event::LogPosition;
use mortise_format::lock::LockTerms;
use mortise_testkit::driver::{Driver, Response};
use mortise_testkit::keys::{Asked, Party};
use mortise_testkit::scenario::{request_until, terms};
use mortise_testkit::store::now;

/// Commits a lock in a frame of its own, and releases it in the next.
fn commit(driver: &mut Driver, n: u64) -> (Asked, Response) {
    // The policy limits commands per minute, and the requests that are remembered.
    let expires = driver.now_ms / 1000 + 600;
    let terms = LockTerms { expires, ..terms(Party::Owner, n, 1) };
    let request = request_until(n, driver.now_ms / 1000 + 160);
    let asked = driver.signer().commit(Party::Owner, &terms, request);
    let answer = driver.answer(&asked);
    assert!(matches!(answer, Ok(Reply::Logged(..))), "{n}: {answer:?}");
    driver.now_ms += 4000;
    let lock_id = driver.signer().lock_id(&terms);
    let release = driver.signer().release(Party::Beneficiary, lock_id, request);
    Response::of(&driver.answer(&release));
    driver.now_ms += 4000;
    (asked, Response::of(&answer))
}

fn commits(driver: &mut Driver, numbers: std::ops::Range<u64>) -> Vec<(Asked, Response)> {
    numbers.map(|n| commit(driver, n)).collect()
}

fn at(answer: &Response) -> LogPosition {
    LogPosition { seq: answer.seq(), index: answer.index }
}

fn flip(driver: &Driver, seq: u64) {
    let seq = usize::try_from(seq).expect("few frames");
    driver.disk.edit(|content| *content.frames[seq].last_mut().expect("a frame has bytes") ^= 1);
}

#[test]
fn read_of_a_damaged_frame_fails_alone_and_names_it() {
    let mut driver = Driver::booted(70);
    let made = commits(&mut driver, 0..200);
    let (damaged, neighbour) = (at(&made[100].1), at(&made[101].1));
    flip(&driver, damaged.seq);
    let error = now(driver.reader().receipt(damaged)).expect_err("the frame is broken");
    assert_eq!(error, ReadError::Damaged { seq: damaged.seq });
    assert_eq!(driver.reader().damaged(), Some(damaged.seq));
    let near = now(driver.reader().receipt(neighbour)).expect("the neighbour is whole");
    assert!(near.is_some());
    // Frames before it are given.
    let frames = now(driver.reader().frames(damaged.seq - 2, 9, u32::MAX));
    assert_eq!(frames.map(|frames| frames.len()), Ok(1));
    // The engine serves.
    commit(&mut driver, 200);
    assert_eq!(driver.pipeline().fault(), None);
    flip(&driver, damaged.seq);
    assert!(now(driver.reader().receipt(damaged)).expect("it is mended").is_some());
    assert_eq!(driver.reader().damaged(), None);
}

#[test]
fn read_whose_tile_has_a_damaged_leaf_names_the_frame_of_that_leaf() {
    let mut driver = Driver::booted(74);
    let made = commits(&mut driver, 0..200);
    let (damaged, neighbour) = (at(&made[50].1).seq, at(&made[51].1));
    let place = usize::try_from(damaged).expect("few frames");
    driver.disk.edit(|content| content.frames[place].fill(0));
    let error = now(driver.reader().receipt(neighbour)).expect_err("the tile cannot be checked");
    assert_eq!(error, ReadError::Damaged { seq: damaged });
    assert_eq!(driver.reader().damaged(), Some(damaged));
    let newest = now(driver.reader().receipt(at(&made[199].1))).expect("in the open tile");
    assert!(newest.is_some());
    commit(&mut driver, 200);
    assert_eq!(driver.pipeline().fault(), None);
}

#[test]
fn earlier_answer_is_given_again_byte_for_byte_beside_damage_that_follows_it() {
    let mut driver = Driver::booted(71);
    let made = commits(&mut driver, 0..12);
    for seq in at(&made[2].1).seq + 1..at(&made[11].1).seq {
        flip(&driver, seq);
    }
    let (asked, first) = &made[2];
    assert_eq!(&Response::of(&driver.answer(asked)), first);
    assert_eq!(driver.pipeline().fault(), None);
}

/// Goal: a fork of the log, made with the same keys, gives no answer. Method: two engines continue
/// two copies of a log, and the reader of the one gets the disk of the other.
#[test]
fn frame_of_a_fork_is_no_answer() {
    let mut driver = Driver::booted(72);
    commits(&mut driver, 0..3);
    let mut other = driver.beside(driver.disk.copy(), 73);
    other.boot().expect("the copy follows");
    other.settle();
    driver.restart();
    let ours = commit(&mut driver, 5).1;
    let theirs = commit(&mut other, 6).1;
    assert_eq!(at(&ours), at(&theirs), "the same place in both logs");
    let fork = other.disk.frames();
    driver.disk.edit(|content| {
        content.frames = fork.iter().map(|frame| frame.encode()).collect();
    });
    let error = now(driver.reader().receipt(at(&ours))).expect_err("the frame is of the fork");
    assert_eq!(error, ReadError::Damaged { seq: ours.seq() });
    let stated = now(driver.reader().statement_at(ours.seq() - 1));
    assert!(stated.is_err(), "the boot frame of the fork: {stated:?}");
}

#[test]
fn lost_key_service_stops_reads_of_earlier_epochs_alone_and_is_asked_once() {
    let settings = Settings { snapshot_frames: 1, ..Settings::default() };
    let mut driver = Driver::new(74, settings);
    driver.boot().expect("an empty disk boots");
    driver.settle();
    let old = commits(&mut driver, 0..60);
    driver.store_last_snapshot();
    driver.restart();
    let (_, new) = commit(&mut driver, 60);
    driver.vault().stop(true);
    let before = driver.vault().unwraps();
    for (_, answer) in &old[..20] {
        let error = now(driver.reader().receipt(at(answer))).expect_err("its key is wrapped");
        assert!(matches!(error, ReadError::Keys { epoch: 1, .. }), "{error:?}");
    }
    assert_eq!(driver.vault().unwraps() - before, 1, "one question answers for a while");
    // The current epoch needs no key service: commits, and reads of its frames.
    assert!(now(driver.reader().receipt(at(&new))).expect("its key is in memory").is_some());
    commit(&mut driver, 61);
    assert_eq!(driver.pipeline().fault(), None);
    // What needs no key is proven all the same.
    let stated = now(driver.reader().statement_at(old[0].1.seq())).expect("no key is needed");
    assert_eq!(stated.expect("it is released").statement, old[0].1.signed.statement);
}

#[test]
fn statement_made_again_is_the_first_one_byte_for_byte() {
    let mut driver = Driver::booted(75);
    let made = commits(&mut driver, 0..300);
    for (_, answer) in made.iter().step_by(37) {
        let again = now(driver.reader().statement_at(answer.seq())).expect("it is read");
        assert_eq!(again.as_ref(), Some(&answer.signed));
    }
    assert_eq!(now(driver.reader().statement_at(u64::MAX)), Ok(None));
}
