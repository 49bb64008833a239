//! The command `mortise`: locks, balances, keys, proofs, audits, images, genesis, errors.
//!
//! What it is for: everything that a solver, an owner or an operator does by hand or in a script.
//! Data goes to stdout, text for people to stderr; `--json` makes the data JSON.
//!
//! What it does not do: keep keys (a key is a file of the caller, or MORTISE_KEY), trust an answer
//! (the client checks each), retry with other bytes.
//!
//! Exit codes: 0 done, 1 refused or a check failed, 2 wrong usage, 3 no answer, 4 not ready.
//!
//! The library is for the command itself, for `mortise-dev`, which shares its output and failures,
//! and for tests. Its interface is not stable.

mod anchors;
mod approval;
mod args;
mod attested;
mod audit;
mod completions;
mod connection;
mod doctor;
mod explain;
pub mod failure;
mod genesis;
pub mod image;
mod key;
mod key_policy;
mod kms;
mod known;
mod lock;
mod log;
pub mod mode;
mod old_names;
pub mod output;
mod progress;
mod query;
mod reader;
mod session;
mod time;
mod values;
mod verify;
pub mod witness;

pub use anchors::anchors_text;
use args::{Cli, Command};
use clap::{CommandFactory as _, Parser as _};
use failure::Failure;
use output::Output;
use std::future::Future;
use std::process::ExitCode;
pub use verify::uses;

/// Runs the command of this process.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let output = Output::new(cli.json);
    if let Some(note) = old_names::variable_note() {
        output.note(&note);
    }
    finish(execute(cli.command, &output), &output)
}

/// A command line that does not parse: help, a name of an earlier version, or wrong usage.
fn usage(error: &clap::Error) -> ExitCode {
    let args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into()).collect();
    match old_names::answer(&args).filter(|_| error.use_stderr()) {
        Some(failure) => finish(Err(failure), &Output::new(args.iter().any(|arg| arg == "--json"))),
        None => error.exit(),
    }
}

/// The command line, for tests of documents that show commands.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Prints why a command failed, if it did, and gives its exit code.
pub fn finish(result: Result<(), Failure>, output: &Output) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Runs one command's calls on this thread.
///
/// # Errors
/// Those of the calls; a runtime that does not start.
pub fn wait_for(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::system)?.block_on(work)
}

fn execute(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Lock(args) => wait_for(lock::run(&args, output)),
        Command::Balance(args) => wait_for(query::balance(&args, output)),
        Command::Root(args) => wait_for(query::root(&args, output)),
        Command::Health(args) => wait_for(query::health(&args, output)),
        Command::Verify(args) => wait_for(verify::run(&args, output)),
        Command::Audit(args) => audit::run(&args, output),
        Command::Log(args) => log::run(&args, output),
        Command::Witness(args) => wait_for(witness::run(args, output)),
        Command::Reader(args) => wait_for(reader::run(&args, output)),
        Command::Approval(args) => wait_for(approval::run(&args, output)),
        Command::Key(args) => key::run(&args, output),
        Command::KeyPolicy(args) => key_policy::run(&args, output),
        Command::Kms(args) => wait_for(kms::run(&args, output)),
        Command::Genesis(args) => genesis::run(&args, output),
        Command::Image(args) => image::run(&args, output),
        Command::Doctor(args) => doctor::run(&args, output),
        Command::Explain(args) => explain::run(&args, output),
        Command::Completions(args) => completions::run(&args, output),
    }
}
