//! Where a log comes from: an exported file, or the data folder of a host that is stopped.

use crate::failure::Failure;
use crate::log::{self, FOUNDING_PART};
use mortise_engine::keyring::GENESIS_BLOB;
use mortise_format::codec;
use mortise_format::ids::Bytes32;
use mortise_format::policy::{Genesis, GenesisKeys};
use mortise_host::export::{ExportReader, FolderError, Parts};
use mortise_host::store::{DiskStore, LogStore as _, StoreOptions};
use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Bytes of frames that are read from a folder at once.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// Room of the buffer in front of a file.
const BUFFER_BYTES: usize = 1024 * 1024;

/// A log to be read once, frame by frame.
pub(crate) struct Source {
    from: From,
    parts: Parts,
    total: u64,
}

enum From {
    Export(Box<ExportReader<BufReader<File>>>),
    Folder { store: Box<DiskStore>, next_seq: u64, read: VecDeque<Vec<u8>> },
}

impl Source {
    /// Opens a log.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let named = |error: &dyn std::fmt::Display| {
            Failure::usage(format!("cannot read {}: {error}", path.display()))
        };
        let meta = std::fs::metadata(path).map_err(|error| named(&error))?;
        if meta.is_dir() {
            return Self::folder(path);
        }
        let file = File::open(path).map_err(|error| named(&error))?;
        let reader = ExportReader::new(BufReader::with_capacity(BUFFER_BYTES, file));
        let reader =
            reader.map_err(|error| Failure::check(format!("{}: {error}", path.display())))?;
        let (parts, total) = (reader.parts().clone(), meta.len());
        Ok(Self { from: From::Export(Box::new(reader)), parts, total })
    }

    fn folder(path: &Path) -> Result<Self, Failure> {
        if !path.join("log").is_dir() {
            return Err(log::failure(&FolderError::NoLog(path.to_owned())));
        }
        let store = DiskStore::open(path, StoreOptions::default());
        let store = store.map_err(|error| log::failure(&error.into()))?;
        let parts = log::parts_of(&store, false).map_err(Failure::check)?;
        let total = store.head().next_seq;
        let (store, read) = (Box::new(store), VecDeque::new());
        Ok(Self { from: From::Folder { store, next_seq: 0, read }, parts, total })
    }

    /// The unit in which progress is told.
    pub fn unit(&self) -> &'static str {
        match self.from {
            From::Export(_) => "bytes",
            From::Folder { .. } => "frames",
        }
    }

    /// How much there is, in that unit.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How much was read, in that unit.
    pub fn done(&self) -> u64 {
        match &self.from {
            From::Export(reader) => reader.read_bytes(),
            From::Folder { next_seq, read, .. } => {
                next_seq - u64::try_from(read.len()).unwrap_or_default()
            }
        }
    }

    /// The genesis that comes with the log.
    pub fn genesis(&self) -> Result<Option<Genesis>, Failure> {
        let decoded = self.parts.get(GENESIS_BLOB).map(|bytes| codec::decode(bytes));
        decoded.transpose().map_err(|_| Failure::check("the genesis of the log does not decode"))
    }

    /// What the engine was founded with.
    pub fn founding(&self) -> Result<Option<(GenesisKeys, Bytes32)>, Failure> {
        let decoded = self.parts.get(FOUNDING_PART).map(|bytes| codec::decode(bytes));
        decoded.transpose().map_err(|_| Failure::check("the founding keys do not decode"))
    }

    /// The bytes of the next frame. A file that is torn or was changed is refused by name.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        match &mut self.from {
            From::Export(reader) => {
                let frame = reader.next_frame().map_err(Failure::check)?;
                Ok(frame.map(|frame| frame.bytes().to_vec()))
            }
            From::Folder { store, next_seq, read } => {
                if read.is_empty() && *next_seq < self.total {
                    let more = store.read(*next_seq, READ_BYTES).map_err(Failure::check)?;
                    *next_seq += u64::try_from(more.len()).unwrap_or_default();
                    read.extend(more);
                }
                Ok(read.pop_front())
            }
        }
    }
}
