//! `mortise explain`: the error catalogue on the command line.

use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use mortise_format::errors::Code;
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  mortise explain -32010
  mortise explain CONSENT_REQUIRED
  mortise explain                        every error";

/// Flags of `mortise explain`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// A code (-32010, or 32010) or a name (INSUFFICIENT_AVAILABLE).
    #[arg(allow_hyphen_values = true, value_name = "CODE")]
    code: Option<String>,
}

/// Runs `mortise explain`.
pub fn run(args: &ExplainArgs, output: &Output) -> Result<(), Failure> {
    let Some(wanted) = &args.code else {
        let all: Vec<Value> = Code::all().iter().map(|entry| json_of(*entry)).collect();
        let row = |entry: &Code| {
            vec![entry.code().to_string(), entry.name().to_owned(), entry.meaning().to_owned()]
        };
        let rows = Code::all().iter().map(row).collect();
        output.table(&all, &["code", "name", "meaning"], rows);
        return Ok(());
    };
    let entry = find(wanted)
        .ok_or_else(|| Failure::usage(format!("no error has the code or name {wanted}")))?;
    let retryable = if entry.retryable() { "yes, the same bytes" } else { "no" };
    let fields = if entry.data().is_empty() { "-".to_owned() } else { entry.data().join(", ") };
    let lines = [
        ("code", entry.code().to_string()),
        ("name", entry.name().to_owned()),
        ("meaning", entry.meaning().to_owned()),
        ("next", entry.hint().to_owned()),
        ("retryable", retryable.to_owned()),
        ("data", fields),
    ];
    output.thing(&json_of(entry), &lines);
    Ok(())
}

fn find(text: &str) -> Option<Code> {
    match text.parse::<i32>() {
        Ok(code) => Code::by_code(code).or_else(|| Code::by_code(code.checked_neg()?)),
        Err(_) => Code::by_name(&text.to_uppercase()),
    }
}

fn json_of(entry: Code) -> Value {
    json!({"code": entry.code(), "name": entry.name(), "meaning": entry.meaning(),
           "hint": entry.hint(), "retryable": entry.retryable(), "data": entry.data()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_found_by_code_with_or_without_sign_and_by_name() {
        for text in ["-32013", "32013", "RESET_PERIOD_TOO_SHORT", "reset_period_too_short"] {
            assert_eq!(find(text), Some(Code::ResetPeriodTooShort), "{text}");
        }
        for text in ["", "-32026", "0", "-2147483648", "99999999999"] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
