//! Goal: lists are paged by grants, filtered by every party, and go on over restarts and pruning;
//! the history of a lock has every event.
//!
//! Method: the whole system over its socket. That pages equal a sorted list under every filter and
//! any history is the property test beside the index (`state::lists` of the core).

use mortise_engine::api::Reply;
use mortise_engine::pipeline::Settings;
use mortise_engine::query::{FindHolds, ListOpen, LockPage};
use mortise_format::codec;
use mortise_format::event::Event;
use mortise_format::ids::LockId;
use mortise_format::limits::{LOCK_CHANGES_MAX, OWNER_LOCKS_MAX, PAGE_LOCKS_MAX};
use mortise_rpc::Method;
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{self, coin, terms};
use mortise_testkit::system::System;
use mortise_testkit::system::parties::{Parties, call, request};
use mortise_testkit::system::readers::GrantedReader;
use mortise_testkit::system::wire::Framed;
use serde_json::{Value, json};

/// Commits locks of these parties, in order, and returns their ids.
fn commit(system: &System, parties: &Parties, nonces: std::ops::Range<u64>) -> Vec<Value> {
    let mut line = Framed::connect(&system.engine_socket());
    let mut ids = Vec::new();
    for nonce in nonces {
        let commit = parties.commit(nonce, 10);
        ids.push(json!(parties.lock_id(&commit.intent.terms)));
        line.send(nonce, call(nonce, Method::CommitLock, &commit));
        assert_eq!(line.hear().1["result"]["status"], "ACTIVE");
    }
    ids
}

/// One page: the ids of its locks, and its cursor.
fn page(system: &System, params: &Value) -> (Vec<Value>, Value) {
    let answer = system.call("listLocks", params.clone());
    let locks = answer["result"]["locks"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let ids = locks.iter().map(|lock| lock["id"].clone()).collect();
    (ids, answer["result"]["nextCursor"].clone())
}

/// Every page of a list from a cursor on, joined.
fn pages(system: &System, params: &Value, cursor: Value) -> Vec<Value> {
    let (mut params, mut ids) = (params.clone(), Vec::new());
    params["cursor"] = cursor;
    loop {
        let (more, next) = page(system, &params);
        ids.extend(more);
        if next.is_null() {
            return ids;
        }
        params["cursor"] = next;
    }
}

/// FAULTS B5. Goal: a solver finds its locks, and an arbiter those that it can claim; a cursor is
/// good after a restart from a snapshot.
#[test]
fn pages_of_a_party_continue_after_a_restart_from_a_snapshot() {
    let mut system = System::start();
    let first = Parties::of(&system.engine_socket());
    let second = Parties { owner: first.owner.clone(), ..Parties::of(&system.engine_socket()) };
    let mut ids = commit(&system, &first, 0..5);
    let of_second = commit(&system, &second, 5..8);
    ids.extend(of_second.clone());
    ids.extend(commit(&system, &first, 8..12));

    let owner = json!({"owner": first.owner.address()});
    let solver = json!({"beneficiary": first.beneficiary.address(), "limit": 2});
    let arbiter = json!({"arbiter": second.arbiter.address()});
    let of_first: Vec<_> = ids.iter().filter(|id| !of_second.contains(id)).cloned().collect();
    assert_eq!(pages(&system, &owner, Value::Null), ids);
    assert_eq!(pages(&system, &json!({"limit": 5}), Value::Null), ids);
    assert_eq!(pages(&system, &arbiter, Value::Null), of_second);
    let (two, cursor) = page(&system, &solver);
    assert_eq!(two, of_first[..2]);
    assert!(cursor.is_string(), "{cursor}");

    let ended = parties_release(&system, &first, &of_first[1]);
    assert_eq!(ended["result"]["status"], "RELEASED", "{ended}");
    system.stop_engine().expect("it stops in order");
    system.start_engine();
    assert_eq!(system.progress().replayed.1, 0, "the snapshot covers the whole log");
    assert_eq!(pages(&system, &solver, cursor.clone()), of_first[2..]);
    assert_eq!(pages(&system, &owner, Value::Null), ids);
    let mut open = owner.clone();
    open["open"] = json!(true);
    let still: Vec<_> = ids.iter().filter(|id| **id != of_first[1]).cloned().collect();
    assert_eq!(pages(&system, &open, Value::Null), still);
    let active = system.call("getActiveLocks", owner.clone());
    let active: Vec<_> =
        active["result"].as_array().expect("a list").iter().map(|l| l["id"].clone()).collect();
    assert_eq!(active, still);
    let released = json!({"arbiter": first.arbiter.address(), "status": "RELEASED"});
    assert_eq!(pages(&system, &released, Value::Null), [of_first[1].clone()]);
}

fn parties_release(system: &System, parties: &Parties, id: &Value) -> Value {
    let lock_id = serde_json::from_value(id.clone()).expect("a lock id");
    system.call("releaseLock", json!(parties.release(lock_id)))
}

#[test]
fn page_has_at_most_its_bound_and_names_the_next() {
    let system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let most = u64::try_from(PAGE_LOCKS_MAX).expect("a page is small");
    let ids = commit(&system, &parties, 0..most + 3);
    let (first, cursor) = page(&system, &json!({}));
    assert_eq!(first, ids[..PAGE_LOCKS_MAX]);
    let (rest, end) = page(&system, &json!({ "cursor": cursor }));
    assert_eq!((rest, end), (ids[PAGE_LOCKS_MAX..].to_vec(), Value::Null));
    let owner = json!({"owner": parties.owner.address()});
    let active = system.call("getActiveLocks", owner.clone());
    assert_eq!(active["result"].as_array().map(Vec::len), Some(ids.len()), "all in one answer");
    let asset = json!({"owner": parties.owner.address(),
                       "asset": {"chainId": 1, "assetType": "native"}});
    let locked = system.call("getLockedBalance", asset)["result"].clone();
    assert_eq!(locked["locks"].as_array().map(Vec::len), Some(ids.len()));
    assert!(locked.get("moreLocks").is_none(), "{locked}");
    // A place that no lock has is a place too; what is no place is refused.
    let (after_all, end) = page(&system, &json!({"cursor": "ffffffffffffffff"}));
    assert_eq!((after_all, end), (Vec::new(), Value::Null));
}

/// An event of a lock, and the receipt that proves it.
fn proven(system: &System, reader: &GrantedReader, event: &Value) -> Event {
    let seq = event["seq"].as_u64().expect("a number");
    let index = event["index"].as_u64().and_then(|index| u32::try_from(index).ok());
    let index = index.expect("a number");
    let answer = system.call("getReceipt", reader.params(seq, index));
    codec::decode(&reader.open(seq, index, &answer["result"]).receipt.event.0).expect("an event")
}

/// Goal: the history of a lock has every event in order, with a position that proves it and nothing
/// of other locks, and is the same after a restart from a snapshot.
#[test]
fn history_of_a_lock_has_every_event_with_its_position() {
    let mut system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let ids = commit(&system, &parties, 0..3);
    let reader = GrantedReader::of(&system);
    let lock_id: LockId = serde_json::from_value(ids[1].clone()).expect("a lock id");
    let expires = parties.terms(1, 10).expires + 100;
    let extended = parties.owner.extend(&parties.engine_id, lock_id, expires, request());
    for (method, params) in [
        (Method::ExtendLock, json!(extended)),
        (Method::ClaimLock, json!(parties.claim(lock_id, 0, 4))),
        (Method::ReleaseLock, json!(parties.release(lock_id))),
    ] {
        let answer = system.call(method.name(), params);
        assert!(answer["result"]["receipt"].is_object(), "{answer}");
    }
    let asked = json!({"lockId": lock_id});
    let history = system.call("getLockHistory", asked.clone())["result"].clone();
    let events = history["events"].as_array().unwrap_or_else(|| panic!("{history}")).clone();
    let told: Vec<_> = events
        .iter()
        .map(|event| [&event["event"], &event["status"], &event["amounts"]].map(Value::clone))
        .collect();
    let expected = [
        [json!("granted"), json!("ACTIVE"), json!(["10"])],
        [json!("extended"), json!("ACTIVE"), Value::Null],
        [json!("claimed"), json!("PARTIAL"), json!(["4"])],
        [json!("released"), json!("RELEASED"), json!(["6"])],
    ];
    assert_eq!(told, expected);
    assert_eq!(history["status"], "RELEASED");
    assert_eq!(events[1]["expiresAt"], json!(expires));
    assert!(history.get("leftOut").is_none(), "{history}");
    let times: Vec<_> = events.iter().map(|event| event["time"].as_u64()).collect();
    assert!(times.is_sorted() && times[0].is_some(), "{times:?}");
    assert!(matches!(proven(&system, &reader, &events[0]), Event::LocksGranted { locks, .. }
        if locks[0].lock_id == lock_id));
    assert!(matches!(proven(&system, &reader, &events[1]), Event::LockExtended { lock_id: id, .. }
        if id == lock_id));
    assert!(matches!(proven(&system, &reader, &events[2]), Event::LockClaimed { claim, .. }
        if claim.lock_id == lock_id));
    assert!(matches!(proven(&system, &reader, &events[3]), Event::LockReleased { lock_id: id, .. }
        if id == lock_id));
    // Nothing but what getLock opens.
    let text = history.to_string();
    let others = [&ids[0], &ids[2]].map(|id| text.contains(id.as_str().expect("text")));
    assert!(!text.contains("ignature") && !text.contains("equest") && others == [false, false]);

    system.stop_engine().expect("it stops in order");
    system.start_engine();
    assert_eq!(system.progress().replayed.1, 0, "the snapshot covers the whole log");
    assert_eq!(system.call("getLockHistory", asked)["result"], history);
    let unknown = system.call("getLockHistory", json!({"lockId": LockId([7; 32])}));
    assert!(unknown["result"].is_null() && unknown["error"].is_null(), "{unknown}");
}

/// Goal: a lock with more events than the state keeps says how many are left out, and shows its
/// grant and the newest.
#[test]
fn history_of_a_lock_with_many_events_says_how_many_are_left_out() {
    let system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let ids = commit(&system, &parties, 0..1);
    let lock_id: LockId = serde_json::from_value(ids[0].clone()).expect("a lock id");
    let first = parties.terms(0, 10).expires + 100;
    let more = 3;
    let most = u64::try_from(LOCK_CHANGES_MAX).expect("a small number");
    for n in 0..most + more {
        let extended = parties.owner.extend(&parties.engine_id, lock_id, first + n, request());
        let answer = system.call("extendLock", json!(extended));
        assert!(answer["result"]["receipt"].is_object(), "{answer}");
    }
    let history = system.call("getLockHistory", json!({"lockId": lock_id}))["result"].clone();
    assert_eq!(history["leftOut"], json!(more));
    let events = history["events"].as_array().expect("a list");
    assert_eq!(events.len(), LOCK_CHANGES_MAX + 1);
    assert_eq!(events[0]["event"], "granted");
    let ends: Vec<_> = events[1..].iter().map(|event| event["expiresAt"].clone()).collect();
    let expected: Vec<_> = (more..most + more).map(|n| json!(first + n)).collect();
    assert_eq!(ends, expected);
}

/// Goal: an answer that names all locks of an owner has a bound, and says when it is not whole.
/// Method: the pipeline, at the bound and with one lock more.
#[test]
fn answers_about_all_locks_of_an_owner_are_bounded_and_say_so() {
    let mut driver = Driver::new(91, Settings::default());
    let policy = &mut driver.genesis_mut().policy;
    (policy.concurrent_max, policy.commands_per_minute_max) = (10_000, 10_000);
    policy.requests_max = 10_000;
    driver.boot().expect("an empty disk boots");
    driver.settle();
    let most = u64::try_from(OWNER_LOCKS_MAX).expect("a small number");
    let owner = Party::Owner.address();
    let mut at = 0;
    for (count, is_whole) in [(most, true), (most + 1, false)] {
        for n in at..count {
            let (terms, request) = (terms(Party::Owner, n, 1), scenario::request(n));
            let asked = driver.signer().commit(Party::Owner, &terms, request);
            assert!(matches!(driver.answer(&asked), Ok(Reply::Logged(..))), "lock {n}");
        }
        at = count;
        let LockPage { locks, next } = driver.read(ListOpen(owner)).answer;
        assert_eq!((locks.len(), next.is_none()), (OWNER_LOCKS_MAX, is_whole));
        let holds = driver.read(FindHolds { owner, asset: coin() }).answer;
        assert_eq!((holds.locks.len(), holds.is_whole), (OWNER_LOCKS_MAX, is_whole));
    }
}
