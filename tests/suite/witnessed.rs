//! Witnesses over real sockets: the engine reports that it waits for them, serves their
//! cosignatures, and stops when another engine extended the log.
//!
//! The witnesses run the code of `mortise witness` in this process ([`Bench`]).

use mortise_format::genesis::Genesis;
use mortise_format::note::{KeyUse, NoteKey};
use mortise_rpc::Method;
use mortise_rpc::results::{CheckpointResult, EngineInfo, ReceiptResult};
use mortise_testkit::system::parties::{Parties, call};
use mortise_testkit::system::threads::Platform;
use mortise_testkit::system::wire::{Framed, JsonLine};
use mortise_testkit::system::{self, Options, System, eventually};
use mortise_testkit::witness::{Bench, WitnessBehaviour};
use mortise_verify::checkpoint::verify_cosigned;
use mortise_verify::succession::witnesses_of;
use mortise_verify::tlog_proof;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// A system under witnesses, not started.
pub fn witnessed(bench: &Bench, genesis: Genesis) -> System {
    let mut system = System::stopped(Options { genesis, ..Options::default() });
    let vault = system.vault();
    under(&mut system, bench, &vault);
    system
}

fn under(system: &mut System, bench: &Bench, vault: &Path) {
    bench.use_system_time();
    let mut platform = Platform::of_file(vault);
    platform.witnesses = Some(Arc::new(bench.clone()));
    system.options_mut().platform = Some(platform);
}

fn health(system: &System) -> Option<Value> {
    let mut line = JsonLine::try_connect(&system.engine_socket()).ok()?;
    Some(line.try_call("health", Value::Null).ok()?["result"].clone())
}

/// Starts the system, gives the witnesses the log's key, and waits until the system serves.
pub fn start(system: &mut System, bench: &Bench) {
    system.start_host();
    system.launch_engine();
    let key = eventually("the engine names its log or serves", || {
        let health = health(system)?;
        match health["phase"].as_str()? {
            "witnessing" => Some(health["logKey"].as_str().map(str::to_owned)),
            "ready" => Some(None),
            _ => None,
        }
    });
    if let Some(key) = key {
        bench.know(NoteKey::parse(KeyUse::Log, &key).expect("health names a verifier key"));
    }
    system.wait_phase("ready");
}

/// Stops engine and host gracefully.
pub fn stop(system: &mut System) {
    system.stop_engine().expect("it stops in order");
    system.stop_host();
}

/// Copies a folder to a new path.
pub fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(done.expect("cp is there").success());
}

pub fn genesis(bench: &Bench) -> Genesis {
    let mut genesis = system::genesis();
    bench.enter(&mut genesis.policy, 2, 0);
    genesis
}

fn commit(system: &System, nonce: u64) -> Value {
    let parties = Parties::of(&system.engine_socket());
    let mut line = Framed::connect(&system.engine_socket());
    line.send(1, call(1, Method::CommitLock, &parties.commit(nonce, 100)));
    let answer = line.receive().expect("the engine answers").1;
    serde_json::from_slice(&answer).expect("answers are JSON")
}

#[test]
fn engine_that_waits_for_witnesses_reports_it_and_its_log_key() {
    let bench = Bench::new(3);
    let mut system = witnessed(&bench, genesis(&bench));
    system.start_host();
    system.launch_engine();
    // no witness knows the log, so none cosigns
    system.wait_phase("witnessing");
    let status = health(&system).unwrap();
    let key = NoteKey::parse(KeyUse::Log, status["logKey"].as_str().unwrap()).unwrap();
    assert!(status["fault"].is_null() && status["status"] == "witnessing", "{status}");
    let refused = system.call("getStateRoot", Value::Null);
    assert_eq!(refused["error"]["data"]["phase"], "witnessing", "{refused}");
    bench.know(key.clone());
    system.wait_phase("ready");
    let status = health(&system).unwrap();
    assert!(status["logKey"].is_null(), "{status}");
    let info = system.call("getEngineInfo", Value::Null)["result"].clone();
    let info: EngineInfo = serde_json::from_value(info).unwrap();
    assert_eq!(info.origin, key.name());
    assert_eq!(info.checkpoint_key.0, *key.public_key());
    assert_eq!(info.predecessor, None);
    // at a restart the log exists, and the witnesses are down
    stop(&mut system);
    bench.set_all(WitnessBehaviour::Cut);
    system.start_host();
    system.launch_engine();
    system.wait_phase("witnessing");
    bench.set_all(WitnessBehaviour::Open);
    system.wait_phase("ready");
}

#[test]
fn checkpoints_and_tlog_proofs_contain_the_cosignatures_of_a_quorum() {
    let bench = Bench::new(3);
    let genesis = genesis(&bench);
    let witnesses = witnesses_of(&genesis.policy).unwrap();
    let mut system = witnessed(&bench, genesis);
    start(&mut system, &bench);
    let info = system.call("getEngineInfo", Value::Null)["result"].clone();
    let info: EngineInfo = serde_json::from_value(info).unwrap();
    let log = NoteKey::new(KeyUse::Log, &info.origin, info.checkpoint_key.0).unwrap();
    for nonce in 0..5 {
        // any one of them can be missing
        bench.set_all(WitnessBehaviour::Open);
        bench.set(usize::try_from(nonce % 3).unwrap(), WitnessBehaviour::Cut);
        let answer = commit(&system, nonce);
        let seq = answer["result"]["receipt"]["seq"].as_u64().expect("it is granted");
        let shown = system.call("getCheckpoint", Value::Null)["result"].clone();
        let shown: CheckpointResult = serde_json::from_value(shown).unwrap();
        assert!(shown.size > seq);
        let note = shown.checkpoint.as_bytes();
        let cosigned = verify_cosigned(note, &info.origin, &log, &witnesses).unwrap();
        assert_eq!(cosigned.checkpoint().head().size, shown.size);
        assert_eq!(shown.statement.history_size, shown.size);
        let lock_id = &answer["result"]["commitment"]["lockId"];
        let receipt = system.call("getReceipt", json!({"lockId": lock_id}))["result"].clone();
        let receipt: ReceiptResult = serde_json::from_value(receipt).unwrap();
        let (proof, leaf) = (receipt.tlog_proof.as_bytes(), &receipt.receipt.leaf.0);
        let proof = tlog_proof::verify_cosigned(proof, leaf, &info.origin, &log, &witnesses);
        assert_eq!(proof.unwrap().inclusion().index(), seq);
    }
}

#[test]
fn older_of_two_live_engines_is_fenced_and_reports_it() {
    let bench = Bench::new(3);
    let mut first = witnessed(&bench, genesis(&bench));
    start(&mut first, &bench);
    assert!(commit(&first, 0)["result"]["receipt"].is_object());
    // the same engine is started on a copy of its folder
    let mut second = witnessed(&bench, genesis(&bench));
    under(&mut second, &bench, &first.vault());
    copy(&first.store_folder(), &second.store_folder());
    start(&mut second, &bench);
    assert!(commit(&second, 0)["result"]["receipt"].is_object());
    let refused = commit(&first, 1);
    assert_eq!(refused["error"]["data"]["name"], "NOT_DURABLE", "{refused}");
    first.wait_phase("fault");
    let status = health(&first).unwrap();
    assert_eq!(status["fault"], "FENCED", "{status}");
    let closed = first.call("getStateRoot", Value::Null);
    assert_eq!(closed["error"]["data"]["name"], "FAULT", "{closed}");
    let ended = first.stop_engine().expect_err("it did not end in order");
    assert_eq!(ended.name(), "FENCED");
    assert!(!ended.is_worth_a_restart());
    assert!(commit(&second, 1)["result"]["receipt"].is_object(), "the newer engine serves");
    // its log is behind now, so a restart does not help
    first.launch_engine();
    first.wait_phase("fault");
    let fault = health(&first).unwrap()["fault"].clone();
    assert!(fault == "WITNESS_AHEAD" || fault == "WITNESS_FORK", "{fault}");
    assert!(first.stop_engine().is_err());
}
