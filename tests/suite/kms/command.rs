//! `mortise kms` as a process: its input, output and exit codes.

use super::rig::Rig;
use mortise_client::Signer;
use mortise_engine::app::AppConfig;
use mortise_testkit::system::System;
use std::io::Write as _;
use std::process::{Command, Stdio};

const TEXT: &str = "\u{4f60}\u{597d}, \u{c548}\u{b155}\n";

struct CommandOutput {
    exit: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the command with this key and this text on stdin.
fn kms(url: &str, key: Option<&str>, args: &[&str], stdin: &str) -> CommandOutput {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mortise-under-test"));
    command.arg("kms").args(args).args(["--url", url]);
    for variable in ["MORTISE_URL", "MORTISE_KEY", "MORTISE_ANCHORS"] {
        command.env_remove(variable);
    }
    if let Some(key) = key {
        command.env("MORTISE_KEY", key);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command is built");
    let mut input = child.stdin.take().expect("it is a pipe");
    // A command that refuses its arguments reads nothing.
    let _ = input.write_all(stdin.as_bytes());
    drop(input);
    let ended = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
    CommandOutput {
        exit: ended.status.code(),
        stdout: text(ended.stdout),
        stderr: text(ended.stderr),
    }
}

/// The values of `NAME=value` lines.
fn parts(ran: &CommandOutput) -> Vec<String> {
    assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    let lines: Vec<_> = ran.stdout.lines().filter_map(|line| line.split_once('=')).collect();
    let names: Vec<_> = lines.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["ENCRYPTED", "SIGNATURE", "CIPHERTEXT_BLOB"]);
    lines.iter().map(|(_, value)| (*value).to_owned()).collect()
}

/// Encrypts, decrypts, and decrypts with each part changed.
fn round(url: &str, key: Option<&str>, form: &[&str]) {
    let all = |args: &[&str], stdin: &str| kms(url, key, &[args, form].concat(), stdin);
    let encrypted = all(&["encrypt", "-"], TEXT);
    println!("{}{}", encrypted.stdout, encrypted.stderr);
    let good = parts(&encrypted);
    let decrypt = |parts: &[String]| all(&["decrypt", &parts[0], &parts[1], &parts[2]], "");
    let ran = decrypt(&good);
    assert_eq!((ran.exit, ran.stdout), (Some(0), format!("{TEXT}\nSIGNATURE: valid\n")));
    for (at, name) in [(0, "MESSAGE_SIGNATURE"), (1, "MESSAGE_SIGNATURE"), (2, "KMS_REFUSED")] {
        let mut changed = good.clone();
        let other = if changed[at][8..].starts_with('A') { "B" } else { "A" };
        changed[at].replace_range(8..9, other);
        let ran = decrypt(&changed);
        assert_eq!((ran.exit, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
        assert!(ran.stderr.contains(name), "{}", ran.stderr);
    }
}

#[test]
fn texts_are_encrypted_and_decrypted_by_hand_natively_and_in_the_plain_form() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let (_, key) = Signer::random_with_secret();
    let socket = format!("unix:{}", system.engine_socket().display());
    round(&format!("http://{}", system.http()), Some(&key), &[]);
    round(&socket, Some(&key), &[]);
    round(&socket, None, &["--plain"]);
}

#[test]
fn keys_and_random_bytes_are_printed_in_the_format_of_the_tool() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let socket = format!("unix:{}", system.engine_socket().display());
    let ran = kms(&socket, None, &["genkey", "--plain"], "");
    assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("CIPHERTEXT: ") && !ran.stdout.contains("PLAINTEXT"));
    let wrapped = ran.stdout.trim_start_matches("CIPHERTEXT: ").trim().to_owned();
    let ran = kms(&socket, None, &["unwrap", &wrapped, "--plain"], "");
    assert_eq!(ran.exit, Some(1));
    assert!(ran.stderr.contains("PLAINTEXT_WITHHELD"), "{}", ran.stderr);
    let ran = kms(&socket, None, &["random", "--bytes", "3", "--plain"], "");
    assert_eq!((ran.exit, ran.stdout.trim().len()), (Some(0), 4));
}

#[test]
fn wrong_usage_and_ports_that_do_not_answer_have_their_exit_codes() {
    let system = System::start();
    let socket = format!("unix:{}", system.engine_socket().display());
    for (args, exit) in [
        (&["encrypt", "a"][..], 2),
        (&["decrypt", "no base64", "AAAA", "AAAA"], 2),
        (&["random", "--bytes", "0"], 2),
        (&["encrypt", "a", "--plain", "--owner", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"], 2),
        (&["random", "--credentials", "/nowhere"], 2),
        (&["random", "--plain", "--credentials", "/nowhere"], 2),
        (&["random", "--plain"], 1),
        (&["random"], 1),
    ] {
        let ran = kms(&socket, None, args, "");
        assert_eq!(ran.exit, Some(exit), "{args:?}: {}", ran.stderr);
    }
    let ran = kms("unix:/nowhere/engine.sock", None, &["random", "--plain"], "");
    assert_eq!(ran.exit, Some(3), "{}", ran.stderr);
    assert_eq!(kms("http://127.0.0.1:1", None, &["random", "--plain"], "").exit, Some(2));
}
