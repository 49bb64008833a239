//! The `mortise` command: development system, genesis, locks, balances, keys, errors.
//!
//! What it is for: everything that a solver, an owner or an operator does by hand or in a script.
//! Data goes to stdout, text for people to stderr; `--json` makes the data JSON.
//!
//! What it does not do: keep keys (a key is a file of the caller's, or MORTISE_KEY), trust an
//! answer (the client checks each), retry with other bytes.
//!
//! Exit codes: 0 done, 1 refused or a check failed, 2 wrong usage, 3 nobody answers, 4 not ready.

mod approval;
mod args;
mod attested;
mod audit;
mod completions;
mod demo;
mod dev;
mod doctor;
mod explain;
mod failure;
mod genesis;
#[cfg(test)]
mod guide;
mod image;
mod key;
mod kms;
mod lock;
mod log;
mod mode;
mod output;
mod policy;
mod query;
mod reader;
mod session;
mod trust;
mod values;
mod verify;
mod witness;

use args::{Cli, Command};
use clap::Parser as _;
use failure::Failure;
use output::Output;
use std::future::Future;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::DevEngine(args) = cli.command {
        return ExitCode::from(dev::run_engine(args));
    }
    let output = Output::new(cli.json);
    match run(cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli, output: &Output) -> Result<(), Failure> {
    let connection = &cli.connection;
    match cli.command {
        Command::Dev(args) => wait_for(dev::run(args, output)),
        Command::DevHost(args) => wait_for(dev::run_host(args)),
        Command::DevKms(args) => wait_for(dev::run_kms(args)),
        Command::Policy(args) => policy::run(&args, output),
        Command::Demo(args) => wait_for(demo::run(args, output)),
        Command::DevEngine(_) => Err(Failure::usage("the engine starts in a system of its own")),
        Command::Genesis(args) => genesis::run(&args, connection.key.as_deref(), output),
        Command::Reader(args) => wait_for(reader::run(&args, connection, output)),
        Command::Image(args) => image::run(&args, output),
        Command::Approval(args) => wait_for(approval::run(&args, connection, output)),
        Command::Key(args) => key::run(&args, connection.key.as_deref(), output),
        Command::Explain(args) => explain::run(&args, output),
        Command::Completions(args) => completions::run(&args, output),
        Command::Lock(args) => wait_for(lock::run(&args, connection, output)),
        Command::Balance(args) => wait_for(query::balance(&args, connection, output)),
        Command::Root(args) => wait_for(query::root(&args, connection, output)),
        Command::Kms(args) => wait_for(kms::run(&args, connection, output)),
        Command::Witness(args) => wait_for(witness::run(args, output)),
        Command::Health => wait_for(query::health(connection, output)),
        Command::Log(args) => log::run(&args, output),
        Command::Audit(args) => audit::run(&args, output),
        Command::Doctor(args) => doctor::run(&args, output),
        Command::Verify(args) => wait_for(verify::run(&args, connection, output)),
    }
}

/// Runs one command's calls on this thread.
fn wait_for(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::system)?.block_on(work)
}
