//! The folder of a local boot.
//!
//! ```text
//! enclave.toml, genesis.json        measured files of the image
//! kms/                              the key service: keys, principals, TLS root, trail of calls
//! {engine,app}-policy.json          who may unwrap: the image that was booted first
//! store/                            the log
//! run/                              sockets
//! console.log                       console of the last boot
//! mortise.eif                       the image, unless --image names another
//! ```

use mortise_cli::failure::Failure;
use mortise_cli::image::build::IMAGE_FILE;
use mortise_transport::Address;
use std::path::{Path, PathBuf};

/// Files of a folder.
#[derive(Debug, Clone)]
pub(super) struct BootFolder {
    root: PathBuf,
}

/// The measured configuration; it marks the folder of a local boot.
pub(super) const CONFIG_FILE: &str = "enclave.toml";

/// `sun_path` holds 108 bytes with the final zero.
const SOCKET_PATH_MAX: usize = 107;

impl BootFolder {
    /// Opens the folder; creates it if it is missing.
    pub fn open(root: &Path) -> Result<Self, Failure> {
        let named = |error: std::io::Error| Failure::system(format!("{}: {error}", root.display()));
        std::fs::create_dir_all(root.join("run")).map_err(named)?;
        let folder = Self { root: root.canonicalize().map_err(named)? };
        let mut longest = folder.vsock().into_os_string();
        longest.push("_65535");
        if longest.len() > SOCKET_PATH_MAX {
            let root = folder.root.display();
            let text =
                format!("the path {root} is too long for unix sockets: choose another --dir");
            return Err(Failure::usage(text));
        }
        Ok(folder)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The measured configuration.
    pub fn config(&self) -> PathBuf {
        self.root.join(CONFIG_FILE)
    }

    /// The measured genesis.
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    /// The key service.
    pub fn kms(&self) -> PathBuf {
        self.root.join("kms")
    }

    /// The policy of a key.
    pub fn policy(&self, alias: &str) -> PathBuf {
        self.root.join(format!("{alias}-policy.json"))
    }

    /// The log.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// The image, unless another is named.
    pub fn image(&self) -> PathBuf {
        self.root.join(IMAGE_FILE)
    }

    /// Console of the machine.
    pub fn console(&self) -> PathBuf {
        self.root.join("console.log")
    }

    /// Socket between QEMU and the vsock device.
    pub fn vhost(&self) -> PathBuf {
        self.root.join("run/vhost")
    }

    /// The vsock of the machine.
    pub fn vsock(&self) -> PathBuf {
        self.root.join("run/vsock")
    }

    /// A port of that vsock.
    pub fn at(&self, port: u32) -> Address {
        Address::Hybrid { path: self.vsock(), port }
    }

    /// Removes sockets that killed processes of an earlier run left.
    pub fn clear_sockets(&self) -> Result<(), Failure> {
        let run = self.root.join("run");
        for entry in std::fs::read_dir(run).map_err(Failure::system)?.flatten() {
            std::fs::remove_file(entry.path()).map_err(Failure::system)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_whose_sockets_have_no_room_for_their_names_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let deep = temporary.path().join("d".repeat(100));
        let failure = BootFolder::open(&deep).unwrap_err();
        assert!(failure.text().contains("too long for unix sockets"), "{}", failure.text());
        assert!(BootFolder::open(temporary.path()).is_ok());
    }
}
