//! `mortise verify attestation` against a real engine over the software module.

use super::NONCE;
use crate::attestation::genuine::documents;
use crate::client::{block_on, over_socket, run_mortise};
use mortise_engine::attest::Attestation;
use mortise_engine::ports::Vault;
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use mortise_testkit::system::threads::Platform;
use mortise_testkit::system::{Options, System};
use mortise_testkit::vault::TestVault;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// An attested system, and the folder with its authority's root.
pub(crate) struct AttestedSystem {
    pub system: System,
    folder: tempfile::TempDir,
}

impl AttestedSystem {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("the system gives a folder");
        let module = SoftwareNsm::boot(&folder.path().join("nsm"), &Measurements::dev("engine"));
        let module = module.expect("the folder can be written");
        module.export_root(folder.path()).expect("the folder can be written");
        let vault: Arc<dyn Vault> = Arc::new(TestVault::new(93));
        let platform = Some(Platform::new(vault, Attestation::Module(Arc::new(module))));
        Self { system: System::with(Options { platform, ..Options::default() }), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn root(&self) -> String {
        self.path("nitro-root.pem").display().to_string()
    }

    /// Runs the command against the engine; returns exit status, data and stderr.
    fn verify(&self, args: &[&str]) -> (i32, Value, String) {
        let url = format!("unix:{}", self.system.engine_socket().display());
        run(&[&["--url", &url], args].concat())
    }

    /// Writes an answer of the engine to a file, as received over HTTP.
    fn answer(&self, name: &str, method: &str, params: Value) -> (String, Value) {
        let answer = self.system.call(method, params);
        (self.file(name, &answer), answer)
    }

    fn file(&self, name: &str, content: &Value) -> String {
        let path = self.path(name);
        std::fs::write(&path, content.to_string()).expect("the folder can be written");
        path.display().to_string()
    }
}

fn run(args: &[&str]) -> (i32, Value, String) {
    run_mortise(&[&["verify", "attestation"], args].concat())
}

fn pcr0(label: &str) -> String {
    Measurements::dev(label).pcr0.to_string()
}

#[test]
fn engine_is_proven_under_its_own_root_and_image_alone() {
    let attested = AttestedSystem::start();
    let (root, pcr0, other) = (attested.root(), pcr0("engine"), pcr0("another"));
    let identity = block_on(over_socket(&attested.system.engine_socket()).identity());
    let identity = identity.expect("it answers");
    for image in [&["--pcr0", &*pcr0][..], &["--any-image"], &["--pcr0", &other, "--pcr0", &pcr0]] {
        let (exit, output, stderr) = attested.verify(&[&["--root", &*root], image].concat());
        assert_eq!(exit, 0, "{stderr}");
        for document in ["live", "boot"] {
            let engine = &output[document]["engine"];
            assert_eq!(engine["engineId"], identity.engine_id.to_string());
            assert_eq!(engine["epoch"], 1);
        }
        assert!(output["live"]["statement"].is_object() && output["live"]["nonce"].is_string());
        assert!(output["boot"]["statement"].is_null() && output["boot"]["nonce"].is_null());
    }
    for (args, name) in [
        (&["--pcr0", &*pcr0][..], "RootNotPinned"),
        (&["--pcr0", &pcr0, "--root", "aws"], "RootNotPinned"),
        (&["--pcr0", &other, "--root", &root], "PcrNotApproved"),
        (&["--pcr0", &pcr0, "--pcr1", &other, "--root", &root], "PcrNotApproved"),
    ] {
        let (exit, output, stderr) = attested.verify(args);
        assert_eq!(exit, 1, "{args:?}");
        assert_eq!(output["error"]["evidence"]["name"], name, "{args:?} {stderr}");
    }
    assert_eq!(attested.verify(&["--root", &root]).0, 2);
}

#[test]
fn proven_engine_must_be_the_pinned_one() {
    let attested = AttestedSystem::start();
    let (root, trust) = (attested.root(), attested.path("anchors.toml").display().to_string());
    let args = ["--root", &root, "--any-image", "--anchors", &trust];
    for _ in 0..2 {
        assert_eq!(attested.verify(&args).0, 0);
    }
    let kept = std::fs::read_to_string(&trust).expect("it was written");
    let (head, tail) = kept.split_once("engine_id = \"").expect("the engine is pinned");
    let other = format!("{head}engine_id = \"{NONCE}{}", &tail[NONCE.to_string().len()..]);
    std::fs::write(&trust, other.split("[last]").next().unwrap()).expect("the folder is there");
    let (exit, _, stderr) = attested.verify(&args);
    assert_eq!(exit, 1);
    assert!(stderr.contains(&NONCE.to_string()), "{stderr}");
}

#[test]
fn saved_answers_are_verified_with_everything_that_they_bind() {
    let attested = AttestedSystem::start();
    let (root, pcr0, nonce) = (attested.root(), pcr0("engine"), NONCE.to_string());
    let (live, answer) = attested.answer("live", "getAttestation", json!({ "nonce": nonce }));
    let (boot, _) = attested.answer("boot", "getBootAttestation", Value::Null);
    let trusted = ["--root", &*root, "--pcr0", &pcr0];
    let verify = |args: &[&str]| run(&[args, &trusted].concat());
    let (exit, output, stderr) = verify(&[&live, "--nonce", &nonce]);
    assert_eq!(exit, 0, "{stderr}");
    assert_eq!(output["engine"]["epoch"], 1);
    let (exit, output, stderr) = verify(&[&boot, "--at-its-own-time"]);
    assert_eq!(exit, 0, "{stderr}");
    assert_eq!((&output["mode"], &output["engine"]["epoch"]), (&json!("archived"), &json!(1)));
    let mut changed = answer.clone();
    changed["result"]["binding"]["epoch"] = json!(2);
    let changed = attested.file("changed", &changed);
    let (exit, output, _) = verify(&[&changed, "--nonce", &nonce]);
    assert_eq!((exit, &output["error"]["evidence"]["name"]), (1, &json!("BindingMismatch")));
    let mut changed = answer;
    changed["result"]["statement"]["seq"] = json!(99);
    let changed = attested.file("changed", &changed);
    let (exit, output, _) = verify(&[&changed, "--nonce", &nonce]);
    assert_eq!((exit, &output["error"]["evidence"]["name"]), (1, &json!("StatementMismatch")));
    assert_eq!(verify(&[&boot]).0, 2);
    assert_eq!(verify(&[&live, "--at-its-own-time"]).0, 2);
}

#[test]
fn engine_without_a_module_is_not_proven() {
    let system = System::start();
    let url = format!("unix:{}", system.engine_socket().display());
    let (exit, output, stderr) = run(&["--url", &url, "--any-image"]);
    assert_eq!((exit, &output["error"]["data"]["name"]), (1, &json!("UNATTESTED")), "{stderr}");
}

#[test]
fn genuine_documents_pass_under_the_built_in_root_and_debug_ones_with_no_flag() {
    let folder = tempfile::tempdir().expect("the system gives a folder");
    for genuine in documents().into_iter().flatten() {
        let file = folder.path().join("document");
        std::fs::write(&file, &genuine.bytes).expect("the folder can be written");
        let file = file.display().to_string();
        let (exit, output, stderr) = run(&[&file, "--any-image", "--at-its-own-time"]);
        if genuine.index["debug_zero_pcr012"] == true {
            assert_eq!((exit, &output["error"]["evidence"]["name"]), (1, &json!("DebugMode")));
            continue;
        }
        assert_eq!(exit, 0, "{} {stderr}", genuine.file);
        assert_eq!(output["moduleId"], genuine.index["module_id"]);
        assert_eq!(output["timestampMs"], genuine.index["timestamp_ms"]);
        let (exit, _, stderr) = run(&[&file, "--any-image", "--nonce", &NONCE.to_string()]);
        assert_eq!(exit, 1, "{stderr}");
    }
}
