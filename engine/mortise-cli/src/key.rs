//! `mortise key`: makes a key, shows an address. Also reads the key of other commands.

use crate::failure::Failure;
use crate::output::Output;
use clap::{Args, Subcommand};
use mortise_client::Signer;
use mortise_format::ids::to_checksum;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The variable that holds a key itself.
pub(crate) const KEY_VARIABLE: &str = "MORTISE_KEY";
/// Most bytes of a key file that are read.
const KEY_FILE_BYTES_MAX: u64 = 256;

const EXAMPLES: &str = "\
Examples:
  mortise key new --out owner.key        writes the key, prints its address
  mortise key new --show                 prints the key: for keys that you throw away
  mortise key address --key owner.key";

/// Flags of `mortise key`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key from the entropy of the operating system.
    New {
        /// Write it to this file, which must not exist (mode 0600).
        #[arg(long, value_name = "FILE", required_unless_present = "show")]
        out: Option<PathBuf>,
        /// Print the secret key.
        #[arg(long)]
        show: bool,
    },
    /// Print the address of a key.
    Address(KeyFileArgs),
}

/// The key of a command that does not connect.
#[derive(Debug, Default, Args)]
pub(crate) struct KeyFileArgs {
    /// File with the signing key (mode 0600). The variable MORTISE_KEY holds a key itself.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

/// Runs `mortise key`.
pub fn run(args: &KeyArgs, output: &Output) -> Result<(), Failure> {
    match &args.command {
        KeyCommand::New { out, show } => new_key(out.as_deref(), *show, output),
        KeyCommand::Address(args) => {
            let address = to_checksum(&load(args.key.as_deref())?.address());
            output.thing(&json!({"address": address}), &[("address", address.clone())]);
            Ok(())
        }
    }
}

fn new_key(out: Option<&Path>, show: bool, output: &Output) -> Result<(), Failure> {
    let (signer, secret) = Signer::random_with_secret();
    if let Some(path) = out {
        write_secret(path, secret.as_bytes())?;
    }
    let address = to_checksum(&signer.address());
    let mut value = json!({"address": address});
    let mut lines = vec![("address", address)];
    if show {
        value["secret"] = json!(secret.as_str());
        lines.push(("secret", secret.to_string()));
    }
    output.thing(&value, &lines);
    Ok(())
}

/// Writes secret text to a new file that only its owner can read.
pub fn write_secret(path: &Path, text: &[u8]) -> Result<(), Failure> {
    let named = |e| Failure::check(format!("{}: {e}", path.display()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(named)?;
    file.write_all(text).and_then(|()| file.write_all(b"\n")).map_err(named)?;
    file.sync_all().map_err(named)
}

/// The key of the caller: the file, or else the variable.
pub fn load(file: Option<&Path>) -> Result<Signer, Failure> {
    if let Some(path) = file {
        return read(path);
    }
    let text = std::env::var(KEY_VARIABLE).map_err(|_| {
        Failure::usage(format!(
            "this command needs a key: pass --key FILE or set {KEY_VARIABLE} (mortise key new \
             makes one)"
        ))
    })?;
    Signer::from_hex(&text).map_err(|e| Failure::usage(format!("{KEY_VARIABLE}: {e}")))
}

/// The key of the caller, if it names one.
pub fn named(file: Option<&Path>) -> Result<Option<Signer>, Failure> {
    match file.is_some() || std::env::var_os(KEY_VARIABLE).is_some() {
        true => load(file).map(Some),
        false => Ok(None),
    }
}

/// The key in a file that only its owner can read.
pub fn read(path: &Path) -> Result<Signer, Failure> {
    let text = read_secret(path)?;
    Signer::from_hex(&text).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))
}

/// The text of a key file that only its owner can read.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let named = |e: &dyn std::fmt::Display| Failure::usage(format!("{}: {e}", path.display()));
    let file = File::open(path).map_err(|e| named(&e))?;
    let mode = file.metadata().map_err(|e| named(&e))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(named(&"other users can read or write this key: run chmod 600 on it"));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(|e| named(&e))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_file_is_private_not_overwritten_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let output = Output::new(false);
        new_key(Some(&path), false, &output).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let address = read(&path).unwrap().address();
        assert!(new_key(Some(&path), false, &output).is_err());
        assert_eq!(read(&path).unwrap().address(), address);
    }

    #[test]
    fn key_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        new_key(Some(&path), false, &Output::new(false)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(read(&path).unwrap_err().exit_code(), 2);
    }
}
