//! `mortise verify`: checks that need no trust in whoever hands the thing over.
//!
//! What it is for: say what a document or an answer proves, what it does not, and what to do when
//! it proves nothing. Every check is that of `mortise_client` and `mortise_verify`; here are flags,
//! files and words alone.
//!
//! What it does not do: choose whom to trust. Engines, roots, images, logs and witnesses are named
//! by the caller; the one default is the root of AWS.

mod advice;
mod anchors;
mod attestation;
mod commitment;
mod event;
mod file;
mod fork;
mod pin;
mod proof;
mod receipt;
mod refused;
mod report;
mod root;
mod source;
mod succession;
mod verdict;

pub(crate) use anchors::{ImageArgs, Images, TrustAnchors, pcr, root};
pub(crate) use file::{answer, checkpoint, read as read_value, statement};
pub(crate) use pin::{PolicyFile, WitnessArgs};
pub(crate) use refused::by as refusal;

use crate::args::ConnectionArgs;
use crate::failure::Failure;
use crate::output::Output;

/// Flags of `mortise verify`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    #[command(subcommand)]
    command: VerifyCommand,
}

/// What is checked.
#[derive(Debug, clap::Subcommand)]
enum VerifyCommand {
    /// Check which code holds an engine's keys, by its attestation documents.
    Attestation(attestation::AttestationArgs),
    /// Check that an event is in an engine's log; offline.
    Receipt(receipt::ReceiptArgs),
    /// Check what an engine's state held, or did not hold; offline.
    Proof(proof::ProofArgs),
    /// Check what an engine stated, and that it continues what it stated before; offline.
    Root(root::RootArgs),
    /// Check an engine's promise against what was asked of it; offline.
    Commitment(commitment::CommitmentArgs),
    /// Check evidence that an engine contradicted itself, or make it; offline.
    Fork(fork::ForkArgs),
    /// Check that a genesis takes the place of an engine whose log was lost; offline.
    Succession(succession::SuccessionArgs),
}

/// Runs `mortise verify`.
///
/// # Errors
/// Wrong usage; a check that failed, by name; an engine that does not answer or is not ready.
pub async fn run(
    args: &VerifyArgs,
    connection: &ConnectionArgs,
    output: &Output,
) -> Result<(), Failure> {
    let trust = connection.trust.as_deref();
    match &args.command {
        VerifyCommand::Attestation(args) => attestation::run(args, connection, output).await,
        VerifyCommand::Receipt(args) => receipt::run(args, trust, output),
        VerifyCommand::Proof(args) => proof::run(args, trust, output),
        VerifyCommand::Root(args) => root::run(args, trust, output),
        VerifyCommand::Commitment(args) => commitment::run(args, trust, output),
        VerifyCommand::Fork(args) => fork::run(args, trust, output),
        VerifyCommand::Succession(args) => succession::run(args, output),
    }
}
