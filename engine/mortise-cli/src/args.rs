//! The command line: what can be said, and how it is explained.

use crate::approval::ApprovalArgs;
use crate::attested::ProofArgs;
use crate::audit::AuditArgs;
use crate::completions::CompletionsArgs;
use crate::demo::DemoArgs;
use crate::dev::{DevArgs, EngineArgs, HostArgs, KmsArgs};
use crate::doctor::DoctorArgs;
use crate::explain::ExplainArgs;
use crate::genesis::GenesisArgs;
use crate::image::ImageArgs;
use crate::key::KeyArgs;
use crate::kms::KmsArgs as AppArgs;
use crate::lock::LockArgs;
use crate::log::LogArgs;
use crate::policy::PolicyArgs;
use crate::query::{BalanceArgs, RootArgs};
use crate::reader::ReaderArgs;
use crate::verify::VerifyArgs;
use crate::witness::WitnessArgs;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  mortise dev                                   the whole system on this machine
  mortise key new --out owner.key               a key of your own
  mortise --json health | jq .phase
  mortise lock commit --key owner.key --asset native:1 --amount 1000000 \\
      --target-asset native:10 --target-amount 999000 --expires-in 300
  mortise lock get 0x...                        what became of it
  mortise verify attestation --pcr0 HEX         which code holds the engine's keys
  mortise audit engine.log --keys audit.json    did it keep its rules, all along
  mortise explain -32010                        what an error means, and what to do

Exit codes: 0 done, 1 refused or a check failed, 2 wrong usage, 3 nobody answers, 4 not ready.";

/// Resource locks: promises about assets that can be checked.
#[derive(Debug, Parser)]
#[command(name = "mortise", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    /// Print data as JSON.
    #[arg(long, global = true)]
    pub json: bool,

    #[command(flatten)]
    pub connection: ConnectionArgs,

    #[command(subcommand)]
    pub command: Command,
}

/// The gateway of `mortise dev`, and of `mortise-host`, on this machine.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// Which engine, and how far it is trusted.
#[derive(Debug, Args)]
pub struct ConnectionArgs {
    /// The engine: `http://HOST:PORT`, `unix:PATH`, `vsock:CID:PORT`, or `hybrid:PATH:PORT` for a
    /// local machine whose vsock is behind the unix socket PATH.
    #[arg(long, global = true, env = "MORTISE_URL", default_value = DEFAULT_URL)]
    pub url: String,

    /// File that pins the engine and keeps its last statement; made at the first call.
    ///
    /// Without it each command trusts the engine that it meets, and cannot see a rollback.
    #[arg(long, global = true, env = "MORTISE_TRUST", value_name = "FILE")]
    pub trust: Option<PathBuf>,

    /// File with the signing key (mode 0600); the variable MORTISE_KEY holds a key itself.
    #[arg(long, global = true, value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// Most times that a call is sent.
    #[arg(long, global = true, default_value_t = 8, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts: u32,

    #[command(flatten)]
    pub proof: ProofArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole system on this machine, attested under a development root.
    Dev(DevArgs),
    /// Show what the system promises: a crash run, figures under load.
    Demo(DemoArgs),
    /// The host process of `mortise dev`.
    #[command(hide = true)]
    DevHost(HostArgs),
    /// The engine process of `mortise dev`.
    #[command(hide = true)]
    DevEngine(EngineArgs),
    /// The key service process of `mortise dev`.
    #[command(hide = true)]
    DevKms(KmsArgs),
    /// Write a least-privilege key policy, or judge one.
    Policy(PolicyArgs),
    /// Write or check a genesis file; take the place of an engine whose log is lost.
    Genesis(GenesisArgs),
    /// Build, measure, compare, sign and boot enclave images.
    Image(ImageArgs),
    /// Make, sign, commit, look at and end locks.
    Lock(LockArgs),
    /// Show the balance of an asset, part by part.
    Balance(BalanceArgs),
    /// Fetch and check the newest signed statement about the state.
    Root(RootArgs),
    /// Show whether the engine is ready; exits 4 when it is not.
    Health,
    /// Find what stands between this parent and a running, attested enclave.
    Doctor(DoctorArgs),
    /// Check what an engine, or a file of its, proves.
    Verify(VerifyArgs),
    /// Replay a whole log and judge every decision in it.
    Audit(AuditArgs),
    /// Write a log to a file, or put one into a new data folder.
    Log(LogArgs),
    /// Run a witness of transparency logs, or show its key.
    Witness(WitnessArgs),
    /// Let somebody read the log, or fetch the keys that a reader was granted.
    Reader(ReaderArgs),
    /// Say which images may boot on the log: upgrades, by k of the operators.
    Approval(ApprovalArgs),
    /// Make a key, or show the address of one.
    Key(KeyArgs),
    /// Encrypt and decrypt texts under keys of the key service.
    Kms(AppArgs),
    /// Say what an error means and what to do next.
    Explain(ExplainArgs),
    /// Print completions of commands and flags for a shell.
    Completions(CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
        // Each subcommand too, with the flags that all of them have.
        Cli::command().build();
    }
}
