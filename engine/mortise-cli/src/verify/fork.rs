//! `mortise verify fork`: verifies or creates evidence that an engine contradicted itself.

use super::pin::{EnginePin, EnginePinArgs};
use super::root::statement;
use super::verdict::Rendered;
use super::{file, refused, uses};
use crate::failure::Failure;
use crate::output::Output;
use mortise_rpc::results::{ForkEvidenceView, LeafProofView};
use mortise_verify::fork::{ForkEvidence, ForkLeaves, ForkRule, LeafProof, VerifiedFork, verify};
use mortise_verify::verdict::{Claim, Subject};
use mortise_verify::{Engine, json};
use serde_json::{Value, json as value};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
With one file, verifies evidence. With two files, compares the statements in them (receipts, \
roots, proofs, anchors files of one engine) and writes the evidence with --out. Anyone who knows \
the engine can verify it.

If both statements can be true, a leaf may show more: --leaf FILE is the frame that the history of \
OTHER has at the place of the frame of FILE. It is {\"leaf\", \"path\"}, a receipt, or an answer \
of getReceipt; then OTHER is the getCheckpoint of the same size.

Examples:
  mortise verify fork evidence.json --anchors anchors.toml
  mortise verify fork kept-receipt.json root-now.json --anchors anchors.toml --out evidence.json

Exit codes: 0 the engine contradicted itself, 1 this shows no such thing, 2 wrong usage.";

/// Flags of `mortise verify fork`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ForkArgs {
    /// Evidence, or an answer with a statement.
    file: PathBuf,

    /// Another answer with a statement of the same engine.
    other: Option<PathBuf>,

    #[command(flatten)]
    pin: EnginePinArgs,

    /// The leaf that OTHER's history has at the place of FILE's frame, with its path.
    #[arg(long, value_name = "FILE", requires = "other")]
    leaf: Option<PathBuf>,

    /// Write the evidence to this file, if it is evidence.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs `mortise verify fork`.
pub(super) fn run(args: &ForkArgs, output: &Output) -> Result<Rendered, Failure> {
    let pin = args.pin.read()?;
    let engine = pin.engine;
    let evidence = args.evidence(&engine)?;
    let verified = verify(&engine, &evidence).map_err(|error| refused::by(&error))?;
    let view = json::fork_view(&evidence);
    if let Some(path) = &args.out {
        let text = format!("{:#}\n", serde_json::to_value(&view).map_err(Failure::system)?);
        std::fs::write(path, text)
            .map_err(|error| Failure::check(format!("{}: {error}", path.display())))?;
        output.note(&format!("evidence written to {}", path.display()));
    }
    Ok(rendered(&pin, &verified, &view))
}

impl ForkArgs {
    fn evidence(&self, engine: &Engine) -> Result<ForkEvidence, Failure> {
        let Some(other) = &self.other else {
            let view: ForkEvidenceView = file::read(&self.file, file::answer(&self.file)?)?;
            return json::fork(&view).map_err(|error| refused::by(&error));
        };
        let leaves = match &self.leaf {
            Some(path) => ForkLeaves::AtFirst(leaf(path)?),
            None => ForkLeaves::None,
        };
        let first = statement(engine, &self.file)?.to_signed();
        let second = statement(engine, other)?.to_signed();
        Ok(ForkEvidence { first, second, leaves })
    }
}

/// A leaf with its path: bare, in a receipt, or in an answer of getReceipt, whose path is that in
/// the newest checkpoint.
fn leaf(path: &Path) -> Result<LeafProof, Failure> {
    let value = file::answer(path)?;
    let holder = file::receipt_of(&value).unwrap_or(&value);
    let shown = value.pointer("/inclusion/path");
    let bare = holder.get("path").filter(|_| holder.get("event").is_none());
    let hashes = shown.or(bare).or(holder.get("historyPath")).unwrap_or(&Value::Null);
    let bare = value!({"leaf": holder["leaf"], "path": hashes});
    let view: LeafProofView = file::read(path, bare)?;
    Ok(LeafProof { leaf: view.leaf.0, path: json::hashes(&view.path) })
}

fn rendered(pin: &EnginePin, verified: &VerifiedFork, view: &ForkEvidenceView) -> Rendered {
    let (first, second) = (verified.first().seq(), verified.second().seq());
    let says = format!(
        "signed two statements that contradict each other, about frames {first} and {second}"
    );
    let mut verdict = Rendered::new(Subject::Fork, pin.identity(), says);
    uses::list("fork", &pin.anchors, &[], &mut verdict);
    let rule = format!("{:?}", verified.rule());
    let name: String = rule.chars().take_while(char::is_ascii_alphanumeric).collect();
    verdict.both("rule", name);
    verdict.line("", words(verified.rule()));
    for (name, of) in [("first", verified.first()), ("second", verified.second())] {
        let head = of.head();
        verdict.line(
            name,
            format!("epoch {}, {} frames at {}", of.fields().epoch, head.size, of.time()),
        );
        verdict.line("", format!("root {}", head.root));
    }
    verdict
        .fact("evidence", value!(view))
        .establish(
            Claim::Contradiction,
            "the holder of the engine's key signed both, and no single log can have both: the log \
             was rewound or forked, or two enclaves ran on it",
            verified,
        )
        .leaves_open("who did it: the keeper of the log, or the holder of the key")
        .leaves_open("which of the two statements others have seen");
    verdict
}

fn words(rule: ForkRule) -> String {
    match rule {
        ForkRule::SameSizeOtherRoot { size } => format!("two roots of one history of {size}"),
        ForkRule::SameFrameOtherContent { seq } => format!("two descriptions of frame {seq}"),
        ForkRule::LaterTimeSmallerSize { seconds, frames } => {
            format!("{seconds} s later, {frames} frames fewer")
        }
        ForkRule::OtherLeaf { index } => format!("two leaves at index {index}"),
        ForkRule::OtherFrame { seq } => format!("another frame in the place of frame {seq}"),
        other => format!("{other:?}"),
    }
}
