//! `mortise verify receipt`: an event, its place, the engine's statement, and the history.

use super::pin::{EnginePin, EnginePinArgs, Log, LogArgs};
use super::uses::{self, Condition};
use super::verdict::Rendered;
use super::{event, file, known, refused};
use crate::failure::Failure;
use mortise_format::tlog_proof::TlogProof;
use mortise_verify::checkpoint::{self, CosignedCheckpoint, VerifiedCheckpoint};
use mortise_verify::history::{TreeHead, verify_consistency};
use mortise_verify::receipt::{VerifiedReceipt, check_rules, verify_event, verify_frame};
use mortise_verify::statement::{self, VerifiedStatement};
use mortise_verify::verdict::{Claim, Subject};
use mortise_verify::{json, tlog_proof};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
FILE is an answer of getReceipt, or of any call that was logged (commitLock, claimLock, ...), \
alone or with its JSON-RPC envelope. The command does not connect.

Examples:
  mortise verify receipt answer.json --engine-id $ID --address $ADDRESS
  mortise verify receipt answer.json --anchors anchors.toml
  mortise verify receipt answer.json --anchors anchors.toml --tlog-proof proof.txt \\
      --log-key $LOG_KEY --witness $WITNESS_1 --witness $WITNESS_2 --quorum 2
  mortise --json verify receipt answer.json --anchors anchors.toml

Exit codes: 0 proven, 1 not proven (the name of the check that failed comes first), 2 wrong usage.";

/// Flags of `mortise verify receipt`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReceiptArgs {
    /// The receipt, or an answer with one; - for stdin.
    file: PathBuf,

    #[command(flatten)]
    pin: EnginePinArgs,

    /// The kind of event that you expect: LocksGranted, LockClaimed, CommandRefused, ...
    #[arg(long, value_name = "NAME")]
    kind: Option<String>,

    /// A checkpoint of the log (signed note, or an answer of getCheckpoint): of the history of the
    /// receipt, or of a later one with --consistency.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,

    /// A consistency proof from the receipt's history to that of --checkpoint: a list of hashes,
    /// or an answer of getConsistencyProof.
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    consistency: Option<PathBuf>,

    /// A tlog-proof@v1 of the receipt's frame: its path and its checkpoint in one text.
    #[arg(long, value_name = "FILE", conflicts_with = "checkpoint")]
    tlog_proof: Option<PathBuf>,

    #[command(flatten)]
    log: LogArgs,
}

/// A checkpoint that passed: with a quorum, or without witnesses.
enum Passed {
    Signed(VerifiedCheckpoint),
    Cosigned(CosignedCheckpoint),
}

impl Passed {
    fn checkpoint(&self) -> &VerifiedCheckpoint {
        match self {
            Self::Signed(checkpoint) => checkpoint,
            Self::Cosigned(cosigned) => cosigned.checkpoint(),
        }
    }
}

/// Runs `mortise verify receipt`.
pub(super) fn run(args: &ReceiptArgs) -> Result<Rendered, Failure> {
    let pin = args.pin.read()?;
    let (view, leaf) = file::receipt(&args.file)?;
    let input = json::receipt(&view).map_err(|error| refused::by(&error))?;
    let signed = statement::verify(&pin.engine, &input.signed);
    let signed = signed.map_err(|error| refused::by(&error))?;
    if let Some(leaf) = &leaf {
        check_rules(&signed, &leaf.0).map_err(|error| refused::by(&error))?;
    }
    let verified = verify_event(signed, &input).map_err(|error| refused::by(&error))?;
    let position = verified.position();
    let says = format!(
        "logged {} as event {} of frame {}",
        event::sentence(verified.event()),
        position.index,
        position.seq
    );
    let mut verdict = Rendered::new(Subject::Receipt, pin.identity(), says);
    add_event(&mut verdict, &verified);
    if let Some(kind) = &args.kind {
        verdict.compare(Claim::Kind, "the event", kind, &event::name(verified.event()));
    }
    known::compare(&pin, verified.statement(), &mut verdict)?;
    known::policy(&pin, verified.statement(), &mut verdict);
    let has_checkpoint = args.checkpoint.is_some() || args.tlog_proof.is_some();
    let hold = if has_checkpoint { &[Condition::Checkpoint][..] } else { &[] };
    uses::list("receipt", &pin.anchors, hold, &mut verdict);
    let path = json::hashes(&view.history_path);
    match leaf {
        Some(leaf) => args.history(&leaf.0, &path, &verified, &pin, &mut verdict)?,
        None => args.no_leaf(&mut verdict)?,
    }
    verdict
        .leaves_open("that the engine decided the event correctly: an audit replays the log")
        .leaves_open("that the key lives in an enclave: mortise verify attestation");
    Ok(verdict)
}

/// Adds the event and the statement.
fn add_event(verdict: &mut Rendered, verified: &VerifiedReceipt) {
    let position = verified.position();
    verdict.line("event", event::name(verified.event()));
    for line in event::lines(verified.event()) {
        verdict.line("", line);
    }
    verdict.fact("event", event::json(verified.event())).fact("index", position.index);
    verdict.line("place", format!("event {} of frame {}", position.index, position.seq));
    let what = format!(
        "the engine stated that exactly this event is event {} of frame {} of its log",
        position.index, position.seq
    );
    verdict.statement(verified.statement()).establish(Claim::Event, what, verified);
}

impl ReceiptArgs {
    /// Without the 297 bytes a path in the history proves nothing.
    fn no_leaf(&self, verdict: &mut Rendered) -> Result<(), Failure> {
        if self.checkpoint.is_some() || self.tlog_proof.is_some() {
            return Err(refused::named("LeafSize", "the receipt has no leaf of its frame"));
        }
        verdict.leaves_open(
            "that the frame is in the history, and its rules: the receipt has no leaf of it",
        );
        Ok(())
    }

    fn history(
        &self,
        leaf: &[u8],
        path: &[[u8; 32]],
        verified: &VerifiedReceipt,
        pin: &EnginePin,
        verdict: &mut Rendered,
    ) -> Result<(), Failure> {
        let statement = verified.statement();
        let own = verify_frame(statement, leaf, path, &statement.head());
        let own = own.map_err(|error| refused::by(&error))?;
        verdict.both("rules", own.header().rules);
        let size = statement.head().size;
        let what = format!("the frame is the last of the {size} of the stated history");
        verdict.establish(Claim::FrameInHistory, what, &own);
        let named = self.checkpoint.as_ref().or(self.tlog_proof.as_ref());
        if named.is_none() {
            verdict.leaves_open(
                "that others see the same history: pass a checkpoint with witnesses that you name",
            );
            return Ok(());
        }
        let log = self.log.read(&pin.anchors)?;
        let passed = match (&self.checkpoint, &self.tlog_proof) {
            (Some(note), _) => self.by_checkpoint(note, &log, statement)?,
            (None, Some(proof)) => by_tlog_proof(proof, &log, statement, leaf)?,
            (None, None) => return Ok(()),
        };
        add_checkpoint(verdict, &passed, &log);
        Ok(())
    }

    /// The checkpoint is of the stated history, or of one that begins with it.
    fn by_checkpoint(
        &self,
        note: &Path,
        log: &Log,
        statement: &VerifiedStatement,
    ) -> Result<Passed, Failure> {
        let passed = check_note(&file::text(note, "checkpoint")?, log)?;
        let path = match &self.consistency {
            Some(path) => file::hashes(path, &CONSISTENCY_NAMES)?,
            None => Vec::new(),
        };
        let (own, later): (TreeHead, _) = (statement.head(), passed.checkpoint().head());
        verify_consistency(&own, later, &path).map_err(|error| refused::by(&error))?;
        Ok(passed)
    }
}

/// How answers call the hashes of a consistency proof.
pub(super) const CONSISTENCY_NAMES: [&str; 3] = ["path", "proof", "consistency"];

fn check_note(note: &[u8], log: &Log) -> Result<Passed, Failure> {
    let checked = match &log.witnesses {
        None => checkpoint::verify(note, &log.origin, &log.key).map(Passed::Signed),
        Some(witnesses) => checkpoint::verify_cosigned(note, &log.origin, &log.key, witnesses)
            .map(Passed::Cosigned),
    };
    checked.map_err(|error| refused::by(&error))
}

fn by_tlog_proof(
    proof: &Path,
    log: &Log,
    statement: &VerifiedStatement,
    leaf: &[u8],
) -> Result<Passed, Failure> {
    let text = file::text(proof, "tlogProof")?;
    let passed = match &log.witnesses {
        None => tlog_proof::verify(&text, leaf, &log.origin, &log.key)
            .map(|verified| Passed::Signed(verified.checkpoint().clone())),
        Some(witnesses) => {
            tlog_proof::verify_cosigned(&text, leaf, &log.origin, &log.key, witnesses)
                .map(|verified| Passed::Cosigned(verified.checkpoint().clone()))
        }
    };
    let passed = passed.map_err(|error| refused::by(&error))?;
    // The proof gives the place of the leaf; `verify_frame` checks that it is the place of the
    // frame.
    let parsed = TlogProof::parse(&text).map_err(|error| refused::by(&error))?;
    let head = passed.checkpoint().head();
    verify_frame(statement, leaf, parsed.path(), head).map_err(|error| refused::by(&error))?;
    Ok(passed)
}

fn add_checkpoint(verdict: &mut Rendered, passed: &Passed, log: &Log) {
    let checkpoint = passed.checkpoint();
    let head = checkpoint.head();
    let what = "the log's key signed a checkpoint of a history that has this frame";
    verdict
        .both("origin", checkpoint.origin())
        .fact("checkpointSize", head.size)
        .line("checkpoint", format!("{} frames, root {}", head.size, head.root))
        .establish(Claim::Checkpoint, what, checkpoint);
    match (passed, &log.witnesses) {
        (Passed::Cosigned(cosigned), Some(witnesses)) => {
            for by in cosigned.cosignatures() {
                let name = witnesses.keys()[by.witness].name();
                verdict.line("witness", format!("{name} at {} (by its clock)", by.time));
            }
            verdict.fact("cosignatures", cosigned.cosignatures().len());
            let what = "the witnesses cosigned it: they let no other history be shown";
            verdict
                .establish(Claim::Cosigned, what, cosigned)
                .leaves_open("that the witnesses are honest");
        }
        _ => {
            verdict.leaves_open("that others see the same history: no witness is named");
        }
    }
}
