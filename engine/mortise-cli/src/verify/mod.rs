//! `mortise verify`: checks that need no trust in the person who hands you the file.
//!
//! What it is for: prints what a document or an answer proves, what it does not, and the next step
//! if it proves nothing. Every check is in `mortise_client` and `mortise_verify`; this module has
//! flags, files and words.
//!
//! What it does not do: choose trust anchors. The caller names engines, roots, images, logs and
//! witnesses; the one default is the root of AWS.

mod advice;
mod anchors;
mod attestation;
mod commitment;
mod event;
mod file;
mod fork;
mod freshness;
mod known;
mod pin;
mod proof;
mod receipt;
mod refused;
mod report;
mod root;
mod source;
mod succession;
pub mod uses;
mod verdict;

pub(crate) use anchors::{ImageArgs, Images, TrustAnchors, pcr, root};
pub(crate) use file::{answer, checkpoint, read as read_value, statement};
pub(crate) use pin::{AnchorsArgs, Log, LogArgs, WitnessArgs};
pub(crate) use refused::by as refusal;
pub(crate) use verdict::ended;

use crate::failure::Failure;
use crate::output::Output;

/// Flags of `mortise verify`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Exit 0 also if a part of what you asked for could not be judged (PARTLY PROVEN).
    #[arg(long, global = true)]
    allow_partial: bool,

    #[command(subcommand)]
    command: VerifyCommand,
}

#[derive(Debug, clap::Subcommand)]
enum VerifyCommand {
    /// Verify which code holds the keys of an engine, by its attestation documents.
    Attestation(attestation::AttestationArgs),
    /// Verify that an event is in the log of an engine; offline.
    Receipt(receipt::ReceiptArgs),
    /// Verify what the state of an engine held, or did not hold; offline.
    Proof(proof::ProofArgs),
    /// Verify a statement of an engine, and that it continues an older one; offline.
    Root(root::RootArgs),
    /// Verify that an answer about now was the newest state not long ago; offline.
    Freshness(freshness::FreshnessArgs),
    /// Verify a promise of an engine against your terms; offline.
    Commitment(commitment::CommitmentArgs),
    /// Verify evidence that an engine contradicted itself, or create it; offline.
    Fork(fork::ForkArgs),
    /// Verify that a genesis replaces an engine whose log was lost; offline.
    Succession(succession::SuccessionArgs),
}

/// Runs `mortise verify`.
///
/// # Errors
/// Wrong usage; a check that failed, by name; an engine that does not answer or is not ready.
pub async fn run(args: &VerifyArgs, output: &Output) -> Result<(), Failure> {
    let rendered = match &args.command {
        VerifyCommand::Attestation(own) => {
            return attestation::run(own, output, args.allow_partial).await;
        }
        VerifyCommand::Receipt(args) => receipt::run(args),
        VerifyCommand::Proof(args) => proof::run(args),
        VerifyCommand::Root(args) => root::run(args),
        VerifyCommand::Freshness(args) => freshness::run(args),
        VerifyCommand::Commitment(args) => commitment::run(args),
        VerifyCommand::Fork(args) => fork::run(args, output),
        VerifyCommand::Succession(args) => succession::run(args),
    };
    rendered?.conclude(output, args.allow_partial)
}
