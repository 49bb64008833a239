//! Goal: nothing that was answered is lost, nothing that was not is half there, whatever an append
//! does. Method: every failure twice - it did not happen, it did - each with the state that
//! `specs/durability.md` lists. On every output the driver itself asserts INV-09.

use mortise_engine::api::{Query, Reply};
use mortise_engine::boot::BootError;
use mortise_engine::pipeline::{Fault, Input, Settings};
use mortise_engine::store::{Garbage, StoreError};
use mortise_testkit::driver::{AppendFault, Driver, Said};
use mortise_testkit::keys::{Asked, Party};
use mortise_testkit::scenario::{request, terms};
use std::path::Path;

/// A lock of the owner, under a request of its own.
fn commit(driver: &Driver, nonce: u64) -> Asked {
    let desk = driver.desk();
    desk.commit(Party::Owner, &terms(Party::Owner, nonce, 10), request(nonce))
}

fn lock_count(driver: &Driver) -> usize {
    driver.pipeline().machine().state().lock_count()
}

/// What a cell of the table ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The command is not in the log; sent again it is decided anew.
    Absent,
    /// The command is in the log; sent again it is answered from there.
    Present,
    /// The boot refuses the frame by its number until the host drops the torn tail.
    TornTail,
}

fn end_of(fault: AppendFault, happened: bool) -> End {
    match (fault, happened) {
        (AppendFault::Torn, true) => End::TornTail,
        (_, true) => End::Present,
        (_, false) => End::Absent,
    }
}

fn check_cell(fault: AppendFault, happened: bool) {
    let mut driver = Driver::booted(11);
    let (first, second) = (commit(&driver, 0), commit(&driver, 1));
    let said = Said::of(&driver.answer(&first));
    let token = driver.ask(&[&second])[0];
    driver.fail_ship(fault, happened);
    assert!(driver.pipeline().fault().is_some(), "a failed append stops the engine");
    assert!(matches!(driver.replies.get(&token), Some(Reply::NotDurable)));
    assert!(matches!(driver.answer(&first), Reply::Fault), "and it answers nothing more");
    driver.crash(0);
    let end = end_of(fault, happened);
    if end == End::TornTail {
        let refused = driver.boot().unwrap_err();
        let is_named = matches!(
            refused,
            BootError::Store(StoreError::Garbage(Garbage::NotAFrame { seq: 2, .. }))
        );
        assert!(is_named, "{refused:?}");
        driver.disk.edit(|content| {
            content.frames.pop();
            content.synced = content.frames.len();
        });
    }
    driver.boot().unwrap();
    driver.settle();
    assert_eq!(lock_count(&driver), if end == End::Present { 2 } else { 1 });
    assert_eq!(Said::of(&driver.answer(&first)), said, "what was answered is answered again");
    let again = Said::of(&driver.answer(&second));
    assert_eq!(again.seq() == 2, end == End::Present, "decided anew, or answered from the log");
    assert_eq!(lock_count(&driver), 2);
}

#[test]
fn every_failed_append_ends_in_its_stated_state_whether_it_happened_or_not() {
    for fault in AppendFault::ALL {
        for happened in [false, true] {
            println!("{} / happened: {happened}", fault.name());
            check_cell(fault, happened);
        }
    }
}

#[test]
fn the_page_lists_exactly_the_cells_that_are_tested() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/durability.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut expected = Vec::new();
    for fault in AppendFault::ALL {
        for (happened, word) in [(false, "no"), (true, "yes")] {
            let end = match end_of(fault, happened) {
                End::Absent => "absent, decided anew",
                End::Present => "present, answered from the log",
                End::TornTail => "boot names the frame; without it: absent, decided anew",
            };
            expected.push(format!("| {} | {word} | {end} |", fault.name()));
        }
    }
    let rows = page.lines().filter(|line| line.contains("| yes |") || line.contains("| no |"));
    assert_eq!(rows.map(str::to_owned).collect::<Vec<_>>(), expected);
}

#[test]
fn an_answer_waits_for_its_signature_and_for_its_ack() {
    let mut driver = Driver::booted(3);
    let asked = commit(&driver, 0);
    let token = driver.ask(&[&asked])[0];
    assert!(driver.step_sign());
    assert!(!driver.replies.contains_key(&token), "signed, not durable");
    driver.settle();
    assert!(matches!(driver.replies[&token], Reply::Logged(..)));
}

#[test]
fn a_read_waits_for_the_frame_that_it_shows() {
    let mut driver = Driver::booted(4);
    let asked = commit(&driver, 0);
    let lock_id = driver.desk().lock_id(&terms(Party::Owner, 0, 10));
    driver.ask(&[&asked]);
    let read = driver.query(Query::Lock(lock_id));
    assert!(!driver.replies.contains_key(&read), "a crash could still undo what it would show");
    driver.settle();
    assert!(driver.replies.contains_key(&read));
}

#[test]
fn an_ack_that_comes_twice_stops_the_engine_and_loses_nothing() {
    let mut driver = Driver::booted(5);
    let asked = commit(&driver, 0);
    let said = Said::of(&driver.answer(&asked));
    driver.ack_again();
    assert_eq!(driver.pipeline().fault(), Some(Fault::AckOrder { seq: 1 }));
    driver.restart();
    assert_eq!(Said::of(&driver.answer(&asked)), said);
}

#[test]
fn a_host_that_acks_without_storing_leaves_two_statements_of_one_size_with_different_roots() {
    let mut driver = Driver::booted(6);
    let asked = commit(&driver, 0);
    let token = driver.ask(&[&asked])[0];
    driver.ack_without_storing();
    driver.settle();
    let kept = Said::of(&driver.replies[&token]).signed.stated.statement;
    driver.crash(0);
    driver.boot().unwrap();
    driver.settle();
    let shown = &driver.statement(kept.seq).unwrap().stated.statement;
    assert_eq!(shown.history_size, kept.history_size);
    assert_ne!(shown.history_root, kept.history_root, "transferable evidence (INV-12)");
}

fn with_snapshot() -> (Driver, Vec<Said>) {
    let settings = Settings { snapshot_frames: 3, ..Settings::default() };
    let mut driver = Driver::new(7, settings);
    driver.boot().unwrap();
    driver.settle();
    let asked: Vec<_> = (0..5).map(|nonce| commit(&driver, nonce)).collect();
    let said = asked.iter().map(|asked| Said::of(&driver.answer(asked))).collect();
    assert!(!driver.disk.edit(|content| content.snapshots.is_empty()));
    (driver, said)
}

#[test]
fn a_snapshot_that_is_ahead_of_the_log_stops_the_boot_by_name() {
    let (mut driver, _) = with_snapshot();
    driver.crash(0);
    driver.disk.edit(|content| {
        content.frames.truncate(1);
        content.synced = 1;
    });
    assert!(matches!(driver.boot(), Err(BootError::SnapshotAhead { .. })));
}

#[test]
fn a_torn_swapped_or_missing_snapshot_costs_time_and_nothing_else() {
    for damage in ["torn", "flipped", "missing", "older"] {
        let (mut driver, said) = with_snapshot();
        driver.crash(0);
        driver.disk.edit(|content| {
            let (seq, (digest, mut bytes)) = content.snapshots.pop_last().unwrap();
            match damage {
                "torn" => bytes.truncate(bytes.len() / 2),
                "flipped" => bytes[9] ^= 1,
                "older" => {
                    content.snapshots.insert(seq - 1, (digest, bytes));
                    return;
                }
                _ => return,
            }
            content.snapshots.insert(seq, (digest, bytes));
        });
        driver.boot().unwrap_or_else(|error| panic!("{damage}: {error}"));
        driver.settle();
        for (nonce, said) in (0..).zip(&said) {
            let asked = commit(&driver, nonce);
            assert_eq!(Said::of(&driver.answer(&asked)), *said, "{damage}");
        }
    }
}

#[test]
fn a_snapshot_that_could_not_be_stored_changes_no_answer() {
    let settings = Settings { snapshot_frames: 2, ..Settings::default() };
    let mut driver = Driver::new(8, settings);
    driver.boot().unwrap();
    driver.settle();
    for nonce in 0..6 {
        let asked = commit(&driver, nonce);
        driver.ask(&[&asked]);
        while driver.take_snapshot().is_some() {
            driver.handle(Input::SnapshotStored(false));
        }
        driver.settle();
    }
    assert_eq!(lock_count(&driver), 6);
    driver.restart();
    assert_eq!(lock_count(&driver), 6);
}
