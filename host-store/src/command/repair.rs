//! `mortise-host repair`: flags, findings as text or JSON, exit status.

use super::{UNREADABLE, say};
use clap::Args;
use mortise_host::repair::{Options, Remedy, RepairError, Report, read_whole_index, repair};
use mortise_host::store::StoreOptions;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The hidden command that reads an index in a process of its own.
pub const PROBE: &str = "probe-index";

const MORE: &str = "\
The host must be stopped. Without --write nothing is changed. A frame that was acknowledged is
never dropped: it is replaced by the same frame out of a copy, or reported, and then nothing is
written at all.

Examples:
  mortise-host repair --data-dir /var/lib/mortise
  mortise-host repair --data-dir /var/lib/mortise --from engine.log
  mortise-host repair --data-dir /var/lib/mortise --from engine.log --write --backup /srv/before
  TMPDIR=/srv/tmp mortise-host repair ...    room for copies of the index while it is read

Findings: TORN_TAIL, UNPROVEN_TAIL, FRAMES_LOST, COPY_IS_LONGER, COPY_DIVERGES, LAYOUT,
NOT_ONE_LOG, INDEX_LOST, INDEX_STALE, SNAPSHOT_BROKEN, SNAPSHOT_UNLISTED, SEALED_COPY, KEYS_LOST,
BLOB_CONFLICT, DISK_FULL, LEFTOVER (specs/store-protocol.md).

Exit codes: 0 nothing is wrong, or all of it was mended; 1 something is wrong, or the repair
failed; 2 wrong usage, no log to read, or a host has it open.";

/// What `repair` takes.
#[derive(Debug, Args)]
#[command(after_help = MORE)]
pub struct RepairArgs {
    /// The folder of the store.
    #[arg(long)]
    data_dir: PathBuf,
    /// A log to take missing frames from: a file of `mortise-host export`, or another data folder
    /// (its host stopped, or a copy of it). May be given more than once.
    #[arg(long, value_name = "COPY")]
    from: Vec<PathBuf>,
    /// Mend what is found. Without it, nothing is changed.
    #[arg(long, requires = "backup")]
    write: bool,
    /// A new or empty folder for everything that is replaced or removed, as it was.
    #[arg(long, value_name = "DIR", requires = "write")]
    backup: Option<PathBuf>,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What the hidden command takes.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// The folder of an index; it may be written to.
    folder: PathBuf,
}

/// Looks through a store, mends it, says what was found.
pub fn repair_store(args: &RepairArgs) -> ExitCode {
    let options = Options {
        data_dir: args.data_dir.clone(),
        copies: args.from.clone(),
        backup: args.backup.clone(),
        store: StoreOptions::default(),
        probe: &probe_apart,
    };
    let result = repair(&options, &mut |what, done, of| eprintln!("{what}: {done} of {of}"));
    if args.json {
        say(as_json(args, &result));
    } else {
        as_text(args, &result);
    }
    match result {
        Ok(report) if report.is_clean() || report.is_written => ExitCode::SUCCESS,
        Err(RepairError::NoLog(_) | RepairError::InUse(_) | RepairError::BackupNotEmpty(_)) => {
            ExitCode::from(UNREADABLE)
        }
        _ => ExitCode::FAILURE,
    }
}

/// Reads an index whole, and may die of it.
pub fn probe_index(args: &ProbeArgs) -> ExitCode {
    if read_whole_index(&args.folder) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A damaged index may end the process that reads it, so another one tries first.
pub fn probe_apart(folder: &Path) -> bool {
    let Ok(program) = std::env::current_exe() else { return false };
    let mut command = Command::new(program);
    command.arg(PROBE).arg(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn as_json(args: &RepairArgs, result: &Result<Report, RepairError>) -> Value {
    let mut object = json!({ "dataDir": args.data_dir, "copies": args.from });
    match result {
        Ok(report) => {
            let findings: Vec<Value> = report.findings.iter().map(|f| f.json()).collect();
            object["ok"] = (report.is_clean() || report.is_written).into();
            object["findings"] = findings.into();
            object["repairable"] = report.is_repairable().into();
            object["written"] = report.is_written.into();
            if report.is_written {
                object["backup"] = json!(args.backup);
            }
            if let Some(log) = &report.log {
                object["frames"] = log.frames.into();
                object["digest"] = log.digest.to_string().into();
            }
        }
        Err(error) => {
            object["ok"] = false.into();
            object["error"] = error.to_string().into();
        }
    }
    object
}

fn as_text(args: &RepairArgs, result: &Result<Report, RepairError>) {
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            eprintln!("mortise-host: {error}");
            if let (false, Some(backup)) = (error_is_early(error), &args.backup) {
                eprintln!("what was changed by then is in {} as it was", backup.display());
            }
            return;
        }
    };
    for finding in &report.findings {
        say(format_args!("{}: {}", finding.name(), finding.text()));
        let mark = if finding.remedy() == Remedy::None { "NOT MENDED" } else { "remedy" };
        say(format_args!("  {mark}: {}", finding.advice()));
    }
    match (report.is_clean(), report.is_written, report.is_repairable()) {
        (true, ..) => say("nothing is wrong"),
        (_, true, _) => say("mended, and checked as mortise-host verify does"),
        (_, _, true) => say("nothing was changed; --write --backup DIR mends this"),
        _ => say("nothing was changed"),
    }
    if let Some(log) = &report.log
        && log.frames > 0
    {
        say(format_args!("last frame {}, digest {}", log.frames - 1, log.digest));
    }
}

/// Nothing can have been changed yet.
fn error_is_early(error: &RepairError) -> bool {
    use RepairError::{BackupNotEmpty, Copy, InUse, NoLog};
    matches!(error, NoLog(_) | InUse(_) | BackupNotEmpty(_) | Copy { .. })
}
