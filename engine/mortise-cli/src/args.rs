//! The command line.

use crate::approval::ApprovalArgs;
use crate::audit::AuditArgs;
use crate::completions::CompletionsArgs;
use crate::doctor::DoctorArgs;
use crate::explain::ExplainArgs;
use crate::genesis::GenesisArgs;
use crate::image::ImageArgs;
use crate::key::KeyArgs;
use crate::key_policy::KeyPolicyArgs;
use crate::kms::KmsArgs;
use crate::lock::LockArgs;
use crate::log::LogArgs;
use crate::query::{BalanceArgs, HealthArgs, RootArgs};
use crate::reader::ReaderArgs;
use crate::verify::VerifyArgs;
use crate::witness::WitnessArgs;
use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  mortise key new --out owner.key               make a key
  mortise --json health | jq .phase
  mortise lock commit --key owner.key --asset native:1 --amount 1000000 \\
      --target-asset native:10 --target-amount 999000 --expires-in 300
  mortise lock get 0x...                        show a lock
  mortise verify attestation --pcr0 HEX         verify which code holds the engine's keys
  mortise audit engine.log --keys audit.json    replay a log and check every decision
  mortise explain -32010                        explain an error

A local system to try it on: mortise-dev dev

Exit codes: 0 done, 1 refused or a check failed, 2 wrong usage, 3 no answer, 4 not ready.";

/// Lock assets for an order, verify promises offline, audit and operate an engine.
#[derive(Debug, Parser)]
#[command(name = "mortise", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Print data as JSON.
    #[arg(long, global = true)]
    pub json: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create, commit, show and end locks.
    Lock(LockArgs),
    /// Show the balance of an account.
    Balance(BalanceArgs),
    /// Fetch and check the newest signed statement about the state.
    Root(RootArgs),
    /// Show whether the engine is ready; exits 4 if not.
    Health(HealthArgs),
    /// Verify what an engine, or a file from it, proves.
    Verify(VerifyArgs),
    /// Replay an exported log and check every decision in it.
    Audit(AuditArgs),
    /// Show what an exported log holds.
    Log(LogArgs),
    /// Run a witness of transparency logs, or show its key.
    Witness(WitnessArgs),
    /// Grant the right to read the log, or fetch granted keys.
    Reader(ReaderArgs),
    /// Approve the images that may boot on the log, by k of the operators.
    Approval(ApprovalArgs),
    /// Make a key, or show the address of one.
    Key(KeyArgs),
    /// Write an AWS key policy with least privilege, or check one.
    KeyPolicy(KeyPolicyArgs),
    /// Encrypt and decrypt texts under keys of the key service.
    Kms(KmsArgs),
    /// Write or check a genesis file; replace an engine whose log is lost.
    Genesis(GenesisArgs),
    /// Build, measure, compare and sign enclave images.
    Image(ImageArgs),
    /// Find what keeps this parent from running an attested enclave.
    Doctor(DoctorArgs),
    /// Explain an error, a stop, a fault or a check, with the next step.
    Explain(ExplainArgs),
    /// Print the completions of a shell.
    Completions(CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
        // Each subcommand too, with its global flags.
        Cli::command().build();
    }

    /// Help of a command, as people read it.
    fn help(words: &[&str]) -> String {
        let args = [&["mortise"], words, &["--help"]].concat();
        let shown = Cli::try_parse_from(args).expect_err("help is an error of clap");
        shown.to_string()
    }

    #[test]
    fn connection_flags_are_on_commands_that_connect_and_in_a_section_of_their_own() {
        for words in [
            &["lock", "commit"][..],
            &["lock", "get"],
            &["balance"],
            &["root"],
            &["health"],
            &["verify", "attestation"],
            &["reader", "sign"],
            &["reader", "grant"],
            &["reader", "keys"],
            &["approval", "show"],
            &["approval", "sign"],
            &["approval", "submit"],
            &["kms", "encrypt"],
        ] {
            let help = help(words);
            let (own, connection) = help.split_once("\nConnection:\n").expect("it has a section");
            for flag in ["--url", "--anchors", "--key", "--attempts", "--attest-root", "--in-clear"]
            {
                assert!(connection.contains(&format!("{flag} ")) || flag == "--in-clear", "{help}");
                assert!(!own.contains(&format!("  {flag} <")), "{words:?}: {flag}: {own}");
            }
        }
    }

    #[test]
    fn commands_that_do_not_connect_have_no_connection_flags() {
        for words in [
            &[][..],
            &["verify", "receipt"],
            &["verify", "succession"],
            &["audit"],
            &["log", "show"],
            &["witness", "run"],
            &["reader", "new"],
            &["key", "new"],
            &["key", "address"],
            &["key-policy", "aws"],
            &["key-policy", "lint"],
            &["genesis"],
            &["genesis", "recover", "sign"],
            &["image", "build"],
            &["doctor"],
            &["explain"],
            &["completions"],
        ] {
            let help = help(words);
            for flag in ["--url", "--attempts", "--attest-", "--in-clear", "Connection"] {
                assert!(!help.contains(flag), "{words:?}: {flag}: {help}");
            }
        }
    }
}
