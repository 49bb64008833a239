//! `mortise policy lint`: what a key policy allows outside the attested enclave.

use crate::failure::Failure;
use crate::output::Output;
use mortise_sim::kms::policy::{Finding, POLICY_BYTES_MAX, PolicyDocument, Severity, lint};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Flags of `mortise policy lint`.
#[derive(Debug, clap::Args)]
pub struct LintArgs {
    /// The policy; - for stdin
    file: PathBuf,
}

/// Runs `mortise policy lint`.
pub fn run(args: &LintArgs, output: &Output) -> Result<(), Failure> {
    let text = read(&args.file)?;
    let policy = PolicyDocument::parse(&text).map_err(Failure::check)?;
    let findings = lint(&policy);
    let (json, row) = (findings.iter().map(json_of).collect::<Vec<_>>(), |finding: &Finding| {
        let Finding { severity, rule, statement, text, .. } = finding;
        vec![severity.name().to_owned(), (*rule).to_owned(), statement.clone(), text.clone()]
    });
    let bad = findings.iter().filter(|finding| finding.severity > Severity::Note).count();
    let rows = findings.iter().map(row).collect();
    if bad == 0 {
        output.table(&json!({"findings": json}), &["severity", "rule", "statement", "what"], rows);
        output.note("nobody but the attested images opens wrapped keys, by this policy alone");
        return Ok(());
    }
    output.rows(&["severity", "rule", "statement", "what"], rows);
    let text = format!("{bad} findings in the key policy");
    Err(Failure::check(text).with_evidence(json!({"findings": json})))
}

fn json_of(finding: &Finding) -> Value {
    json!({"severity": finding.severity.name(), "rule": finding.rule,
           "principal": finding.principal, "subject": finding.subject,
           "statement": finding.statement, "text": finding.text})
}

/// At most one byte more than a policy may have: the parser names what is too long.
fn read(path: &Path) -> Result<String, Failure> {
    let source: Box<dyn Read> =
        match path.as_os_str() == "-" {
            true => Box::new(std::io::stdin()),
            false => Box::new(std::fs::File::open(path).map_err(|error| {
                Failure::check(format!("cannot read {}: {error}", path.display()))
            })?),
        };
    let bytes_max = u64::try_from(POLICY_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    source.take(bytes_max).read_to_string(&mut text).map_err(Failure::system)?;
    Ok(text)
}
