//! `mortise image` from outside, over small files in place of a kernel and a binary.

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const CONFIG: &str = r#"
region = "eu-west-1"
engine_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/a"
app_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/b"
"#;

/// A folder with everything that an image is made from.
struct ImageFolder(TempDir);

impl ImageFolder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let mut kernel = vec![0; 0x400];
        kernel[0x202..0x206].copy_from_slice(b"HdrS");
        kernel[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        kernel[0x300..0x308].copy_from_slice(b"6.12.95 ");
        folder.put("bzImage", &kernel);
        folder.put("binary", &program());
        folder.put("nsm.ko", b"\x7fELF, a module");
        folder.put("cmdline", b"console=ttyS0 panic=1\n");
        folder.put("enclave.toml", CONFIG.as_bytes());
        let genesis = folder.path("genesis.json");
        let salt = format!("0x{}", "07".repeat(32));
        let (exit, _, stderr) = run(&["genesis", "--salt", &salt, "--out", text(&genesis)]);
        assert_eq!(exit, 0, "{stderr}");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Builds into a folder of this name, with these flags in place of the usual ones.
    fn build(&self, out: &str, more: &[&str]) -> (i32, Value, String) {
        let mut args = vec!["--json".to_owned(), "image".into(), "build".into()];
        for (flag, name) in [
            ("--config", "enclave.toml"),
            ("--genesis", "genesis.json"),
            ("--binary", "binary"),
            ("--kernel", "bzImage"),
            ("--cmdline", "cmdline"),
            ("--module", "nsm.ko"),
        ] {
            if !more.contains(&flag) {
                args.extend([flag.to_owned(), text(&self.path(name)).to_owned()]);
            }
        }
        args.extend(["--out".into(), text(&self.path(out)).to_owned()]);
        args.extend(more.iter().map(|more| (*more).to_owned()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (exit, printed, stderr) = run(&args);
        (exit, serde_json::from_str(&printed).unwrap_or_default(), stderr)
    }

    fn image(&self, out: &str) -> String {
        text(&self.path(out).join("mortise.eif")).to_owned()
    }

    fn record(&self, out: &str) -> String {
        text(&self.path(out).join("measurements.json")).to_owned()
    }

    /// A key and its certificate.
    fn signer(&self) -> [String; 2] {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let certificate = CertificateParams::new(vec!["signer".into()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap().pem();
        let paths = [
            self.put("key.pem", key.serialize_pem().as_bytes()),
            self.put("cert.pem", certificate.as_bytes()),
        ];
        paths.map(|path| text(&path).to_owned())
    }
}

/// The smallest static program.
fn program() -> Vec<u8> {
    let mut binary = vec![0; 120];
    binary[..4].copy_from_slice(b"\x7fELF");
    (binary[4], binary[5], binary[16], binary[18]) = (2, 1, 2, 62);
    (binary[32], binary[54], binary[56], binary[64]) = (64, 56, 1, 1);
    binary
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Exit code, stdout, stderr.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mortise")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn same_inputs_give_the_same_image_and_record_in_two_folders() {
    let (first, second) = (ImageFolder::new(), ImageFolder::new());
    let (exit, printed, stderr) = first.build("out", &[]);
    assert_eq!(exit, 0, "{stderr}");
    assert_eq!(second.build("elsewhere", &[]).0, 0);
    let read = |path: String| std::fs::read(path).unwrap();
    assert_eq!(read(first.image("out")), read(second.image("elsewhere")));
    assert_eq!(read(first.record("out")), read(second.record("elsewhere")));
    let record: Value = serde_json::from_slice(&read(first.record("out"))).unwrap();
    assert_eq!(record["inputs"]["cmdline"], "console=ttyS0 panic=1");
    assert_eq!((&record["digest"], &record["isDevelopment"]), (&printed["digest"], &false.into()));

    let (exit, measured, _) = run(&["--json", "image", "measure", &first.image("out")]);
    let measured: Value = serde_json::from_str(&measured).unwrap();
    assert_eq!((exit, &measured["Measurements"]), (0, &record["Measurements"]));
    assert_eq!(measured["digest"], record["digest"]);
    let (exit, printed, _) = run(&["image", "describe", &first.image("out")]);
    assert_eq!(exit, 0);
    for part in ["/init", "/etc/mortise/enclave.toml", "/modules/00-nsm.ko", "6.12.95", "pcr2"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

/// Names of an object, and those that a schema knows and wants of it.
fn assert_fits(value: &Value, schema: &Value, absent: &[&str]) {
    let names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    for name in &names {
        assert!(schema["properties"][name].is_object(), "the schema lacks {name}");
    }
    for name in schema["required"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        assert!(names.contains(&name) || absent.contains(&name), "the record lacks {name}");
    }
}

#[test]
fn image_without_named_files_is_the_reference_image_and_says_so() {
    let folder = ImageFolder::new();
    let flags = |out: &str| {
        let flags = [
            ("--out", folder.path(out)),
            ("--binary", folder.path("binary")),
            ("--kernel", folder.path("bzImage")),
            ("--cmdline", folder.path("cmdline")),
            ("--module", folder.path("nsm.ko")),
        ];
        flags.map(|(flag, path)| [flag.to_owned(), text(&path).to_owned()]).concat()
    };
    let build = |out: &str, count: usize| {
        let flags = flags(out);
        let flags = flags.iter().map(String::as_str).take(count);
        run(&["--json", "image", "build"].into_iter().chain(flags).collect::<Vec<_>>())
    };
    let records = ["a", "b"].map(|out| {
        let (exit, _, stderr) = build(out, 10);
        assert!(exit == 0 && stderr.contains("REFERENCE IMAGE"), "{stderr}");
        std::fs::read_to_string(folder.record(out)).unwrap()
    });
    assert_eq!(records[0], records[1]);
    let record: Value = serde_json::from_str(&records[0]).unwrap();
    assert_eq!(record["isDevelopment"], false);
    let reference = include_bytes!("../../../enclave-image/reference/enclave.toml");
    assert_eq!(record["inputs"]["config"]["bytes"], reference.len());
    let (exit, _, stderr) = build("c", 6);
    assert!(
        exit == 2 && stderr.contains("--debian-kernel"),
        "a kernel without its words: {stderr}"
    );
    let (exit, _, stderr) = run(&["image", "build", "--out", "d", "--config", "e.toml"]);
    assert!(exit == 2 && stderr.contains("--genesis"), "{stderr}");
}

#[test]
fn record_has_the_names_of_the_published_schema() {
    let schema = include_str!("../../../enclave-image/releases/release.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let folder = ImageFolder::new();
    let [key, certificate] = folder.signer();
    folder.build("out", &["--sign-key", &key, "--sign-cert", &certificate]);
    let record = std::fs::read(folder.record("out")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    // the binary was given, so there is nothing to say about its source
    assert_fits(&record, &schema, &["source"]);
    for name in ["Measurements", "inputs"] {
        assert_fits(&record[name], &schema["properties"][name], &[]);
    }
    let inputs = &schema["properties"]["inputs"]["properties"];
    assert_fits(&record["inputs"]["kernel"], &inputs["kernel"], &[]);
    assert_fits(&record["inputs"]["modules"][0], &schema["$defs"]["file"], &[]);
}

/// Goal: every published entry is complete, and its files are unchanged.
#[test]
fn each_published_entry_is_of_a_commit_and_has_the_files_that_it_names() {
    let releases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../enclave-image/releases");
    let schema = std::fs::read(releases.join("release.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let folders = std::fs::read_dir(&releases).unwrap().map(|entry| entry.unwrap().path());
    let entries: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    assert!(!entries.is_empty());
    for entry in entries {
        let record = std::fs::read(entry.join("measurements.json")).unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        assert_fits(&record, &schema, &[]);
        assert_fits(&record["source"], &schema["properties"]["source"], &[]);
        assert_eq!(record["isDevelopment"], false, "{entry:?}");
        assert_eq!(record["source"]["isChanged"], false, "{entry:?}");
        for (input, name) in [("config", "enclave.toml"), ("genesis", "genesis.json")] {
            let content = std::fs::read(entry.join(name)).unwrap();
            let digest = &record["inputs"][input]["digest"];
            assert_eq!(*digest, mortise_image::measure::digest(&content), "{entry:?} {name}");
        }
    }
}

#[test]
fn changed_input_is_found_by_diff_with_exit_1() {
    let folder = ImageFolder::new();
    folder.build("a", &[]);
    let more = format!("{CONFIG}log = \"debug\"\n");
    folder.put("enclave.toml", more.as_bytes());
    folder.build("b", &[]);
    let (a, b) = (folder.image("a"), folder.image("b"));
    let (exit, printed, stderr) = run(&["image", "diff", &a, &b]);
    assert_eq!(exit, 1);
    assert!(
        printed.contains("ramdisk 2") && printed.contains("/etc/mortise/enclave.toml"),
        "{printed}"
    );
    assert!(stderr.contains("the images differ"), "{stderr}");
    let (exit, printed, _) = run(&["--json", "image", "diff", &a, &b]);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let found = &printed["error"]["evidence"]["differences"][0];
    assert_eq!((exit, &found["firstByte"]), (1, &CONFIG.len().into()));
    assert_eq!(run(&["image", "diff", &a, &a]).0, 0);
}

#[test]
fn what_the_enclave_would_refuse_is_refused_before_anything_is_written() {
    let folder = ImageFolder::new();
    let bad = [
        ("--config", "toml", "region = 1".as_bytes().to_vec(), "region"),
        ("--config", "place", format!("{CONFIG}genesis = \"/x\"").into_bytes(), "/etc/mortise"),
        ("--genesis", "json", b"{}".to_vec(), "not a genesis"),
        ("--kernel", "kernel", program(), "not an x86 kernel"),
        ("--module", "nsm.ko.xz", b"\x7fELF".to_vec(), "the content is not the object file or XZ"),
        ("--module", "nsm.txt", b"\x7fELF".to_vec(), "is not a module"),
        ("--binary", "script", b"#!/bin/sh".to_vec(), "not an ELF file"),
        ("--cmdline", "cmdline2", b"a\tb panic=1".to_vec(), "not a printable character"),
        ("--cmdline", "cmdline3", b"console=ttyS0 reboot=k".to_vec(), "no panic=SECONDS"),
        ("--cmdline", "cmdline4", b"panic=1 panic=0".to_vec(), "panic=0"),
    ];
    for (flag, name, content, why) in bad {
        let path = folder.put(name, &content);
        let (exit, printed, _) = folder.build("out", &[flag, text(&path)]);
        let message = printed["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(exit, 1, "{flag} {name}");
        assert!(message.contains(why), "{flag} {name}: {message}");
    }
    let own = std::env::current_exe().unwrap();
    let (exit, printed, _) = folder.build("out", &["--binary", text(&own)]);
    assert_eq!(exit, 1);
    assert!(printed["error"]["message"].as_str().unwrap().contains("crt-static"), "{printed}");
    assert_eq!(folder.build("out", &["--kernel", "/nowhere"]).0, 2);
    assert!(!folder.path("out").exists());
}

#[test]
fn development_image_says_so() {
    let folder = ImageFolder::new();
    folder.put("enclave.toml", format!("{CONFIG}module = \"emulated\"\n").as_bytes());
    let (exit, printed, stderr) = folder.build("out", &[]);
    assert_eq!((exit, &printed["isDevelopment"]), (0, &true.into()));
    assert!(stderr.contains("warning: DEVELOPMENT IMAGE"), "{stderr}");
    let record = folder.record("out");
    let policy = ["key-policy", "aws", "--account", "111122223333", "--role", "engine"];
    let (exit, _, stderr) = run(&[&policy[..], &["--measurements", &record]].concat());
    assert_eq!(exit, 0);
    assert!(stderr.contains("belongs to a development image"), "{stderr}");
}

#[test]
fn policy_of_the_measurements_names_the_image_and_no_other() {
    let folder = ImageFolder::new();
    folder.build("a", &[]);
    folder.build("b", &["--cmdline", "console=ttyS0 panic=1 quiet"]);
    let policy = |record: &str| {
        let args = ["key-policy", "aws", "--account", "111122223333", "--role", "engine"];
        run(&[&args[..], &["--measurements", record]].concat()).1
    };
    let policy = folder.put("policy.json", policy(&folder.record("a")).as_bytes());
    let lint = |out| {
        let record = folder.record(out);
        run(&["key-policy", "lint", text(&policy), "--measurements", &record])
    };
    let (exit, printed, stderr) = lint("a");
    assert_eq!(exit, 0, "{printed}{stderr}");
    assert!(printed.contains("image-admitted"), "{printed}");
    let (exit, printed, _) = lint("b");
    assert_eq!(exit, 1);
    assert!(printed.contains("image-not-named"), "{printed}");
    let record: Value =
        serde_json::from_slice(&std::fs::read(folder.record("a")).unwrap()).unwrap();
    let text = std::fs::read_to_string(&policy).unwrap();
    for register in ["PCR0", "PCR1", "PCR2"] {
        assert!(text.contains(record["Measurements"][register].as_str().unwrap()), "{register}");
    }
}

#[test]
fn image_is_signed_when_it_is_built_or_later_with_the_same_bytes() {
    let folder = ImageFolder::new();
    let [key, certificate] = folder.signer();
    let flags = ["--sign-key", key.as_str(), "--sign-cert", &certificate];
    assert_eq!(folder.build("at-once", &flags).0, 0);
    folder.build("later", &[]);
    let unsigned = std::fs::read(folder.image("later")).unwrap();
    let (exit, printed, stderr) =
        run(&[&["image", "sign", &folder.image("later")], &flags[..]].concat());
    assert_eq!(exit, 0, "{stderr}");
    assert!(printed.contains("pcr8"), "{printed}");
    for file in [ImageFolder::image, ImageFolder::record] {
        let read = |out| std::fs::read(file(&folder, out)).unwrap();
        assert_eq!(read("at-once"), read("later"));
    }
    assert_ne!(std::fs::read(folder.image("later")).unwrap(), unsigned);
    let (_, printed, _) = run(&["image", "describe", &folder.image("later")]);
    assert!(printed.contains("signer   CN="), "{printed}");
    assert_eq!(folder.build("half", &flags[..2]).0, 2);
    let wrong = folder.put("other.pem", b"no key");
    let flags = ["--sign-key", text(&wrong), "--sign-cert", &certificate];
    assert_eq!(folder.build("wrong", &flags).0, 1);
}

#[test]
fn release_is_verified_and_the_input_that_differs_is_named() {
    let folder = ImageFolder::new();
    let [key, certificate] = folder.signer();
    folder.build("release", &["--sign-key", &key, "--sign-cert", &certificate]);
    for name in ["enclave.toml", "genesis.json"] {
        std::fs::copy(folder.path(name), folder.path("release").join(name)).unwrap();
    }
    let (record, kernel) = (folder.record("release"), folder.path("bzImage"));
    let (binary, module) = (folder.path("binary"), folder.path("nsm.ko"));
    let verify = || {
        let files = ["--kernel", text(&kernel), "--module", text(&module)];
        let binary = ["--binary", text(&binary)];
        run(&[&["image", "verify-release", &record], &files[..], &binary[..]].concat())
    };
    let (exit, printed, stderr) = verify();
    assert_eq!(exit, 0, "{printed}{stderr}");
    assert!(printed.contains("reproduced") && stderr.contains("PCR8"), "{printed}{stderr}");
    let mut other = program();
    other.push(0);
    folder.put("binary", &other);
    let (exit, printed, stderr) = verify();
    assert_eq!(exit, 1);
    let rows: Vec<_> = printed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(rows, ["what", "PCR0", "PCR2", "image", "binary"], "{printed}");
    assert!(stderr.contains("a different image"), "{stderr}");
    let (exit, _, stderr) = run(&["image", "verify-release", &record]);
    assert_eq!(exit, 1);
    assert!(stderr.contains("--binary"), "{stderr}");
}

#[test]
fn corrupt_image_is_refused_by_name() {
    let folder = ImageFolder::new();
    folder.build("out", &[]);
    let path = folder.image("out");
    let good = std::fs::read(&path).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (bytes, why) in [
        (flipped, "a byte changed"),
        (good[..good.len() - 1].to_vec(), "it is truncated"),
        ([&good[..], b"more"].concat(), "4 bytes follow"),
        (program(), "not an enclave image"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        for command in ["measure", "describe"] {
            let (exit, _, stderr) = run(&["image", command, &path]);
            assert_eq!(exit, 1);
            assert!(stderr.contains(why), "{command}: {stderr}");
        }
    }
}
