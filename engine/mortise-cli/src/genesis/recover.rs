//! `mortise genesis recover`: replaces an engine whose log is behind its witnesses
//! (`specs/durability-and-recovery.md`).
//!
//! ```text
//! draft    genesis and keys of the old engine + a cosigned checkpoint -> new genesis
//! sign     each operator, on its own machine: checks the draft and signs it
//! combine  signatures of enough operators -> the genesis of the new engine
//! ```
//! What it does not do: send anything, decide. Every check is `mortise_verify::succession`, which
//! the engine also runs before its genesis.
//!
//! Invariants: an incomplete genesis is never written; a draft is checked and shown before it is
//! signed.

use super::{EditArgs, build, changes, named, parse, read, write_new};
use crate::audit::Source;
use crate::failure::Failure;
use crate::key::{self, KeyFileArgs};
use crate::output::Output;
use crate::verify::{answer, checkpoint, read_value, refusal};
use clap::{Args, Subcommand};
use mortise_client::random_request_id;
use mortise_format::genesis::{Genesis, GenesisKeys, Predecessor};
use mortise_format::ids::{Bytes32, Signature, to_checksum};
use mortise_rpc::genesis;
use mortise_rpc::results::EngineInfo;
use mortise_verify::succession::{self, SuccessionError, UnsignedSuccession, VerifiedSuccession};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Use it when an engine stays in WITNESS_AHEAD or WITNESS_FORK and the newest copy of its log is \
lost. The old engine ID ends. A new engine replaces it, and everyone can verify that. Holds of the \
old engine do not move: settle claims on them by contract, or by hand from receipts.

  1. keep everything: receipts, checkpoints, and the remaining log
     (mortise-host export --data-dir DIR --out left.log)
  2. mortise genesis recover draft --log left.log --checkpoint kept.json --out draft.json
  3. each operator, on its own machine:
     mortise genesis recover sign draft.json --key operator.key
  4. mortise genesis recover combine draft.json --signature 0x... --signature 0x... \\
        --out genesis.json
  5. mortise genesis --check genesis.json; build an image with it; start it on an empty store

A checkpoint is an answer of getCheckpoint or getReceipt, a tlog-proof, or the bare note. Pass \
every checkpoint that anyone kept: the largest one counts.

Exit codes: 0 done, 1 a check failed (its name comes first), 2 wrong usage.";

/// Flags of `mortise genesis recover`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RecoverArgs {
    #[command(subcommand)]
    command: RecoverCommand,
}

#[derive(Debug, Subcommand)]
enum RecoverCommand {
    /// Write the new genesis, which the operators of the old engine then sign.
    Draft(DraftArgs),
    /// Check a draft, show it, and sign it as an operator.
    Sign {
        /// The draft.
        draft: PathBuf,

        #[command(flatten)]
        key: KeyFileArgs,
    },
    /// Add the signatures of enough operators to a draft.
    Combine(CombineArgs),
}

#[derive(Debug, Args)]
struct DraftArgs {
    /// The remaining log, as an export (mortise-host export).
    #[arg(long, value_name = "FILE", required_unless_present = "genesis")]
    log: Option<PathBuf>,

    /// Without a log: the genesis file of the old engine.
    #[arg(long, value_name = "FILE", requires = "info", conflicts_with = "log")]
    genesis: Option<PathBuf>,

    /// Without a log: an answer of getEngineInfo that you kept.
    #[arg(long, value_name = "FILE", requires = "genesis")]
    info: Option<PathBuf>,

    /// A cosigned checkpoint of the old log; repeatable, the largest one counts.
    #[arg(long, value_name = "FILE", required = true)]
    checkpoint: Vec<PathBuf>,

    /// End the old log at the checkpoint, although the log at hand has more frames.
    ///
    /// For frames that no witness will cosign: behind a fork, or made after the last cosignature.
    #[arg(long, requires = "log")]
    drop_newer_frames: bool,

    // the new engine gets the rules of the old one, with these edits
    #[command(flatten)]
    edit: EditArgs,

    /// Write the draft to this file, which must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct CombineArgs {
    /// The draft that the operators signed.
    draft: PathBuf,

    /// The signature of an operator; repeatable.
    #[arg(long, value_name = "HEX", value_parser = signature, required = true)]
    signature: Vec<Signature>,

    /// Write the genesis to this file, which must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn signature(text: &str) -> Result<Signature, String> {
    let value = Value::String(text.to_owned());
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Runs `mortise genesis recover`.
pub(super) fn run(args: &RecoverArgs, output: &Output) -> Result<(), Failure> {
    match &args.command {
        RecoverCommand::Draft(args) => draft(args, output),
        RecoverCommand::Sign { draft, key } => sign(draft, key.key.as_deref(), output),
        RecoverCommand::Combine(args) => combine(args, output),
    }
}

/// What is known about the old engine.
struct Old {
    genesis: Genesis,
    keys: GenesisKeys,
    log_secret_commitment: Bytes32,
    /// Frames of the log at hand; 0 without one.
    frames: u64,
}

impl Old {
    /// Refuses a checkpoint behind the log at hand: the frames between them would be lost.
    fn check_end(&self, size: u64) -> Result<(), Failure> {
        match self.frames > size {
            true => Err(Failure::check(format!(
                "LogIsLonger: the log at hand has {} frames, and the largest checkpoint {size}: \
                 the other {} would be lost\n  next: pass the newest checkpoint that anyone kept; \
                 if no witness cosigned these frames: --drop-newer-frames",
                self.frames,
                self.frames - size,
            ))),
            false => Ok(()),
        }
    }
}

/// Genesis, keys and length of the old engine's log.
fn old_engine(args: &DraftArgs) -> Result<Old, Failure> {
    if let Some(path) = &args.log {
        let mut source = Source::open(path)?;
        let missing = |what: &str| {
            Failure::check(format!(
                "{}: the export has no {what}\n  next: pass --genesis FILE and --info FILE (an \
                 answer \
                 of getEngineInfo)",
                path.display()
            ))
        };
        let genesis = source.genesis()?.ok_or_else(|| missing("genesis"))?;
        let (keys, secret) = source.genesis_keys()?.ok_or_else(|| missing("public keys"))?;
        let mut frames = 0;
        while source.next()?.is_some() {
            frames += 1;
        }
        return Ok(Old { genesis, keys, log_secret_commitment: secret, frames });
    }
    let wanted = || Failure::usage("name the old engine with --log, or with --genesis and --info");
    let path = args.genesis.as_ref().ok_or_else(wanted)?;
    let old = parse(path, &read(path)?)?;
    let path = args.info.as_ref().ok_or_else(wanted)?;
    let info: EngineInfo = read_value(path, answer(path)?)?;
    let signing = info.public_key.0.as_slice().try_into();
    let signing = signing.map_err(|_| named(path, "publicKey does not have 33 bytes"))?;
    let keys = GenesisKeys { signing, checkpoint: info.checkpoint_key.0 };
    let log_secret_commitment = info.log_secret_commitment;
    Ok(Old { genesis: old, keys, log_secret_commitment, frames: 0 })
}

fn draft(args: &DraftArgs, output: &Output) -> Result<(), Failure> {
    let old = old_engine(args)?;
    let salt = Bytes32(random_request_id().0);
    let start = Genesis { salt, predecessor: None, ..old.genesis.clone() };
    let mut new = build(&start, &args.edit)?;
    let mut predecessor = Predecessor {
        engine_id: mortise_format::ids::EngineId::ZERO,
        keys: old.keys,
        log_secret_commitment: old.log_secret_commitment,
        base: old.genesis.base(),
        before: old.genesis.predecessor_hash(),
        checkpoint: String::new(),
        signatures: Vec::new(),
    };
    predecessor.engine_id = predecessor.computed_id();
    new.predecessor = Some(predecessor);
    let (new, verified) = with_largest(&new, &args.checkpoint)?;
    if !args.drop_newer_frames {
        old.check_end(verified.head().size)?;
    }
    write_new(&args.out, &genesis::print(&new))?;
    show(&new, &verified, &[("draft", args.out.display().to_string())], output)?;
    let policy = verified.policy();
    output.note(&format!(
        "next: {} of {} operators must sign it: mortise genesis recover sign {} --key operator.key",
        policy.operators_min,
        policy.operators.len(),
        args.out.display()
    ));
    Ok(())
}

/// The genesis with the largest of these checkpoints. All must be valid and agree.
fn with_largest(
    new: &Genesis,
    paths: &[PathBuf],
) -> Result<(Genesis, UnsignedSuccession), Failure> {
    let mut best: Option<(Genesis, UnsignedSuccession)> = None;
    for path in paths {
        let note = String::from_utf8(checkpoint(path)?);
        let note = note.map_err(|_| named(path, "the checkpoint is not UTF-8"))?;
        let mut with = new.clone();
        if let Some(predecessor) = &mut with.predecessor {
            predecessor.checkpoint = note;
        }
        let verified = UnsignedSuccession::verify(&with).map_err(|error| of(path, &error))?;
        let head = verified.head();
        match &best {
            Some((_, other)) if other.head().size == head.size && other.head() != head => {
                return Err(of(path, &SuccessionError::OtherRoot { size: head.size }));
            }
            Some((_, other)) if other.head().size >= head.size => {}
            _ => best = Some((with, verified)),
        }
    }
    best.ok_or_else(|| Failure::usage("pass a checkpoint with --checkpoint"))
}

/// The reject of a file.
fn of(path: &Path, error: &SuccessionError) -> Failure {
    let failure = refusal(error);
    Failure::check(format!("{}: {}", path.display(), failure.text()))
}

fn sign(path: &Path, key: Option<&Path>, output: &Output) -> Result<(), Failure> {
    let new = parse(path, &read(path)?)?;
    let verified = UnsignedSuccession::verify(&new).map_err(|error| refusal(&error))?;
    let signer = key::load(key)?;
    let signature = signer.sign(&verified.digest());
    let operator = verified.signer(0, &signature).map_err(|error| refusal(&error))?;
    let mine = [("operator", to_checksum(&operator)), ("signature", signature.to_string())];
    show(&new, &verified, &mine, output)?;
    output
        .note("next: combine enough signatures into the genesis (mortise genesis recover combine)");
    Ok(())
}

fn combine(args: &CombineArgs, output: &Output) -> Result<(), Failure> {
    let mut new = parse(&args.draft, &read(&args.draft)?)?;
    let predecessor = new.predecessor.as_mut();
    let predecessor = predecessor.ok_or_else(|| refusal(&SuccessionError::NoPredecessor))?;
    predecessor.signatures.extend(&args.signature);
    predecessor.signatures.sort_by_key(|signature| signature.0);
    predecessor.signatures.dedup();
    let verified = succession::verify(&new).map_err(|error| refusal(&error))?;
    write_new(&args.out, &genesis::print(&new))?;
    let (mut value, mut lines) = (json!({"genesis": args.out}), Vec::new());
    lines.push(("genesis", args.out.display().to_string()));
    add_succession(verified.unsigned(), &mut value, &mut lines);
    add_operators(&verified, &mut value, &mut lines);
    output.thing(&value, &lines);
    output.note("next: start an engine with it on an empty store, then publish the new engine ID");
    Ok(())
}

/// Shows what the operators sign, and the changes to the old rules.
fn show(
    new: &Genesis,
    verified: &UnsignedSuccession,
    first: &[(&'static str, String)],
    output: &Output,
) -> Result<(), Failure> {
    let mut value = json!({});
    for (name, text) in first {
        value[name] = json!(text);
    }
    let mut lines = first.to_vec();
    add_succession(verified, &mut value, &mut lines);
    let (needed, count) = (verified.policy().operators_min, verified.policy().operators.len());
    value["operatorsMin"] = json!(needed);
    lines.push(("must sign", format!("{needed} of {count} operators of the old engine")));
    let changed = changed(new)?;
    let pairs = changed.iter().map(|(at, what)| json!({"at": at, "change": what}));
    value["changes"] = pairs.collect();
    lines.extend(changed.into_iter().map(|(at, what)| ("changes", format!("{at}: {what}"))));
    output.thing(&value, &lines);
    Ok(())
}

/// What differs between the new genesis and the old one, except salt and predecessor.
fn changed(new: &Genesis) -> Result<Vec<(String, String)>, Failure> {
    let Some(predecessor) = &new.predecessor else { return Ok(Vec::new()) };
    let base = predecessor.base.clone();
    let bare = |genesis: &Genesis| -> Result<Value, Failure> {
        let text = genesis::print(genesis);
        let mut value: Value = serde_json::from_str(&text).map_err(Failure::check)?;
        value["salt"] = Value::Null;
        Ok(value)
    };
    let old = Genesis {
        name: base.name,
        salt: base.salt,
        policy: base.policy,
        origin: base.origin,
        predecessor: None,
    };
    let new = Genesis { predecessor: None, ..new.clone() };
    Ok(changes::between(&bare(&old)?, &bare(&new)?))
}

/// Adds a succession to both outputs.
pub(super) fn add_succession(
    verified: &UnsignedSuccession,
    value: &mut Value,
    lines: &mut Vec<(&'static str, String)>,
) {
    let (head, witnesses) = (verified.head(), &verified.policy().witnesses);
    let by: Vec<(String, u64)> = verified
        .cosignatures()
        .iter()
        .filter_map(|c| Some((witnesses.get(c.witness)?.name.clone(), c.time)))
        .collect();
    value["predecessor"] = json!({
        "engineId": verified.predecessor().to_string(),
        "origin": verified.origin(),
        "size": head.size,
        "root": head.root.to_string(),
        "cosignedBy": by.iter().map(|(name, time)| json!({"name": name, "time": time}))
            .collect::<Vec<_>>(),
        "agreedGenesis": verified.agreed_genesis().to_string(),
        "digest": Bytes32(verified.digest().0).to_string(),
    });
    lines.push(("replaces", verified.predecessor().to_string()));
    lines.push(("old log ended at", format!("{} frames, root {}", head.size, head.root)));
    for (name, time) in by {
        lines.push(("cosigned by", format!("{name} at {time}")));
    }
    lines.push(("agreed genesis", verified.agreed_genesis().to_string()));
}

/// Adds the operators who agreed.
pub(super) fn add_operators(
    verified: &VerifiedSuccession,
    value: &mut Value,
    lines: &mut Vec<(&'static str, String)>,
) {
    let operators: Vec<String> = verified.operators().iter().map(to_checksum).collect();
    value["genesisHash"] = json!(verified.genesis_hash().to_string());
    value["agreedBy"] = json!(operators);
    lines.extend(operators.into_iter().map(|operator| ("agreed by", operator)));
}
