//! `fork.json`: evidence that an engine contradicted itself, and pairs that are no evidence.

use super::{File, engine_json, name, read, read_engine};
use crate::proofs::{Log, START_MS, event};
use mortise_rpc::results::ForkEvidenceView;
use mortise_verify::fork::{ForkEvidence, ForkLeaves, verify};
use mortise_verify::json::{fork, fork_view};
use mortise_verify::statement::SignedStatement;
use serde_json::{Value, json};

const ABOUT: &str = "Fork evidence (specs/receipts.md): input.evidence is a file of evidence. \
Verdict: proven, by the rule that the base is called after, or the name of the refusal. Each case \
is its base with other values at the places of `set` (JSON pointers).";

/// The bases, each called after the rule that it breaks.
const BASES: [&str; 5] = [
    "SameSizeOtherRoot",
    "SameFrameOtherContent",
    "LaterTimeSmallerSize",
    "OtherLeaf",
    "OtherFrame",
];

fn check(input: &Value) -> Result<(), &'static str> {
    let engine = read_engine(input)?;
    let view: ForkEvidenceView = read(input, "evidence")?;
    let evidence = fork(&view).map_err(name)?;
    let fork = verify(&engine, &evidence).map_err(name)?;
    let rule = format!("{:?}", fork.rule());
    assert!(BASES.iter().any(|base| rule.starts_with(base)), "{rule}");
    Ok(())
}

fn input(log: &Log, a: &SignedStatement, b: &SignedStatement, leaves: ForkLeaves) -> Value {
    let evidence = ForkEvidence { first: a.clone(), second: b.clone(), leaves };
    json!({"engine": engine_json(&log.engine), "evidence": fork_view(&evidence)})
}

pub fn file() -> File {
    let mut file = File::new("fork.json", ABOUT, check);
    let (a, b) = (Log::branch(3, 4, 2), Log::branch(3, 6, 3));
    let signed = |log: &Log, seq: usize| log.frames[seq].signed.clone();
    let none = ForkLeaves::None;
    let one_size = input(&a, &signed(&a, 5), &signed(&b, 5), none.clone());
    file.base("SameSizeOtherRoot", one_size);
    let mut other = a.frames[5].signed.statement.clone();
    other.time_ms += 1000;
    let other = a.sign(other);
    file.base("SameFrameOtherContent", input(&a, &signed(&a, 5), &other, none.clone()));
    let mut rewound = Log::of(1, 3);
    rewound.push(START_MS + 60_000, &[event(9)]);
    let shrank = input(&a, &signed(&rewound, 3), &signed(&b, 8), none);
    file.base("LaterTimeSmallerSize", shrank);
    let both = ForkLeaves::Both { index: 5, first: a.leaf_proof(5, 7), second: b.leaf_proof(5, 9) };
    file.base("OtherLeaf", input(&a, &signed(&a, 6), &signed(&b, 8), both));
    let at_first = ForkLeaves::AtFirst(b.leaf_proof(4, 9));
    file.base("OtherFrame", input(&a, &signed(&a, 4), &signed(&b, 8), at_first));
    file.every_change("SameSizeOtherRoot", &["/evidence/first", "/evidence/second"]);
    file.every_change("OtherLeaf", &["/evidence/leaves"]);
    file.every_change("OtherFrame", &["/evidence/leaves"]);
    named(&mut file, &a, &b);
    file
}

/// A signed statement as a file of evidence has it.
fn stated(log: &Log, seq: usize) -> Value {
    let signed = &log.frames[seq].signed;
    input(log, signed, signed, ForkLeaves::None)["evidence"]["first"].clone()
}

fn named(file: &mut File, a: &Log, b: &Log) {
    let base = "SameSizeOtherRoot";
    let stranger = Log::of(9, 6);
    for (name, base, set, verdict) in [
        (
            "the same statement twice",
            base,
            json!({"/evidence/second": stated(a, 5)}),
            "SameStatement",
        ),
        ("an honest pair", base, json!({"/evidence/second": stated(a, 6)}), "NoContradiction"),
        (
            "another engine's statement",
            base,
            json!({"/evidence/second": stated(&stranger, 5)}),
            "Second",
        ),
        ("another key", base, json!({"/engine/address": stranger.engine.address}), "First"),
        ("another form", base, json!({"/evidence/format": "evidence"}), "Form"),
        ("a field of no name", base, json!({"/evidence/more": 1}), "Form"),
    ] {
        file.case(name, base, set, verdict);
    }
    leaves(file, a, b);
}

/// Leaf evidence with wrong leaves.
fn leaves(file: &mut File, a: &Log, b: &Log) {
    let place = |log: &Log, seq, size| {
        let signed = &log.frames[0].signed;
        let all = ForkLeaves::AtFirst(log.leaf_proof(seq, size));
        input(log, signed, signed, all)["evidence"]["leaves"]["atFirst"].clone()
    };
    for (name, base, set, verdict) in [
        (
            "a leaf that both have",
            "OtherLeaf",
            json!({
                "/evidence/leaves/both/index": 1,
                "/evidence/leaves/both/first": place(a, 1, 7),
                "/evidence/leaves/both/second": place(b, 1, 9),
            }),
            "SameLeaf",
        ),
        (
            "leaves exchanged",
            "OtherLeaf",
            json!({
                "/evidence/leaves/both/first": place(b, 5, 9),
                "/evidence/leaves/both/second": place(a, 5, 7),
            }),
            "FirstPath",
        ),
        (
            "no leaves where they are needed",
            "OtherLeaf",
            json!({"/evidence/leaves": null}),
            "NoContradiction",
        ),
        (
            "an index behind the first",
            "OtherLeaf",
            json!({"/evidence/leaves/both/index": 7}),
            "FirstPath",
        ),
        (
            "the frame that the first states",
            "OtherFrame",
            json!({"/evidence/first": stated(b, 4)}),
            "SameLeaf",
        ),
    ] {
        file.case(name, base, set, verdict);
    }
}
