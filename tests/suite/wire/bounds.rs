//! Answers before the engine serves, and under overload.

use super::error_name;
use mortise_engine::phase::Bounds;
use mortise_format::store::StoreRequest;
use mortise_rpc::Method;
use mortise_testkit::system::parties::{Parties, call, plain_call};
use mortise_testkit::system::processes::Processes;
use mortise_testkit::system::proxy::Lie;
use mortise_testkit::system::wire::{Framed, JsonLine, http};
use mortise_testkit::system::{Options, System};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;

fn hold_reads(asked: &StoreRequest, _: &mortise_format::store::StoreResponse) -> Lie {
    match asked {
        StoreRequest::Read { .. } => Lie::Held,
        _ => Lie::Honest,
    }
}

#[test]
fn engine_answers_health_and_refuses_other_methods_during_the_replay() {
    let mut system = System::behind_proxy();
    let parties = Parties::of(&system.engine_socket());
    let commit = call(1, Method::CommitLock, &parties.commit(0, 100));
    let mut line = Framed::connect(&system.engine_socket());
    line.send(1, &commit);
    let first = line.receive().unwrap().1;
    let before = system.statement();
    // A second boot of the same log without its snapshot, which reads the whole log.
    system.stop_engine().unwrap();
    system.proxy().lie(|asked, answer| match asked {
        StoreRequest::Snapshots => {
            Lie::Other(mortise_format::store::StoreResponse::Snapshots(Vec::new()))
        }
        _ => hold_reads(asked, answer),
    });
    system.launch_engine();
    system.wait_phase("replaying");
    let health = system.call("health", Value::Null);
    assert_eq!(health["result"]["status"], "replaying");
    let not_ready = |answer: &Value| {
        assert_eq!(error_name(answer), "NOT_READY", "{answer}");
        assert_eq!(answer["error"]["data"]["phase"], "replaying");
        assert_eq!(answer["error"]["data"]["retryable"], true);
    };
    for method in ["getEngineInfo", "getEnclaveId", "getStateRoot", "getPolicy", "getLock"] {
        let params = match method {
            "getLock" => json!({ "lockId": format!("0x{}", "11".repeat(32)) }),
            _ => json!({}),
        };
        not_ready(&system.call(method, params));
    }
    let mut line = Framed::connect(&system.engine_socket());
    line.send(1, &commit);
    not_ready(&line.hear().1);
    system.proxy().release();
    system.wait_phase("ready");
    // The reject was temporary: the same bytes now get the first answer again.
    line.send(2, &commit);
    assert_eq!(line.receive().unwrap().1, first);
    let answer =
        system.call("getStateRoot", json!({ "signed": true, "atSeq": before_seq(&before) }));
    assert_eq!(answer["result"], before);
}

fn before_seq(statement: &Value) -> Value {
    statement["statement"]["seq"].clone()
}

#[test]
fn engine_over_its_bound_answers_overloaded_and_loses_no_accepted_request() {
    // One connection has half of them.
    let bounds = Bounds { in_flight: 4, per_connection: 64 };
    let options = Options { bounds, has_proxy: true, ..Options::default() };
    let system = System::with(options);
    let parties = Parties::of(&system.engine_socket());
    system.proxy().hold_acks();
    let commits: Vec<Vec<u8>> =
        (0..6).map(|nonce| call(nonce, Method::CommitLock, &parties.commit(nonce, 100))).collect();
    let mut line = Framed::connect(&system.engine_socket());
    for (number, commit) in (0..).zip(&commits) {
        line.send(number, commit);
    }
    let mut refused = Vec::new();
    while refused.len() < 4 {
        let (number, answer) = line.hear();
        assert_eq!(error_name(&answer), "OVERLOADED", "{answer}");
        assert!(answer["error"]["data"]["retryAfterMs"].as_u64() > Some(0));
        refused.push(number);
    }
    system.proxy().release();
    for _ in 0..2 {
        assert_eq!(line.hear().1["result"]["status"], "ACTIVE");
    }
    // OVERLOADED is not remembered: the same bytes are accepted once there is room.
    for number in refused {
        line.send(number, &commits[usize::try_from(number).unwrap()]);
        assert_eq!(line.hear().1["result"]["status"], "ACTIVE");
    }
}

#[test]
fn connection_over_its_share_is_paused_and_loses_nothing() {
    let bounds = Bounds { in_flight: 1000, per_connection: 2 };
    let system = System::with(Options { bounds, ..Options::default() });
    let mut line = Framed::connect(&system.engine_socket());
    for number in 0..200 {
        line.send(number, plain_call(number, "getStateRoot"));
    }
    let mut numbers: Vec<u64> = (0..200).map(|_| line.hear().0).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..200).collect::<Vec<u64>>());
}

/// Connections that this process may open: other tests need descriptors too.
fn descriptors() -> usize {
    let limits =
        std::fs::read_to_string("/proc/self/limits").expect("Linux lists the limits of a process");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX)
}

/// Goal: ten thousand connections that start a request and stop do not block other requests.
/// Method: real processes, so that each side has its own descriptors; as many connections as this
/// process may open.
#[test]
fn ten_thousand_half_open_connections_do_not_block_a_request() {
    let wanted = 10_000.min(descriptors().saturating_sub(600));
    let processes = Processes::start(env!("CARGO_BIN_EXE_mortise-dev-under-test"));
    let socket = processes.engine_socket();
    let open = |_| {
        let mut stream = UnixStream::connect(&socket).ok()?;
        stream.write_all(b"{").ok()?;
        Some(stream)
    };
    let half_open: Vec<UnixStream> = (0..wanted).map_while(open).collect();
    println!("{} half-open connections to the engine", half_open.len());
    assert!(half_open.len() == wanted, "{} of {wanted}", half_open.len());
    let parties = Parties::of(&socket);
    let mut line = JsonLine::try_connect(&socket).unwrap();
    line.say(call(1, Method::CommitLock, &parties.commit(0, 100)));
    assert_eq!(line.hear()["result"]["status"], "ACTIVE");
    drop(half_open);

    let gateway: SocketAddr = processes.http().trim_start_matches("http://").parse().unwrap();
    let mut half_open = Vec::new();
    for n in 0..wanted {
        let mut stream = TcpStream::connect(gateway).expect("the gateway listens");
        // The gateway may have closed it for a newer connection.
        let _ = stream.write_all(b"POST / HTTP/1.1\r\n");
        half_open.push(stream);
        if n % 100 == 99 {
            let answer = http(gateway, "POST", "/", &plain_call(1, "health"));
            assert_eq!(answer.json()["result"]["phase"], "ready", "beside {n} others");
        }
    }
    println!("{} half-open connections to the gateway", half_open.len());
}
