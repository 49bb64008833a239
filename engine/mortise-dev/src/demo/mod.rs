//! `mortise-dev demo`: demonstrates on this machine what the system promises.
//!
//! What it is for: `crash` kills host and engine at random under load and checks that nothing that
//! was acknowledged is lost; `load` measures durable signed locks. Both start the processes of
//! `mortise-dev dev` on a folder of their own.
//!
//! What it does not do: cut the power. A killed process keeps the page cache; that frames are
//! really synced before they are acknowledged is shown by `tests/crash/strace.sh`.

mod crash;
mod line;
mod load;
mod processes;
mod requests;
mod rollback;

use clap::{Args, Subcommand};
use mortise_cli::failure::Failure;
use mortise_cli::output::Output;

/// Arguments of `mortise-dev demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    #[command(subcommand)]
    demo: Demo,
}

#[derive(Debug, Subcommand)]
enum Demo {
    /// Kill host and engine at random under load; check that nothing acknowledged is lost
    Crash(crash::CrashArgs),
    /// Measure durable, signed locks over the request socket
    Load(load::LoadArgs),
    /// Rewind and copy the log under a client's eyes: proven after the fact, or refused at once.
    Rollback(rollback::RollbackArgs),
}

/// Runs a demonstration.
///
/// # Errors
/// What it found, or why it could not run.
pub async fn run(args: DemoArgs, output: &Output) -> Result<(), Failure> {
    match args.demo {
        Demo::Crash(args) => crash::run(args, output).await,
        Demo::Load(args) => load::run(args, output).await,
        Demo::Rollback(args) => rollback::run(args, output).await,
    }
}
