//! `mortise-host`: runs on the parent of the enclave.
//!
//! Exit status: 0 done or good; 1 the host failed, or a frame is bad; 2 usage, or no log to read;
//! 73 `DISK_FULL`, too little room to start; 74 `STORE_POISONED`, a write or a sync failed.

mod command;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Keeps a Mortise engine's sealed log and relays HTTP requests to it.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the log store to the enclave and the HTTP gateway to this machine.
    Run(command::run::RunArgs),
    /// Check the stored log: digests, chain, order. Frames stay sealed: it cannot read them.
    Verify(command::verify::VerifyArgs),
    /// Report what is wrong with a stopped store and how to repair it; with --write, repair it.
    Repair(command::repair::RepairArgs),
    /// Write the log of a data folder to a new file: a copy, or for `mortise audit`.
    Export(command::export::ExportArgs),
    /// Put an exported log into a new or empty data folder.
    Import(command::export::ImportArgs),
    /// Remove the oldest segments of a stopped store that an export and two snapshots cover.
    Prune(command::prune::PruneArgs),
    /// Read an index in a separate process: `repair` starts this.
    #[command(name = command::repair::PROBE, hide = true)]
    ProbeIndex(command::repair::ProbeArgs),
}

fn main() -> ExitCode {
    mortise_host::process::forbid_core_dumps();
    match Cli::parse().command {
        Command::Run(args) => command::run::run_host(args),
        Command::Verify(args) => command::verify::verify_log(&args),
        Command::Repair(args) => command::repair::repair_store(&args),
        Command::Export(args) => command::export::export_log(&args),
        Command::Import(args) => command::export::import_log(&args),
        Command::Prune(args) => command::prune::prune_log(&args),
        Command::ProbeIndex(args) => command::repair::probe_index(&args),
    }
}
