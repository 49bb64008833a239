//! `mortise lock`: make, sign, commit, look at and end locks.

mod end;
mod make;
mod show;

use crate::args::ConnectionArgs;
use crate::failure::Failure;
use crate::mode;
use crate::output::Output;
use crate::session::Session;
use clap::{Args, Subcommand};
use mortise_format::insecure_mode::InsecureMode;

const EXAMPLES: &str = "\
Examples:
  mortise lock commit --key owner.key --asset native:1 --amount 1000000 --beneficiary 0x... \\
      --target-asset native:10 --target-amount 999000 --expires-in 300
  mortise lock create --owner 0x... --asset native:1 --amount 5 \\
      --target-asset native:10 --target-amount 4 --expires-in 60 > draft.json
  mortise lock sign draft.json --key owner.key
  mortise lock list --owner 0x... --status ACTIVE
  mortise lock release 0x... --key solver.key
  mortise lock consent 0x... --key solver.key > consent.json
  mortise lock cancel 0x... --key owner.key --with consent.json";

/// Flags of `mortise lock`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LockArgs {
    /// Try an engine whose promises bind nobody: debug, emulated. Without this they are refused.
    #[arg(long, global = true, value_name = "MODE", value_parser = mode::named)]
    allow_mode: Option<InsecureMode>,

    #[command(subcommand)]
    command: LockCommand,
}

#[derive(Debug, Subcommand)]
enum LockCommand {
    /// Make a draft and print the typed data that its owner signs; prints JSON.
    Create(make::CreateArgs),
    /// Sign a draft and turn it into a lock.
    Sign(make::SignArgs),
    /// Make a lock in one step: nonce, signature, commitment, check.
    Commit(make::CommitArgs),
    /// Show a lock.
    Get(show::GetArgs),
    /// List locks.
    List(show::ListArgs),
    /// Claim as the arbiter.
    Claim(end::ClaimArgs),
    /// Give a lock back as its beneficiary.
    Release(end::ReleaseArgs),
    /// Agree to cancel, as the beneficiary; prints the consent as JSON.
    Consent(end::ConsentArgs),
    /// Cancel as the owner; a lock with a beneficiary needs its consent.
    Cancel(end::CancelArgs),
    /// Prolong a lock as its owner.
    Extend(end::ExtendArgs),
}

impl LockCommand {
    /// True when the engine answers with something that it signs.
    fn asks_for_a_promise(&self) -> bool {
        match self {
            Self::Create(_) | Self::Get(_) | Self::List(_) | Self::Consent(_) => false,
            Self::Sign(_) | Self::Commit(_) | Self::Claim(_) => true,
            Self::Release(_) | Self::Cancel(_) | Self::Extend(_) => true,
        }
    }
}

/// Runs `mortise lock`.
pub async fn run(
    args: &LockArgs,
    connection: &ConnectionArgs,
    output: &Output,
) -> Result<(), Failure> {
    let session = Session::connect(connection, output).await?;
    if args.command.asks_for_a_promise() {
        session.check_mode(args.allow_mode)?;
    }
    let session = session.allowing(args.allow_mode);
    let output = &session.output;
    match &args.command {
        LockCommand::Create(args) => make::create(args, &session, output).await,
        LockCommand::Sign(args) => make::sign(args, &session, output).await,
        LockCommand::Commit(args) => make::commit(args, &session, output).await,
        LockCommand::Get(args) => show::get(args, &session, output).await,
        LockCommand::List(args) => show::list(args, &session, output).await,
        LockCommand::Claim(args) => end::claim(args, &session, output).await,
        LockCommand::Release(args) => end::release(args, &session, output).await,
        LockCommand::Consent(args) => end::consent(args, &session, output).await,
        LockCommand::Cancel(args) => end::cancel(args, &session, output).await,
        LockCommand::Extend(args) => end::extend(args, &session, output).await,
    }?;
    session.close().await
}
