//! `mortise verify`: checks that need no trust in whoever hands the thing over.
//!
//! What it is for: say what a document proves, what it does not, and what to do when it proves
//! nothing. Every check is that of `mortise_client` and `mortise_verify`; here are flags, files and
//! words alone.
//!
//! What it does not do: choose whom to trust. Roots and images are named by the caller; the one
//! default is the root of AWS.

mod advice;
mod attestation;
mod report;
mod source;
mod trust;

pub(crate) use attestation::pcr;
pub(crate) use trust::{Believed, Images, root};

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
    match &args.command {
        VerifyCommand::Attestation(args) => attestation::run(args, connection, output).await,
    }
}
