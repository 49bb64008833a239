//! `mortise doctor`: finds what keeps this parent from running an attested enclave.
//!
//! What it is for: each problem that guides for enclaves describe is a named check. A finding says
//! what the check saw, why that matters, and the command that repairs it. Doctor changes nothing
//! except a small file in the data folder, which it writes, syncs and removes.
//!
//! What it does not do: prove anything to others (`mortise verify attestation` does), or repair.
//! The parent's tools report on the enclave, so a finding is only as reliable as the parent.
//!
//! Invariants: every probe has a timeout; no credential is kept or printed.

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
use crate::time::utc;
use machine::{Machine, Trouble};
use real::RealMachine;
use report::{Status, printable};
use serde_json::json;
use settings::Settings;
use std::path::PathBuf;
use stops::{LAST_STOP, LastStop, read_last_lines, read_last_stop};

const EXAMPLES: &str = "\
Examples:
  sudo mortise doctor                    checks this parent, from the driver to the gateway
  sudo mortise --json doctor | jq '.checks[] | select(.status == \"FAIL\")'
  sudo mortise doctor --last-crash       shows why the last enclave stopped
  mortise doctor --root /mnt/dead-parent checks files of another machine, skips live checks

Exit codes: 0 nothing failed, 1 a check failed. WARN and SKIP do not count.";

/// Flags of `mortise doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Show why the enclave last stopped, and what to do.
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
        return Err(Failure::usage(format!(
            "--root {}: this is not a folder",
            args.root.display()
        )));
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
    let (advice, lines) = (stop.advice(), read_last_lines(machine, &folder));
    let value = json!({
        "name": stop.name, "exit": stop.exit, "why": stop.why, "at": stop.at,
        "receivedMs": stop.received_ms, "meaning": advice.meaning, "next": advice.next,
        "lines": lines,
    });
    output.text(&value, &last_crash_text(&stop, &lines));
    Ok(())
}

fn last_crash_text(stop: &LastStop, lines: &[String]) -> String {
    let advice = stop.advice();
    let mut text = format!("{} (exit {}): {}\n", stop.name, stop.exit_text(), stop.why);
    if let Some(at) = &stop.at {
        text.push_str(&format!("  at       {at} (enclave time)\n"));
    }
    text.push_str(&format!("  received {} (host time)\n", utc(stop.received_ms / 1000)));
    text.push_str(&format!("  meaning  {}\n", advice.meaning));
    text.extend(advice.next.iter().map(|step| format!("  next     {step}\n")));
    text.extend(lines.iter().map(|line| format!("  output   {line}\n")));
    printable(&text)
}

#[cfg(test)]
mod tests;
