//! `mortise verify root`: a statement of the engine, and that it continues an older one.

use super::pin::EnginePinArgs;
use super::receipt::CONSISTENCY_NAMES;
use super::verdict::Rendered;
use super::{file, known, refused, uses};
use crate::failure::Failure;
use mortise_verify::history::{VerifiedConsistency, verify_consistency};
use mortise_verify::statement::{VerifiedStatement, verify};
use mortise_verify::verdict::{Claim, Subject};
use mortise_verify::{Engine, fork};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
FILE is any answer with a statement: getStateRoot with `signed`, a receipt, a proof, an \
attestation, or an anchors file. --older compares the histories of both; if their sizes differ, \
pass the proof of getConsistencyProof.

Examples:
  mortise verify root root.json --anchors anchors.toml
  mortise verify root new.json --older kept.json --consistency proof.json --anchors anchors.toml

Exit codes: 0 proven, 1 not proven (the name of the check that failed comes first), 2 wrong usage.";

/// Flags of `mortise verify root`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RootArgs {
    /// The statement, or an answer with one; - for stdin.
    file: PathBuf,

    #[command(flatten)]
    pin: EnginePinArgs,

    /// An earlier statement of the same engine.
    #[arg(long, value_name = "FILE")]
    older: Option<PathBuf>,

    /// A consistency proof from --older to FILE: a list of hashes, or an answer of
    /// getConsistencyProof.
    #[arg(long, value_name = "FILE", requires = "older")]
    consistency: Option<PathBuf>,
}

/// Runs `mortise verify root`.
pub(super) fn run(args: &RootArgs) -> Result<Rendered, Failure> {
    let pin = args.pin.read()?;
    let stated = statement(&pin.engine, &args.file)?;
    let says = format!("stated state root {} after frame {}", stated.state_root(), stated.seq());
    let mut verdict = Rendered::new(Subject::Root, pin.identity(), says);
    verdict
        .fact("stateRoot", stated.state_root().to_string())
        .both("policyHash", stated.fields().policy_hash)
        .statement(&stated);
    known::policy(&pin, &stated, &mut verdict);
    known::compare(&pin, &stated, &mut verdict)?;
    uses::list("root", &pin.anchors, &[], &mut verdict);
    if let Some(older) = &args.older {
        let older = statement(&pin.engine, older)?;
        let both = args.continues(&older, &stated)?;
        let (from, to) = (older.head().size, stated.head().size);
        verdict.fact("olderSize", from);
        let what = format!("its history of {to} frames begins with the {from} of --older");
        verdict.establish(Claim::Continues, what, &both);
    } else {
        verdict.leaves_open("that it continues an older statement: pass that with --older");
    }
    verdict
        .leaves_open("that it is the newest")
        .leaves_open("that others see the same history: checkpoints with witnesses show that")
        .leaves_open("that the key lives in an enclave: mortise verify attestation");
    Ok(verdict)
}

/// A statement of a file, checked.
pub(super) fn statement(engine: &Engine, path: &Path) -> Result<VerifiedStatement, Failure> {
    verify(engine, &file::statement(path)?).map_err(|error| refused::by(&error))
}

impl RootArgs {
    fn continues(
        &self,
        older: &VerifiedStatement,
        newer: &VerifiedStatement,
    ) -> Result<VerifiedConsistency, Failure> {
        if let Some(rule) = fork::between(older, newer) {
            let what = format!("the engine contradicts itself: {rule:?}");
            return Err(refused::named("Fork", &what));
        }
        let path = match &self.consistency {
            Some(path) => file::hashes(path, &CONSISTENCY_NAMES)?,
            None if older.head().size == newer.head().size => Vec::new(),
            None => {
                return Err(Failure::usage(
                    "the histories have different sizes\n  next: pass the proof between them with \
                     --consistency (getConsistencyProof)",
                ));
            }
        };
        let consistent = verify_consistency(&older.head(), &newer.head(), &path);
        consistent.map_err(|error| refused::by(&error))
    }
}
