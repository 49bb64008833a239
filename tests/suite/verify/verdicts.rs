//! Goal: no verdict is PROVEN unless something was established and everything that was asked for;
//! the first line says who said what, as of when, tied to which identity.
//!
//! Method: files that show nothing, one thing twice, or something else than was asked for.

use super::{Answers, CommandOutput, Files, engine_flags, mortise};
use mortise_rpc::Method;
use mortise_testkit::system::System;
use mortise_testkit::system::parties::Parties;
use mortise_verify::verdict::Claim;
use serde_json::{Value, json};
use std::fmt::Write as _;

fn verify(answers: &Answers, args: &[&str]) -> CommandOutput {
    mortise(&[&["verify"], args, &engine_flags(answers)[..]].concat())
}

fn claims(output: &Value) -> Vec<&str> {
    let list = output["established"].as_array().expect("a list");
    list.iter().filter_map(|it| it["claim"].as_str()).collect()
}

#[test]
fn nothing_to_verify_is_not_proven() {
    let (files, answers) = (Files::new(), Answers::of_a_running_engine());
    let good = answers.commit["result"]["commitment"].clone();
    let receipt = answers.commit["result"]["receipt"].clone();
    let mut changed = good.clone();
    changed["legs"][0]["amount"] = json!("999999");
    let terms = files.json("lock.json", &answers.lock);
    for (more, name) in
        [(&[][..], "nothing"), (&["--terms", &terms, "--custody", "open"], "nothing")]
    {
        for empty in [json!({"commitments": []}), json!({"commitments": [], "receipt": receipt})] {
            let file = files.json("empty.json", &empty);
            let output = verify(&answers, &[&["commitment", &file], more].concat());
            assert_eq!((output.exit, output.refusal()), (1, name), "{output:?}");
            assert!(output.stdout.starts_with("NOT PROVEN: nothing"), "{output:?}");
            let part =
                [&["--json", "verify", "commitment", &file, "--allow-partial"], more].concat();
            let part = mortise(&[&part[..], &engine_flags(&answers)].concat());
            assert_eq!((part.exit, &part.json()["verdict"]), (1, &json!("NOT PROVEN")), "{part:?}");
        }
    }
    // A commitment beside a list is one of the promises, whatever the list holds.
    for list in [json!([]), json!([good])] {
        let file = json!({"commitments": list, "commitment": changed});
        let file = files.json("beside.json", &file);
        let output = verify(&answers, &["commitment", &file]);
        assert_eq!((output.exit, output.refusal()), (1, "Commitment"), "{output:?}");
    }
    for (kind, more) in [("receipt", &[][..]), ("root", &[]), ("fork", &[]), ("freshness", &[])] {
        for (name, text) in [("object.json", "{}"), ("list.json", "[]"), ("none.json", "")] {
            let file = files.write(name, text);
            let output = verify(&answers, &[&[kind, &file], more].concat());
            assert_eq!((output.exit, output.refusal()), (1, "Form"), "{kind} {text:?} {output:?}");
        }
    }
    let file = files.write("object.json", "{}");
    let output = verify(&answers, &["proof", &file, "--lock-id", &answers.lock_id]);
    assert_eq!((output.exit, output.refusal()), (1, "Form"), "{output:?}");
}

#[test]
fn same_promise_twice_is_one_promise() {
    let (files, answers) = (Files::new(), Answers::of_a_running_engine());
    let one = answers.commit["result"]["commitment"].clone();
    let other = answers.second["result"]["commitment"].clone();
    for (list, promises, copies) in
        [(json!([one, one]), 1, 1), (json!([one, other]), 2, 0), (json!([one, other, one]), 2, 1)]
    {
        let file = files.json("list.json", &json!({ "commitments": list }));
        let output = mortise(
            &[&["--json", "verify", "commitment", &file], &engine_flags(&answers)[..]].concat(),
        );
        let shown = output.json();
        assert_eq!((output.exit, &shown["verdict"]), (0, &json!("PROVEN")));
        assert_eq!((&shown["promises"], &shown["copies"]), (&json!(promises), &json!(copies)));
        let promised = claims(&shown).iter().filter(|claim| **claim == "promise").count();
        assert_eq!(promised, promises, "{shown}");
        let text = verify(&answers, &["commitment", &file]).stdout;
        assert_eq!(text.contains("the same promise again"), copies > 0, "{text}");
        assert_eq!(text.starts_with("PROVEN: ") && text.contains("made 2 promises"), promises == 2);
    }
}

/// A running engine with a lock that was released, and the receipt of a refusal.
struct Ended {
    answers: Answers,
    released: Value,
    refusal: Value,
}

impl Ended {
    fn new() -> Self {
        let system = System::start();
        let parties = Parties::of(&system.engine_socket());
        let answers = Answers::of(&system, &parties);
        let again = parties.commit(0, 5);
        let refused = system.call(Method::CommitLock.name(), json!(again));
        assert_eq!(refused["error"]["data"]["name"], "NONCE_USED", "{refused}");
        let asked = json!({
            "principal": parties.owner.address(), "requestId": again.intent.request.id,
        });
        let refusal = system.call(Method::GetReceipt.name(), asked);
        assert!(refusal.get("result").is_some(), "{refusal}");
        let lock_id = answers.lock_id.parse().expect("an id");
        let ended = system.call(Method::ReleaseLock.name(), json!(parties.release(lock_id)));
        assert!(ended.get("result").is_some(), "{ended}");
        let released = system.call(Method::GetProof.name(), json!({"lockId": answers.lock_id}));
        Self { answers, released, refusal }
    }
}

#[test]
fn first_line_names_a_lock_that_is_not_held_and_a_refusal() {
    let (files, ended) = (Files::new(), Ended::new());
    let answers = &ended.answers;
    let (held, released) =
        (files.json("held.json", &answers.held), files.json("released.json", &ended.released));
    let absent = files.json("absent.json", &answers.absent);
    let (lock_id, unknown) = (answers.lock_id.as_str(), answers.unknown.as_str());
    let first = |args: &[&str]| {
        let output = verify(answers, args);
        assert_eq!(output.exit, 0, "{args:?} {output:?}");
        let line = output.stdout.lines().next().unwrap_or_default().to_owned();
        let start = format!("PROVEN: engine {} (pinned by you) ", answers.engine_id);
        assert!(line.starts_with(&start) && line.ends_with("(engine time)"), "{line}");
        line
    };
    assert!(first(&["proof", &held, "--lock-id", lock_id]).contains("is ACTIVE after frame"));
    let line = first(&["proof", &released, "--lock-id", lock_id]);
    assert!(line.contains(&format!("lock {lock_id} is RELEASED, NO LONGER OPEN,")), "{line}");
    let line = first(&["proof", &absent, "--lock-id", unknown]);
    assert!(line.contains(&format!("lock {unknown} is ABSENT after frame")), "{line}");
    let refusal = files.json("refusal.json", &ended.refusal);
    let line = first(&["receipt", &refusal]);
    assert!(line.contains("the REFUSAL of a request of 0x"), "{line}");
    assert!(line.contains("(NONCE_USED: nothing was granted)"), "{line}");
    let commit = files.json("commit.json", &answers.commit);
    assert!(first(&["receipt", &commit]).contains(" logged LocksGranted as event "));
    assert!(first(&["commitment", &commit]).contains(" promised to hold 1000 native:1 for 0x"));
}

/// The command, its file, what names the entry, what is expected, and the claim that is missing.
type Expected<'a> = (&'a str, &'a str, &'a [&'a str], &'a [&'a str], Option<&'a str>);

#[test]
fn expectations_are_claims_that_were_asked_for() {
    let (files, ended) = (Files::new(), Ended::new());
    let answers = &ended.answers;
    let (held, released) =
        (files.json("held.json", &answers.held), files.json("released.json", &ended.released));
    let absent = files.json("absent.json", &answers.absent);
    let (commit, refusal) =
        (files.json("commit.json", &answers.commit), files.json("refusal.json", &ended.refusal));
    let (lock, unknown) = (["--lock-id", &*answers.lock_id], ["--lock-id", &*answers.unknown]);
    let cases: [Expected<'_>; 14] = [
        ("proof", &held, &lock, &["--status", "ACTIVE"], None),
        ("proof", &held, &lock, &["--status", "active", "--present"], None),
        ("proof", &held, &lock, &["--status", "RELEASED"], Some("status")),
        ("proof", &held, &lock, &["--absent"], Some("absent")),
        ("proof", &released, &lock, &["--status", "RELEASED"], None),
        ("proof", &released, &lock, &["--status", "ACTIVE"], Some("status")),
        ("proof", &absent, &unknown, &["--absent"], None),
        ("proof", &absent, &unknown, &["--present"], Some("present")),
        ("proof", &absent, &unknown, &["--status", "EXPIRED"], Some("status")),
        ("receipt", &commit, &[], &["--kind", "LocksGranted"], None),
        ("receipt", &commit, &[], &["--kind", "LockClaimed"], Some("kind")),
        ("receipt", &refusal, &[], &["--kind", "CommandRefused"], None),
        ("receipt", &refusal, &[], &["--kind", "LocksGranted"], Some("kind")),
        ("commitment", &commit, &[], &["--custody", "open", "--durability", "stored"], None),
    ];
    for (kind, file, entry, expected, missing) in cases {
        // What the evidence contradicts is never a part that may pass.
        for allow in [&[][..], &["--allow-partial"]] {
            let args = [&["--json", "verify", kind, file], entry, expected, allow].concat();
            let output = mortise(&[&args[..], &engine_flags(answers)].concat());
            let shown = output.json();
            let (exit, verdict) = match missing {
                None => (0, "PROVEN"),
                Some(_) => (1, "NOT PROVEN"),
            };
            assert_eq!((output.exit, &shown["verdict"]), (exit, &json!(verdict)), "{args:?}");
            assert_eq!(output.refusal(), missing.unwrap_or_default(), "{args:?} {output:?}");
            let listed = &shown["missing"][0];
            assert_eq!(listed["claim"].as_str(), missing, "{shown}");
            assert!(missing.is_none() || listed["contradicted"] == true, "{shown}");
        }
    }
    for wrong in [
        &["proof", &held, "--lock-id", &answers.lock_id, "--status", "OPEN"][..],
        &["proof", &held, "--lock-id", &answers.lock_id, "--present", "--absent"],
        &["proof", &held, "--owner", &answers.owner, "--status", "ACTIVE"],
    ] {
        assert_eq!(verify(answers, wrong).exit, 2, "{wrong:?}");
    }
}

#[test]
fn quorum_of_none_is_refused_by_every_command() {
    let (files, answers) = (Files::new(), Answers::of_a_running_engine());
    let commit = files.json("commit.json", &answers.commit);
    let held = files.json("held.json", &answers.held);
    let pin = format!("engine_id = \"{}\"\naddress = \"{}\"", answers.engine_id, answers.address);
    for quorum in [0, 1, 2] {
        let anchors = files.write("anchors.toml", format!("{pin}\nquorum = {quorum}\n"));
        for args in [
            &["receipt", &commit][..],
            &["commitment", &commit],
            &["root", &commit],
            &["proof", &held, "--lock-id", &answers.lock_id],
        ] {
            let output = mortise(&[&["verify"], args, &["--anchors", &anchors]].concat());
            assert_eq!(output.exit, 2, "{quorum} {args:?} {output:?}");
            assert!(output.stderr.contains("without witnesses"), "{output:?}");
        }
    }
}

/// The page lists exactly the claims of the code, in their order.
#[test]
fn page_of_verdicts_has_every_claim() {
    let mut table = String::from("| claim | established means |\n|---|---|\n");
    for claim in Claim::ALL {
        writeln!(table, "| `{}` | {} |", claim.name(), claim.meaning()).expect("a text takes it");
    }
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/verdicts.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    assert!(page.contains(&table), "specs/verdicts.md must have this table:\n{table}");
}
