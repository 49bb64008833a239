//! `mortise audit`: a whole log again, frame by frame, and a verdict on every decision in it.
//!
//! What it is for: find out, with no server and no trust in whoever hands the log over, whether the
//! engine kept its rules. Every check is that of `mortise_verify::replay` (`specs/audit.md`); here
//! are files, threads, flags and words alone.
//!
//! What it does not do: fetch a log or keys, choose whom to believe.
//!
//! Invariants: the verdict is the report's and is printed whole also when it is bad; what could not
//! be checked is said.

mod report;
mod runner;
mod source;

use crate::failure::Failure;
use crate::log;
use crate::output::Output;
use crate::verify::{PolicyFile, pcr, root, statement};
use mortise_client::random_request_id;
use mortise_format::ids::EngineId;
use mortise_verify::attestation::{AWS_NITRO_ROOT_G1, Pcr};
use mortise_verify::replay::{AuditKeys, Auditor, BootTrust, Images, Report, Subject};
use serde_json::Value;
use source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Without --keys: digests, chain, history, carried statements, boots. With --keys (the content roots \
of the epochs and the state-salt key, released by the operators) also every event: each command is \
admitted and decided again, each refusal too, and every state root reproduced.

Examples:
  mortise audit engine.log                                       what everybody can check
  mortise audit engine.log --keys audit.json --root nitro-root.pem --pcr0 $PCR0
  mortise audit /var/lib/mortise --keys audit.json --policy trust.toml --report audit-report.json
  mortise audit engine.log --keys audit.json --statement receipt.json    is my receipt in this log?

Exit codes: 0 nothing is wrong, 1 findings (each by name, frame and event) or a file that is \
refused, 2 wrong usage.";

/// Flags of `mortise audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct AuditArgs {
    /// An exported log, or the data folder of a host that is stopped.
    source: PathBuf,

    /// Audit keys (JSON): what opens the frames.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,

    /// The engine whose log it must be.
    #[arg(long, value_name = "HEX")]
    engine_id: Option<EngineId>,

    /// File that names whom to believe: engine_id, roots, pcr0, pcr1, pcr2, pcr8 (TOML).
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Root to believe: a PEM file, the SHA-256 of the certificate, or `aws`; repeatable.
    #[arg(long, value_name = "PEM-FILE|SHA256|aws")]
    root: Vec<String>,

    /// Approved image, 96 hex digits; repeatable: every image that the log may have had.
    #[arg(long, value_name = "HEX", value_parser = pcr)]
    pcr0: Vec<Pcr>,

    /// Approved kernel and first ramdisk; repeatable.
    #[arg(long, value_name = "HEX", value_parser = pcr)]
    pcr1: Vec<Pcr>,

    /// Approved application; repeatable.
    #[arg(long, value_name = "HEX", value_parser = pcr)]
    pcr2: Vec<Pcr>,

    /// Approved certificate that signed the image; repeatable.
    #[arg(long, value_name = "HEX", value_parser = pcr)]
    pcr8: Vec<Pcr>,

    /// Check documents for any image that is not in debug mode: to look, not to trust.
    #[arg(long, conflicts_with_all = ["pcr0", "pcr1", "pcr2", "pcr8"])]
    any_image: bool,

    /// An answer of the engine with a signed statement that the log must contain; repeatable.
    #[arg(long, value_name = "FILE")]
    statement: Vec<PathBuf>,

    /// Threads that prepare frames; one for each core when not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,

    /// Write the report as JSON to this file too.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Runs `mortise audit`.
///
/// # Errors
/// Wrong usage; a log that is refused; findings, once the report is printed.
pub fn run(args: &AuditArgs, output: &Output) -> Result<(), Failure> {
    let policy = PolicyFile::read(args.policy.as_deref())?;
    let keys = args.keys.as_deref().map(read_keys).transpose()?;
    let source = Source::open(&args.source)?;
    let subject = subject(args, &policy, &source)?;
    let threads = args.threads.map_or_else(cores, usize::from);
    let run = audit(source, keys.as_ref(), subject, threads)?;
    let value = report::json(&run);
    if let Some(path) = &args.report {
        write_report(path, &value)?;
    }
    output.text(&value, &report::text(&run));
    match run.report.finding_count {
        0 => Ok(()),
        1 => Err(Failure::check("1 finding")),
        count => Err(Failure::check(format!("{count} findings"))),
    }
}

/// An audit that ended.
pub(crate) struct Run {
    /// What it found out.
    pub report: Report,
    /// How long it took.
    pub took: Duration,
    /// Threads that prepared.
    pub threads: usize,
    /// Keys were given.
    pub has_keys: bool,
    /// The genesis was at hand.
    pub has_genesis: bool,
    /// The engine was named by the caller.
    pub is_pinned: bool,
}

fn audit(
    source: Source,
    keys: Option<&AuditKeys>,
    subject: Subject,
    threads: usize,
) -> Result<Run, Failure> {
    let started = Instant::now();
    let bar = log::bar("auditing", source.unit());
    let (has_keys, has_genesis) = (keys.is_some(), subject.genesis.is_some());
    let is_pinned = subject.engine_id.is_some();
    let mut seed = [0; 8];
    seed.copy_from_slice(&random_request_id().0[..8]);
    let auditor = Auditor::new(subject, keys.cloned(), u64::from_le_bytes(seed));
    let followed = runner::run(source, keys, auditor, threads, &bar);
    bar.finish_and_clear();
    let report = followed?.finish();
    let took = started.elapsed();
    Ok(Run { report, took, threads, has_keys, has_genesis, is_pinned })
}

fn subject(args: &AuditArgs, policy: &PolicyFile, source: &Source) -> Result<Subject, Failure> {
    let engine_id = args.engine_id.or(policy.engine_id);
    if policy.engine_id.is_some() && policy.engine_id != engine_id {
        return Err(Failure::usage("--engine-id and --policy name different engines"));
    }
    let kept: Result<Vec<_>, _> = args.statement.iter().map(|path| statement(path)).collect();
    Ok(Subject {
        engine_id,
        genesis: source.genesis()?,
        founding: source.founding()?,
        trust: trust(args, policy)?,
        kept: kept?,
    })
}

/// Roots and images of flags and policy file; flags go first. Nothing named, nothing believed.
fn trust(args: &AuditArgs, policy: &PolicyFile) -> Result<Option<BootTrust>, Failure> {
    let texts = if args.root.is_empty() { &policy.roots } else { &args.root };
    let mut roots = Vec::new();
    for text in texts {
        roots.extend(root(text)?);
    }
    let named = [
        (0, &args.pcr0, &policy.pcr0),
        (1, &args.pcr1, &policy.pcr1),
        (2, &args.pcr2, &policy.pcr2),
        (8, &args.pcr8, &policy.pcr8),
    ];
    let mut sets = BTreeMap::new();
    for (index, flags, file) in named {
        let mut set: BTreeSet<Pcr> = flags.iter().copied().collect();
        if set.is_empty() && !args.any_image {
            for text in file {
                set.insert(pcr(text).map_err(Failure::usage)?);
            }
        }
        if !set.is_empty() {
            sets.insert(index, set);
        }
    }
    let images = match (args.any_image, sets.contains_key(&0)) {
        (true, _) => Images::Any,
        (false, true) => Images::Approved(sets),
        (false, false) if roots.is_empty() && sets.is_empty() => return Ok(None),
        (false, false) => {
            return Err(Failure::usage(
                "no image is named\n  next: name every image that the log may have had with --pcr0 \
                 HEX; to look at documents and trust nothing, say --any-image",
            ));
        }
    };
    if roots.is_empty() {
        roots.push(AWS_NITRO_ROOT_G1);
    }
    Ok(Some(BootTrust { roots, images }))
}

fn read_keys(path: &Path) -> Result<AuditKeys, Failure> {
    let named =
        |what: &dyn std::fmt::Display| Failure::usage(format!("--keys {}: {what}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| named(&error))?.len();
    if size > KEY_FILE_BYTES_MAX {
        return Err(named(&format!("{size} bytes, {KEY_FILE_BYTES_MAX} at most")));
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

/// Largest key file: more epochs than boots of a century.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
