//! A data folder: its files, and the command lines of the processes that use it.

use super::notice::KmsReady;
use mortise_format::genesis::Genesis;
use mortise_format::ids::Bytes32;
use mortise_format::policy::{Edition, Reads};
use mortise_rpc::genesis;
use mortise_sim::nsm::NsmFolderError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// The folder or a file in it cannot be created or read.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The authority of the software security module failed.
    #[error("the software security module: {0}")]
    Module(NsmFolderError),
    /// The folder of an engine with a vault file. An attested engine cannot unwrap its keys.
    #[error("{0} holds an unattested engine of an older version: choose another --data-dir")]
    Unattested(PathBuf),
    /// Socket paths have 108 bytes.
    #[error("the path {0} is too long for a unix socket: choose a shorter --data-dir")]
    LongPath(PathBuf),
}

/// Files of a data folder.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

/// File that names security module and key service for the engine.
pub(super) const PLATFORM: &str = "platform.json";

/// `sun_path` holds 108 bytes with the final zero.
const SOCKET_PATH_MAX: usize = 107;

impl Folder {
    /// Opens the folder; creates it if it is missing.
    pub fn open(root: &Path) -> Result<Self, FolderError> {
        let io = |what: &str| {
            let what = format!("{what} {}", root.display());
            move |error| FolderError::Io { what, error }
        };
        std::fs::create_dir_all(root).map_err(io("cannot create the folder"))?;
        let root = root.canonicalize().map_err(io("cannot find the folder"))?;
        let folder = Self { root };
        match folder.root.join("credentials.sock").as_os_str().len() {
            0..SOCKET_PATH_MAX => Ok(folder),
            _ => Err(FolderError::LongPath(folder.root.join("credentials.sock"))),
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Address of the engine.
    pub fn engine_socket(&self) -> PathBuf {
        self.root.join("engine.sock")
    }

    fn store_socket(&self) -> PathBuf {
        self.root.join("store.sock")
    }

    fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    /// Writes the genesis of a new folder: the given one, or the development one with a fresh
    /// salt. An existing one is kept; the engine refuses a given one that differs.
    pub fn ensure_genesis(
        &self,
        given: Option<&Path>,
        witnessed: bool,
        reads: Reads,
    ) -> Result<(), FolderError> {
        let path = self.genesis();
        let text = match given {
            Some(given) => std::fs::read_to_string(given).map_err(|error| self.io(error))?,
            None if path.exists() => return Ok(()),
            None => {
                let mut new = genesis::dev(Bytes32(mortise_client::random_request_id().0));
                if let Edition::Second(service) = &mut new.policy.edition {
                    service.reads = reads;
                }
                if witnessed {
                    super::witnesses::enter(&self.root, &mut new.policy)?;
                }
                genesis::print(&new)
            }
        };
        std::fs::write(&path, text).map_err(|error| self.io(error))
    }

    /// The genesis of the folder.
    pub fn read_genesis(&self) -> Result<Genesis, FolderError> {
        let text = std::fs::read_to_string(self.genesis()).map_err(|error| self.io(error))?;
        genesis::parse(&text).map_err(|error| self.io(std::io::Error::other(error)))
    }

    /// Writes this genesis into a new folder; a folder that has one keeps it.
    pub fn ensure_given_genesis(&self, new: &Genesis) -> Result<(), FolderError> {
        let path = self.genesis();
        match path.exists() {
            true => Ok(()),
            false => std::fs::write(path, genesis::print(new)).map_err(|error| self.io(error)),
        }
    }

    /// Folder of the software module.
    pub fn nsm(&self) -> PathBuf {
        self.root.join("nsm")
    }

    /// Folder of the key service.
    pub fn kms(&self) -> PathBuf {
        self.root.join("kms")
    }

    /// Address of the relay to the key service.
    pub fn relay_address(&self) -> String {
        format!("unix:{}", self.root.join("kms.sock").display())
    }

    /// Address of the witness proxy.
    pub fn witness_address(&self) -> OsString {
        unix(&self.root.join("witness.sock"))
    }

    /// Address of the credentials.
    pub fn credentials_address(&self) -> String {
        format!("unix:{}", self.root.join("credentials.sock").display())
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: &str, text: &str) -> Result<(), FolderError> {
        let path = self.root.join(name);
        let what = format!("cannot write {}", path.display());
        std::fs::write(path, text).map_err(|error| FolderError::Io { what, error })
    }

    /// Refuses a folder whose engine has its keys in a vault file.
    pub fn check_attested(&self) -> Result<(), FolderError> {
        match self.vault().exists() {
            true => Err(FolderError::Unattested(self.root.clone())),
            false => Ok(()),
        }
    }

    fn vault(&self) -> PathBuf {
        self.root.join("vault.key")
    }

    fn io(&self, error: std::io::Error) -> FolderError {
        FolderError::Io { what: format!("the genesis {}", self.genesis().display()), error }
    }

    /// The command line of the host process.
    pub fn host_args(&self, http: u16, log: &str) -> Vec<OsString> {
        vec![
            "dev-host".into(),
            "--data-dir".into(),
            self.root.join("store").into(),
            "--listen-store".into(),
            unix(&self.store_socket()),
            "--engine".into(),
            unix(&self.engine_socket()),
            "--http".into(),
            http.to_string().into(),
            "--log".into(),
            log.into(),
        ]
    }

    /// More flags of the host, for the relay to a key service.
    pub fn host_kms_args(&self, kms: &KmsReady) -> Vec<OsString> {
        let mut credentials = OsString::from("file=");
        credentials.push(&kms.credentials);
        vec![
            "--kms".into(),
            kms.address.clone().into(),
            "--listen-kms".into(),
            self.relay_address().into(),
            "--listen-credentials".into(),
            self.credentials_address().into(),
            "--credentials".into(),
            credentials,
        ]
    }

    /// The command line of an attested engine process.
    pub fn attested_engine_args(&self, snapshot_frames: u64, log: &str) -> Vec<OsString> {
        let mut args = self.engine_args(snapshot_frames, log);
        args.extend(["--platform".into(), self.root.join(PLATFORM).into()]);
        args
    }

    /// The command line of an engine process on a vault file.
    pub fn unattested_engine_args(&self, snapshot_frames: u64, log: &str) -> Vec<OsString> {
        let mut args = self.engine_args(snapshot_frames, log);
        args.extend(["--vault".into(), self.vault().into()]);
        args
    }

    fn engine_args(&self, snapshot_frames: u64, log: &str) -> Vec<OsString> {
        vec![
            "dev-engine".into(),
            "--listen".into(),
            unix(&self.engine_socket()),
            "--store".into(),
            unix(&self.store_socket()),
            "--genesis".into(),
            self.genesis().into(),
            "--snapshot-frames".into(),
            snapshot_frames.to_string().into(),
            "--log".into(),
            log.into(),
        ]
    }
}

fn unix(path: &Path) -> OsString {
    let mut address = OsString::from("unix:");
    address.push(path);
    address
}
