//! `mortise key-policy` from outside.

use serde_json::Value;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

const ACCOUNT: &str = "111122223333";

fn mortise(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mortise"));
    command.args(args);
    command
}

/// Exit code, stdout, stderr.
fn run(args: &[&str], input: &str) -> (i32, String, String) {
    let pipe = Stdio::piped;
    let mut child = mortise(args).stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    // a command that reads no input has closed the pipe; that is no failure
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn aws(more: &[&str]) -> (i32, String, String) {
    let pcr0 = "A1".repeat(48);
    let base = ["key-policy", "aws", "--account", ACCOUNT, "--role", "engine", "--pcr0", &pcr0];
    run(&[&base, more].concat(), "")
}

/// The policy of a widespread tutorial: the account does everything beside the conditioned role.
fn tutorial() -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [
            {{"Sid": "Enable IAM User Permissions", "Effect": "Allow",
              "Principal": {{"AWS": "arn:aws:iam::{ACCOUNT}:root"}}, "Action": "kms:*",
              "Resource": "*"}},
            {{"Sid": "Enable Enclave to use KMS", "Effect": "Allow",
              "Principal": {{"AWS": "arn:aws:iam::{ACCOUNT}:role/engine"}},
              "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*",
              "Condition": {{"StringEqualsIgnoreCase": {{
                "kms:RecipientAttestation:PCR0": "{0}", "kms:RecipientAttestation:PCR1": "{0}",
                "kms:RecipientAttestation:PCR2": "{0}"}}}}}}]}}"#,
        "a1".repeat(48)
    )
}

#[test]
fn policy_that_is_written_is_clean_when_it_is_judged() {
    let (pcr1, other) = ("b2".repeat(48), "c3".repeat(48));
    for more in [
        &[][..],
        &["--app"],
        &["--pcr0", &other, "--pcr1", &pcr1, "--pcr8", &other],
        &["--admin", "keeper", "--admin", "arn:aws:iam::111122223333:role/second"],
    ] {
        let (exit, policy, _) = aws(more);
        assert_eq!(exit, 0);
        assert!(policy.contains(&"a1".repeat(48)), "{policy}");
        let (exit, printed, stderr) = run(&["key-policy", "lint", "-"], &policy);
        assert_eq!(exit, 0, "{printed} {stderr}");
        assert!(printed.contains("put-key-policy") && !printed.contains("critical"), "{printed}");
    }
    assert!(aws(&["--app"]).1.contains("\"kms:EncryptionContext:mortise:service\": \"app\""));
}

#[test]
fn tutorial_policy_is_found_out_with_exit_1() {
    let (exit, printed, stderr) = run(&["key-policy", "lint", "-"], &tutorial());
    assert_eq!(exit, 1);
    assert!(
        printed.lines().any(|line| {
            line.contains("critical") && line.contains("decrypt-without-attestation")
        })
    );
    assert!(stderr.contains("findings in the key policy"), "{stderr}");
    let (exit, printed, _) = run(&["--json", "key-policy", "lint", "-"], &tutorial());
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((exit, &printed["exit"]), (1, &Value::from(1)));
    let findings = printed["error"]["evidence"]["findings"].as_array().unwrap();
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    for rule in ["decrypt-without-attestation", "create-grant", "re-encrypt-from", "encrypt"] {
        let of = |finding: &&Value| finding["rule"] == rule && finding["principal"] == *root;
        assert!(findings.iter().any(|finding| of(&finding)), "{rule}");
    }
}

#[test]
fn wrong_usage_is_exit_2_and_no_policy_is_exit_1() {
    for more in [
        &["--pcr1", "00"][..],
        &["--pcr0", &"0".repeat(96)],
        &["--admin", "engine"],
        &["--engine-id", "0x1"],
        &["--account", "1"],
    ] {
        assert_eq!(aws(more).0, 2, "{more:?}");
    }
    assert_eq!(run(&["key-policy", "aws", "--account", ACCOUNT, "--role", "engine"], "").0, 2);
    for input in ["", "{}", "[]", "{\"Statement\": [], \"Statement\": []}"] {
        assert_eq!(run(&["key-policy", "lint", "-"], input).0, 1, "{input}");
    }
    assert_eq!(run(&["key-policy", "lint", "/nowhere/policy.json"], "").0, 1);
}
