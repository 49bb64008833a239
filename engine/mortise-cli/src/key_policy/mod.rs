//! `mortise key-policy`: writes and checks key policies of AWS KMS (`specs/key-policy.md`).

mod aws;
mod lint;

use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  mortise key-policy aws --account 111122223333 --role engine --pcr0 $PCR0 > engine.json
  mortise key-policy aws --account 111122223333 --role engine --pcr0 $PCR0 --app > app.json
  mortise key-policy aws --account 111122223333 --role engine \\
      --measurements image/measurements.json > engine.json
  mortise key-policy lint engine.json --measurements image/measurements.json
  aws kms get-key-policy --key-id $KEY --query Policy --output text | mortise key-policy lint -";

/// Flags of `mortise key-policy`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct KeyPolicyArgs {
    #[command(subcommand)]
    command: KeyPolicyCommand,
}

#[derive(Debug, clap::Subcommand)]
enum KeyPolicyCommand {
    /// Write the policy of the engine's key, or of the application's key.
    Aws(aws::AwsArgs),
    /// List who can use a key outside the attested enclave; exits 1 if anyone can.
    Lint(lint::LintArgs),
}

/// Runs `mortise key-policy`.
///
/// # Errors
/// Wrong usage; a file that cannot be read or is not a policy; findings.
pub fn run(args: &KeyPolicyArgs, output: &Output) -> Result<(), Failure> {
    match &args.command {
        KeyPolicyCommand::Aws(args) => aws::run(args, output),
        KeyPolicyCommand::Lint(args) => lint::run(args, output),
    }
}
