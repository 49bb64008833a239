//! `mortise image`: reproducible enclave images (`specs/image.md`).
//!
//! What it is for: `mortise-image` has no files, compiler or clock; this module has. A
//! configuration or genesis that the enclave would refuse is refused here, by the same code, before
//! anything is built.
//!
//! What it does not do: keep signing keys, upload anything, run images. `mortise-dev image boot`
//! boots one on this machine.

pub mod build;
mod file;
mod inputs;
mod measured;
pub mod record;
mod release;
mod show;
mod sign;
pub mod source;
mod worktree;

use crate::failure::Failure;
use crate::output::Output;
use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  mortise image build --out image                             the reference image, for comparison
  mortise image build --out image --config enclave.toml --genesis genesis.json --debian-kernel
  mortise image build --out image --config enclave.toml --genesis genesis.json \\
      --kernel bzImage --cmdline cmdline --module nsm.ko      with the kernel of Amazon's tools
  jq -r .Measurements.PCR0 image/measurements.json
  mortise image describe image/mortise.eif
  mortise image diff old.eif new.eif                          lists the differences
  mortise image sign image/mortise.eif --sign-key key.pem --sign-cert cert.pem
  mortise image verify-release enclave-image/releases/1.0.0/measurements.json";

/// Flags of `mortise image`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    /// Build an image and its measurements.
    Build(build::BuildArgs),
    /// Compute the registers that the hypervisor will measure.
    Measure(show::FileArgs),
    /// Show sections, files, metadata and signature.
    Describe(show::FileArgs),
    /// List the differences of two images; exits 1 if there are any.
    Diff(show::DiffArgs),
    /// Sign an image, which sets PCR8.
    Sign(sign::SignArgs),
    /// Build a published image again and compare.
    VerifyRelease(release::VerifyReleaseArgs),
}

/// Runs `mortise image`.
///
/// # Errors
/// Wrong usage; files that cannot be read or are refused; a build that fails.
pub fn run(args: &ImageArgs, output: &Output) -> Result<(), Failure> {
    match &args.command {
        ImageCommand::Build(args) => build::run(args, output),
        ImageCommand::Measure(args) => show::run_measure(args, output),
        ImageCommand::Describe(args) => show::run_describe(args, output),
        ImageCommand::Diff(args) => show::run_diff(args, output),
        ImageCommand::Sign(args) => sign::run(args, output),
        ImageCommand::VerifyRelease(args) => release::run(args, output),
    }
}
