//! Goal: the same log gives the same engine.
//!
//! Method: random logs are replayed from synced bytes alone, with and without snapshots, and the
//! whole states are compared.

use mortise_engine::pipeline::Settings;
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{request, terms};

/// An engine after commands of every kind, with unsynced frames on the disk.
fn busy(seed: u64, snapshot_frames: u64) -> Driver {
    let mut driver = Driver::new(seed, Settings { snapshot_frames, ..Settings::default() });
    driver.boot().unwrap();
    driver.settle();
    for nonce in 0..12u64 {
        let owner = if nonce % 3 == 0 { Party::OtherOwner } else { Party::Owner };
        let lock = terms(owner, nonce, 5 + nonce);
        let commit = driver.signer().commit(owner, &lock, request(nonce));
        driver.ask(&[&commit]);
        if nonce % 4 == 1 {
            driver.settle();
            let lock_id = driver.signer().lock_id(&lock);
            let back = driver.signer().release(Party::Beneficiary, lock_id, request(100 + nonce));
            driver.ask(&[&back]);
        }
        for _ in 0..driver.rng.below(9) {
            driver.step();
        }
        driver.now_ms += 20_000;
    }
    driver
}

#[test]
fn after_a_crash_the_engine_equals_the_replay_of_the_synced_frames() {
    for seed in 0..12 {
        let mut driver = busy(seed, 1000);
        let synced = driver.disk.synced();
        driver.crash(0);
        assert_eq!(driver.disk.frames().len(), synced, "the rest is gone");
        let last = driver.disk.frames().pop().unwrap();
        driver.boot().unwrap();
        assert_eq!(driver.root_at_boot(), last.header().state_root);
        assert_eq!(driver.pipeline().machine().state().check(), Ok(()));
    }
}

#[test]
fn snapshot_and_its_tail_give_the_same_engine_as_the_whole_log() {
    for seed in 0..12 {
        let mut driver = busy(seed, 3);
        driver.settle();
        let whole = driver.disk.copy();
        let had = whole.edit(|content| std::mem::take(&mut content.snapshots));
        assert!(!had.is_empty());
        let (from_snapshot, from_zero) =
            (driver.replay(&driver.disk).unwrap(), driver.replay(&whole).unwrap());
        assert!(from_snapshot.covered > 0 && from_zero.covered == 0);
        let (a, b) = (&from_snapshot.machine, &from_zero.machine);
        assert_eq!(a.state().snapshot(), b.state().snapshot());
        assert_eq!(a.state_root(), b.state_root());
        assert_eq!(a.history().root(), b.history().root());
        assert_eq!(a.head(), b.head());
        assert!(a.uncarried().eq(b.uncarried()));
        assert_eq!(from_snapshot.to_carry, from_zero.to_carry, "signed again: the same bytes");
    }
}

#[test]
fn engine_time_stands_still_when_the_clock_goes_back() {
    let mut driver = Driver::booted(1);
    let before = driver.pipeline().machine().head().time_ms;
    driver.now_ms -= 3_600_000;
    let lock = terms(Party::Owner, 0, 5);
    let commit = driver.signer().commit(Party::Owner, &lock, request(0));
    drop(driver.answer(&commit));
    assert_eq!(driver.pipeline().machine().head().time_ms, before);
    driver.restart();
    assert_eq!(driver.pipeline().machine().head().time_ms, before, "across epochs too (INV-10)");
}
