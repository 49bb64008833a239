//! The key service process from outside.

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// Any policy under which a key can be made.
const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
    "Action": ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy"], "Resource": "*"}]}"#;

#[test]
fn key_service_prints_its_address_and_stops_with_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let (data, policy) = (folder.path().join("kms"), folder.path().join("policy.json"));
    std::fs::write(&policy, POLICY).unwrap();
    let key = format!("engine={}", policy.display());
    let mut child = Command::new(env!("CARGO_BIN_EXE_mortise-dev"))
        .args(["dev-kms", "--data-dir"])
        .arg(&data)
        .args(["--key-policy", &key])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let notice: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(notice["event"], "kmsReady");
    assert_eq!(notice["hostName"], "kms.eu-central-1.amazonaws.com");
    let arn = notice["keys"]["engine"].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:kms:eu-central-1:000000000000:key/"), "{arn}");
    for file in ["tlsRoot", "credentials"] {
        assert!(std::path::Path::new(notice[file].as_str().unwrap()).is_file(), "{file}");
    }
    assert!(std::net::TcpStream::connect(notice["address"].as_str().unwrap()).is_ok());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
