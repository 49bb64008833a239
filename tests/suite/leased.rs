//! Answers about now over real sockets: what they carry, what a client makes of it, and what is
//! left without a lease.

use crate::client::{block_on, over_socket, run_mortise};
use crate::witnessed::{genesis, start, stop, witnessed};
use mortise_client::attestation::ProofError;
use mortise_client::{Client, ClientError, Freshness, FreshnessError, KeyOrigin, Trust};
use mortise_engine::attest::Attestation as Module;
use mortise_engine::ports::Vault;
use mortise_format::asset::Asset;
use mortise_format::errors::Code;
use mortise_format::ids::{Bytes32, LockId};
use mortise_format::note::{KeyUse, NoteKey};
use mortise_format::policy::Edition;
use mortise_rpc::params::{GetProof, GetStateRoot, ProofKey};
use mortise_rpc::results::{EngineInfo, FreshnessView};
use mortise_rpc::{Call, Method, Tense};
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use mortise_testkit::keys::Party;
use mortise_testkit::system::System;
use mortise_testkit::system::parties::{Parties, call};
use mortise_testkit::system::readers::GrantedReader;
use mortise_testkit::system::threads::{MovedClock, Platform};
use mortise_testkit::system::wire::Framed;
use mortise_testkit::vault::TestVault;
use mortise_testkit::witness::{Bench, WitnessBehaviour};
use mortise_verify::attestation::{AttestationError, PcrPolicy};
use mortise_verify::checkpoint::Witnesses;
use mortise_verify::lease::{AgeLimit, LeaseError};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A serving system under three witnesses, whose time a test can move.
fn serving(bench: &Bench) -> (System, MovedClock) {
    let mut system = witnessed(bench, genesis(bench));
    let clock = MovedClock::default();
    let platform = system.options_mut().platform.as_mut().expect("it has one");
    platform.clock = Arc::new(clock.clone());
    start(&mut system, bench);
    (system, clock)
}

fn info(system: &System) -> EngineInfo {
    let info = system.call("getEngineInfo", Value::Null)["result"].clone();
    serde_json::from_value(info).expect("it answers")
}

fn keys(bench: &Bench) -> Vec<NoteKey> {
    let key = |w: mortise_format::witness::WitnessKey| {
        NoteKey::new(KeyUse::Witness, &w.name, w.key).expect("a name of a witness")
    };
    bench.keys().into_iter().map(key).collect()
}

fn freshness(system: &System, witnesses: Witnesses) -> Freshness {
    let info = info(system);
    let log = NoteKey::new(KeyUse::Log, &info.origin, info.checkpoint_key.0);
    let log = log.expect("an origin is a name");
    Freshness { origin: info.origin, log, witnesses, limit: AgeLimit::DEFAULT }
}

/// One call of every method that can be answered in clear by an engine without an application.
fn calls(reader: &GrantedReader) -> Vec<(Method, Value)> {
    let owner = Party::Owner.address();
    let asset = json!({"chainId": 1, "assetType": "native"});
    let condition = json!({
        "targetChainId": 10, "targetAmount": "1", "recipient": owner,
        "targetAsset": {"chainId": 10, "assetType": "native"},
    });
    let simulated = json!({
        "owner": owner, "assets": [{"chainId": 1, "assetType": "native", "amount": "1"}],
        "expiresIn": 300, "fulfillmentCondition": condition,
    });
    let account = json!({"owner": owner, "asset": asset});
    vec![
        (Method::Health, json!({})),
        (Method::GetLock, json!({"lockId": LockId([7; 32])})),
        (Method::GetLockHistory, json!({"lockId": LockId([7; 32])})),
        (Method::GetActiveLocks, json!({"owner": owner})),
        (Method::ListLocks, json!({})),
        (Method::ListLocks, json!({"status": "PENDING"})),
        (Method::GetLockedBalance, account.clone()),
        (Method::GetBalance, account),
        (Method::SuggestNonce, json!({"owner": owner})),
        (Method::SimulateLock, simulated),
        (Method::GetPolicy, json!({})),
        (Method::GetStateRoot, json!({})),
        (Method::GetStateRoot, json!({"signed": true})),
        (Method::GetStateRoot, json!({"atSeq": 0})),
        (Method::GetProof, json!({"owner": owner})),
        (Method::GetProof, json!({"owner": owner, "seq": 0})),
        (Method::GetReceipt, reader.params(0, 0)),
        (Method::GetCheckpoint, json!({})),
        (Method::GetConsistencyProof, json!({"from": 1})),
        (Method::GetEvents, json!({"from": 0})),
        (Method::GetBootAttestation, json!({})),
        (Method::GetEngineInfo, json!({})),
        (Method::GetEnclaveId, json!({})),
        (Method::GetEnclavePublicKey, json!({})),
        (Method::CleanupExpiredLocks, json!({})),
    ]
}

#[test]
fn every_answer_about_now_carries_its_freshness_and_no_other_does() {
    let bench = Bench::new(3);
    let (system, _) = serving(&bench);
    let identity = block_on(over_socket(&system.engine_socket()).identity()).expect("it answers");
    let check = freshness(&system, Witnesses::new(keys(&bench), 2).expect("two of three"));
    let reader = GrantedReader::of(&system);
    for (method, params) in calls(&reader) {
        let name = format!("{} {params}", method.name());
        let call = Call::parse(method, &params).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let answer = system.call(method.name(), params);
        assert!(answer["error"].is_null(), "{name}: {answer}");
        let shown = answer["freshness"].clone();
        if call.tense() == Tense::Now {
            let shown: FreshnessView = serde_json::from_value(shown).expect(&name);
            let now = mortise_sim::SystemClock;
            let now = mortise_engine::ports::Clock::now_ms(&now).expect("there is a time") / 1000;
            check.check(&identity, &shown, now).unwrap_or_else(|e| panic!("{name}: {e}"));
        } else {
            assert!(shown.is_null(), "{name}: {shown}");
        }
    }
}

#[test]
fn without_a_lease_only_the_past_and_health_are_answered() {
    let bench = Bench::new(3);
    let (system, clock) = serving(&bench);
    assert_eq!(system.call("health", json!({}))["result"]["status"], "healthy");
    let reader = GrantedReader::of(&system);
    bench.set_all(WitnessBehaviour::Cut);
    clock.move_ahead(Duration::from_secs(120));
    for (method, params) in calls(&reader) {
        let name = format!("{} {params}", method.name());
        let call = Call::parse(method, &params).expect(&name);
        let answer = system.call(method.name(), params);
        if method == Method::Health {
            let health = &answer["result"];
            assert_eq!((&health["status"], &health["phase"]), (&json!("stale"), &json!("ready")));
            assert!(health["lease"]["age"].as_u64().is_some_and(|age| age >= 115), "{health}");
            assert_eq!(health["lease"]["maxAge"], 60);
        } else if call.tense() == Tense::Now {
            let data = &answer["error"]["data"];
            assert_eq!(data["name"], Code::LeaseExpired.name(), "{name}: {answer}");
            assert_eq!((&data["maxAge"], &data["retryable"]), (&json!(60), &json!(true)));
            assert!(data["cosignedAt"].is_u64() && answer["freshness"].is_null(), "{answer}");
        } else {
            assert!(answer["error"].is_null(), "{name}: {answer}");
        }
    }
}

#[test]
fn client_with_witnesses_takes_no_answer_that_does_not_show_its_age() {
    let bench = Bench::new(3);
    let (system, clock) = serving(&bench);
    let two = Witnesses::new(keys(&bench), 2).expect("two of three");
    let client = |freshness| over_socket(&system.engine_socket()).fresh(freshness);
    let good = client(freshness(&system, two.clone()));
    let owner = Party::Owner.address();
    let asks = |client: &Client| {
        block_on(async {
            client.health().await?;
            client.lock(LockId([7; 32])).await?;
            client.active_locks(owner).await?;
            client.balance(owner, Asset::native(1)).await?;
            client.proof(GetProof { key: ProofKey::Owner(owner), seq: None }).await?;
            // the past needs no lease
            client.state_root(GetStateRoot { at_seq: Some(0), signed: true }).await?;
            client.checkpoint().await?;
            client.check_root().await.map(drop)
        })
    };
    asks(&good).expect("everything is new");

    // other witnesses, and a quorum that was never there
    let stranger = NoteKey::new(
        KeyUse::Witness,
        "other.example",
        keys(&Bench::new(4))[3].public_key().to_owned(),
    );
    let strangers = Witnesses::new(vec![stranger.expect("a name")], 1).expect("one");
    let wrong = asks(&client(freshness(&system, strangers))).expect_err("no witness of its own");
    assert!(matches!(
        wrong,
        ClientError::Freshness(FreshnessError::Lease(LeaseError::Checkpoint(_)))
    ));

    // a clock of the caller that is ahead by more than the age
    let old = Freshness { limit: AgeLimit { max_age: 0, skew: 0 }, ..freshness(&system, two) };
    bench.set_all(WitnessBehaviour::Cut);
    std::thread::sleep(Duration::from_millis(1100));
    let wrong = asks(&client(old)).expect_err("a second is too old for it");
    assert!(matches!(
        wrong,
        ClientError::Freshness(FreshnessError::Lease(
            LeaseError::LeaseOld { .. } | LeaseError::LeaseFromTheFuture { .. }
        ))
    ));

    clock.move_ahead(Duration::from_secs(120));
    let refused = block_on(good.lock(LockId([7; 32]))).expect_err("the engine has no lease");
    assert_eq!(refused.code(), Some(Code::LeaseExpired));
    block_on(good.health()).expect("health says that it is stale");
}

#[test]
fn client_with_witnesses_takes_no_answer_of_an_engine_without() {
    let system = System::start();
    let bench = Bench::new(3);
    let witnesses = Witnesses::new(keys(&bench), 2).expect("two of three");
    let client = over_socket(&system.engine_socket()).fresh(freshness(&system, witnesses));
    let wrong = block_on(client.lock(LockId([7; 32]))).expect_err("no lease");
    assert!(matches!(wrong, ClientError::Freshness(FreshnessError::NoCheckpoint)), "{wrong}");
    let answer = system.call("getStateRoot", json!({"signed": true}));
    let shown: FreshnessView = serde_json::from_value(answer["freshness"].clone()).expect("shown");
    assert_eq!(shown.checkpoint, None);
    let identity = block_on(over_socket(&system.engine_socket()).identity()).expect("it answers");
    let lease = mortise_client::without_lease(&identity, &shown).expect("it is signed");
    assert_eq!(lease.ground(), mortise_verify::lease::LeaseGround::NoLease);
    assert_eq!(lease.as_of(), shown.statement.time);
}

#[test]
fn command_line_checks_an_answer_against_the_anchors() {
    let bench = Bench::new(3);
    let (system, _) = serving(&bench);
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path.to_str().expect("a path of this test").to_owned()
    };
    let (info, keys) = (info(&system), keys(&bench));
    let log = NoteKey::new(KeyUse::Log, &info.origin, info.checkpoint_key.0).expect("a name");
    let keys: Vec<String> = keys.iter().map(|key| key.to_string()).collect();
    let pin = format!("engine_id = \"{}\"\naddress = \"{}\"\n", info.engine_id, info.address);
    let with = format!("{pin}log_key = \"{log}\"\nwitnesses = {keys:?}\nquorum = 2\n");
    let (plain, anchors) = (file("plain.toml", pin.clone()), file("anchors.toml", with));
    let answer = system.call("getLock", json!({"lockId": LockId([7; 32])}));
    let answer = file("answer.json", answer.to_string());
    let verify = |anchors: &str, more: &[&str]| {
        let args = [&["verify", "freshness", &answer, "--anchors", anchors], more].concat();
        run_mortise(&args)
    };
    let (status, verdict, text) = verify(&anchors, &[]);
    assert_eq!((status, &verdict["verdict"]), (0, &json!("PROVEN")), "{text}");
    let as_of = verdict["asOf"].as_u64().expect("a time");
    let late = (as_of + 61).to_string();
    let (status, refused, _) = verify(&anchors, &["--at", &late]);
    assert_eq!((status, &refused["error"]["evidence"]["name"]), (1, &json!("LeaseOld")));
    let (status, ..) = verify(&anchors, &["--at", &late, "--max-age", "61"]);
    assert_eq!(status, 0);
    // Each anchor of the lease with a wrong value, by the names of the table of anchors.
    let own = format!("{pin}log_key = \"{log}\"\nwitnesses = {keys:?}\nquorum = 2\n");
    let other_log = NoteKey::new(KeyUse::Log, "other.example", [7; 32]).expect("a name");
    let stranger = NoteKey::new(KeyUse::Witness, "w.example", [7; 32]).expect("a name");
    for (wrong, name) in [
        (own.replace(&log.to_string(), &other_log.to_string()), "Origin"),
        (
            format!("{own}origin = {:?}\n", info.origin)
                .replace(&log.to_string(), &other_log.to_string()),
            "LogSignatureMissing",
        ),
        (format!("{own}origin = \"other.example\"\n"), "Origin"),
        (
            own.replace(&format!("{keys:?}"), &format!("[\"{stranger}\"]")).replace("= 2", "= 1"),
            "Quorum",
        ),
        (format!("{own}max_age = 0\n"), "LeaseOld"),
        (format!("{own}skew = 0\n"), "LeaseFromTheFuture"),
    ] {
        let at = if name == "LeaseFromTheFuture" { as_of - 1 } else { as_of + 1 };
        let anchors = file("wrong.toml", wrong);
        let (status, refused, text) = verify(&anchors, &["--at", &at.to_string()]);
        let found = &refused["error"]["evidence"]["name"];
        assert_eq!((status, found), (1, &json!(name)), "{text}");
    }
    let early = (as_of - 6).to_string();
    let (status, refused, _) = verify(&anchors, &["--at", &early]);
    assert_eq!((status, &refused["error"]["evidence"]["name"]), (1, &json!("LeaseFromTheFuture")));
    let (status, verdict, _) = verify(&plain, &["--at", &late]);
    assert_eq!((status, &verdict["lease"]), (0, &json!("none")), "no witness, no lease");
    // commands that connect check it themselves
    let url = format!("unix:{}", system.engine_socket().display());
    let (status, ..) = run_mortise(&["health", "--url", &url, "--anchors", &anchors]);
    assert_eq!(status, 0);
}

#[test]
fn attested_lease_is_in_the_document_and_ends_with_the_witnesses() {
    let bench = Bench::new(3);
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let module = SoftwareNsm::boot(folder.path(), &Measurements::dev("engine"));
    let module = module.expect("the folder can be written");
    let Measurements { pcr0, pcr1, pcr2, .. } = Measurements::dev("engine");
    let pcrs = PcrPolicy::one_image(pcr0, pcr1, pcr2).expect("not of debug mode");
    let trust = Trust {
        roots: vec![module.root()],
        pcrs,
        limit: AgeLimit::DEFAULT,
        origin: KeyOrigin::DrawnInside,
    };
    let mut system = witnessed(&bench, genesis(&bench));
    let (vault, clock): (Arc<dyn Vault>, _) = (Arc::new(TestVault::new(92)), MovedClock::default());
    let mut platform = Platform::new(vault, Module::Module(Arc::new(module)));
    platform.witnesses = Some(Arc::new(bench.clone()));
    platform.clock = Arc::new(clock.clone());
    system.options_mut().platform = Some(platform);
    start(&mut system, &bench);

    let client = || over_socket(&system.engine_socket());
    let proven = block_on(client().prove(&trust)).expect("it stands");
    let as_of = proven.as_of().expect("witnesses give a lease");
    assert!(proven.statement().is_some());
    let two = Witnesses::new(keys(&bench), 2).expect("two of three");
    let sealed = client().fresh(freshness(&system, two));
    let sealed = sealed.attested(trust.clone(), mortise_client::Channel::Sealed);
    block_on(sealed.lock(LockId([7; 32]))).expect("sealed, and new");

    // each part of the lease is covered
    let nonce = Bytes32([9; 32]);
    let answer = block_on(client().attestation(nonce)).expect("it answers");
    let now_ms = as_of * 1000;
    let refused = |change: &dyn Fn(&mut mortise_rpc::results::AttestedLease)| {
        let mut other = answer.clone();
        change(other.lease.as_mut().expect("it has one"));
        mortise_client::attestation::verify(&other, &nonce, now_ms, &trust).expect_err("changed")
    };
    for found in [refused(&|lease| lease.as_of += 1), refused(&|lease| lease.checkpoint.push('x'))]
    {
        let ProofError::Document(AttestationError::LeaseMismatch { .. }) = found else {
            panic!("{found}")
        };
    }
    let mut without = answer.clone();
    without.lease = None;
    let found = mortise_client::attestation::verify(&without, &nonce, now_ms, &trust);
    let Err(ProofError::Document(AttestationError::StatementMismatch { .. })) = found else {
        panic!("a lease that was taken out: {found:?}")
    };

    bench.set_all(WitnessBehaviour::Cut);
    clock.move_ahead(Duration::from_secs(120));
    let refused = block_on(client().prove(&trust)).expect_err("no lease, no document");
    assert_eq!(refused.code(), Some(Code::LeaseExpired));
}

/// Goal: with `leaseWait`, an engine that was stopped in order lets the next one begin at once. To
/// wait out the lease would take longer than any test waits for an answer.
#[test]
fn orderly_stop_over_sockets_spares_the_next_engine_the_wait() {
    let bench = Bench::new(3);
    let mut genesis = genesis(&bench);
    let Edition::Second(service) = &mut genesis.policy.edition else { panic!("it has one") };
    service.lease_wait = true;
    let mut system = witnessed(&bench, genesis);
    let clock = MovedClock::default();
    let platform = system.options_mut().platform.as_mut().expect("it has one");
    platform.clock = Arc::new(clock.clone());
    // A new log has no engine before it, and waits all the same: it cannot know.
    let others = clock.clone();
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let waiting = std::thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            others.move_ahead(Duration::from_secs(2));
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    start(&mut system, &bench);
    is_over.store(true, Ordering::Relaxed);
    waiting.join().expect("it only moves the clock");
    let parties = Parties::of(&system.engine_socket());
    let commit = |system: &System, n: u64| {
        let mut line = Framed::connect(&system.engine_socket());
        line.send(1, call(1, Method::CommitLock, &parties.commit(n, 100)));
        let answer = line.receive().expect("the engine answers").1;
        serde_json::from_slice::<Value>(&answer).expect("answers are JSON")
    };
    let first = commit(&system, 0);
    assert!(first["result"]["receipt"].is_object(), "{first}");
    stop(&mut system);
    start(&mut system, &bench);
    let second = commit(&system, 1);
    assert!(second["result"]["receipt"].is_object(), "{second}");
}
