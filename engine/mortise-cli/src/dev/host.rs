//! The host process.

use super::notice::{Notice, parent_gone, start_log};
use crate::failure::Failure;
use mortise_host::{Config, Host};
use mortise_transport::Address;
use std::path::PathBuf;

/// Arguments of the hidden `dev-host` subcommand.
#[derive(Debug, Clone, clap::Args)]
pub struct HostArgs {
    /// Folder of the store
    #[arg(long)]
    pub data_dir: PathBuf,
    /// Where the engine reaches the store
    #[arg(long)]
    pub listen_store: Address,
    /// Where the engine takes requests
    #[arg(long)]
    pub engine: Address,
    /// Port of the gateway
    #[arg(long)]
    pub http: u16,
    /// Log level
    #[arg(long)]
    pub log: String,
}

pub(super) async fn run(args: HostArgs) -> Result<(), Failure> {
    start_log(&args.log);
    let config = Config::new(args.data_dir, args.listen_store, args.engine, args.http);
    match Host::start(config).await {
        Ok(host) => {
            let http = format!("http://{}", host.http_address());
            let frames = host.head_at_start().next_seq;
            Notice::HostReady { http, frames }.tell();
            parent_gone().await;
            host.stop().await;
            Ok(())
        }
        Err(error) => {
            Notice::Failed { reason: error.to_string() }.tell();
            Err(Failure::system(error))
        }
    }
}
