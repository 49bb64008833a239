//! The engine process.

use super::notice::{Notice, parent_gone, start_log};
use super::platform::{Platform, unattested};
use mortise_engine::keyring::Identity;
use mortise_engine::phase::Bounds;
use mortise_engine::server::{self, Config, Observer, Ports};
use mortise_engine::witness::RemoteWitnesses;
use mortise_format::genesis::Genesis;
use mortise_format::limits::SNAPSHOT_FRAMES;
use mortise_format::rules::RuleSet;
use mortise_rpc::genesis;
use mortise_transport::Address;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Arguments of the hidden `dev-engine` subcommand.
#[derive(Debug, Clone, clap::Args)]
pub struct EngineArgs {
    /// Address for requests
    #[arg(long)]
    pub listen: Address,
    /// Address of the store
    #[arg(long)]
    pub store: Address,
    /// File that names security module and key service
    #[arg(long, required_unless_present = "vault")]
    pub platform: Option<PathBuf>,
    /// File of a software vault; without attestation
    #[arg(long, conflicts_with = "platform")]
    pub vault: Option<PathBuf>,
    /// Address of the witness proxy
    #[arg(long)]
    pub witness: Option<Address>,
    /// Genesis file
    #[arg(long)]
    pub genesis: PathBuf,
    /// Frames between two snapshots
    #[arg(long, default_value_t = SNAPSHOT_FRAMES)]
    pub snapshot_frames: u64,
    /// Rules from this start on
    #[arg(long)]
    pub rules: Option<u16>,
    /// Log level
    #[arg(long)]
    pub log: String,
}

/// Exit status if a restart may help.
pub(crate) const EXIT_RESTART: u8 = 75;

pub(super) fn run(args: EngineArgs) -> u8 {
    start_log(&args.log);
    actix::System::new().block_on(serve(args))
}

async fn serve(args: EngineArgs) -> u8 {
    let (config, ports) = match compose(&args) {
        Ok(composed) => composed,
        Err(reason) => {
            Notice::Failed { reason }.print();
            return 1;
        }
    };
    let observer = Arc::new(NoticeObserver::default());
    match server::run(config, ports, observer, parent_gone()).await {
        Ok(()) => 0,
        Err(error) => {
            Notice::Failed { reason: error.to_string() }.print();
            if error.is_worth_a_restart() { EXIT_RESTART } else { 1 }
        }
    }
}

fn compose(args: &EngineArgs) -> Result<(Config, Ports), String> {
    let ports = match (&args.platform, &args.vault) {
        (Some(platform), _) => Platform::read(platform).and_then(|platform| platform.ports()),
        (None, Some(vault)) => unattested(vault),
        (None, None) => Err("neither --platform nor --vault".into()),
    };
    let mut ports = ports.map_err(|error| error.to_string())?;
    ports.witnesses = args.witness.clone().map(|at| Arc::new(RemoteWitnesses(at)) as Arc<_>);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let config = Config {
        listen: args.listen.clone(),
        store: args.store.clone(),
        genesis: Some(read_genesis(&args.genesis)?),
        bounds: Bounds::default(),
        snapshot_frames: args.snapshot_frames,
        rules: args.rules.map(RuleSet),
        crypto_threads: threads,
        app: mortise_engine::app::AppConfig::default(),
    };
    Ok((config, ports))
}

fn read_genesis(path: &Path) -> Result<Genesis, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the genesis {}: {error}", path.display()))?;
    genesis::parse(&text).map_err(|error| format!("the genesis {}: {error}", path.display()))
}

/// Sends notices to the parent; limits those about the progress of a replay.
#[derive(Debug, Default)]
struct NoticeObserver {
    last: Mutex<Option<Instant>>,
}

/// Minimum time between two notices of a replay.
const NOTICE_EVERY: Duration = Duration::from_millis(50);

impl Observer for NoticeObserver {
    fn replaying(&self, done: u64, total: u64) {
        let mut last = self.last.lock().expect("no holder of the time panics");
        if done < total && last.is_some_and(|at| at.elapsed() < NOTICE_EVERY) {
            return;
        }
        *last = Some(Instant::now());
        Notice::Replaying { done, total }.print();
    }

    fn witnessing(&self, log_key: &str) {
        Notice::Witnessing { log_key: log_key.to_owned() }.print();
    }

    fn ready(&self, identity: &Identity, epoch: u64) {
        Notice::EngineReady {
            engine_id: identity.engine_id,
            address: identity.signer.address(),
            epoch,
            chains: identity.genesis.policy.chains.iter().map(|c| c.chain_id).collect(),
        }
        .print();
    }
}
