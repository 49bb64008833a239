//! `mortise dev`: the whole system on this machine, for development.
//!
//! What it is for: one command starts key service, host and engine as processes of their own -
//! this binary again, with hidden subcommands - on a data folder; prints endpoint, identity,
//! authority, accounts and a curl that works; restarts all when one dies; stops in order.
//!
//! What it does not do: protect anything. The keys of the authority and of the key service lie in
//! files of the data folder.
//!
//! ```text
//! mortise dev --+--> mortise dev-kms      local key service          stdin closed = stop
//!               +--> mortise witness run  three of them, with --witnessed
//!               +--> mortise dev-host     store, gateway, relay, credentials
//!               '--> mortise dev-engine   engine on the software module; tells its way on stdout
//! ```

mod authority;
mod banner;
mod children;
mod engine;
mod folder;
mod host;
mod kms;
mod notice;
mod platform;
mod progress;
mod supervise;
mod witnesses;

pub(crate) use authority::{ACCOUNT, APP_KEY, ENGINE_KEY, REGION, image_policy};
pub(crate) use children::Child;
pub(crate) use engine::EXIT_RESTART;
pub use engine::EngineArgs;
pub(crate) use folder::Folder;
pub use host::HostArgs;
pub use kms::KmsArgs;
pub(crate) use notice::{KmsReady, Notice, parent_gone};
pub(crate) use supervise::interrupted;
pub(crate) use witnesses::{LocalWitnesses, WitnessRoutes, enter as enter_witnesses};

use crate::failure::Failure;
use crate::output::Output;
use std::path::PathBuf;

/// Start the whole system on this machine, for development
///
/// The engine runs as in an enclave: attested by a software security module, its keys unwrapped by
/// a local key service. The keys of both lie in the data folder, and no verifier trusts their root
/// unless told: never trust a commitment of such an engine. All chains are in custody `open`:
/// exclusive against other locks and limits only.
#[derive(Debug, Clone, clap::Args)]
pub struct DevArgs {
    /// Folder for keys, log and sockets; kept, so that a second start replays
    #[arg(long, default_value = ".mortise/dev")]
    pub data_dir: PathBuf,
    /// Port of the HTTP gateway on 127.0.0.1; 0 for any free one
    #[arg(long, env = "PROXY_PORT", default_value_t = 8080)]
    pub http: u16,
    /// Write endpoint, identity and accounts as JSON to this file
    #[arg(long)]
    pub config_out: Option<PathBuf>,
    /// Genesis file for a new data folder; the development genesis when absent
    #[arg(long)]
    pub genesis: Option<PathBuf>,
    /// Found a new folder under three witnesses, of which two must cosign before an answer leaves
    #[arg(long, conflicts_with = "genesis")]
    pub witnessed: bool,
    /// A witness of the genesis that runs elsewhere, and where: "VERIFIER_KEY URL"; repeatable
    #[arg(long, value_name = "KEY URL", requires = "genesis")]
    pub witness: Vec<String>,
    /// Log of both processes on stderr: error, warn, info, debug
    #[arg(long, default_value = "warn")]
    pub log: String,
}

/// Runs `mortise dev` until it is stopped.
///
/// # Errors
/// A file or process of ours that fails, or a child that says that a restart does not help.
pub async fn run(args: DevArgs, output: &Output) -> Result<(), Failure> {
    supervise::run(args, output).await.map_err(Failure::system)
}

/// Runs the hidden `dev-host` process.
///
/// # Errors
/// What it told its parent already.
pub async fn run_host(args: HostArgs) -> Result<(), Failure> {
    host::run(args).await
}

/// Runs the hidden `dev-kms` process.
///
/// # Errors
/// What it told its parent already.
pub async fn run_kms(args: KmsArgs) -> Result<(), Failure> {
    kms::run(args).await
}

/// Runs the hidden `dev-engine` process, in the actix system that the engine needs; returns the
/// exit status.
pub fn run_engine(args: EngineArgs) -> u8 {
    engine::run(args)
}
