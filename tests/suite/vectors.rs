//! The vectors for other verifiers, `specs/vectors/*.json`: inputs and expected verdicts.
//!
//! Goal: verifiers written from the specs can test every verdict, and our own verifier agrees.
//!
//! Method: bases come from fixed seeds and the core's own trees. Each case changes a base at named
//! places. The files must equal the output of this code.
//!
//! `MORTISE_REGENERATE=1` writes the files again. Do that deliberately, in a commit of its own,
//! never to make a failing test pass.

mod checkpoints;
mod commitments;
mod events;
mod forks;
mod histories;
mod leases;
mod receipts;
mod states;
mod successions;

use mortise_format::ids::{Address, EngineId};
use mortise_verify::Engine;
use mortise_verify::named::NamedError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The verdict of a check that passes.
const PROVEN: &str = "proven";
/// The verdict on an input of another form.
const FORM: &str = "Form";

/// The verdict on one input, by our verifier.
type Verifier = fn(&Value) -> Result<(), &'static str>;

/// One file of vectors.
struct File {
    name: &'static str,
    about: &'static str,
    verifier: Verifier,
    bases: Vec<(&'static str, Value)>,
    cases: Vec<Value>,
}

impl File {
    fn new(name: &'static str, about: &'static str, verifier: Verifier) -> Self {
        Self { name, about, verifier, bases: Vec::new(), cases: Vec::new() }
    }

    /// An input that is proven as it is.
    fn base(&mut self, name: &'static str, input: Value) {
        assert_eq!((self.verifier)(&input), Ok(()), "{}: {name}", self.name);
        self.bases.push((name, input));
        self.cases.push(json!({"name": name, "base": name, "set": {}, "verdict": PROVEN}));
    }

    fn input(&self, base: &str) -> Value {
        let found = self.bases.iter().find(|(name, _)| *name == base);
        found.map(|(_, input)| input.clone()).unwrap()
    }

    /// The input of a base with other values at these places.
    fn changed(&self, base: &str, set: &Map<String, Value>) -> Value {
        let mut input = self.input(base);
        for (place, value) in set {
            let (parent, name) = place.rsplit_once('/').unwrap();
            let parent = input.pointer_mut(parent).unwrap();
            match parent.as_array_mut() {
                Some(list) => list[name.parse::<usize>().unwrap()] = value.clone(),
                None => parent[name] = value.clone(),
            }
        }
        input
    }

    /// A case whose verdict is known beforehand.
    fn case(&mut self, name: &str, base: &str, set: Value, verdict: &str) {
        let set = set.as_object().unwrap();
        let found = (self.verifier)(&self.changed(base, set)).err().unwrap_or(PROVEN);
        assert_eq!(found, verdict, "{}: {name}", self.name);
        self.cases.push(json!({"name": name, "base": base, "set": set, "verdict": verdict}));
    }

    /// Adds cases with every place of a base flipped, cut, lengthened and swapped; all must fail.
    fn every_change(&mut self, base: &str, under: &[&str]) {
        let input = self.input(base);
        let mut all = Vec::new();
        for under in under {
            places(input.pointer(under).unwrap(), under, &mut all);
        }
        for place in all {
            for (what, value) in changes(input.pointer(&place).unwrap()) {
                let set = Map::from_iter([(place.clone(), value)]);
                let found = (self.verifier)(&self.changed(base, &set));
                let name = format!("{base}: {place} {what}");
                let Err(verdict) = found else { panic!("{}: {name} is proven", self.name) };
                self.cases
                    .push(json!({"name": name, "base": base, "set": set, "verdict": verdict}));
            }
        }
    }

    /// Compares the file with its expected content, or writes it under `MORTISE_REGENERATE=1`.
    fn check(self) {
        let value = json!({
            "about": self.about,
            "bases": self.bases.into_iter().map(|(n, v)| (n.to_string(), v)).collect::<Map<_, _>>(),
            "cases": self.cases,
        });
        let expected = format!("{value:#}\n");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/vectors");
        let path = folder.join(self.name);
        if std::env::var_os("MORTISE_REGENERATE").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == expected, "{}: see the head of tests/suite/vectors.rs", self.name);
    }
}

/// The pointers of everything below a value that is not an object.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| places(value, &format!("{at}/{name}"), out));
        }
        Value::Array(list) => {
            out.push(at.to_string());
            (0..).zip(list).for_each(|(i, value): (usize, _)| {
                places(value, &format!("{at}/{i}"), out);
            });
        }
        _ => out.push(at.to_string()),
    }
}

/// Changed forms of a value, each with the word for its change.
fn changes(value: &Value) -> Vec<(&'static str, Value)> {
    match value {
        Value::String(text) if text.starts_with("0x") => {
            let (head, last) = text.split_at(text.len() - 1);
            let flipped = if last == "0" { "1" } else { "0" };
            vec![
                ("flipped", json!(format!("{head}{flipped}"))),
                ("cut", json!(text[..text.len() - 2])),
                ("lengthened", json!(format!("{text}00"))),
            ]
        }
        Value::Number(number) => vec![("one more", json!(number.as_u64().unwrap() + 1))],
        Value::Bool(flag) => vec![("flipped", json!(!flag))],
        Value::Array(list) => {
            let mut longer = list.clone();
            longer.push(list.last().cloned().unwrap_or_else(|| json!(word(&[0; 32]))));
            let mut changes = vec![("lengthened", Value::Array(longer))];
            if !list.is_empty() {
                changes.push(("cut", Value::Array(list[1..].to_vec())));
            }
            if list.len() > 1 && list[0] != list[1] {
                let mut swapped = list.clone();
                swapped.swap(0, 1);
                changes.push(("swapped", Value::Array(swapped)));
            }
            changes
        }
        _ => Vec::new(),
    }
}

/// 0x text.
fn word(bytes: &[u8]) -> String {
    mortise_format::ids::to_hex(bytes)
}

fn words(path: &[[u8; 32]]) -> Vec<String> {
    path.iter().map(|hash| word(hash)).collect()
}

fn engine_json(engine: &Engine) -> Value {
    json!({"engineId": engine.id, "address": engine.address})
}

/// A member of an input, of the form that it must have.
fn read<T: DeserializeOwned>(input: &Value, name: &str) -> Result<T, &'static str> {
    serde_json::from_value(input[name].clone()).map_err(|_| FORM)
}

fn read_engine(input: &Value) -> Result<Engine, &'static str> {
    let id: EngineId = read(&input["engine"], "engineId")?;
    let address: Address = read(&input["engine"], "address")?;
    Ok(Engine { id, address })
}

/// The name of an error.
fn name(error: impl NamedError) -> &'static str {
    error.name()
}

#[test]
fn vectors_equal_the_output_of_the_code_and_our_verifier_agrees_with_their_verdicts() {
    for file in [
        receipts::file(),
        states::file(),
        histories::file(),
        checkpoints::file(),
        checkpoints::tlog_file(),
        leases::file(),
        commitments::file(),
        forks::file(),
        successions::file(),
    ] {
        assert!(file.cases.len() > 10, "{}", file.name);
        file.check();
    }
}
