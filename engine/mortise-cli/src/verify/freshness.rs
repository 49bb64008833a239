//! `mortise verify freshness`: how old an answer about now is, by its witnesses.

use super::pin::{EnginePin, EnginePinArgs, LogArgs};
use super::uses::{self, Condition};
use super::verdict::Rendered;
use super::{file, known, refused};
use crate::failure::Failure;
use crate::time::seconds_and_utc;
use mortise_client::check::CheckError;
use mortise_client::{Freshness, FreshnessError, Identity, without_lease};
use mortise_rpc::results::FreshnessView;
use mortise_verify::lease::{AgeLimit, LeaseGround, VerifiedLease};
use mortise_verify::verdict::{Claim, Clock, Subject};
use mortise_verify::{json, statement};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

const EXAMPLES: &str = "\
FILE is a whole JSON-RPC answer about now, with its member `freshness`: of getLock, listLocks, \
getBalance, getProof, getStateRoot and the like. Without witnesses in the anchors there is no \
lease, and the verdict says so.

Examples:
  mortise verify freshness answer.json --anchors anchors.toml
  mortise verify freshness answer.json --anchors anchors.toml --max-age 30 --at 1800000000

Exit codes: 0 proven, 1 not proven (the name of the check that failed comes first), 2 wrong usage.";

/// Flags of `mortise verify freshness`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct FreshnessArgs {
    /// The answer; - for stdin.
    file: PathBuf,

    #[command(flatten)]
    pin: EnginePinArgs,

    #[command(flatten)]
    log: LogArgs,

    /// The oldest answer to accept, seconds; 60 by default.
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u64>,

    /// When the answer arrived, seconds since the Unix epoch; now by default.
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
}

/// Runs `mortise verify freshness`.
pub(super) fn run(args: &FreshnessArgs) -> Result<Rendered, Failure> {
    let pin = args.pin.read()?;
    let shown: FreshnessView = file::read(&args.file, file::freshness(&args.file)?)?;
    let identity = Identity { engine_id: pin.engine.id, address: pin.engine.address };
    let now = args.at.unwrap_or_else(now);
    let witnesses = args.log.witnesses(&pin.anchors)?;
    let checked = match witnesses {
        None => without_lease(&identity, &shown),
        Some(witnesses) => {
            let log = args.log.read(&pin.anchors)?;
            let AgeLimit { max_age, skew } = pin.anchors.limit();
            let limit = AgeLimit { max_age: args.max_age.unwrap_or(max_age), skew };
            let freshness = Freshness { origin: log.origin, log: log.key, witnesses, limit };
            freshness.check(&identity, &shown, now)
        }
    };
    let lease = checked.map_err(|error| refusal(&error))?;
    let mut verdict = verdict(&pin, &shown, &lease, now);
    let signed = json::statement(&shown.statement, shown.statement_signature);
    let signed = signed.map_err(|error| refused::by(&error))?;
    let stated = statement::verify(&pin.engine, &signed).map_err(|error| refused::by(&error))?;
    known::compare(&pin, &stated, &mut verdict)?;
    known::policy(&pin, &stated, &mut verdict);
    let has_lease = lease.ground() != LeaseGround::NoLease;
    let hold = if has_lease { &[Condition::Witnesses][..] } else { &[] };
    uses::list("freshness", &pin.anchors, hold, &mut verdict);
    if args.max_age.is_some() && lease.ground() == LeaseGround::NoLease {
        verdict.lacks(Claim::Newest, "--max-age needs witnesses, and none is named");
    }
    Ok(verdict)
}

fn refusal(error: &FreshnessError) -> Failure {
    match error {
        FreshnessError::Lease(error) => refused::by(error),
        FreshnessError::Check(CheckError::Statement(error)) => refused::by(error),
        FreshnessError::NoCheckpoint => refused::named("NoCheckpoint", &error.to_string()),
        error => refused::named("Form", &error.to_string()),
    }
}

fn verdict(pin: &EnginePin, shown: &FreshnessView, lease: &VerifiedLease, now: u64) -> Rendered {
    let seq = shown.statement.seq;
    let (says, clock) = match lease.ground() {
        LeaseGround::NoLease => {
            (format!("stated frame {seq}, not shown to be the newest"), Clock::Engine)
        }
        _ => (format!("stated frame {seq}, the newest that its witnesses knew"), Clock::Witnesses),
    };
    let mut verdict = Rendered::new(Subject::Freshness, pin.identity(), says);
    let age = now.saturating_sub(lease.as_of());
    verdict.about_time(lease.as_of(), clock);
    verdict.fact("asOf", lease.as_of()).fact("age", age);
    verdict.line("as of", seconds_and_utc(lease.as_of())).line("age", format!("{age} s"));
    match lease.ground() {
        LeaseGround::NoLease => {
            verdict
                .both("lease", "none")
                .establish(Claim::Statement, "the engine stated this frame at this time", lease)
                .leaves_open("that it is the newest: no lease, because no witness is named");
        }
        ground => {
            let by = match ground {
                LeaseGround::Cosigned => "a quorum cosigned exactly this head",
                _ => "a quorum cosigned a later head that contains it",
            };
            let what = "at this time the frame was the newest that a quorum of witnesses knew";
            verdict.both("lease", by).establish(Claim::Newest, what, lease);
        }
    }
    verdict
        .leaves_open("that nothing happened since then")
        .leaves_open("the result beside it, unless it came through the channel or has a proof");
    verdict
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
