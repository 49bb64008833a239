//! The key service process: the local KMS on a loopback port.

use super::notice::{KmsReady, Notice, parent_gone, start_log};
use mortise_cli::failure::Failure;
use mortise_format::hex;
use mortise_sim::kms::{ENCLAVE, LocalKms, LocalKmsConfig, RootFingerprint, system_time};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokio::net::TcpListener;

/// Arguments of the hidden `dev-kms` subcommand.
#[derive(Debug, Clone, clap::Args)]
pub struct KmsArgs {
    /// Folder of keys, principals, TLS root and trail
    #[arg(long)]
    pub data_dir: PathBuf,
    /// Port on 127.0.0.1; 0 for any free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Region of ARNs, host name and signatures
    #[arg(long, default_value = "eu-central-1")]
    pub region: String,
    /// Account of ARNs
    #[arg(long, default_value = "000000000000")]
    pub account: String,
    /// Trusted attestation root: SHA-256 of its certificate, 64 hex digits; repeatable
    #[arg(long = "nitro-root", value_name = "SHA256", value_parser = fingerprint)]
    pub nitro_roots: Vec<RootFingerprint>,
    /// Accept unsigned documents, as the emulated module of QEMU makes them
    #[arg(long)]
    pub accept_unsigned_documents: bool,
    /// A key to create, with the policy in a file; repeatable
    #[arg(long = "key-policy", value_name = "ALIAS=FILE", value_parser = key_policy)]
    pub keys: Vec<(String, PathBuf)>,
    /// Log level
    #[arg(long, default_value = "warn")]
    pub log: String,
}

fn fingerprint(text: &str) -> Result<RootFingerprint, String> {
    let mut bytes = [0; 32];
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode_into(digits, &mut bytes).map_err(|error| error.to_string())?;
    Ok(RootFingerprint(bytes))
}

fn key_policy(text: &str) -> Result<(String, PathBuf), String> {
    let (alias, file) = text.split_once('=').ok_or("ALIAS=FILE is expected")?;
    Ok((alias.to_owned(), PathBuf::from(file)))
}

pub(super) async fn run(args: KmsArgs) -> Result<(), Failure> {
    start_log(&args.log);
    let served = serve(args).await;
    served.map_err(|reason| {
        Notice::Failed { reason: reason.clone() }.print();
        Failure::system(reason)
    })
}

async fn serve(args: KmsArgs) -> Result<(), String> {
    let mut config =
        LocalKmsConfig::new(&args.region, &args.account, args.nitro_roots, system_time());
    config.accept_unsigned_documents = args.accept_unsigned_documents;
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let kms = LocalKms::open(&args.data_dir, config).map_err(|error| text(&error))?;
    let mut keys = BTreeMap::new();
    for (alias, file) in args.keys {
        let policy = std::fs::read_to_string(&file)
            .map_err(|error| format!("cannot read the policy {}: {error}", file.display()))?;
        let arn = kms.ensure_key(&alias, &policy).map_err(|error| text(&error))?;
        keys.insert(alias, arn);
    }
    let listener =
        TcpListener::bind(("127.0.0.1", args.port)).await.map_err(|error| text(&error))?;
    let address = listener.local_addr().map_err(|error| text(&error))?;
    Notice::KmsReady(KmsReady {
        address: address.to_string(),
        host_name: kms.host_name(),
        region: args.region,
        tls_root: kms.tls_root_path(),
        credentials: kms.export_credentials(ENCLAVE).map_err(|error| text(&error))?,
        role: kms.enclave_role_arn(),
        keys,
    })
    .print();
    kms.serve(listener, parent_gone()).await.map_err(|error| text(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        kms: KmsArgs,
    }

    #[test]
    fn unsigned_documents_are_refused_unless_their_switch_is_given() {
        let kms = |line: &[&str]| Line::parse_from(line).kms;
        let switch = "--accept-unsigned-documents";
        assert!(!kms(&["kms", "--data-dir", "d"]).accept_unsigned_documents);
        assert!(kms(&["kms", "--data-dir", "d", switch]).accept_unsigned_documents);
    }
}
