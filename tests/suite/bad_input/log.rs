//! A log that is not the one that the engine wrote: the boot ends in a fault, nothing is served,
//! nothing is deleted.

use super::assert_serves_nothing;
use mortise_engine::server::EngineError;
use mortise_format::frame::{Frame, LEAF_BYTES};
use mortise_format::store::{LogHead, StoreRequest, StoreResponse};
use mortise_rpc::Method;
use mortise_testkit::system::parties::{Parties, call};
use mortise_testkit::system::proxy::Lie;
use mortise_testkit::system::wire::Framed;
use mortise_testkit::system::{Options, System};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// Frames of the log that the tests edit: a boot frame and these commits, one a frame.
const COMMITS: u64 = 4;
/// The frame that is edited.
const EDITED: usize = 3;

fn write_log(system: &System) -> Value {
    let parties = Parties::of(&system.engine_socket());
    let mut line = Framed::connect(&system.engine_socket());
    for nonce in 0..COMMITS {
        line.send(nonce, call(nonce, Method::CommitLock, &parties.commit(nonce, 100)));
        assert_eq!(line.hear().1["result"]["status"], "ACTIVE");
    }
    system.statement()
}

/// Changes the frames of every answer to a read; there is no snapshot to start from.
fn edit_reads(system: &System, edit: impl Fn(u64, &mut Vec<Vec<u8>>) + Send + 'static) {
    system.proxy().lie(move |asked, said| match (asked, said) {
        (StoreRequest::SnapshotLatest, _) => Lie::Other(StoreResponse::SnapshotLatest(None)),
        (StoreRequest::Read { from_seq, .. }, StoreResponse::Frames { frames }) => {
            let mut frames = frames.clone();
            edit(*from_seq, &mut frames);
            Lie::Other(StoreResponse::Frames { frames })
        }
        _ => Lie::Honest,
    });
}

/// Boots over the edited log; the boot must end in a fault that says `what`, and the true log must
/// be whole afterwards.
fn a_boot_over(what: &str, edit: impl Fn(u64, &mut Vec<Vec<u8>>) + Send + 'static) {
    let mut system = System::behind_proxy();
    let before = write_log(&system);
    system.stop_engine().expect("an engine that is asked to stop stops");
    edit_reads(&system, edit);
    system.launch_engine();
    system.wait_phase("fault");
    assert_serves_nothing(&system);
    let ended = system.stop_engine().expect_err("a fault is said at the end");
    assert!(matches!(ended, EngineError::Boot(_)), "{ended}");
    assert!(!ended.is_worth_a_restart(), "a log that does not follow is not tried again");
    assert!(ended.to_string().contains(what), "{ended} does not say {what}");
    system.proxy().be_honest();
    system.start_engine();
    let seq = before["statement"]["seq"].clone();
    let after = system.call("getStateRoot", serde_json::json!({ "signed": true, "atSeq": seq }));
    assert_eq!(after["result"], before, "nothing was deleted or changed");
    let locks = system.call("listLocks", Value::Null);
    assert_eq!(locks["result"]["locks"].as_array().map(Vec::len), Some(4));
}

#[test]
fn a_frame_with_a_flipped_bit_is_named_by_its_number() {
    for at in [0, 40, LEAF_BYTES - 1, LEAF_BYTES + 3] {
        a_boot_over("frame 3", move |_, frames| frames[EDITED][at] ^= 1);
    }
}

#[test]
fn a_frame_that_is_cut_is_named_by_its_number() {
    a_boot_over("frame 3 is broken", |_, frames| frames[EDITED].truncate(LEAF_BYTES + 20));
    a_boot_over("frame 3 is broken", |_, frames| frames[EDITED].clear());
}

#[test]
fn a_missing_frame_is_named_by_its_number() {
    a_boot_over("expected frame 3, found frame 4", |_, frames| drop(frames.remove(EDITED)));
}

#[test]
fn a_repeated_frame_is_named_by_its_number() {
    a_boot_over("expected frame 4, found frame 3", |_, frames| {
        let frame = frames[EDITED].clone();
        frames.insert(EDITED, frame);
    });
}

#[test]
fn frames_in_another_order_are_named_by_the_first() {
    a_boot_over("expected frame 3, found frame 4", |_, frames| frames.swap(EDITED, EDITED + 1));
}

#[test]
fn a_frame_with_another_time_does_not_chain() {
    a_boot_over("frame 4", |_, frames| {
        let frame = Frame::decode(&frames[EDITED]).unwrap();
        let mut leaf = frame.leaf().clone();
        leaf.header.time_ms += 1;
        let changed = Frame::new(leaf, frame.clear().to_vec(), frame.cipher().to_vec());
        frames[EDITED] = changed.expect("its bodies are those of its leaf").encode();
    });
}

#[test]
fn a_last_frame_with_another_mac_is_named_by_its_number() {
    a_boot_over("frame 4", |_, frames| {
        let frame = Frame::decode(frames.last().unwrap()).unwrap();
        let mut leaf = frame.leaf().clone();
        leaf.mac.0[0] ^= 1;
        let changed = Frame::new(leaf, frame.clear().to_vec(), frame.cipher().to_vec());
        *frames.last_mut().unwrap() = changed.unwrap().encode();
    });
}

#[test]
fn a_log_that_stops_early_is_not_the_log() {
    a_boot_over("head", |from_seq, frames| {
        frames.truncate(3);
        if from_seq > 0 {
            frames.clear();
        }
    });
}

#[test]
fn the_log_of_another_engine_is_foreign() {
    let foreign = {
        let mut options = Options { has_proxy: true, ..Options::default() };
        options.genesis.salt.0[0] ^= 1;
        let mut system = System::with(options);
        write_log(&system);
        system.stop_engine().expect("an engine that is asked to stop stops");
        let kept: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let keep = Arc::clone(&kept);
        // A boot reads the whole log, and then its newest boot frame once more.
        edit_reads(&system, move |_, frames| {
            let mut kept = keep.lock().unwrap();
            if frames.len() > kept.len() {
                kept.clone_from(frames);
            }
        });
        system.start_engine();
        kept.lock().unwrap().clone()
    };
    assert!(foreign.len() > EDITED + 1);
    a_boot_over("frame 0: the frame belongs to another engine", move |_, frames| {
        frames.clone_from(&foreign);
    });
}

#[test]
fn a_head_that_is_not_the_last_frame_is_not_believed() {
    for lie in [
        |head: LogHead| LogHead { next_seq: head.next_seq + 1, ..head },
        |head: LogHead| LogHead { next_seq: head.next_seq - 1, ..head },
        |head: LogHead| LogHead { digest: mortise_format::ids::FrameDigest([5; 32]), ..head },
        |_: LogHead| LogHead::EMPTY,
    ] {
        let mut system = System::behind_proxy();
        let before = write_log(&system);
        system.stop_engine().expect("an engine that is asked to stop stops");
        system.proxy().lie(move |_, said| match said {
            StoreResponse::Head(head) => Lie::Other(StoreResponse::Head(lie(*head))),
            _ => Lie::Honest,
        });
        system.launch_engine();
        system.wait_phase("fault");
        assert_serves_nothing(&system);
        system.stop_engine().expect_err("a fault is said at the end");
        system.proxy().be_honest();
        system.start_engine();
        let seq = before["statement"]["seq"].clone();
        let after =
            system.call("getStateRoot", serde_json::json!({ "signed": true, "atSeq": seq }));
        assert_eq!(after["result"], before);
    }
}

#[test]
fn a_snapshot_that_does_not_open_costs_time_and_nothing_else() {
    let mut system = System::behind_proxy();
    let before = write_log(&system);
    system.stop_engine().expect("an engine that is asked to stop stops");
    system.proxy().lie(|_, said| match said {
        StoreResponse::SnapshotPart { bytes } => {
            let mut bytes = bytes.clone();
            bytes[40] ^= 1;
            Lie::Other(StoreResponse::SnapshotPart { bytes })
        }
        _ => Lie::Honest,
    });
    system.start_engine();
    assert!(system.progress().replayed.1 > COMMITS, "the whole log was followed");
    let seq = before["statement"]["seq"].clone();
    let after = system.call("getStateRoot", serde_json::json!({ "signed": true, "atSeq": seq }));
    assert_eq!(after["result"], before);
}

#[test]
fn keys_that_were_swapped_or_lost_open_nothing() {
    let mut system = System::behind_proxy();
    write_log(&system);
    system.stop_engine().expect("an engine that is asked to stop stops");
    system.proxy().lie(|asked, said| match (asked, said) {
        (StoreRequest::BlobGet { name }, StoreResponse::Blob { bytes: Some(bytes) })
            if name.contains("keys") =>
        {
            let mut bytes = bytes.clone();
            *bytes.last_mut().unwrap() ^= 1;
            Lie::Other(StoreResponse::Blob { bytes: Some(bytes) })
        }
        _ => Lie::Honest,
    });
    system.launch_engine();
    system.wait_phase("fault");
    assert_serves_nothing(&system);
    let ended = system.stop_engine().expect_err("a fault is said at the end");
    assert!(ended.to_string().contains("keys"), "{ended}");
    system.proxy().be_honest();
    system.start_engine();
}

#[test]
fn a_store_that_goes_away_during_the_replay_ends_the_engine_for_a_restart() {
    for bytes in [Vec::new(), vec![40, 0, 0, 0, 1]] {
        let mut system = System::behind_proxy();
        write_log(&system);
        system.stop_engine().expect("an engine that is asked to stop stops");
        system.proxy().lie(move |asked, _| match asked {
            StoreRequest::Head => Lie::Raw(bytes.clone()),
            _ => Lie::Honest,
        });
        system.launch_engine();
        let ended = system.engine_ended();
        assert!(ended.is_worth_a_restart(), "{ended}");
        system.proxy().be_honest();
        system.start_engine();
    }
}
