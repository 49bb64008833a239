//! `mortise verify succession`: that a genesis takes the place of an engine whose log was lost.

use super::{file, refused, verdict::Verdict};
use crate::failure::Failure;
use crate::output::Output;
use mortise_format::ids::{Bytes32, EngineId, to_checksum};
use mortise_format::policy::GenesisKeys;
use mortise_rpc::genesis;
use mortise_rpc::results::EngineInfo;
use mortise_verify::succession::{VerifiedSuccession, verify};
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
FILE is the genesis of the new engine. Everything is judged by the policy of the old engine, which \
its id covers: name the id that you relied on with --predecessor.

Examples:
  mortise verify succession genesis.json --predecessor 0x...
  mortise verify succession genesis.json --predecessor 0x... --checkpoint kept.json
      is my checkpoint of the old log one that the operators passed over?
  mortise verify succession genesis.json --predecessor 0x... --info info.json
      is the engine of this getEngineInfo founded on it?

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

    /// A cosigned checkpoint of the old log that somebody kept; repeatable.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,

    /// An answer of getEngineInfo of the new engine.
    #[arg(long, value_name = "FILE")]
    info: Option<PathBuf>,
}

/// Runs `mortise verify succession`.
pub(super) fn run(args: &SuccessionArgs, output: &Output) -> Result<(), Failure> {
    let text = String::from_utf8(file::bytes(&args.file)?);
    let text = text.map_err(|_| refused::named("Form", "the genesis is not UTF-8"))?;
    let genesis = genesis::parse(&text).map_err(|e| refused::named("Form", &e.to_string()))?;
    let verified = verify(&genesis).map_err(|error| refused::by(&error))?;
    if let Some(expected) = args.predecessor.filter(|id| *id != verified.predecessor()) {
        let what = format!("it takes the place of {}, not of {expected}", verified.predecessor());
        return Err(refused::named("EngineId", &what));
    }
    let mut largest = 0;
    for path in &args.checkpoint {
        let shown = verified.check_newest(&file::checkpoint(path)?);
        largest = largest.max(shown.map_err(|error| refused::by(&error))?.size);
    }
    let successor = args.info.as_deref().map(|path| founded(&verified, path)).transpose()?;
    let mut verdict = tell(&verified);
    if args.predecessor.is_none() {
        verdict.leaves_open("that this is the engine you relied on: name it with --predecessor");
    }
    if !args.checkpoint.is_empty() {
        verdict
            .proves(format!("the checkpoints shown, up to {largest} frames, do not contradict it"));
    }
    match successor {
        Some(id) => verdict
            .both("engineId", id)
            .proves("the engine of --info has an id that covers this genesis"),
        None => verdict.leaves_open("which engine was founded on it: --info shows one"),
    };
    verdict.print(output);
    Ok(())
}

/// The id of an engine that says that it was founded on this genesis.
fn founded(verified: &VerifiedSuccession, path: &Path) -> Result<EngineId, Failure> {
    let info: EngineInfo = file::read(path, file::answer(path)?)?;
    let signing = info.public_key.0.as_slice().try_into();
    let signing = signing.map_err(|_| refused::named("Form", "publicKey is not of 33 bytes"))?;
    let keys = GenesisKeys { signing, checkpoint: info.checkpoint_key.0 };
    let id = verified.successor(&keys, &info.log_secret_commitment);
    match id == info.engine_id {
        true => Ok(id),
        false => {
            let what = format!("{} is not founded on this genesis: {id} would be", info.engine_id);
            Err(refused::named("EngineId", &what))
        }
    }
}

fn tell(verified: &VerifiedSuccession) -> Verdict {
    let (unsigned, head) = (verified.unsigned(), verified.head());
    let witnesses = &unsigned.policy().witnesses;
    let by = unsigned.cosignatures().iter();
    let by: Vec<_> = by.filter_map(|c| Some((&witnesses.get(c.witness)?.name, c.time))).collect();
    let operators: Vec<String> = verified.operators().iter().map(to_checksum).collect();
    let mut verdict = Verdict::new("succession");
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
        .proves("as many operators as the old engine asks for signed that this takes its place")
        .proves("its own key signed that its log had these frames, and a quorum cosigned it")
        .leaves_open("that this was its last checkpoint: show others with --checkpoint")
        .leaves_open("that no other succession was signed, and that one engine only is founded")
        .leaves_open("that holds of the old engine live on: none do");
    verdict
}
