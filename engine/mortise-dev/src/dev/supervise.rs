//! Supervises key service, host and engine.

use super::DevArgs;
use super::authority::Authority;
use super::banner::Banner;
use super::children::Child;
use super::engine::EXIT_RESTART;
use super::folder::{Folder, FolderError};
use super::notice::Notice;
use super::progress::Replay;
use super::witnesses::{LocalWitnesses, WitnessRoutes};
use mortise_cli::output::Output;
use mortise_client::{Client, ClientError};
use mortise_format::errors::Code;
use mortise_format::limits::SNAPSHOT_FRAMES;
use mortise_format::nonce::{hour_at, nonce_of};
use std::ffi::OsString;
use std::process::ExitStatus;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};

/// Why the system stopped by itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum DevError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file or process failed.
    #[error("{what}: {error}")]
    Io {
        /// The failed operation.
        what: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// A child failed, and a restart does not help.
    #[error("{0}")]
    Child(String),
    /// The engine did not answer with a nonce.
    #[error("the engine does not answer: {0}")]
    Client(#[from] ClientError),
    /// The address of the gateway does not parse.
    #[error("the gateway's address does not parse")]
    Url,
}

/// Why the processes stopped.
enum End {
    /// The user stopped the system.
    Stopped,
    /// One process died: restart all.
    Restart(&'static str),
}

/// Pause between restarts, so that a restart loop does not load the machine.
const REST: Duration = Duration::from_millis(200);

pub(super) async fn run(args: DevArgs, output: &Output) -> Result<(), DevError> {
    let folder = Folder::open(&args.data_dir)?;
    folder.check_attested()?;
    let authority = Authority::prepare(&folder)?;
    folder.ensure_genesis(args.genesis.as_deref(), args.witnessed, args.reads)?;
    let mut is_first = true;
    loop {
        match round(&args, &folder, &authority, output, is_first).await? {
            End::Stopped => return Ok(()),
            End::Restart(why) => eprintln!("mortise-dev dev: {why}; restarting"),
        }
        is_first = false;
        tokio::time::sleep(REST).await;
    }
}

/// Starts all processes, serves until one dies or the user stops.
async fn round(
    args: &DevArgs,
    folder: &Folder,
    authority: &Authority,
    output: &Output,
    is_first: bool,
) -> Result<End, DevError> {
    let mut kms = start(authority.kms_args(folder, &args.log))?;
    let kms_ready = match kms.notice().await {
        Some(Notice::KmsReady(ready)) => ready,
        Some(Notice::Failed { reason }) => return Err(DevError::Child(reason)),
        _ => return Ok(End::Restart("the key service exited during its start")),
    };
    authority.write_platform(folder, &kms_ready)?;
    let genesis = folder.read_genesis()?;
    let started = LocalWitnesses::start(folder, &genesis).await;
    let mut witnesses = started.map_err(DevError::Child)?;
    let mut host_args = folder.host_args(args.http, &args.log);
    host_args.extend(folder.host_kms_args(&kms_ready));
    let routes = witnesses.routes().and(&args.witness);
    host_args.extend(routes.host_args(folder));
    let mut host = child_of(Child::start_host(&host_args))?;
    let url = match host.notice().await {
        Some(Notice::HostReady { http, .. }) => http,
        Some(Notice::Failed { reason }) => return Err(DevError::Child(reason)),
        _ => return Ok(End::Restart("the host exited during its start")),
    };
    let mut engine_args = folder.attested_engine_args(SNAPSHOT_FRAMES, &args.log);
    engine_args.extend(routes.engine_args(folder));
    if let Some(rules) = args.rules {
        engine_args.extend(["--rules".into(), rules.to_string().into()]);
    }
    let mut engine = start(engine_args)?;
    let id = |child: &Child| child.id().unwrap_or_default();
    eprintln!(
        "key service is process {}, host is process {}, engine is process {}",
        id(&kms),
        id(&host),
        id(&engine)
    );
    if witnesses.count() > 0 {
        eprintln!("{} witnesses on loopback", witnesses.count());
    }
    let shown = BannerContext { args, url: &url, authority, output, routes, is_first };
    let end = tokio::select! {
        end = watch_engine(&mut engine, &shown) => end,
        ended = host.ended() => died(ended, "the host died"),
        ended = kms.ended() => died(ended, "the key service died"),
        ended = witnesses.one_ended() => died(ended, "a witness died"),
        () = interrupted() => Ok(End::Stopped),
    };
    // The engine first: it seals what it acked while the store is still there.
    engine.stop().await;
    host.stop().await;
    witnesses.stop().await;
    kms.stop().await;
    end
}

fn died(ended: std::io::Result<ExitStatus>, what: &'static str) -> Result<End, DevError> {
    let wrong = |error| DevError::Io { what: String::from("waiting for a process"), error };
    ended.map(|_| End::Restart(what)).map_err(wrong)
}

fn start(args: Vec<OsString>) -> Result<Child, DevError> {
    child_of(Child::start(&args))
}

fn child_of(child: std::io::Result<Child>) -> Result<Child, DevError> {
    let what = || String::from("cannot start a child process");
    child.map_err(|error| DevError::Io { what: what(), error })
}

/// The inputs of the banner, and where to print it.
struct BannerContext<'a> {
    args: &'a DevArgs,
    url: &'a str,
    authority: &'a Authority,
    output: &'a Output,
    routes: WitnessRoutes,
    is_first: bool,
}

async fn watch_engine(engine: &mut Child, shown: &BannerContext<'_>) -> Result<End, DevError> {
    let mut replay = Replay::default();
    while let Some(notice) = engine.notice().await {
        match notice {
            Notice::Replaying { done, total } => replay.at(done, total),
            Notice::EngineReady { engine_id, address, epoch, chains } => {
                replay.finish();
                let next = (next_nonce(shown.url).await?, now_s());
                let identity = (engine_id, address, epoch);
                let trust = shown.authority.clone();
                let banner = Banner::new(shown.url.to_owned(), identity, chains, trust, next);
                show(&banner, shown)?;
            }
            Notice::Failed { reason } => {
                let status = engine.ended().await;
                let code = status.ok().and_then(|status| status.code());
                if code == Some(i32::from(EXIT_RESTART)) {
                    eprintln!("mortise-dev dev: {reason}");
                    return Ok(End::Restart("the engine stopped by a fault"));
                }
                return Err(DevError::Child(reason));
            }
            Notice::HostReady { .. } | Notice::KmsReady(_) | Notice::WitnessReady { .. } => {}
            Notice::Witnessing { log_key } => {
                let what = || String::from("the logs that witnesses know");
                let known = shown.routes.know(&log_key);
                known.map_err(|error| DevError::Io { what: what(), error })?;
            }
        }
    }
    Ok(End::Restart("the engine died"))
}

fn show(banner: &Banner, shown: &BannerContext<'_>) -> Result<(), DevError> {
    if let Some(path) = &shown.args.config_out {
        let config = serde_json::to_string_pretty(banner).expect("the banner has text keys only");
        let what = || format!("cannot write {}", path.display());
        std::fs::write(path, format!("{config}\n"))
            .map_err(|error| DevError::Io { what: what(), error })?;
    }
    if let Some(path) = &shown.args.anchors_out {
        let what = || format!("cannot write {}", path.display());
        std::fs::write(path, banner.anchors())
            .map_err(|error| DevError::Io { what: what(), error })?;
    }
    match shown.is_first {
        true => shown.output.text(banner, &banner.text()),
        false => shown.output.text(banner, &format!("ready again, epoch {}\n", banner.epoch)),
    }
    Ok(())
}

async fn next_nonce(url: &str) -> Result<u64, DevError> {
    let client = Client::new(url.parse().map_err(|_| DevError::Url)?);
    match client.suggest_nonce(Banner::curl_owner()).await {
        // Where reads are for parties, only the owner is told. The first of the hour may be free.
        Err(error) if error.code() == Some(Code::Unauthorized) => Ok(nonce_of(hour_at(now_s()), 0)),
        nonce => Ok(nonce?),
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Resolves at Ctrl-C or SIGTERM.
pub(crate) async fn interrupted() {
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
