//! The client survives the death of the host and the engine, and detects a rewound log.

use super::{block_on, new_lock, over_http, over_socket, run_mortise};
use mortise_client::{Client, ClientError, ContradictionKind, RetryPolicy, Signer};
use mortise_rpc::params::{CommitLock, SimulateLock};
use mortise_testkit::system::parties::Parties;
use mortise_testkit::system::processes::Processes;
use mortise_testkit::system::{Options, System};
use std::path::Path;
use std::time::Duration;

fn patient(client: Client) -> Client {
    client.with_retry(RetryPolicy {
        attempts_max: 200,
        wait_first: Duration::from_millis(5),
        wait_max: Duration::from_millis(50),
        ..RetryPolicy::default()
    })
}

/// Goal: a call in flight while either process is killed gets its answer, and the same request gets
/// the same answer again. Method: real processes; the client alone retries while they are killed.
#[test]
fn calls_survive_the_death_of_either_process() {
    let mut processes = Processes::start(env!("CARGO_BIN_EXE_mortise-dev-under-test"));
    let socket = processes.engine_socket();
    let parties = Parties::of(&socket);
    for round in 0..2 {
        let owner = parties.other_owner();
        let commits: Vec<CommitLock> = (0..30).map(|nonce| owner.commit(nonce, 5)).collect();
        let calls = std::thread::spawn({
            let (commits, client) = (commits.clone(), patient(over_socket(&socket)));
            move || {
                block_on(async {
                    let mut granted = Vec::new();
                    for commit in commits {
                        granted.push(client.commit_lock(commit).await.expect("it is granted"));
                    }
                    granted
                })
            }
        });
        if round == 0 {
            processes.kill_engine();
        } else {
            processes.kill_host();
            assert_eq!(processes.engine_ended().code(), Some(75));
            processes.start_host();
        }
        processes.start_engine();
        let granted = calls.join().expect("the calls end");
        let client = patient(over_socket(&socket));
        block_on(async {
            for (commit, granted) in commits.iter().zip(&granted) {
                let again = client.commit_lock(commit.clone()).await.expect("it is granted");
                assert_eq!(&again, granted);
            }
            let held = client.active_locks(owner.owner.address()).await.expect("it answers");
            assert_eq!(held.len(), commits.len(), "each once");
        });
    }
}

#[test]
fn client_with_a_short_timeout_reports_unreachable() {
    let system = System::stopped(Options::default());
    let client = over_socket(&system.engine_socket()).with_retry(RetryPolicy::once());
    let error = block_on(client.health()).expect_err("no server listens");
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    assert_eq!(error.exit().code(), 3);
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder is there") {
        let entry = entry.expect("an entry can be read");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("an entry has a type").is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("a file can be copied")),
        }
    }
}

/// Goal: a client that kept a newer statement detects a host that serves an old copy of the log,
/// and holds both statements as evidence.
#[test]
fn rewound_log_is_proven_by_two_contradicting_statements() {
    let mut system = System::start();
    let client = patient(over_socket(&system.engine_socket()));
    let (owner, solver, arbiter) = (Signer::random(), Signer::random(), Signer::random());
    let lock = new_lock(&owner, &solver, &arbiter, 10);
    block_on(client.commit(&owner, &lock)).expect("it is granted");
    system.stop_engine().expect("an engine that is asked to stop stops");
    system.stop_host();
    let old = system.folder().join("old");
    copy_folder(&system.store_folder(), &old);
    system.start_host();
    system.start_engine();
    for _ in 0..5 {
        block_on(client.commit(&owner, &lock)).expect("it is granted");
    }
    let kept = block_on(client.check_root()).expect("the log was not rewound yet");
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let url = format!("unix:{}", system.engine_socket().display());
    let anchors = folder.path().join("anchors.toml").display().to_string();
    let health = || run_mortise(&["health", "--url", &url, "--anchors", &anchors]);
    assert_eq!(run_mortise(&["root", "--url", &url, "--anchors", &anchors]).0, 0);
    assert_eq!(health().0, 0);
    let identity = block_on(client.identity()).expect("the engine is known");

    system.stop_engine().expect("an engine that is asked to stop stops");
    system.stop_host();
    std::fs::remove_dir_all(system.store_folder()).expect("the store can be removed");
    copy_folder(&old, &system.store_folder());
    system.start_host();
    system.start_engine();
    let error = block_on(client.check_root()).expect_err("the log was rewound");
    let ClientError::Contradiction(both) = error else { panic!("{error}") };
    assert!(
        matches!(both.kind, ContradictionKind::Rollback | ContradictionKind::Behind),
        "{:?}",
        both.kind
    );
    assert_eq!(both.kept, kept);
    assert!(both.shown.statement.history_size < kept.statement.history_size);
    // Another client with that statement detects it too; a client without it cannot.
    let informed = over_http(&system).pinned(identity).with_statement(kept).expect("it is signed");
    assert!(matches!(block_on(informed.check_root()), Err(ClientError::Contradiction(_))));
    assert!(block_on(over_http(&system).check_root()).is_ok());
    // FAULTS F12: so does each command that reads an anchors file.
    let (status, answer, text) = health();
    assert_eq!(status, 1, "{text}");
    assert!(answer["error"]["evidence"]["kept"].is_object(), "{answer}");
}

#[test]
fn another_engine_at_the_same_address_is_detected() {
    let mut options = Options::default();
    options.genesis.salt.0[0] ^= 1;
    let (first, second) = (System::start(), System::with(options));
    let known = block_on(over_http(&first).identity()).expect("it answers");
    let client = over_http(&second).pinned(known);
    let error = block_on(client.check_identity()).expect_err("it is another engine");
    assert!(matches!(error, ClientError::Identity { .. }), "{error}");
    let (owner, solver, arbiter) = (Signer::random(), Signer::random(), Signer::random());
    let lock = new_lock(&owner, &solver, &arbiter, 10);
    assert!(block_on(client.commit(&owner, &lock)).is_err(), "it is signed for the first engine");
    let asked = SimulateLock {
        owner: owner.address(),
        beneficiary: Some(solver.address()),
        arbiter: Some(arbiter.address()),
        legs: lock.legs.clone(),
        nonce: None,
        expiry: mortise_rpc::params::Expiry::In(600),
        condition: lock.condition.clone(),
    };
    let there = block_on(over_http(&first).simulate(asked.clone())).expect("it answers").lock_id;
    let here = block_on(over_http(&second).simulate(asked)).expect("it answers").lock_id;
    assert_ne!(there, here, "a lock's id names its engine");
}
