//! Goal: if the log is not the one that the engine wrote, the boot ends in a fault, the engine
//! serves nothing, and nothing is deleted.

use super::assert_serves_nothing;
use mortise_engine::server::EngineError;
use mortise_format::frame::{Frame, LEAF_BYTES};
use mortise_format::store::{LogHead, StoreRefusal, StoreRequest, StoreResponse};
use mortise_rpc::Method;
use mortise_testkit::system::parties::{Parties, call};
use mortise_testkit::system::proxy::Lie;
use mortise_testkit::system::wire::Framed;
use mortise_testkit::system::{Options, System};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// The log that the tests edit has a boot frame and one frame for each of these commits.
const COMMITS: u64 = 4;
/// The index of the edited frame.
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

/// Changes the frames in every answer to a read. No snapshot exists, so the replay reads them all.
fn edit_reads(system: &System, edit: impl Fn(u64, &mut Vec<Vec<u8>>) + Send + 'static) {
    system.proxy().lie(move |asked, answer| match (asked, answer) {
        (StoreRequest::Snapshots, _) => Lie::Other(StoreResponse::Snapshots(Vec::new())),
        (StoreRequest::Read { from_seq, .. }, StoreResponse::Frames { frames }) => {
            let mut frames = frames.clone();
            edit(*from_seq, &mut frames);
            Lie::Other(StoreResponse::Frames { frames })
        }
        _ => Lie::Honest,
    });
}

/// A snapshot that the store lists and cannot give, or of which it gives other bytes.
#[test]
fn a_snapshot_that_cannot_be_used_costs_only_time() {
    let mut system = System::behind_proxy();
    let before = write_log(&system);
    let seq = before["statement"]["seq"].clone();
    for answer in [
        StoreResponse::Refused(StoreRefusal::Io),
        StoreResponse::Refused(StoreRefusal::SnapshotUnknown),
        StoreResponse::SnapshotPart { bytes: vec![7; 100] },
    ] {
        system.stop_engine().expect("an engine that is asked to stop stops");
        system.proxy().lie(move |asked, _| match asked {
            StoreRequest::SnapshotRead { .. } => Lie::Other(answer.clone()),
            _ => Lie::Honest,
        });
        system.start_engine();
        let after = system.statement();
        assert!(after["statement"]["seq"].as_u64() >= seq.as_u64(), "{after}");
        system.proxy().be_honest();
    }
}

/// Boots over the edited log. The boot must end in a fault that contains `what`, and the stored log
/// must be intact afterwards.
fn a_boot_over(what: &str, edit: impl Fn(u64, &mut Vec<Vec<u8>>) + Send + 'static) {
    let mut system = System::behind_proxy();
    let before = write_log(&system);
    system.stop_engine().expect("an engine that is asked to stop stops");
    edit_reads(&system, edit);
    system.launch_engine();
    system.wait_phase("fault");
    assert_serves_nothing(&system);
    let ended = system.stop_engine().expect_err("the engine ends with the fault");
    assert!(matches!(ended, EngineError::Boot(_)), "{ended}");
    assert!(!ended.is_worth_a_restart(), "a restart does not repair the log");
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
fn frame_with_a_flipped_bit_is_reported_by_its_number() {
    for at in [0, 40, LEAF_BYTES - 1, LEAF_BYTES + 3] {
        a_boot_over("frame 3", move |_, frames| frames[EDITED][at] ^= 1);
    }
}

#[test]
fn truncated_frame_is_reported_by_its_number() {
    a_boot_over("frame 3 is broken", |_, frames| frames[EDITED].truncate(LEAF_BYTES + 20));
    a_boot_over("frame 3 is broken", |_, frames| frames[EDITED].clear());
}

#[test]
fn missing_frame_is_reported_by_its_number() {
    a_boot_over("expected frame 3, found frame 4", |_, frames| drop(frames.remove(EDITED)));
}

#[test]
fn repeated_frame_is_reported_by_its_number() {
    a_boot_over("expected frame 4, found frame 3", |_, frames| {
        let frame = frames[EDITED].clone();
        frames.insert(EDITED, frame);
    });
}

#[test]
fn reordered_frames_are_reported_by_the_first() {
    a_boot_over("expected frame 3, found frame 4", |_, frames| frames.swap(EDITED, EDITED + 1));
}

#[test]
fn frame_with_another_time_breaks_the_chain() {
    a_boot_over("frame 4", |_, frames| {
        let frame = Frame::decode(&frames[EDITED]).unwrap();
        let mut leaf = frame.leaf().clone();
        leaf.header.time_ms += 1;
        let changed = Frame::new(leaf, frame.clear().to_vec(), frame.cipher().to_vec());
        frames[EDITED] = changed.expect("its bodies are those of its leaf").encode();
    });
}

#[test]
fn last_frame_with_another_mac_is_reported_by_its_number() {
    a_boot_over("frame 4", |_, frames| {
        let frame = Frame::decode(frames.last().unwrap()).unwrap();
        let mut leaf = frame.leaf().clone();
        leaf.mac.0[0] ^= 1;
        let changed = Frame::new(leaf, frame.clear().to_vec(), frame.cipher().to_vec());
        *frames.last_mut().unwrap() = changed.unwrap().encode();
    });
}

#[test]
fn log_that_stops_early_is_a_fault() {
    a_boot_over("head", |from_seq, frames| {
        frames.truncate(3);
        if from_seq > 0 {
            frames.clear();
        }
    });
}

#[test]
fn log_of_another_engine_is_refused() {
    let foreign = {
        let mut options = Options { has_proxy: true, ..Options::default() };
        options.genesis.salt.0[0] ^= 1;
        let mut system = System::with(options);
        write_log(&system);
        system.stop_engine().expect("an engine that is asked to stop stops");
        let kept: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let keep = Arc::clone(&kept);
        // A boot reads the whole log, and then the newest boot frame again.
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
fn head_that_is_not_the_last_frame_is_refused() {
    for lie in [
        |head: LogHead| LogHead { next_seq: head.next_seq + 1, ..head },
        |head: LogHead| LogHead { next_seq: head.next_seq - 1, ..head },
        |head: LogHead| LogHead { digest: mortise_format::ids::FrameDigest([5; 32]), ..head },
        |_: LogHead| LogHead::EMPTY,
    ] {
        let mut system = System::behind_proxy();
        let before = write_log(&system);
        system.stop_engine().expect("an engine that is asked to stop stops");
        system.proxy().lie(move |_, answer| match answer {
            StoreResponse::Head(head) => Lie::Other(StoreResponse::Head(lie(*head))),
            _ => Lie::Honest,
        });
        system.launch_engine();
        system.wait_phase("fault");
        assert_serves_nothing(&system);
        system.stop_engine().expect_err("the engine ends with the fault");
        system.proxy().be_honest();
        system.start_engine();
        let seq = before["statement"]["seq"].clone();
        let after =
            system.call("getStateRoot", serde_json::json!({ "signed": true, "atSeq": seq }));
        assert_eq!(after["result"], before);
    }
}

#[test]
fn snapshot_that_does_not_decrypt_only_makes_the_replay_longer() {
    let mut system = System::behind_proxy();
    let before = write_log(&system);
    system.stop_engine().expect("an engine that is asked to stop stops");
    system.proxy().lie(|_, answer| match answer {
        StoreResponse::SnapshotPart { bytes } => {
            let mut bytes = bytes.clone();
            bytes[40] ^= 1;
            Lie::Other(StoreResponse::SnapshotPart { bytes })
        }
        _ => Lie::Honest,
    });
    system.start_engine();
    assert!(system.progress().replayed.1 > COMMITS, "the whole log was replayed");
    let seq = before["statement"]["seq"].clone();
    let after = system.call("getStateRoot", serde_json::json!({ "signed": true, "atSeq": seq }));
    assert_eq!(after["result"], before);
}

#[test]
fn swapped_or_lost_keys_are_a_fault() {
    let mut system = System::behind_proxy();
    write_log(&system);
    system.stop_engine().expect("an engine that is asked to stop stops");
    system.proxy().lie(|asked, answer| match (asked, answer) {
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
    let ended = system.stop_engine().expect_err("the engine ends with the fault");
    assert!(ended.to_string().contains("keys"), "{ended}");
    system.proxy().be_honest();
    system.start_engine();
}

#[test]
fn store_lost_during_the_replay_ends_the_engine_for_a_restart() {
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
