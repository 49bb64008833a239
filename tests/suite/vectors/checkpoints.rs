//! `checkpoints.json` and `tlog-proofs.json`: signed notes, cosignatures, proofs under them.

use super::{FORM, File, name, read, word};
use crate::proofs::Log;
use crate::proofs::note::{ORIGIN, key, log_key, note, witness};
use mortise_format::note::{KeyUse, NoteKey};
use mortise_format::tlog_proof::proof_text;
use mortise_rpc::HexBytes;
use mortise_verify::checkpoint::{Witnesses, verify, verify_cosigned};
use mortise_verify::tlog_proof;
use serde_json::{Value, json};

const ABOUT: &str = "Checkpoints (specs/history.md): input.note (text, or hex for bytes that are \
none) under input.origin and input.logKey; with witnesses, a quorum of them must have cosigned. \
Verdict: proven, or the name of the refusal. Each case is its base with other values at the places \
of `set` (JSON pointers).";
const TLOG_ABOUT: &str = "tlog-proof@v1 (specs/history.md): input.proof (text, or hex for bytes \
that are none) of input.leaf under input.origin and input.logKey; with witnesses, a quorum of them \
must have cosigned. Verdict: proven, or the name of the refusal. Each case is its base with other \
values at the places of `set` (JSON pointers).";

pub(super) fn bytes(input: &Value, name: &str) -> Result<Vec<u8>, &'static str> {
    match input[name].as_str().ok_or(FORM)? {
        text if text.starts_with("0x") => Ok(read::<HexBytes>(input, name)?.0),
        text => Ok(text.as_bytes().to_vec()),
    }
}

pub(super) fn note_key(kind: KeyUse, value: &Value) -> Result<NoteKey, &'static str> {
    NoteKey::parse(kind, value.as_str().ok_or(FORM)?).map_err(name)
}

pub(super) fn witnesses(input: &Value) -> Result<Option<Witnesses>, &'static str> {
    let Some(list) = input["witnesses"].as_array() else { return Ok(None) };
    let keys = list.iter().map(|value| note_key(KeyUse::Witness, value));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let quorum = read(input, "quorum")?;
    Ok(Some(Witnesses::new(keys, quorum).unwrap()))
}

fn check(input: &Value) -> Result<(), &'static str> {
    let (note, log) = (bytes(input, "note")?, note_key(KeyUse::Log, &input["logKey"])?);
    let origin: String = read(input, "origin")?;
    match witnesses(input)? {
        None => verify(&note, &origin, &log).map(drop).map_err(name),
        Some(set) => verify_cosigned(&note, &origin, &log, &set).map(drop).map_err(name),
    }
}

fn check_tlog(input: &Value) -> Result<(), &'static str> {
    let (proof, leaf) = (bytes(input, "proof")?, bytes(input, "leaf")?);
    let log = note_key(KeyUse::Log, &input["logKey"])?;
    let origin: String = read(input, "origin")?;
    match witnesses(input)? {
        None => tlog_proof::verify(&proof, &leaf, &origin, &log).map(drop).map_err(name),
        Some(set) => {
            tlog_proof::verify_cosigned(&proof, &leaf, &origin, &log, &set).map(drop).map_err(name)
        }
    }
}

pub(super) fn keys_json(count: u8, quorum: usize) -> Value {
    let keys: Vec<String> = (0..count).map(|n| witness(n).1.to_string()).collect();
    let log_key = log_key().1.to_string();
    json!({"origin": ORIGIN, "logKey": log_key, "witnesses": keys, "quorum": quorum})
}

pub(super) fn with(mut input: Value, name: &str, value: impl Into<Value>) -> Value {
    input[name] = value.into();
    input
}

pub fn file() -> File {
    let mut file = File::new("checkpoints.json", ABOUT, check);
    let head = Log::of(1, 7).newest().head();
    let good = note(&head, 3);
    let mut bare = with(keys_json(0, 0), "note", note(&head, 0));
    bare["witnesses"] = Value::Null;
    file.base("signed by the log", bare);
    file.base(
        "cosigned by three of five, two asked for",
        with(keys_json(5, 2), "note", good.clone()),
    );
    texts(&mut file, &good);
    lines(&mut file, &good);
    others(&mut file);
    file
}

const BASE: &str = "cosigned by three of five, two asked for";

/// Malformed notes, and texts that are no checkpoint.
fn texts(file: &mut File, good: &str) {
    let (text, signatures) = good.split_once("\n\n").unwrap();
    let line = |at: usize, to: &str| {
        let mut lines: Vec<&str> = text.split('\n').collect();
        lines[at] = to;
        format!("{}\n\n{signatures}", lines.join("\n"))
    };
    let root = text.split('\n').nth(2).unwrap();
    let loose = root.replace('=', "");
    let many = signatures.lines().next().unwrap();
    let many = format!("{text}\n\n{}", format!("{many}\n").repeat(65));
    let cases = [
        ("nothing", String::new(), "NoFinalNewline"),
        ("too many bytes", format!("{}\n", "a".repeat(65_536)), "TooLarge"),
        ("bytes that are no text", word(&[0xff, 0x0a, 0x0a]), "Utf8"),
        ("a tab", good.replace(ORIGIN, "example.com/\tlog"), "ControlCharacter"),
        ("a carriage return", good.replace('\n', "\r\n"), "ControlCharacter"),
        ("no newline at the end", good.trim_end().to_string(), "NoFinalNewline"),
        ("no empty line", format!("{text}\n{signatures}"), "NoEmptyLine"),
        ("no text", format!("\n\n{signatures}"), "EmptyText"),
        ("no signature", format!("{text}\n\n"), "NoSignature"),
        ("too many signatures", many, "TooManySignatures"),
        ("a line that is no signature", format!("{good}- w x\n"), "SignatureLine"),
        ("a hyphen for the dash", good.replacen('\u{2014}', "-", 1), "SignatureLine"),
        ("a signature that is no base64", format!("{good}\u{2014} w !!!!\n"), "SignatureLine"),
        ("a signature of no bytes", format!("{good}\u{2014} w AAAAAA==\n"), "SignatureLine"),
        ("a name with a plus", format!("{good}\u{2014} w+ AAAAAAA=\n"), "SignatureLine"),
        ("two lines", line(2, "").replacen("\n\n\n", "\n\n", 1), "Lines"),
        ("an empty line in the text", line(1, ""), "Lines"),
        ("a size with a leading zero", line(1, "07"), "Size"),
        ("a size with a plus", line(1, "+7"), "Size"),
        ("a size above 64 bits", line(1, "18446744073709551616"), "Size"),
        ("a root without padding", line(2, &loose), "Root"),
        ("a root of 33 bytes", line(2, &format!("A{root}")), "Root"),
        ("another origin", line(0, "example.com/other"), "Origin"),
        ("another size", line(1, "8"), "LogSignature"),
        ("an extension line nobody signed", line(2, &format!("{root}\nmore")), "LogSignature"),
    ];
    for (name, note, verdict) in cases {
        file.case(name, BASE, json!({"/note": note}), verdict);
    }
}

/// Signature lines that are missing, twice, or wrong.
fn lines(file: &mut File, good: &str) {
    let (text, signatures) = good.split_once("\n\n").unwrap();
    let lines: Vec<&str> = signatures.lines().collect();
    let note = |lines: &[&str]| format!("{text}\n\n{}\n", lines.join("\n"));
    let [log, w0, w1, w2] = lines[..] else { panic!("four lines") };
    let flip = |line: &str| {
        let at = line.len() - 10;
        let other = if &line[at..=at] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &line[..at], &line[at + 1..])
    };
    let (bad_log, bad_w0) = (flip(log), flip(w0));
    let cases = [
        ("a line of somebody unknown", note(&[log, w0, w1, "\u{2014} who AAAAAAA="]), "proven"),
        ("witnesses in another order", note(&[w2, w0, log]), "proven"),
        ("without the log's line", note(&[w0, w1, w2]), "LogSignatureMissing"),
        ("the log's line twice", note(&[log, log, w0, w1]), "SignatureTwice"),
        ("a wrong signature of the log", note(&[&bad_log, w0, w1]), "LogSignature"),
        ("a witness twice", note(&[log, w0, w0, w1]), "SignatureTwice"),
        ("a wrong cosignature beside good ones", note(&[log, &bad_w0, w1, w2]), "Cosignature"),
        ("one witness only", note(&[log, w1]), "Quorum"),
        ("no witness", note(&[log]), "Quorum"),
    ];
    for (name, note, verdict) in cases {
        file.case(name, BASE, json!({"/note": note}), verdict);
    }
}

/// Other keys and quorums than those that signed.
fn others(file: &mut File) {
    let (_, stranger) = key(KeyUse::Log, ORIGIN, 77);
    let (_, renamed) = key(KeyUse::Log, "example.com/renamed", 1);
    let unknown: Vec<String> = (10..12).map(|n| witness(n).1.to_string()).collect();
    for (name, set, verdict) in [
        (
            "a key that did not sign",
            json!({"/logKey": stranger.to_string()}),
            "LogSignatureMissing",
        ),
        ("the key by another name", json!({"/logKey": renamed.to_string()}), "LogSignatureMissing"),
        ("witnesses that did not sign", json!({"/witnesses": unknown}), "Quorum"),
        ("a quorum of three", json!({"/quorum": 3}), "proven"),
        ("a quorum of four", json!({"/quorum": 4}), "Quorum"),
        ("a witness's key as the log's", json!({"/logKey": witness(0).1.to_string()}), "KeyType"),
        ("a key that is no key", json!({"/logKey": "key"}), "KeyText"),
    ] {
        file.case(name, BASE, set, verdict);
    }
    let id = log_key().1.to_string().replace('+', "+0");
    let text = id.replacen("+0", "+", 2);
    let mut parts: Vec<&str> = text.split('+').collect();
    parts[1] = "00000000";
    file.case("a key with another id", BASE, json!({"/logKey": parts.join("+")}), "KeyId");
}

pub fn tlog_file() -> File {
    let mut file = File::new("tlog-proofs.json", TLOG_ABOUT, check_tlog);
    let log = Log::of(1, 11);
    let checkpoint = note(&log.newest().head(), 2);
    for seq in [0, 5, 10] {
        let text = proof_text(log.verified(seq).seq(), &log.path(seq, 11), &checkpoint);
        let mut input = with(keys_json(3, 2), "proof", text);
        input["leaf"] = word(&log.frames[seq].leaf).into();
        file.base(format!("frame {seq} of 11").leak(), input);
    }
    let good = file.input("frame 5 of 11")["proof"].as_str().unwrap().to_string();
    let hashes = log.path(5, 11);
    let first = good.lines().nth(2).unwrap().to_string();
    let deep: Vec<[u8; 32]> = (0..65).map(|_| [0; 32]).collect();
    let longer = [&hashes[..], &[[0; 32]]].concat();
    let other = checkpoint.replacen(ORIGIN, "example.com/other", 1);
    let extra = good.replacen("\nindex", "\nextra AAAA\nindex", 1);
    let cases = [
        ("extra data, which nobody signs", extra.clone(), "proven"),
        ("extra data that is no base64", extra.replace("AAAA\n", "!!!!\n"), "Extra"),
        ("bytes that are no text", word(&[0xff]), "Utf8"),
        ("too many bytes", "a".repeat(98_305), "TooLarge"),
        ("another first line", good.replacen("@v1", "@v2", 1), "Header"),
        ("nothing", String::new(), "Header"),
        ("no index", good.replacen("index 5\n", "", 1), "Index"),
        ("an index with a leading zero", good.replacen("index 5", "index 05", 1), "Index"),
        ("another index", good.replacen("index 5", "index 4", 1), "RootMismatch"),
        ("an index behind the tree", good.replacen("index 5", "index 11", 1), "IndexOutOfRange"),
        ("a hash that is no base64", good.replacen(&first, "hash", 1), "Hash"),
        ("one hash more", proof_text(5, &longer, &checkpoint), "PathLength"),
        ("one hash less", proof_text(5, &hashes[1..], &checkpoint), "PathLength"),
        ("more hashes than any tree has", proof_text(5, &deep, &checkpoint), "PathTooLong"),
        ("no checkpoint", good.split("\n\n").next().unwrap().to_string(), "NoCheckpoint"),
        ("an empty checkpoint", proof_text(5, &hashes, ""), "NoFinalNewline"),
        ("a checkpoint of another log", proof_text(5, &hashes, &other), "Origin"),
    ];
    for (name, proof, verdict) in cases {
        file.case(name, "frame 5 of 11", json!({"/proof": proof}), verdict);
    }
    let other = word(&log.frames[4].leaf);
    file.case(
        "the leaf of another frame",
        "frame 5 of 11",
        json!({"/leaf": other}),
        "RootMismatch",
    );
    file.case("a quorum of three", "frame 5 of 11", json!({"/quorum": 3}), "Quorum");
    file
}
