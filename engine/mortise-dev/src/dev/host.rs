//! The host process.

use super::notice::{Notice, parent_gone, start_log};
use mortise_cli::failure::Failure;
use mortise_host::{AllowList, Config, CredentialsSource, Destination, Host, KeyServiceConfig};
use mortise_host::{WitnessConfig, WitnessPlace};
use mortise_transport::Address;
use std::path::PathBuf;

/// Arguments of the hidden `dev-host` subcommand.
#[derive(Debug, Clone, clap::Args)]
pub struct HostArgs {
    /// Folder of the store
    #[arg(long)]
    pub data_dir: PathBuf,
    /// Address of the store for the engine
    #[arg(long)]
    pub listen_store: Address,
    /// Address of the engine
    #[arg(long)]
    pub engine: Address,
    /// Port of the gateway
    #[arg(long)]
    pub http: u16,
    /// Target of the relay: the local key service
    #[arg(long, requires_all = ["listen_kms", "listen_credentials", "credentials"])]
    pub kms: Option<Destination>,
    /// Address of the relay for the engine
    #[arg(long)]
    pub listen_kms: Option<Address>,
    /// Address of the credentials for the engine
    #[arg(long)]
    pub listen_credentials: Option<Address>,
    /// Source of the credentials
    #[arg(long)]
    pub credentials: Option<CredentialsSource>,
    /// A witness and its address: "VERIFIER_KEY URL"; repeatable
    #[arg(long, value_name = "KEY URL", requires = "listen_witness")]
    pub witness: Vec<WitnessPlace>,
    /// Address of the witness proxy for the engine
    #[arg(long)]
    pub listen_witness: Option<Address>,
    /// Address for log lines of the enclave
    #[arg(long)]
    pub listen_diagnostics: Option<Address>,
    /// Address for the heartbeat of its init
    #[arg(long)]
    pub listen_heartbeat: Option<Address>,
    /// Log level
    #[arg(long)]
    pub log: String,
}

impl HostArgs {
    fn key_service(&self) -> Option<KeyServiceConfig> {
        let to = self.kms.clone()?;
        Some(KeyServiceConfig {
            listen_relay: self.listen_kms.clone()?,
            allowed: AllowList::new(vec![to.clone()]),
            to,
            listen_credentials: self.listen_credentials.clone()?,
            source: self.credentials.clone()?,
        })
    }
}

pub(super) async fn run(args: HostArgs) -> Result<(), Failure> {
    start_log(&args.log);
    let key_service = args.key_service();
    let listen_witness = args.listen_witness.clone().filter(|_| !args.witness.is_empty());
    let witnesses =
        listen_witness.map(|listen| WitnessConfig { listen, places: args.witness.clone() });
    let mut config = Config::new(args.data_dir, args.listen_store, args.engine, args.http);
    config.diagnostics = args.listen_diagnostics;
    config.heartbeat = args.listen_heartbeat;
    config.key_service = key_service;
    config.witnesses = witnesses;
    match Host::start(config).await {
        Ok(host) => {
            let http = format!("http://{}", host.http_address());
            let frames = host.head_at_start().next_seq;
            Notice::HostReady { http, frames }.print();
            parent_gone().await;
            host.stop().await;
            Ok(())
        }
        Err(error) => {
            Notice::Failed { reason: error.to_string() }.print();
            Err(Failure::system(error))
        }
    }
}
