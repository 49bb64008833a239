//! `mortise-dev demo crash`: kill -9 at random moments; no acknowledged request is lost.
//!
//! ```text
//! round:  load for a random time -> kill host or engine -> restart (perhaps kill again during the
//!         start) -> every request in flight is answered -> check -> next round
//! ```
//! With `--readers` every kind of read runs beside the owners, and with `--stall-ms` the host is
//! stopped at random times and goes on, as on a disk that stalls. Neither may end a process, which
//! the run checks before each kill.
//!
//! Checks after each round: every acknowledged lock is in the state that its last acknowledged
//! command left; the newest statement contradicts no earlier one; the engine returns the same
//! signed statement for the frame that was the newest before the crash; a retry of an acknowledged
//! request returns the same bytes.

mod figures;
mod reader;
mod record;
mod worker;

use super::processes::{Processes, Started, Victim};
use super::requests::LoadRequests;
use figures::Figures;
use mortise_cli::failure::Failure;
use mortise_cli::output::Output;
use mortise_client::{Client, Endpoint, SignedStatementView};
use mortise_sim::rng::Rng;
use reader::{Reader, Reads};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use worker::{Shared, Worker};

/// Arguments of `mortise-dev demo crash`.
#[derive(Debug, Clone, clap::Args)]
pub struct CrashArgs {
    /// Rounds of load and kill
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rounds for this many minutes instead
    #[arg(long, conflicts_with = "rounds", value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// Seed of the random choices; random by default
    #[arg(long)]
    seed: Option<u64>,
    /// Owners that commit, claim and release concurrently
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..))]
    owners: u64,
    /// Maximum time under load before a kill, milliseconds
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    load_ms: u64,
    /// Pause of an owner between two requests, milliseconds
    #[arg(long, default_value_t = 20)]
    pace_ms: u64,
    /// Readers beside the owners, which ask every kind of read
    #[arg(long, default_value_t = 0)]
    readers: u64,
    /// Maximum time that the host, and so the disk, stalls once a round, milliseconds
    #[arg(long, default_value_t = 0)]
    stall_ms: u64,
    /// Frames between two snapshots
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..))]
    snapshot_frames: u64,
    /// Folder for log and keys, kept; by default a temporary one, kept only after a failure
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

/// Acknowledged requests that are retried after each round.
const REPEATS: usize = 64;

/// Runs the rounds and prints the figures.
pub(super) async fn run(args: CrashArgs, output: &Output) -> Result<(), Failure> {
    let seed = args.seed.unwrap_or_else(random_seed);
    let temporary = tempfile::tempdir().map_err(Failure::system)?;
    let root = args.data_dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    output.note(&format!("seed {seed}, folder {}", root.display()));
    let mut run = Run::start(&args, seed, &root).await?;
    let ended = run.rounds(&args, output).await;
    run.workers.shutdown().await;
    run.processes.stop().await;
    match ended {
        Ok(()) => {
            let figures = run.figures.complete(seed, &run.shared.record(), &run.reads);
            output.text(&figures, &figures.text());
            Ok(())
        }
        Err(failure) => {
            let kept = temporary.keep();
            let folder = args.data_dir.unwrap_or(kept);
            output.note(&format!(
                "round {}, folder kept: {}",
                run.figures.rounds,
                folder.display()
            ));
            Err(Failure::check(format!("seed {seed}: {}", failure.text())))
        }
    }
}

fn random_seed() -> u64 {
    let id = mortise_client::random_request_id();
    id.0.iter().take(4).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

/// A running demonstration.
struct Run {
    rng: Rng,
    processes: Processes,
    client: Client,
    shared: Arc<Shared>,
    reads: Arc<Reads>,
    workers: JoinSet<()>,
    figures: Figures,
    /// The newest statement when the last check ended.
    kept: Option<SignedStatementView>,
    /// Duration of the last start.
    start_ms: u64,
}

impl Run {
    async fn start(args: &CrashArgs, seed: u64, root: &std::path::Path) -> Result<Self, Failure> {
        let mut processes = Processes::on(root, args.snapshot_frames)?;
        let begun = Instant::now();
        processes.start_host().await?;
        processes.start_engine()?;
        if processes.ready().await? != Started::Ready {
            return Err(Failure::check("the engine does not start on a new folder"));
        }
        let client = Client::new(Endpoint::Stream(processes.address()));
        let engine = client.identity().await?;
        let (rng, shared) = (Rng::new(seed), Arc::new(Shared::default()));
        let mut workers = JoinSet::new();
        for n in 0..args.owners {
            // each worker has its own range of JSON-RPC ids
            let requests = LoadRequests::new(engine, n << 40);
            let worker = Worker::new(requests, processes.address(), rng.part(n + 1));
            let pace = Duration::from_millis(args.pace_ms);
            workers.spawn(worker.run(Arc::clone(&shared), pace));
        }
        let reads = Arc::<Reads>::default();
        for n in 0..args.readers {
            let reader = Reader::new(processes.address(), rng.part(args.owners + n + 1));
            workers.spawn(reader.run(Arc::clone(&shared), Arc::clone(&reads)));
        }
        let start_ms = millis(begun);
        let figures = Figures::default();
        let kept = None;
        Ok(Self { rng, processes, client, shared, reads, workers, figures, kept, start_ms })
    }

    async fn rounds(&mut self, args: &CrashArgs, output: &Output) -> Result<(), Failure> {
        let begun = Instant::now();
        let is_over = |round: u32| match args.minutes {
            Some(minutes) => begun.elapsed() >= Duration::from_secs(60 * minutes),
            None => round > args.rounds,
        };
        for round in (1..).take_while(|round| !is_over(*round)) {
            self.figures.rounds = round;
            self.load(args).await?;
            self.crash().await?;
            self.check().await?;
            if round % PROGRESS_ROUNDS == 0 {
                output.note(&self.figures.progress(&self.shared.record()));
            }
        }
        // the same must hold after a clean stop
        let shared = Arc::clone(&self.shared);
        let quiet = shared.requests.write().await;
        self.processes.stop().await;
        self.start_again(Instant::now()).await?;
        drop(quiet);
        self.check().await
    }

    /// Load for a random time, with a stall if wanted. No process may end by itself meanwhile.
    async fn load(&mut self, args: &CrashArgs) -> Result<(), Failure> {
        tokio::time::sleep(Duration::from_millis(self.rng.below(args.load_ms))).await;
        if args.stall_ms > 0 {
            let length = Duration::from_millis(1 + self.rng.below(args.stall_ms));
            self.processes.stall_host(length).await?;
            self.figures.stalls += 1;
            tokio::time::sleep(Duration::from_millis(self.rng.below(args.load_ms))).await;
        }
        match self.processes.are_alive() {
            true => Ok(()),
            false => Err(Failure::check("a process ended by itself: a fault")),
        }
    }

    /// Kills one process and restarts what is missing; at random kills again during the start.
    async fn crash(&mut self) -> Result<(), Failure> {
        loop {
            let victim = if self.rng.one_in(2) { Victim::Host } else { Victim::Engine };
            self.processes.kill(victim).await?;
            self.figures.killed(victim);
            let begun = Instant::now();
            if victim == Victim::Host {
                self.processes.engine_gives_up().await?;
                self.processes.start_host().await?;
            }
            self.processes.start_engine()?;
            if !self.rng.one_in(3) {
                return self.wait_ready(begun).await;
            }
            let moment = Duration::from_millis(self.rng.below(self.start_ms * 3 / 2 + 1));
            tokio::select! {
                started = self.processes.ready() => match started? {
                    Started::Ready => {
                        self.started(begun);
                        return Ok(());
                    }
                    Started::Restart => return Err(Failure::check("the engine lost its store")),
                },
                () = tokio::time::sleep(moment) => self.figures.kills_while_starting += 1,
            }
        }
    }

    async fn start_again(&mut self, begun: Instant) -> Result<(), Failure> {
        self.processes.start_host().await?;
        self.processes.start_engine()?;
        self.wait_ready(begun).await
    }

    async fn wait_ready(&mut self, begun: Instant) -> Result<(), Failure> {
        match self.processes.ready().await? {
            Started::Ready => {
                self.started(begun);
                Ok(())
            }
            Started::Restart => Err(Failure::check("the engine lost its store while it started")),
        }
    }

    fn started(&mut self, begun: Instant) {
        self.start_ms = millis(begun);
        self.figures.started(self.start_ms);
    }

    async fn check(&mut self) -> Result<(), Failure> {
        // acquired when every request in flight has its answer
        let quiet = self.shared.requests.write().await;
        if let Some(violation) = self.shared.violation() {
            return Err(Failure::check(violation));
        }
        let newest = self.client.check_root().await?;
        self.shared.record().check_newest(&newest)?;
        if let Some(kept) = &self.kept {
            record::check_kept(&self.client, kept).await?;
            self.figures.statements_equal += 1;
        }
        let locks = self.shared.record().locks();
        self.figures.locks_checked += record::check_locks(&self.client, &locks).await?;
        let sample = self.shared.record().sample(&mut self.rng, REPEATS);
        self.figures.repeats += record::check_repeats(self.processes.address(), &sample).await?;
        self.kept = Some(newest);
        drop(quiet);
        Ok(())
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Rounds between two progress lines.
const PROGRESS_ROUNDS: u32 = 20;
