//! Answers of a real engine, as received over the socket.

use mortise_format::ids::{LockId, parse_hex, to_checksum};
use mortise_format::note::{KeyUse, NoteKey};
use mortise_rpc::Method;
use mortise_testkit::system::System;
use mortise_testkit::system::parties::Parties;
use serde::Serialize;
use serde_json::{Value, json};

/// Whole JSON-RPC answers, and what they are about.
pub struct Answers {
    pub engine_id: String,
    pub address: String,
    pub owner: String,
    pub lock_id: String,
    pub unknown: String,
    pub other_signature: String,
    /// `commitLock`.
    pub commit: Value,
    /// Another `commitLock`.
    pub second: Value,
    /// `getLock` of the first.
    pub lock: Value,
    /// `getProof` of a lock that is held.
    pub held: Value,
    /// `getProof` of a lock that is not.
    pub absent: Value,
    /// `getProof` of an account.
    pub account: Value,
    /// `getStateRoot`, signed.
    pub root: Value,
    /// `getReceipt` of the first lock.
    pub fetched: Value,
    /// `getCheckpoint`.
    pub checkpoint: Value,
    /// `getConsistencyProof` from the history of the first receipt to the checkpoint's.
    pub between: Value,
    /// The key that signs checkpoints, `name+id+base64`.
    pub log_key: String,
}

/// One call that is answered with a result.
pub fn call(system: &System, method: Method, params: &impl Serialize) -> Value {
    let params = serde_json::to_value(params).expect("parameters are JSON");
    let answer = system.call(method.name(), params);
    assert!(answer.get("result").is_some(), "{answer}");
    answer
}

impl Answers {
    /// The answers of a new engine, which is stopped afterwards.
    pub fn of_a_running_engine() -> Self {
        let system = System::start();
        Self::of(&system, &Parties::of(&system.engine_socket()))
    }

    /// The answers of a running engine.
    pub fn of(system: &System, parties: &Parties) -> Self {
        let info = system.call("getEngineInfo", json!({}));
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let commit = call(system, Method::CommitLock, &parties.commit(0, 1000));
        for nonce in 1..20 {
            let filler = parties.other_owner();
            call(system, Method::CommitLock, &filler.commit(nonce, nonce));
        }
        let second = parties.commit(1, 7);
        let other_signature = second.intent.signature.to_string();
        let second = call(system, Method::CommitLock, &second);
        let lock_id = text(&commit["result"]["commitment"]["lockId"]);
        let unknown = LockId([9; 32]).to_string();
        let owner = to_checksum(&parties.owner.address());
        let asset = json!({"chainId": 1, "assetType": "native"});
        let first = commit["result"]["receipt"]["statement"]["historySize"].clone();
        let checkpoint = call(system, Method::GetCheckpoint, &json!({}));
        let mut key = [0; 32];
        parse_hex(&text(&info["result"]["checkpointKey"]), &mut key).expect("an Ed25519 key");
        let origin = text(&checkpoint["result"]["origin"]);
        let log_key = NoteKey::new(KeyUse::Log, &origin, key).expect("an origin names a key");
        let between = json!({"from": first, "to": checkpoint["result"]["size"]});
        let proof = |params: Value| call(system, Method::GetProof, &params);
        Self {
            engine_id: text(&info["result"]["engineId"]),
            address: text(&info["result"]["address"]),
            lock: call(system, Method::GetLock, &json!({"lockId": lock_id})),
            held: proof(json!({"lockId": lock_id})),
            absent: proof(json!({"lockId": unknown})),
            account: proof(json!({"owner": owner, "asset": asset})),
            root: call(system, Method::GetStateRoot, &json!({"signed": true})),
            fetched: call(system, Method::GetReceipt, &json!({"lockId": lock_id})),
            between: call(system, Method::GetConsistencyProof, &between),
            log_key: log_key.to_string(),
            checkpoint,
            owner,
            lock_id,
            unknown,
            other_signature,
            commit,
            second,
        }
    }
}
