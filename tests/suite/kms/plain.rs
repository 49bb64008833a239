//! The plain form: one connection carries one request, a half-close and one answer.

use super::rig::Rig;
use mortise_client::Signer;
use mortise_engine::app::AppConfig;
use mortise_sim::kms::{ADMIN, ENCLAVE};
use mortise_testkit::system::System;
use mortise_testkit::system::wire::http;
use serde_json::{Value, json};

const TEXT: &str = "Hello, \u{4f60}\u{597d}, \u{c548}\u{b155}";

/// Sends one request on its own connection, which closes after the answer.
fn ask(system: &System, request: &Value) -> Value {
    let mut line = system.line();
    line.say(request.to_string());
    line.half_close();
    let answer = line.hear();
    assert!(line.is_over(), "one answer and the end");
    answer
}

#[test]
fn message_with_credentials_is_encrypted_and_decrypted_as_documented() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let credentials = rig.kms.credentials(ENCLAVE).expect("the service has made them");
    // No operation: the request as the document writes it.
    let parts = ask(&system, &json!({"message": TEXT, "credentials": credentials}));
    assert_eq!(parts["status"], "ok", "{parts}");
    let mut request = json!({"operation": "decrypt", "encrypted": parts["encrypted"],
        "signature": parts["signature"], "ciphertext_blob": parts["ciphertext_blob"],
        "credentials": credentials});
    let answer = ask(&system, &request);
    let wanted = json!({"status": "ok", "operation": "decrypt", "decrypted": TEXT,
        "message": TEXT, "signature_valid": true});
    assert_eq!(answer, wanted);
    let mac = parts["signature"].as_str().expect("a text");
    let other = if mac.starts_with('A') { "B" } else { "A" };
    request["signature"] = json!(format!("{other}{}", &mac[1..]));
    let answer = ask(&system, &request);
    assert_eq!(answer["signature_valid"], false);
    assert_eq!(answer["error"]["data"]["name"], "MESSAGE_SIGNATURE");
}

/// Goal: both commands of the documents' public client (`kms-client.py`) do their work. Method: its
/// logic: the keys that it sends, a half-close, a read to the end, the keys that it reads.
#[test]
fn commands_of_the_documents_client_work() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let given = rig.kms.credentials(ENCLAVE).expect("the service has made them");
    let token = given.token.clone().unwrap_or_default();
    let credentials = json!({"access_key_id": given.access_key_id,
        "secret_access_key": given.secret_access_key, "session_token": token});
    let succeeds = |request: &Value| {
        let answer = ask(&system, request);
        assert!(answer.get("error").is_none(), "{answer}");
        answer
    };
    let encrypt = json!({"operation": "encrypt", "message": TEXT, "credentials": credentials});
    let answer = succeeds(&encrypt);
    assert_eq!((&answer["operation"], &answer["plaintext"]), (&json!("encrypt"), &json!(TEXT)));
    let part = |name: &str| answer[name].as_str().expect("a text").to_owned();
    let mut decrypt = json!({"operation": "decrypt", "encrypted": part("encrypted"),
        "signature": part("signature"), "ciphertext_blob": part("ciphertext_blob"),
        "credentials": credentials});
    let answer = succeeds(&decrypt);
    assert_eq!((&answer["operation"], &answer["decrypted"]), (&json!("decrypt"), &json!(TEXT)));
    assert_eq!(answer["signature_valid"], true);
    // What it prints on a failure is whatever `error` holds.
    decrypt["ciphertext_blob"] = json!("AAAA");
    assert!(!ask(&system, &decrypt)["error"].is_null());
}

/// Goal: credentials of a request are used for that request alone.
#[test]
fn credentials_are_used_for_their_request_alone() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let strangers = rig.kms.credentials(ADMIN).expect("the service has made them");
    let answer = ask(&system, &json!({"message": TEXT, "credentials": strangers}));
    assert_eq!(answer["error"]["data"]["name"], "KMS_DENIED", "{answer}");
    assert_eq!(ask(&system, &json!({"message": TEXT}))["status"], "ok");
    let trail = rig.trail();
    let callers = trail.iter().rev().take(2).map(|line| &line["userIdentity"]["arn"]);
    let callers: Vec<_> = callers.collect();
    assert_ne!(callers[0], callers[1]);
    let wrong = json!({"AccessKeyId": "not an id", "SecretAccessKey": "s"});
    let answer = ask(&system, &json!({"message": TEXT, "credentials": wrong}));
    assert_eq!(answer["status"], "error");
    assert!(answer["error"]["message"].as_str().expect("a text").contains("AccessKeyId"));
    assert!(!answer.to_string().contains("not an id"));
}

#[test]
fn key_and_random_bytes_have_the_format_of_the_tool_and_no_key_is_in_clear() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let key = ask(&system, &json!({"operation": "genkey"}));
    assert_eq!((&key["status"], &key["plaintext"]), (&json!("ok"), &Value::Null));
    let blob = &key["ciphertext_blob"];
    let bare = ask(&system, &json!({"operation": "decrypt", "ciphertext_blob": blob}));
    assert_eq!(bare["error"]["data"]["name"], "PLAINTEXT_WITHHELD");
    let random = ask(&system, &json!({"operation": "generate-random", "number_of_bytes": 3}));
    assert_eq!(random["random"].as_str().map(str::len), Some(4));
    drop(system);
    let system = rig.system(AppConfig { release_plaintext: true });
    let bare = ask(&system, &json!({"operation": "decrypt", "ciphertext_blob": blob}));
    assert_eq!(bare["plaintext"].as_str().map(str::len), Some(44), "{bare}");
}

/// Goal: neither form decrypts texts of the other, and the gateway does not serve the plain form.
#[test]
fn plain_form_reaches_no_text_of_an_owner_and_is_not_behind_the_gateway() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let owner = Signer::random().address();
    let answer = system.call("kmsEncrypt", json!({"text": TEXT, "owner": owner}));
    let parts = &answer["result"];
    let request = json!({"operation": "decrypt", "encrypted": parts["encrypted"],
        "signature": parts["signature"], "ciphertext_blob": parts["ciphertextBlob"]});
    let answer = ask(&system, &request);
    assert_eq!(answer["error"]["data"]["name"], "KMS_REFUSED", "{answer}");
    let answer = http(system.http(), "POST", "/", json!({"message": TEXT}).to_string().as_bytes());
    // The gateway accepts JSON-RPC alone: it parses this as a call without `jsonrpc`.
    assert_eq!(answer.json()["error"]["code"], -32600);
}

/// Goal: an object without `jsonrpc` anywhere on a stream has this form, and is the last request.
#[test]
fn request_after_calls_on_one_connection_is_served_and_ends_it() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let mut line = system.line();
    assert_eq!(line.call("health", Value::Null)["result"]["phase"], "ready");
    line.say(json!({"message": TEXT}).to_string());
    line.say(json!({"jsonrpc": "2.0", "id": 1, "method": "health"}).to_string());
    let answer = line.hear();
    assert_eq!((&answer["status"], &answer["jsonrpc"]), (&json!("ok"), &Value::Null), "{answer}");
    line.half_close();
    assert!(line.is_over(), "nothing after such a request is answered");
}

#[test]
fn wrong_requests_and_engines_without_the_application_answer_in_the_same_form() {
    let system = System::start();
    let answer = ask(&system, &json!({"message": TEXT}));
    assert_eq!(answer["error"]["data"]["name"], "APP_UNAVAILABLE");
    for (request, field) in [
        (json!({"operation": "sign"}), "operation"),
        (json!({"message": TEXT, "surprise": 1}), "surprise"),
        (json!({"message": TEXT, "credentials": {}}), "credentials.AccessKeyId"),
        (json!({"encrypted": "AA==", "signature": "AA=="}), "message"),
        (json!({"number_of_bytes": 3}), "message"),
    ] {
        let answer = ask(&system, &request);
        assert_eq!(
            (&answer["status"], &answer["error"]["data"]["field"]),
            (&json!("error"), &json!(field))
        );
    }
}
