//! `mortise-dev demo load`: measures durable signed locks over the request socket, with host and
//! engine as two processes.
//!
//! Requests are signed before the clock starts, so that the load generator is not measured. Answers
//! are counted, not checked (the client does that). The same run measures the limits of the
//! machine: one fdatasync on the same disk, and the signatures that idle cores recover and create.

mod limits;
mod report;

use super::line::{Line, dial};
use super::processes::{Processes, Started};
use super::requests::LoadRequests;
use bytes::Bytes;
use limits::SyncProbe;
use mortise_cli::failure::Failure;
use mortise_cli::output::Output;
use mortise_client::{Client, Endpoint, Identity, Signer};
use mortise_transport::Address;
use report::Report;
pub(super) use report::Timings;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Arguments of `mortise-dev demo load`.
#[derive(Debug, Clone, clap::Args)]
pub struct LoadArgs {
    /// Locks committed under load
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(1000..))]
    locks: u32,
    /// Connections
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    connections: u32,
    /// Requests in flight on each connection
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pipeline: u32,
    /// Locks committed one after the other on an idle system
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    single: u32,
    /// Folder for log and keys, kept; a temporary one by default
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

/// Number of owners: many, so that requests do not wait for nonces.
const OWNERS: u32 = 256;
/// Frames between two snapshots; large enough that a run takes none.
const SNAPSHOT_FRAMES: u64 = 1 << 40;

/// Measures and prints the figures.
pub(super) async fn run(args: LoadArgs, output: &Output) -> Result<(), Failure> {
    let temporary = tempfile::tempdir().map_err(Failure::system)?;
    let root = args.data_dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let mut processes = Processes::on(&root, SNAPSHOT_FRAMES)?;
    let crypto = limits::crypto();
    processes.start_host().await?;
    processes.start_engine()?;
    let report = match processes.ready().await? {
        Started::Ready => measure(&args, &processes, crypto, output).await,
        Started::Restart => Err(Failure::check("the engine does not start")),
    };
    processes.stop().await;
    let report = report?;
    output.text(&report, &report.text());
    Ok(())
}

async fn measure(
    args: &LoadArgs,
    processes: &Processes,
    crypto: limits::Crypto,
    output: &Output,
) -> Result<Report, Failure> {
    let engine = Client::new(Endpoint::Stream(processes.address())).identity().await?;
    output.note("signing the requests");
    let requests = signed(engine, args.locks + args.single);
    let (alone, together) = requests.split_at(usize::try_from(args.single).unwrap_or(usize::MAX));
    output.note("committing one lock at a time");
    let (single, sync) = one_by_one(processes, alone).await?;
    output.note("committing many locks concurrently");
    let begun = Instant::now();
    let loaded = flood(processes.address(), together, args).await?;
    let elapsed = begun.elapsed();
    Ok(Report {
        locks: args.locks,
        connections: args.connections,
        pipeline: args.pipeline,
        locks_per_s: f64::from(args.locks) / elapsed.as_secs_f64(),
        sync,
        crypto,
        single,
        loaded: Timings::of(loaded),
    })
}

/// Signs requests of many owners on all cores.
fn signed(engine: Identity, count: u32) -> Vec<Bytes> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = count.div_ceil(u32::try_from(threads).unwrap_or(1));
    let parts: Vec<u32> = (0..count).step_by(usize::try_from(share).unwrap_or(1)).collect();
    std::thread::scope(|scope| {
        let sign = |from: u32| {
            let count = share.min(count - from);
            scope.spawn(move || sign_part(engine, from, count))
        };
        let parts: Vec<_> = parts.into_iter().map(sign).collect();
        let join = |part: std::thread::ScopedJoinHandle<'_, Vec<Bytes>>| {
            part.join().expect("signing does not panic")
        };
        parts.into_iter().flat_map(join).collect()
    })
}

fn sign_part(engine: Identity, from: u32, count: u32) -> Vec<Bytes> {
    let mut requests = LoadRequests::new(engine, u64::from(from));
    let owners: Vec<Signer> = (0..OWNERS).map(|_| Signer::random()).collect();
    let each = |n: u32| {
        let owner = &owners[usize::try_from(n % OWNERS).unwrap_or(0)];
        requests.commit(owner, u64::from(n / OWNERS), 1000).bytes
    };
    (0..count).map(each).collect()
}

/// Commits one lock after the other, and syncs a block of the same disk after each, so that both
/// are measured under the same conditions.
async fn one_by_one(
    processes: &Processes,
    requests: &[Bytes],
) -> Result<(Timings, Timings), Failure> {
    let mut probe = SyncProbe::new(processes.root()).map_err(Failure::system)?;
    let mut line = Line::new(processes.address());
    let (mut locks, mut syncs) = (Vec::new(), Vec::new());
    for request in requests {
        let begun = Instant::now();
        let answer = line.ask(request).await.map_err(Failure::system)?;
        locks.push(begun.elapsed());
        granted(&answer)?;
        syncs.push(probe.once().map_err(Failure::system)?);
    }
    Ok((Timings::of(locks), Timings::of(syncs)))
}

async fn flood(
    engine: Address,
    requests: &[Bytes],
    args: &LoadArgs,
) -> Result<Vec<Duration>, Failure> {
    let connections = usize::try_from(args.connections).unwrap_or(1);
    let mut senders = JoinSet::new();
    for n in 0..connections {
        // interleaved, so that the nonces of an owner stay close together
        let share: Vec<Bytes> = requests.iter().skip(n).step_by(connections).cloned().collect();
        senders.spawn(send(engine.clone(), share, args.pipeline));
    }
    let mut times = Vec::with_capacity(requests.len());
    while let Some(sent) = senders.join_next().await {
        times.extend(sent.map_err(Failure::system)??);
    }
    Ok(times)
}

/// Sends requests on one connection with a fixed number in flight. Returns their latencies.
async fn send(
    engine: Address,
    requests: Vec<Bytes>,
    pipeline: u32,
) -> Result<Vec<Duration>, Failure> {
    let (mut reader, mut writer) = dial(&engine).await.map_err(Failure::system)?;
    let mut waiting = BTreeMap::new();
    let mut times = Vec::with_capacity(requests.len());
    let mut requests = (0u64..).zip(requests);
    loop {
        let room = usize::try_from(pipeline).unwrap_or(1).saturating_sub(waiting.len());
        for (number, request) in requests.by_ref().take(room) {
            writer.queue(number, &request).map_err(Failure::system)?;
            waiting.insert(number, Instant::now());
        }
        writer.flush().await.map_err(Failure::system)?;
        if waiting.is_empty() {
            return Ok(times);
        }
        let mut next = reader.read().await.map_err(Failure::system)?;
        while let Some(answer) = next {
            granted(&answer.payload)?;
            times.extend(waiting.remove(&answer.correlation).map(|at: Instant| at.elapsed()));
            next = reader.buffered().map_err(Failure::system)?;
        }
    }
}

/// Fails unless the answer is a result; its first field after the version shows that.
fn granted(answer: &[u8]) -> Result<(), Failure> {
    match answer.starts_with(br#"{"jsonrpc":"2.0","result":"#) {
        true => Ok(()),
        false => Err(Failure::check(String::from_utf8_lossy(answer))),
    }
}
