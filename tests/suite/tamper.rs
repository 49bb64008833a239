//! Goal: a tampered log is refused with a named error and the number of the frame, and nothing is
//! deleted.
//!
//! Method: each frame of a log of two epochs is changed in every way, and the log is replayed as at
//! a boot.

mod forged;

use mortise_core::machine::FollowError;
use mortise_core::seal::SealError;
use mortise_engine::boot::BootError;
use mortise_engine::store::{Garbage, StoreError};
use mortise_format::frame::{Frame, LEAF_BYTES};
use mortise_format::ids::Bytes32;
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{request, terms};

/// Frames 0 to 3 of epoch 1, 4 to 6 of epoch 2; frames 0 and 4 are boot frames.
fn log(seed: u64) -> Driver {
    let mut driver = Driver::booted(seed);
    let commit = |driver: &mut Driver, nonce| {
        let terms = terms(Party::Owner, nonce, 10);
        let asked = driver.signer().commit(Party::Owner, &terms, request(nonce));
        drop(driver.answer(&asked));
    };
    (0..3).for_each(|nonce| commit(&mut driver, nonce));
    driver.restart();
    (3..5).for_each(|nonce| commit(&mut driver, nonce));
    assert_eq!(driver.disk.frames().len(), 7);
    driver
}

/// The error of a boot over a changed copy of the log: the frame's number and the fault's name.
fn verdict(driver: &Driver, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> (u64, String) {
    let disk = driver.disk.copy();
    disk.edit(|content| {
        change(&mut content.frames);
        content.synced = content.frames.len();
    });
    let kept = disk.edit(|content| content.frames.clone());
    let refused = driver.replay(&disk).expect_err("a tampered log is refused");
    assert_eq!(disk.edit(|content| content.frames.clone()), kept, "nothing is deleted");
    let name = |debug: String| debug.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
    match refused {
        BootError::Store(StoreError::Garbage(Garbage::NotAFrame { seq, error })) => {
            (seq, name(format!("{error:?}")))
        }
        BootError::Frame { seq, error: FollowError::Seal(error) } => {
            (seq, name(format!("{error:?}")))
        }
        BootError::Frame { seq, error } => (seq, name(format!("{error:?}"))),
        BootError::NoEpoch { seq } => (seq, "NoEpoch".into()),
        other => (u64::MAX, name(format!("{other:?}"))),
    }
}

fn at(seq: u64) -> usize {
    usize::try_from(seq).unwrap()
}

#[test]
fn untampered_log_is_replayed() {
    let driver = log(1);
    let start = driver.replay(&driver.disk.copy()).unwrap();
    assert_eq!(start.machine.state_root(), driver.pipeline().machine().state_root());
}

#[test]
fn every_flipped_byte_of_every_frame_is_refused_with_the_number_of_the_frame() {
    let driver = log(2);
    for seq in 0..7u64 {
        let length = driver.disk.edit(|content| content.frames[at(seq)].len());
        // Every byte of the leaf's fixed fields, then a step that meets every region.
        let flips = (0..LEAF_BYTES).step_by(3).chain((LEAF_BYTES..length).step_by(61));
        for byte in flips {
            let (found, name) = verdict(&driver, |frames| frames[at(seq)][byte] ^= 1);
            assert_eq!(found, seq, "byte {byte}: {name}");
            assert_ne!(name, "StateRoot", "the MAC is checked before events are applied");
        }
    }
}

#[test]
fn truncated_frame_is_torn() {
    let driver = log(3);
    for seq in 0..7 {
        for part in [0, 10, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1] {
            let cut = |frames: &mut Vec<Vec<u8>>| frames[at(seq)].truncate(part);
            assert_eq!(verdict(&driver, cut), (seq, "Torn".into()));
        }
        let longer = |frames: &mut Vec<Vec<u8>>| frames[at(seq)].push(0);
        assert_eq!(verdict(&driver, longer), (seq, "Trailing".into()));
    }
}

#[test]
fn swapped_repeated_and_missing_frames_are_refused_with_their_seq() {
    let driver = log(4);
    for seq in 0..6 {
        let swap = |frames: &mut Vec<Vec<u8>>| frames.swap(at(seq), at(seq) + 1);
        let (found, name) = verdict(&driver, swap);
        assert_eq!((found, name.as_str()), (seq, "Seq"), "swapped at {seq}");
        let repeat = |frames: &mut Vec<Vec<u8>>| {
            let again = frames[at(seq)].clone();
            frames.insert(at(seq) + 1, again);
        };
        assert_eq!(verdict(&driver, repeat), (seq + 1, "Seq".into()), "repeated at {seq}");
        let miss = |frames: &mut Vec<Vec<u8>>| drop(frames.remove(at(seq)));
        assert_eq!(verdict(&driver, miss), (seq, "Seq".into()), "missing {seq}");
    }
}

#[test]
fn frame_of_another_engine_is_refused_at_any_seq() {
    let (driver, stranger) = (log(5), log(6));
    let foreign = stranger.disk.edit(|content| content.frames.clone());
    for seq in 0..7 {
        let put = |frames: &mut Vec<Vec<u8>>| frames[at(seq)] = foreign[at(seq)].clone();
        assert_eq!(verdict(&driver, put), (seq, "ForeignEngine".into()));
    }
}

/// Rebuilds a frame with matching digests, as a forger without the MAC key can.
fn remade(frame: &Frame, change: impl FnOnce(&mut mortise_format::frame::FrameLeaf)) -> Vec<u8> {
    let mut leaf = frame.leaf().clone();
    change(&mut leaf);
    Frame::new(leaf, frame.clear().to_vec(), frame.cipher().to_vec()).unwrap().encode()
}

#[test]
fn frame_rebuilt_without_the_mac_key_is_refused() {
    let driver = log(7);
    let frames = driver.disk.frames();
    for seq in 0..7u64 {
        let frame = &frames[at(seq)];
        let changed = [
            remade(frame, |leaf| leaf.header.time_ms += 1),
            remade(frame, |leaf| leaf.header.event_count += 1),
            remade(frame, |leaf| leaf.header.event_root.0[0] ^= 1),
            remade(frame, |leaf| leaf.header.state_root.0[0] ^= 1),
            remade(frame, |leaf| leaf.header.policy_hash.0[0] ^= 1),
            remade(frame, |leaf| leaf.mac = Bytes32([0; 32])),
        ];
        for bytes in changed {
            let put = |frames: &mut Vec<Vec<u8>>| frames[at(seq)] = bytes;
            assert_eq!(verdict(&driver, put), (seq, "Mac".into()));
        }
        let epoch = remade(frame, |leaf| leaf.header.epoch += 1);
        let put = |frames: &mut Vec<Vec<u8>>| frames[at(seq)] = epoch;
        assert_eq!(verdict(&driver, put), (seq, "Epoch".into()));
    }
}

#[test]
fn holder_of_content_keys_can_read_a_frame_and_not_forge_one() {
    let driver = log(8);
    let frame = driver.disk.frames().pop().unwrap();
    let record = driver.pipeline().machine().epochs().last().unwrap().clone();
    let keys = driver.keys_of(&record).unwrap();
    let content_key = keys.content(frame.header().seq);
    let plain = mortise_core::seal::open_content(&content_key, &frame).unwrap();
    // The forger has the content key and not the MAC key, here the MAC key of another epoch.
    let first = driver.pipeline().machine().epochs()[0].clone();
    let other = driver.keys_of(&first).unwrap();
    let header = frame.header().clone();
    let forged = mortise_core::seal::seal(&other, header, frame.clear().to_vec(), &plain).unwrap();
    assert_eq!(mortise_core::seal::open(&keys, &forged), Err(SealError::Mac));
    let put = |frames: &mut Vec<Vec<u8>>| *frames.last_mut().unwrap() = forged.encode();
    assert_eq!(verdict(&driver, put), (6, "Mac".into()));
}

#[test]
fn log_without_its_tail_is_replayed_and_a_receipt_proves_the_loss() {
    let driver = log(9);
    let disk = driver.disk.copy();
    disk.edit(|content| {
        content.frames.truncate(5);
        content.synced = 5;
    });
    let start = driver.replay(&disk).expect("a shorter log is valid: only a receipt reveals it");
    let kept = &driver.statement(6).unwrap().statement;
    assert!(start.machine.head().next_seq < kept.history_size, "the client's receipt is newer");
}
