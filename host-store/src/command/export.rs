//! `mortise-host export` and `mortise-host import`: a whole log as one file, out of a data folder
//! and into a new one.
//!
//! What it is for: give a log to an auditor, keep a copy, move an engine. The frames stay sealed: a
//! file shows no more than the folder did.
//!
//! What it does not do: part of a log, keys in clear.

use super::{UNREADABLE, fail, say};
use clap::Args;
use mortise_host::export::{self, FolderError};
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

const EXPORT_MORE: &str = "\
Works while the host runs and while it is stopped. A running host sends its log as it is at the time
of the request, over DIR/export.sock. Only the user of the host and root may open that socket. The
host writes one export at a time, and does not stop storing frames for it.

Examples:
  mortise-host export --data-dir /var/lib/mortise --out engine.log
  mortise-host export --data-dir .mortise/dev/store --out engine.log --with-sealed-keys
  mortise audit engine.log

Without --with-sealed-keys the file is for auditors: an engine that is started on it refuses with
KEYS_LOST. With them it is a whole copy; only the key service opens them.

Exit codes: 0 done, 1 refused, 2 wrong usage.";

const IMPORT_MORE: &str = "\
Examples:
  mortise-host import engine.log --data-dir /srv/mortise     a new or empty folder

Exit codes: 0 done, 1 refused, 2 wrong usage.";

/// What `export` takes.
#[derive(Debug, Args)]
#[command(after_help = EXPORT_MORE)]
pub struct ExportArgs {
    /// The folder of the store.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The file to write; nothing is overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// An earlier export of this log: frames that it has are not read from the store again. Needed
    /// when they were pruned.
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Put the sealed keys of the engine in too, so that it can be started elsewhere.
    #[arg(long)]
    with_sealed_keys: bool,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What `import` takes.
#[derive(Debug, Args)]
#[command(after_help = IMPORT_MORE)]
pub struct ImportArgs {
    /// The exported log.
    file: PathBuf,
    /// The folder to make.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Writes the log of a data folder to a new file.
pub fn export_log(args: &ExportArgs) -> ExitCode {
    let mut progress = Progress::new("exported", "frames");
    let (base, keys) = (args.base.as_deref(), args.with_sealed_keys);
    let frames = export::export(&args.data_dir, &args.out, keys, base, |done, of| {
        progress.show(done, of);
    });
    let frames = match frames {
        Ok(frames) => frames,
        Err(error) => return refuse(&error, args.json),
    };
    let bytes = match std::fs::metadata(&args.out) {
        Ok(file) => file.len(),
        Err(error) => return fail(&error),
    };
    let value = json!({"file": args.out, "frames": frames, "bytes": bytes,
        "sealedKeys": args.with_sealed_keys});
    let file = args.out.display();
    print_result(args.json, &value, &format!("file    {file}\nframes  {frames}\nbytes   {bytes}"));
    ExitCode::SUCCESS
}

/// Puts an exported log into a new or empty data folder.
pub fn import_log(args: &ImportArgs) -> ExitCode {
    let mut progress = Progress::new("imported", "bytes");
    let frames = export::import(&args.file, &args.data_dir, export::is_stored, |done, of| {
        progress.show(done, of);
    });
    match frames {
        Ok(frames) => {
            let value = json!({"dataDir": args.data_dir, "frames": frames});
            let folder = args.data_dir.display();
            print_result(args.json, &value, &format!("folder  {folder}\nframes  {frames}"));
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&error, args.json),
    }
}

pub(super) fn print_result(is_json: bool, value: &Value, text: &str) {
    if is_json { say(format_args!("{value:#}")) } else { say(text) }
}

/// What names a wrong file or folder is wrong usage; what a file holds is a failed check.
fn refuse(error: &FolderError, is_json: bool) -> ExitCode {
    use FolderError::{FileExists, Io, NoLog, NotEmpty};
    let is_usage = matches!(error, NoLog(_) | NotEmpty(_) | FileExists(_) | Io { .. });
    let exit = if is_usage { UNREADABLE } else { 1 };
    if is_json {
        let value = json!({"error": {"message": error.to_string()}, "exit": exit});
        say(format_args!("{value:#}"));
    }
    fail(error);
    ExitCode::from(exit)
}

/// A line for each tenth, where a person looks.
pub(super) struct Progress {
    done: &'static str,
    unit: &'static str,
    tenths: u64,
}

impl Progress {
    pub(super) fn new(done: &'static str, unit: &'static str) -> Self {
        Self { done, unit, tenths: 0 }
    }

    pub(super) fn show(&mut self, count: u64, of: u64) {
        let tenths = count.saturating_mul(10).checked_div(of).unwrap_or_default();
        if tenths > self.tenths && std::io::stderr().is_terminal() {
            self.tenths = tenths;
            eprintln!("{} {count} of {of} {}", self.done, self.unit);
        }
    }
}
