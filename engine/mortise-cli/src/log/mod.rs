//! `mortise log`: a whole log as one file, out of a data folder and into a new one.
//!
//! What it is for: hand a log to an auditor, keep a copy, move an engine. The frames stay sealed:
//! a file says no more than the folder did.
//!
//! What it does not do: part of a log, a log that a host is writing, keys in clear.

use crate::failure::Failure;
use crate::output::Output;
use indicatif::{ProgressBar, ProgressStyle};
use mortise_engine::keyring::{GENESIS_BLOB, KEYS_BLOB, SealedKeys};
use mortise_format::codec;
use mortise_format::store::StoreRefusal;
use mortise_host::export::{self, FolderError, Parts};
use mortise_host::store::{DiskStore, LogStore as _};
use serde_json::json;
use std::path::PathBuf;

/// Part of an export with what engine id and genesis do not say: the public keys that the engine
/// was founded with, and the commitment to its log secret.
pub(crate) const FOUNDING_PART: &str = "founding";

const EXAMPLES: &str = "\
The host must be stopped, or the folder a copy of it.

Examples:
  mortise log export --data-dir /var/lib/mortise --out engine.log
  mortise log export --data-dir .mortise/dev/store --out engine.log --with-sealed-keys
  mortise log import engine.log --data-dir /srv/mortise     a new or empty folder
  mortise audit engine.log

Without --with-sealed-keys the file is for auditors: an engine that is started on it refuses with
KEYS_LOST. With them it is a whole copy; they open nowhere but at the key service.

Exit codes: 0 done, 1 refused, 2 wrong usage.";

/// Flags of `mortise log`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Debug, clap::Subcommand)]
enum LogCommand {
    /// Write the log of a data folder to a new file.
    Export(ExportArgs),
    /// Put an exported log into a new or empty data folder.
    Import(ImportArgs),
}

#[derive(Debug, clap::Args)]
struct ExportArgs {
    /// The folder of the host's store.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,

    /// The file to write; nothing is overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Put the sealed keys of the engine in too, so that it can be started elsewhere.
    #[arg(long)]
    with_sealed_keys: bool,
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The exported log.
    file: PathBuf,

    /// The folder to make.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

/// Runs `mortise log`.
///
/// # Errors
/// Wrong usage; a file or folder that is refused, by name.
pub fn run(args: &LogArgs, output: &Output) -> Result<(), Failure> {
    match &args.command {
        LogCommand::Export(args) => run_export(args, output),
        LogCommand::Import(args) => run_import(args, output),
    }
}

fn run_export(args: &ExportArgs, output: &Output) -> Result<(), Failure> {
    let bar = bar("exporting", "frames");
    let parts = |store: &DiskStore| parts_of(store, args.with_sealed_keys);
    let frames =
        export::export(&args.data_dir, &args.out, parts, |done, of| move_bar(&bar, done, of));
    bar.finish_and_clear();
    let frames = frames.map_err(|error| failure(&error))?;
    let bytes = std::fs::metadata(&args.out).map_err(Failure::system)?.len();
    let value = json!({"file": args.out, "frames": frames, "bytes": bytes,
        "sealedKeys": args.with_sealed_keys});
    let lines = [
        ("file", args.out.display().to_string()),
        ("frames", frames.to_string()),
        ("bytes", bytes.to_string()),
    ];
    output.thing(&value, &lines);
    Ok(())
}

fn run_import(args: &ImportArgs, output: &Output) -> Result<(), Failure> {
    let bar = bar("importing", "bytes");
    let keeps = |name: &str| [GENESIS_BLOB, KEYS_BLOB].contains(&name);
    let frames =
        export::import(&args.file, &args.data_dir, keeps, |done, of| move_bar(&bar, done, of));
    bar.finish_and_clear();
    let frames = frames.map_err(|error| failure(&error))?;
    let value = json!({"dataDir": args.data_dir, "frames": frames});
    let lines = [("folder", args.data_dir.display().to_string()), ("frames", frames.to_string())];
    output.thing(&value, &lines);
    Ok(())
}

/// The genesis, what the engine id is made of, and the sealed keys when they are asked for.
pub(crate) fn parts_of(store: &DiskStore, sealed_keys: bool) -> Result<Parts, StoreRefusal> {
    let mut parts = Parts::new();
    if let Some(genesis) = store.blob_get(GENESIS_BLOB)? {
        parts.insert(GENESIS_BLOB.to_owned(), genesis);
    }
    let Some(keys) = store.blob_get(KEYS_BLOB)? else { return Ok(parts) };
    if let Ok(sealed) = codec::decode::<SealedKeys>(&keys) {
        let founding = codec::encode(&(sealed.keys, sealed.log_secret_commitment));
        parts.insert(FOUNDING_PART.to_owned(), founding);
    }
    if sealed_keys {
        parts.insert(KEYS_BLOB.to_owned(), keys);
    }
    Ok(parts)
}

/// What names a wrong file or folder is wrong usage; what a file holds is a failed check.
pub(crate) fn failure(error: &FolderError) -> Failure {
    match error {
        FolderError::NoLog(_)
        | FolderError::NotEmpty(_)
        | FolderError::FileExists(_)
        | FolderError::Io { .. } => Failure::usage(error),
        _ => Failure::check(error),
    }
}

/// A bar on stderr, which is hidden where nobody looks.
pub(crate) fn bar(doing: &str, of: &str) -> ProgressBar {
    let unit = match of {
        "bytes" => "{bytes}/{total_bytes}, {bytes_per_sec}",
        _ => "{pos}/{len} frames, {per_sec}",
    };
    let template = format!("{doing} {{bar:40}} {unit}, {{eta}} left");
    let style = ProgressStyle::with_template(&template).expect("the templates are constants");
    ProgressBar::new(0).with_style(style)
}

pub(crate) fn move_bar(bar: &ProgressBar, done: u64, of: u64) {
    bar.set_length(of);
    bar.set_position(done);
}
