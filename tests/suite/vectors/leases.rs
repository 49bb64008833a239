//! `leases.json`: how old an answer about now is, by the witnesses' clocks.

use super::checkpoints::{keys_json, note_key, witnesses};
use super::{FORM, File, engine_json, name, read, read_engine};
use crate::proofs::Log;
use crate::proofs::note::note;
use mortise_core::history::consistency_path;
use mortise_format::ids::Bytes32;
use mortise_format::note::KeyUse;
use mortise_rpc::results::{FreshnessView, StatementView};
use mortise_verify::json::{freshness, hashes};
use mortise_verify::lease::{Evidence, LeaseBounds, LogTrust, verify};
use mortise_verify::statement;
use serde_json::{Value, json};

const ABOUT: &str = "Leases (specs/durability-and-recovery.md): input.freshness (as beside an \
answer) of input.engine, under input.origin, input.logKey, input.witnesses and input.quorum, at \
the verifier's time input.now; input.maxAge and input.skew are what it accepts, all in seconds. \
Verdict: proven, or the name of the refusal. Each case is its base with other values at the places \
of `set` (JSON pointers).";

fn check(input: &Value) -> Result<(), &'static str> {
    let engine = read_engine(input)?;
    let view: FreshnessView = read(input, "freshness")?;
    let statement = statement::verify(&engine, &freshness(&view).map_err(name)?).map_err(name)?;
    let note = view.checkpoint.as_deref().ok_or(FORM)?;
    let path = hashes(&view.history_path);
    let origin: String = read(input, "origin")?;
    let log = note_key(KeyUse::Log, &input["logKey"])?;
    let witnesses = witnesses(input)?.ok_or(FORM)?;
    let evidence = Evidence { note: note.as_bytes(), path: &path };
    let trust = LogTrust { origin: &origin, log: &log, witnesses: &witnesses };
    let bounds = LeaseBounds {
        now: read(input, "now")?,
        max_age: read(input, "maxAge")?,
        skew: read(input, "skew")?,
    };
    verify(&statement, &evidence, &trust, &bounds).map(drop).map_err(name)
}

/// The witnesses cosigned in these seconds: 1,700,000,000 and the two after it.
const COSIGNED: u64 = 1_700_000_000;
/// The time of the statement about frame 6.
const STATED: u64 = 1_700_000_006;

/// The statement about frame `seq` of a log, with a checkpoint of `size` frames.
fn input(log: &Log, seq: usize, size: usize, now: u64) -> Value {
    let head = log.verified(size - 1).head();
    let path = match size == seq + 1 {
        true => Vec::new(),
        false => consistency_path(&log.leaves[..size], seq + 1).unwrap(),
    };
    let signed = &log.frames[seq].signed;
    let freshness = FreshnessView {
        statement: StatementView::from(&signed.statement),
        statement_signature: signed.signature,
        checkpoint: Some(note(&head, 3)),
        history_path: path.into_iter().map(Bytes32).collect(),
    };
    let mut input = keys_json(5, 2);
    input["engine"] = engine_json(&log.engine);
    input["freshness"] = json!(freshness);
    (input["now"], input["maxAge"], input["skew"]) = (json!(now), json!(60), json!(5));
    input
}

const SAME: &str = "the checkpoint is the statement's head";
const LATER: &str = "the checkpoint is later and contains it";

pub fn file() -> File {
    let mut file = File::new("leases.json", ABOUT, check);
    let log = Log::of(1, 11);
    file.base(SAME, input(&log, 6, 7, COSIGNED + 30));
    file.base(LATER, input(&log, 6, 11, COSIGNED + 30));
    file.every_change(SAME, &["/freshness/statement", "/freshness/statementSignature"]);
    file.every_change(LATER, &["/freshness/historyPath"]);
    ages(&mut file);
    heads(&mut file, &log);
    file
}

/// The bounds at equality, one before and one after. With a quorum of two, the time is the second
/// newest.
fn ages(file: &mut File) {
    let at = |now: u64| json!({ "/now": now });
    let second = COSIGNED + 1;
    for (name, base, set, verdict) in [
        ("as old as allowed", SAME, at(second + 60), "proven"),
        ("a second too old", SAME, at(second + 61), "LeaseOld"),
        ("of this second", SAME, at(second), "proven"),
        ("ahead by the skew", SAME, at(second - 5), "proven"),
        ("ahead by a second more", SAME, at(second - 6), "LeaseFromTheFuture"),
        ("no age allowed", SAME, json!({"/now": second + 1, "/maxAge": 0}), "LeaseOld"),
        ("no skew allowed", SAME, json!({"/now": second - 1, "/skew": 0}), "LeaseFromTheFuture"),
        (
            "a quorum of three: the third newest",
            SAME,
            { json!({"/quorum": 3, "/now": second + 60}) },
            "LeaseOld",
        ),
        ("a quorum of one: the newest", SAME, json!({"/quorum": 1, "/now": second + 61}), "proven"),
        ("contained: the statement's time, as old as allowed", LATER, at(STATED + 60), "proven"),
        ("contained: a second too old", LATER, at(STATED + 61), "LeaseOld"),
        ("contained: ahead by the skew", LATER, at(STATED - 5), "proven"),
        ("contained: a second more", LATER, at(STATED - 6), "LeaseFromTheFuture"),
    ] {
        file.case(name, base, set, verdict);
    }
}

/// Other heads than the statement's, and checkpoints that prove nothing.
fn heads(file: &mut File, log: &Log) {
    let (earlier, bare) = (log.verified(4).head(), log.verified(6).head());
    let stranger = Log::branch(5, 6, 2);
    let fork = note(&stranger.newest().head(), 3);
    let one = note(&bare, 1);
    for (name, base, set, verdict) in [
        (
            "an earlier checkpoint",
            SAME,
            json!({"/freshness/checkpoint": note(&earlier, 3)}),
            "HeadMismatch",
        ),
        (
            "the checkpoint of a fork",
            LATER,
            json!({ "/freshness/checkpoint": fork }),
            "HeadMismatch",
        ),
        (
            "a later checkpoint without a path",
            LATER,
            json!({"/freshness/historyPath": []}),
            "HeadMismatch",
        ),
        ("cosigned by one", SAME, json!({ "/freshness/checkpoint": one }), "Quorum"),
        ("cosigned by none", SAME, json!({"/freshness/checkpoint": note(&bare, 0)}), "Quorum"),
        ("another origin", SAME, json!({"/origin": "example.com/other"}), "Origin"),
    ] {
        file.case(name, base, set, verdict);
    }
}
