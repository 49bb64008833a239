//! `mortise image`: enclave images, built so that anybody can build them again (`specs/image.md`).
//!
//! What it is for: the files, the compiler and the clock around `mortise-image`, which has none of
//! them. A configuration or genesis that the enclave would refuse is refused here, by the same
//! code, before anything is built.
//!
//! What it does not do: keep signing keys; upload anything; run images on AWS. [`boot`] runs them on
//! this machine.

mod boot;
mod build;
mod file;
mod inputs;
mod record;
mod source;

use crate::failure::Failure;
use crate::output::Output;
use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  mortise image build --out image --config enclave.toml --genesis genesis.json --debian-kernel
  mortise image build --out image --config enclave.toml --genesis genesis.json \\
      --kernel bzImage --cmdline cmdline --module nsm.ko      with the kernel of Amazon's tools
  jq -r .Measurements.PCR0 image/measurements.json";

/// Flags of `mortise image`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

/// What to do with an image.
#[derive(Debug, Subcommand)]
enum ImageCommand {
    /// Build an image and its measurements.
    Build(build::BuildArgs),
    /// Boot an image on this machine, in QEMU's nitro-enclave machine.
    Boot(boot::BootArgs),
    /// Write the measured files of an image for this machine, and its key service.
    LocalConfig(boot::LocalConfigArgs),
}

/// Runs `mortise image`.
///
/// # Errors
/// Wrong usage; files that cannot be read or are refused; a build that fails.
pub fn run(args: &ImageArgs, output: &Output) -> Result<(), Failure> {
    match &args.command {
        ImageCommand::Build(args) => build::run(args, output),
        ImageCommand::Boot(args) => crate::wait_for(boot::run(args, output)),
        ImageCommand::LocalConfig(args) => boot::run_local_config(args, output),
    }
}
