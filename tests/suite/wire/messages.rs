//! Numbered messages: pipelining, answers in any order, notifications, bounds.

use super::error_name;
use mortise_format::limits::REQUEST_BYTES_MAX;
use mortise_rpc::Method;
use mortise_testkit::system::System;
use mortise_testkit::system::parties::{Parties, call, plain_call};
use mortise_testkit::system::wire::{Framed, framed};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn each_pipelined_request_is_answered_once_under_its_number() {
    let system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let mut line = Framed::connect(&system.engine_socket());
    for nonce in 0..40 {
        let commit = parties.commit(nonce, 100);
        line.send(1000 + nonce, call(nonce, Method::CommitLock, &commit));
        line.send(2000 + nonce, plain_call(nonce, "getEnclaveId"));
    }
    let mut open: BTreeSet<u64> = (0..40).flat_map(|n| [1000 + n, 2000 + n]).collect();
    while !open.is_empty() {
        let (number, answer) = line.hear();
        assert!(open.remove(&number), "{number} is answered twice or was never asked");
        assert_eq!(answer["id"], number % 1000);
        assert!(answer["result"] != Value::Null, "{answer}");
    }
    line.half_close();
    assert_eq!(line.receive(), None);
}

#[test]
fn answer_does_not_wait_for_a_slower_earlier_one() {
    let system = System::behind_proxy();
    let parties = Parties::of(&system.engine_socket());
    system.proxy().hold_acks();
    let mut line = Framed::connect(&system.engine_socket());
    line.send(1, call(1, Method::CommitLock, &parties.commit(0, 100)));
    line.send(2, plain_call(2, "getEnclaveId"));
    assert_eq!(line.hear().0, 2);
    system.proxy().release();
    let (number, answer) = line.hear();
    assert_eq!((number, answer["result"]["status"].as_str()), (1, Some("ACTIVE")));
}

#[test]
fn numbers_belong_to_the_caller_and_may_repeat() {
    let system = System::start();
    let mut line = Framed::connect(&system.engine_socket());
    for number in [u64::MAX, 0, 7, 7] {
        line.send(number, plain_call(number % 10, "getEnclaveId"));
        assert_eq!(line.hear().0, number);
    }
}

#[test]
fn a_notification_is_answered_by_an_empty_message() {
    let system = System::start();
    let mut line = Framed::connect(&system.engine_socket());
    let note = json!({ "jsonrpc": "2.0", "method": "getEnclaveId" });
    line.send(5, note.to_string());
    assert_eq!(line.receive(), Some((5, Vec::new())));
    line.send(6, json!([note, note]).to_string());
    assert_eq!(line.receive(), Some((6, Vec::new())));
    let call = json!({ "jsonrpc": "2.0", "method": "getEnclaveId", "id": 1 });
    line.send(7, json!([note, call]).to_string());
    let (number, answer) = line.hear();
    assert_eq!((number, answer.as_array().map(Vec::len)), (7, Some(1)));
}

#[test]
fn message_split_at_any_byte_is_one_message() {
    let system = System::start();
    let mut line = Framed::connect(&system.engine_socket());
    let bytes = framed(3, &plain_call(1, "getEnclaveId"));
    for cut in 1..bytes.len() {
        line.say(&bytes[..cut]);
        line.say(&bytes[cut..]);
        assert_eq!(line.hear().0, 3, "cut at {cut}");
    }
}

#[test]
fn a_message_that_is_not_json_is_refused_and_the_next_one_served() {
    let system = System::start();
    let mut line = Framed::connect(&system.engine_socket());
    for payload in [&b""[..], b"{", b"GET / HTTP/1.1", b"\xff\xfe", b"{} {}"] {
        line.send(1, payload);
        let (_, answer) = line.hear();
        let name = error_name(&answer);
        assert!(["PARSE_ERROR", "INVALID_REQUEST"].contains(&name), "{payload:?}: {name}");
    }
    line.send(2, plain_call(1, "getEnclaveId"));
    assert!(line.hear().1["result"].is_string());
}

#[test]
fn message_over_the_limit_is_refused_from_its_header_and_the_connection_ends() {
    let system = System::start();
    let mut line = Framed::connect(&system.engine_socket());
    line.send(1, plain_call(1, "getEnclaveId"));
    assert_eq!(line.hear().0, 1);
    let length = u32::try_from(REQUEST_BYTES_MAX + 1).unwrap();
    line.say(&[&length.to_le_bytes()[..], &[9; 8], &[b' '; 4096]].concat());
    // The server did not accept its number, so the error has number 0.
    let (number, answer) = line.hear();
    assert_eq!((number, error_name(&answer)), (0, "INVALID_REQUEST"));
    line.half_close();
    assert_eq!(line.receive(), None);
    let mut line = Framed::connect(&system.engine_socket());
    line.send(1, vec![b' '; REQUEST_BYTES_MAX]);
    assert_eq!(
        error_name(&line.hear().1),
        "PARSE_ERROR",
        "a message of exactly the limit is accepted"
    );
}
