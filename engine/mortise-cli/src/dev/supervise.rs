//! Watching over host and engine.

use super::DevArgs;
use super::banner::Banner;
use super::children::Child;
use super::engine::EXIT_RESTART;
use super::folder::{Folder, FolderError};
use super::notice::Notice;
use super::progress::Replay;
use crate::output::Output;
use mortise_client::{Client, ClientError};
use mortise_format::limits::SNAPSHOT_FRAMES;
use std::ffi::OsString;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};

/// Why the system ended otherwise than by being stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum DevError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file or process of ours.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// A child says why it ended, and a restart does not help.
    #[error("{0}")]
    Child(String),
    /// The engine answered something else than its nonce.
    #[error("the engine does not answer: {0}")]
    Client(#[from] ClientError),
    /// An address of ours does not parse.
    #[error("the gateway's address does not parse")]
    Url,
}

/// What made a round of both processes end.
enum End {
    /// The user.
    Stopped,
    /// One of them died: start both again.
    Restart(&'static str),
}

/// Rests between restarts, so that a loop of them does not burn the machine.
const REST: Duration = Duration::from_millis(200);

pub(super) async fn run(args: DevArgs, output: &Output) -> Result<(), DevError> {
    let folder = Folder::open(&args.data_dir)?;
    folder.ensure_genesis(args.genesis.as_deref())?;
    let mut is_first = true;
    loop {
        match round(&args, &folder, output, is_first).await? {
            End::Stopped => return Ok(()),
            End::Restart(why) => eprintln!("mortise dev: {why}; starting again"),
        }
        is_first = false;
        tokio::time::sleep(REST).await;
    }
}

/// Starts both, serves until one dies or the user stops.
async fn round(
    args: &DevArgs,
    folder: &Folder,
    output: &Output,
    is_first: bool,
) -> Result<End, DevError> {
    let mut host = start(folder.host_args(args.http, &args.log))?;
    let url = match host.notice().await {
        Some(Notice::HostReady { http, .. }) => http,
        Some(Notice::Failed { reason }) => return Err(DevError::Child(reason)),
        _ => return Ok(End::Restart("the host died while starting")),
    };
    let mut engine = start(folder.engine_args(SNAPSHOT_FRAMES, &args.log))?;
    eprintln!(
        "host is process {}, engine is process {}",
        host.id().unwrap_or_default(),
        engine.id().unwrap_or_default()
    );
    let end = tokio::select! {
        end = watch_engine(&mut engine, args, &url, output, is_first) => end,
        ended = host.ended() => ended
            .map(|_| End::Restart("the host died"))
            .map_err(|error| DevError::Io { what: String::from("waiting for the host"), error }),
        () = interrupted() => Ok(End::Stopped),
    };
    // The engine first: it seals what it acked while the store is still there.
    engine.stop().await;
    host.stop().await;
    end
}

fn start(args: Vec<OsString>) -> Result<Child, DevError> {
    let what = || String::from("cannot start a process of our own");
    Child::start(&args).map_err(|error| DevError::Io { what: what(), error })
}

async fn watch_engine(
    engine: &mut Child,
    args: &DevArgs,
    url: &str,
    output: &Output,
    is_first: bool,
) -> Result<End, DevError> {
    let mut replay = Replay::default();
    while let Some(notice) = engine.notice().await {
        match notice {
            Notice::Replaying { done, total } => replay.at(done, total),
            Notice::EngineReady { engine_id, address, epoch, chains } => {
                replay.finish();
                let next = (next_nonce(url).await?, now_s());
                let banner = Banner::new(url.to_owned(), engine_id, address, epoch, chains, next);
                show(&banner, args, output, is_first)?;
            }
            Notice::Failed { reason } => {
                let status = engine.ended().await;
                let code = status.ok().and_then(|status| status.code());
                if code == Some(i32::from(EXIT_RESTART)) {
                    eprintln!("mortise dev: {reason}");
                    return Ok(End::Restart("the engine stopped by a fault"));
                }
                return Err(DevError::Child(reason));
            }
            Notice::HostReady { .. } | Notice::KmsReady { .. } => {}
        }
    }
    Ok(End::Restart("the engine died"))
}

fn show(banner: &Banner, args: &DevArgs, output: &Output, is_first: bool) -> Result<(), DevError> {
    if let Some(path) = &args.config_out {
        let config = serde_json::to_string_pretty(banner).expect("the banner has text keys only");
        let what = || format!("cannot write {}", path.display());
        std::fs::write(path, format!("{config}\n"))
            .map_err(|error| DevError::Io { what: what(), error })?;
    }
    match is_first {
        true => output.text(banner, &banner.text()),
        false => output.text(banner, &format!("ready again, epoch {}\n", banner.epoch)),
    }
    Ok(())
}

async fn next_nonce(url: &str) -> Result<u64, DevError> {
    let client = Client::new(url.parse().map_err(|_| DevError::Url)?);
    Ok(client.suggest_nonce(Banner::curl_owner()).await?)
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
