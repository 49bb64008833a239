//! `mortise-dev demo`: demonstrates the guarantees of the system on this machine.
//!
//! What it is for: `crash` kills host and engine at random under load and checks that no
//! acknowledged request is lost; `load` measures durable signed locks; `abuse` runs an honest
//! client beside abusive ones; `memory` holds host and engine to their memory; `rollback` rewinds
//! and copies the log; `superseded` keeps an engine alive after another one took over. Each starts
//! the processes of `mortise-dev dev` on its own folder.
//!
//! What it does not do: cut the power. The page cache survives a killed process;
//! `tests/crash/strace.sh` shows that frames are synced before they are acknowledged.

mod abuse;
mod crash;
mod line;
mod load;
mod memory;
mod processes;
mod requests;
mod rollback;
mod superseded;

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
    /// Run one honest client beside each abusive caller in turn, and print what it cost
    Abuse(abuse::AbuseArgs),
    /// Kill host and engine at random under load; check that nothing acknowledged is lost
    Crash(crash::CrashArgs),
    /// Measure durable, signed locks over the request socket
    Load(load::LoadArgs),
    /// Ask for as much as callers can; check that host and engine stay within their memory
    Memory(memory::MemoryArgs),
    /// Rewind and copy the log: a client proves it afterwards, or the engine refuses to start
    Rollback(rollback::RollbackArgs),
    /// Keep an engine alive that another one superseded: its answers fail their callers' check
    Superseded(superseded::SupersededArgs),
}

/// Runs a demonstration.
///
/// # Errors
/// A failed check; a process that does not start.
pub async fn run(args: DemoArgs, output: &Output) -> Result<(), Failure> {
    match args.demo {
        Demo::Abuse(args) => abuse::run(args, output).await,
        Demo::Crash(args) => crash::run(args, output).await,
        Demo::Load(args) => load::run(args, output).await,
        Demo::Memory(args) => memory::run(args, output).await,
        Demo::Rollback(args) => rollback::run(args, output).await,
        Demo::Superseded(args) => superseded::run(args, output).await,
    }
}
