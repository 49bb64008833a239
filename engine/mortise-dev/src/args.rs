//! The command line.

use crate::demo::DemoArgs;
use crate::dev::{DevArgs, EngineArgs, HostArgs, KmsArgs};
use crate::image::ImageArgs;
use clap::{Parser, Subcommand};
use mortise_cli::witness;

const EXAMPLES: &str = "\
Examples:
  mortise-dev dev                      run a local system: engine, host, key service
  mortise-dev dev --witnessed          the same under three witnesses, two of which must cosign
  mortise-dev demo crash               kill host and engine under load; lose no acknowledged lock
  mortise-dev demo load                measure durable, signed locks
  mortise-dev image boot --demo-lock   build an enclave image, boot it in QEMU, commit a lock

Exit codes: 0 done, 1 refused or a check failed, 2 wrong usage, 3 no answer, 4 not ready.";

/// Local Mortise systems for development and tests. `mortise` is the command for everything else.
#[derive(Debug, Parser)]
#[command(name = "mortise-dev", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Print data as JSON
    #[arg(long, global = true)]
    pub json: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a complete local system
    Dev(DevArgs),
    /// Demonstrate crash safety, throughput and rollback detection
    Demo(DemoArgs),
    /// Boot enclave images locally, in QEMU
    Image(ImageArgs),
    /// The host process of `mortise-dev dev`
    #[command(hide = true)]
    DevHost(HostArgs),
    /// The engine process of `mortise-dev dev`
    #[command(hide = true)]
    DevEngine(EngineArgs),
    /// The key service process of `mortise-dev dev`
    #[command(hide = true)]
    DevKms(KmsArgs),
    /// A witness process of `mortise-dev dev`
    #[command(hide = true)]
    DevWitness(witness::RunArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
        Cli::command().build();
    }
}
