//! `mortise-host verify`: the result of a check, as text or JSON, and its exit status.

use super::repair::probe_apart;
use super::{UNREADABLE, say};
use clap::Args;
use mortise_host::repair::{Finding, Options, repair};
use mortise_host::store::StoreOptions;
use mortise_host::verify::{Summary, VerifyError, verify};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `verify` takes.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The folder of the store.
    #[arg(long)]
    data_dir: PathBuf,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Checks a log and says what is found. What is good here is good for `repair`, and the other way
/// round.
pub fn verify_log(args: &VerifyArgs) -> ExitCode {
    let result = verify(&args.data_dir, |frames, segments, of| {
        eprintln!("checked {frames} frames, {segments} of {of} segments");
    });
    let findings = match &result {
        Ok(summary) if !summary.in_use => look_further(&args.data_dir),
        _ => Ok(Vec::new()),
    };
    let findings = match findings {
        Ok(findings) => findings,
        Err(error) => {
            super::fail(&*error);
            return ExitCode::from(UNREADABLE);
        }
    };
    if args.json {
        say(verify_json(&args.data_dir, &result, &findings));
    } else {
        verify_text(&result, &findings);
    }
    match result {
        Ok(_) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(_) | Err(VerifyError::Frame { .. }) => ExitCode::FAILURE,
        Err(_) => ExitCode::from(UNREADABLE),
    }
}

/// What only index, snapshots and sealed values show of a stopped store.
fn look_further(data_dir: &Path) -> Result<Vec<Finding>, Box<dyn std::error::Error>> {
    let options = Options {
        data_dir: data_dir.to_owned(),
        copies: Vec::new(),
        backup: None,
        store: StoreOptions::default(),
        probe: &probe_apart,
    };
    Ok(repair(&options, &mut |_, _, _| ())?.findings)
}

fn verify_json(
    data_dir: &Path,
    result: &Result<Summary, VerifyError>,
    findings: &[Finding],
) -> serde_json::Value {
    let common = serde_json::json!({ "dataDir": data_dir, "framesAreSealed": true });
    let serde_json::Value::Object(mut object) = common else { return common };
    let specific = match result {
        Ok(s) => serde_json::json!({
            "ok": findings.is_empty(),
            "findings": findings.iter().map(Finding::json).collect::<Vec<_>>(),
            "engineId": s.engine_id.map(|id| id.to_string()),
            "frames": s.frames,
            "boots": s.boots,
            "events": s.events,
            "bytes": s.bytes,
            "segments": s.segments,
            "epoch": s.epoch,
            "firstTimeMs": s.first_time_ms,
            "lastTimeMs": s.last_time_ms,
            "digest": s.digest.to_string(),
            "inUse": s.in_use,
        }),
        Err(VerifyError::Frame { seq, fault }) => {
            serde_json::json!({ "ok": false, "frame": seq, "fault": fault.to_string() })
        }
        Err(error) => serde_json::json!({ "ok": false, "error": error.to_string() }),
    };
    if let serde_json::Value::Object(specific) = specific {
        object.extend(specific);
    }
    object.into()
}

fn verify_text(result: &Result<Summary, VerifyError>, findings: &[Finding]) {
    for finding in findings {
        say(format_args!("bad: {}: {}", finding.name(), finding.text()));
    }
    match result {
        Ok(_) if !findings.is_empty() => {
            eprintln!("stop the host and run `mortise-host repair --data-dir ...`");
        }
        Ok(s) => {
            say(format_args!("good: {} frames, {} boots, {} events", s.frames, s.boots, s.events));
            if let Some(engine_id) = s.engine_id {
                say(format_args!("engine {engine_id}, epoch {}", s.epoch));
                say(format_args!("last frame {}, digest {}", s.frames - 1, s.digest));
            }
            say(format_args!("{} bytes of frames in {} segments", s.bytes, s.segments));
            say("checked: digests, chain, engine, time, epochs. The frames are sealed: what");
            say("they say and who made them takes a content key (mortise audit).");
            if s.in_use {
                say("a host has the folder open; frames that it writes now are not included");
            }
        }
        Err(VerifyError::Frame { seq, fault }) => {
            say(format_args!("bad: frame {seq}: {fault}"));
            say("all frames before it are good");
            eprintln!(
                "stop the host and run `mortise-host repair --data-dir ...`: it changes nothing, \
                 and says what is lost and what brings it back"
            );
        }
        Err(error) => say(format_args!("bad: {error}")),
    }
}
