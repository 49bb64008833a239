//! `mortise kms`: the application. Encrypts and decrypts texts under keys that the key service
//! releases to measured code only.
//!
//! Flags choose one of two forms. Natively, a text belongs to an owner, and only the owner's key
//! decrypts it. With `--plain` or `--cid`, in the form of the second document, any caller that
//! reaches the request port can decrypt every text. Without a key, in the folder of a running
//! `mortise-dev dev`, the command uses the plain form and prints that it does.

mod api;
mod plain;
mod show;

use crate::connection::ConnectionArgs;
use crate::failure::Failure;
use crate::output::Output;
use api::KmsApi;
use clap::{Args, Subcommand};
use mortise_format::ids::Address;
use mortise_format::limits::APP_TEXT_BYTES_MAX;
use mortise_rpc::Base64;
use mortise_rpc::params::PlainText;
use mortise_rpc::results::KmsEncrypted;
use mortise_transport::ports;
use std::io::Read as _;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  mortise kms encrypt TEXT --key owner.key              ENCRYPTED=, SIGNATURE=, CIPHERTEXT_BLOB=
  mortise kms decrypt ENCRYPTED SIGNATURE CIPHERTEXT_BLOB --key owner.key
  mortise kms random --bytes 16
  mortise kms encrypt - --cid 16 < file                 plain form, straight to the enclave
  mortise kms genkey --plain --url unix:/run/engine.sock";

/// Flags of `mortise kms`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct KmsArgs {
    #[command(subcommand)]
    command: KmsCommand,

    #[command(flatten)]
    form: FormArgs,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The form, and the address of the plain form.
#[derive(Debug, Args)]
struct FormArgs {
    /// Use the form without owners, straight to the request port of --url, which must be unix:,
    /// vsock: or hybrid:.
    #[arg(long, global = true)]
    plain: bool,

    /// The same form, to the enclave with this CID.
    #[arg(long, global = true, value_name = "CID")]
    cid: Option<u32>,

    /// Request port of that enclave.
    #[arg(long, global = true, default_value_t = ports::REQUESTS)]
    port: u32,

    /// Credentials for this request, as the instance metadata service writes them (plain form).
    #[arg(long, global = true, value_name = "FILE")]
    credentials: Option<PathBuf>,

    /// Owner of the text (native form); the address of your key by default.
    #[arg(long, global = true, value_name = "0x...")]
    owner: Option<Address>,
}

#[derive(Debug, Subcommand)]
enum KmsCommand {
    /// Encrypt a text under a new data key. Prints the three parts.
    Encrypt {
        /// The text; - for stdin.
        text: String,
    },
    /// Decrypt a text with a valid signature. Prints the text and the verdict.
    Decrypt {
        /// ENCRYPTED of encrypt.
        #[arg(value_parser = base64)]
        encrypted: Base64,
        /// SIGNATURE of encrypt.
        #[arg(value_parser = base64)]
        signature: Base64,
        /// CIPHERTEXT_BLOB of encrypt.
        #[arg(value_parser = base64)]
        ciphertext_blob: Base64,
    },
    /// Make a data key. Prints it wrapped, and in clear if the image of the engine releases keys.
    Genkey,
    /// Unwrap a data key, if the image of the engine releases keys.
    Unwrap {
        /// CIPHERTEXT of genkey.
        #[arg(value_parser = base64)]
        ciphertext_blob: Base64,
    },
    /// Print random bytes of the key service, in base64.
    Random {
        /// How many.
        #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
        bytes: u32,
    },
}

fn base64(text: &str) -> Result<Base64, &'static str> {
    Base64::parse(text)
}

/// Runs `mortise kms`.
pub async fn run(args: &KmsArgs, output: &Output) -> Result<(), Failure> {
    let api = KmsApi::choose(&args.form, &args.connection, output).await?;
    match &args.command {
        KmsCommand::Encrypt { text } => {
            show::encrypted(&api.encrypt(read_text(text)?).await?, output);
        }
        KmsCommand::Decrypt { encrypted, signature, ciphertext_blob } => {
            let parts = KmsEncrypted {
                encrypted: encrypted.clone(),
                signature: signature.clone(),
                ciphertext_blob: ciphertext_blob.clone(),
            };
            show::decrypted(&api.decrypt(parts).await?, output);
        }
        KmsCommand::Genkey => show::data_key(&api.generate_data_key().await?, output),
        KmsCommand::Unwrap { ciphertext_blob } => {
            show::unwrapped(&api.unwrap(ciphertext_blob.clone()).await?, output);
        }
        KmsCommand::Random { bytes } => show::random(&api.random(*bytes).await?, output),
    }
    api.close().await
}

fn read_text(text: &str) -> Result<PlainText, Failure> {
    let mut whole = text.to_owned();
    if text == "-" {
        whole.clear();
        let bound = u64::try_from(APP_TEXT_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        let read = std::io::stdin().lock().take(bound).read_to_string(&mut whole);
        read.map_err(|error| Failure::usage(format!("stdin: {error}")))?;
    }
    let too_long = || Failure::usage(format!("a text has at most {APP_TEXT_BYTES_MAX} bytes"));
    PlainText::new(whole).ok_or_else(too_long)
}
