//! `mortise reader`: rights to read the log, and the keys that a reader gets (`specs/reading.md`).
//!
//! What it does not do: keep released keys anywhere but in the named file (mode 0600), or read the
//! log: `mortise audit` does.

use crate::connection::ConnectionArgs;
use crate::failure::Failure;
use crate::key;
use crate::output::Output;
use crate::session::Session;
use crate::time::seconds_and_utc;
use clap::{Args, Subcommand};
use mortise_audit::AuditKeys;
use mortise_client::{Reader, Signer, random_request_id};
use mortise_format::eip712::Request;
use mortise_format::ids::{Bytes32, EngineId, RequestId, Signature, to_checksum};
use mortise_format::reading::ReadingGrant;
use mortise_format::release::ReleasedEpochs;
use mortise_rpc::params::GrantReading;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const EXAMPLES: &str = "\
Examples:
  mortise reader new --out reader.key           writes the key, prints the public key
  mortise reader grant --reader 0x... --from-epoch 1 --to-epoch 0 --operator a.key --operator b.key
  mortise reader sign --reader 0x... --from-epoch 1 --to-epoch 0 --engine-id 0x... --key a.key
      signs on a machine without a connection; its output has requestId and validUntil:
  mortise reader grant --reader 0x... --from-epoch 1 --to-epoch 0 --request-id 0x... \\
      --valid-until TIME --signature 0x... --signature 0x...
  mortise reader keys --key reader.key --out audit-keys.json
  mortise audit engine.log --keys audit-keys.json

A right cannot be revoked: the reader knows the keys that it has read.";

/// Flags of `mortise reader`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReaderArgs {
    #[command(subcommand)]
    command: ReaderCommand,
}

#[derive(Debug, Subcommand)]
enum ReaderCommand {
    /// Make an X25519 key of a reader.
    New {
        /// Write it to this file, which must not exist (mode 0600).
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Sign a reading right as an operator, and send nothing.
    ///
    /// With --engine-id it does not connect.
    Sign(SignArgs),
    /// Grant a reading right with the signatures of enough operators.
    Grant(GrantArgs),
    /// Fetch the keys that a reader was granted and write a key file for audits.
    Keys(KeysArgs),
}

#[derive(Debug, Args)]
struct KeysArgs {
    /// Write it to this file, which must not exist (mode 0600).
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The right.
#[derive(Debug, Args)]
struct RightArgs {
    /// X25519 public key of the reader, as `mortise reader new` prints it.
    #[arg(long, value_name = "BYTES32")]
    reader: Bytes32,

    /// First epoch, from 1.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    from_epoch: u64,

    /// Last epoch; 0 for all later epochs, future ones included.
    #[arg(long)]
    to_epoch: u64,

    /// Idempotency key of the grant; random by default.
    #[arg(long, value_name = "BYTES32", requires = "valid_until")]
    request_id: Option<Bytes32>,

    /// Deadline of the grant, in seconds since the Unix epoch; 23 hours from now by default.
    #[arg(long, value_name = "TIME", requires = "request_id")]
    valid_until: Option<u64>,
}

#[derive(Debug, Args)]
struct SignArgs {
    #[command(flatten)]
    right: RightArgs,

    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Debug, Args)]
struct GrantArgs {
    #[command(flatten)]
    right: RightArgs,

    /// File with the key of an operator; repeatable. The key of --key if no one else signs.
    #[arg(long = "operator", value_name = "FILE")]
    operators: Vec<PathBuf>,

    /// Signature of an operator, as `mortise reader sign` prints it; repeatable.
    #[arg(long = "signature", value_name = "HEX", requires = "request_id")]
    signatures: Vec<Signature>,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs `mortise reader`.
pub async fn run(args: &ReaderArgs, output: &Output) -> Result<(), Failure> {
    match &args.command {
        ReaderCommand::New { out } => new_key(out, output),
        ReaderCommand::Sign(args) => sign(args, output).await,
        ReaderCommand::Grant(args) => grant(args, output).await,
        ReaderCommand::Keys(args) => keys(args, output).await,
    }
}

fn new_key(out: &Path, output: &Output) -> Result<(), Failure> {
    let (reader, secret) = Reader::random_with_secret();
    key::write_secret(out, secret.as_bytes())?;
    let public = reader.public().to_string();
    output.thing(&json!({"reader": public}), &[("reader", public.clone())]);
    Ok(())
}

impl RightArgs {
    /// The right; a new request is valid from `now_s` on.
    fn grant(&self, now_s: u64) -> ReadingGrant {
        let request = match (self.request_id, self.valid_until) {
            (Some(id), Some(valid_until)) => Request { id: RequestId(id.0), valid_until },
            _ => Request { id: random_request_id(), valid_until: now_s + VALID_S },
        };
        let (from_epoch, to_epoch) = (self.from_epoch, self.to_epoch);
        ReadingGrant { reader: self.reader, from_epoch, to_epoch, request }
    }
}

async fn sign(args: &SignArgs, output: &Output) -> Result<(), Failure> {
    let connection = &args.connection;
    let signer = key::load(connection.key.as_deref())?;
    let engine_id = match connection.engine_id {
        Some(engine_id) => engine_id,
        None => Session::connect(connection, output).await?.identity().await?.engine_id,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(Failure::system)?;
    let grant = args.right.grant(now.as_secs());
    let signature = signer.grant_reading(&engine_id, &grant);
    let lines = [
        ("engineId", engine_id.to_string()),
        ("operator", to_checksum(&signer.address())),
        ("reader", grant.reader.to_string()),
        ("fromEpoch", grant.from_epoch.to_string()),
        ("toEpoch", grant.to_epoch.to_string()),
        ("requestId", grant.request.id.to_string()),
        ("validUntil", seconds_and_utc(grant.request.valid_until)),
        ("signature", signature.to_string()),
    ];
    let value = json!({
        "engineId": engine_id, "operator": signer.address(), "reader": grant.reader,
        "fromEpoch": grant.from_epoch, "toEpoch": grant.to_epoch,
        "requestId": grant.request.id, "validUntil": grant.request.valid_until,
        "signature": signature,
    });
    output.thing(&value, &lines);
    Ok(())
}

async fn grant(args: &GrantArgs, output: &Output) -> Result<(), Failure> {
    let session = Session::connect(&args.connection, output).await?;
    let output = &session.output;
    let engine_id = session.identity().await?.engine_id;
    let mut signers: Vec<Signer> =
        args.operators.iter().map(|path| key::read(path)).collect::<Result<_, _>>()?;
    if signers.is_empty() && args.signatures.is_empty() {
        signers.push(session.signer()?);
    }
    let grant = args.right.grant(session.client.now().await?);
    let mut signatures = args.signatures.clone();
    signatures.extend(signers.iter().map(|signer| signer.grant_reading(&engine_id, &grant)));
    let result = session.client.grant_reading(GrantReading { grant, signatures }).await?;
    let lines = [
        ("reader", grant.reader.to_string()),
        ("fromEpoch", grant.from_epoch.to_string()),
        ("toEpoch", grant.to_epoch.to_string()),
        ("requestId", grant.request.id.to_string()),
        ("seq", format!("{} (event {})", result.seq, result.receipt.index)),
        ("stateRoot", result.state_root.to_string()),
    ];
    output.thing(&result, &lines);
    session.close_after_change().await;
    Ok(())
}

async fn keys(args: &KeysArgs, output: &Output) -> Result<(), Failure> {
    let connection = &args.connection;
    let file = connection.key.as_deref();
    let file = file.ok_or_else(|| Failure::usage("pass the key of the reader: --key FILE"))?;
    let named = |e: &dyn std::fmt::Display| Failure::usage(format!("{}: {e}", file.display()));
    let reader = Reader::from_hex(&key::read_secret(file)?).map_err(|e| named(&e))?;
    let session = Session::connect(connection, output).await?;
    let output = &session.output;
    let engine_id = session.identity().await?.engine_id;
    let released = session.client.released_keys(&reader).await?;
    let keys = audit_keys(engine_id, &released)
        .ok_or_else(|| Failure::check("the engine answered without keys"))?;
    key::write_secret(&args.out, keys.to_json().trim_end().as_bytes())?;
    let epochs: Vec<u64> = keys.epochs().collect();
    let lines = [("reader", reader.public().to_string()), ("epochs", format!("{epochs:?}"))];
    output.thing(&json!({"reader": reader.public(), "epochs": epochs}), &lines);
    if epochs.first() != Some(&1) {
        output.note("without the keys of epoch 1 you can decrypt frames but not replay the log");
    }
    session.close().await
}

/// The key file of the released keys.
fn audit_keys(engine_id: EngineId, released: &[ReleasedEpochs]) -> Option<AuditKeys> {
    let mut keys = AuditKeys::new(engine_id, released.first()?.state_salt().clone());
    for (epoch, root) in released.iter().flat_map(|page| page.epochs()) {
        keys = keys.with_epoch(*epoch, root.clone());
    }
    Some(keys)
}

/// How long a new request is valid: an hour less than the engine remembers one.
const VALID_S: u64 = 23 * 3600;
