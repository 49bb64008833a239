//! `mortise-dev demo abuse`: one honest client beside one abusive caller after the other.
//!
//! What it is for: every row runs for a few seconds and says what the abuse cost the honest client
//! (latency, errors) and the processes (memory, restarts). A row is over its bound if the honest
//! p99 is above five times its unloaded value and above 50 ms, if the engine's memory grew by more
//! than 256 MiB, or if a process ended.
//!
//! The abusive callers play other machines, but run on the cores of the engine: they make keys and
//! signatures as fast as they can. So their threads have the lowest priority of the scheduler,
//! and take what the engine, the host and the honest client leave.
//!
//! What it does not do: measure throughput (`demo load` does).

mod caller;
mod full;
mod honest;
mod memory;
mod methods;
mod others;
mod table;

use super::processes::{Processes, Started};
use super::requests::LoadRequests;
use caller::{Abuse, Target};
use honest::Honest;
use memory::Memory;
use mortise_cli::failure::Failure;
use mortise_cli::output::Output;
use mortise_client::{Client, Endpoint, Signer};
use others::Others;
use std::time::Duration;
use table::{Row, Table};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Arguments of `mortise-dev demo abuse`.
#[derive(Debug, Clone, clap::Args)]
pub struct AbuseArgs {
    /// Seconds of each row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Only the rows whose name has this word
    #[arg(long)]
    only: Option<String>,
}

/// Frames between two snapshots; large enough that a run takes none.
const SNAPSHOT_FRAMES: u64 = 1 << 40;
/// Time after a row in which the processes come to rest.
const REST: Duration = Duration::from_secs(1);

/// Runs every row and prints the table.
pub(super) async fn run(args: AbuseArgs, output: &Output) -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(Failure::system)?;
    let mut processes = Processes::attested(folder.path(), SNAPSHOT_FRAMES)?;
    processes.start_host().await?;
    processes.start_engine()?;
    let table = match processes.ready().await? {
        Started::Ready => rows(&args, &mut processes, output).await,
        Started::Restart => Err(Failure::check("the engine does not start")),
    };
    processes.stop().await;
    let table = table?;
    output.text(&table, &table.text());
    match table.over() {
        0 => Ok(()),
        over => Err(Failure::check(format!("{over} rows are over their bounds"))),
    }
}

async fn rows(
    args: &AbuseArgs,
    processes: &mut Processes,
    output: &Output,
) -> Result<Table, Failure> {
    let engine = Client::new(Endpoint::Stream(processes.address())).identity().await?;
    let target = Target::prepare(engine, processes.address()).await?;
    let requests = LoadRequests::new(engine, 1 << 40);
    let mut honest = Honest::new(processes.address(), requests, Signer::random());
    let length = Duration::from_secs(args.seconds);
    let mut table = Table::default();
    let others = Others::start()?;
    for abuse in Abuse::ALL {
        let is_wanted = args.only.as_ref().is_none_or(|word| abuse.name.contains(word.as_str()));
        if !is_wanted && abuse.connections > 0 {
            continue;
        }
        output.note(abuse.name);
        let memory = Memory::watch(processes)?;
        let mut callers = JoinSet::new();
        for n in 0..abuse.connections {
            callers.spawn_on(abuse.clone().run(target.clone(), n), &others.handle);
        }
        let seen = honest.run(length).await;
        callers.shutdown().await;
        let (engine_mib, host_mib) = memory.grown_mib();
        let has_ended = !processes.are_alive();
        table.add(Row::new(abuse.name, seen, engine_mib, host_mib, has_ended));
        if has_ended {
            break;
        }
        sleep(REST).await;
    }
    let name = Abuse::REFUSED_COMMITS.name;
    if args.only.as_ref().is_none_or(|word| name.contains(word.as_str())) {
        output.note(name);
        table.add(full::row(length).await?);
    }
    Ok(table)
}
