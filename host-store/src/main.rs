//! `mortise-host`: runs on the parent of the enclave.
//!
//! Exit status: 0 done or good; 1 the host failed, or a frame is bad; 2 usage, or no log to read.

use clap::{Args, Parser, Subcommand, ValueEnum};
use mortise_host::verify::{Fault, Summary, VerifyError, verify};
use mortise_host::{AllowList, Config, CredentialsSource, Destination, KeyServiceConfig, run};
use mortise_host::{WitnessConfig, WitnessPlace};
use mortise_transport::{Address, VSOCK_CID_ANY};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Where the enclave finds the store when nothing else is said.
const STORE: Address = Address::Vsock { cid: VSOCK_CID_ANY, port: 5001 };

/// Where the enclave finds the relay to the key service, and credentials for it.
const RELAY: Address = Address::Vsock { cid: VSOCK_CID_ANY, port: 8000 };
const CREDENTIALS: Address = Address::Vsock { cid: VSOCK_CID_ANY, port: 5003 };

/// Where the enclave hands requests to witnesses over.
const WITNESS: Address = Address::Vsock { cid: VSOCK_CID_ANY, port: 5004 };

/// Nothing was judged: the folder is wrong or cannot be read.
const UNREADABLE: u8 = 2;

/// Keeps a Mortise engine's sealed log and relays HTTP requests to it.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the log store to the enclave and the HTTP gateway to this machine.
    Run(RunArgs),
    /// Check the stored log: digests, chain, order. Frames stay sealed: it cannot read them.
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The folder of the store; made if it does not exist.
    #[arg(long)]
    data_dir: PathBuf,
    /// Where the enclave reaches the store: unix:PATH or vsock:CID:PORT.
    #[arg(long, value_name = "ADDR", default_value_t = STORE)]
    listen_store: Address,
    /// Where the engine takes requests; without it, vsock at the CID and port below.
    #[arg(long, value_name = "ADDR")]
    engine: Option<Address>,
    /// The CID of the enclave.
    #[arg(long, env = "ENCLAVE_CID", default_value_t = 16)]
    enclave_cid: u32,
    /// The enclave's port for requests.
    #[arg(long, env = "ENCLAVE_PORT", default_value_t = 5000)]
    enclave_port: u32,
    /// Where the HTTP gateway listens; without it, 127.0.0.1 at the port below.
    #[arg(long, value_name = "IP:PORT")]
    http: Option<SocketAddr>,
    /// The gateway's port on 127.0.0.1.
    #[arg(long, env = "PROXY_PORT", default_value_t = 8080)]
    proxy_port: u16,
    #[command(flatten)]
    key_service: KeyServiceArgs,
    #[command(flatten)]
    witnesses: WitnessArgs,
    /// How log lines are written to stderr.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log: LogFormat,
}

/// The enclave's way to witnesses of the log.
#[derive(Debug, Args)]
struct WitnessArgs {
    /// A witness and where it takes add-checkpoint: "VERIFIER_KEY http://HOST:PORT/PREFIX"; once
    /// for each witness of the policy. For https, forward a local port with what ends TLS.
    #[arg(long, value_name = "KEY URL")]
    witness: Vec<WitnessPlace>,
    /// Where the enclave hands requests to witnesses over: unix:PATH or vsock:CID:PORT.
    #[arg(long, value_name = "ADDR", default_value_t = WITNESS)]
    listen_witness: Address,
}

impl WitnessArgs {
    fn config(self) -> Option<WitnessConfig> {
        let way = WitnessConfig { listen: self.listen_witness, places: self.witness };
        (!way.places.is_empty()).then_some(way)
    }
}

/// The enclave's way to the key service. Amazon's vsock-proxy works in place of the relay.
#[derive(Debug, Args)]
struct KeyServiceArgs {
    /// Relay bytes of the enclave to the key service of this AWS region, and push credentials.
    #[arg(long, env = "AWS_REGION", value_name = "REGION")]
    kms_region: Option<String>,
    /// Relay to this place instead; it must be allowed by --kms-allow.
    #[arg(long, value_name = "HOST:PORT")]
    kms_to: Option<Destination>,
    /// Places that the relay may connect to, besides the key service of the region.
    #[arg(long, value_name = "HOST:PORT")]
    kms_allow: Vec<Destination>,
    /// Where the enclave reaches the relay: unix:PATH or vsock:CID:PORT.
    #[arg(long, value_name = "ADDR", default_value_t = RELAY)]
    listen_kms: Address,
    /// Where the enclave gets credentials: unix:PATH or vsock:CID:PORT.
    #[arg(long, value_name = "ADDR", default_value_t = CREDENTIALS)]
    listen_credentials: Address,
    /// Where credentials come from: imds, imds=IP:PORT, env or file=PATH.
    #[arg(long, value_name = "SOURCE", default_value = "imds")]
    credentials: CredentialsSource,
}

impl KeyServiceArgs {
    fn config(self) -> Result<Option<KeyServiceConfig>, Box<dyn std::error::Error>> {
        let of_region = self.kms_region.as_deref().map(Destination::kms_of).transpose()?;
        let Some(to) = self.kms_to.or_else(|| of_region.clone()) else { return Ok(None) };
        Ok(Some(KeyServiceConfig {
            listen_relay: self.listen_kms,
            to,
            allowed: AllowList::new(self.kms_allow.into_iter().chain(of_region).collect()),
            listen_credentials: self.listen_credentials,
            source: self.credentials,
        }))
    }
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// The folder of the store.
    #[arg(long)]
    data_dir: PathBuf,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run_host(args),
        Command::Verify(args) => verify_log(&args),
    }
}

fn run_host(args: RunArgs) -> ExitCode {
    start_log(args.log);
    let engine =
        args.engine.unwrap_or(Address::Vsock { cid: args.enclave_cid, port: args.enclave_port });
    let mut config = Config::new(args.data_dir, args.listen_store, engine, args.proxy_port);
    config.http = args.http.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, args.proxy_port)));
    config.key_service = match args.key_service.config() {
        Ok(way) => way,
        Err(error) => return fail(&*error),
    };
    config.witnesses = args.witnesses.config();
    if !config.http.ip().is_loopback() {
        tracing::warn!(http = %config.http, "the gateway is open to other machines");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(run_to_the_end(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&*error),
    }
}

async fn run_to_the_end(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    run(config, told_to_stop()?).await?;
    Ok(())
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

/// Ends at SIGINT or SIGTERM. Both are caught from the moment this returns.
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("mortise-host: {error}");
    ExitCode::FAILURE
}

fn verify_log(args: &VerifyArgs) -> ExitCode {
    let result = verify(&args.data_dir, |frames, segments, of| {
        eprintln!("checked {frames} frames, {segments} of {of} segments");
    });
    if args.json {
        println!("{}", verify_json(&args.data_dir, &result));
    } else {
        verify_text(&result);
    }
    match result {
        Ok(_) => ExitCode::SUCCESS,
        Err(VerifyError::Frame { .. }) => ExitCode::FAILURE,
        Err(_) => ExitCode::from(UNREADABLE),
    }
}

fn verify_json(data_dir: &Path, result: &Result<Summary, VerifyError>) -> serde_json::Value {
    let common = serde_json::json!({ "dataDir": data_dir, "framesAreSealed": true });
    let serde_json::Value::Object(mut object) = common else { return common };
    let specific = match result {
        Ok(s) => serde_json::json!({
            "ok": true,
            "engineId": s.engine_id.map(|id| id.to_string()),
            "frames": s.frames,
            "boots": s.boots,
            "events": s.events,
            "bytes": s.bytes,
            "segments": s.segments,
            "epoch": s.epoch,
            "firstTimeMs": s.first_time_ms,
            "lastTimeMs": s.last_time_ms,
            "digest": s.digest.to_string(),
            "inUse": s.in_use,
        }),
        Err(VerifyError::Frame { seq, fault }) => {
            serde_json::json!({ "ok": false, "frame": seq, "fault": fault.to_string() })
        }
        Err(error) => serde_json::json!({ "ok": false, "error": error.to_string() }),
    };
    if let serde_json::Value::Object(specific) = specific {
        object.extend(specific);
    }
    object.into()
}

fn verify_text(result: &Result<Summary, VerifyError>) {
    match result {
        Ok(s) => {
            println!("good: {} frames, {} boots, {} events", s.frames, s.boots, s.events);
            if let Some(engine_id) = s.engine_id {
                println!("engine {engine_id}, epoch {}", s.epoch);
                println!("last frame {}, digest {}", s.frames - 1, s.digest);
            }
            println!("{} bytes of frames in {} segments", s.bytes, s.segments);
            println!("checked: digests, chain, engine, time, epochs. The frames are sealed: what");
            println!("they say and who made them takes a content key (mortise audit).");
            if s.in_use {
                println!("a host has the folder open; frames that it writes now are not included");
            }
        }
        Err(VerifyError::Frame { seq, fault }) => {
            println!("bad: frame {seq}: {fault}");
            println!("all frames before it are good");
            if matches!(fault, Fault::Record(_)) {
                eprintln!(
                    "if the machine lost power while it wrote this frame, start the host once: it \
                     removes a torn write that it never acknowledged, and refuses any other damage"
                );
            }
        }
        Err(error) => println!("bad: {error}"),
    }
}
