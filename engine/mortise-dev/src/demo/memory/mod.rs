//! `mortise-dev demo memory`: the memory of host and engine while callers ask for as much as they
//! can.
//!
//! What it is for: every row throws one kind of input at an attested system of real processes for
//! some seconds. The engine may grow by `ENGINE_MEMORY_BESIDE_STATE_MAX` over its memory before the
//! first row, and the host may have `HOST_MEMORY_MAX` in all. Where this process may, it puts both
//! into memory cgroups with these limits, so that the kernel kills what exceeds them; elsewhere it
//! compares the peaks that the kernel keeps (`VmHWM`). Both happen if both can.
//!
//! What it does not do: measure what the honest caller sees (`demo abuse` does), or let the state
//! grow: the requests of a row are reads, are refused, or are few.

mod cgroup;
mod inputs;
mod peak;
mod table;

use super::processes::{Processes, Started};
use cgroup::Cgroup;
use inputs::{Input, Target};
use mortise_cli::failure::Failure;
use mortise_cli::output::Output;
use mortise_format::limits::{ENGINE_MEMORY_BESIDE_STATE_MAX, HOST_MEMORY_MAX};
use peak::Peak;
use std::time::Duration;
use table::{Row, Table};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Arguments of `mortise-dev demo memory`.
#[derive(Debug, Clone, clap::Args)]
pub struct MemoryArgs {
    /// Seconds of each row
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Only the rows whose name has this word
    #[arg(long)]
    only: Option<String>,
}

/// Frames between two snapshots; large enough that a run takes none.
const SNAPSHOT_FRAMES: u64 = 1 << 40;
/// Longest wait for an answer to `health` after a row.
const HEALTH_TIME: Duration = Duration::from_secs(60);

/// Runs every row and prints the table.
pub(super) async fn run(args: MemoryArgs, output: &Output) -> Result<(), Failure> {
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
    args: &MemoryArgs,
    processes: &mut Processes,
    output: &Output,
) -> Result<Table, Failure> {
    let target = Target::prepare(processes).await?;
    let ended = || Failure::check("a process ended before the first row");
    let engine = Peak::of(processes.engine_id().ok_or_else(ended)?)?;
    let host = Peak::of(processes.host_id().ok_or_else(ended)?)?;
    let limited = [
        Cgroup::limit("engine", engine.process(), ENGINE_MEMORY_BESIDE_STATE_MAX),
        Cgroup::limit("host", host.process(), HOST_MEMORY_MAX),
    ];
    let is_limited = limited.iter().all(Option::is_some);
    let mut table = Table::new(is_limited, &engine, &host);
    for input in Input::ALL {
        if args.only.as_ref().is_some_and(|word| !input.name.contains(word.as_str())) {
            continue;
        }
        output.note(input.name);
        engine.reset();
        host.reset();
        let mut callers = JoinSet::new();
        for n in 0..input.connections {
            callers.spawn(input.clone().run(target.clone(), n));
        }
        sleep(Duration::from_secs(args.seconds)).await;
        let peaks = (engine.bytes(), host.bytes());
        callers.shutdown().await;
        let is_answered = timeout(HEALTH_TIME, target.is_healthy()).await.unwrap_or(false);
        let has_ended = !processes.are_alive();
        table.add(Row::new(input.name, peaks, &engine, is_answered, has_ended));
        if has_ended {
            break;
        }
    }
    Ok(table)
}
