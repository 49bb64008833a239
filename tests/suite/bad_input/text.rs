//! Texts that are not JSON, not calls, or calls with wrong parameters.

use super::refusal;
use mortise_format::limits::{DRAFTS_MAX, EXECUTION_DATA_BYTES_MAX, JSON_DEPTH_MAX};
use mortise_testkit::system::System;
use mortise_testkit::system::parties::{Parties, plain_call};
use mortise_testkit::system::wire::Framed;
use serde_json::{Value, json};

const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

/// Valid parameters of a draft.
fn draft() -> Value {
    json!({
        "owner": ADDRESS,
        "asset": { "chainId": 1, "assetType": "native" },
        "amount": "1000",
        "expiresIn": 600,
        "fulfillmentCondition": {
            "targetChainId": 10,
            "targetAsset": { "chainId": 10, "assetType": "native" },
            "targetAmount": "990",
            "recipient": ADDRESS,
        },
    })
}

/// Terms of a draft, of which no lock id is known.
fn terms() -> Value {
    let mut terms = draft();
    let fields = terms.as_object_mut().unwrap();
    let mut asset = fields.remove("asset").unwrap();
    asset["amount"] = fields.remove("amount").unwrap();
    fields.remove("expiresIn");
    fields.insert("assets".into(), json!([asset]));
    fields.insert("nonce".into(), json!("0"));
    fields.insert("expires".into(), json!(1_800_000_000u64));
    terms
}

/// The valid parameters with the value at `path` replaced.
fn with(path: &str, value: Value) -> Value {
    let mut params = draft();
    let mut at = &mut params;
    for name in path.split('.') {
        at = &mut at[name];
    }
    *at = value;
    params
}

#[test]
fn text_that_is_not_json_or_not_a_call_is_refused() {
    let system = System::start();
    let before = system.statement();
    let mut line = Framed::connect(&system.engine_socket());
    let deep = JSON_DEPTH_MAX + 1;
    let deep = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    for (text, name) in [
        ("{", "PARSE_ERROR"),
        ("{]", "PARSE_ERROR"),
        ("{\"jsonrpc\":\"2.0\",}", "PARSE_ERROR"),
        ("{\"jsonrpc\":'2.0'}", "PARSE_ERROR"),
        ("{\"a\":1,\"a\":2}", "PARSE_ERROR"),
        ("{\"a\":01}", "PARSE_ERROR"),
        ("{\"a\":NaN}", "PARSE_ERROR"),
        ("{} {}", "PARSE_ERROR"),
        (&deep, "PARSE_ERROR"),
        ("[]", "INVALID_REQUEST"),
        ("{}", "INVALID_REQUEST"),
        ("7", "INVALID_REQUEST"),
        (r#"{"id":1,"method":"health"}"#, "INVALID_REQUEST"),
        (r#"{"jsonrpc":"1.0","id":1,"method":"health"}"#, "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":1}"#, "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":{},"method":"health"}"#, "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"health","params":7}"#, "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"health","extra":7}"#, "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"health","params":[7]}"#, "INVALID_PARAMS"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"Health"}"#, "METHOD_NOT_FOUND"),
        (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, "METHOD_NOT_FOUND"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"health","params":{"x":1}}"#, "UNKNOWN_FIELD"),
    ] {
        line.send(1, text);
        let (_, answer) = line.hear();
        assert_eq!(refusal(&answer).0, name, "{text}");
    }
    line.send(2, b"\xff\xfe{}");
    assert_eq!(refusal(&line.hear().1).0, "PARSE_ERROR");
    assert_eq!(system.statement(), before);
}

/// Goal: on a JSON stream, an object without `jsonrpc` is a request in the application's plain
/// form, so its error has that form and is not -32600. An object with `jsonrpc`, or in a batch, is
/// a call. Frames, above, carry JSON-RPC alone: the gateway sends its requests in them.
#[test]
fn objects_without_jsonrpc_on_a_stream_are_refused_in_the_plain_form() {
    let system = System::start();
    let before = system.statement();
    for (text, name, field) in [
        ("{}", "INVALID_PARAMS", "message"),
        (r#"{"id":1}"#, "UNKNOWN_FIELD", "id"),
        (r#"{"id":1,"method":"health"}"#, "UNKNOWN_FIELD", "id"),
        (r#"{"method":"health","message":""}"#, "UNKNOWN_FIELD", "method"),
        (r#"{"JSONRPC":"2.0","message":""}"#, "UNKNOWN_FIELD", "JSONRPC"),
        (r#"{"message":7}"#, "INVALID_PARAMS", "message"),
    ] {
        let mut line = system.line();
        line.say(text);
        let answer = line.hear();
        assert_eq!((&answer["status"], answer.get("jsonrpc")), (&json!("error"), None), "{text}");
        let data = &answer["error"]["data"];
        assert_eq!((&data["name"], &data["field"]), (&json!(name), &json!(field)), "{text}");
        line.half_close();
        assert!(line.is_over(), "{text}: one answer and the end");
    }
    let mut line = system.line();
    for text in ["[]", r#"{"jsonrpc":"1.0","id":1,"method":"health"}"#, r#"{"jsonrpc":null}"#] {
        line.say(text);
        assert_eq!(refusal(&line.hear()).0, "INVALID_REQUEST", "{text}");
    }
    line.say(r#"[{},{"message":""}]"#);
    let answers = line.hear();
    assert_eq!(answers.as_array().map(Vec::len), Some(2));
    for answer in answers.as_array().unwrap() {
        assert_eq!(answer["error"]["code"], -32600, "{answers}");
    }
    assert_eq!(system.statement(), before);
}

/// Goal: the answer tells a caller who forgot `jsonrpc`.
#[test]
fn answer_to_a_call_without_jsonrpc_names_the_form_it_was_parsed_as() {
    let system = System::start();
    let mut line = system.line();
    line.say(r#"{"id":1,"method":"health"}"#);
    let message = line.hear()["error"]["message"].clone();
    assert!(message.as_str().unwrap().contains("without jsonrpc"), "{message}");
}

#[test]
fn wrong_parameter_is_reported_by_its_path() {
    let system = System::start();
    let before = system.statement();
    let mut line = system.line();
    assert!(line.call("createLock", draft())["result"].is_object());
    let too_much = format!("0x1{}", "0".repeat(64));
    let data = format!("0x{}", "00".repeat(EXECUTION_DATA_BYTES_MAX + 1));
    let bad = "INVALID_PARAMS";
    for (path, value, name) in [
        ("owner", Value::Null, bad),
        ("owner", json!(7), bad),
        ("owner", json!("0xf39F"), bad),
        ("owner", json!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), bad),
        ("owner", json!("0xg39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), bad),
        ("amount", json!("-1"), bad),
        ("amount", json!(-1), bad),
        ("amount", json!(1.5), bad),
        ("amount", json!("1e3"), bad),
        ("amount", json!(""), bad),
        ("amount", json!("0x"), bad),
        ("amount", json!(true), bad),
        ("amount", json!(too_much), bad),
        (
            "amount",
            json!("115792089237316195423570985008687907853269984665640564039457584007913129639936"),
            bad,
        ),
        ("expiresIn", json!("soon"), bad),
        ("expiresIn", json!(-5), bad),
        ("expiresIn", json!(1.5), bad),
        ("asset", json!([]), bad),
        ("asset.chainId", json!("one"), bad),
        ("asset.assetType", json!("gold"), bad),
        ("asset.contractAddress", json!(ADDRESS), bad),
        ("asset.tokenId", json!("1"), bad),
        ("asset.weight", json!(1), "UNKNOWN_FIELD"),
        ("colour", json!("red"), "UNKNOWN_FIELD"),
        ("fulfillmentCondition", json!("all"), bad),
        ("fulfillmentCondition.recipient", Value::Null, bad),
        ("fulfillmentCondition.executionData", json!("0xzz"), bad),
        ("fulfillmentCondition.executionData", json!("0x123"), bad),
        ("fulfillmentCondition.executionData", json!(data), bad),
        ("fulfillmentCondition.targetAsset.assetType", json!("erc721"), bad),
        ("fulfillmentCondition.hurry", json!(true), "UNKNOWN_FIELD"),
        ("requestId", json!("0x11"), bad),
    ] {
        let answer = line.call("createLock", with(path, value.clone()));
        let (found, field) = refusal(&answer);
        assert_eq!(found, name, "{path} {value}");
        // For a token without its contract, the path is that of the missing field.
        assert!(path == field || field.starts_with(&path[..path.len() - 9]), "{path}: {field}");
    }
    assert_eq!(system.statement(), before);
}

#[test]
fn well_formed_values_out_of_bounds_are_refused() {
    let system = System::start();
    let before = system.statement();
    let mut line = system.line();
    let most = format!("0x{}", "f".repeat(64));
    for (path, value, name) in [
        ("amount", json!("0"), "VALIDATION"),
        ("amount", json!(most), "LIMIT"),
        ("expiresIn", json!(1), "EXPIRY_WINDOW"),
        ("expiresIn", json!(u64::MAX), "VALIDATION"),
        ("expiresIn", json!(999_999), "EXPIRY_WINDOW"),
        ("asset.chainId", json!(56), "UNSUPPORTED_CHAIN"),
        ("fulfillmentCondition.targetChainId", json!(56), "VALIDATION"),
        ("sessionKey", json!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"), "VALIDATION"),
        ("owner", json!(format!("0x{}", "0".repeat(40))), "VALIDATION"),
    ] {
        let answer = line.call("createLock", with(path, value.clone()));
        assert_eq!(refusal(&answer).0, name, "{path} {value}: {answer}");
    }
    let lock_id = format!("0x{}", "77".repeat(32));
    let signature = format!("0x{}1b", "11".repeat(64));
    for (method, params, name) in [
        ("signLock", json!({ "lockId": lock_id, "signature": signature }), "LOCK_NOT_FOUND"),
        (
            "signLock",
            json!({ "lockId": lock_id, "signature": signature, "terms": terms() }),
            "INVALID_PARAMS",
        ),
        (
            "signLock",
            json!({ "lockId": lock_id, "signature": signature, "terms": 7 }),
            "INVALID_PARAMS",
        ),
        ("getLock", json!({ "lockId": "0x77" }), "INVALID_PARAMS"),
        ("listLocks", json!({ "limit": 0 }), "INVALID_PARAMS"),
        ("listLocks", json!({ "limit": 100_000 }), "INVALID_PARAMS"),
        ("listLocks", json!({ "status": "SOLD" }), "INVALID_PARAMS"),
        ("listLocks", json!({ "cursor": lock_id }), "INVALID_PARAMS"),
        ("listLocks", json!({ "beneficiary": format!("0x{}", "0".repeat(40)) }), "INVALID_PARAMS"),
        ("listLocks", json!({ "arbiter": "0x12" }), "INVALID_PARAMS"),
        ("listLocks", json!({ "open": false }), "INVALID_PARAMS"),
        ("getStateRoot", json!({ "atSeq": 10_000 }), "INVALID_PARAMS"),
        ("getProof", json!({}), "INVALID_PARAMS"),
        ("getProof", json!({ "lockId": lock_id, "seq": "last" }), "INVALID_PARAMS"),
        ("getProof", json!({ "lockId": lock_id, "seq": 10_000 }), "ROOT_NOT_KEPT"),
        ("getReceipt", json!({}), "INVALID_PARAMS"),
        ("getReceipt", json!({ "seq": 0, "index": 0, "lockId": lock_id }), "INVALID_PARAMS"),
        ("getReceipt", json!({ "seq": 10_000, "index": 0 }), "UNAUTHORIZED"),
        ("getReceipt", json!({ "seq": 0, "index": 0 }), "UNAUTHORIZED"),
        ("getReceipt", json!({ "seq": 0, "index": 0, "read": {} }), "INVALID_PARAMS"),
        ("getReceipt", json!({ "seq": 0, "index": 0, "reader": lock_id }), "READING_NOT_GRANTED"),
        ("getReceipt", json!({ "lockId": lock_id }), "LOCK_NOT_FOUND"),
        ("getCheckpoint", json!({ "size": 1 }), "UNKNOWN_FIELD"),
        ("getConsistencyProof", json!({ "from": -1 }), "INVALID_PARAMS"),
        ("getConsistencyProof", json!({ "from": 0 }), "NOT_IN_LOG"),
        ("getConsistencyProof", json!({ "from": 1, "to": u64::MAX }), "NOT_IN_LOG"),
        ("commitBatch", json!({ "locks": [] }), "INVALID_PARAMS"),
    ] {
        let answer = line.call(method, params.clone());
        assert_eq!(refusal(&answer).0, name, "{method} {params}: {answer}");
    }
    assert_eq!(line.call("getLock", json!({ "lockId": lock_id }))["result"], Value::Null);
    assert_eq!(system.statement(), before);
}

#[test]
fn flood_of_drafts_changes_nothing_and_blocks_no_other_owner() {
    let system = System::start();
    let before = system.statement();
    let mut line = Framed::connect(&system.engine_socket());
    let ask = |line: &mut Framed, n: usize| {
        let owner = format!("0x{:040x}", n / 20 + 1);
        let call = json!({ "jsonrpc": "2.0", "id": n, "method": "createLock",
                           "params": with("owner", json!(owner)) });
        line.send(0, call.to_string());
    };
    let flood = DRAFTS_MAX + DRAFTS_MAX / 4;
    for n in 0..flood {
        ask(&mut line, n);
        if n >= 200 {
            assert!(line.hear().1["result"].is_object());
        }
    }
    for _ in 0..200 {
        assert!(line.hear().1["result"].is_object());
    }
    // Drafts hold nothing and are not logged, and another owner still gets one.
    assert_eq!(system.statement(), before);
    let parties = Parties::of(&system.engine_socket());
    let owner = json!(parties.owner.address());
    let made = system.call("createLock", with("owner", owner));
    let lock_id = made["result"]["lock"]["id"].clone();
    let found = system.call("getLock", json!({ "lockId": lock_id }));
    assert_eq!(found["result"]["status"], "PENDING");
    line.send(9, plain_call(9, "health"));
    assert_eq!(line.hear().1["result"]["phase"], "ready");
}
