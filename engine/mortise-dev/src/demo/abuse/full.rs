//! The row of a state whose custody `open` is full, beside an owner in custody `escrow`.
//!
//! It has processes of its own, with a small limit: strangers' commits fill the class and go on,
//! and each is refused. What they use must not count against `escrow`.

use super::caller::{Abuse, Target};
use super::honest::Honest;
use super::memory::Memory;
use super::others::Others;
use super::table::Row;
use crate::demo::line::Line;
use crate::demo::processes::{Processes, Started};
use crate::demo::requests::{ESCROW_CHAIN, LoadRequests, genesis_with_escrow};
use mortise_cli::failure::Failure;
use mortise_client::{Client, Endpoint, Signer};
use mortise_format::errors::Code;
use mortise_format::policy::Edition;
use serde_json::Value;
use std::time::Duration;
use tokio::task::JoinSet;

/// Locks of custody `open` that the state takes.
const OPEN_LOCKS: u32 = 500;

/// Fills custody `open` of a new system, then runs the honest client in `escrow`.
pub(super) async fn row(length: Duration) -> Result<Row, Failure> {
    let folder = tempfile::tempdir().map_err(Failure::system)?;
    let observer = Signer::random();
    let mut genesis = genesis_with_escrow(observer.address());
    if let Edition::Second(service) = &mut genesis.policy.edition {
        service.state.open.locks_max = OPEN_LOCKS;
    }
    let mut processes = Processes::with(folder.path(), super::SNAPSHOT_FRAMES, &genesis)?;
    processes.start_host().await?;
    processes.start_engine()?;
    let row = match processes.ready().await? {
        Started::Ready => beside_strangers(&mut processes, &observer, length).await,
        Started::Restart => Err(Failure::check("the engine does not start")),
    };
    processes.stop().await;
    row
}

async fn beside_strangers(
    processes: &mut Processes,
    observer: &Signer,
    length: Duration,
) -> Result<Row, Failure> {
    let engine = Client::new(Endpoint::Stream(processes.address())).identity().await?;
    fill(processes, LoadRequests::new(engine, 1 << 41)).await?;
    let mut requests = LoadRequests::new(engine, 1 << 40).on_chain(ESCROW_CHAIN);
    let owner = Signer::random();
    let fact = requests.fact(observer, owner.address());
    let mut line = Line::new(processes.address());
    let answer = line.ask(&fact).await.map_err(Failure::system)?;
    if reason(&answer).is_some() {
        let answer = String::from_utf8_lossy(&answer);
        return Err(Failure::check(format!("the fact was refused: {answer}")));
    }
    let target = Target::of(engine, processes.address());
    let memory = Memory::watch(processes)?;
    let (others, mut callers) = (Others::start()?, JoinSet::new());
    for n in 0..Abuse::REFUSED_COMMITS.connections {
        callers.spawn_on(Abuse::REFUSED_COMMITS.run(target.clone(), n), &others.handle);
    }
    let seen = Honest::new(processes.address(), requests, owner).run(length).await;
    callers.shutdown().await;
    let (engine_mib, host_mib) = memory.grown_mib();
    let has_ended = !processes.are_alive();
    Ok(Row::new(Abuse::REFUSED_COMMITS.name, seen, engine_mib, host_mib, has_ended))
}

/// Commits of fresh owners until one is refused.
async fn fill(processes: &Processes, mut requests: LoadRequests) -> Result<(), Failure> {
    let mut line = Line::new(processes.address());
    for _ in 0..=OPEN_LOCKS {
        let commit = requests.commit(&Signer::random(), 0, 1);
        let answer = line.ask(&commit.bytes).await.map_err(Failure::system)?;
        match reason(&answer) {
            None => {}
            Some(Code::Limit) => return Ok(()),
            Some(_) => {
                let answer = String::from_utf8_lossy(&answer);
                return Err(Failure::check(format!("a commit was refused: {answer}")));
            }
        }
    }
    Err(Failure::check("custody open took more locks than its limit"))
}

/// Why an answer is a refusal.
fn reason(answer: &[u8]) -> Option<Code> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let code = i32::try_from(answer["error"]["code"].as_i64()?).ok()?;
    Code::by_code(code)
}
