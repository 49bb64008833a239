//! `mortise witness`: runs a witness of transparency logs.
//!
//! What it does not do: speak TLS. Off loopback, put a server that ends TLS in front of it.

use crate::failure::Failure;
use crate::output::Output;
use mortise_client::random_request_id;
use mortise_format::note::{KeyUse, NoteKey};
use mortise_transport::stop_signal;
use mortise_witness::{Folder, KnownLogs, Witness, WitnessSigner, serve};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;

const EXAMPLES: &str = "\
Examples:
  mortise witness key --data-dir w1 --name w1.example
      prints the verifier key, which goes into \"witnesses\" of a genesis
  mortise witness run --data-dir w1 --name w1.example --logs logs.txt
      serves http://127.0.0.1:7380/add-checkpoint; logs.txt has one verifier key per line, as
      `mortise health` shows it while its engine waits for witnesses; changes take effect at once

A witness is a check on a log only where the log's operator is not root.";

/// Flags of `mortise witness`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct WitnessArgs {
    #[command(subcommand)]
    command: WitnessCommand,
}

#[derive(Debug, clap::Subcommand)]
enum WitnessCommand {
    /// Show the verifier key; creates one if the folder has none.
    Key(KeyArgs),
    /// Cosign checkpoints until stopped (SIGINT, SIGTERM).
    Run(RunArgs),
}

#[derive(Debug, clap::Args)]
struct KeyArgs {
    /// Folder with the key and the cosigned checkpoints. Never restore it from an old copy.
    #[arg(long)]
    data_dir: PathBuf,
    /// Name of the witness, usually a DNS name; needed once.
    #[arg(long)]
    name: Option<String>,
}

/// Flags of `mortise witness run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// Where to listen; other machines reach it through a server that ends TLS.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7380")]
    listen: SocketAddr,
    /// Verifier key of a log; repeatable.
    #[arg(long, value_name = "VKEY", value_parser = log_key)]
    log: Vec<NoteKey>,
    /// File with one verifier key per line; read at each request.
    #[arg(long, value_name = "FILE")]
    logs: Option<PathBuf>,
}

fn log_key(text: &str) -> Result<NoteKey, String> {
    NoteKey::parse(KeyUse::Log, text).map_err(|error| error.to_string())
}

/// Runs `mortise witness`.
pub async fn run(args: WitnessArgs, output: &Output) -> Result<(), Failure> {
    match args.command {
        WitnessCommand::Key(args) => {
            let (_, signer) = open(&args)?;
            let text = signer.verifier().to_string();
            output.thing(&json!({"verifierKey": text}), &[("verifierKey", text)]);
            Ok(())
        }
        WitnessCommand::Run(args) => run_witness(args, output).await,
    }
}

fn open(args: &KeyArgs) -> Result<(Folder, WitnessSigner), Failure> {
    let folder = Folder::open(&args.data_dir).map_err(Failure::check)?;
    // random_request_id reads the entropy of the operating system
    let seed = random_request_id().0;
    let signer = folder.key(args.name.as_deref(), &seed).map_err(Failure::check)?;
    Ok((folder, signer))
}

async fn run_witness(args: RunArgs, output: &Output) -> Result<(), Failure> {
    let logs = known_logs(&args)?.count();
    let ready = |url: &str, key: &str| {
        let value = json!({"url": url, "verifierKey": key, "logs": logs});
        output.thing(&value, &[("url", url.to_owned()), ("verifierKey", key.to_owned())]);
    };
    let stop = stop_signal().map_err(Failure::system)?;
    serve_until(args, output, ready, stop).await
}

/// Serves until `stop` resolves; `ready` gets the URL and the verifier key.
///
/// # Errors
/// The folder, the list of logs or the address; what ends the server.
pub async fn serve_until(
    args: RunArgs,
    output: &Output,
    ready: impl FnOnce(&str, &str),
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let (folder, signer) = open(&args.key)?;
    let (heads, _lock) = folder.heads().map_err(Failure::check)?;
    known_logs(&args)?;
    let wrong = |error| Failure::system(format!("cannot listen on {}: {error}", args.listen));
    let listener = TcpListener::bind(args.listen).await.map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?;
    if !address.ip().is_loopback() {
        output.note("warning: this witness serves HTTP without TLS to other machines");
    }
    ready(&format!("http://{address}"), &signer.verifier().to_string());
    // If the file becomes unreadable, the witness knows no log, cosigns nothing and prints why.
    let known = move || {
        known_logs(&args).unwrap_or_else(|failure| {
            eprintln!("witness: {}", failure.text());
            KnownLogs::default()
        })
    };
    let witness = Witness::new(signer, Box::new(heads));
    serve(witness, Box::new(known), listener, stop).await.map_err(Failure::system)
}

/// The logs of the flags and of the current file.
fn known_logs(args: &RunArgs) -> Result<KnownLogs, Failure> {
    let mut logs = KnownLogs::default();
    args.log.iter().for_each(|key| logs.add(key.clone()));
    if let Some(path) = &args.logs {
        logs.extend(KnownLogs::read(path).map_err(Failure::check)?);
    }
    Ok(logs)
}
