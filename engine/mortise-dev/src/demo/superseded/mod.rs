//! `mortise-dev demo superseded`: a parent keeps an engine alive after another one took over.
//!
//! ```text
//! first    serves -------- no cosignature arrives any more --- its lease ends --- silent
//! second             starts on a copy, commits: the takeover
//! caller   checks every answer of the first when it arrives, and one that was held back
//! ```
//! It runs real processes: two hosts, two engines, three witnesses with a quorum of two, and relays
//! in front of the witnesses that hold the answers to the first engine back. The lease is the
//! shortest that a policy allows.
//!
//! What it shows: the engine falls silent by itself, and whatever the parent does with its earlier
//! answers, they fail the caller's check within lease and skew.

mod engine;
mod relay;

use engine::{Caller, Engine, Told};
use mortise_cli::failure::Failure;
use mortise_cli::output::Output;
use mortise_format::limits::LEASE_S_MIN;
use mortise_format::policy::Service;
use relay::Relays;
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Arguments of `mortise-dev demo superseded`.
#[derive(Debug, Clone, clap::Args)]
pub struct SupersededArgs {
    /// Folder for logs and keys, kept; a temporary one by default
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

/// The service of the demonstration: the shortest lease.
const SERVICE: Service = Service { lease_s: LEASE_S_MIN, ..Service::DEFAULT };
/// Pause between two questions.
const LOOK: Duration = Duration::from_millis(500);
/// Longer than any round of witnesses: no answer arrives while it still counts.
const HELD_BACK: Duration = Duration::from_secs(3600);

/// The outcome, in seconds since the takeover.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    lease: u32,
    skew: u32,
    /// The last answer of the first engine that its caller accepted.
    last_accepted: f64,
    /// Its answers that the caller accepted after the takeover, and those that it refused.
    accepted: usize,
    refused: usize,
    /// When the engine itself refused to answer.
    silent_at: f64,
    /// What the check says about an answer of just before the takeover, held back until the end.
    held_back: String,
    /// Status and age of the first engine, by itself.
    health: String,
    /// The phase of the first engine once its witnesses are reached again.
    end: String,
}

impl Report {
    fn text(&self) -> String {
        let Self { lease, skew, last_accepted, accepted, refused, .. } = self;
        format!(
            "takeover  the second engine commits; the first reaches no witness any more\n\
             accepted  {accepted} answers of the first, the last one {last_accepted:.1} s after \
             the takeover (bound: lease {lease} s + skew {skew} s)\n\
             silent    after {:.1} s: LEASE_EXPIRED; its health: {}\n\
             refused   {refused} answers of the first, by its caller or by itself\n\
             held back an answer of before the takeover, delivered at the end: {}\n\
             reached   the first engine meets its witnesses again: {}\n",
            self.silent_at, self.health, self.held_back, self.end
        )
    }
}

/// Runs the demonstration and prints its outcome.
pub(super) async fn run(args: SupersededArgs, output: &Output) -> Result<(), Failure> {
    let temporary = tempfile::tempdir().map_err(Failure::system)?;
    let root = args.data_dir.unwrap_or_else(|| temporary.path().to_owned());
    let mut first = Engine::leased(&root.join("a"), SERVICE).await?;
    let relays = Relays::start(&first.witnesses()).await?;
    first.reach(relays.addresses());
    let mut second = None;
    let ended = story(&mut first, &mut second, &root, &relays, output).await;
    if let Some(second) = &mut second {
        second.stop().await;
    }
    first.stop().await;
    let report = ended?;
    output.text(&report, &report.text());
    Ok(())
}

async fn story(
    first: &mut Engine,
    second: &mut Option<Engine>,
    root: &std::path::Path,
    relays: &Relays,
    output: &Output,
) -> Result<Report, Failure> {
    first.start().await?;
    first.commit().await?;
    let caller = first.caller(SERVICE).await?;
    // Copied before the takeover, with the witnesses' own addresses.
    let second = second.insert(first.beside(&root.join("b"))?);
    let held_back = first.ask().await?;
    if let Told::Answer(answer) = &held_back {
        caller.check(answer).map_err(|error| Failure::check(format!("a new answer: {error}")))?;
    }
    relays.delay(HELD_BACK);
    second.start().await?;
    second.commit().await?;
    output.note("the second engine took over; the first is asked until it is silent");
    let mut report = watch(first, &caller, output).await?;
    report.held_back = match &held_back {
        Told::Answer(answer) => match caller.check(answer) {
            Ok(_) => return Err(Failure::check("an answer that was held back is accepted")),
            Err(error) => error.to_string(),
        },
        Told::Silent => return Err(Failure::check("the first engine never answered")),
    };
    report.health = first.health().await?;
    relays.delay(Duration::ZERO);
    report.end = first.fenced().await?;
    Ok(report)
}

/// Asks the first engine until lease and skew are over.
async fn watch(first: &Engine, caller: &Caller, output: &Output) -> Result<Report, Failure> {
    let (lease, skew) = (SERVICE.lease_s, SERVICE.skew_s);
    let mut report = Report { lease, skew, ..Report::default() };
    let takeover = Instant::now();
    let bound = Duration::from_secs(u64::from(lease + skew));
    loop {
        let told = first.ask().await?;
        // The check uses the clock of the arrival, so this is read before it.
        let since = takeover.elapsed();
        let accepted = match &told {
            Told::Answer(answer) => caller.check(answer).is_ok(),
            Told::Silent => false,
        };
        match accepted {
            true if since > bound => {
                let what = "an answer of the superseded engine is accepted after lease and skew";
                return Err(Failure::check(what));
            }
            true => {
                report.accepted += 1;
                report.last_accepted = since.as_secs_f64();
            }
            false => report.refused += 1,
        }
        if matches!(told, Told::Silent) && report.silent_at == 0.0 {
            report.silent_at = since.as_secs_f64();
            output.note(&format!("silent {:.1} s after the takeover", report.silent_at));
        }
        if since > bound {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    match report.silent_at == 0.0 {
        true => Err(Failure::check("the superseded engine still answers after lease and skew")),
        false => Ok(report),
    }
}
