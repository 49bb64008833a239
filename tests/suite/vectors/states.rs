//! `state-proofs.json`: presence and absence under a stated root, values opened by their salt.

use super::{File, engine_json, name, read, read_engine, word, words};
use crate::proofs::entries::values;
use crate::proofs::{Log, START_MS, event};
use mortise_format::asset::Asset;
use mortise_format::codec::encode;
use mortise_format::entry::{LeafKey, LeafValue};
use mortise_format::ids::{Address, LockId};
use mortise_format::merkle::state::ProofEnd;
use mortise_rpc::results::{ProofResult, StatementView};
use mortise_verify::json::{Claimed, state};
use mortise_verify::state::{verify_absence, verify_leaf};
use mortise_verify::statement;
use serde_json::{Value, json};

const ABOUT: &str = "State proofs (specs/state-tree.md): input.proof is an engine's answer about \
the entry input.key: a lockId, an owner, an owner and asset, policy, or images. Verdict: proven, \
or the name of the refusal. Each case is its base with other values at the places of \
`set` (JSON pointers).";

const SALT: [u8; 32] = [6; 32];

fn key(input: &Value) -> Result<LeafKey, &'static str> {
    let key = &input["key"];
    if key["policy"] == true {
        return Ok(LeafKey::Policy);
    }
    if key["images"] == true {
        return Ok(LeafKey::Images);
    }
    if key["lockId"].is_string() {
        return Ok(LeafKey::Lock(read(key, "lockId")?));
    }
    let owner: Address = read(key, "owner")?;
    match key["asset"].is_object() {
        true => Ok(LeafKey::Account(owner, read(key, "asset")?)),
        false => Ok(LeafKey::Principal(owner)),
    }
}

fn check(input: &Value) -> Result<(), &'static str> {
    let (engine, key) = (read_engine(input)?, key(input)?);
    let view: ProofResult = read(input, "proof")?;
    let answer = state(&view, &key).map_err(name)?;
    let stated = statement::verify(&engine, &answer.signed).map_err(name)?;
    match &answer.claimed {
        Claimed::Present { value, salt } => {
            verify_leaf(&stated, &key, value, salt, &answer.proof).map(drop).map_err(name)
        }
        Claimed::Absent => verify_absence(&stated, &key, &answer.proof).map(drop).map_err(name),
    }
}

fn key_json(key: &LeafKey) -> Value {
    match key {
        LeafKey::Lock(lock_id) => json!({"lockId": lock_id}),
        LeafKey::Account(owner, asset) => json!({"owner": owner, "asset": asset}),
        LeafKey::Principal(owner) => json!({"owner": owner}),
        LeafKey::Policy => json!({"policy": true}),
        LeafKey::Images => json!({"images": true}),
    }
}

/// Every kind of entry, among twenty locks.
fn entries() -> Vec<(&'static str, LeafKey, LeafValue)> {
    let [lock, account, bare, principal, policy, images, by_hour, unused] = values();
    let token = Asset::erc20(10, Address([0x12; 20]));
    Vec::from([
        ("a lock", LeafKey::Lock(LockId([3; 32])), lock),
        ("an account with a fact", LeafKey::Account(Address([1; 20]), token), account),
        ("an account without", LeafKey::Account(Address([1; 20]), Asset::native(1)), bare),
        ("an owner", LeafKey::Principal(Address([1; 20])), principal),
        ("the policy", LeafKey::Policy, policy),
        ("the images that may boot", LeafKey::Images, images),
        ("an owner by hours", LeafKey::Principal(Address([2; 20])), by_hour),
        ("an owner who used no nonce", LeafKey::Principal(Address([3; 20])), unused),
    ])
}

fn log() -> Log {
    let mut log = Log::new(1);
    for n in 0..20 {
        log.set(&LeafKey::Lock(LockId([n; 32])), &values()[0], &SALT);
    }
    for (_, key, value) in entries() {
        log.set(&key, &value, &SALT);
    }
    log.push(START_MS, &[event(0)]);
    log
}

fn input(log: &Log, key: &LeafKey, value: &[u8]) -> Value {
    let position = key.position(&log.engine.id);
    let (proof, signed) = (log.tree.prove(&position), &log.frames[0].signed);
    let mut answer = json!({
        "present": proof.end() == ProofEnd::Present,
        "position": word(&position.0),
        "siblings": words(proof.siblings()),
        "seq": 0,
        "stateRoot": signed.statement.state_root,
        "statement": StatementView::from(&signed.statement),
        "statementSignature": signed.signature,
    });
    match proof.end() {
        ProofEnd::Present => {
            answer["value"] = word(value).into();
            answer["salt"] = word(&SALT).into();
        }
        ProofEnd::Empty => {}
        ProofEnd::Other { position, value } => {
            let value_hash = word(&value.0);
            answer["other"] = json!({"position": word(&position.0), "valueHash": value_hash});
        }
    }
    json!({"engine": engine_json(&log.engine), "key": key_json(key), "proof": answer})
}

/// A key without a lock whose path in the tree ends as requested.
fn absent(log: &Log, is_empty: bool) -> LeafKey {
    let keys = (100..=255).map(|n| LeafKey::Lock(LockId([n; 32])));
    let ends = |key: &LeafKey| {
        let end = log.tree.prove(&key.position(&log.engine.id)).end();
        matches!((end, is_empty), (ProofEnd::Empty, true) | (ProofEnd::Other { .. }, false))
    };
    keys.into_iter().find(ends).unwrap()
}

pub fn file() -> File {
    let mut file = File::new("state-proofs.json", ABOUT, check);
    let log = log();
    for (name, key, value) in entries() {
        file.base(name, input(&log, &key, &encode(&value)));
    }
    file.base("absent, beside another", input(&log, &absent(&log, false), &[]));
    file.base("absent, in an empty half", input(&log, &absent(&log, true), &[]));
    file.every_change("a lock", &["/proof"]);
    file.every_change("absent, beside another", &["/proof"]);
    file.every_change("absent, in an empty half", &["/proof/siblings", "/proof/present"]);
    named(&mut file);
    alone(&mut file);
    openings(&mut file);
    file
}

fn named(file: &mut File) {
    let (lock, beside, empty) = ("a lock", "absent, beside another", "absent, in an empty half");
    let other = |base: &str, name: &str| file.input(base)["proof"][name].clone();
    let zeros = word(&[0; 32]);
    let asked = json!({"lockId": LockId([4; 32])});
    let many = json!(Vec::from_iter((0..257).map(|_| zeros.clone())));
    let mut longer = other(lock, "siblings").as_array().cloned().unwrap();
    longer.push(json!(zeros));
    let stranger = Log::of(9, 1);
    let neighbour = json!({"position": other(lock, "position"), "valueHash": zeros});
    let same = json!({"position": other(beside, "position"), "valueHash": zeros});
    let siblings = other(beside, "siblings");
    let no_value = json!({"/proof/value": null});
    for (name, base, set, verdict) in [
        ("another entry than asked", lock, json!({"/key": asked}), "Position"),
        ("another engine", lock, json!({"/engine/engineId": zeros}), "EngineId"),
        ("another key", lock, json!({"/engine/address": stranger.engine.address}), "Signer"),
        ("another seq beside the statement", lock, json!({"/proof/seq": 1}), "Seq"),
        (
            "another root beside the statement",
            lock,
            json!({"/proof/stateRoot": zeros}),
            "StateRoot",
        ),
        ("present and absent at once", lock, json!({"/proof/other": neighbour}), "Mixed"),
        ("absent with a value", lock, json!({"/proof/present": false}), "Mixed"),
        ("present without a value", lock, no_value, "Mixed"),
        ("more siblings than bits", lock, json!({"/proof/siblings": many}), "TooManySiblings"),
        ("an empty last sibling", lock, json!({"/proof/siblings": longer}), "LastSiblingEmpty"),
        ("the siblings of another", lock, json!({"/proof/siblings": siblings}), "RootMismatch"),
        ("another salt", lock, json!({"/proof/salt": zeros}), "RootMismatch"),
        ("the other leaf is the entry", beside, json!({"/proof/other": same}), "OtherIsSame"),
        (
            "the other leaf is elsewhere",
            empty,
            json!({"/proof/other": neighbour}),
            "OtherOffTheWay",
        ),
        ("an empty half that is not", beside, json!({"/proof/other": null}), "RootMismatch"),
    ] {
        file.case(name, base, set, verdict);
    }
}

/// A tree with one entry, and an empty tree.
fn alone(file: &mut File) {
    let (_, key, value) = entries().remove(0);
    let mut log = Log::new(1);
    log.push(START_MS, &[event(0)]);
    file.base("absent in an empty tree", input(&log, &key, &[]));
    let mut log = Log::new(1);
    log.set(&key, &value, &SALT);
    log.push(START_MS, &[event(0)]);
    file.base("alone in its tree", input(&log, &key, &encode(&value)));
    let other = LeafKey::Lock(LockId([4; 32]));
    file.base("absent beside the only one", input(&log, &other, &[]));
}

/// Bytes that are in the tree and are no value of the key's kind.
fn openings(file: &mut File) {
    let [lock, account, ..] = values();
    let key = LeafKey::Lock(LockId([3; 32]));
    let trailing = [&encode(&lock)[..], &[0]].concat();
    for (name, bytes, verdict) in [
        ("a value of another kind", encode(&account), "Kind"),
        ("a byte after the value", trailing, "Encoding"),
        ("no byte at all", Vec::new(), "Encoding"),
    ] {
        let mut log = Log::new(1);
        let hash = mortise_format::entry::value_hash(&bytes, &SALT);
        log.tree.update(&[(key.position(&log.engine.id), Some(hash))]);
        log.push(START_MS, &[event(0)]);
        let set = json!({"/proof": input(&log, &key, &bytes)["proof"]});
        file.case(name, "a lock", set, verdict);
    }
}
