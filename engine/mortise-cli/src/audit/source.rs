//! An exported log as an auditor reads it: once, frame by frame.
//!
//! What it does not do: read a data folder. A live store is the host's (`mortise-host export`).

use crate::failure::Failure;
use mortise_export::{ExportReader, Parts};
use mortise_format::blobs::{GENESIS_BLOB, PUBLIC_KEYS_PART};
use mortise_format::codec;
use mortise_format::genesis::{Genesis, GenesisKeys};
use mortise_format::ids::Bytes32;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Room of the buffer in front of a file.
const BUFFER_BYTES: usize = 1024 * 1024;

/// An exported log.
pub(crate) struct Source {
    reader: ExportReader<BufReader<File>>,
    bytes: u64,
}

impl Source {
    /// Opens an exported log.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let named = |error: std::io::Error| Failure::usage(format!("cannot read {shown}: {error}"));
        let meta = std::fs::metadata(path).map_err(named)?;
        if meta.is_dir() {
            return Err(Failure::usage(format!(
                "{shown} is a folder, not an exported log: mortise-host export --data-dir {shown} \
                 --out FILE"
            )));
        }
        let file = File::open(path).map_err(named)?;
        let reader = ExportReader::new(BufReader::with_capacity(BUFFER_BYTES, file));
        let reader = reader.map_err(|error| Failure::check(format!("{shown}: {error}")))?;
        Ok(Self { reader, bytes: meta.len() })
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes read so far.
    pub fn read_bytes(&self) -> u64 {
        self.reader.read_bytes()
    }

    /// What the file holds beside the frames.
    pub fn parts(&self) -> &Parts {
        self.reader.parts()
    }

    /// The genesis that comes with the log.
    pub fn genesis(&self) -> Result<Option<Genesis>, Failure> {
        let decoded = self.parts().get(GENESIS_BLOB).map(|bytes| codec::decode(bytes));
        decoded.transpose().map_err(|_| Failure::check("the genesis of the log does not decode"))
    }

    /// The public keys that the engine id covers, and the commitment to the log secret.
    pub fn founding(&self) -> Result<Option<(GenesisKeys, Bytes32)>, Failure> {
        let decoded = self.parts().get(PUBLIC_KEYS_PART).map(|bytes| codec::decode(bytes));
        decoded.transpose().map_err(|_| Failure::check("the genesis keys do not decode"))
    }

    /// The bytes of the next frame. A torn or changed file is refused by name.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let frame = self.reader.next_frame().map_err(Failure::check)?;
        Ok(frame.map(|frame| frame.bytes().to_vec()))
    }
}
