//! `mortise log`: shows what an exported log holds, without keys.
//!
//! What it does not do: check decisions (`mortise audit` does), write or import exports
//! (`mortise-host` does).

use crate::audit::Source;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress;
use crate::time::utc;
use mortise_format::frame::Frame;
use mortise_format::ids::{EngineId, FrameDigest, Root};
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
FILE is an exported log: mortise-host export --data-dir DIR --out FILE.

Examples:
  mortise log show engine.log
  mortise --json log show engine.log | jq .frames

Digests and the chain of frames are checked; `mortise audit` checks everything else.

Exit codes: 0 done, 1 the file is refused, 2 wrong usage.";

/// Flags of `mortise log`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Debug, clap::Subcommand)]
enum LogCommand {
    /// Show engine, frames, epochs and head of an exported log.
    Show {
        /// The exported log.
        file: PathBuf,
    },
}

/// Runs `mortise log`.
///
/// # Errors
/// Wrong usage; a file that is refused, by name.
pub fn run(args: &LogArgs, output: &Output) -> Result<(), Failure> {
    match &args.command {
        LogCommand::Show { file } => show(file, output),
    }
}

/// One boot of the engine.
struct Epoch {
    number: u64,
    first_seq: u64,
    first_ms: u64,
    frames: u64,
    events: u64,
    last_ms: u64,
}

/// The facts that frames carry in clear.
#[derive(Default)]
struct Summary {
    engine_id: Option<EngineId>,
    frames: u64,
    events: u64,
    head: FrameDigest,
    state_root: Root,
    epochs: Vec<Epoch>,
}

impl Summary {
    fn add(&mut self, frame: &Frame) {
        let header = frame.header();
        let (seq, time_ms, events) = (header.seq, header.time_ms, u64::from(header.event_count));
        self.engine_id = Some(header.engine_id);
        self.frames += 1;
        self.events += events;
        self.head = frame.digest();
        self.state_root = header.state_root;
        match self.epochs.last_mut().filter(|epoch| epoch.number == header.epoch) {
            Some(epoch) => {
                epoch.frames += 1;
                epoch.events += events;
                epoch.last_ms = time_ms;
            }
            None => self.epochs.push(Epoch {
                number: header.epoch,
                first_seq: seq,
                first_ms: time_ms,
                frames: 1,
                events,
                last_ms: time_ms,
            }),
        }
    }
}

fn show(path: &Path, output: &Output) -> Result<(), Failure> {
    let mut source = Source::open(path)?;
    let named =
        |error: &dyn std::fmt::Display| Failure::check(format!("{}: {error}", path.display()));
    let bar = progress::bytes_bar("reading");
    bar.set_length(source.bytes());
    let mut summary = Summary::default();
    while let Some(bytes) = source.next()? {
        summary.add(&Frame::decode(&bytes).map_err(|error| named(&error))?);
        bar.set_position(source.read_bytes());
    }
    bar.finish_and_clear();
    print_summary(&summary, &source, output);
    Ok(())
}

fn print_summary(summary: &Summary, source: &Source, output: &Output) {
    let parts: Vec<&str> = source.parts().keys().map(String::as_str).collect();
    let engine_id = summary.engine_id.map(|id| id.to_string());
    let value = json!({
        "engineId": engine_id, "bytes": source.bytes(), "parts": parts,
        "frames": summary.frames, "events": summary.events,
        "head": summary.head.to_string(), "stateRoot": summary.state_root.to_string(),
        "epochs": summary.epochs.iter().map(|epoch| json!({
            "epoch": epoch.number, "firstSeq": epoch.first_seq, "frames": epoch.frames,
            "events": epoch.events, "firstMs": epoch.first_ms, "lastMs": epoch.last_ms,
        })).collect::<Vec<_>>(),
    });
    let mut lines = vec![
        ("engineId", engine_id.unwrap_or_else(|| "none".to_owned())),
        ("bytes", source.bytes().to_string()),
        ("parts", parts.join(", ")),
        ("frames", summary.frames.to_string()),
        ("events", summary.events.to_string()),
        ("head", summary.head.to_string()),
        ("stateRoot", summary.state_root.to_string()),
    ];
    for epoch in &summary.epochs {
        let Epoch { number, first_seq, frames, events, first_ms, last_ms } = epoch;
        lines.push((
            "epoch",
            format!(
                "{number}: from frame {first_seq}, {frames} frames, {events} events, {} to {}",
                utc(first_ms / 1000),
                utc(last_ms / 1000),
            ),
        ));
    }
    output.thing(&value, &lines);
}
