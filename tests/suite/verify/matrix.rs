//! Goal: every anchor of an anchors file is used by each offline command, or named as unused.
//!
//! Method: one system, one file of good anchors that every command accepts; then each anchor with a
//! wrong value, for each cell of the table commands x anchors. The row `last` is in `forks`, the
//! cells of freshness that need witnesses are in `leased`.

use super::{Answers, CommandOutput, Files, argument, mortise};
use crate::trust::verified::AttestedSystem;
use mortise_cli::uses::{COMMANDS, Condition, TABLE, Use, table};
use mortise_format::eip712::RootStatement;
use mortise_format::note::{KeyUse, NoteKey};
use mortise_rpc::results::StatementView;
use mortise_sim::nsm::Measurements;
use mortise_testkit::keys::Party;
use mortise_testkit::system::parties::Parties;
use mortise_verify::fork::{ForkEvidence, ForkLeaves};
use mortise_verify::json::fork_view;
use mortise_verify::statement::SignedStatement;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Anchors by name, each as TOML.
type Anchors = BTreeMap<&'static str, String>;

struct Bench {
    files: Files,
    answers: Answers,
    /// The arguments of each command, without anchors.
    commands: BTreeMap<&'static str, Vec<String>>,
    good: Anchors,
    /// The key that signed the fork evidence, which no honest engine makes.
    forger: String,
}

fn quoted(text: impl ToString) -> String {
    format!("\"{}\"", text.to_string())
}

impl Bench {
    fn new() -> Self {
        let mut attested = AttestedSystem::start();
        let parties = Parties::of(&attested.system.engine_socket());
        let answers = Answers::of(&attested.system, &parties);
        let boot = attested.system.call("getBootAttestation", json!({}));
        let policy = answers.root["result"]["statement"]["policyHash"].clone();
        let files = Files::new();
        let root = files.write("root.pem", std::fs::read(attested.root()).expect("it is there"));
        let log = files.path("engine.log");
        attested.system.stop_engine().expect("it stops in order");
        attested.system.stop_host();
        let store = attested.system.store_folder();
        mortise_host::export::export(&store, &log, false, None, |_, _| {}).expect("it is whole");
        let measured = Measurements::dev("engine");
        let mut good = Anchors::from([
            ("engine_id", quoted(&answers.engine_id)),
            ("address", quoted(&answers.address)),
            ("custody", quoted("open")),
            ("durability", quoted("stored")),
            ("policy_hash", policy.to_string()),
            ("roots", format!("[{}]", quoted(root))),
        ]);
        for (name, pcr) in
            [("pcr0", measured.pcr0), ("pcr1", measured.pcr1), ("pcr2", measured.pcr2)]
        {
            good.insert(name, format!("[{}]", quoted(pcr)));
        }
        let mut bench = Self {
            commands: BTreeMap::new(),
            forger: mortise_format::ids::to_checksum(&Party::Stranger.signer().address()),
            files,
            answers,
            good,
        };
        bench.set_commands(&boot, &argument(&log));
        bench
    }

    fn set_commands(&mut self, boot: &Value, log: &str) {
        let Self { files, answers, .. } = self;
        let fork = fork(&answers.root["result"]);
        let verify = |kind: &str, file: &Value, more: &[&str]| {
            let file = files.json(&format!("{kind}.json"), file);
            let args = [&["verify", kind, &file], more].concat();
            args.into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        self.commands = BTreeMap::from([
            ("attestation", verify("attestation", boot, &["--at-its-own-time"])),
            ("receipt", verify("receipt", &answers.commit, &[])),
            ("proof", verify("proof", &answers.held, &["--lock-id", &answers.lock_id])),
            ("root", verify("root", &answers.root, &[])),
            ("freshness", verify("freshness", &answers.lock, &[])),
            ("commitment", verify("commitment", &answers.commit, &[])),
            ("fork", verify("fork", &fork, &[])),
            ("audit", ["audit", log].map(str::to_owned).to_vec()),
        ]);
    }

    /// The anchors that a command accepts.
    fn good(&self, command: &str) -> Anchors {
        let mut good = self.good.clone();
        if command == "fork" {
            good.insert("address", quoted(&self.forger));
        }
        good
    }

    fn run(&self, command: &str, anchors: &Anchors, more: &[&str]) -> CommandOutput {
        let text: String =
            anchors.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let file = self.files.write("anchors.toml", text);
        let args: Vec<&str> = self.commands[command].iter().map(String::as_str).collect();
        mortise(&[&["--json"], &args[..], more, &["--anchors", &file]].concat())
    }

    /// The arguments that give a command a checkpoint.
    fn checkpoint(&self, command: &str) -> Vec<String> {
        let note = self.files.json("checkpoint.json", &self.answers.checkpoint);
        let between = self.files.json("between.json", &self.answers.between);
        match command {
            "audit" => vec!["--checkpoint".into(), note],
            _ => vec!["--checkpoint".into(), note, "--consistency".into(), between],
        }
    }
}

/// Evidence that the holder of a test's key contradicted itself.
fn fork(root: &Value) -> Value {
    let view: StatementView =
        serde_json::from_value(root["statement"].clone()).expect("a statement");
    let first = RootStatement::from(&view);
    let mut second = first.clone();
    second.history_root.0[0] ^= 1;
    let [first, second] = [first, second].map(|statement| {
        let signature = Party::Stranger.signer().sign(&statement.digest());
        SignedStatement { statement, signature }
    });
    json!(fork_view(&ForkEvidence { first, second, leaves: ForkLeaves::None }))
}

/// A value that is well-formed and not that of the evidence. A log key of another name would fail
/// as another origin.
fn wrong(anchor: &str, origin: &str) -> Vec<(&'static str, String)> {
    let word = quoted(format!("0x{}", "ab".repeat(32)));
    let key = |kind, name: &str| NoteKey::new(kind, name, [7; 32]).expect("a name").to_string();
    let pcr = format!("[{}]", quoted("ab".repeat(48)));
    let witnesses = ("witnesses", format!("[{}]", quoted(key(KeyUse::Witness, "w.example"))));
    match anchor {
        "engine_id" => vec![("engine_id", word)],
        "policy_hash" => vec![("policy_hash", word)],
        "address" => vec![("address", quoted(format!("0x{}", "ab".repeat(20))))],
        "log_key" => vec![("log_key", quoted(key(KeyUse::Log, origin)))],
        "origin" => vec![("origin", quoted("other.example"))],
        "witnesses" => vec![witnesses],
        "quorum" => vec![witnesses, ("quorum", "1".into())],
        "max_age" => vec![("max_age", "1".into())],
        "skew" => vec![("skew", "1".into())],
        "custody" => vec![("custody", quoted("escrow"))],
        "durability" => vec![("durability", quoted("witnessed"))],
        "roots" => vec![("roots", format!("[{}]", quoted("ab".repeat(32))))],
        "pcr0" => vec![("pcr0", pcr)],
        "pcr1" => vec![("pcr1", pcr)],
        "pcr2" => vec![("pcr2", pcr)],
        "pcr8" => vec![("pcr8", pcr)],
        other => panic!("{other} has no wrong value"),
    }
}

/// Asserts that the output fails by this name.
fn assert_named(output: &CommandOutput, name: &str, cell: &str) {
    assert_eq!(output.exit, 1, "{cell}: {output:?}");
    let shown = output.json();
    let findings = shown["findings"].as_array().into_iter().flatten();
    let mut names: Vec<&str> = findings.filter_map(|it| it["name"].as_str()).collect();
    names.extend(shown["error"]["evidence"]["name"].as_str());
    let missing = shown["missing"].as_array().into_iter().flatten();
    names.extend(missing.filter_map(|it| it["claim"].as_str()));
    assert!(names.contains(&name), "{cell}: {names:?} {output:?}");
}

/// Asserts that the command says that it has no use for the anchor.
fn assert_unused(output: &CommandOutput, anchor: &str, cell: &str) {
    assert_eq!(output.exit, 0, "{cell}: {output:?}");
    let shown = output.json();
    let open = shown["open"].as_array().expect("a list").iter().filter_map(Value::as_str);
    let mut listed = open.filter_map(|it| it.strip_prefix("what your anchors "));
    let list = listed.next().and_then(|it| it.split_once(" ask for")).map(|(names, _)| names);
    let is_listed = list.is_some_and(|names| names.split(", ").any(|name| name == anchor));
    assert!(is_listed, "{cell}: {shown}");
}

#[test]
fn every_anchor_is_used_or_named_as_unused_by_every_command() {
    let bench = Bench::new();
    let origin = bench.answers.log_key.split('+').next().expect("a key has a name");
    let mut cells = 0;
    for (column, command) in COMMANDS.into_iter().enumerate() {
        let good = bench.good(command);
        let passed = bench.run(command, &good, &[]);
        assert_eq!(passed.exit, 0, "{command} accepts good anchors: {passed:?}");
        for (anchor, uses) in TABLE.iter().filter(|(anchor, _)| *anchor != "last") {
            let cell = format!("{command} x {anchor}");
            let mut anchors = good.clone();
            anchors.extend(wrong(anchor, origin));
            match uses[column] {
                Use::Checked(name) => {
                    assert_named(&bench.run(command, &anchors, &[]), name, &cell);
                }
                Use::When(Condition::Answer, name) => {
                    assert_named(&bench.run(command, &anchors, &[]), name, &cell);
                }
                Use::When(Condition::Checkpoint, name) => {
                    assert_unused(&bench.run(command, &anchors, &[]), anchor, &cell);
                    let more = bench.checkpoint(command);
                    let more: Vec<&str> = more.iter().map(String::as_str).collect();
                    anchors.entry("log_key").or_insert_with(|| quoted(&bench.answers.log_key));
                    assert_named(&bench.run(command, &anchors, &more), name, &cell);
                }
                Use::When(Condition::Witnesses, _) if !["witnesses", "quorum"].contains(anchor) => {
                    assert_unused(&bench.run(command, &anchors, &[]), anchor, &cell);
                }
                // Witnesses of an engine that has none: the answer carries no checkpoint.
                Use::When(Condition::Witnesses, _) => {
                    anchors.entry("log_key").or_insert_with(|| quoted(&bench.answers.log_key));
                    assert_named(&bench.run(command, &anchors, &[]), "NoCheckpoint", &cell);
                }
                Use::When(Condition::Lease, _) | Use::Unused => {
                    assert_unused(&bench.run(command, &anchors, &[]), anchor, &cell);
                }
            }
            cells += 1;
        }
    }
    assert_eq!(cells, COMMANDS.len() * (TABLE.len() - 1));
}

#[test]
fn page_has_the_table_of_anchors() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/verdicts.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    assert!(page.contains(&table()), "specs/verdicts.md must have this table:\n{}", table());
}
