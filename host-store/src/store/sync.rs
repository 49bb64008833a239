//! The only place where bytes are forced to the disk and where its free room is read, so that tests
//! can make both fail and metrics can time them.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::path::Path;

/// Forces written bytes to the disk.
pub trait Syncer: Debug + Send + Sync + 'static {
    /// Makes the contents of a file durable, with the metadata that reading them needs.
    ///
    /// # Errors
    /// The disk's error. Bytes written since the last success may be lost, even if a later call
    /// succeeds.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// As [`Syncer::sync`].
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.sync(&File::open(folder)?)
    }

    /// Bytes that this process may still write to the file system of a folder.
    ///
    /// # Errors
    /// The file system's error.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(folder)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// `fdatasync`.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskSyncer;

impl Syncer for DiskSyncer {
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}
