//! `mortise explain`: everything that has a name: errors, stops and faults of the enclave, checks
//! of doctor.

mod checks;

use crate::doctor::advice::{self, Advice};
use crate::failure::Failure;
use crate::output::Output;
use checks::{CHECKS, Check};
use clap::Args;
use mortise_format::errors::Code;
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  mortise explain -32010
  mortise explain CONSENT_REQUIRED
  mortise explain KEY_DENIED             a stop or fault of the enclave
  mortise explain disk.sync              a check of doctor
  mortise explain                        lists every error
  mortise explain --list                 lists everything that has a name";

/// Flags of `mortise explain`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// A code (-32010 or 32010) or a name (INSUFFICIENT_AVAILABLE, KEY_DENIED, disk.sync).
    #[arg(allow_hyphen_values = true, value_name = "CODE")]
    code: Option<String>,

    /// List every name: errors, stops and faults of the enclave, checks of doctor.
    #[arg(long, conflicts_with = "code")]
    list: bool,
}

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Error(Code),
    Stop(&'static str, Option<u8>, Advice),
    Check(Check),
}

/// Runs `mortise explain`.
///
/// # Errors
/// Wrong usage: nothing has this name.
pub fn run(args: &ExplainArgs, output: &Output) -> Result<(), Failure> {
    if args.list {
        list(output);
        return Ok(());
    }
    let Some(wanted) = &args.code else {
        let all: Vec<Value> = raised().map(json_of).collect();
        let row = |entry: Code| {
            vec![entry.code().to_string(), entry.name().to_owned(), entry.meaning().to_owned()]
        };
        let rows = raised().map(row).collect();
        output.table(&all, &["code", "name", "meaning"], rows);
        return Ok(());
    };
    let entries = find(wanted);
    if let [Entry::Error(code)] = entries.as_slice()
        && RESERVED.contains(code)
    {
        let (code, name) = (code.code(), code.name());
        return Err(Failure::usage(format!(
            "{code} {name} is reserved: no engine answers with it"
        )));
    }
    if entries.is_empty() {
        let text = format!("nothing has the code or name {wanted}\n  next: mortise explain --list");
        return Err(Failure::usage(text));
    }
    for entry in entries {
        output.thing(&entry.json(), &entry.lines());
    }
    Ok(())
}

fn list(output: &Output) {
    let all: Vec<Entry> = all().collect();
    let row = |entry: &Entry| {
        vec![entry.name().to_owned(), entry.kind().to_owned(), entry.meaning().to_owned()]
    };
    let values: Vec<Value> = all.iter().map(Entry::json).collect();
    output.table(&values, &["name", "kind", "meaning"], all.iter().map(row).collect());
}

/// Codes that are reserved and that no engine answers with. `explain` does not list them.
const RESERVED: &[Code] = &[
    Code::AllocatorMismatch,
    Code::BadWitnessTypestring,
    Code::Scope,
    Code::FinalityNotReached,
    Code::Impaired,
    Code::Version,
];

/// Every error that an engine or the host can answer with.
fn raised() -> impl Iterator<Item = Code> {
    Code::all().iter().copied().filter(|code| !RESERVED.contains(code))
}

fn all() -> impl Iterator<Item = Entry> {
    let errors = raised().map(Entry::Error);
    let stops = advice::named().map(|(name, exit, advice)| Entry::Stop(name, exit, advice));
    errors.chain(stops).chain(CHECKS.iter().map(|check| Entry::Check(*check)))
}

/// Whether doctor has a check of this name.
#[cfg(test)]
pub(crate) fn is_check(name: &str) -> bool {
    CHECKS.iter().any(|check| check.id == name)
}

/// Every entry with this code or name. FAULT is both an error and a stop of the enclave.
fn find(text: &str) -> Vec<Entry> {
    if let Ok(code) = text.parse::<i32>() {
        let found = Code::by_code(code).or_else(|| Code::by_code(code.checked_neg()?));
        return found.map(Entry::Error).into_iter().collect();
    }
    let reserved = RESERVED.iter().map(|code| Entry::Error(*code));
    all().chain(reserved).filter(|entry| entry.name().eq_ignore_ascii_case(text)).collect()
}

impl Entry {
    fn name(&self) -> &'static str {
        match self {
            Self::Error(code) => code.name(),
            Self::Stop(name, ..) => name,
            Self::Check(check) => check.id,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::Stop(..) => "stop of the enclave",
            Self::Check(_) => "check of doctor",
        }
    }

    fn meaning(&self) -> &'static str {
        match self {
            Self::Error(code) => code.meaning(),
            Self::Stop(_, _, advice) => advice.meaning,
            Self::Check(check) => check.trouble,
        }
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![("name", self.name().to_owned()), ("kind", self.kind().to_owned())];
        match self {
            Self::Error(code) => {
                let retryable = if code.retryable() { "yes, the same bytes" } else { "no" };
                let fields = code.data().join(", ");
                lines.insert(0, ("code", code.code().to_string()));
                lines.push(("meaning", code.meaning().to_owned()));
                lines.push(("next", code.hint().to_owned()));
                lines.push(("retryable", retryable.to_owned()));
                lines.push(("data", if fields.is_empty() { "-".to_owned() } else { fields }));
            }
            Self::Stop(_, exit, advice) => {
                lines.extend(exit.map(|exit| ("exit", exit.to_string())));
                lines.push(("meaning", advice.meaning.to_owned()));
                lines.extend(advice.next.iter().map(|step| ("next", (*step).to_owned())));
            }
            Self::Check(check) => {
                lines.push(("looks at", check.looks_at.to_owned()));
                lines.push(("trouble", check.trouble.to_owned()));
                lines.push(("next", "mortise doctor".to_owned()));
            }
        }
        lines
    }

    fn json(&self) -> Value {
        match self {
            Self::Error(code) => json_of(*code),
            Self::Stop(name, exit, advice) => json!({
                "name": name, "kind": self.kind(), "exit": exit, "meaning": advice.meaning,
                "next": advice.next,
            }),
            Self::Check(check) => json!({
                "name": check.id, "kind": self.kind(), "looksAt": check.looks_at,
                "meaning": check.trouble,
            }),
        }
    }
}

fn json_of(entry: Code) -> Value {
    json!({"code": entry.code(), "name": entry.name(), "kind": "error",
           "meaning": entry.meaning(), "hint": entry.hint(), "retryable": entry.retryable(),
           "data": entry.data()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn errors_are_found_by_code_with_or_without_sign_and_by_name() {
        for text in ["-32013", "32013", "RESET_PERIOD_TOO_SHORT", "reset_period_too_short"] {
            assert_eq!(find(text), [Entry::Error(Code::ResetPeriodTooShort)], "{text}");
        }
        for text in ["", "-32026", "0", "-2147483648", "99999999999", "disk"] {
            assert_eq!(find(text), [], "{text}");
        }
    }

    #[test]
    fn stops_and_checks_are_found_by_name() {
        for (text, kind) in [
            ("KEY_DENIED", "stop of the enclave"),
            ("image_too_old", "stop of the enclave"),
            ("NO_NSM", "stop of the enclave"),
            ("disk.sync", "check of doctor"),
        ] {
            let found = find(text);
            assert_eq!(found.iter().map(Entry::kind).collect::<Vec<_>>(), [kind], "{text}");
        }
    }

    #[test]
    fn name_of_an_error_and_of_a_stop_gives_both() {
        let kinds: Vec<_> = find("FAULT").iter().map(Entry::kind).collect();
        assert_eq!(kinds, ["error", "stop of the enclave"]);
    }

    /// Goal: every fault that `health` can name has an explanation.
    #[test]
    fn every_fault_of_health_is_explained() {
        let page = include_str!("../../../../specs/json-rpc.md");
        let faults = page.split("`fault` in `health` is one of:").nth(1).expect("the page lists");
        let faults = faults.split("\n\n").next().unwrap_or_default();
        let is_name = |word: &&str| {
            word.len() > 4 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        };
        let words = faults.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let names: Vec<&str> = words.filter(is_name).collect();
        assert!(names.len() >= 20, "{names:?}");
        for name in names {
            assert!(!find(name).is_empty(), "{name}");
        }
    }

    /// The text of every Rust file below a folder, without unit tests.
    fn sources(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !["tests", "target"].contains(&&*name) {
                sources(&path, text);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let file = std::fs::read_to_string(&path).unwrap();
                text.push_str(file.split("\n#[cfg(test)]").next().unwrap_or_default());
            }
        }
    }

    #[test]
    fn listed_errors_are_the_ones_that_some_code_raises() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let mut text = String::new();
        for folder in ["engine", "host-store", "enclave-image"] {
            for entry in std::fs::read_dir(root.join(folder)).into_iter().flatten() {
                let path = entry.unwrap().path();
                if !path.ends_with("mortise-cli") {
                    sources(&path, &mut text);
                }
            }
            sources(&root.join(folder).join("src"), &mut text);
        }
        // The suite builds this file from another folder; there the test of this crate counts.
        if text.is_empty() {
            return;
        }
        for code in Code::all() {
            let is_raised = text.contains(&format!("Code::{code:?}"));
            assert_eq!(is_raised, !RESERVED.contains(code), "{code}");
        }
        assert_eq!(raised().count() + RESERVED.len(), Code::all().len());
    }

    #[test]
    fn reserved_code_is_not_listed_and_its_lookup_fails() {
        for name in ["ALLOCATOR_MISMATCH", "-32032"] {
            let args = ExplainArgs { code: Some(name.to_owned()), list: false };
            let failure = run(&args, &Output::new(false)).unwrap_err();
            assert!(failure.text().contains("reserved"), "{}", failure.text());
        }
        assert!(all().all(|entry| !RESERVED.iter().any(|code| Entry::Error(*code) == entry)));
    }

    #[test]
    fn every_name_of_the_list_is_found() {
        for entry in all() {
            assert!(find(entry.name()).contains(&entry), "{entry:?}");
        }
    }
}
