//! `mortise-host prune`: what it takes, prints and ends with.

use super::export::{Progress, print_result};
use super::{UNREADABLE, fail, say};
use clap::Args;
use mortise_host::prune::{Options, PruneError, prune};
use mortise_host::store::StoreOptions;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const MORE: &str = "\
A segment goes when the export has exactly its frames, both snapshots are newer, and its frames are
older than --keep-days. The leaf of each frame stays, so that proofs about the history go on. A
receipt of a pruned event is FRAME_PRUNED; the export has it. Keep the export: a start from the
first frame, an audit and the next export (--base) need it.

Examples:
  mortise-host export --data-dir DIR --out whole.log         beside the running host
  mortise-host prune --data-dir DIR --export whole.log       with the host stopped: what would go
  mortise-host prune --data-dir DIR --export whole.log --write

Exit codes: 0 done, 1 refused, 2 wrong usage.";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What `prune` takes.
#[derive(Debug, Args)]
#[command(after_help = MORE)]
pub struct PruneArgs {
    /// The folder of the store; its host must be stopped.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// A whole export of this log.
    #[arg(long, value_name = "FILE")]
    export: PathBuf,
    /// Frames of this many days stay, by the time of the newest frame.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    keep_days: u32,
    /// Remove the segments; without it nothing changes.
    #[arg(long)]
    write: bool,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Removes segments, or says which.
pub fn prune_log(args: &PruneArgs) -> ExitCode {
    let mut progress = Progress::new("checked", "bytes of the export");
    let options = Options {
        data_dir: args.data_dir.clone(),
        export: args.export.clone(),
        keep: DAY * args.keep_days,
        write: args.write,
        store: StoreOptions::default(),
    };
    let report = match prune(&options, |done, of| progress.show(done, of)) {
        Ok(report) => report,
        Err(error) => return refuse(&error, args.json),
    };
    let value = json!({"frames": report.frames, "bytes": report.bytes,
        "firstFrame": report.first_frame, "exported": report.exported,
        "snapshot": report.snapshot, "written": report.is_written});
    let done = match (report.is_written, report.frames) {
        (true, _) => "removed",
        (false, 0) => "nothing to remove: no whole segment is covered and old enough",
        (false, _) => "would be removed; add --write",
    };
    let text = format!(
        "frames       {}\nbytes        {}\nfirst frame  {}\nexported     {} frames\nsnapshot     \
         after frame {}\n{done}",
        report.frames, report.bytes, report.first_frame, report.exported, report.snapshot
    );
    print_result(args.json, &value, &text);
    ExitCode::SUCCESS
}

fn refuse(error: &PruneError, is_json: bool) -> ExitCode {
    let exit = if matches!(error, PruneError::NoLog(_)) { UNREADABLE } else { 1 };
    if is_json {
        let value = json!({"error": {"message": error.to_string()}, "exit": exit});
        say(format_args!("{value:#}"));
    }
    fail(error);
    ExitCode::from(exit)
}
