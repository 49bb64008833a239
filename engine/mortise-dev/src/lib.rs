//! The command `mortise-dev`: the local system, demonstrations, local boots of an image.
//!
//! What it is for: everything that needs the engine, the software security module or QEMU on a
//! developer's machine.
//!
//! What it does not do: anything for an engine that people rely on. `mortise` has the commands for
//! users, auditors and operators and links none of this.
//!
//! Exit codes: 0 done, 1 refused or a check failed, 2 wrong usage, 3 no answer, 4 not ready.

mod args;
mod demo;
mod dev;
mod image;

use args::{Cli, Command};
use clap::{CommandFactory as _, Parser as _};
use mortise_cli::failure::Failure;
use mortise_cli::output::Output;
use mortise_cli::{finish, wait_for};
use std::process::ExitCode;

/// Runs the command of this process.
pub fn run() -> ExitCode {
    mortise_host::process::forbid_core_dumps();
    let cli = Cli::parse();
    if let Command::DevEngine(args) = cli.command {
        return ExitCode::from(dev::run_engine(args));
    }
    let output = Output::new(cli.json);
    finish(execute(cli.command, &output), &output)
}

/// The command line, for tests of documents that show commands.
pub fn command() -> clap::Command {
    Cli::command()
}

fn execute(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Dev(args) => wait_for(dev::run(args, output)),
        Command::Demo(args) => wait_for(demo::run(args, output)),
        Command::Image(args) => wait_for(image::run(&args, output)),
        Command::DevHost(args) => wait_for(dev::run_host(args)),
        Command::DevKms(args) => wait_for(dev::run_kms(args)),
        Command::DevWitness(args) => wait_for(dev::run_witness(args, output)),
        Command::DevEngine(_) => Err(Failure::usage("the engine needs a process of its own")),
    }
}
