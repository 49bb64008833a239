//! `mortise audit`: replays a whole log and checks every decision in it.
//!
//! What it is for: check that the engine kept its rules, without a server and without trust in the
//! person who hands over the log. `mortise_audit` has the checks (`specs/audit.md`); this module
//! has files, threads, flags and messages.
//!
//! What it does not do: fetch a log or keys, choose trust anchors.
//!
//! Invariants: the whole report is printed, also with findings; it lists what was not checked.

mod report;
mod runner;
mod source;

use crate::anchors::Anchors;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress;
use crate::verify::uses::{self, Condition};
use crate::verify::{
    AnchorsArgs, ImageArgs, WitnessArgs, checkpoint, ended, pcr, refusal, root, statement,
};
use mortise_audit::{AuditKeys, Auditor, BootTrust, Images, Report, Subject};
use mortise_client::random_request_id;
use mortise_format::ids::EngineId;
use mortise_format::pcr::Pcr;
use mortise_verify::attestation::AWS_NITRO_ROOT_G1;
use mortise_verify::verdict::Verdict;
use serde_json::Value;
pub(crate) use source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Without --keys: checks digests, chain, history, carried statements and boots. With --keys (content \
roots of the epochs and the state-salt key, released by the operators): also decides each command \
again, rejects included, and recomputes every state root.

Examples:
  mortise audit engine.log                                       what anyone can check
  mortise audit engine.log --keys audit.json --root nitro-root.pem --pcr0 $PCR0
  mortise audit engine.log --keys audit.json --anchors anchors.toml --report audit-report.json
  mortise audit engine.log --keys audit.json --statement receipt.json    is my receipt in this log?
  mortise audit engine.log --checkpoint kept.json    did the witnesses cosign this log?

Exit codes: 0 proven: no findings, and all that you asked for was judged; 1 findings (each with \
name, frame and event), a part that could not be judged (unless --allow-partial), or a refused \
file; 2 wrong usage.";

/// Flags of `mortise audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct AuditArgs {
    /// An exported log (mortise-host export).
    source: PathBuf,

    /// Audit keys (JSON), which decrypt the frames.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,

    /// The engine that the log must belong to.
    #[arg(long, value_name = "HEX")]
    engine_id: Option<EngineId>,

    #[command(flatten)]
    anchors: AnchorsArgs,

    #[command(flatten)]
    image: ImageArgs,

    /// Answer with a signed statement that the log must contain; repeatable.
    #[arg(long, value_name = "FILE")]
    statement: Vec<PathBuf>,

    /// Checkpoint of the log that you kept (an answer of getCheckpoint or getReceipt, a tlog-proof,
    /// or the bare note); repeatable. A quorum of the witnesses of the genesis, or of --witness,
    /// must have cosigned it.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,

    #[command(flatten)]
    witnesses: WitnessArgs,

    /// Threads that prepare frames; one for each core by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,

    /// Exit 0 also if a part of what you asked for could not be judged (PARTLY PROVEN).
    #[arg(long)]
    allow_partial: bool,

    /// Also write the report as JSON to this file.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Runs `mortise audit`.
///
/// # Errors
/// Wrong usage; a log that is refused; findings, once the report is printed.
pub fn run(args: &AuditArgs, output: &Output) -> Result<(), Failure> {
    let anchors = args.anchors.read()?;
    let keys = args.keys.as_deref().map(read_keys).transpose()?;
    let source = Source::open(&args.source)?;
    let subject = subject(args, &anchors, &source)?;
    let threads = args.threads.map_or_else(cores, usize::from);
    let mut run = audit(source, keys.as_ref(), subject, threads)?;
    let hold = if args.checkpoint.is_empty() { &[][..] } else { &[Condition::Checkpoint] };
    let unused = uses::unused("audit", &anchors, hold);
    if !unused.is_empty() {
        run.verdict.leaves_open(uses::sentence(&unused));
    }
    let value = report::json(&run);
    if let Some(path) = &args.report {
        write_report(path, &value)?;
    }
    output.text(&value, &report::text(&run));
    ended(&run.verdict, args.allow_partial)
}

/// A finished audit.
pub(crate) struct Run {
    pub report: Report,
    /// What the report establishes.
    pub verdict: Verdict,
    /// Duration of the audit.
    pub took: Duration,
    /// Threads that prepared frames.
    pub threads: usize,
    /// Whether the caller passed keys.
    pub has_keys: bool,
    /// Whether the export has the genesis.
    pub has_genesis: bool,
}

fn audit(
    source: Source,
    keys: Option<&AuditKeys>,
    subject: Subject,
    threads: usize,
) -> Result<Run, Failure> {
    let started = Instant::now();
    let bar = progress::bytes_bar("auditing");
    let (has_keys, has_genesis) = (keys.is_some(), subject.genesis.is_some());
    let mut seed = [0; 8];
    seed.copy_from_slice(&random_request_id().0[..8]);
    let auditor = Auditor::new(subject, keys.cloned(), u64::from_le_bytes(seed));
    let followed = runner::run(source, keys, auditor, threads, &bar);
    bar.finish_and_clear();
    let report = followed?.finish();
    let took = started.elapsed();
    let verdict = report.verdict();
    Ok(Run { report, verdict, took, threads, has_keys, has_genesis })
}

fn subject(args: &AuditArgs, anchors: &Anchors, source: &Source) -> Result<Subject, Failure> {
    let engine_id = args.engine_id.or(anchors.engine_id);
    // Half an engine is wrong usage here too.
    let pinned = anchors.engine()?;
    if anchors.engine_id.is_some() && anchors.engine_id != engine_id {
        return Err(Failure::usage("--engine-id and the anchors file name different engines"));
    }
    let kept: Result<Vec<_>, _> = args.statement.iter().map(|path| statement(path)).collect();
    let notes: Result<Vec<_>, _> = args.checkpoint.iter().map(|path| checkpoint(path)).collect();
    let (genesis, genesis_keys) = (source.genesis()?, source.genesis_keys()?);
    if !args.checkpoint.is_empty() && (genesis.is_none() || genesis_keys.is_none()) {
        return Err(Failure::usage(
            "--checkpoint: the export has no genesis and no public keys, so its checkpoints cannot \
             be verified\n  next: export the log again (mortise-host export)",
        ));
    }
    let witnesses = args.witnesses.read(anchors)?;
    if args.checkpoint.is_empty() && args.witnesses.is_named() {
        return Err(Failure::usage(
            "--witness without --checkpoint: a log has no cosignatures\n  next: pass the \
             checkpoint that they cosigned with --checkpoint",
        ));
    }
    let mut kept = kept?;
    if let Some(last) = anchors.last() {
        let signed = mortise_verify::json::statement(&last.statement, last.signature);
        kept.push(signed.map_err(|error| refusal(&error))?);
    }
    Ok(Subject {
        engine_id,
        address: pinned.map(|engine| engine.address),
        policy_hash: anchors.policy_hash,
        durability: anchors.durability,
        genesis,
        genesis_keys,
        trust: trust(args, anchors)?,
        kept,
        checkpoints: notes?,
        witnesses,
    })
}

/// Roots and images from the flags, or from the anchors file. Nothing is trusted by default.
fn trust(args: &AuditArgs, anchors: &Anchors) -> Result<Option<BootTrust>, Failure> {
    let texts = if args.image.root.is_empty() { &anchors.roots } else { &args.image.root };
    let mut roots = Vec::new();
    for text in texts {
        roots.extend(root(text)?);
    }
    let named = [
        (0, &args.image.pcr0, &anchors.pcr0),
        (1, &args.image.pcr1, &anchors.pcr1),
        (2, &args.image.pcr2, &anchors.pcr2),
        (8, &args.image.pcr8, &anchors.pcr8),
    ];
    let mut sets = BTreeMap::new();
    for (index, flags, file) in named {
        let mut set: BTreeSet<Pcr> = flags.iter().copied().collect();
        if set.is_empty() && !args.image.any_image {
            for text in file {
                set.insert(pcr(text).map_err(Failure::usage)?);
            }
        }
        if !set.is_empty() {
            sets.insert(index, set);
        }
    }
    let images = match (args.image.any_image, sets.contains_key(&0)) {
        (true, _) => Images::Any,
        (false, true) => Images::Approved(sets),
        (false, false) if roots.is_empty() && sets.is_empty() && !args.image.drawn_inside => {
            return Ok(None);
        }
        (false, false) => {
            return Err(Failure::usage(
                "no image is named\n  next: pass every image that may have run on the log with \
                 --pcr0 HEX; to inspect documents without trust, pass --any-image",
            ));
        }
    };
    if roots.is_empty() {
        roots.push(AWS_NITRO_ROOT_G1);
    }
    let is_genesis_required = args.image.drawn_inside;
    Ok(Some(BootTrust { roots, images, is_genesis_required }))
}

fn read_keys(path: &Path) -> Result<AuditKeys, Failure> {
    let named =
        |what: &dyn std::fmt::Display| Failure::usage(format!("--keys {}: {what}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| named(&error))?.len();
    if size > KEY_FILE_BYTES_MAX {
        return Err(named(&format!("{size} bytes, the maximum is {KEY_FILE_BYTES_MAX}")));
    }
    let bytes = std::fs::read(path).map_err(|error| named(&error))?;
    AuditKeys::from_json(&bytes).map_err(|error| named(&error))
}

fn write_report(path: &Path, value: &Value) -> Result<(), Failure> {
    let named = |error| Failure::usage(format!("--report {}: {error}", path.display()));
    std::fs::write(path, format!("{value:#}\n")).map_err(named)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Maximum size of a key file: more epochs than an engine boots in a century.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
