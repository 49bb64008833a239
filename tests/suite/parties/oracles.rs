//! What a stranger could work out without being shown it.

use super::{Engine, Route, name};
use mortise_format::nonce::{HOUR_S, parts_of};
use mortise_format::policy::Reads;
use mortise_rpc::Method;
use mortise_testkit::system::parties::{Parties, now_s};
use serde_json::{Value, json};

/// Largest amount of one lock, and a tenth of what an account of custody `open` can hold.
const SINGLE: &str = "100000000000000000000000";

fn draft(owner: &Parties, amount: &str) -> Value {
    json!({
        "owner": owner.owner.address(), "amount": amount, "expiresIn": 300,
        "asset": {"chainId": 1, "assetType": "native"},
        "fulfillmentCondition": {
            "targetChainId": 10, "targetAmount": "1", "recipient": owner.owner.address(),
            "targetAsset": {"chainId": 10, "assetType": "native"},
        },
    })
}

/// Commits of the largest amount, until nothing is left but what the first lock holds.
fn drain(engine: &Engine) {
    for n in 1..10 {
        let answer = engine.system.call("commitLock", json!(commit_single(engine, n)));
        assert_eq!(name(&answer), "", "{answer}");
    }
}

fn commit_single(engine: &Engine, n: u64) -> mortise_rpc::params::CommitLock {
    let mut terms = engine.parties.terms(n, 1);
    terms.legs[0].amount = SINGLE.parse().expect("an amount");
    engine.parties.commit_terms(terms, mortise_testkit::system::parties::request())
}

#[test]
fn draft_says_nothing_of_balance_and_nonces_of_its_owner() {
    let engine = Engine::start(Reads::Parties, false);
    drain(&engine);
    let fresh = engine.parties.other_owner();
    for owner in [&engine.parties, &fresh] {
        let before = now_s();
        let answer = engine.ask(Route::Clear, "createLock", &draft(owner, SINGLE));
        assert_eq!(name(&answer), "", "{answer}");
        let nonce: u64 = answer["result"]["lock"]["nonce"].as_str().unwrap().parse().unwrap();
        let (hour, n) = parts_of(nonce);
        let time = u64::from(hour) * HOUR_S + u64::from(n);
        assert!((before..=now_s() + 1).contains(&time), "the nonce is of the time: {answer}");
    }
    // The largest amount is of the policy, which anyone may read.
    let above = engine.ask(Route::Clear, "createLock", &draft(&fresh, &format!("{SINGLE}0")));
    assert_eq!((name(&above), &above["error"]["data"]["which"]), ("LIMIT", &json!("single")));
    // The owner itself is told.
    let own = draft(&engine.parties, SINGLE);
    let own = engine.read_by(&engine.parties.owner, Method::CreateLock, &own);
    let told = engine.ask(Route::Channel, "createLock", &own);
    assert_eq!(name(&told), "INSUFFICIENT_AVAILABLE", "{told}");
}

#[test]
fn drafts_of_an_owner_can_be_signed_one_after_the_other() {
    let engine = Engine::start(Reads::Parties, false);
    let mut line = engine.system.line();
    let parties = engine.parties.other_owner();
    let drafts = [1, 2, 3].map(|_| line.call("createLock", draft(&parties, "5")));
    for created in drafts.iter().rev() {
        let lock = &created["result"]["lock"];
        let terms = mortise_format::lock::LockTerms {
            owner: parties.owner.address(),
            beneficiary: mortise_format::ids::Address::ZERO,
            arbiter: mortise_format::ids::Address::ZERO,
            nonce: lock["nonce"].as_str().unwrap().parse().unwrap(),
            expires: lock["expiresAt"].as_u64().unwrap(),
            condition: mortise_format::asset::Condition {
                target_chain_id: 10,
                target_asset: mortise_format::asset::Asset::native(10),
                target_amount: mortise_format::U256::from(1u64),
                recipient: parties.owner.address(),
                execution_data: None,
            },
            legs: vec![mortise_format::lock::LegTerms {
                asset: mortise_format::asset::Asset::native(1),
                amount: mortise_format::U256::from(5u64),
            }],
        };
        let lock_id = parties.lock_id(&terms);
        let signature = parties.owner.lock_approval(&lock_id, &terms).expect("it has one leg");
        let signed = line.call("signLock", json!({"lockId": lock_id, "signature": signature}));
        assert_eq!(name(&signed), "", "{signed}");
        // The existing client asks for its lock by id.
        let found = line.call("getLock", json!({"lockId": lock_id}));
        assert_eq!(found["result"]["status"], "ACTIVE", "{found}");
    }
}

#[test]
fn refused_commit_names_the_balance_under_public_alone() {
    for reads in Reads::ALL {
        let engine = Engine::start(reads, false);
        drain(&engine);
        let answer = engine.system.call("commitLock", json!(commit_single(&engine, 10)));
        assert_eq!(name(&answer), "INSUFFICIENT_AVAILABLE", "{answer}");
        let data = &answer["error"]["data"];
        assert_eq!(data["requested"], SINGLE);
        for field in ["total", "held", "available"] {
            assert_eq!(data[field].is_null(), reads == Reads::Parties, "{reads:?}: {answer}");
        }
        let asked = json!({
            "owner": engine.parties.owner.address(), "expiresIn": 300,
            "assets": [{"chainId": 1, "assetType": "native", "amount": SINGLE}],
            "fulfillmentCondition": draft(&engine.parties, SINGLE)["fulfillmentCondition"],
        });
        let asked = engine.read_by(&engine.parties.owner, Method::SimulateLock, &asked);
        let told = engine.ask(Route::Channel, "simulateLock", &asked);
        let failure = &told["result"]["failures"][0]["data"];
        assert_eq!(failure["name"], "INSUFFICIENT_AVAILABLE", "{told}");
        assert!(failure["available"].is_string(), "its owner is told: {told}");
    }
}

#[test]
fn id_of_a_lock_shows_status_times_and_legs_and_nothing_else() {
    let engine = Engine::start(Reads::Parties, false);
    let answer = engine.ask(Route::Clear, "getLock", &json!({"lockId": engine.lock_id}));
    let mut names: Vec<&String> = answer["result"].as_object().unwrap().keys().collect();
    names.sort();
    let expected = [
        "amount",
        "asset",
        "claimBy",
        "claimIndex",
        "custody",
        "expiresAt",
        "id",
        "legs",
        "lockedAt",
        "settleBy",
        "status",
    ];
    assert_eq!(names, expected);
    let none = engine.ask(Route::Clear, "getLock", &json!({"lockId": engine.id}));
    assert!(none["error"].is_null() && none["result"].is_null(), "{none}");
}

#[test]
fn number_of_locks_is_rounded_for_everyone() {
    for (reads, shown) in [(Reads::Public, 3), (Reads::Parties, 4)] {
        let engine = Engine::start(reads, false);
        for n in 1..3 {
            engine.system.call("commitLock", json!(engine.parties.commit(n, 5)));
        }
        let info = engine.system.call("getEngineInfo", json!({}));
        assert_eq!(info["result"]["lockCount"], shown, "{reads:?}");
    }
}

#[test]
fn same_signed_command_again_is_answered_to_whoever_shows_it() {
    let engine = Engine::start(Reads::Parties, false);
    let again = engine.system.call("commitLock", json!(engine.commit));
    assert_eq!(again["result"]["receipt"]["seq"], json!(engine.seq), "{again}");
}
