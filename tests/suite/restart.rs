//! Goal: after a graceful stop or a kill, the engine starts with the same identity, locks, root and
//! answers.

use mortise_format::nonce::parts_of;
use mortise_format::store::{StoreRequest, StoreResponse};
use mortise_rpc::Method;
use mortise_testkit::system::parties::{Parties, call};
use mortise_testkit::system::processes::Processes;
use mortise_testkit::system::proxy::Lie;
use mortise_testkit::system::wire::{Framed, JsonLine};
use mortise_testkit::system::{Options, System, eventually};
use serde_json::{Value, json};
use std::path::Path;

/// Sends one request on its own connection and returns the bytes of the answer.
fn ask(socket: &Path, request: &[u8]) -> Vec<u8> {
    let mut line = Framed::connect(socket);
    line.send(1, request);
    line.receive().expect("the engine answers").1
}

fn is_granted(answer: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    answer["result"]["receipt"].is_object()
}

/// Requests of every kind that is remembered, and their answers.
fn history(socket: &Path, parties: &Parties) -> Vec<(Vec<u8>, Vec<u8>)> {
    let commits: Vec<_> = (0..6).map(|nonce| parties.commit(nonce, 100)).collect();
    let lock = |at: usize| parties.lock_id(&commits[at].intent.terms);
    let mut requests: Vec<Vec<u8>> =
        commits.iter().map(|commit| call(1, Method::CommitLock, commit)).collect();
    requests.push(call(2, Method::ClaimLock, &parties.claim(lock(0), 0, 40)));
    requests.push(call(3, Method::ClaimLock, &parties.claim(lock(0), 1, 60)));
    requests.push(call(4, Method::ReleaseLock, &parties.release(lock(1))));
    let answered = requests.into_iter().map(|request| {
        let answer = ask(socket, &request);
        assert!(is_granted(&answer), "{}", String::from_utf8_lossy(&answer));
        (request, answer)
    });
    answered.collect()
}

fn same_answers(socket: &Path, history: &[(Vec<u8>, Vec<u8>)]) {
    for (request, answer) in history {
        let again = ask(socket, request);
        assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(answer));
    }
}

#[test]
fn stopped_engine_restarts_unchanged() {
    let mut system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let socket = system.engine_socket();
    let history = history(&socket, &parties);
    let identity = |system: &System| {
        let info = system.call("getEngineInfo", Value::Null)["result"].clone();
        ["engineId", "address", "publicKey", "genesisHash", "policyHash", "lockCount"]
            .map(|field| info[field].clone())
    };
    let locks = |system: &System| system.call("listLocks", Value::Null)["result"].clone();
    let (who, held, statement) = (identity(&system), locks(&system), system.statement());
    for epoch in 2..4 {
        system.stop_engine().expect("an engine that is asked to stop stops");
        system.stop_host();
        system.start_host();
        system.start_engine();
        assert_eq!(system.call("health", Value::Null)["result"]["epoch"], epoch);
        assert_eq!(identity(&system), who);
        assert_eq!(locks(&system), held);
        let seq = statement["statement"]["seq"].clone();
        let kept = system.call("getStateRoot", json!({ "signed": true, "atSeq": seq }));
        assert_eq!(kept["result"], statement);
        same_answers(&socket, &history);
    }
    // Nothing was decided since: the state equals the one before the first stop.
    let root = &system.statement()["statement"]["stateRoot"];
    assert_eq!(root, &statement["statement"]["stateRoot"]);
}

#[test]
fn restart_reads_the_snapshot_and_not_the_log() {
    let mut system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let history = history(&system.engine_socket(), &parties);
    let frames = |system: &System| {
        system.call("health", Value::Null)["result"]["seq"].as_u64().expect("it serves") + 1
    };
    assert!(frames(&system) >= 9);
    system.stop_engine().expect("an engine that is asked to stop stops");
    system.start_engine();
    let (_, followed) = system.progress().replayed;
    assert_eq!(followed, 0, "the last snapshot covers the whole log");
    same_answers(&system.engine_socket(), &history);
}

#[test]
fn graceful_stop_does_not_wait_for_a_snapshot_that_the_store_does_not_confirm() {
    let mut system = System::behind_proxy();
    let parties = Parties::of(&system.engine_socket());
    let history = history(&system.engine_socket(), &parties);
    let (sent, parts) = std::sync::mpsc::channel();
    system.proxy().lie(move |asked, _| match asked {
        StoreRequest::SnapshotPut { .. } => {
            let _ = sent.send(());
            Lie::Held
        }
        _ => Lie::Honest,
    });
    system.stop_engine().expect("an engine that is asked to stop stops");
    assert!(parts.try_recv().is_ok(), "it tried to store one");
    system.proxy().release();
    system.start_engine();
    same_answers(&system.engine_socket(), &history);
}

/// FAULTS E3. Goal: a store that does not answer an append keeps no engine from its graceful stop,
/// and the command that waited is not lost nor answered.
#[test]
fn graceful_stop_ends_although_the_store_does_not_answer() {
    let mut system = System::behind_proxy();
    let parties = Parties::of(&system.engine_socket());
    let history = history(&system.engine_socket(), &parties);
    let (sent, appends) = std::sync::mpsc::channel();
    system.proxy().lie(move |asked, _| match asked {
        StoreRequest::Append { .. } => {
            let _ = sent.send(());
            Lie::Held
        }
        _ => Lie::Honest,
    });
    let mut line = Framed::connect(&system.engine_socket());
    let commit = call(9, Method::CommitLock, &parties.commit(90, 100));
    line.send(9, &commit);
    eventually("an append", || appends.try_recv().ok());
    system.stop_engine().expect("an engine that is asked to stop stops");
    let answer = line.receive().map(|(_, answer)| answer).unwrap_or_default();
    assert!(!is_granted(&answer), "nothing signed leaves before it is durable");
    system.proxy().release();
    system.proxy().be_honest();
    system.start_engine();
    same_answers(&system.engine_socket(), &history);
    assert!(is_granted(&ask(&system.engine_socket(), &commit)));
}

/// Goal: a damaged frame that a reader meets is covered by a snapshot at once, so that the next
/// boot does not read it. Method: the proxy damages one frame in every answer to a read.
#[test]
fn damaged_frame_makes_the_engine_take_a_snapshot_that_the_next_boot_needs() {
    let mut system = System::behind_proxy();
    let parties = Parties::of(&system.engine_socket());
    let history = history(&system.engine_socket(), &parties);
    let (sent, whole) = std::sync::mpsc::channel();
    system.proxy().lie(move |asked, answer| match (asked, answer) {
        (StoreRequest::SnapshotPut { manifest: Some(_), .. }, _) => {
            let _ = sent.send(());
            Lie::Honest
        }
        (StoreRequest::Read { from_seq, .. }, StoreResponse::Frames { frames }) => {
            let mut frames = frames.clone();
            let at = 3_u64.checked_sub(*from_seq).and_then(|at| usize::try_from(at).ok());
            if let Some(byte) = at.and_then(|at| frames.get_mut(at)?.last_mut()) {
                *byte ^= 1;
            }
            Lie::Other(StoreResponse::Frames { frames })
        }
        _ => Lie::Honest,
    });
    let locks = system.call("listLocks", json!({}))["result"]["locks"].clone();
    let locks = locks.as_array().expect("a page").iter();
    let lock = locks.clone().find(|lock| lock["grantedAt"]["seq"] == 3).expect("it is granted");
    let failed = system.call("getReceipt", json!({ "lockId": lock["id"] }));
    assert_eq!(failed["error"]["data"]["name"], "READ_FAILED", "{failed}");
    eventually("a whole snapshot", || whole.try_recv().ok());
    // Without the snapshot this boot would end in a fault: the store still damages the frame.
    system.stop_engine().expect("an engine that is asked to stop stops");
    system.start_engine();
    assert!(system.progress().replayed.1 < 3, "{:?}", system.progress().replayed);
    system.proxy().be_honest();
    same_answers(&system.engine_socket(), &history);
}

#[test]
fn snapshots_bound_the_replay_after_a_crash() {
    let options = Options { snapshot_frames: 8, has_proxy: true, ..Options::default() };
    let mut system = System::with(options);
    let parties = Parties::of(&system.engine_socket());
    let mut line = Framed::connect(&system.engine_socket());
    for nonce in 0..60 {
        line.send(nonce, call(nonce, Method::CommitLock, &parties.commit(nonce, 100)));
        assert!(is_granted(&line.receive().expect("the engine answers").1));
    }
    // An append without an answer ends the engine without a last snapshot.
    let before = system.statement();
    system.proxy().lie(|asked, _| match asked {
        StoreRequest::Append { .. } => Lie::Raw(Vec::new()),
        _ => Lie::Honest,
    });
    line.send(60, call(60, Method::CommitLock, &parties.commit(60, 100)));
    assert!(!is_granted(&line.receive().expect("the engine answers").1));
    system.engine_ended();
    system.proxy().be_honest();
    system.start_engine();
    let (done, followed) = system.progress().replayed;
    assert_eq!(done, followed);
    assert!((1..40).contains(&followed), "{followed} of 62 frames were followed");
    let seq = before["statement"]["seq"].clone();
    let kept = system.call("getStateRoot", json!({ "signed": true, "atSeq": seq }));
    assert_eq!(kept["result"], before);
    assert_eq!(system.call("getEngineInfo", Value::Null)["result"]["lockCount"], 61);
}

/// Sends commits without reading the answers; returns the connection.
fn under_load(socket: &Path, parties: &Parties, nonces: std::ops::Range<u64>) -> Framed {
    let mut line = Framed::connect(socket);
    for nonce in nonces {
        line.send(nonce, call(nonce, Method::CommitLock, &parties.commit(nonce, 1)));
    }
    line
}

/// Reads answers until the connection ends or `enough` arrived; returns how many were granted.
fn granted(line: &mut Framed, most: usize) -> Vec<u64> {
    let mut granted = Vec::new();
    while granted.len() < most {
        match line.try_receive() {
            Ok(Some((number, answer))) if is_granted(&answer) => granted.push(number),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
    granted
}

fn nonces_held(socket: &Path, parties: &Parties) -> Vec<u64> {
    let mut line = JsonLine::try_connect(socket).expect("the engine listens");
    let owner = parties.owner.address();
    let (mut locks, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let mut page = line.call("listLocks", json!({ "owner": owner, "cursor": cursor }));
        locks.append(page["result"]["locks"].as_array_mut().expect("a list"));
        cursor = page["result"]["nextCursor"].take();
        if cursor.is_null() {
            break;
        }
    }
    let nonce =
        |lock: &Value| lock["nonce"].as_str().and_then(|n| n.parse().ok()).expect("a nonce");
    let number = |nonce: u64| u64::from(parts_of(nonce).1);
    locks.iter().map(nonce).map(number).collect()
}

/// Goal: a kill of either process under load loses nothing that was acknowledged, and requests
/// sent again get the same bytes. Method: the `mortise` command as real processes, SIGKILL after
/// some answers; the long run of this is `mortise-dev demo crash`.
#[test]
fn killed_processes_restart_with_everything_that_was_acknowledged() {
    let mut processes = Processes::start(env!("CARGO_BIN_EXE_mortise-dev-under-test"));
    let socket = processes.engine_socket();
    let parties = Parties::of(&socket);
    let history = history(&socket, &parties);
    for round in 0..4 {
        let owner = parties.other_owner();
        let mut line = under_load(&socket, &owner, 0..80);
        let mut acked = granted(&mut line, 10 + 10 * round);
        if round % 2 == 0 {
            processes.kill_engine();
        } else {
            processes.kill_host();
            let status = processes.engine_ended();
            assert_eq!(status.code(), Some(75), "without its store the engine asks for a restart");
            processes.start_host();
        }
        acked.extend(granted(&mut line, usize::MAX));
        processes.start_engine();
        let held = nonces_held(&socket, &owner);
        for nonce in &acked {
            assert!(held.contains(nonce), "round {round}: the lock of nonce {nonce} is lost");
        }
        same_answers(&socket, &history);
    }
    let mut line = JsonLine::try_connect(&socket).expect("the engine listens");
    assert_eq!(line.call("health", Value::Null)["result"]["epoch"], 5);
}

#[test]
fn idle_engine_stops_when_it_loses_its_store() {
    let mut system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let first = call(1, Method::CommitLock, &parties.commit(0, 100));
    let answer = ask(&system.engine_socket(), &first);
    system.stop_host();
    // The engine detects it without any request.
    let ended = system.engine_ended();
    assert!(ended.is_worth_a_restart(), "{ended}");
    system.start_host();
    system.start_engine();
    assert_eq!(ask(&system.engine_socket(), &first), answer);
}
