//! `mortise-dev dev`: a complete local system.
//!
//! What it is for: one command starts key service, host and engine as processes of their own (this
//! binary again, with hidden subcommands) on a data folder. It prints the endpoint, the engine's
//! identity, its trust anchors, test accounts and a sample curl; restarts all processes if one
//! dies; stops them in order.
//!
//! What it does not do: protect anything. The keys of the authority and of the key service are in
//! files of the data folder.
//!
//! ```text
//! mortise-dev dev --+--> dev-kms      local key service           stdin closed = stop
//!                   +--> dev-witness  three of them, with --witnessed
//!                   +--> dev-host     store, gateway, relay, credentials
//!                   '--> dev-engine   engine on the software module; notices on stdout
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

pub(crate) use authority::{ACCOUNT, APP_KEY, Authority, ENGINE_KEY, REGION, image_policy};
pub(crate) use children::Child;
pub(crate) use engine::EXIT_RESTART;
pub use engine::EngineArgs;
pub(crate) use folder::Folder;
pub use host::HostArgs;
pub use kms::KmsArgs;
pub(crate) use notice::{KmsReady, Notice, parent_gone};
pub(crate) use supervise::interrupted;
pub(crate) use witnesses::{LocalWitnesses, QUORUM, WitnessRoutes, enter as enter_witnesses};

use mortise_cli::failure::Failure;
use mortise_cli::output::Output;
use mortise_cli::witness::RunArgs;
use mortise_format::policy::Reads;
use std::path::PathBuf;

/// Run a complete local system
///
/// The engine runs as in an enclave: a software security module attests it, and a local key service
/// unwraps its keys. The keys of both are in the data folder, and no verifier trusts their root by
/// default: never trust a commitment of this engine. All chains are in custody `open`: locks
/// exclude only each other.
#[derive(Debug, Clone, clap::Args)]
pub struct DevArgs {
    /// Folder for keys, log and sockets; kept, so that the next start replays
    #[arg(long, default_value = ".mortise/dev")]
    pub data_dir: PathBuf,
    /// Port of the HTTP gateway on 127.0.0.1; 0 for any free one
    #[arg(long, env = "PROXY_PORT", default_value_t = 8080)]
    pub http: u16,
    /// Write endpoint, identity and accounts as JSON to this file
    #[arg(long)]
    pub config_out: Option<PathBuf>,
    /// Write the trust anchors of the engine (TOML) to this file, for --anchors of `mortise`
    #[arg(long, value_name = "FILE")]
    pub anchors_out: Option<PathBuf>,
    /// Genesis file for a new data folder; the development genesis by default
    #[arg(long)]
    pub genesis: Option<PathBuf>,
    /// Create a new folder with three witnesses, two of which must cosign before an answer leaves
    #[arg(long, conflicts_with = "genesis")]
    pub witnessed: bool,
    /// Who may read the state of a new folder: public, or parties
    #[arg(long, default_value = "public", value_parser = reads, conflicts_with = "genesis")]
    pub reads: Reads,
    /// A witness of the genesis that runs elsewhere: "VERIFIER_KEY URL"; repeatable
    #[arg(long, value_name = "KEY URL", requires = "genesis")]
    pub witness: Vec<String>,
    /// Rule set from this start on, at least the one of the last start: see rules in `mortise
    /// approval show`. A new folder takes the newest, an old one keeps its own
    #[arg(long, value_name = "N")]
    pub rules: Option<u16>,
    /// Log level on stderr: error, warn, info, debug
    #[arg(long, default_value = "warn")]
    pub log: String,
}

fn reads(name: &str) -> Result<Reads, String> {
    let named = Reads::ALL.into_iter().find(|reads| reads.name() == name);
    named.ok_or_else(|| "use public or parties".to_owned())
}

/// Runs `mortise-dev dev` until it is stopped.
///
/// # Errors
/// A file or process that fails, or a child that reports that a restart does not help.
pub async fn run(args: DevArgs, output: &Output) -> Result<(), Failure> {
    supervise::run(args, output).await.map_err(Failure::system)
}

/// Runs the hidden `dev-host` process.
///
/// # Errors
/// What it already reported to its parent.
pub async fn run_host(args: HostArgs) -> Result<(), Failure> {
    host::run(args).await
}

/// Runs the hidden `dev-witness` process: a witness that stops with its parent.
///
/// # Errors
/// Its folder, its logs or its address.
pub async fn run_witness(args: RunArgs, output: &Output) -> Result<(), Failure> {
    let ready = |url: &str, verifier_key: &str| {
        let (url, verifier_key) = (url.to_owned(), verifier_key.to_owned());
        Notice::WitnessReady { url, verifier_key }.print();
    };
    mortise_cli::witness::serve_until(args, output, ready, parent_gone()).await
}

/// Runs the hidden `dev-kms` process.
///
/// # Errors
/// What it already reported to its parent.
pub async fn run_kms(args: KmsArgs) -> Result<(), Failure> {
    kms::run(args).await
}

/// Runs the hidden `dev-engine` process, in the actix system that the engine needs; returns the
/// exit status.
pub fn run_engine(args: EngineArgs) -> u8 {
    engine::run(args)
}
