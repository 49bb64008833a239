//! Goal: no caller's load takes the share of another (SERVING 6, FAULTS B7, B8, B12, C7).
//!
//! Method: the pipeline with several callers, and the whole system with one connection that floods
//! and one that is polite. What is counted is turns and refusals, not time.

use mortise_client::Signer;
use mortise_engine::api::{Reply, ShareKey};
use mortise_engine::pipeline::Settings;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::limits::{
    EVENTS_WAITERS_MAX, EXECUTION_DATA_BYTES_MAX, READS_AT_ONCE_MAX, RELAYED_WAITERS_MAX,
    UNSIGNED_PROMISES_MAX, UNSIGNED_SHARED_MS,
};
use mortise_format::lock::{LegTerms, LockTerms};
use mortise_format::store::{StoreRequest, StoreResponse};
use mortise_rpc::Method;
use mortise_rpc::params::{CreateLock, SignLock};
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{request, terms};
use mortise_testkit::system::parties::{Parties, call, plain_call};
use mortise_testkit::system::proxy::Lie;
use mortise_testkit::system::wire::Framed;
use mortise_testkit::system::{Options, System};
use serde_json::{Value, json};

fn caller(connection: u64) -> ShareKey {
    ShareKey { connection, hint: 0 }
}

/// Terms whose event is large, so that few fit into a frame.
fn large(nonce: u64) -> LockTerms {
    let mut terms = terms(Party::Owner, nonce, 1);
    terms.condition.execution_data = Some(vec![7; EXECUTION_DATA_BYTES_MAX]);
    terms
}

/// FAULTS B12: one connection with many commits in flight beside a polite caller. Goal: the polite
/// commit is in the next frame that is made, not behind all those of the flood.
#[test]
fn commit_of_a_newcomer_is_in_the_next_frame_beside_a_flood() {
    let mut driver = Driver::new(90, Settings::default());
    let policy = &mut driver.genesis_mut().policy;
    (policy.concurrent_max, policy.commands_per_minute_max) = (10_000, 10_000);
    policy.requests_max = 10_000;
    driver.boot().expect("an empty disk boots");
    driver.settle();
    let signer = driver.signer();
    driver.caller = caller(1);
    let flood: Vec<_> =
        (0..250).map(|n| signer.commit(Party::Owner, &large(n), request(n + 10))).collect();
    // Two frames are in flight, so the rest waits: it is less than what makes a third eager.
    for asked in &flood {
        driver.ask(&[asked]);
    }
    assert!(driver.pipeline().waiting_commands() > 200);
    let shipped = driver.pipeline().machine().head().next_seq;
    driver.caller = caller(2);
    let polite = signer.commit(Party::OtherOwner, &terms(Party::OtherOwner, 0, 1), request(1));
    let token = driver.ask(&[&polite])[0];
    driver.settle();
    match driver.replies.get(&token) {
        Some(Ok(Reply::Logged(frame, _))) => assert_eq!(frame.statement().seq, shipped),
        other => panic!("{other:?}"),
    }
    let frames = driver.pipeline().machine().head().next_seq - shipped;
    assert!(frames >= 4, "the flood fills {frames} frames: behind it is not the next frame");
}

/// FAULTS B12: the promises of a frame are signed before it leaves, and frames leave in order.
/// Goal: beside a caller that sends commands too, a flood of a thousand has its window of unsigned
/// promises in frames; the polite command is in a frame at once, behind that window; the flood
/// loses nothing, and has everything in flight when it is alone.
#[test]
fn answer_of_a_polite_caller_waits_for_one_window_of_a_flood() {
    let mut driver = Driver::new(91, Settings::default());
    let policy = &mut driver.genesis_mut().policy;
    (policy.concurrent_max, policy.commands_per_minute_max) = (10_000, 10_000);
    policy.requests_max = 10_000;
    driver.boot().expect("an empty disk boots");
    driver.settle();
    let signer = driver.signer();
    let window = usize::try_from(UNSIGNED_PROMISES_MAX).expect("a small number");
    let commit = |who: Party, n: u64| signer.commit(who, &terms(who, n, 1), request(n));
    let polite = |n: u64| commit(Party::OtherOwner, n);
    let flood =
        |from: u64| -> Vec<_> { (from..from + 1024).map(|n| commit(Party::Owner, n)).collect() };
    driver.caller = caller(2);
    assert!(matches!(driver.answer(&polite(0)), Ok(Reply::Logged(..))));

    driver.caller = caller(1);
    let mut tokens = Vec::new();
    for some in flood(0).chunks(100) {
        tokens.extend(driver.ask(&some.iter().collect::<Vec<_>>()));
    }
    assert_eq!(driver.unsigned(), window, "of 1024 that wait");
    let shipped = driver.pipeline().machine().head().next_seq;
    driver.caller = caller(2);
    let token = driver.ask(&[&polite(1)])[0];
    assert_eq!(driver.pipeline().machine().head().next_seq, shipped + 1, "it waits for no ack");
    assert_eq!(driver.unsigned(), window + 1, "nothing of the flood is in its frame");
    driver.settle();
    assert!(matches!(driver.replies.get(&token), Some(Ok(Reply::Logged(f, _)))
        if f.statement().seq == shipped));
    let is_granted =
        |driver: &Driver, token| matches!(driver.replies.get(token), Some(Ok(Reply::Logged(..))));
    assert!(tokens.iter().all(|token| is_granted(&driver, token)), "the flood loses nothing");

    driver.now_ms += UNSIGNED_SHARED_MS + 1;
    driver.caller = caller(1);
    let alone: Vec<_> = flood(1024);
    let tokens = driver.ask(&alone.iter().collect::<Vec<_>>());
    assert!(driver.unsigned() > 4 * window, "{}: no one else is there", driver.unsigned());
    driver.settle();
    assert!(tokens.iter().all(|token| is_granted(&driver, token)));
}

fn wait(id: u64, wait_ms: u64) -> String {
    let params = json!({"from": 1u64 << 40, "waitMs": wait_ms});
    json!({"jsonrpc": "2.0", "id": id, "method": "getEvents", "params": params}).to_string()
}

/// FAULTS B8: calls that wait took all places for 30 s.
#[test]
fn waits_of_one_connection_leave_places_to_the_others() {
    let system = System::start();
    let mut flood = Framed::connect(&system.engine_socket());
    let count = EVENTS_WAITERS_MAX as u64;
    for number in 0..count {
        flood.send(number, wait(number, 30_000));
    }
    // Half of the places are its own; the rest of its calls are told so.
    for _ in 0..count / 2 {
        assert_eq!(flood.hear().1["error"]["data"]["name"], "OVERLOADED");
    }
    for number in 0..40 {
        let mut polite = Framed::connect(&system.engine_socket());
        polite.send(number, wait(number, 1));
        let answer = polite.hear().1;
        assert!(answer["result"].is_object(), "caller {number}: {answer}");
    }
}

/// Goal: the peers of one relay have shares of their own, and a relay that sends half a hint is
/// answered and goes on.
#[test]
fn peers_of_one_relay_have_shares_of_their_own() {
    let system = System::start();
    let mut relay = Framed::relay(&system.engine_socket());
    let count = 2 * RELAYED_WAITERS_MAX as u64;
    for number in 0..count {
        relay.send_for(7, number, wait(number, 30_000));
    }
    for _ in 0..RELAYED_WAITERS_MAX {
        assert_eq!(relay.hear().1["error"]["data"]["name"], "OVERLOADED");
    }
    relay.send_for(8, 1 << 32, wait(1, 1));
    let (number, answer) = relay.hear();
    assert_eq!(number, 1 << 32);
    assert!(answer["result"].is_object(), "{answer}");
    for cut in 0..8 {
        relay.send(cut, vec![1; usize::try_from(cut).unwrap()]);
        let (number, answer) = relay.hear();
        assert_eq!((number, &answer["error"]["code"]), (cut, &json!(-32700)), "{answer}");
    }
    relay.send_for(0, 9, plain_call(9, "health"));
    assert_eq!(relay.hear().1["result"]["phase"], "ready");
}

/// Goal: reads that hang at the store take a part of the reader's turns, not all of them.
#[test]
fn reads_that_hang_leave_turns_to_other_callers() {
    let system = System::with(Options { has_proxy: true, ..Options::default() });
    system.proxy().lie(|asked: &StoreRequest, _: &StoreResponse| match asked {
        StoreRequest::Read { .. } => Lie::Held,
        _ => Lie::Honest,
    });
    let mut flood = Framed::connect(&system.engine_socket());
    for number in 0..4 * READS_AT_ONCE_MAX as u64 {
        let events = json!({"jsonrpc": "2.0", "id": number, "method": "getEvents",
                            "params": {"from": 0, "count": 1}});
        flood.send(number, events.to_string());
    }
    // The engine has read all of the flood when it answers this on the same connection.
    flood.send(1 << 32, plain_call(1, "health"));
    assert_eq!(flood.hear().0, 1 << 32);
    let mut polite = Framed::connect(&system.engine_socket());
    polite.send(1, plain_call(1, "getCheckpoint"));
    let answer = polite.hear().1;
    assert!(answer["result"].is_object(), "{answer}");
    system.proxy().release();
    for _ in 0..4 * READS_AT_ONCE_MAX {
        assert!(flood.hear().1["result"].is_object());
    }
}

/// Goal: one connection cannot take every permit; another's commit is accepted beside it.
#[test]
fn requests_in_flight_of_one_connection_leave_room_for_the_others() {
    let bounds = mortise_engine::phase::Bounds { in_flight: 64, per_connection: 64 };
    let system = System::with(Options { bounds, has_proxy: true, ..Options::default() });
    let parties = Parties::of(&system.engine_socket());
    system.proxy().hold_acks();
    let mut flood = Framed::connect(&system.engine_socket());
    for nonce in 0..64 {
        flood.send(nonce, call(nonce, Method::CommitLock, &parties.commit(nonce, 1)));
    }
    for _ in 0..32 {
        assert_eq!(flood.hear().1["error"]["data"]["name"], "OVERLOADED");
    }
    let mut polite = Framed::connect(&system.engine_socket());
    let other = parties.other_owner();
    polite.send(1, call(1, Method::CommitLock, &other.commit(0, 1)));
    // It is accepted and waits for the store, as the flood does: a refusal would come at once.
    polite.send(2, plain_call(2, "getEnclaveId"));
    assert_eq!(polite.hear().0, 2);
    system.proxy().release();
    assert_eq!(polite.hear().1["result"]["status"], "ACTIVE");
    for _ in 0..32 {
        assert_eq!(flood.hear().1["result"]["status"], "ACTIVE");
    }
}

/// FAULTS C7: flood, eviction and restart lose nothing to a client that kept the terms.
#[test]
fn draft_is_signed_with_its_terms_after_it_was_lost() {
    let mut system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let owner = Signer::random();
    let create = CreateLock {
        owner: owner.address(),
        session_key: None,
        asset: Asset::native(1),
        amount: U256::from(5u64),
        expires_in: 600,
        condition: parties.terms(0, 5).condition,
        request_id: None,
    };
    let made = system.call("createLock", json!(create));
    let lock = &made["result"]["lock"];
    let number = |field: &str| -> u64 {
        let text = lock[field].as_str().map(str::to_owned);
        text.unwrap_or_else(|| lock[field].to_string()).parse().expect("a number")
    };
    let terms = create.terms(number("nonce"), number("expiresAt"));
    let lock_id = parties.lock_id(&terms);
    assert_eq!(lock["id"], json!(lock_id));
    system.stop_engine().expect("it stops in order");
    system.start_engine();
    let signature = owner.lock_approval(&lock_id, &terms).expect("one asset");
    let without = SignLock { lock_id, signature, terms: None };
    let gone = system.call("signLock", json!(without));
    assert_eq!(gone["error"]["data"]["name"], "LOCK_NOT_FOUND", "the restart lost the draft");
    let with = SignLock { terms: Some(terms.clone()), ..without };
    let signed = system.call("signLock", json!(with));
    assert_eq!(signed["result"]["status"], "ACTIVE", "{signed}");
    assert_eq!(system.call("signLock", json!(with))["result"], signed["result"]);

    let refused = |terms: LockTerms| -> Value {
        let with = SignLock { terms: Some(terms), ..with.clone() };
        system.call("signLock", json!(with))["error"]["data"].clone()
    };
    // Other terms than those of the lock id are no terms of it.
    let mut other = terms.clone();
    other.legs = vec![LegTerms { asset: Asset::native(1), amount: U256::from(6u64) }];
    let data = refused(other);
    assert_eq!((&data["name"], &data["field"]), (&json!("INVALID_PARAMS"), &json!("terms")));
    // The wallet of this path shows no arbiter, so terms with one are no draft (INV-17).
    let shown = LockTerms { arbiter: owner.address(), ..terms };
    let lock_id = parties.lock_id(&shown);
    let signature = owner.lock_approval(&lock_id, &shown).expect("one asset");
    let hidden = SignLock { lock_id, signature, terms: Some(shown) };
    let answer = system.call("signLock", json!(hidden));
    assert_eq!(answer["error"]["data"]["name"], "VALIDATION", "{answer}");
    assert_eq!(answer["error"]["data"]["field"], "arbiter");
}
