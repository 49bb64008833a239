//! JSON values on a stream: split anywhere, back to back, batches, notifications, other protocols.

use super::error_name;
use mortise_format::limits::{REQUEST_BYTES_MAX, RPC_BATCH_MAX};
use mortise_testkit::system::System;
use mortise_testkit::system::parties::plain_call;
use serde_json::{Value, json};

#[test]
fn values_back_to_back_are_answered_in_order() {
    let system = System::start();
    let mut line = system.line();
    let calls: Vec<Vec<u8>> = (1..=3).map(|id| plain_call(id, "getEnclaveId")).collect();
    line.say(calls.concat());
    for id in 1..=3 {
        assert_eq!(line.hear()["id"], id);
    }
    line.say(calls.join(&b" \r\n\t"[..]));
    for id in 1..=3 {
        assert_eq!(line.hear()["id"], id);
    }
    // No newline or half-close was needed, and the connection still serves.
    assert!(line.call("health", Value::Null)["result"].is_object());
}

#[test]
fn value_split_at_any_byte_is_one_value() {
    let system = System::start();
    let text = br#"{"jsonrpc":"2.0","id":"}{\"\\","method":"getEnclaveId","params":{}}"#;
    let mut line = system.line();
    for cut in 1..text.len() {
        line.say(&text[..cut]);
        line.say(&text[cut..]);
        assert_eq!(line.hear()["id"], "}{\"\\", "cut at {cut}");
    }
    for byte in text {
        line.say([*byte]);
    }
    assert_eq!(line.hear()["id"], "}{\"\\");
    line.half_close();
    assert!(line.is_over());
}

#[test]
fn a_half_closed_connection_is_answered_and_closed() {
    let system = System::start();
    let mut line = system.line();
    line.say([plain_call(1, "getEnclaveId"), plain_call(2, "getEnclaveId")].concat());
    line.half_close();
    assert_eq!((line.hear()["id"].clone(), line.hear()["id"].clone()), (json!(1), json!(2)));
    assert!(line.is_over());
    let mut line = system.line();
    line.say(br#"{"jsonrpc":"2.0","id":1,"#);
    line.half_close();
    assert_eq!(error_name(&line.hear()), "PARSE_ERROR");
    assert!(line.is_over());
}

#[test]
fn batches_are_answered_as_one_and_notifications_are_not_answered() {
    let system = System::start();
    let mut line = system.line();
    let note = json!({ "jsonrpc": "2.0", "method": "getEnclaveId" });
    let call = |id: Value| json!({ "jsonrpc": "2.0", "method": "getEnclaveId", "id": id });
    let batch = json!([call(json!(1)), note, call(json!("two")), 3, call(Value::Null)]);
    line.say(batch.to_string());
    let answer = line.hear();
    let answers = answer.as_array().unwrap();
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!("two"), &Value::Null, &Value::Null]);
    assert_eq!(error_name(&answers[2]), "INVALID_REQUEST");
    assert!(answers[3]["result"].is_string(), "an id of null is an id");
    // Notifications, alone or in a batch, get no answer: the next answer belongs to the next call.
    line.say(note.to_string());
    line.say(json!([note, note]).to_string());
    line.say(plain_call(9, "getEnclaveId"));
    assert_eq!(line.hear()["id"], 9);
}

#[test]
fn batches_without_calls_or_with_too_many_are_one_error() {
    let system = System::start();
    let mut line = system.line();
    let call = json!({ "jsonrpc": "2.0", "method": "getEnclaveId", "id": 1 });
    for batch in [json!([]), Value::Array(vec![call.clone(); RPC_BATCH_MAX + 1])] {
        line.say(batch.to_string());
        let answer = line.hear();
        assert_eq!((error_name(&answer), &answer["id"]), ("INVALID_REQUEST", &Value::Null));
    }
    line.say(Value::Array(vec![call; RPC_BATCH_MAX]).to_string());
    assert_eq!(line.hear().as_array().map(Vec::len), Some(RPC_BATCH_MAX));
}

#[test]
fn http_on_the_request_port_gets_a_hint_to_the_gateway() {
    let system = System::start();
    for verb in ["GET /", "POST / HTTP/1.1\r\n\r\n{}", "OPTIONS *", "HEAD /", "PUT /", "DELETE /"] {
        let mut line = system.line();
        // Byte by byte: the first bytes alone do not identify HTTP.
        for byte in verb.bytes().take(4) {
            line.say([byte]);
        }
        let answer = line.hear();
        assert_eq!(error_name(&answer), "INVALID_REQUEST", "{verb}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("gateway"), "{verb}: {message}");
        line.half_close();
        assert!(line.is_over());
    }
}

#[test]
fn bytes_of_no_known_protocol_get_one_error_and_the_connection_closes() {
    let system = System::start();
    for bytes in [&b"\x16\x03\x01\x02"[..], b"MRTX....", b"\"text\"", b"17", b"]"] {
        let mut line = system.line();
        line.say(bytes);
        assert_eq!(error_name(&line.hear()), "PARSE_ERROR", "{bytes:?}");
        line.half_close();
        assert!(line.is_over());
    }
}

#[test]
fn value_over_the_limit_gets_an_error_and_the_connection_closes() {
    let system = System::start();
    let mut line = system.line();
    line.say(br#"{"jsonrpc":"2.0","id":1,"method":"health","params":{"x":""#);
    line.say(vec![b'a'; REQUEST_BYTES_MAX]);
    let answer = line.hear();
    assert_eq!((error_name(&answer), &answer["id"]), ("INVALID_REQUEST", &Value::Null));
    line.half_close();
    assert!(line.is_over());
}
