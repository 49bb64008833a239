//! `mortise doctor`: what stands between this parent and a running, attested enclave.
//!
//! What it is for: each trouble that guides for enclaves describe is a check with a name, which
//! says what it saw, why that matters, and the command that repairs it. It changes nothing, save
//! for a small file in the data folder that is written, synced and removed.
//!
//! What it does not do: prove anything to others (`mortise verify attestation` does), repair,
//! or believe: what the parent's own tools say of an enclave is the parent's word.
//!
//! Invariants: every probe has a bound; no credential is kept or printed.

pub mod advice;
mod checks;
mod facts;
mod machine;
mod real;
mod report;
mod settings;
mod stops;

use crate::failure::Failure;
use crate::output::Output;
use machine::{Machine, Trouble};
use real::RealMachine;
use report::{Status, printable};
use serde_json::json;
use settings::Settings;
use std::path::PathBuf;
use stops::{LAST_STOP, LastStop, read_last_lines, read_last_stop};

const EXAMPLES: &str = "\
Examples:
  sudo mortise doctor                    this parent, from the driver to the gateway
  sudo mortise --json doctor | jq '.checks[] | select(.status == \"FAIL\")'
  sudo mortise doctor --last-crash       why the last enclave ended
  mortise doctor --root /mnt/dead-parent the files of another machine: live checks are skipped

Exit codes: 0 nothing failed, 1 a check failed. WARN and SKIP do not count.";

/// Flags of `mortise doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Show what the enclave said when it last stopped, and what to do.
    #[arg(long)]
    last_crash: bool,
    /// Examine the files under this folder instead of the running machine.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// Runs `mortise doctor`.
///
/// # Errors
/// Exit 1: a check failed; with `--last-crash`: there is no stop on record.
pub fn run(args: &DoctorArgs, output: &Output) -> Result<(), Failure> {
    if !args.root.is_dir() {
        return Err(Failure::usage(format!("--root {}: it is no folder", args.root.display())));
    }
    let machine = RealMachine::new(&args.root)?;
    match args.last_crash {
        true => last_crash(&machine, output),
        false => examine(&machine, output),
    }
}

fn examine(machine: &dyn Machine, output: &Output) -> Result<(), Failure> {
    let report = checks::run(machine, &facts::Facts::gather(machine));
    output.text(&report.json(), &report.text());
    match report.count(Status::Fail) {
        0 => Ok(()),
        1 => Err(Failure::printed("1 check failed")),
        count => Err(Failure::printed(format!("{count} checks failed"))),
    }
}

fn last_crash(machine: &dyn Machine, output: &Output) -> Result<(), Failure> {
    let folder = Settings::read(machine).data_folder;
    let stop = read_last_stop(machine, &folder).map_err(|trouble| {
        let what = match trouble {
            Trouble::Missing => "no stop was recorded".to_owned(),
            other => other.to_string(),
        };
        Failure::check(format!(
            "{folder}/{LAST_STOP}: {what}\n  next: journalctl -u mortise-host.service -u \
             mortise-enclave.service -n 100"
        ))
    })?;
    let (advice, said) = (stop.advice(), read_last_lines(machine, &folder));
    let value = json!({
        "name": stop.name, "exit": stop.exit, "why": stop.why, "at": stop.at,
        "receivedMs": stop.received_ms, "meaning": advice.meaning, "next": advice.next,
        "lines": said,
    });
    output.text(&value, &last_crash_text(&stop, &said));
    Ok(())
}

fn last_crash_text(stop: &LastStop, said: &[String]) -> String {
    let advice = stop.advice();
    let mut text = format!("{} (exit {}): {}\n", stop.name, stop.exit_text(), stop.why);
    if let Some(at) = &stop.at {
        text.push_str(&format!("  at       {at}, by the enclave\n"));
    }
    text.push_str(&format!("  received {} ms since 1970, by the host\n", stop.received_ms));
    text.push_str(&format!("  meaning  {}\n", advice.meaning));
    text.extend(advice.next.iter().map(|step| format!("  next     {step}\n")));
    text.extend(said.iter().map(|line| format!("  said     {line}\n")));
    printable(&text)
}

#[cfg(test)]
mod tests;
