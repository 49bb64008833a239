//! The folder of a witness: its key, its heads, and a lock that one process holds.
//!
//! ```text
//! key      name, newline, 64 hex digits of the seed, newline; mode 600
//! lock     held (flock) by the process that cosigns
//! heads/   one file for each log
//! ```
//! Two running copies of a folder are two witnesses with one key: together they can cosign a fork.
//! Restore a folder only after the other copy is gone, and never from an old backup.

use crate::heads::FileHeads;
use crate::key::WitnessSigner;
use mortise_format::hex;
use mortise_format::note::NoteError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The folder, or a file in it, cannot be created or read.
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    /// Another process cosigns with this folder.
    #[error("another process uses {0}")]
    InUse(PathBuf),
    /// The key file does not parse.
    #[error("{0} does not contain a witness key")]
    Key(PathBuf),
    /// The folder holds the key of another witness.
    #[error("the folder holds the key of {found}")]
    OtherName { found: String },
    /// The folder has no key, and no name was given to create one.
    #[error("the folder has no key yet: give a name to create one")]
    NoName,
    /// The name is not valid for a key.
    #[error("the name: {0}")]
    Name(NoteError),
}

/// A folder that exists.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Opens a folder and creates it if needed.
    ///
    /// # Errors
    /// `Io`.
    pub fn open(root: &Path) -> Result<Self, FolderError> {
        let folder = Self { root: root.to_owned() };
        let heads = folder.root.join("heads");
        std::fs::create_dir_all(&heads).map_err(|error| FolderError::Io { path: heads, error })?;
        Ok(folder)
    }

    /// Reads the key. If there is none, creates one from `seed` and writes it.
    ///
    /// # Errors
    /// `Io`, `Key`, `OtherName`, `NoName`, `Name`.
    pub fn key(&self, name: Option<&str>, seed: &[u8; 32]) -> Result<WitnessSigner, FolderError> {
        let path = self.root.join("key");
        let wrong = |error| FolderError::Io { path: path.clone(), error };
        match std::fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(text) => {
                let signer = parse(&text).ok_or_else(|| FolderError::Key(path.clone()))?;
                let found = signer.verifier().name().to_owned();
                match name.is_none_or(|name| name == found) {
                    true => Ok(signer),
                    false => Err(FolderError::OtherName { found }),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let name = name.ok_or(FolderError::NoName)?;
                let signer = WitnessSigner::new(name, seed).map_err(FolderError::Name)?;
                let digits = Zeroizing::new(hex::encode(seed));
                let text = Zeroizing::new(format!("{name}\n{}\n", *digits));
                self.write_key(&path, &text).map_err(wrong)?;
                Ok(signer)
            }
            Err(error) => Err(wrong(error)),
        }
    }

    /// Writes the key atomically: after a crash the file is whole or absent.
    fn write_key(&self, path: &Path, text: &str) -> io::Result<()> {
        let fresh = path.with_extension("new");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        File::open(&self.root)?.sync_all()
    }

    /// Locks the folder and opens its heads. The lock lasts until the returned file is dropped.
    ///
    /// # Errors
    /// `Io`, `InUse`.
    pub fn heads(&self) -> Result<(FileHeads, File), FolderError> {
        let path = self.root.join("lock");
        let wrong = |error| FolderError::Io { path: path.clone(), error };
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(wrong)?;
        match lock.try_lock() {
            Ok(()) => Ok((FileHeads::new(self.root.join("heads")), lock)),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(self.root.clone())),
            Err(TryLockError::Error(error)) => Err(wrong(error)),
        }
    }
}

fn parse(text: &str) -> Option<WitnessSigner> {
    let (name, digits) = text.strip_suffix('\n')?.split_once('\n')?;
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_into(digits, &mut *seed).ok()?;
    WitnessSigner::new(name, &seed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_created_once_and_stays() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(&root.path().join("w")).unwrap();
        assert!(matches!(folder.key(None, &[1; 32]), Err(FolderError::NoName)));
        assert!(matches!(folder.key(Some("a b"), &[1; 32]), Err(FolderError::Name(_))));
        let made = folder.key(Some("w.example"), &[1; 32]).unwrap();
        let again = folder.key(None, &[2; 32]).unwrap();
        assert_eq!(made.verifier(), again.verifier());
        let other = folder.key(Some("x.example"), &[2; 32]);
        assert!(matches!(other, Err(FolderError::OtherName { .. })));
        let path = root.path().join("w/key");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 2]).unwrap();
        assert!(matches!(folder.key(None, &[2; 32]), Err(FolderError::Key(_))));
    }

    #[test]
    fn only_one_process_holds_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let (_heads, lock) = folder.heads().unwrap();
        assert!(matches!(folder.heads(), Err(FolderError::InUse(_))));
        drop(lock);
        assert!(folder.heads().is_ok());
    }
}
