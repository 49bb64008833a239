//! The recovery with `mortise genesis recover`, over real sockets and folders.

use super::OPERATORS;
use crate::witnessed::{copy, start, stop, witnessed};
use mortise_host::export::export;
use mortise_rpc::genesis;
use mortise_testkit::keys::Party;
use mortise_testkit::system;
use mortise_testkit::witness::Bench;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// Exit code, stdout, stderr.
fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let program = env!("CARGO_BIN_EXE_mortise-under-test");
    let ran = Command::new(program)
        .arg("--json")
        .args(arguments)
        .current_dir(folder)
        .env_remove("MORTISE_ANCHORS")
        .env_remove("MORTISE_KEY")
        .output()
        .expect("the command was built");
    let value = serde_json::from_slice(&ran.stdout).unwrap_or(Value::Null);
    (ran.status.code(), value, String::from_utf8_lossy(&ran.stderr).into_owned())
}

#[track_caller]
fn ok(folder: &Path, arguments: &[&str]) -> Value {
    let (code, value, stderr) = run(folder, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
    value
}

#[track_caller]
fn refused(folder: &Path, name: &str, arguments: &[&str]) {
    let (code, _, stderr) = run(folder, arguments);
    assert!(code == Some(1) && stderr.contains(name), "{arguments:?}: {code:?}: {stderr}");
}

/// The log of a stopped host, as a file.
fn exported(store: &Path, file: &Path) {
    export(store, file, false, None, |_, _| {}).expect("it is exported");
}

fn write_key(folder: &Path, party: Party) -> String {
    let name = format!("{}.key", party.name());
    let path = folder.join(&name);
    std::fs::write(&path, party.secret_text()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    name
}

fn old_genesis(bench: &Bench) -> mortise_format::genesis::Genesis {
    let mut genesis = system::genesis();
    bench.enter(&mut genesis.policy, 2, 0);
    (genesis.policy.operators, genesis.policy.operators_min) = (super::operators(), 2);
    genesis
}

#[test]
fn commands_recover_from_a_lost_log_and_any_party_can_verify_it() {
    let bench = Bench::new(3);
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut old = witnessed(&bench, old_genesis(&bench));
    start(&mut old, &bench);
    stop(&mut old);
    copy(&old.store_folder(), &at.join("left"));
    start(&mut old, &bench);
    let shown = old.call("getCheckpoint", Value::Null);
    let old_id = old.call("getEngineInfo", Value::Null)["result"]["engineId"].clone();
    std::fs::write(at.join("kept.json"), shown.to_string()).unwrap();
    stop(&mut old);
    std::fs::remove_dir_all(old.store_folder()).unwrap();
    copy(&at.join("left"), &old.store_folder());
    old.start_host();
    old.launch_engine();
    old.wait_phase("fault");
    assert_eq!(old.call("health", Value::Null)["result"]["fault"], "WITNESS_AHEAD");
    assert!(old.stop_engine().is_err());
    old.stop_host();
    let genesis = ceremony(at, &old_id);
    // no engine is created from the draft, and the attempt leaves nothing behind
    let draft = genesis::parse(&std::fs::read_to_string(at.join("draft.json")).unwrap()).unwrap();
    let mut early = witnessed(&bench, draft);
    early.start_host();
    early.launch_engine();
    early.wait_phase("fault");
    assert_eq!(early.call("health", Value::Null)["result"]["fault"], "GENESIS_PREDECESSOR");
    assert!(early.stop_engine().is_err());
    // the signed genesis creates an engine, which names its predecessor
    let mut new = witnessed(&bench, genesis);
    start(&mut new, &bench);
    let info = new.call("getEngineInfo", Value::Null);
    let predecessor = &info["result"]["predecessor"];
    assert_eq!(predecessor["engineId"], old_id);
    assert_eq!(predecessor["size"], shown["result"]["size"]);
    assert_eq!(predecessor["root"], shown["result"]["root"]);
    let kept = new.call("getCheckpoint", Value::Null);
    std::fs::write(at.join("info.json"), info.to_string()).unwrap();
    std::fs::write(at.join("new.json"), kept.to_string()).unwrap();
    stop(&mut new);
    check(at, &old_id, &info["result"]["engineId"]);
    exported(&new.store_folder(), &at.join("new.log"));
    let report = ok(at, &["audit", "new.log", "--checkpoint", "new.json"]);
    assert_eq!(report["recovery"]["predecessor"], old_id);
    assert_eq!(report["recovery"]["size"], shown["result"]["size"]);
    assert_eq!(report["recovery"]["cosignedBy"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["checkpoints"][0]["verdict"], "cosigned");
    assert_eq!(report["cosignedTo"], report["frames"]);
}

/// Makes draft, signatures and genesis; asserts the errors in between.
fn ceremony(at: &Path, old_id: &Value) -> mortise_format::genesis::Genesis {
    let draft = ["genesis", "recover", "draft", "--log", "left.log", "--checkpoint", "kept.json"];
    exported(&at.join("left"), &at.join("left.log"));
    let output = ok(at, &[&draft[..], &["--out", "draft.json"]].concat());
    assert_eq!(output["predecessor"]["engineId"], *old_id);
    assert_eq!(output["changes"], Value::Array(Vec::new()), "rules stay as they are");
    let keys = OPERATORS.map(|party| write_key(at, party));
    let stranger = write_key(at, Party::Stranger);
    let sign = |key: &str| {
        let output = ok(at, &["genesis", "recover", "sign", "draft.json", "--key", key]);
        output["signature"].as_str().unwrap().to_owned()
    };
    let signatures: Vec<String> = keys.iter().map(|key| sign(key)).collect();
    let by_stranger = ["genesis", "recover", "sign", "draft.json", "--key", &stranger];
    refused(at, "NotAnOperator", &by_stranger);
    let combine = |signatures: &[&str]| {
        let mut all =
            vec!["genesis", "recover", "combine", "draft.json", "--out", "new-genesis.json"];
        signatures.iter().for_each(|signature| all.extend(["--signature", signature]));
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let few = combine(&[&signatures[0]]);
    refused(at, "TooFewOperators", &few.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(!at.join("new-genesis.json").exists(), "nothing incomplete is written");
    let both = combine(&[&signatures[0], &signatures[2]]);
    let output = ok(at, &both.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(output["agreedBy"].as_array().map(Vec::len), Some(2));
    refused(at, "TooFewOperators", &["genesis", "--check", "draft.json"]);
    ok(at, &["genesis", "--check", "new-genesis.json"]);
    genesis::parse(&std::fs::read_to_string(at.join("new-genesis.json")).unwrap()).unwrap()
}

/// The checks that any party can run offline.
fn check(at: &Path, old_id: &Value, new_id: &Value) {
    let id = old_id.as_str().unwrap();
    let base = ["verify", "succession", "new-genesis.json", "--predecessor", id];
    let output =
        ok(at, &[&base[..], &["--checkpoint", "kept.json", "--info", "info.json"]].concat());
    assert_eq!((&output["verdict"], &output["engineId"]), (&"PROVEN".into(), new_id));
    let other = format!("0x{}", "11".repeat(32));
    refused(at, "EngineId", &["verify", "succession", "new-genesis.json", "--predecessor", &other]);
    refused(at, "TooFewOperators", &["verify", "succession", "draft.json"]);
    refused(at, "Origin", &[&base[..], &["--checkpoint", "new.json"]].concat());
    let text = std::fs::read_to_string(at.join("new-genesis.json")).unwrap();
    let smaller = text.replacen("\"witnessesMin\": 2", "\"witnessesMin\": 3", 2);
    std::fs::write(at.join("changed.json"), smaller).unwrap();
    refused(at, "PredecessorId", &["verify", "succession", "changed.json"]);
}
