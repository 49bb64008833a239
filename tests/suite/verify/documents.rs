//! `mortise verify attestation` as a process, over documents of the software module.

use mortise_engine::ports::{AttestRequest, Nsm as _};
use mortise_format::hex;
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const NONCE: [u8; 32] = [0x5a; 32];

/// A module's folder, its exported root, and documents in files.
struct Bench {
    folder: tempfile::TempDir,
    nsm: SoftwareNsm,
}

impl Bench {
    fn new(measurements: &Measurements) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nsm = SoftwareNsm::boot(&folder.path().join("nsm"), measurements).unwrap();
        nsm.export_root(folder.path()).unwrap();
        Self { folder, nsm }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn root(&self) -> String {
        self.path("nitro-root.pem")
    }

    /// A document for [`NONCE`], in a file.
    fn document(&self) -> (String, Vec<u8>) {
        let (user_data, nonce) = (Some(vec![7; 32]), Some(NONCE.to_vec()));
        let request = AttestRequest { user_data, nonce, public_key: None };
        let document = self.nsm.attest(&request).unwrap();
        (self.file("document", &document), document)
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn dev() -> Measurements {
    Measurements::dev("engine")
}

fn verify(args: &[&str], input: &[u8]) -> (i32, String, String) {
    let pipe = Stdio::piped;
    let mut command = Command::new(env!("CARGO_BIN_EXE_mortise-under-test"));
    for variable in ["MORTISE_URL", "MORTISE_KEY", "MORTISE_ANCHORS"] {
        command.env_remove(variable);
    }
    command.args(["verify", "attestation"]).args(args);
    let mut child = command.stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    // a command that reads no input closes the pipe
    child.stdin.take().unwrap().write_all(input).ok();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn document_of_the_pinned_root_and_image_passes_in_every_form() {
    let bench = Bench::new(&dev());
    let (file, document) = bench.document();
    let as_hex = bench.file("hex", format!("0x{}\n", hex::encode(&document)).as_bytes());
    let (pcr0, nonce) = (dev().pcr0.to_string(), hex::encode(&NONCE));
    for file in [&file, &as_hex, "-"] {
        let root = bench.root();
        let args = [file, "--root", &root, "--pcr0", &pcr0, "--nonce", &nonce];
        let (exit, stdout, stderr) = verify(&args, &document);
        assert_eq!(exit, 0, "{stdout} {stderr}");
        for word in [&pcr0, &nonce, &hex::encode(&[7; 32]), "left open", "i-"] {
            assert!(stdout.contains(word), "{word}: {stdout}");
        }
        assert!(stderr.contains("PCR1 is not named"), "{stderr}");
    }
}

#[test]
fn complete_policy_of_all_registers_is_accepted_without_a_warning() {
    let bench = Bench::new(&dev());
    let (file, _) = bench.document();
    let (nonce, root) = (hex::encode(&NONCE), bench.path("nitro-root.sha256"));
    let Measurements { pcr0, pcr1, pcr2, pcr8, .. } = dev();
    let [pcr0, pcr1, pcr2, pcr8] = [pcr0, pcr1, pcr2, pcr8].map(|pcr| pcr.to_string());
    let other = "ab".repeat(48);
    let args = [
        "--json", &file, "--root", &root, "--root", "aws", "--nonce", &nonce, "--pcr0", &other,
        "--pcr0", &pcr0, "--pcr1", &pcr1, "--pcr2", &pcr2, "--pcr8", &pcr8,
    ];
    let (exit, stdout, stderr) = verify(&args, b"");
    assert_eq!((exit, stderr.as_str()), (0, ""), "{stdout}");
    let output: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&output["mode"], &output["image"]), (&"live".into(), &"approved".into()));
    assert_eq!(output["pcrs"]["0"], Value::from(pcr0));
    assert_eq!(output["roots"].as_array().unwrap().len(), 2);
    assert!(output["established"].as_array().unwrap().len() >= 3);
}

#[test]
fn document_under_a_root_that_is_not_pinned_is_refused_with_the_next_step() {
    let bench = Bench::new(&dev());
    let (file, _) = bench.document();
    let pcr0 = dev().pcr0.to_string();
    let other = Bench::new(&dev()).nsm.root().to_string();
    for root in [&[][..], &["--root", "aws"], &["--root", &other]] {
        let base = [&*file, "--at-its-own-time", "--pcr0", &pcr0];
        let (exit, stdout, stderr) = verify(&[&base, root].concat(), b"");
        assert_eq!((exit, stdout.as_str()), (1, ""));
        assert!(stderr.contains("error: RootNotPinned: "), "{stderr}");
        assert!(stderr.contains("--root .mortise/dev/nitro-root.pem"), "{stderr}");
    }
}

#[test]
fn each_wrong_part_is_refused_by_name_with_exit_1() {
    let bench = Bench::new(&dev());
    let (file, mut document) = bench.document();
    let (root, pcr0, nonce) = (bench.root(), dev().pcr0.to_string(), hex::encode(&NONCE));
    let (other, other_nonce) = ("ab".repeat(48), "00".repeat(32));
    let middle = document.len() / 2;
    document[middle] ^= 1;
    let changed = bench.file("changed", &document);
    let text = bench.file("text", b"hello, world");
    let cut = bench.file("cut", &document[..middle]);
    let named = |name: &str, args: &[&str]| {
        let args = [&["--json", "--root", &root], args].concat();
        let (exit, stdout, stderr) = verify(&args, b"");
        assert_eq!(exit, 1, "{args:?} {stdout} {stderr}");
        assert!(stderr.contains(&format!("error: {name}: ")), "{args:?} {stderr}");
        let output: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(output["error"]["evidence"]["name"], name);
        assert!(output["error"]["evidence"]["next"].as_str().is_some_and(|next| !next.is_empty()));
    };
    named("PcrNotApproved", &[&file, "--pcr0", &other, "--nonce", &nonce]);
    named("PcrNotApproved", &[&file, "--pcr0", &pcr0, "--pcr2", &other, "--nonce", &nonce]);
    named("PcrNotApproved", &[&file, "--pcr0", &pcr0, "--pcr8", &other, "--nonce", &nonce]);
    named("ClaimMismatch", &[&file, "--pcr0", &pcr0, "--nonce", &other_nonce]);
    let other_nonce = ["--any-image", "--at-its-own-time", "--nonce", "00"];
    named("ClaimMismatch", &[&[&*file], &other_nonce[..]].concat());
    named("Envelope", &[&cut, "--any-image", "--at-its-own-time"]);
    let (exit, _, _) =
        verify(&[&changed, "--root", &root, "--any-image", "--at-its-own-time"], b"");
    assert_eq!(exit, 1);
    let (exit, _, stderr) = verify(&[&text, "--any-image", "--at-its-own-time"], b"");
    assert!(exit == 1 && stderr.contains("no attestation document"), "{stderr}");
    assert_eq!(verify(&["/nowhere/doc", "--any-image", "--at-its-own-time"], b"").0, 1);
}

#[test]
fn document_of_debug_mode_is_refused_even_for_any_image() {
    let bench = Bench::new(&Measurements::debug("engine"));
    let (file, _) = bench.document();
    let root = bench.root();
    let args = [&*file, "--root", &root, "--any-image", "--at-its-own-time"];
    let (exit, _, stderr) = verify(&args, b"");
    assert_eq!(exit, 1);
    assert!(stderr.contains("DebugMode") && stderr.contains("--debug-mode"), "{stderr}");
}

#[test]
fn old_document_is_refused_live_with_its_age_and_passes_at_its_own_time() {
    let folder = tempfile::tempdir().unwrap();
    // 2026-01-01: a module of another time, whose authority is made then
    let then_ms = 1_767_225_600_000;
    let nsm = SoftwareNsm::boot_at(&folder.path().join("nsm"), &dev(), move || then_ms).unwrap();
    nsm.export_root(folder.path()).unwrap();
    let bench = Bench { folder, nsm };
    let (file, _) = bench.document();
    let (root, nonce) = (bench.root(), hex::encode(&NONCE));
    let base = [&*file, "--root", &root, "--any-image", "--nonce", &nonce];
    let (exit, _, stderr) = verify(&base, b"");
    assert_eq!(exit, 1);
    assert!(stderr.contains("Stale: ") && stderr.contains("--at-its-own-time"), "{stderr}");
    let (exit, stdout, stderr) = verify(&[&base[..], &["--at-its-own-time"]].concat(), b"");
    assert_eq!(exit, 0, "{stderr}");
    assert!(stdout.contains("2026-01-01T00:00:00Z") && stdout.contains("today"), "{stdout}");
    assert!(stderr.contains("WARNING: --any-image"), "{stderr}");
}

#[test]
fn unclear_question_is_wrong_usage_and_nobody_there_is_exit_3() {
    let bench = Bench::new(&dev());
    let (file, _) = bench.document();
    let (nonce, short) = (hex::encode(&NONCE), "00".repeat(16));
    for args in [
        &[&*file, "--at-its-own-time"][..],
        &[&file, "--any-image"],
        &[&file, "--any-image", "--nonce", &short],
        &[&file, "--any-image", "--nonce", "zz"],
        &[&file, "--any-image", "--pcr0", &"ab".repeat(48), "--nonce", &nonce],
        &[&file, "--pcr1", &"ab".repeat(48), "--nonce", &nonce],
        &[&file, "--pcr0", &"00".repeat(48), "--nonce", &nonce, "--root", &bench.root()],
        &[&file, "--pcr0", "ab", "--nonce", &nonce],
        &[&file, "--any-image", "--at-its-own-time", "--root", "/nowhere.pem"],
        &["--any-image", "--at-its-own-time"],
        &["--any-image", "--nonce", &nonce],
    ] {
        let (exit, _, stderr) = verify(args, b"");
        assert_eq!(exit, 2, "{args:?} {stderr}");
    }
    let absent = format!("unix:{}", Path::new(&bench.path("absent.sock")).display());
    let args = ["--url", &absent, "--attempts", "1", "--any-image"];
    assert_eq!(verify(&args, b"").0, 3);
    let (exit, help, _) = verify(&["--help"], b"");
    assert!(exit == 0 && help.contains("--at-its-own-time") && help.contains("Examples:"));
}

#[test]
fn policy_file_replaces_the_flags_for_roots_and_images() {
    let bench = Bench::new(&dev());
    let (file, _) = bench.document();
    let Measurements { pcr0, pcr1, pcr2, .. } = dev();
    let root = bench.root();
    let policy = |lines: &str| bench.file("trust.toml", lines.as_bytes());
    let images = format!("pcr0 = [\"{pcr0}\"]\npcr1 = [\"{pcr1}\"]\npcr2 = [\"{pcr2}\"]\n");
    let whole = policy(&format!("roots = [\"{root}\"]\n{images}"));
    for when in [&["--at", "document"][..], &["--at-its-own-time"]] {
        let args = [&[&*file, "--anchors", &whole], when].concat();
        let (exit, stdout, stderr) = verify(&args, b"");
        assert_eq!((exit, stderr.as_str()), (0, ""), "{stdout}");
    }
    let (exit, ..) = verify(&[&file, "--anchors", &whole, "--at", "live"], b"");
    assert_eq!(exit, 2, "a live check takes a nonce");
    let (exit, _, stderr) =
        verify(&[&file, "--anchors", &whole, "--any-image", "--at", "document"], b"");
    assert_eq!(exit, 2, "{stderr}");
    let other = images.replace(&pcr2.to_string(), &"ab".repeat(48));
    let other = policy(&format!("roots = [\"{root}\"]\n{other}"));
    let (exit, _, stderr) = verify(&[&file, "--anchors", &other, "--at", "document"], b"");
    assert!(exit == 1 && stderr.contains("error: PcrNotApproved: "), "{stderr}");
    let halves = policy(&format!("roots = [\"{root}\"]\npcr0 = [\"{pcr0}\"]\n"));
    let (exit, _, stderr) = verify(&[&file, "--anchors", &halves, "--at", "document"], b"");
    assert!(exit == 2 && stderr.contains("only a part of an image"), "{stderr}");
    let aws = policy(&images);
    let (exit, _, stderr) = verify(&[&file, "--anchors", &aws, "--at", "document"], b"");
    assert!(exit == 1 && stderr.contains("error: RootNotPinned: "), "{stderr}");
}
