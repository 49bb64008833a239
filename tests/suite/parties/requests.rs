//! A `ReadRequest` is good for one engine, one reader, one selection and some minutes.

use super::{Engine, Route, name};
use mortise_client::Signer;
use mortise_format::ids::{EngineId, Signature};
use mortise_format::policy::Reads;
use mortise_rpc::{Call, Method};
use mortise_testkit::system::parties::now_s;
use serde_json::{Value, json};

const METHOD: Method = Method::GetBalance;

fn params(engine: &Engine) -> Value {
    json!({
        "owner": engine.parties.owner.address(),
        "asset": {"chainId": 1, "assetType": "native"},
    })
}

/// The owner's read of its balance, after a change.
fn changed(engine: &Engine, change: impl FnOnce(&mut Value)) -> Value {
    let mut params = engine.read_by(&engine.parties.owner, METHOD, &params(engine));
    change(&mut params);
    engine.ask(Route::Channel, METHOD.name(), &params)
}

/// A signature over the same read with another time or engine.
fn signed(engine: &Engine, id: &EngineId, valid_until: u64) -> Value {
    let owner = &engine.parties.owner;
    let call = Call::parse(METHOD, &params(engine)).expect("it parses");
    let request = call.read_request(owner.address(), valid_until).expect("it takes one");
    let signature = owner.sign(&request.digest(id));
    json!({"reader": owner.address(), "validUntil": valid_until, "signature": signature})
}

/// The same signature with s negated: valid for the curve, and anyone can make it.
fn malleated(signature: &Signature) -> Signature {
    let parsed = k256::ecdsa::Signature::from_slice(&signature.0[..64]).expect("it is one");
    let negated = k256::ecdsa::Signature::from_scalars(parsed.r(), -parsed.s());
    let mut other = *signature;
    other.0[..64].copy_from_slice(&negated.expect("it is one").to_bytes());
    other.0[64] ^= 27 ^ 28;
    other
}

#[test]
fn request_can_be_shown_again_until_it_ends_and_nothing_of_it_is_logged() {
    let engine = Engine::start(Reads::Parties, false);
    let read = engine.read_by(&engine.parties.owner, METHOD, &params(&engine));
    let before = engine.system.statement();
    for _ in 0..3 {
        let answer = engine.ask(Route::Channel, METHOD.name(), &read);
        assert_eq!(answer["result"]["held"], "777001", "{answer}");
    }
    assert_eq!(engine.system.statement(), before);
}

#[test]
fn request_that_has_ended_or_ends_too_late_is_refused_by_its_field() {
    let engine = Engine::start(Reads::Parties, false);
    let at = |valid_until| {
        let read = signed(&engine, &engine.id, valid_until);
        changed(&engine, |params| params["read"] = read)
    };
    for valid_until in [0, now_s() - 2, now_s() + 360, now_s() + 86_400, u64::MAX] {
        let answer = at(valid_until);
        let field = &answer["error"]["data"]["field"];
        assert_eq!((name(&answer), field), ("VALIDATION", &json!("read.validUntil")), "{answer}");
    }
    for valid_until in [now_s() + 60, now_s() + 290] {
        assert_eq!(name(&at(valid_until)), "");
    }
}

#[test]
fn request_for_anything_else_is_no_signature_of_its_reader() {
    let engine = Engine::start(Reads::Parties, false);
    let (owner, valid_until) = (&engine.parties.owner, now_s() + 200);
    let other_method = {
        let params = json!({"owner": owner.address()});
        json!(engine.read(owner, Method::SuggestNonce, &params))
    };
    let mut of_other_asset = params(&engine);
    of_other_asset["asset"]["chainId"] = json!(10);
    let other_asset = json!(engine.read(owner, METHOD, &of_other_asset));
    // The same selection of a sibling method.
    let sibling = json!(engine.read(owner, Method::GetLockedBalance, &params(&engine)));
    let read = engine.read(owner, METHOD, &params(&engine));
    let mut of_high_s = json!(read);
    of_high_s["signature"] = json!(malleated(&read.signature));
    let mut with_bad_v = read;
    with_bad_v.signature.0[64] = 29;
    let mut of_zero = read;
    of_zero.signature.0[..32].fill(0);
    let mut later = json!(read);
    later["validUntil"] = json!(read.valid_until - 1);
    let mut by_other = json!(read);
    by_other["reader"] = json!(Signer::random().address());
    let reads = [
        ("another engine", signed(&engine, &EngineId([7; 32]), valid_until)),
        ("another method", other_method),
        ("another asset", other_asset),
        ("a sibling method", sibling),
        ("high s", of_high_s),
        ("v 29", json!(with_bad_v)),
        ("r zero", json!(of_zero)),
        ("another time", later),
        ("another reader", by_other),
    ];
    for (what, read) in reads {
        let answer = changed(&engine, |params| params["read"] = read);
        assert_eq!(name(&answer), "INVALID_SIGNATURE", "{what}: {answer}");
    }
    let answer = changed(&engine, |p| p["owner"] = json!(Signer::random().address()));
    assert_eq!(name(&answer), "INVALID_SIGNATURE", "another owner: {answer}");
    // A carrier of signatures may write v as 0 or 1.
    let mut rewritten = read;
    rewritten.signature.0[64] -= 27;
    assert_eq!(name(&changed(&engine, |params| params["read"] = json!(rewritten))), "");
}

#[test]
fn request_in_clear_is_refused_by_name_unless_the_policy_takes_it() {
    for (reads, clear_reads, expected) in [
        (Reads::Parties, false, "READ_IN_CLEAR"),
        (Reads::Parties, true, ""),
        (Reads::Public, false, ""),
    ] {
        let engine = Engine::start(reads, clear_reads);
        let read = engine.read_by(&engine.parties.owner, METHOD, &params(&engine));
        let answer = engine.ask(Route::Clear, METHOD.name(), &read);
        assert_eq!(name(&answer), expected, "{reads:?} {clear_reads}: {answer}");
    }
}

/// Goal: a request that is shown is checked, also where no one has to show it.
#[test]
fn wrong_request_is_refused_under_public_too() {
    let engine = Engine::start(Reads::Public, false);
    let read = signed(&engine, &EngineId([7; 32]), now_s() + 100);
    let answer = changed(&engine, |params| params["read"] = read);
    assert_eq!(name(&answer), "INVALID_SIGNATURE");
    assert_eq!(name(&changed(&engine, |params| params["read"] = Value::Null)), "");
}

/// Goal: a carrier that repeats a message gets an answer that only the first sender can open.
#[test]
fn repeated_message_is_answered_to_its_first_sender_alone() {
    let engine = Engine::start(Reads::Parties, false);
    let read = engine.read_by(&engine.parties.owner, METHOD, &params(&engine));
    let (message, opener) = engine.sealed(METHOD.name(), &read);
    let (first, again) = (engine.exchange(&message), engine.exchange(&message));
    assert_ne!(first, again);
    let (_, of_carrier) = engine.sealed(METHOD.name(), &params(&engine));
    assert!(of_carrier.open(&again).is_err());
    let text = opener.open(&again).expect("it is for the first sender");
    assert!(String::from_utf8_lossy(&text).contains("777001"));
    assert!(!String::from_utf8_lossy(&again).contains("777001"));
}
