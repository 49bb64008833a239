//! `mortise-dev image local-config`: writes the measured files of an image for this machine.
//!
//! What it is for: an image that boots in QEMU against the local key service needs a configuration
//! with the ARNs of its keys, the root of its certificate and the emulated module, and a genesis.

use super::FOLDER;
use super::folder::BootFolder;
use super::keys::KEYS;
use crate::dev::{ACCOUNT, REGION};
use clap::Args;
use mortise_cli::failure::Failure;
use mortise_cli::output::Output;
use mortise_client::random_request_id;
use mortise_format::ids::Bytes32;
use mortise_rpc::genesis;
use mortise_sim::kms::{LocalKms, LocalKmsConfig, LocalKmsError, system_time};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Write the measured files of an image for `mortise-dev image boot`, and its key service
///
/// Existing files are kept, because an image was built with them.
#[derive(Debug, Clone, Args)]
pub struct LocalConfigArgs {
    /// Folder for enclave.toml, genesis.json and kms/
    #[arg(long, value_name = "DIR", default_value = FOLDER)]
    out: PathBuf,
    /// Genesis file; by default the development genesis with a new salt
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
}

/// Runs `mortise-dev image local-config`.
///
/// # Errors
/// A folder that cannot be written; an invalid genesis, or one that differs from that of the
/// folder.
pub fn run(args: &LocalConfigArgs, output: &Output) -> Result<(), Failure> {
    let folder = BootFolder::open(&args.out)?;
    prepare(&folder, args.genesis.as_deref())?;
    let (config, genesis) = (folder.config(), folder.genesis());
    let value = json!({"config": config, "genesis": genesis, "kms": folder.kms()});
    let lines = [
        ("config", config.display().to_string()),
        ("genesis", genesis.display().to_string()),
        ("kms", folder.kms().display().to_string()),
    ];
    output.thing(&value, &lines);
    Ok(())
}

/// Creates the missing files of the folder.
pub(super) fn prepare(folder: &BootFolder, given: Option<&Path>) -> Result<(), Failure> {
    ensure_genesis(folder, given)?;
    if folder.config().exists() {
        return Ok(());
    }
    let config = LocalKmsConfig::new(REGION, ACCOUNT, Vec::new(), system_time());
    let wrong = |error: LocalKmsError| Failure::system(format!("the key service: {error}"));
    let kms = LocalKms::open(&folder.kms(), config).map_err(wrong)?;
    let key = |(_, alias): (_, &str)| kms.ensure_key(alias, &policy_without_users()).map_err(wrong);
    let [engine_key, app_key] = KEYS.map(key);
    let text = enclave_toml(&engine_key?, &app_key?, &kms.host_name(), &kms.tls_root_pem());
    write(&folder.config(), &text)
}

/// Writes the given genesis, or a new one. Keeps an existing one.
fn ensure_genesis(folder: &BootFolder, given: Option<&Path>) -> Result<(), Failure> {
    let path = folder.genesis();
    let named = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::check(format!("{}: {error}", path.display()))
    };
    let new = match given {
        Some(given) => {
            let text = std::fs::read_to_string(given).map_err(|error| named(given, &error))?;
            genesis::parse(&text).map_err(|error| named(given, &error))?
        }
        None => genesis::dev(Bytes32(random_request_id().0)),
    };
    match std::fs::read_to_string(&path) {
        Ok(_) if given.is_none() => Ok(()),
        Ok(present) if present == genesis::print(&new) => Ok(()),
        Ok(_) => Err(named(&path, &"the folder has another genesis: choose another folder")),
        Err(_) => write(&path, &genesis::print(&new)),
    }
}

/// A policy under which no one can unwrap keys; the first boot replaces it.
fn policy_without_users() -> String {
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    let statement = json!({"Sid": "NoOneUnwraps", "Effect": "Allow", "Principal": {"AWS": root},
        "Action": ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy"], "Resource": "*"});
    format!("{:#}\n", json!({"Version": "2012-10-17", "Statement": [statement]}))
}

fn enclave_toml(engine_key: &str, app_key: &str, host: &str, root: &str) -> String {
    format!(
        "# An image for `mortise-dev image boot`: emulated module, local key service. It gets no \
         key\n\
         # elsewhere.\n\
         region = \"{REGION}\"\n\
         engine_key_arn = \"{engine_key}\"\n\
         app_key_arn = \"{app_key}\"\n\
         kms_host = \"{host}\"\n\
         module = \"emulated\"\n\
         parent_cid = 2\n\
         tls_roots = '''\n{}\n'''\n",
        root.trim()
    )
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let named = |error: std::io::Error| Failure::system(format!("{}: {error}", path.display()));
    std::fs::write(path, text).map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_keeps_its_files_and_refuses_another_genesis() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = BootFolder::open(&temporary.path().join("boot")).unwrap();
        prepare(&folder, None).unwrap();
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        let (config, first) = (read(folder.config()), read(folder.genesis()));
        prepare(&folder, None).unwrap();
        assert_eq!((config, first), (read(folder.config()), read(folder.genesis())));
        let other = temporary.path().join("other.json");
        std::fs::write(&other, genesis::print(&genesis::dev(Bytes32([7; 32])))).unwrap();
        let refused = prepare(&folder, Some(&other)).unwrap_err();
        assert!(refused.text().contains("another genesis"), "{}", refused.text());
        prepare(&folder, Some(&folder.genesis())).unwrap();
    }

    #[test]
    fn configuration_names_both_keys_and_the_root() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = BootFolder::open(temporary.path()).unwrap();
        prepare(&folder, None).unwrap();
        let text = std::fs::read_to_string(folder.config()).unwrap();
        let value: toml::Table = toml::from_str(&text).unwrap();
        assert_ne!(value["engine_key_arn"], value["app_key_arn"]);
        assert_eq!(value["module"].as_str(), Some("emulated"));
        assert_eq!(value["parent_cid"].as_integer(), Some(2));
        assert!(value["tls_roots"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    }
}
