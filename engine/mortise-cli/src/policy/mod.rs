//! `mortise policy`: the key policy of AWS KMS, written and judged (`specs/key-policy.md`).

mod aws;
mod lint;

use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  mortise policy aws --account 111122223333 --role engine --pcr0 $PCR0 > engine.json
  mortise policy aws --account 111122223333 --role engine --pcr0 $PCR0 --app > app.json
  mortise policy aws --account 111122223333 --role engine \\
      --measurements image/measurements.json > engine.json
  mortise policy lint engine.json --measurements image/measurements.json
  aws kms get-key-policy --key-id $KEY --query Policy --output text | mortise policy lint -";

/// Flags of `mortise policy`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

/// What to do with a policy.
#[derive(Debug, clap::Subcommand)]
enum PolicyCommand {
    /// Write the policy of an engine's key, or of the application's.
    Aws(aws::AwsArgs),
    /// Say who can use a key outside the attested enclave; exits 1 when somebody can.
    Lint(lint::LintArgs),
}

/// Runs `mortise policy`.
///
/// # Errors
/// Wrong usage; a file that cannot be read or is no policy; findings.
pub fn run(args: &PolicyArgs, output: &Output) -> Result<(), Failure> {
    match &args.command {
        PolicyCommand::Aws(args) => aws::run(args, output),
        PolicyCommand::Lint(args) => lint::run(args, output),
    }
}
