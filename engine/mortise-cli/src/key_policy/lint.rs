//! `mortise key-policy lint`: what a key policy allows outside the attested enclave.

use crate::failure::Failure;
use crate::image::record::Record;
use crate::output::Output;
use mortise_key_policy::{
    Admission, Finding, NOT_LOOKED_AT, POLICY_BYTES_MAX, PolicyDocument, Severity, admits,
    image_findings, lint,
};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Flags of `mortise key-policy lint`.
#[derive(Debug, clap::Args)]
pub struct LintArgs {
    /// The policy; - for stdin
    file: PathBuf,

    /// Also check whether the policy lets this image use the key, and no other one:
    /// measurements.json. During an upgrade, name the old and the new one
    #[arg(long, value_name = "FILE")]
    measurements: Vec<PathBuf>,
}

/// Runs `mortise key-policy lint`.
pub fn run(args: &LintArgs, output: &Output) -> Result<(), Failure> {
    let text = read(&args.file)?;
    let policy = PolicyDocument::parse(&text).map_err(Failure::check)?;
    let mut findings = lint(&policy);
    findings.splice(0..0, findings_of_images(&policy, &args.measurements)?);
    let (json, row) = (findings.iter().map(json_of).collect::<Vec<_>>(), |finding: &Finding| {
        let Finding { severity, rule, statement, text, .. } = finding;
        vec![severity.name().to_owned(), (*rule).to_owned(), statement.clone(), text.clone()]
    });
    let bad = findings.iter().filter(|finding| finding.severity > Severity::Note).count();
    let rows = findings.iter().map(row).collect();
    let report = json!({"findings": json, "notLookedAt": NOT_LOOKED_AT});
    if bad == 0 {
        output.table(&report, &["severity", "rule", "statement", "what"], rows);
        output.note("Under this policy, only the attested images can unwrap keys, and wrap them.");
        output.note(&not_looked_at());
        return Ok(());
    }
    output.rows(&["severity", "rule", "statement", "what"], rows);
    output.note(&not_looked_at());
    let text = format!("{bad} findings in the key policy");
    Err(Failure::check(text).with_evidence(report))
}

fn not_looked_at() -> String {
    let lines = NOT_LOOKED_AT.map(|what| format!("\n  - {what}"));
    format!("Not looked at:{}", lines.concat())
}

/// Whether the policy lets the named images use the key, and which others.
fn findings_of_images(policy: &PolicyDocument, files: &[PathBuf]) -> Result<Vec<Finding>, Failure> {
    let images = files.iter().map(|path| Record::read(path)).collect::<Result<Vec<_>, _>>()?;
    let mut findings: Vec<_> = images.iter().map(|image| image_finding(policy, image)).collect();
    let registers = images.iter().flat_map(Record::registers);
    let good: Vec<_> =
        registers.filter(|(number, _)| *number == 0).map(|(_, value)| value.to_owned()).collect();
    if !good.is_empty() {
        findings.extend(image_findings(policy, &good));
    }
    Ok(findings)
}

/// Whether the policy lets an image use the key, and what denies it.
fn image_finding(policy: &PolicyDocument, image: &Record) -> Finding {
    let registers = image.registers().into_iter();
    let registers: Vec<_> = registers.map(|(number, value)| (number, value.to_owned())).collect();
    let (severity, rule, action, statement, text) = match admits(policy, &registers) {
        Admission::Admitted => {
            let text = "an attested grant names the image: its enclave can use the key";
            (Severity::Note, "image-admitted", "kms:Decrypt", "policy".to_owned(), text.to_owned())
        }
        Admission::NotNamed { action } => {
            let text = format!("no attested grant names the image: its enclave gets no {action}");
            (Severity::Warning, "image-not-named", action, "policy".to_owned(), text)
        }
        Admission::Denied { action, statement } => {
            let text = format!("a grant names the image, but {statement} denies it {action}");
            (Severity::Warning, "image-denied", action, statement, text)
        }
    };
    let (principal, subject) = (String::new(), action.to_owned());
    Finding { severity, rule, principal, subject, statement, text }
}

fn json_of(finding: &Finding) -> Value {
    json!({"severity": finding.severity.name(), "rule": finding.rule,
           "principal": finding.principal, "subject": finding.subject,
           "statement": finding.statement, "text": finding.text})
}

/// Reads at most one byte more than the limit; the parser then reports that the file is too long.
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
