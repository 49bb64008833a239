//! `mortise-host run`: from flags to a configuration, and the process around the host.

use super::enclave_addresses::EnclaveAddresses;
use super::fail;
use clap::{Args, ValueEnum};
use mortise_host::store::{OpenError, suspect_index_at_panic};
use mortise_host::{
    AccessConfig, AllowList, Config, CredentialsSource, Destination, KeyServiceConfig, Network,
};
use mortise_host::{HostError, run};
use mortise_host::{WitnessConfig, WitnessPlace};
use mortise_transport::stop_signal;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

/// There is too little room to open the store. The status of `EX_CANTCREAT`.
const DISK_FULL: u8 = 73;
/// A write or a sync of the store failed. The status of `EX_IOERR`.
const STORE_POISONED: u8 = 74;

/// What `run` takes.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The folder of the store; made if it does not exist.
    #[arg(long)]
    data_dir: PathBuf,
    #[command(flatten)]
    addresses: EnclaveAddresses,
    /// Where the HTTP gateway listens; without it, 127.0.0.1 at the port below.
    #[arg(long, value_name = "IP:PORT")]
    http: Option<SocketAddr>,
    /// The gateway's port on 127.0.0.1.
    #[arg(long, env = "PROXY_PORT", default_value_t = 8080)]
    proxy_port: u16,
    /// Where the metrics are served, alone. Without it a gateway on loopback serves them too.
    #[arg(long, value_name = "IP:PORT")]
    metrics: Option<SocketAddr>,
    /// A name in the Host header that a gateway on loopback accepts besides localhost and loopback
    /// addresses: what a TLS terminator in front of it passes on. Repeatable.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// An origin of web pages that may call, such as https://app.example; * for all. By default all
    /// on a public address, and those of this machine on loopback. Repeatable.
    #[arg(long, value_name = "ORIGIN")]
    cors_origin: Vec<String>,
    /// A proxy in front of the gateway, such as 10.0.0.0/8: its PROXY v2 header and the last hop of
    /// its X-Forwarded-For that is no such proxy tell callers apart. Repeatable. Without it neither
    /// is read, and all callers behind a proxy have one share of the engine.
    #[arg(long, value_name = "CIDR")]
    trusted_proxy: Vec<Network>,
    #[command(flatten)]
    key_service: KeyServiceArgs,
    /// A witness and where it takes add-checkpoint: "VERIFIER_KEY http://HOST:PORT/PREFIX"; once
    /// for each witness of the policy. For https, forward a local port with what ends TLS.
    #[arg(long, value_name = "KEY URL")]
    witness: Vec<WitnessPlace>,
    /// How log lines are written to stderr.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log: LogFormat,
}

/// The enclave's way to the key service. Amazon's vsock-proxy works in place of the relay.
#[derive(Debug, Args)]
struct KeyServiceArgs {
    /// Relay bytes of the enclave to the key service of this AWS region, and push credentials.
    #[arg(long, env = "AWS_REGION", value_name = "REGION")]
    kms_region: Option<String>,
    /// Relay to this address instead; it must be allowed by --kms-allow.
    #[arg(long, value_name = "HOST:PORT")]
    kms_to: Option<Destination>,
    /// Addresses that the relay may connect to, besides the key service of the region.
    #[arg(long, value_name = "HOST:PORT")]
    kms_allow: Vec<Destination>,
    /// Where credentials come from: imds, imds=IP:PORT, env or file=PATH.
    #[arg(long, value_name = "SOURCE", default_value = "imds")]
    credentials: CredentialsSource,
}

impl KeyServiceArgs {
    fn config(
        self,
        addresses: &EnclaveAddresses,
    ) -> Result<Option<KeyServiceConfig>, Box<dyn std::error::Error>> {
        let of_region = self.kms_region.as_deref().map(Destination::kms_of).transpose()?;
        let Some(to) = self.kms_to.or_else(|| of_region.clone()) else { return Ok(None) };
        Ok(Some(KeyServiceConfig {
            listen_relay: addresses.relay(),
            to,
            allowed: AllowList::new(self.kms_allow.into_iter().chain(of_region).collect()),
            listen_credentials: addresses.credentials(),
            source: self.credentials,
        }))
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Runs a host until it is told to stop.
pub fn run_host(args: RunArgs) -> ExitCode {
    start_log(args.log);
    let addresses = &args.addresses;
    let mut config =
        Config::new(args.data_dir, addresses.store(), addresses.engine(), args.proxy_port);
    config.http = args.http.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, args.proxy_port)));
    let hosts = args.allow_host.iter().map(|name| name.to_ascii_lowercase()).collect();
    let (origins, trusted_proxies) = (args.cors_origin, args.trusted_proxy);
    config.access = AccessConfig { hosts, origins, trusted_proxies };
    config.metrics = args.metrics;
    config.diagnostics = addresses.diagnostics();
    config.heartbeat = addresses.heartbeat();
    config.key_service = match args.key_service.config(addresses) {
        Ok(way) => way,
        Err(error) => return fail(&*error),
    };
    if !args.witness.is_empty() {
        config.witnesses =
            Some(WitnessConfig { listen: addresses.witness(), places: args.witness });
    }
    if !config.http.ip().is_loopback() {
        tracing::warn!(http = %config.http, "the gateway is open to other machines");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    suspect_index_at_panic(&config.data_dir, i32::from(STORE_POISONED));
    let ended = runtime.block_on(run_to_the_end(config));
    // A thread that waits for a disk without an answer must not keep the process.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            fail(&*error);
            ExitCode::from(status_of(&*error))
        }
    }
}

async fn run_to_the_end(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    run(config, stop_signal()?).await?;
    Ok(())
}

/// The exit status of a failure that has a name, else 1.
fn status_of(error: &(dyn std::error::Error + 'static)) -> u8 {
    match error.downcast_ref::<HostError>() {
        Some(HostError::Store(OpenError::DiskFull { .. })) => DISK_FULL,
        Some(HostError::StorePoisoned) => STORE_POISONED,
        _ => 1,
    }
}

fn start_log(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
