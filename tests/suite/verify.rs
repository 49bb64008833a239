//! `mortise verify` on saved answers, without an engine.
//!
//! Goal: the command proves the answers of an engine. It refuses each field that is flipped,
//! truncated, lengthened or swapped, and answers of other keys, engines, roots and epochs, by name
//! and with exit 1.
//!
//! Method: the command itself, over files with the answers of a real system.

#[path = "verify/answers.rs"]
mod answers;
#[path = "verify/changes.rs"]
mod changes;
#[path = "verify/documents.rs"]
mod documents;
#[path = "verify/forks.rs"]
mod forks;
#[path = "verify/histories.rs"]
mod histories;
#[path = "verify/matrix.rs"]
mod matrix;
#[path = "verify/verdicts.rs"]
mod verdicts;

use answers::Answers;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The output of the command.
#[derive(Debug)]
struct CommandOutput {
    exit: i32,
    stdout: String,
    stderr: String,
}

impl CommandOutput {
    /// The name of the check that failed.
    fn refusal(&self) -> &str {
        let rest = self.stderr.split("NOT PROVEN: ").nth(1).unwrap_or_default();
        rest.split(':').next().unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// Runs `mortise verify`; an argument that is a path is given as it is.
fn mortise(args: &[&str]) -> CommandOutput {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mortise-under-test"));
    for variable in ["MORTISE_URL", "MORTISE_KEY", "MORTISE_ANCHORS"] {
        command.env_remove(variable);
    }
    let output = command.args(args).output().expect("our own program starts");
    let text = |bytes| String::from_utf8(bytes).expect("it writes text");
    let exit = output.status.code().expect("it ends by itself");
    CommandOutput { exit, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Files of one test.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("the system gives a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and gives its path as an argument.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("the folder takes it");
        argument(&path)
    }

    fn json(&self, name: &str, value: &Value) -> String {
        self.write(name, value.to_string())
    }
}

fn argument(path: &Path) -> String {
    path.to_str().expect("our own names are text").to_owned()
}

/// The flags that name an engine.
fn engine_flags(answers: &Answers) -> [&str; 4] {
    ["--engine-id", &answers.engine_id, "--address", &answers.address]
}

#[test]
fn answers_of_a_running_engine_are_proven_from_files() {
    let (files, answers) = (Files::new(), Answers::of_a_running_engine());
    let trust = format!(
        "engine_id = \"{}\"\naddress = \"{}\"\ndurability = \"stored\"\ncustody = \"open\"\n",
        answers.engine_id, answers.address
    );
    let policy = files.write("trust.toml", trust);
    let commit = files.json("commit.json", &answers.commit);
    let bare = files.json("receipt.json", &answers.commit["result"]["receipt"]);
    let held = files.json("held.json", &answers.held);
    let absent = files.json("absent.json", &answers.absent["result"]);
    let account = files.json("account.json", &answers.account);
    let root = files.json("root.json", &answers.root);
    let lock_id = answers.lock_id.as_str();
    let cases: [(&str, &str, &[&str]); 8] = [
        ("receipt", &commit, &[]),
        ("receipt", &bare, &[]),
        ("commitment", &commit, &["--at", "live", "--custody", "open", "--lock-id", lock_id]),
        ("proof", &held, &["--lock-id", lock_id]),
        ("proof", &absent, &["--lock-id", &answers.unknown]),
        ("proof", &account, &["--owner", &answers.owner, "--asset", "native:1"]),
        ("root", &root, &[]),
        ("root", &commit, &["--older", &commit]),
    ];
    for (kind, file, more) in cases {
        for who in [&engine_flags(&answers)[..], &["--anchors", &policy]] {
            let args = [&["verify", kind, file], more, who].concat();
            let output = mortise(&args);
            assert_eq!(output.exit, 0, "{args:?} {output:?}");
            let start = format!("PROVEN: engine {} (pinned by you) ", answers.engine_id);
            assert!(output.stdout.starts_with(&start), "{output:?}");
            assert!(output.stdout.contains("  left open\n    - "), "{output:?}");
            let json = mortise(&[&["--json"], &args[..]].concat()).json();
            assert_eq!((&json["verdict"], &json["kind"]), (&"PROVEN".into(), &kind.into()));
            assert!(json["established"].as_array().is_some_and(|list| !list.is_empty()), "{json}");
        }
    }
    // What is forgotten leaves no leaf: absence speaks of this root alone.
    let args = ["--json", "verify", "proof", &absent, "--lock-id", &answers.unknown];
    let shown = mortise(&[&args[..], &["--anchors", &policy]].concat()).json();
    let open = shown["open"].as_array().expect("a list").iter().filter_map(|it| it.as_str());
    let is_said = |text: &str| text.contains("nothing of it is in force at this root");
    assert!(open.clone().any(is_said), "{shown}");
    let shown = mortise(&["--json", "verify", "receipt", &commit, "--anchors", &policy]).json();
    assert_eq!(shown["event"]["locks"][0]["lockId"], lock_id);
}

#[test]
fn answers_of_another_engine_or_key_and_wrong_usage_have_different_errors() {
    let (files, answers) = (Files::new(), Answers::of_a_running_engine());
    let commit = files.json("commit.json", &answers.commit);
    let held = files.json("held.json", &answers.held);
    let other_id = format!("0x{}", "ab".repeat(32));
    let other_key = format!("0x{}", "ab".repeat(20));
    let (id, key) = (answers.engine_id.as_str(), answers.address.as_str());
    let lock_id = answers.lock_id.as_str();
    for (file, kind, more, other_id_is) in [
        (&commit, "receipt", &[][..], "EngineId"),
        (&commit, "root", &[], "EngineId"),
        (&held, "proof", &["--lock-id", lock_id], "EngineId"),
        (&commit, "commitment", &[], "Commitment"),
    ] {
        let run = |id: &str, key: &str| {
            let who = ["--engine-id", id, "--address", key];
            mortise(&[&["--json", "verify", kind, file], more, &who].concat())
        };
        let (other_engine, other_signer) = (run(&other_id, key), run(id, &other_key));
        for (output, name) in [(other_engine, other_id_is), (other_signer, "Signer")] {
            assert_eq!((output.exit, output.refusal()), (1, name), "{kind} {output:?}");
            let evidence = &output.json()["error"]["evidence"];
            assert_eq!(
                (&evidence["name"], &evidence["verdict"]),
                (&name.into(), &"NOT PROVEN".into())
            );
            assert!(evidence["next"].as_str().is_some_and(|next| !next.is_empty()));
        }
        let usage = mortise(&[&["verify", kind, file], more].concat());
        assert_eq!(usage.exit, 2, "no engine is named: {usage:?}");
    }
    let missing =
        mortise(&[&["verify", "receipt", "/nowhere"], &engine_flags(&answers)[..]].concat());
    assert_eq!(missing.exit, 2, "{missing:?}");
    let entry = mortise(&[&["verify", "proof", &held], &engine_flags(&answers)[..]].concat());
    assert_eq!(entry.exit, 2, "no entry is named: {entry:?}");
    let refused = files.write("error.json", r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32001}}"#);
    let refused =
        mortise(&[&["verify", "receipt", &refused], &engine_flags(&answers)[..]].concat());
    assert_eq!((refused.exit, refused.refusal()), (1, "Form"));
}

#[test]
fn commitment_that_differs_from_the_request_is_refused_by_field() {
    let (files, answers) = (Files::new(), Answers::of_a_running_engine());
    let commit = files.json("commit.json", &answers.commit);
    let lock = files.json("lock.json", &answers.lock);
    let other = format!("0x{}", "ab".repeat(20));
    let other_hash = format!("0x{}", "ab".repeat(32));
    let run = |more: &[&str]| {
        mortise(&[&["verify", "commitment", &commit], more, &engine_flags(&answers)].concat())
    };
    assert_eq!(run(&["--terms", &lock, "--at", "live"]).exit, 0);
    assert_eq!(run(&["--asset", "native:1", "--amount", "1000"]).exit, 0);
    for (more, name) in [
        (&["--owner", &other][..], "Terms"),
        (&["--beneficiary", &other], "Terms"),
        (&["--arbiter", &other], "Terms"),
        (&["--asset", "native:1", "--amount", "1001"], "Terms"),
        (&["--asset", "native:10", "--amount", "1000"], "Terms"),
        (&["--lock-id", &other_hash], "LockId"),
        (&["--custody", "escrow"], "Custody"),
        (&["--policy-hash", &other_hash], "Policy"),
        (&["--at", "1"], "FromTheFuture"),
        (&["--at", "9999999999"], "Expired"),
        (&["--user-signature", &answers.other_signature], "UserSignature"),
    ] {
        let output = run(more);
        assert_eq!((output.exit, output.refusal()), (1, name), "{more:?} {output:?}");
    }
    let mut swapped = answers.commit.clone();
    swapped["result"]["receipt"] = answers.second["result"]["receipt"].clone();
    let swapped = files.json("swapped.json", &swapped);
    let output =
        mortise(&[&["verify", "commitment", &swapped], &engine_flags(&answers)[..]].concat());
    assert_eq!((output.exit, output.refusal()), (1, "OtherEvent"), "{output:?}");
}
