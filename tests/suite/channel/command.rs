//! `mortise --attest-root ...`: nothing is said before a proof, and nothing in clear after it.

use super::Carried;
use super::relay::Direction;
use mortise_format::channel::is_channel;
use mortise_sim::nsm::Measurements;
use serde_json::Value;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mortise-under-test");

/// Runs a command through the relay; exit status, data, stderr.
fn run(carried: &Carried, args: &[&str]) -> (i32, Value, String) {
    let mut command = Command::new(PROGRAM);
    for variable in ["MORTISE_URL", "MORTISE_KEY", "MORTISE_ANCHORS"] {
        command.env_remove(variable);
    }
    let url = format!("unix:{}", carried.relay.socket().display());
    command.arg("--json").args(args).args(["--attempts", "1", "--url", &url]);
    let Output { status, stdout, stderr } = command.output().expect("our own program starts");
    let stderr = String::from_utf8(stderr).expect("it writes text");
    (status.code().expect("it ends"), serde_json::from_slice(&stdout).unwrap_or_default(), stderr)
}

fn pcr0(label: &str) -> String {
    Measurements::dev(label).pcr0.to_string()
}

#[test]
fn command_proves_the_engine_and_then_says_nothing_in_clear() {
    let carried = Carried::start();
    let root = carried.trust.roots[0].to_string();
    let proof = ["--attest-root", &root, "--attest-pcr0", &pcr0("engine")];
    let (code, health, stderr) = run(&carried, &[&["health"], &proof[..]].concat());
    assert_eq!((code, &health["mode"]), (0, &"attested".into()), "{stderr}");
    let seen = carried.relay.seen(Direction::In);
    let (in_clear, sealed): (Vec<_>, Vec<_>) = seen.iter().partition(|m| !is_channel(m));
    assert!(!sealed.is_empty());
    for text in in_clear {
        assert!(String::from_utf8_lossy(text).contains("getAttestation"));
    }
    let (code, _, stderr) = run(&carried, &[&["health", "--in-clear"], &proof[..]].concat());
    assert_eq!(code, 0, "{stderr}");
    let last = carried.relay.seen(Direction::In).pop().expect("it asked");
    assert!(String::from_utf8_lossy(&last).contains("\"health\""));
}

#[test]
fn command_says_nothing_to_an_engine_of_another_root_or_image() {
    let carried = Carried::start();
    let root = carried.trust.roots[0].to_string();
    for (root, label, name) in [("aws", "engine", "root"), (root.as_str(), "another", "PCR0")] {
        let args = ["health", "--attest-root", root, "--attest-pcr0", &pcr0(label)];
        let (code, health, stderr) = run(&carried, &args);
        assert_eq!((code, &health["mode"]), (1, &Value::Null));
        assert!(stderr.contains(name), "{stderr}");
    }
    for message in carried.relay.seen(Direction::In) {
        assert!(String::from_utf8_lossy(&message).contains("getAttestation"));
    }
    let (code, ..) = run(&carried, &["health", "--attest-pcr0", &pcr0("engine")]);
    assert_eq!(code, 2, "an image without a root is wrong usage");
    let (code, ..) = run(&carried, &["health", "--attest-root", "aws"]);
    assert_eq!(code, 2, "a root without an image is wrong usage");
}
