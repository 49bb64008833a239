//! Files of the module's folder: private, and written completely or not at all.

use super::error::NsmFolderError;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use zeroize::Zeroizing;

/// Creates the folder for its owner only, and locks it against other processes until dropped.
///
/// # Errors
/// `Io`.
pub(super) fn lock(folder: &Path) -> Result<File, NsmFolderError> {
    let path = folder.join("lock");
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let locked = made.and_then(|()| options.open(&path)).and_then(|file| {
        file.lock()?;
        Ok(file)
    });
    locked.map_err(|error| NsmFolderError::Io { path, error })
}

/// The text of a file; `None` when it is absent.
///
/// # Errors
/// `Io`.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, NsmFolderError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(NsmFolderError::Io { path: path.to_owned(), error }),
    }
}

/// Replaces a file. After a crash the old or the new file is there, complete.
///
/// # Errors
/// `Io`.
pub(super) fn write(path: &Path, mode: u32, text: &str) -> Result<(), NsmFolderError> {
    let beside = path.with_extension("new");
    let replace = || {
        let _ = std::fs::remove_file(&beside);
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(mode).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    replace().map_err(|error| NsmFolderError::Io { path: path.to_owned(), error })
}
