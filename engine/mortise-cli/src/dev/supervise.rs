//! Watching over host and engine.

use super::DevArgs;
use super::banner::Banner;
use super::children::Child;
use super::engine::EXIT_RESTART;
use super::notice::Notice;
use super::progress::Replay;
use crate::output::Output;
use mortise_client::{Client, ClientError};
use mortise_format::ids::Bytes32;
use mortise_format::wire::genesis;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};

/// Why the system ended otherwise than by being stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum DevError {
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
    /// Socket paths have 108 bytes.
    #[error("the path {0} is too long for a unix socket: choose a shorter --data-dir")]
    LongPath(PathBuf),
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

/// Files of a data folder.
struct Folder {
    root: PathBuf,
}

impl Folder {
    fn open(root: &Path) -> Result<Self, DevError> {
        let io = |what: &str| {
            let what = format!("{what} {}", root.display());
            move |error| DevError::Io { what, error }
        };
        std::fs::create_dir_all(root).map_err(io("cannot make the folder"))?;
        let root = root.canonicalize().map_err(io("cannot find the folder"))?;
        let folder = Self { root };
        match folder.engine_socket().as_os_str().len() {
            0..SOCKET_PATH_MAX => Ok(folder),
            _ => Err(DevError::LongPath(folder.engine_socket())),
        }
    }

    fn engine_socket(&self) -> PathBuf {
        self.root.join("engine.sock")
    }

    fn store_socket(&self) -> PathBuf {
        self.root.join("store.sock")
    }

    fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    /// Writes the genesis of a new folder: the given one, or the development one with a fresh
    /// salt. An existing one is kept; the engine refuses a given one that differs.
    fn ensure_genesis(&self, given: Option<&Path>) -> Result<(), DevError> {
        let path = self.genesis();
        let io = |error| DevError::Io { what: format!("the genesis {}", path.display()), error };
        let text = match given {
            Some(given) => std::fs::read_to_string(given).map_err(io)?,
            None if path.exists() => return Ok(()),
            None => {
                let salt = mortise_client::random_request_id();
                genesis::print(&genesis::dev(Bytes32(salt.0)))
            }
        };
        std::fs::write(&path, text).map_err(io)
    }
}

/// `sun_path` holds 108 bytes with the final zero.
const SOCKET_PATH_MAX: usize = 107;
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
    let mut host = start(host_args(args, folder))?;
    let url = match host.notice().await {
        Some(Notice::HostReady { http, .. }) => http,
        Some(Notice::Failed { reason }) => return Err(DevError::Child(reason)),
        _ => return Ok(End::Restart("the host died while starting")),
    };
    let mut engine = start(engine_args(args, folder))?;
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
            Notice::HostReady { .. } => {}
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

fn unix(path: &Path) -> OsString {
    let mut address = OsString::from("unix:");
    address.push(path);
    address
}

fn host_args(args: &DevArgs, folder: &Folder) -> Vec<OsString> {
    vec![
        "dev-host".into(),
        "--data-dir".into(),
        folder.root.join("store").into(),
        "--listen-store".into(),
        unix(&folder.store_socket()),
        "--engine".into(),
        unix(&folder.engine_socket()),
        "--http".into(),
        args.http.to_string().into(),
        "--log".into(),
        args.log.clone().into(),
    ]
}

fn engine_args(args: &DevArgs, folder: &Folder) -> Vec<OsString> {
    vec![
        "dev-engine".into(),
        "--listen".into(),
        unix(&folder.engine_socket()),
        "--store".into(),
        unix(&folder.store_socket()),
        "--vault".into(),
        folder.root.join("vault.key").into(),
        "--genesis".into(),
        folder.genesis().into(),
        "--log".into(),
        args.log.clone().into(),
    ]
}
