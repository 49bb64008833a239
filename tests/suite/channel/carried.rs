//! Calls, notifications and batches pass through the socket and the gateway.

use super::{Carried, raw::Raw};
use crate::client::{block_on, over_http, over_socket};
use mortise_client::{Channel, Client, ClientError, ProofError};
use mortise_format::channel::MEDIA_TYPE;
use mortise_format::errors::Code;
use mortise_rpc::params::CommitLock;
use mortise_testkit::system::System;
use mortise_testkit::system::wire::http;
use mortise_verify::attestation::{AWS_NITRO_ROOT_G1, AttestationError};
use serde_json::{Value, json};

fn commit(client: &Client, commit: &CommitLock) -> mortise_format::ids::LockId {
    let result = block_on(client.commit_lock(commit.clone())).expect("it is granted");
    result.commitment.lock_id
}

#[test]
fn lock_is_committed_through_the_channel_over_socket_and_gateway() {
    let carried = Carried::start();
    let parties = carried.parties();
    let trust = &carried.trust;
    let clients = [over_socket(&carried.system.engine_socket()), over_http(&carried.system)];
    for (nonce, client) in (0..).zip(clients) {
        let client = client.attested(trust.clone(), Channel::Sealed);
        let request = parties.commit(nonce, 100);
        let lock_id = commit(&client, &request);
        // The same request returns the same lock: writes are idempotent by request id.
        assert_eq!(commit(&client, &request), lock_id);
        let proven = block_on(client.proven()).unwrap().expect("it was asked to prove itself");
        assert_eq!(proven.identity(), block_on(client.identity()).unwrap());
        assert!(block_on(client.lock(lock_id)).unwrap().is_some());
    }
    let answer = carried.system.call("getActiveLocks", json!({"owner": parties.owner.address()}));
    assert_eq!(answer["result"].as_array().map(Vec::len), Some(2));
}

#[test]
fn attested_connect_verifies_the_proof_or_fails() {
    let carried = Carried::start();
    let endpoint = || over_http(&carried.system).endpoint().clone();
    let client = block_on(Client::connect_attested(endpoint(), carried.trust.clone()));
    let client = client.expect("the engine proves itself");
    assert_eq!(block_on(client.health()).unwrap().mode, "attested");
    let mut trust = carried.trust.clone();
    trust.roots = vec![AWS_NITRO_ROOT_G1];
    let error = block_on(Client::connect_attested(endpoint(), trust)).expect_err("another root");
    let ClientError::Proof(ProofError::Document(error)) = error else { panic!("{error}") };
    assert!(matches!(error, AttestationError::RootNotPinned { .. }), "{error}");
}

#[test]
fn engine_without_a_module_is_used_in_clear_only_on_request() {
    let system = System::start();
    let trust = Carried::start().trust.clone();
    let client = over_socket(&system.engine_socket()).attested(trust, Channel::Off);
    let error = block_on(client.health()).expect_err("it has no proof");
    assert_eq!(error.code(), Some(Code::Unattested));
    let plain = over_socket(&system.engine_socket());
    assert_eq!(block_on(plain.health()).unwrap().mode, "unattested");
    assert_eq!(block_on(plain.proven()).unwrap(), None);
}

#[test]
fn batches_are_answered_in_order_and_notifications_with_a_sealed_empty_answer() {
    let carried = Carried::start();
    let raw = Raw::of(&carried.system);
    let call = |id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "getEnclaveId"});
    let batch = raw.ask(&json!([call(1), call(2)]).to_string()).expect("it opens");
    let batch: Value = serde_json::from_slice(&batch).expect("it is JSON");
    assert_eq!((&batch[0]["id"], &batch[1]["id"]), (&json!(1), &json!(2)));
    let nothing = raw.ask(r#"{"jsonrpc":"2.0","method":"health"}"#).expect("it opens");
    assert_eq!(nothing, b"");
    let garbage = raw.ask("no json").expect("it opens");
    let garbage: Value = serde_json::from_slice(&garbage).expect("it is JSON");
    assert_eq!(garbage["error"]["code"], Code::ParseError.code());
}

#[test]
fn gateway_labels_sealed_bodies_with_their_content_type() {
    let carried = Carried::start();
    let raw = Raw::of(&carried.system);
    let (message, opener) = raw.sealed(r#"{"jsonrpc":"2.0","id":1,"method":"health"}"#);
    let answer = http(carried.system.http(), "POST", "/", &message);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(MEDIA_TYPE)));
    let text = opener.open(&answer.body).expect("it opens");
    let health: Value = serde_json::from_slice(&text).expect("it is JSON");
    assert_eq!(health["result"]["phase"], "ready");
    let refused = http(carried.system.http(), "POST", "/", &message[..100]);
    assert_eq!(refused.header("content-type"), Some("application/json"));
    assert_eq!(refused.json()["error"]["code"], Code::ChannelRefused.code());
}
