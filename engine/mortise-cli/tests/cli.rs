//! The `mortise` binary from outside: what it prints where, and its exit codes.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

/// First account of the public test mnemonic.
const SECRET: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
const LOCK_ID: &str = "0x0101010101010101010101010101010101010101010101010101010101010101";

fn mortise(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mortise"));
    command.args(args);
    for variable in ["MORTISE_URL", "MORTISE_KEY", "MORTISE_ANCHORS", "MORTISE_TRUST"] {
        command.env_remove(variable);
    }
    command
}

struct CommandOutput {
    exit: i32,
    stdout: String,
    stderr: String,
}

fn run(command: &mut Command) -> CommandOutput {
    let Output { status, stdout, stderr } = command.output().unwrap();
    CommandOutput {
        exit: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// Answers every POST on loopback with what `answer` makes of the call's method.
fn server(answer: fn(&str) -> Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap(), answer);
        }
    });
    url
}

fn serve(stream: TcpStream, answer: fn(&str) -> Value) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let call: Value = serde_json::from_slice(&body).unwrap();
        let mut reply = answer(call["method"].as_str().unwrap());
        reply["jsonrpc"] = json!("2.0");
        reply["id"] = call["id"].clone();
        let reply = reply.to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", reply.len());
        reader.get_mut().write_all((head + &reply).as_bytes()).unwrap();
    }
}

fn health(phase: &str) -> Value {
    json!({"result": {
        "status": "healthy", "enclaveId": LOCK_ID, "publicKey": ADDRESS, "stateRoot": LOCK_ID,
        "timestamp": 1_800_000_000, "epoch": 1, "seq": 2, "mode": "unattested", "version": "0",
        "phase": phase,
    }})
}

fn ready(method: &str) -> Value {
    match method {
        "health" => health("ready"),
        "getLock" => json!({"result": null}),
        "suggestNonce" => json!({"result": {"nonce": "1"}}),
        "commitLock" => json!({"error": {"code": -32010, "message": "no", "data": {
            "name": "INSUFFICIENT_AVAILABLE", "hint": "Lower the amount.", "available": "5"}}}),
        _ => json!({"error": {"code": -32601, "message": "no such method"}}),
    }
}

fn replaying(method: &str) -> Value {
    match method {
        "health" => health("replaying"),
        _ => json!({"error": {"code": -32028, "message": "not ready",
                              "data": {"phase": "replaying"}}}),
    }
}

#[test]
fn help_is_data_and_wrong_usage_is_exit_2() {
    let help = run(&mut mortise(&["--help"]));
    assert_eq!(help.exit, 0);
    for command in ["verify", "genesis", "lock", "balance", "root", "health", "key", "explain"] {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command}\n{}", help.stdout);
    }
    for args in [
        &["--nonsense"][..],
        &["lock", "get", "0x00"],
        &["lock", "commit", "--asset", "gold:1"],
        &["balance", "--asset", "native:1"],
        &["health", "--url", "https://x"],
        &["explain", "-1"],
        &["key", "new"],
    ] {
        let ran = run(&mut mortise(args));
        assert_eq!(ran.exit, 2, "{args:?} {}", ran.stderr);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn errors_are_explained_by_code_and_by_name() {
    let text = run(&mut mortise(&["explain", "-32013"]));
    assert!(text.exit == 0 && text.stdout.contains("RESET_PERIOD_TOO_SHORT"), "{}", text.stdout);
    let ran = run(&mut mortise(&["explain", "CONSENT_REQUIRED", "--json"]));
    let entry: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&entry["code"], &entry["data"]), (&json!(-32021), &json!(["from"])));
    let all = run(&mut mortise(&["explain", "--json"]));
    assert!(serde_json::from_str::<Vec<Value>>(&all.stdout).unwrap().len() > 30);
}

#[test]
fn secret_is_printed_only_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.key");
    let file = path.to_str().unwrap();
    let made = run(&mut mortise(&["key", "new", "--out", file]));
    let secret = std::fs::read_to_string(&path).unwrap();
    assert_eq!((made.exit, secret.len()), (0, 67));
    assert!(!made.stdout.contains(secret.trim()) && !made.stderr.contains(secret.trim()));
    let shown = run(&mut mortise(&["key", "address", "--key", file]));
    assert_eq!(shown.stdout, made.stdout);
    let again = run(&mut mortise(&["key", "new", "--out", file]));
    assert_eq!((again.exit, std::fs::read_to_string(&path).unwrap()), (1, secret));
    let shown = run(&mut mortise(&["--json", "key", "new", "--show"]));
    let value: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(value["secret"].as_str().unwrap().len(), 66);
    let variable = run(mortise(&["key", "address"]).env("MORTISE_KEY", SECRET));
    assert_eq!(variable.stdout, format!("address  {ADDRESS}\n"));
}

#[test]
fn genesis_is_written_once_and_its_hash_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("genesis.json");
    let file = path.to_str().unwrap();
    let written = run(&mut mortise(&["--json", "genesis", "--salt", LOCK_ID, "--out", file]));
    assert_eq!(written.exit, 0, "{}", written.stderr);
    let checked = run(&mut mortise(&["--json", "genesis", "--check", file]));
    assert_eq!(checked.stdout, written.stdout);
    assert_eq!(run(&mut mortise(&["genesis", "--out", file])).exit, 1);
    let printed = run(&mut mortise(&["genesis", "--salt", LOCK_ID]));
    assert_eq!(printed.stdout, std::fs::read_to_string(&path).unwrap());
    std::fs::write(&path, printed.stdout.replace("observersMin", "observerMin")).unwrap();
    let broken = run(&mut mortise(&["genesis", "--check", file]));
    assert!(broken.exit == 1 && broken.stderr.contains("observerMin"), "{}", broken.stderr);
}

#[test]
fn no_answer_is_exit_3() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("unix:{}", folder.path().join("none.sock").display());
    let ran = run(&mut mortise(&["health", "--url", &url, "--attempts", "1"]));
    assert_eq!((ran.exit, ran.stdout.as_str()), (3, ""));
    assert!(ran.stderr.contains("does not answer"), "{}", ran.stderr);
}

#[test]
fn engine_that_is_not_ready_is_exit_4() {
    let url = server(replaying);
    let ran = run(&mut mortise(&["health", "--url", &url, "--json"]));
    assert_eq!(ran.exit, 4);
    assert!(ran.stdout.contains("\"phase\": \"replaying\""), "{}", ran.stdout);
    let root = run(mortise(&["root", "--attempts", "1"]).env("MORTISE_URL", &url));
    assert_eq!(root.exit, 4, "{}", root.stderr);
}

#[test]
fn refusal_is_exit_1_with_fields_and_next_step() {
    let url = server(ready);
    let args = [
        "--json",
        "lock",
        "commit",
        "--url",
        &url,
        "--asset",
        "native:1",
        "--amount",
        "9",
        "--target-asset",
        "native:10",
        "--target-amount",
        "1",
    ];
    let ran = run(mortise(&args).env("MORTISE_KEY", SECRET));
    assert_eq!(ran.exit, 1);
    assert!(ran.stderr.contains("INSUFFICIENT_AVAILABLE") && ran.stderr.contains("next: Lower"));
    let value: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(value["error"]["data"]["available"], "5");
    let gone = run(&mut mortise(&["lock", "get", LOCK_ID, "--url", &url]));
    assert!(gone.exit == 1 && gone.stderr.contains("LOCK_NOT_FOUND"), "{}", gone.stderr);
}

#[test]
fn anchors_file_is_created_at_first_use_and_pins_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anchors.toml");
    let file = path.to_str().unwrap();
    let url = server(ready);
    let health = || run(&mut mortise(&["health", "--url", &url, "--anchors", file]));
    assert_eq!(health().exit, 0);
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept.to_lowercase().contains(&ADDRESS.to_lowercase()), "{kept}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(health().exit, 0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);
    std::fs::write(&path, kept.replace(LOCK_ID, &LOCK_ID.replace("01", "02"))).unwrap();
    let other = health();
    assert!(other.exit == 1 && other.stderr.contains("the engine is"), "{}", other.stderr);
}

#[test]
fn anchors_written_by_hand_keep_their_text_and_get_the_engine_of_the_first_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anchors.toml");
    let by_hand = "# my trust\r\ncustody = \"open\"   # for now";
    std::fs::write(&path, by_hand).unwrap();
    let url = server(ready);
    let health = || run(mortise(&["health", "--url", &url]).env("MORTISE_ANCHORS", &path));
    assert_eq!(health().exit, 0);
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept.starts_with(by_hand) && kept.contains(LOCK_ID), "{kept}");
    assert_eq!(health().exit, 0);
    for wrong in ["custody = 1", "engine = \"x\"", "{\"engineId\": \"x\"}"] {
        std::fs::write(&path, wrong).unwrap();
        let refused = health();
        assert!(refused.exit == 2 && refused.stderr.contains("--anchors"), "{}", refused.stderr);
    }
}

/// Goal: processes that use one file at once never fail for it, nor leave parts of one.
#[test]
fn anchors_file_is_shared_by_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anchors.toml");
    let url = server(ready);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let file = path.to_str().unwrap();
                let ran = run(&mut mortise(&["health", "--url", &url, "--anchors", file]));
                assert_eq!(ran.exit, 0, "{}", ran.stderr);
            });
        }
    });
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let kept = std::fs::read_to_string(&path).unwrap();
    assert_eq!(kept.matches("engine_id").count(), 1, "{kept}");
}

#[test]
fn old_names_are_answered_by_one_line_and_exit_2() {
    for (args, says) in [
        (&["dev"][..], "mortise-dev dev"),
        (&["log", "export", "--data-dir", "x"], "mortise-host export"),
        (&["policy", "lint", "-"], "mortise key-policy"),
        (&["root", "--trust", "x"], "--anchors FILE"),
        (&["--url", "http://127.0.0.1:1", "health"], "after the command"),
    ] {
        let ran = run(&mut mortise(args));
        assert_eq!((ran.exit, ran.stdout.as_str()), (2, ""), "{args:?}");
        assert!(ran.stderr.contains(says) && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    }
    let noted = run(mortise(&["explain", "-32010"]).env("MORTISE_TRUST", "x"));
    assert!(noted.exit == 0 && noted.stderr.contains("MORTISE_ANCHORS"), "{}", noted.stderr);
}
