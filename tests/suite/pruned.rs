//! Goal: an engine serves on a log whose old frames were pruned: its state, promises and proofs are
//! as before, what it no longer has it names, and it never decides an old request again.

use mortise_format::errors::Code;
use mortise_host::export::export;
use mortise_host::prune::{Options as PruneOptions, Report, prune};
use mortise_host::store::StoreOptions;
use mortise_rpc::Method;
use mortise_rpc::params::CommitBatch;
use mortise_testkit::system::parties::{Parties, call};
use mortise_testkit::system::wire::JsonLine;
use mortise_testkit::system::{Options, System};
use serde_json::{Value, json};
use std::time::Duration;

/// The smallest segments that a store takes.
const SEGMENT_BYTES: u64 = 5 << 19;
/// Batches that fill two of them.
const BATCHES: u64 = 22;
const BATCH_LOCKS: u64 = 64;

/// Locks with large execution data, of an owner of their own.
fn batch(parties: &Parties) -> CommitBatch {
    parties.other_owner().batch(BATCH_LOCKS, 4000)
}

fn send(line: &mut JsonLine, method: Method, params: &impl serde::Serialize) -> Value {
    let request: Value = serde_json::from_slice(&call(1, method, params)).unwrap();
    line.call(method.name(), request["params"].clone())
}

/// Stops both, and prunes the folder after an export.
fn pruned(system: &mut System) -> Report {
    system.stop_engine().expect("it stops in order");
    system.stop_host();
    let (data_dir, file) = (system.store_folder(), system.folder().join("whole.log"));
    export(&data_dir, &file, true, None, |_, _| {}).expect("the log is exported");
    let store = StoreOptions { segment_bytes: SEGMENT_BYTES, ..StoreOptions::default() };
    let options = PruneOptions { data_dir, export: file, keep: Duration::ZERO, write: true, store };
    prune(&options, |_, _| {}).expect("it is covered")
}

#[test]
fn engine_serves_on_a_pruned_log_and_names_what_is_gone() {
    let options =
        Options { segment_bytes: SEGMENT_BYTES, snapshot_frames: 4, ..Options::default() };
    let mut system = System::with(options);
    let parties = Parties::of(&system.engine_socket());
    let first = parties.commit(0, 100);
    let first_id = parties.lock_id(&first.intent.terms);
    let mut line = system.line();
    let granted = send(&mut line, Method::CommitLock, &first);
    assert!(granted["result"]["receipt"].is_object(), "{granted}");
    for _ in 0..BATCHES {
        let answer = send(&mut line, Method::CommitBatch, &batch(&parties));
        assert!(answer["error"].is_null(), "{answer}");
    }
    drop(line);
    let locks = system.call("health", Value::Null)["result"]["lockCount"].clone();
    let report = pruned(&mut system);
    assert!(report.is_written && report.first_frame > 2, "{report:?}");
    system.start_host();
    system.start_engine();
    let mut line = system.line();
    assert_eq!(line.call("health", Value::Null)["result"]["lockCount"], locks);
    // The promise is in force, and the whole history is proven by its leaves.
    let lock = line.call("getLock", json!({ "lockId": first_id }));
    assert_eq!(lock["result"]["status"], "ACTIVE", "{lock}");
    let proof = line.call("getConsistencyProof", json!({ "from": 1 }));
    assert!(proof["result"].is_object(), "{proof}");
    // The event is gone, and says so; the request is not decided again.
    let receipt = line.call("getReceipt", json!({ "lockId": first_id }));
    assert_eq!(receipt["error"]["code"], Code::FramePruned.code(), "{receipt}");
    assert_eq!(receipt["error"]["data"]["first"], report.first_frame, "{receipt}");
    let again = send(&mut line, Method::CommitLock, &first);
    assert_eq!(again["error"]["code"], Code::FramePruned.code(), "{again}");
    assert_eq!(again["error"]["data"]["at"]["seq"], granted["result"]["receipt"]["seq"]);
    let new = send(&mut line, Method::CommitLock, &parties.commit(1, 100));
    assert!(new["result"]["receipt"].is_object(), "{new}");
    drop(line);
    // Without a snapshot the start needs the frames.
    system.stop_engine().expect("it stops in order");
    system.stop_host();
    std::fs::remove_dir_all(system.store_folder().join("snapshots")).unwrap();
    system.start_host();
    system.launch_engine();
    system.wait_phase("fault");
    assert_eq!(system.call("health", Value::Null)["result"]["fault"], "LOG_PRUNED");
}
