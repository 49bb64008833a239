//! Every field of every answer is changed in every possible way, and each change is refused.

use super::{Answers, Files, engine_flags, mortise};
use serde_json::{Value, json};

/// Every changed form of a value, each with the word for its change.
fn changes(value: &Value) -> Vec<(&'static str, Value)> {
    match value {
        Value::String(text) if text.starts_with("0x") => hex_changes(text),
        Value::String(text) => {
            let digits = text.parse::<u128>().ok();
            let more = digits.map_or_else(|| format!("{text}x"), |n| (n + 1).to_string());
            vec![("changed", json!(more)), ("emptied", json!(""))]
        }
        Value::Number(number) => {
            let number = number.as_u64().expect("answers have no negative number");
            vec![("one more", json!(number + 1)), ("the largest", json!(u64::MAX))]
        }
        Value::Bool(flag) => vec![("flipped", json!(!flag))],
        Value::Array(list) => list_changes(list),
        _ => Vec::new(),
    }
}

fn hex_changes(text: &str) -> Vec<(&'static str, Value)> {
    let flip = |at: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        json!(String::from_utf8(bytes).expect("digits are text"))
    };
    let mut changes = vec![("lengthened", json!(format!("{text}00")))];
    if text.len() > 2 {
        changes.push(("flipped at its end", flip(text.len() - 1)));
        changes.push(("flipped in its middle", flip(2 + (text.len() - 2) / 2)));
        changes.push(("cut", json!(&text[..text.len() - 2])));
    }
    changes
}

fn list_changes(list: &[Value]) -> Vec<(&'static str, Value)> {
    let mut changes = Vec::new();
    let mut longer = list.to_vec();
    let more = list.last().cloned().unwrap_or_else(|| json!(format!("0x{}", "00".repeat(32))));
    longer.push(more);
    changes.push(("lengthened", Value::Array(longer)));
    if !list.is_empty() {
        changes.push(("cut", Value::Array(list[1..].to_vec())));
    }
    if list.len() > 1 && list[0] != list[1] {
        let mut swapped = list.to_vec();
        swapped.swap(0, 1);
        changes.push(("swapped", Value::Array(swapped)));
    }
    changes
}

/// The pointers of everything below a value that is not an object.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                places(value, &format!("{at}/{name}"), out);
            }
        }
        Value::Array(list) => {
            out.push(at.to_owned());
            for (index, value) in list.iter().enumerate() {
                places(value, &format!("{at}/{index}"), out);
            }
        }
        _ => out.push(at.to_owned()),
    }
}

/// Checks that each change of each place is refused by name, and each missing field too.
pub fn every_change_is_refused(
    answers: &Answers,
    kind: &str,
    good: &Value,
    more: &[&str],
) -> usize {
    let files = Files::new();
    let check = |value: &Value, what: &str| {
        let file = files.json("changed.json", value);
        let output = mortise(&[&["verify", kind, &file], more, &engine_flags(answers)].concat());
        let name = output.refusal();
        let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
        assert!(output.exit == 1 && named, "{kind}: {what}: {output:?}");
        assert!(output.stdout.is_empty() && output.stderr.contains("\n  next: "), "{output:?}");
    };
    let (mut all, mut count) = (Vec::new(), 0);
    places(good, "", &mut all);
    for place in all {
        let found = good.pointer(&place).expect("it was found there");
        for (what, value) in changes(found) {
            let mut bad = good.clone();
            *bad.pointer_mut(&place).expect("it was found there") = value;
            check(&bad, &format!("{place} {what}"));
            count += 1;
        }
    }
    for name in good.as_object().expect("an answer is an object").keys() {
        let mut bad = good.clone();
        bad.as_object_mut().expect("an answer is an object").remove(name);
        if !OPTIONAL.contains(&name.as_str()) {
            check(&bad, &format!("without {name}"));
            count += 1;
        }
    }
    count
}

/// Optional fields: without them the answer proves less.
const OPTIONAL: [&str; 1] = ["leaf"];

#[test]
fn each_changed_field_of_a_receipt_is_refused_by_name() {
    let answers = Answers::of_a_running_engine();
    let receipt = &answers.second["result"]["receipt"];
    assert!(every_change_is_refused(&answers, "receipt", receipt, &[]) > 60);
}

#[test]
fn each_changed_field_of_a_presence_and_an_absence_is_refused_by_name() {
    let answers = Answers::of_a_running_engine();
    let key = ["--lock-id", answers.lock_id.as_str()];
    assert!(every_change_is_refused(&answers, "proof", &answers.held["result"], &key) > 60);
    let key = ["--lock-id", answers.unknown.as_str()];
    assert!(every_change_is_refused(&answers, "proof", &answers.absent["result"], &key) > 50);
}

#[test]
fn each_changed_field_of_a_root_and_a_commitment_is_refused_by_name() {
    let answers = Answers::of_a_running_engine();
    assert!(every_change_is_refused(&answers, "root", &answers.root["result"], &[]) > 35);
    let promise = &answers.commit["result"]["commitment"];
    assert!(every_change_is_refused(&answers, "commitment", promise, &[]) > 80);
}

#[test]
fn parts_of_other_answers_are_refused_by_name() {
    let (files, answers) = (Files::new(), Answers::of_a_running_engine());
    let (first, second) =
        (&answers.commit["result"]["receipt"], &answers.second["result"]["receipt"]);
    for name in first.as_object().expect("a receipt is an object").keys() {
        if first[name] == second[name] {
            continue;
        }
        let mut mixed = first.clone();
        mixed[name] = second[name].clone();
        let file = files.json("mixed.json", &mixed);
        let output =
            mortise(&[&["verify", "receipt", &file], &engine_flags(&answers)[..]].concat());
        assert!(output.exit == 1 && !output.refusal().is_empty(), "{name}: {output:?}");
    }
    // An honest proof under the root of another frame.
    let mut other = answers.held["result"].clone();
    for name in ["statement", "statementSignature"] {
        other[name] = first[name].clone();
    }
    let run = |value: &Value| {
        let file = files.json("other.json", value);
        let key = ["--lock-id", answers.lock_id.as_str()];
        mortise(&[&["verify", "proof", &file], &key[..], &engine_flags(&answers)].concat())
    };
    assert_eq!(run(&other).refusal(), "Seq");
    other["seq"] = first["seq"].clone();
    assert_eq!(run(&other).refusal(), "StateRoot");
    other["stateRoot"] = first["statement"]["stateRoot"].clone();
    assert_eq!(run(&other).refusal(), "RootMismatch");
}
