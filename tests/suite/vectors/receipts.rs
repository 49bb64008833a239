//! `receipts.json`: an event, its log position, and its frame in a history.

use super::{File, engine_json, events, name, read, read_engine, word, words};
use crate::proofs::{Log, START_MS, event, salt};
use mortise_core::event_tree;
use mortise_format::codec;
use mortise_format::ids::Bytes32;
use mortise_format::rules::RuleSet;
use mortise_rpc::HexBytes;
use mortise_rpc::results::StatementView;
use mortise_verify::{json, receipt};
use serde_json::{Value, json};

const ABOUT: &str = "Receipts (specs/receipts.md): input.receipt is an engine's answer, input.head \
the history that its frame is shown in by historyPath. Verdict: proven, or the name of the \
refusal. Each case is its base with other values at the places of `set` (JSON pointers).";

fn check(input: &Value) -> Result<(), &'static str> {
    let engine = read_engine(input)?;
    let leaf: HexBytes = read(&input["receipt"], "leaf")?;
    let view: mortise_rpc::results::ReceiptView = read(input, "receipt")?;
    let head = super::histories::head(&input["head"])?;
    let receipt = json::receipt(&view).map_err(name)?;
    let signed = mortise_verify::statement::verify(&engine, &receipt.signed).map_err(name)?;
    receipt::check_rules(&signed, &leaf.0).map_err(name)?;
    let verified = receipt::verify_event(signed, &receipt).map_err(name)?;
    let path = json::hashes(&view.history_path);
    receipt::verify_frame(verified.statement(), &leaf.0, &path, &head).map_err(name)?;
    Ok(())
}

/// A log that has every kind of event, some frames after it, and one without neighbours.
pub fn log() -> Log {
    let mut log = Log::new(1);
    log.push(START_MS, &events::of_the_engine());
    log.push(START_MS + 1500, &events::of_locks());
    log.push(START_MS + 2000, &[event(9)]);
    for n in 3..7 {
        log.push(START_MS + u64::from(n) * 1000, &[event(n), event(n + 1), event(n + 2)]);
    }
    log
}

/// The input for an event under the history of the first `size` frames.
pub fn input(log: &Log, seq: usize, index: u32, size: usize) -> Value {
    let (receipt, frame) = (log.receipt(seq, index), &log.frames[seq]);
    let head = &log.frames[size - 1].signed.statement;
    let statement = &frame.signed.statement;
    json!({
        "engine": engine_json(&log.engine),
        "receipt": {
            "epoch": statement.epoch,
            "seq": statement.seq,
            "index": index,
            "event": word(&receipt.event),
            "salt": word(&receipt.salt),
            "path": words(&receipt.path),
            "statement": StatementView::from(statement),
            "statementSignature": frame.signed.signature,
            "leaf": word(&frame.leaf),
            "historyPath": words(&log.path(seq, size)),
        },
        "head": {"size": head.history_size, "root": head.history_root},
    })
}

pub fn file() -> File {
    let mut file = File::new("receipts.json", ABOUT, check);
    let log = log();
    for seq in 0..2 {
        for (index, event) in (0u32..).zip(&log.frames[seq].events) {
            let debug = format!("{event:?}");
            let kind: String = debug.chars().take_while(char::is_ascii_alphanumeric).collect();
            let name = format!("frame {seq}, event {index}: {kind}");
            file.base(name.leak(), input(&log, seq, index, seq + 1));
        }
    }
    file.base("one event of three", input(&log, 4, 1, 5));
    file.base("under a later head", input(&log, 4, 1, 7));
    file.base("alone in its frame", input(&log, 2, 0, 7));
    file.every_change("one event of three", &["/receipt"]);
    named(&mut file, &log);
    encodings(&mut file);
    unknown(&mut file);
    file
}

fn named(file: &mut File, log: &Log) {
    let base = "one event of three";
    let other = input(log, 3, 1, 5);
    let part = |name: &str| other["receipt"][name].clone();
    let zeros = word(&[0; 32]);
    let stranger = Log::of(9, 5);
    for (name, set, verdict) in [
        ("another engine", json!({"/engine/engineId": zeros}), "EngineId"),
        ("another key", json!({"/engine/address": stranger.engine.address}), "Signer"),
        ("another epoch beside the statement", json!({"/receipt/epoch": 2}), "Epoch"),
        ("another seq beside the statement", json!({"/receipt/seq": 3}), "Seq"),
        ("a time that has no milliseconds", json!({"/receipt/statement/time": u64::MAX}), "Time"),
        ("no more events than the index", json!({"/receipt/index": 3}), "Index"),
        ("the index of a neighbour", json!({"/receipt/index": 0}), "Root"),
        ("the salt of another event", json!({"/receipt/salt": part("salt")}), "Root"),
        ("the event of another frame", json!({"/receipt/event": part("event")}), "Root"),
        ("the path of another frame", json!({"/receipt/path": part("path")}), "Root"),
        ("the leaf of another frame", json!({"/receipt/leaf": part("leaf")}), "FrameDigest"),
        (
            "the signature of another statement",
            json!({"/receipt/statementSignature": part("statementSignature")}),
            "Signer",
        ),
        (
            "the path of another frame in the history",
            json!({"/receipt/historyPath": part("historyPath")}),
            "PathLength",
        ),
        ("a history that ends before", json!({"/head/size": 4}), "IndexOutOfRange"),
        ("a history of another root", json!({"/head/root": zeros}), "RootMismatch"),
        ("an event that is text", json!({"/receipt/event": "event"}), "Form"),
        ("an index that is text", json!({"/receipt/index": "1"}), "Form"),
        ("an index above 32 bits", json!({"/receipt/index": 4_294_967_296u64}), "Form"),
        ("a negative epoch", json!({"/receipt/epoch": -1}), "Form"),
        ("a signature of 64 bytes", json!({"/receipt/statementSignature": word(&[1; 64])}), "Form"),
    ] {
        file.case(name, base, set, verdict);
    }
    malleable(file, log, base);
    contradictions(file);
}

/// Other encodings of one signature: v of 0 and 1 is accepted, a high s is not.
fn malleable(file: &mut File, log: &Log, base: &str) {
    let place = "/receipt/statementSignature";
    let mut signature = log.frames[4].signed.signature;
    signature.0[64] -= 27;
    file.case("v of 0 or 1", base, json!({place: signature}), "proven");
    signature.0[64] = 4;
    file.case("v that is none", base, json!({place: signature}), "Malformed");
    let mut high = log.frames[4].signed.signature;
    let order = mortise_format::U256::parse(
        "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
    );
    let mut s = [0; 32];
    s.copy_from_slice(&high.0[32..64]);
    let s = mortise_format::U256::from_be_bytes(s);
    let flipped = order.unwrap().checked_sub(s).unwrap();
    high.0[32..64].copy_from_slice(&flipped.to_be_bytes());
    high.0[64] ^= 27 ^ 28;
    file.case("the high s", base, json!({place: high}), "Malformed");
    let zero = mortise_format::ids::Signature([0; 65]);
    file.case("no signature", base, json!({place: zero}), "Malformed");
}

/// A statement that differs from the sealed frame.
fn contradictions(file: &mut File) {
    let mut log = Log::of(1, 3);
    let mut statement = log.frames[2].signed.statement.clone();
    statement.epoch += 1;
    log.frames[2].signed = log.sign(statement);
    let (receipt, place) = (&input(&log, 2, 0, 3)["receipt"], "/receipt");
    let head = &input(&log, 2, 0, 3)["head"];
    let set = json!({place: receipt, "/head": head});
    file.case("an epoch that the leaf does not have", "one event of three", set, "Contradiction");
}

/// Frames of rules and of a layout that this version does not know. Their events are not read.
fn unknown(file: &mut File) {
    let base = "one event of three";
    let unread = json!(word(&[0xff; 9]));
    for rules in [0, RuleSet::NEWEST.0 + 1, u16::MAX].map(RuleSet) {
        let mut log = Log::of(1, 3);
        log.rules = rules;
        log.push(START_MS + 9000, &[event(3)]);
        let shown = input(&log, 3, 0, 4);
        let set = json!({"/receipt": shown["receipt"], "/head": shown["head"]});
        file.case(&format!("rules {rules}"), base, set.clone(), "RulesUnknown");
        let mut bad = shown["receipt"].clone();
        bad["event"] = unread.clone();
        let set = json!({"/receipt": bad, "/head": shown["head"]});
        file.case(&format!("rules {rules}, an event of no kind"), base, set, "RulesUnknown");
    }
    let good = file.input(base)["receipt"]["leaf"].clone();
    let good = mortise_format::ids::parse_hex_bytes(good.as_str().unwrap()).unwrap();
    let old = [&[1, 0], &good[4..]].concat();
    assert_eq!(old.len(), 295);
    file.case("a leaf of version 1", base, json!({"/receipt/leaf": word(&old)}), "Version");
}

/// Bytes that are in the tree and are no event.
fn encodings(file: &mut File) {
    let log = Log::of(1, 1);
    let good = codec::encode(&event(1));
    let trailing = [&good[..], &[0]].concat();
    let unknown = [&[0xff; 4][..], &good[4..]].concat();
    let many = [&good[..4], &u64::MAX.to_le_bytes()].concat();
    let cut = good[..good.len() - 1].to_vec();
    let cases = [
        ("no byte at all", Vec::new()),
        ("a byte after the event", trailing),
        ("an event of no kind", unknown),
        ("a list longer than its bytes", many),
        ("an event cut short", cut),
    ];
    for (name, bytes) in cases {
        let root = event_tree::leaf_hash(&salt(0, 0), &bytes);
        let mut statement = log.frames[0].signed.statement.clone();
        statement.event_root = event_tree::root(&[root]);
        statement.event_count = 1;
        let signed = log.sign(statement);
        let set = json!({
            "/receipt/epoch": 1, "/receipt/seq": 0, "/receipt/index": 0, "/receipt/path": [],
            "/receipt/event": word(&bytes), "/receipt/salt": Bytes32(salt(0, 0)),
            "/receipt/statement": StatementView::from(&signed.statement),
            "/receipt/statementSignature": signed.signature,
        });
        file.case(name, "one event of three", set, "Encoding");
    }
}
