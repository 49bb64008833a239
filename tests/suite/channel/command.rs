//! `mortise --attest-root ...` sends nothing before it has a proof, and nothing in clear after it.

use super::Carried;
use super::relay::Direction;
use crate::client::run_mortise;
use mortise_format::channel::is_channel;
use mortise_sim::nsm::Measurements;
use serde_json::Value;

/// Runs a command through the relay; exit status, data, stderr.
fn run(carried: &Carried, args: &[&str]) -> (i32, Value, String) {
    let url = format!("unix:{}", carried.relay.socket().display());
    run_mortise(&[args, &["--attempts", "1", "--url", &url]].concat())
}

fn pcr0(label: &str) -> String {
    Measurements::dev(label).pcr0.to_string()
}

#[test]
fn command_verifies_the_engine_and_then_sends_nothing_in_clear() {
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
fn command_sends_nothing_to_an_engine_with_another_root_or_image() {
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
