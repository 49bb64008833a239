//! If the parent rewinds the log, a client's newer receipt becomes fork evidence.

use super::answers::call;
use super::changes::every_change_is_refused;
use super::{Answers, Files, argument, engine_flags, mortise};
use mortise_rpc::Method;
use mortise_testkit::system::System;
use mortise_testkit::system::parties::Parties;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder is there") {
        let entry = entry.expect("it can be listed");
        let (path, name) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy(&path, &name),
            false => drop(std::fs::copy(&path, &name).expect("it can be copied")),
        }
    }
}

/// Two branches of one log.
struct Rewound {
    answers: Answers,
    /// `commitLock` on the branch that was lost.
    kept: Value,
    /// `commitLock` on the branch that others see, at the same size.
    shown: Value,
    /// `getProof` of the held lock, at the head of that branch.
    proof: Value,
    /// `getLock` with its freshness, at the same head.
    lock: Value,
    /// The export of that branch.
    log: Vec<u8>,
}

/// Answers of one engine before and after its parent restored an old store.
fn rewound() -> Rewound {
    let mut system = System::start();
    let parties = Parties::of(&system.engine_socket());
    let answers = Answers::of(&system, &parties);
    let stop = |system: &mut System| {
        system.stop_engine().expect("it stops in order");
        system.stop_host();
    };
    stop(&mut system);
    let old = system.folder().join("old");
    copy(&system.store_folder(), &old);
    system.start_host();
    system.start_engine();
    let kept = call(&system, Method::CommitLock, &parties.commit(5, 55));
    stop(&mut system);
    std::fs::remove_dir_all(system.store_folder()).expect("the store is stopped");
    copy(&old, &system.store_folder());
    system.start_host();
    system.start_engine();
    // The same number of frames again, all of them different.
    let mut nonces = 6..60;
    let shown = nonces.find_map(|nonce| {
        let shown = call(&system, Method::CommitLock, &parties.commit(nonce, 66));
        (size(&shown) >= size(&kept)).then_some(shown)
    });
    let shown = shown.expect("each commit makes a frame");
    let proof = call(&system, Method::GetProof, &json!({"lockId": answers.lock_id}));
    let lock = call(&system, Method::GetLock, &json!({"lockId": answers.lock_id}));
    stop(&mut system);
    let file = system.folder().join("shown.log");
    mortise_host::export::export(&system.store_folder(), &file, false, None, |_, _| {})
        .expect("the store is whole");
    let log = std::fs::read(&file).expect("it was written");
    Rewound { answers, kept, shown, proof, lock, log }
}

/// The history that an answer states.
fn size(answer: &Value) -> u64 {
    let size = &answer["result"]["receipt"]["statement"]["historySize"];
    size.as_u64().expect("an answer states a history")
}

#[test]
fn newer_receipt_of_a_rewound_log_becomes_evidence_that_any_party_can_verify() {
    let rewound = rewound();
    let Rewound { answers, kept, shown, .. } = &rewound;
    let files = Files::new();
    let (kept_file, shown_file) = (files.json("kept", kept), files.json("shown", shown));
    let out = argument(&files.path("evidence.json"));
    let who = engine_flags(answers);
    let find = |other: &str, more: &[&str]| {
        mortise(&[&["verify", "fork", &kept_file, other], more, &who].concat())
    };
    let found = find(&shown_file, &["--out", &out]);
    assert_eq!(found.exit, 0, "{found:?}");
    let checked = mortise(&[&["--json", "verify", "fork", &out], &who[..]].concat());
    assert_eq!((checked.exit, &checked.json()["rule"]), (0, &json!("SameSizeOtherRoot")));
    let evidence = std::fs::read(&out).expect("it was written");
    let evidence: Value = serde_json::from_slice(&evidence).expect("it is JSON");
    assert!(every_change_is_refused(answers, "fork", &evidence, &[]) > 60);
    let root =
        mortise(&[&["verify", "root", &shown_file, "--older", &kept_file], &who[..]].concat());
    assert_eq!((root.exit, root.refusal()), (1, "Fork"), "{root:?}");
    anchors_file_that_knows_one_branch_refuses_the_other(&files, &rewound);
}

/// Goal: the newest statement of the anchors file counts for every command that reads a statement.
fn anchors_file_that_knows_one_branch_refuses_the_other(files: &Files, rewound: &Rewound) {
    let Rewound { answers, kept, shown, .. } = rewound;
    let (kept_file, shown_file) = (files.json("kept", kept), files.json("shown", shown));
    let with_last = |receipt: &Value| files.write("anchors.toml", anchors(answers, receipt));
    for kind in ["root", "receipt", "commitment"] {
        for (file, known, is_good) in
            [(&kept_file, kept, true), (&shown_file, shown, true), (&shown_file, kept, false)]
        {
            let anchors = with_last(&known["result"]["receipt"]);
            let output = mortise(&["verify", kind, file, "--anchors", &anchors]);
            let expected = if is_good { (0, "") } else { (1, "Fork") };
            assert_eq!((output.exit, output.refusal()), expected, "{kind} {output:?}");
            assert_eq!(output.stdout.contains("- continues: "), is_good, "{output:?}");
        }
    }
    let (proof, lock) = (files.json("proof", &rewound.proof), files.json("lock", &rewound.lock));
    let log = files.write("shown.log", &rewound.log);
    let commands = [
        &["verify", "proof", &proof, "--lock-id", &answers.lock_id][..],
        &["verify", "freshness", &lock],
        &["audit", &log],
    ];
    for args in commands {
        for (known, is_good) in [(shown, true), (kept, false)] {
            let anchors = with_last(&known["result"]["receipt"]);
            let output = mortise(&[args, &["--anchors", &anchors]].concat());
            assert_eq!(output.exit, if is_good { 0 } else { 1 }, "{args:?} {output:?}");
            let text = format!("{}{}", output.stdout, output.stderr);
            assert_eq!(text.contains("Fork"), !is_good, "{args:?} {output:?}");
        }
    }
    // A statement that the engine did not sign is no anchor.
    let mut changed = kept["result"]["receipt"].clone();
    changed["statement"]["epoch"] = json!(77);
    let output = mortise(&["verify", "root", &kept_file, "--anchors", &with_last(&changed)]);
    assert!(output.exit == 1 && output.stderr.contains("[last]"), "{output:?}");
}

/// An anchors file as a command that connects keeps it.
fn anchors(answers: &Answers, receipt: &Value) -> String {
    let mut text = format!(
        "engine_id = \"{}\"\naddress = \"{}\"\n[last]\nsignature = {}\n[last.statement]\n",
        answers.engine_id, answers.address, receipt["statementSignature"]
    );
    for (name, value) in receipt["statement"].as_object().expect("it has fields") {
        writeln!(text, "{name} = {value}").expect("a text takes it");
    }
    text
}

#[test]
fn honest_answers_give_no_evidence() {
    let (files, answers) = (Files::new(), Answers::of_a_running_engine());
    let all = [&answers.commit, &answers.second, &answers.held, &answers.root];
    for (i, a) in all.iter().enumerate() {
        for b in &all[i..] {
            let (a, b) = (files.json("a", a), files.json("b", b));
            let output =
                mortise(&[&["verify", "fork", &a, &b], &engine_flags(&answers)[..]].concat());
            let named = ["NoContradiction", "SameStatement"].contains(&output.refusal());
            assert!(output.exit == 1 && named, "{output:?}");
        }
    }
}
