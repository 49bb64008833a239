//! Runs `mortise doctor` as a process on the files of another machine. Tests beside its code
//! compare the full report of each problem.

use super::text;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

struct CommandOutput {
    exit: Option<i32>,
    stdout: String,
    stderr: String,
}

fn doctor(root: &Path, args: &[&str]) -> CommandOutput {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mortise-under-test"));
    let ran = command.arg("doctor").arg("--root").arg(root).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    CommandOutput { exit: ran.status.code(), stdout: text(ran.stdout), stderr: text(ran.stderr) }
}

/// The files of a parent, set up from `enclave-image/deploy`.
fn parent() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let place = root.path().join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, text).unwrap();
    };
    write("etc/mortise/mortise.env", &text("mortise.env"));
    write("etc/mortise/key-policy.json", &text("iam/key-policy-engine.sample.json"));
    let measured = format!("{{\"Measurements\":{{\"PCR0\":\"{}\"}}}}", "ab".repeat(48));
    write("etc/mortise/measurements.json", &measured);
    write("etc/nitro_enclaves/allocator.yaml", &text("allocator.yaml"));
    write("sys/module/nitro_enclaves/parameters/ne_cpus", "1,3\n");
    write("sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
    write("dev/nitro_enclaves", "");
    write("opt/mortise/mortise.eif", ".eif");
    root
}

#[test]
fn files_of_a_good_parent_pass_and_live_checks_are_skipped() {
    let root = parent();
    let ran = doctor(root.path(), &["--json"]);
    assert_eq!(ran.exit, Some(0), "{}{}", ran.stdout, ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    assert_eq!(report["healthy"], true);
    let checks = report["checks"].as_array().unwrap();
    let status = |id: &str| {
        let found = checks.iter().find(|check| check["id"] == id).unwrap();
        found["status"].as_str().unwrap()
    };
    for id in ["device.node", "allocator.memory", "image.memory", "policy.lint", "policy.access"] {
        assert_eq!(status(id), "OK", "{id}");
    }
    for id in ["vsock.engine", "enclave.running", "credentials.imds", "host.gateway"] {
        assert_eq!(status(id), "SKIP", "{id}");
    }
}

#[test]
fn failed_check_is_exit_1_as_text_and_as_one_json_document() {
    let root = parent();
    std::fs::remove_file(root.path().join("dev/nitro_enclaves")).unwrap();
    let ran = doctor(root.path(), &[]);
    assert_eq!(ran.exit, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("FAIL  device.node"), "{}", ran.stdout);
    assert!(ran.stdout.contains("      repair  "), "{}", ran.stdout);
    assert!(ran.stderr.contains("1 check failed"), "{}", ran.stderr);
    let ran = doctor(root.path(), &["--json"]);
    assert_eq!(ran.exit, Some(1));
    let report: Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    assert_eq!((&report["healthy"], &report["counts"]["fail"]), (&false.into(), &1.into()));
}

#[test]
fn last_crash_is_reported_or_its_absence() {
    let root = parent();
    let none = doctor(root.path(), &["--last-crash"]);
    assert_eq!(none.exit, Some(1));
    assert!(none.stderr.contains("no stop was recorded"), "{}", none.stderr);
    let place = root.path().join("var/lib/mortise/diagnostics");
    std::fs::create_dir_all(&place).unwrap();
    let stop = "{\"name\":\"KEYS_LOST\",\"exit\":17,\"why\":\"w\",\"at\":null,\"receivedMs\":7}";
    std::fs::write(place.join("last-stop.json"), stop).unwrap();
    let crash = doctor(root.path(), &["--last-crash", "--json"]);
    assert_eq!(crash.exit, Some(0), "{}", crash.stderr);
    let stop: Value = serde_json::from_str(&crash.stdout).unwrap();
    assert_eq!((&stop["name"], &stop["exit"]), (&"KEYS_LOST".into(), &17.into()));
    assert!(stop["meaning"].as_str().unwrap().contains("a restart does not help"), "{stop}");
}

#[test]
fn missing_root_is_wrong_usage() {
    let root = tempfile::tempdir().unwrap();
    let ran = doctor(&root.path().join("none"), &[]);
    assert_eq!(ran.exit, Some(2), "{}", ran.stderr);
}
