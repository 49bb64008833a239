//! The one place where bytes are forced to the disk, so that tests can make it fail and metrics
//! can time it.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::path::Path;

/// Forces written bytes to the disk.
pub trait Syncer: Debug + Send + Sync + 'static {
    /// Makes the content of a file durable, and what of its metadata is needed to read it.
    ///
    /// # Errors
    /// The disk's error. What was written since the last success may be lost, even if a later
    /// call succeeds.
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
