//! `mortise lock`: creates, signs, commits, shows and ends locks.

mod end;
mod history;
mod make;
mod show;

use crate::connection::ConnectionArgs;
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
  mortise lock list --owner 0x... --open
  mortise lock history 0x...
  mortise lock release 0x... --key solver.key
  mortise lock consent 0x... --key solver.key > consent.json
  mortise lock cancel 0x... --key owner.key --with consent.json";

/// Flags of `mortise lock`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LockArgs {
    /// Accept promises of an insecure engine, which bind no one: debug or emulated.
    #[arg(long, global = true, value_name = "MODE", value_parser = mode::named)]
    allow_insecure: Option<InsecureMode>,

    #[command(subcommand)]
    command: LockCommand,

    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Debug, Subcommand)]
enum LockCommand {
    /// Create a draft. Prints JSON with the typed data that the owner signs.
    Create(make::CreateArgs),
    /// Sign a draft and commit it.
    Sign(make::SignArgs),
    /// Create a lock in one step: nonce, signature, commitment, check.
    Commit(make::CommitArgs),
    /// Show a lock.
    Get(show::GetArgs),
    /// Show the events of a lock, with their positions in the log.
    History(show::GetArgs),
    /// List locks.
    List(show::ListArgs),
    /// Claim a lock as its arbiter.
    Claim(end::ClaimArgs),
    /// Release a lock as its beneficiary.
    Release(end::ReleaseArgs),
    /// Consent to a cancellation as the beneficiary. Prints JSON.
    Consent(end::ConsentArgs),
    /// Cancel a lock as its owner. A lock with a beneficiary needs its consent.
    Cancel(end::CancelArgs),
    /// Extend a lock as its owner.
    Extend(end::ExtendArgs),
}

impl LockCommand {
    /// True if the engine signs the answer.
    fn requests_a_promise(&self) -> bool {
        match self {
            Self::Create(_) | Self::Get(_) | Self::History(_) => false,
            Self::List(_) | Self::Consent(_) => false,
            Self::Sign(_) | Self::Commit(_) | Self::Claim(_) => true,
            Self::Release(_) | Self::Cancel(_) | Self::Extend(_) => true,
        }
    }
}

/// Runs `mortise lock`.
pub async fn run(args: &LockArgs, output: &Output) -> Result<(), Failure> {
    let session = Session::connect(&args.connection, output).await?;
    let requests_a_promise = args.command.requests_a_promise();
    if requests_a_promise {
        session.check_mode(args.allow_insecure)?;
    }
    let session = session.allow_insecure(args.allow_insecure);
    let output = &session.output;
    match &args.command {
        LockCommand::Create(args) => make::create(args, &session, output).await,
        LockCommand::Sign(args) => make::sign(args, &session, output).await,
        LockCommand::Commit(args) => make::commit(args, &session, output).await,
        LockCommand::Get(args) => show::get(args, &session, output).await,
        LockCommand::History(args) => history::history(args, &session, output).await,
        LockCommand::List(args) => show::list(args, &session, output).await,
        LockCommand::Claim(args) => end::claim(args, &session, output).await,
        LockCommand::Release(args) => end::release(args, &session, output).await,
        LockCommand::Consent(args) => end::consent(args, &session, output).await,
        LockCommand::Cancel(args) => end::cancel(args, &session, output).await,
        LockCommand::Extend(args) => end::extend(args, &session, output).await,
    }?;
    match requests_a_promise {
        true => session.close_after_change().await,
        false => session.close().await?,
    }
    Ok(())
}
