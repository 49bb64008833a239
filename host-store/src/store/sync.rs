//! The only place where bytes are forced to the disk, so that tests can make it fail and metrics
//! can time it.

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
}

/// `fdatasync`.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskSyncer;

impl Syncer for DiskSyncer {
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}
