//! An engine in an insecure mode states the mode in every commitment and outcome, under its
//! signature. An engine in another mode never serves its log.

use super::weak::Unsigned;
use crate::client::{block_on, new_lock, over_socket, run_mortise};
use mortise_client::check::{self, CheckError};
use mortise_client::{Client, ClientError, Signer};
use mortise_engine::attest::{Attestation, InsecureMode};
use mortise_engine::ports::Vault;
use mortise_format::eip712::Request;
use mortise_format::ids::Bytes32;
use mortise_format::nonce::{hour_at, nonce_of};
use mortise_rpc::params::CommitLock;
use mortise_rpc::results::{CommitResult, OutcomeResult};
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use mortise_testkit::system::parties::now_s;
use mortise_testkit::system::threads::Platform;
use mortise_testkit::system::{Options, System};
use mortise_testkit::vault::TestVault;
use mortise_verify::commitment::{CommitmentError, Expected, verify};
use mortise_verify::insecure::InsecureModeError;
use mortise_verify::json::{self, JsonError};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

const MODES: [Option<InsecureMode>; 3] =
    [None, Some(InsecureMode::Debug), Some(InsecureMode::Emulated)];

/// The platform of a new enclave in this mode.
fn enclave(folder: &Path, mode: Option<InsecureMode>) -> Attestation {
    match mode {
        None => {
            let module = SoftwareNsm::boot(folder, &Measurements::dev("engine"));
            Attestation::Module(Arc::new(module.expect("the folder can be written")))
        }
        Some(InsecureMode::Debug) => {
            let module = SoftwareNsm::boot_debug(folder, "engine");
            let module = Arc::new(module.expect("the folder can be written"));
            Attestation::Refused(module, InsecureMode::Debug)
        }
        Some(InsecureMode::Emulated) => {
            Attestation::Refused(Arc::new(Unsigned::boot(folder)), InsecureMode::Emulated)
        }
    }
}

struct Site {
    system: System,
    vault: Arc<dyn Vault>,
    folder: tempfile::TempDir,
}

impl Site {
    fn new(mode: Option<InsecureMode>) -> Self {
        let vault: Arc<dyn Vault> = Arc::new(TestVault::new(94));
        let folder = tempfile::tempdir().expect("the system gives a folder");
        let platform = Platform::new(Arc::clone(&vault), enclave(folder.path(), mode));
        let options = Options { platform: Some(platform), ..Options::default() };
        Self { system: System::with(options), vault, folder }
    }

    /// Starts the engine in an enclave of this mode and waits for the phase.
    fn restart(&mut self, mode: Option<InsecureMode>, phase: &str) {
        let _ = self.system.stop_engine();
        let platform = Platform::new(Arc::clone(&self.vault), enclave(self.folder.path(), mode));
        self.system.options_mut().platform = Some(platform);
        self.system.launch_engine();
        self.system.wait_phase(phase);
    }

    fn client(&self) -> Client {
        over_socket(&self.system.engine_socket())
    }

    /// A request for a lock, which can be sent repeatedly.
    fn asked(&self, owner: &Signer, solver: &Signer) -> CommitLock {
        let identity = block_on(self.client().identity()).expect("it knows itself");
        let lock = new_lock(owner, solver, solver, 1000);
        let terms = mortise_format::lock::LockTerms {
            owner: owner.address(),
            beneficiary: lock.beneficiary,
            arbiter: lock.arbiter,
            nonce: nonce_of(hour_at(now_s()), 7),
            expires: now_s() + 600,
            condition: lock.condition,
            legs: lock.legs,
        };
        let request =
            Request { id: mortise_client::random_request_id(), valid_until: now_s() + 60 };
        let intent = owner.lock_intent(&identity.engine_id, terms, &Bytes32::ZERO, request);
        CommitLock { intent }
    }

    /// A lock committed by a client that allows the mode, and released by its beneficiary.
    fn life(&self, mode: InsecureMode) -> (CommitResult, OutcomeResult) {
        let (owner, solver) = (Signer::random(), Signer::random());
        let (asked, client) = (self.asked(&owner, &solver), self.client().allow_insecure(mode));
        block_on(async {
            let committed = client.commit_lock(asked).await.expect("its mode is allowed");
            let engine = client.identity().await.unwrap().engine_id;
            let request = client.new_request().await.unwrap();
            let params = solver.release(&engine, committed.commitment.lock_id, request);
            // Every client gets the same answer to a release.
            let strict = self.client().release_lock(params.clone()).await;
            let refused = CheckError::InsecureMode(mode.into());
            assert!(matches!(strict, Err(ClientError::Check(found)) if found == refused));
            (committed, client.release_lock(params).await.expect("its mode is allowed"))
        })
    }

    /// Runs a command against the engine; exit status, data, stderr.
    fn run(&self, args: &[&str]) -> (i32, Value, String) {
        let url = format!("unix:{}", self.system.engine_socket().display());
        let connects = matches!(args[0], "lock" | "balance");
        let connection: &[&str] = if connects { &["--url", &url] } else { &[] };
        run_mortise(&[args, connection].concat())
    }
}

#[test]
fn commitment_in_an_insecure_mode_carries_the_mode_under_its_signature() {
    for mode in InsecureMode::ALL {
        let site = Site::new(Some(mode));
        let asked = site.asked(&Signer::random(), &Signer::random());
        let strict = block_on(site.client().commit_lock(asked.clone()));
        let named = CheckError::Commitment(CommitmentError::InsecureMode(mode.into()));
        assert!(matches!(strict, Err(ClientError::Check(found)) if found == named));
        let answer = site.system.call("commitLock", serde_json::to_value(&asked).unwrap());
        let shown = &answer["result"]["commitment"]["ccmAttestation"];
        assert_eq!(shown["mode"], mode.name(), "{answer}");

        let engine = block_on(site.client().identity()).unwrap().engine();
        let result: CommitResult = serde_json::from_value(answer["result"].clone()).unwrap();
        let (mut view, terms) = (result.commitment, asked.intent.terms);
        let signed = json::commitment(&view, &engine.id).expect("it says itself what it is");
        let plain = Expected::terms(&terms);
        let verdict = verify(&engine, &signed, &plain);
        assert_eq!(
            verdict.unwrap_err(),
            CommitmentError::InsecureMode(InsecureModeError::from(mode))
        );
        let allowing = Expected { mode: Some(mode), ..plain.clone() };
        let verified = verify(&engine, &signed, &allowing).expect("the engine signed the mode");
        assert_eq!(verified.mode(), Some(mode));

        view.ccm_attestation.mode = None;
        assert_eq!(json::commitment(&view, &engine.id), Err(JsonError::Commitment));
        view.ccm_attestation.commitment_hash = Bytes32(view.digest(&engine.id).0);
        let cut = json::commitment(&view, &engine.id).expect("it was edited throughout");
        let verdict = verify(&engine, &cut, &plain);
        assert!(matches!(verdict, Err(CommitmentError::Signature(_))), "{verdict:?}");
    }
}

#[test]
fn outcome_in_an_insecure_mode_carries_the_mode_under_its_signature() {
    for mode in InsecureMode::ALL {
        let site = Site::new(Some(mode));
        let (_, mut ended) = site.life(mode);
        let engine = block_on(site.client().identity()).unwrap();
        let (receipt, lock_id) =
            (check::receipt(&engine, &ended.receipt).unwrap(), ended.outcome.lock_id);
        assert_eq!(ended.outcome.mode, Some(mode));
        let error_of = |ended: &OutcomeResult| {
            check::outcome(&engine, None, ended, &lock_id, &receipt).unwrap_err()
        };
        assert_eq!(error_of(&ended), CheckError::InsecureMode(mode.into()));
        ended.outcome.mode = None;
        assert_eq!(error_of(&ended), CheckError::Digest);
        ended.data_hash = Bytes32(ended.outcome.digest(&engine.engine_id).unwrap().0);
        assert!(matches!(error_of(&ended), CheckError::Signature(_)));
    }
}

#[test]
fn commitment_of_an_attested_engine_has_no_mode() {
    let site = Site::new(None);
    let asked = site.asked(&Signer::random(), &Signer::random());
    let answer = site.system.call("commitLock", serde_json::to_value(&asked).unwrap());
    let shown = &answer["result"]["commitment"]["ccmAttestation"];
    assert!(shown.is_object() && shown.get("mode").is_none(), "{answer}");
    block_on(site.client().commit_lock(asked)).expect("it binds");
}

#[test]
fn repeated_request_gets_the_same_mode_from_the_log() {
    let debug = Some(InsecureMode::Debug);
    let mut site = Site::new(debug);
    let asked = site.asked(&Signer::random(), &Signer::random());
    let asked = serde_json::to_value(&asked).unwrap();
    let answer = |site: &Site| site.system.call("commitLock", asked.clone())["result"].clone();
    let first = answer(&site);
    assert_eq!(first["commitment"]["ccmAttestation"]["mode"], "debug");
    assert_eq!(answer(&site), first);
    site.restart(debug, "ready");
    assert_eq!(answer(&site), first);
}

#[test]
fn log_of_one_mode_is_not_served_in_another() {
    for written in MODES {
        let mut site = Site::new(written);
        for other in MODES.into_iter().filter(|other| *other != written) {
            site.restart(other, "fault");
            let health = site.system.call("health", Value::Null)["result"].clone();
            assert_eq!(health["fault"], "OTHER_MODE", "{written:?} as {other:?}: {health}");
            let refused = site.system.call("getEngineInfo", Value::Null);
            assert_eq!(refused["error"]["data"]["name"], "FAULT", "{refused}");
            let ended = site.system.stop_engine().unwrap_err();
            assert_eq!((ended.name(), ended.is_worth_a_restart()), ("OTHER_MODE", false));
            site.system.launch_engine();
            site.system.wait_phase("fault");
        }
        site.restart(written, "ready");
        let health = site.system.call("health", Value::Null)["result"].clone();
        assert_eq!(health["epoch"], 2, "the refused boots wrote nothing");
    }
}

#[test]
fn boot_whose_document_contradicts_the_mode_of_its_platform_is_refused() {
    let mut site = Site::new(None);
    let _ = site.system.stop_engine();
    let module = SoftwareNsm::boot_debug(site.folder.path(), "engine");
    let module = Arc::new(module.expect("the folder can be written"));
    let taken_for_strong = Platform::new(Arc::clone(&site.vault), Attestation::Module(module));
    site.system.options_mut().platform = Some(taken_for_strong);
    site.system.launch_engine();
    site.system.wait_phase("fault");
    let health = site.system.call("health", Value::Null)["result"].clone();
    assert_eq!(health["fault"], "ATTESTATION", "{health}");
    site.restart(None, "ready");
    let health = site.system.call("health", Value::Null)["result"].clone();
    assert_eq!(health["epoch"], 2, "the refused boot wrote nothing");
}

#[test]
fn log_without_a_module_has_no_mode() {
    let mut site = Site::new(None);
    let _ = site.system.stop_engine();
    let unattested = Platform::new(Arc::clone(&site.vault), Attestation::Unattested);
    site.system.options_mut().platform = Some(unattested);
    site.system.start_engine();
    site.restart(Some(InsecureMode::Emulated), "fault");
    site.restart(None, "ready");
}

#[test]
fn commands_warn_about_an_insecure_mode_and_send_no_commit_unless_it_is_allowed() {
    let site = Site::new(Some(InsecureMode::Debug));
    let key = site.folder.path().join("owner.key").display().to_string();
    assert_eq!(site.run(&["key", "new", "--out", &key]).0, 0);
    let balance = ["balance", "--asset", "native:1", "--key", &key];
    let (code, output, stderr) = site.run(&balance);
    assert_eq!((code, &output["mode"]), (0, &json!("debug")), "{stderr}");
    assert!(stderr.contains("*** DEBUG MODE"), "{stderr}");

    let commit = [
        "lock",
        "commit",
        "--key",
        &key,
        "--asset",
        "native:1",
        "--amount",
        "5",
        "--target-asset",
        "native:10",
        "--target-amount",
        "4",
    ];
    let (code, _, stderr) = site.run(&commit);
    assert_eq!(code, 1);
    assert!(stderr.contains("nothing was sent") && stderr.contains("--allow-insecure debug"));
    let (_, locks, _) = site.run(&["lock", "list"]);
    assert_eq!((&locks["locks"], &locks["mode"]), (&json!([]), &json!("debug")));
    let (code, output, stderr) = site.run(&[&commit[..], &["--allow-insecure", "debug"]].concat());
    assert_eq!((code, &output["mode"]), (0, &json!("debug")), "{stderr}");
    assert_eq!(output["commitment"]["ccmAttestation"]["mode"], "debug");
    assert!(stderr.contains("BINDS NO ONE"), "{stderr}");

    let file = site.folder.path().join("answer.json");
    std::fs::write(&file, output.to_string()).expect("the folder can be written");
    let engine = block_on(site.client().identity()).unwrap();
    let (id, address) = (engine.engine_id.to_string(), engine.address.to_string());
    let verify = ["verify", "commitment", &file.display().to_string()];
    let pins = ["--engine-id", &id, "--address", &address];
    let (code, output, stderr) = site.run(&[&verify[..], &pins].concat());
    assert_eq!((code, &output["error"]["evidence"]["name"]), (1, &json!("DebugMode")), "{stderr}");
    assert!(
        stderr.contains("NOT PROVEN: DebugMode: signed by an engine in debug mode"),
        "{stderr}"
    );
}
