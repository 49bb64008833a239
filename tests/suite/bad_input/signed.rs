//! Malformed signatures, keys without authority, expired times, and used nonces and request ids.

use super::refusal;
use mortise_format::U256;
use mortise_format::eip712::Request;
use mortise_format::ids::Address;
use mortise_rpc::params::CommitLock;
use mortise_testkit::keys::high_s;
use mortise_testkit::system::System;
use mortise_testkit::system::parties::{Parties, now_s, request};
use serde_json::{Value, json};

fn params(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

/// The owner's balance of the coin, and every lock of the owner.
fn holdings(system: &System, parties: &Parties) -> (Value, Value) {
    let owner = parties.owner.address();
    let asset = json!({ "chainId": 1, "assetType": "native" });
    let mut balance = system.call("getBalance", json!({ "owner": owner, "asset": asset }));
    let balance = balance["result"].as_object_mut().unwrap();
    // A remembered reject is in the log, so its answer has a root.
    balance.retain(|name, _| !["seq", "stateRoot"].contains(&name.as_str()));
    let balance = Value::Object(balance.clone());
    let locks = system.call("listLocks", json!({ "owner": owner }))["result"].clone();
    (balance, locks)
}

#[test]
fn malformed_signatures_are_refused_and_not_logged() {
    let system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let before = system.statement();
    let good = params(&parties.commit(0, 100));
    let hex = good["signature"].as_str().unwrap().to_owned();
    let twin = params(&high_s(&parties.commit(0, 100).intent.signature));
    for (signature, name) in [
        (json!(hex[..hex.len() - 2]), "INVALID_PARAMS"),
        (json!(format!("{hex}00")), "INVALID_PARAMS"),
        (json!("0x"), "INVALID_PARAMS"),
        (json!(hex[2..]), "INVALID_PARAMS"),
        (json!(hex.replace(|c: char| c.is_ascii_digit(), "g")), "INVALID_PARAMS"),
        (json!(7), "INVALID_PARAMS"),
        (twin, "INVALID_SIGNATURE"),
        (json!(format!("0x{}", "00".repeat(65))), "INVALID_SIGNATURE"),
        (json!(format!("0x{}1b", "ff".repeat(64))), "INVALID_SIGNATURE"),
        (json!(format!("{}1d", &hex[..hex.len() - 2])), "INVALID_SIGNATURE"),
    ] {
        let mut changed = good.clone();
        changed["signature"] = signature.clone();
        let answer = system.call("commitLock", changed);
        assert_eq!(refusal(&answer).0, name, "{signature}");
    }
    assert_eq!(system.statement(), before);
}

#[test]
fn every_field_of_a_commit_is_under_the_signature() {
    let system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let before = system.statement();
    let good = parties.commit(0, 100);
    let change = |change: &dyn Fn(&mut CommitLock)| {
        let mut changed = good.clone();
        change(&mut changed);
        let answer = system.call("commitLock", params(&changed));
        assert_eq!(refusal(&answer).0, "INVALID_SIGNATURE", "{answer}");
    };
    let stranger = Address([0x99; 20]);
    change(&|c| c.intent.terms.owner = stranger);
    change(&|c| c.intent.terms.beneficiary = stranger);
    change(&|c| c.intent.terms.arbiter = stranger);
    change(&|c| c.intent.terms.nonce += 1);
    change(&|c| c.intent.terms.expires += 1);
    change(&|c| c.intent.terms.legs[0].amount = U256::from(101u64));
    change(&|c| c.intent.terms.legs[0].asset.chain_id = 10);
    change(&|c| c.intent.terms.condition.target_amount = U256::ONE);
    change(&|c| c.intent.terms.condition.recipient = stranger);
    change(&|c| c.intent.terms.condition.execution_data = Some(vec![1]));
    change(&|c| c.intent.request.valid_until += 1);
    change(&|c| c.intent.request.id.0[0] ^= 1);
    let other_key = parties.other_owner().commit(0, 100);
    change(&|c| c.intent.signature = other_key.intent.signature);
    assert_eq!(system.statement(), before);
    let answer = system.call("commitLock", params(&good));
    assert_eq!(answer["result"]["status"], "ACTIVE", "{answer}");
}

#[test]
fn expired_requests_are_refused() {
    let system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let before = system.statement();
    let mut late = parties.terms(0, 100);
    late.expires = now_s() - 10;
    let answer = system.call("commitLock", params(&parties.commit_terms(late, request())));
    assert_eq!(refusal(&answer).0, "LOCK_EXPIRED", "{answer}");
    // The engine's time now, and apart the log's.
    let data = &answer["error"]["data"];
    let (time, head) = (data["time"].as_u64().unwrap(), data["headTime"].as_u64().unwrap());
    assert!(time.abs_diff(now_s()) < 60 && head <= time, "{answer}");
    assert_eq!((data["final"].as_bool(), data["logged"].as_bool()), (Some(true), Some(false)));
    for (valid_until, name) in [
        (now_s() - 10, "LOCK_EXPIRED"),
        (now_s() + 25 * 3600, "VALIDATION"),
        (u64::MAX, "VALIDATION"),
    ] {
        let request = Request { valid_until, ..request() };
        let commit = parties.commit_terms(parties.terms(0, 100), request);
        let answer = system.call("commitLock", params(&commit));
        assert_eq!(refusal(&answer).0, name, "{valid_until}: {answer}");
    }
    assert_eq!(system.statement(), before);
}

#[test]
fn used_nonce_or_request_id_creates_no_second_hold() {
    let system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let first = parties.commit(0, 100);
    assert_eq!(system.call("commitLock", params(&first))["result"]["status"], "ACTIVE");
    let before = holdings(&system, &parties);
    let answer = system.call("commitLock", params(&parties.commit(0, 200)));
    assert_eq!(refusal(&answer).0, "NONCE_USED", "{answer}");
    let again = parties.commit_terms(parties.terms(1, 200), first.intent.request);
    let answer = system.call("commitLock", params(&again));
    let (name, field) = refusal(&answer);
    assert_eq!(name, "REQUEST_ID_REUSED");
    assert!(!field.is_empty(), "the answer names the field that differs: {answer}");
    let lock_id = parties.lock_id(&first.intent.terms);
    let mut claim = parties.claim(lock_id, 0, 10);
    assert_eq!(system.call("claimLock", params(&claim))["result"]["status"], "PARTIAL");
    let before_claim = holdings(&system, &parties);
    claim.claim.amounts = vec![U256::from(20u64)];
    let claim = parties.arbiter.claim(&parties.engine_id, claim.claim);
    let answer = system.call("claimLock", params(&claim));
    assert_eq!(refusal(&answer), ("REQUEST_ID_REUSED", "amounts"), "{answer}");
    assert_eq!(holdings(&system, &parties), before_claim);
    assert_ne!(before, before_claim);
}

#[test]
fn party_cannot_sign_for_another_party() {
    let system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let commit = parties.commit(0, 100);
    assert_eq!(system.call("commitLock", params(&commit))["result"]["status"], "ACTIVE");
    let lock_id = parties.lock_id(&commit.intent.terms);
    let before = (system.statement(), holdings(&system, &parties));
    let engine = &parties.engine_id;
    let mut claim = parties.claim(lock_id, 0, 100).claim;
    for signer in [&parties.owner, &parties.beneficiary] {
        let answer = system.call("claimLock", params(&signer.claim(engine, claim.clone())));
        assert_eq!(refusal(&answer).0, "INVALID_SIGNATURE", "{answer}");
    }
    for signer in [&parties.owner, &parties.arbiter] {
        let answer =
            system.call("releaseLock", params(&signer.release(engine, lock_id, request())));
        assert_eq!(refusal(&answer).0, "INVALID_SIGNATURE", "{answer}");
    }
    let longer = parties.beneficiary.extend(engine, lock_id, now_s() + 2000, request());
    let answer = system.call("extendLock", params(&longer));
    assert_eq!(refusal(&answer).0, "INVALID_SIGNATURE", "{answer}");
    assert_eq!((system.statement(), holdings(&system, &parties)), before);
    // The state refuses these; the reject is remembered for the parties of the lock.
    let alone = parties.owner.cancel(engine, lock_id, request(), None);
    let answer = system.call("cancelLock", params(&alone));
    assert_eq!(refusal(&answer).0, "CONSENT_REQUIRED", "{answer}");
    assert_eq!(answer["error"]["data"]["from"], "beneficiary");
    claim.amounts = vec![U256::from(101u64)];
    claim.request = request();
    let answer = system.call("claimLock", params(&parties.arbiter.claim(engine, claim)));
    assert_eq!(refusal(&answer).0, "CLAIM_EXCEEDS", "{answer}");
    assert_eq!(answer["error"]["data"]["remaining"], "100");
    assert_eq!(holdings(&system, &parties), before.1);
}
