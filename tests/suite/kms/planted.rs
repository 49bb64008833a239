//! Goal: keys that an administrator of the key made outside boot, because the engine cannot tell,
//! and no verifier takes them for keys that were drawn inside (FAULTS F13).
//!
//! Method: the administrator opens the key policy, wraps secrets of its own in the context of a
//! genesis, and puts the blobs into an empty store. Then the policy is as before, and an enclave of
//! the approved image boots. Every verifier looks at that engine, and at an honest one.

use super::rig::{IMAGE, Rig};
use crate::client::{block_on, over_socket, run_mortise};
use mortise_client::{Channel, Client, ClientError, KeyOrigin, ProofError, Trust};
use mortise_engine::app::AppConfig;
use mortise_engine::keyring::{self, GENESIS_BLOB, KEYS_BLOB};
use mortise_engine::store::{LogStore, RemoteLog};
use mortise_format::codec;
use mortise_host::export::export;
use mortise_nitro::kms::KmsVault;
use mortise_sim::SystemEntropy;
use mortise_sim::nsm::Measurements;
use mortise_testkit::system::{Options, System, genesis};
use mortise_verify::attestation::{GenesisDocumentError, PcrPolicy};
use mortise_verify::lease::AgeLimit;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

/// The image of the administrator's own program.
const OTHER: &str = "administrator";
const OPEN: &str =
    "that these keys were drawn inside an enclave: the engine has no genesis document";

/// An engine whose keys the administrator made, with `document` in the place of a genesis document.
fn planted(rig: &Rig, document: Vec<u8>) -> System {
    rig.open_engine_key_to(&[IMAGE, OTHER]);
    let (genesis, vault) = (genesis(), KmsVault::new(rig.client(OTHER)));
    let forged = async |_| Ok(document);
    let made = block_on(keyring::create(&genesis, &vault, &SystemEntropy, forged));
    let (_, sealed) = made.expect("the policy is open");
    rig.open_engine_key_to(&[IMAGE]);
    let refused = block_on(keyring::unseal(genesis.clone(), &sealed, &vault));
    assert_eq!(refused.expect_err("the policy is closed").name(), "KEY_DENIED");
    let platform = Some(rig.platform(AppConfig::default()));
    let mut system = System::stopped(Options { platform, ..Options::default() });
    system.start_host();
    block_on(async {
        let store = RemoteLog::connect(&system.store_address()).await.expect("the store listens");
        store.blob_put(KEYS_BLOB, sealed.encode()).await.expect("the store is empty");
        store.blob_put(GENESIS_BLOB, codec::encode(&genesis)).await.expect("so is this");
    });
    system.start_engine();
    system
}

fn trust(rig: &Rig, origin: KeyOrigin) -> Trust {
    let Measurements { pcr0, pcr1, pcr2, .. } = Measurements::dev(IMAGE);
    let pcrs = PcrPolicy::one_image(pcr0, pcr1, pcr2).expect("not of debug mode");
    Trust { roots: vec![rig.module(IMAGE).root()], pcrs, limit: AgeLimit::DEFAULT, origin }
}

fn attested(rig: &Rig, system: &System, origin: KeyOrigin) -> Client {
    over_socket(&system.engine_socket()).attested(trust(rig, origin), Channel::Sealed)
}

/// The root and the image as flags of `mortise`.
struct Anchors {
    root: String,
    pcr0: String,
}

impl Anchors {
    fn of(rig: &Rig) -> Self {
        rig.module(IMAGE).export_root(rig.folder()).expect("the folder can be written");
        let root = rig.folder().join("nitro-root.pem").display().to_string();
        Self { root, pcr0: Measurements::dev(IMAGE).pcr0.to_string() }
    }

    fn verify(&self, system: &System, more: &[&str]) -> (i32, Value, String) {
        let url = format!("unix:{}", system.engine_socket().display());
        let named = ["--url", &url, "--root", &self.root, "--pcr0", &self.pcr0];
        run_mortise(&[&["verify", "attestation"], &named[..], more].concat())
    }

    fn newest_root(&self, system: &System, more: &[&str]) -> (i32, Value, String) {
        let url = format!("unix:{}", system.engine_socket().display());
        let named = ["--url", &url, "--attest-root", &self.root, "--attest-pcr0", &self.pcr0];
        run_mortise(&[&["root"], &named[..], more].concat())
    }

    /// Exit status and report. A failure prints a second JSON value, so the report is in a file.
    fn audit(&self, export: &str, more: &[&str]) -> (i32, Value, String) {
        let path = format!("{export}.report");
        let named = ["audit", export, "--root", &self.root, "--pcr0", &self.pcr0];
        let (exit, _, stderr) = run_mortise(&[&named[..], &["--report", &path], more].concat());
        let report = std::fs::read(&path).expect("the report is written");
        (exit, serde_json::from_slice(&report).expect("it is JSON"), stderr)
    }
}

/// Stops the system and exports its log.
fn exported(system: &mut System) -> String {
    system.stop_engine().expect("it stops in order");
    system.stop_host();
    let file = system.folder().join("whole.log");
    export(&system.store_folder(), &file, false, None, |_, _| {}).expect("the log is exported");
    file.display().to_string()
}

fn has(list: &Value, text: &str) -> bool {
    list.as_array().expect("a list").iter().any(|item| item.as_str() == Some(text))
}

#[test]
fn planted_keys_boot_and_no_verifier_says_that_they_were_drawn_inside() {
    let rig = Rig::start();
    let anchors = Anchors::of(&rig);
    let mut system = planted(&rig, Vec::new());
    let client = attested(&rig, &system, KeyOrigin::DrawnInside);
    let missing = ClientError::Proof(ProofError::Genesis(GenesisDocumentError::Missing));
    assert_eq!(block_on(client.proven()).unwrap_err().to_string(), missing.to_string());
    let taken = block_on(attested(&rig, &system, KeyOrigin::Anywhere).proven());
    let taken = taken.expect("the caller does not ask").expect("it is attested");
    assert!(taken.genesis().is_none());
    let (exit, output, stderr) = anchors.verify(&system, &[]);
    assert_eq!(exit, 0, "{stderr}");
    for document in ["live", "boot"] {
        assert!(has(&output[document]["open"], OPEN), "{output}");
        assert!(output[document]["genesis"].is_null());
    }
    let (exit, output, stderr) = anchors.verify(&system, &["--drawn-inside"]);
    assert_eq!(exit, 1, "{stderr}");
    let evidence = &output["error"]["evidence"];
    assert_eq!(evidence["claim"], "genesis");
    assert_eq!(evidence["name"], "GenesisDocumentMissing");
    assert!(stderr.contains("NOT PROVEN{genesis}"), "{stderr}");
    assert_ne!(anchors.newest_root(&system, &[]).0, 0);
    assert_eq!(anchors.newest_root(&system, &["--attest-keys-from-anywhere"]).0, 0);
    let export = exported(&mut system);
    let (exit, report, stderr) = anchors.audit(&export, &[]);
    assert_eq!(exit, 0, "{stderr}");
    assert_eq!(report["genesis"], json!({"attestation": "no genesis document"}));
    let open = "that the keys were drawn inside an enclave: the log has no genesis document";
    assert!(has(&report["notChecked"], open), "{report}");
    let (exit, report, _) = anchors.audit(&export, &["--drawn-inside"]);
    assert_eq!((exit, &report["findings"][0]["name"]), (1, &json!("GenesisDocumentMissing")));
    python(&rig, &export, "NOT PROVEN{genesis}");
}

#[test]
fn honest_keys_are_proven_by_every_verifier() {
    let rig = Rig::start();
    let anchors = Anchors::of(&rig);
    let mut system = rig.system(AppConfig::default());
    let client = attested(&rig, &system, KeyOrigin::DrawnInside);
    let proven = block_on(client.proven()).expect("it stands").expect("it is attested");
    let drawn_ms = proven.genesis().expect("it has a document").timestamp_ms();
    let (exit, output, stderr) = anchors.verify(&system, &["--drawn-inside"]);
    assert_eq!(exit, 0, "{stderr}");
    for document in ["live", "boot"] {
        assert_eq!(output[document]["genesis"]["timestampMs"], drawn_ms);
        assert_eq!(output[document]["genesis"]["pcr0"], anchors.pcr0);
    }
    assert_eq!(anchors.newest_root(&system, &[]).0, 0);
    let export = exported(&mut system);
    let (exit, report, stderr) = anchors.audit(&export, &["--drawn-inside"]);
    assert_eq!(exit, 0, "{stderr}");
    assert_eq!(report["genesis"]["attestation"], "drawn inside, approved image");
    assert_eq!(report["genesis"]["documentMs"], drawn_ms);
    python(&rig, &export, "PROVEN{genesis}");
}

/// Goal: what the administrator puts in the document's place is refused by name, also by those who
/// do not ask for one.
#[test]
fn planted_keys_with_the_document_of_another_engine_are_refused_by_name() {
    let rig = Rig::start();
    let anchors = Anchors::of(&rig);
    let mut honest = rig.system(AppConfig::default());
    let shown = honest.call("getBootAttestation", Value::Null)["result"].clone();
    let bytes = |field: &str| {
        let text = shown[field].as_str().expect("a document");
        mortise_format::hex::decode(&text[2..]).expect("hex")
    };
    let theirs = [
        (bytes("genesisDocument"), "GenesisDocumentKeys"),
        (bytes("awsAttestationDocument"), "GenesisDocumentRegister"),
        (vec![1; 16 * 1024], "GenesisDocumentEnvelope"),
    ];
    honest.stop_engine().expect("it stops in order");
    for (document, name) in theirs {
        let mut system = planted(&rig, document);
        let error = block_on(attested(&rig, &system, KeyOrigin::Anywhere).proven()).unwrap_err();
        let ClientError::Proof(ProofError::Genesis(error)) = error else { panic!("{error}") };
        assert_eq!(error.name(), name);
        let (exit, output, stderr) = anchors.verify(&system, &[]);
        assert_eq!((exit, &output["error"]["evidence"]["name"]), (1, &json!(name)), "{stderr}");
        let export = exported(&mut system);
        let (exit, report, _) = anchors.audit(&export, &[]);
        assert_eq!((exit, &report["findings"][0]["name"]), (1, &json!("GenesisDocument")));
        assert_eq!(report["genesis"]["attestation"], "refused");
        python(&rig, &export, "NOT PROVEN{genesis}");
    }
}

/// The Python verifier on an exported log. `MORTISE_INTEROP_PYTHON` names a Python with cbor2 and
/// cryptography (`tests/interop`).
fn python(rig: &Rig, export: &str, verdict: &str) {
    let Ok(python) = std::env::var("MORTISE_INTEROP_PYTHON") else {
        println!("skipped: MORTISE_INTEROP_PYTHON names no Python");
        return;
    };
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("interop/genesis.py");
    let pcr0 = Measurements::dev(IMAGE).pcr0.to_string();
    let root = rig.folder().join("nitro-root.pem");
    let mut command = Command::new(python);
    command.arg(script).arg(export).args(["--pcr0", &pcr0, "--root"]).arg(root);
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with(verdict), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.success(), !verdict.starts_with("NOT"));
}
