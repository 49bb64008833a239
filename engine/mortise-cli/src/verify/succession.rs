//! `mortise verify succession`: that a genesis replaces an engine whose log was lost.

use super::verdict::Rendered;
use super::{file, refused};
use crate::failure::Failure;
use mortise_format::genesis::GenesisKeys;
use mortise_format::ids::{Bytes32, EngineId, to_checksum};
use mortise_rpc::genesis;
use mortise_rpc::results::EngineInfo;
use mortise_verify::succession::{VerifiedSuccession, verify};
use mortise_verify::verdict::{Basis, Claim, Clock, Identity, Named, Subject, Tie};
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
FILE is the genesis of the new engine. The policy of the old engine decides, and the ID of the old \
engine covers that policy: pass the ID that you relied on with --predecessor.

Examples:
  mortise verify succession genesis.json --predecessor 0x...
  mortise verify succession genesis.json --predecessor 0x... --checkpoint kept.json
      did the operators ignore my checkpoint of the old log?
  mortise verify succession genesis.json --predecessor 0x... --info info.json
      is this the genesis of the engine in info.json?

Exit codes: 0 proven, 1 not proven (the name of the check that failed comes first), 2 wrong usage.";

/// Flags of `mortise verify succession`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SuccessionArgs {
    /// The genesis file of the new engine; - for stdin.
    file: PathBuf,

    /// The engine that you relied on.
    #[arg(long, value_name = "HEX")]
    predecessor: Option<EngineId>,

    /// A cosigned checkpoint of the old log that you kept; repeatable.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,

    /// An answer of getEngineInfo of the new engine.
    #[arg(long, value_name = "FILE")]
    info: Option<PathBuf>,
}

/// Runs `mortise verify succession`.
pub(super) fn run(args: &SuccessionArgs) -> Result<Rendered, Failure> {
    let text = String::from_utf8(file::bytes(&args.file)?);
    let text = text.map_err(|_| refused::named("Form", "the genesis is not UTF-8"))?;
    let genesis = genesis::parse(&text).map_err(|e| refused::named("Form", &e.to_string()))?;
    let verified = verify(&genesis).map_err(|error| refused::by(&error))?;
    if let Some(expected) = args.predecessor.filter(|id| *id != verified.predecessor()) {
        let what = format!("it replaces {}, not {expected}", verified.predecessor());
        return Err(refused::named("EngineId", &what));
    }
    let mut largest = 0;
    for path in &args.checkpoint {
        let shown = verified.check_newest(&file::checkpoint(path)?);
        largest = largest.max(shown.map_err(|error| refused::by(&error))?.size);
    }
    let successor = args.info.as_deref().map(|path| successor(&verified, path)).transpose()?;
    let mut verdict = verdict(&verified, args.predecessor.is_some());
    if args.predecessor.is_none() {
        verdict.leaves_open(
            "that this is the engine that you relied on: pass its ID with --predecessor",
        );
    }
    if !args.checkpoint.is_empty() {
        let what = format!("your checkpoints, up to {largest} frames, do not contradict it");
        verdict.establish(Claim::CheckpointsAgree, what, &verified);
    }
    match successor {
        Some(id) => {
            let basis = Basis::named(Named::Comparison, "the ID that genesis and keys give");
            let what = "the ID of the engine in --info covers this genesis";
            verdict.fact("engineId", id.to_string()).line("successor", id).establish(
                Claim::Successor,
                what,
                basis,
            )
        }
        None => verdict.leaves_open("which engine has this genesis: pass --info"),
    };
    Ok(verdict)
}

/// The ID of an engine, which must cover this genesis.
fn successor(verified: &VerifiedSuccession, path: &Path) -> Result<EngineId, Failure> {
    let info: EngineInfo = file::read(path, file::answer(path)?)?;
    let signing = info.public_key.0.as_slice().try_into();
    let signing =
        signing.map_err(|_| refused::named("Form", "publicKey does not have 33 bytes"))?;
    let keys = GenesisKeys { signing, checkpoint: info.checkpoint_key.0 };
    let id = verified.successor(&keys, &info.log_secret_commitment);
    match id == info.engine_id {
        true => Ok(id),
        false => {
            let what =
                format!("{} does not have this genesis: with it the ID is {id}", info.engine_id);
            Err(refused::named("EngineId", &what))
        }
    }
}

fn verdict(verified: &VerifiedSuccession, is_pinned: bool) -> Rendered {
    let (unsigned, head) = (verified.unsigned(), verified.head());
    let witnesses = &unsigned.policy().witnesses;
    let by = unsigned.cosignatures().iter();
    let by: Vec<_> = by.filter_map(|c| Some((&witnesses.get(c.witness)?.name, c.time))).collect();
    let operators: Vec<String> = verified.operators().iter().map(to_checksum).collect();
    let tie = if is_pinned { Tie::Pinned } else { Tie::NotAtAll };
    let engine_id = Some(verified.predecessor());
    let identity = Identity { engine_id, address: None, image: None, tie };
    let says = format!("is replaced: {} of its operators agreed", operators.len());
    let mut verdict = Rendered::new(Subject::Succession, identity, says);
    if let Some(newest) = unsigned.cosignatures().iter().map(|c| c.time).max() {
        verdict.about_time(newest, Clock::Witnesses);
    }
    verdict
        .both("predecessor", verified.predecessor())
        .both("genesisHash", Bytes32(verified.genesis_hash().0))
        .fact("size", head.size)
        .fact("root", head.root.to_string())
        .line("log ended at", format!("{} frames, root {}", head.size, head.root))
        .fact("operators", operators.clone())
        .fact(
            "cosignedBy",
            by.iter().map(|(n, t)| json!({"name": n, "time": t})).collect::<Vec<_>>(),
        );
    for operator in operators {
        verdict.line("agreed by", operator);
    }
    for (name, time) in by {
        verdict.line("cosigned by", format!("{name} at {time}"));
    }
    verdict
        .establish(
            Claim::Replacement,
            "as many operators as the policy of the old engine requires signed this replacement",
            verified,
        )
        .establish(
            Claim::LogEnd,
            "its own key signed that its log had these frames, and a quorum cosigned that",
            verified,
        )
        .leaves_open("that this was its last checkpoint: pass others with --checkpoint")
        .leaves_open(
            "that no other succession was signed, and that only one engine has this genesis",
        )
        .leaves_open("that holds of the old engine continue: none do");
    verdict
}
